// Package agent is the program: it wires the parts, owns their goroutines, and decides the order in which they start and
// stop.
//
// How a line becomes a block is in agent/line, which commits it to the store. What follows from a commit is done by
// loops that only look at the store: the feed (feed.go) keeps the blacklist in memory, from which the list is served
// (agent/edl) and each firewall is kept in sync (agent/enforce). Here stand the guard, releases, status and
// metrics; what lies in the state folder, and the bounds of the database, are agent/state's.
//
// The package does not know how a rule counts, how PAN-OS is spoken to, or how a row is stored; those
// are the packages it imports. It does not read flags or files of configuration either: package config
// and the command do.
package agent
