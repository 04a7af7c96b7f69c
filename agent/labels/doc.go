// Package labels reads plain lists of addresses from files: known scanners, search engines, partners. It tells which labels
// an address has, and which networks are never to be blocked, or to be blocked, because a file lists them.
//
// The files are others' work: downloaded, cut off, replaced by an error page, gone. A file that cannot be read, is too large
// or lost much of what it had is kept as it was when it was last good, and that is a trouble; what it had is never given up
// by itself. What is wider than any list should name is left out of it.
//
// It does not download anything, watch by itself ([Set.Refresh] is called by whoever owns the loop) or decide who is blocked.
package labels
