// Package line is the life of a line: from a source it is read, parsed, observed and judged, and its record, the verdict
// and how far the source was read are committed in one transaction.
//
// One function shows it, step in flow.go; run and replay are its two ends. [Live] follows files without an end, commits
// to the store and wakes what depends on the blacklist; [Replay] reads old files and tells what would have been blocked.
//
// The package does not know formats ([Parser]) nor rules (package detect), how a file is followed through its rotations
// (agent/tail), how a row is stored, or what becomes of a block. It decides the order of lines and what goes into one
// transaction.
//
// Words: a source hands over lines; a lane is one source with what was read ahead of it; a line has a place, at which
// it can be read again, and a position says how far a source was read.
package line
