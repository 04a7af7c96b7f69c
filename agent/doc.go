// Package agent is the program: it wires the parts, owns every goroutine and clock, and decides the
// order of input and output.
//
// The life of a line is in pipeline.go: read (agent/tail), parsed (detect/panos), observed (detect),
// judged (the guard), and committed (store) together with the read position. What follows from a
// commit is done by loops that only look at the store: the feed (feed.go) keeps the blacklist in memory,
// from which the list is served (agent/edl) and each firewall is brought level (enforce.go).
//
// The package does not know how a rule counts, how PAN-OS is spoken to, or how a row is stored; those
// are the packages it imports. It does not read flags or files of configuration either: package config
// and the command do.
package agent
