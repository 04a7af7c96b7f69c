// Package xmlapi speaks the XML API of PAN-OS with one virtual system of one firewall, directly or through a Panorama.
//
// A Device makes one call at a time over a connection that checks everything: TLS is verified, the key travels in a header,
// status and well-formedness of every answer are looked at and its size is bounded, at most five calls of a connection are in
// flight, and what may be sent twice is sent again when it fails fast. Every error is an *Error, of a Kind, and holds no
// secret. Answers are read as a tree of Nodes.
//
// The words: an operational command (Op) has the firewall do or show something; Show reads the running configuration, Get the
// candidate, in which everybody's edits wait; an Edit is one change of the candidate; a commit publishes the edits of one
// administrator; a Job is a task that the firewall carries out by itself; a User-ID message registers and unregisters addresses.
// kind is what Options.OnCall is told of a call, what is what an error says was being done.
//
// The package does not know what is to be blocked, nor what a tag, a list or a rule of ours means. It runs no loop and keeps
// nothing on disk. It alone imports pango.
package xmlapi
