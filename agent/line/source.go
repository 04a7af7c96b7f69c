package line

import (
	"time"

	"activedefense/detect"
)

// A Source hands over lines in its own order: those of a path through all its rotations, or of an old file. Lines of
// one source are never taken in another order; which of several sources is next the time of their next lines decides.
type Source interface {
	// Read gives the lines that are there now to take, one after the other and at most so many, and tells how many
	// there were. Fewer without an error mean that there are no more now: it never waits for new ones. io.EOF means that
	// none will ever come; another error that nothing can be read any more. It is not called by two goroutines at once,
	// but by different ones.
	Read(most int, take func(Line)) (n int, err error)
}

// Line is one line as a source hands it over.
type Line struct {
	Place Place
	Size  int64  // bytes in the source, the line's end included
	Data  []byte // without the line's end; valid during the call of take
	Cut   bool   // longer than what is read of a line: Data is its head
}

// Place names one line for good. Only its source knows how to find it; for everybody else it is a pair of numbers that
// can be stored, and that are in the order of the lines within one origin.
type Place struct {
	Origin int64 // the file, unique among all that positions are stored of
	Offset int64 // of the first byte in it
}

// The engine remembers a line as one number, so that evidence costs eight bytes: the origin in the upper 24 bits and
// the offset in the lower 40 (1 TiB).
const (
	refOffsetBits = 40
	refOffsetMask = 1<<refOffsetBits - 1
	refOriginMask = 1<<(64-refOffsetBits) - 1
)

// ref packs a place. One beyond the range (a file over 1 TiB, or more than 16 million files seen) wraps: the evidence
// of such a line is then missing from an explanation, nothing else.
func (p Place) ref() uint64 {
	return uint64(p.Origin)&refOriginMask<<refOffsetBits | uint64(p.Offset)&refOffsetMask
}

// placeOf undoes ref.
func placeOf(ref uint64) Place {
	return Place{Origin: int64(ref >> refOffsetBits), Offset: int64(ref & refOffsetMask)}
}

// A Parser turns the lines of one format into events. It is used by one goroutine at a time.
type Parser interface {
	// Parse reads a line into ev, all of whose fields but Ref it sets. at is when the line was read. The error is
	// [detect.ErrNoEvent] for a line that is no fault and no event, or says what is wrong with it.
	Parse(line []byte, at time.Time, ev *detect.Event) error
}

// Input says where lines come from and how they are read.
type Input struct {
	Name     string // what it is called; empty: Pattern
	Pattern  string // of paths, as of [filepath.Match]
	MaxFiles int    // followed at once; 0: 10,000
	// SilentAfter is for how long there must have been no line for that to be told; 0: never.
	SilentAfter time.Duration
	FromEnd     bool           // a file never seen before is read from its end
	Sealed      bool           // a file that was renamed is not written to any more, and deleted when it is stored that it was read to its end
	Ending      bool           // nothing is written there any more: files go when they were read, the folder behind them, and nobody waits for lines
	NewParser   func() Parser  // called for each goroutine that parses lines of one source
	Firewall    bool           // firewalls log there, which have clocks of their own; else it may be this host
	Location    *time.Location // zone of the firewall's clock, to say which one would fit better
	// Device is what its records call the device, whatever a line says; "": the line's own name for it, else that of its file.
	Device string
}
