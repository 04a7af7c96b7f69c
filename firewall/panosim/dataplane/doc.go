// Package dataplane has packets decided about, keeps the sessions that they make, and says what is logged about them.
//
// It does not send the log lines, and does not lock itself: its caller does both. Sessions are not handed over to a peer.
package dataplane
