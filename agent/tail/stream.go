package tail

import (
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/rs/zerolog"
)

// Stream is one path as an endless source of lines: when the file at the path is replaced, it is read to its end, then
// everything that lay at the path between it and its successor, then the successor.
type Stream struct {
	set     *Set
	path    string
	in      *input
	literal bool  // configured as it is, so it has to be there
	trouble bool  // stands for a folder that cannot be read
	fromEnd bool  // a file that is new here starts at its end
	former  *file // what was truncated last
	still   bool  // nothing has come to it since it was last read to its end
	queued  bool  // counted as one that waits for room
	held    bool  // nothing is read before the folders were listed again

	// Each owns its part of the state; what concerns several of them is decided here. All of it is guarded by Set.mu.
	files    sequence
	horizon  horizon
	reader   reader
	delivery delivery
	health   health
}

// health is whether a path can be read, and what was logged of it. Its user holds Set.mu.
type health struct {
	log  zerolog.Logger
	path string
	scan error // trouble of the path itself, as the last scan found it; nil: none
	told bool  // that there is trouble was logged, and not yet that it ended
}

// report logs when trouble begins and when it ends, and nothing in between, and tells whether one of these is now. nil:
// there is none.
func (h *health) report(err error) bool {
	was := h.told
	switch {
	case err != nil && !h.told:
		h.log.Warn().Str("path", h.path).Err(err).Msg("cannot read the log file; retrying")
	case err == nil && h.told:
		h.log.Info().Str("path", h.path).Msg("log file is readable again")
	}
	h.told = err != nil
	return h.told != was
}

// Mark is a line that the caller has used, with all that it was given before: the file and where the line ends, as
// [Line] has them. The zero value: none yet.
type Mark struct{ File, Next int64 }

// Status is what is known of a stream now.
type Status struct {
	Path   string
	Size   int64 // of the file at the path, bytes
	Offset int64 // used of it
	Behind int64 // bytes that are there and not used, those of predecessors included; a last line without newline counts
	Err    error // trouble that lasts; nil: none. What can be read is read all the same.
	Lines  uint64
	Cut    uint64 // of the lines, those longer than MaxLine
	// Written is the modification time that the plain files being read had when they were last read on; zero: none was.
	Written time.Time
}

func newStream(s *Set, path string, in *input) *Stream {
	return &Stream{
		set: s, path: path, in: in,
		reader:   reader{buffers: &s.buffers, maxLine: s.maxLine},
		delivery: delivery{now: s.now},
		health:   health{log: s.log, path: path},
	}
}

// Path is what the pattern matched.
func (st *Stream) Path() string { return st.path }

// Tag is that of the input.
func (st *Stream) Tag() int { return st.in.Tag }

// Next gives the next complete line that is there now. False means that there is none now, or that the file cannot be
// read (see Status): call [Set.Wait], [Set.Refresh] and Next again. It never waits for data.
func (st *Stream) Next() (line Line, ok bool) {
	s := st.set
	s.mu.Lock()
	ok = !s.closed && st.next(&line)
	s.mu.Unlock()
	return line, ok
}

// next sets the next complete line, and notes that it is given; false leaves it as it is. Measured: a line that is
// returned by each function on its way costs a quarter more, as it is copied each time.
func (st *Stream) next(line *Line) bool {
	if !st.reader.take(line) && !st.refill(line) {
		return false
	}
	st.delivery.hand(line)
	return true
}

// Each calls fn for the next complete lines that are there now, most of them at the most, and tells how many there were.
// Fewer than most are as a false from Next. Other calls on the Set wait meanwhile, so fn must be short, and not call it.
func (st *Stream) Each(most int, fn func(Line)) (n int) {
	s := st.set
	s.mu.Lock()
	defer s.mu.Unlock()
	var line Line
	for ; n < most && !s.closed && st.next(&line); n++ {
		fn(line)
	}
	st.reader.relieve()
	return n
}

// Position gives the positions of all files of this stream that are being read or were finished lately, as of the line
// that was used last; lines that were returned since are given again after a restart. Stored together with everything
// up to that line, they make a restart go on exactly after it. A finished file is given again for a minute and at least
// three times after its last line was used, for the case that a commit fails.
func (st *Stream) Position(used Mark) []Position {
	s := st.set
	s.mu.Lock()
	defer s.mu.Unlock()
	st.delivery.use(used)
	out := st.delivery.finishedPositions()
	for _, list := range [...][]*file{st.files.waiting, st.files.late, st.files.queue} {
		for _, f := range list {
			out = append(out, st.delivery.positionOf(f))
		}
	}
	return out
}

// Concluded tells whether a file of a stream was finished, which Position has not said yet.
func Concluded(st *Stream) bool {
	st.set.mu.Lock()
	defer st.set.mu.Unlock()
	return slices.ContainsFunc(st.delivery.finished, func(f finished) bool { return f.calls == 0 })
}

// Status tells how far the stream is, as of the line that was used last, and what troubles it.
func (st *Stream) Status(used Mark) Status {
	s := st.set
	s.mu.Lock()
	defer s.mu.Unlock()
	st.delivery.use(used)
	out := Status{Path: st.path, Err: st.err(), Lines: st.delivery.lines, Cut: st.delivery.cuts}
	for _, list := range [...][]*file{st.files.late, st.files.queue} {
		for _, f := range list {
			size := f.sizeNow()
			out.Behind += max(0, size-f.offset)
			if f.mtime.After(out.Written) {
				out.Written = f.mtime
			}
			if f == st.files.cur {
				out.Size, out.Offset = size, f.offset
				if from, ok := st.delivery.unused(f); ok {
					out.Offset = from
				}
			}
		}
	}
	out.Behind += st.delivery.outstanding()
	return out
}

// sizeNow gives the size of an open file; that of a compressed one is what its trailer says.
func (f *file) sizeNow() int64 {
	if f.zip != nil {
		return f.zip.plain
	}
	if f.h != nil {
		if fi, err := f.h.Stat(); err == nil {
			return fi.Size()
		}
	}
	return f.size
}

// err gives the trouble of the path, else that of one of its files.
func (st *Stream) err() error {
	if st.health.scan != nil {
		return st.health.scan
	}
	return st.files.fault()
}

// confirm takes note that the path still leads to the present file.
func (st *Stream) confirm(e entry) {
	c := st.files.cur
	c.gone, c.where = time.Time{}, e.path
	if e.mtime.After(c.stamp) && st.set.intact(c) == nil {
		c.stamp = e.mtime // else it was truncated, and the copy of it may be older than what was written since
	}
	st.horizon.stamp = c.stamp
	if st.held {
		return
	}
	st.still = st.files.alone(c) && len(st.files.late) == 0 && c.end == e.size && c.mtime.Equal(e.mtime)
	st.account(c)
	if since := st.horizon.resolve(); !since.IsZero() {
		place := max(0, st.files.place(c))
		st.files.insert(place, st.set.between(st, st.set.folders.around(st.path), since, c)...)
		st.still = false
		st.number()
	}
}

// vanished takes note that nothing to read lies at the path.
func (st *Stream) vanished() {
	st.files.gone(st.set.now())
	renew(st)
	if !st.held {
		st.findRests()
		st.findBetween()
	}
	if st.files.cur != nil {
		return // its handle is read on; a gap of an instant is how rotation works
	}
	if st.literal && st.health.scan == nil && st.files.empty() {
		st.health.scan = fmt.Errorf("%s: %w", st.path, fs.ErrNotExist)
	}
}

// await adds a known file that is to be found and opened.
func (st *Stream) await(f *file) {
	f.stream, f.since = st, st.set.now()
	st.files.waiting = append(st.files.waiting, f)
	st.horizon.extend(f.stamp)
}

// number sees to it that files are numbered in the order in which they are read.
func (st *Stream) number() {
	for _, left := range st.files.number(&st.set.known) {
		st.delivery.conclude(left)
	}
}

// remove takes a file out of all that is read.
func (st *Stream) remove(f *file) {
	st.files.remove(f)
	st.reader.drop(f)
}
