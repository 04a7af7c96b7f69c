// Package candidate is a firewall's configuration: what runs, the candidate, the journal of edits that lies between them, and
// what administrators do about it: edits, commits, reverts, locks and roles.
//
// It does not know what a configuration has the firewall do, and fetches, judges and forwards nothing. It does not lock
// itself: its caller does.
package candidate
