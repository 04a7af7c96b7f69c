package tail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Refresh looks for new files, rotations, deletions and returned permissions, and lets finished files go. It is cheap
// when nothing happened (one stat a folder), so it may be called on every wake; it should be called at least once a
// PollInterval. Truncations are found by Next. The error is [os.ErrClosed] after Close, and the context's when that ended
// first; trouble with files is in [Stream.Status].
func (s *Set) Refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.round++
	if s.due() {
		return s.scan(ctx)
	}
	return nil
}

// due tells whether the folders have to be listed again. Folders so large that this takes long are not listed on every
// wake.
func (s *Set) due() bool {
	since := time.Since(s.folders.at)
	if since >= s.folders.rest(s.poll, s.watch.works() && !s.inputs.queued()) {
		return true
	}
	if s.folders.costly(since) {
		return false
	}
	if s.watch.dirty.Load() {
		return true
	}
	if s.inputs.anyFolder() {
		return true // a new folder does not show in those that are known
	}
	return s.unsettled || s.folders.changed()
}

// scan compares what is there with what is being read. When the context ends it stops, and gives its error; what is left is
// for the next one.
func (s *Set) scan(ctx context.Context) error {
	s.watch.dirty.Store(false)
	return scanListed(ctx, s, s.list())
}

// scanListed compares what was listed with what is being read.
func scanListed(ctx context.Context, s *Set, before map[string]*folder) error {
	for _, st := range s.order {
		st.health.scan, st.held, st.still = nil, false, false
	}
	s.room.recount(s.inputs.list, s.order)
	err := s.take(ctx, before)
	s.heads = nil
	if err != nil {
		s.watch.dirty.Store(true)
		return err
	}
	s.unreadable()
	s.unsettled = false
	for _, st := range slices.Clone(s.ordered()) {
		st.expire()
		if st.health.report(st.err()) {
			s.news.of(st)
		}
		s.news.look(st)
		s.unsettled = s.unsettled || st.health.scan != nil || slices.ContainsFunc(st.files.waiting, func(f *file) bool { return !f.found })
	}
	s.crowds = s.inputs.tell(s.room.most, &s.log)
	s.retire()
	s.excluded.prune(&s.folders)
	s.rewatch()
	s.folders.compared()
	return nil
}

// take goes on with what is known and takes up what is new.
func (s *Set) take(ctx context.Context, before map[string]*folder) error {
	for _, st := range s.ordered() {
		if err := ctx.Err(); err != nil {
			return err
		}
		st.resume()
	}
	s.revive()
	for _, c := range s.compare() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.stream != nil {
			c.stream.succeed(c.entry)
		} else {
			s.discover(c, before)
		}
	}
	return nil
}

// list lists the folders of all inputs and streams, and gives what was listed before.
func (s *Set) list() (before map[string]*folder) {
	wanted := s.inputs.folders()
	for path := range s.streams {
		dir := filepath.Dir(path)
		wanted[dir] = append(wanted[dir], filepath.Base(path))
	}
	return s.folders.relist(wanted, func(path string) bool { return s.streams[path] != nil || s.inputs.of(path) != nil })
}

// found is a path at which something other lies than what is read for it.
type found struct {
	entry  entry
	stream *Stream // nil: the path is new
	in     *input
}

// compare gives the paths at which something new lies, those of base names before those of their generations, whose
// names are longer: so a file between two generations goes to the stream that it was written to.
func (s *Set) compare() []found {
	var out []found
	for _, st := range s.ordered() {
		if st.trouble {
			continue
		}
		d := s.folders.of(st.path)
		e, ok := d.entries[filepath.Base(st.path)]
		switch {
		case ok && e.err != nil:
			st.health.scan = e.err
		case ok && e.regular() && st.files.cur != nil && st.files.cur.key == e.key && st.files.cur.zip == nil:
			st.confirm(e)
		case ok && e.regular() && st.files.cur == nil && len(st.files.waiting) == 0 && s.rests(st.in, e): // nothing of the path is looked for
		case ok && e.regular():
			out = append(out, found{entry: e, stream: st})
		case ok:
			s.excluded.name(e.path, "passed over: not a regular file")
			st.vanished()
		case d.err != nil && !d.missing():
			st.health.scan = d.err // nobody knows what lies there
		default:
			st.vanished()
		}
	}
	for _, d := range s.folders.byPath {
		for name, e := range d.entries {
			if s.streams[e.path] != nil {
				continue
			}
			if in := s.inputs.of(e.path); in != nil && s.wanted(name, e) && !s.rests(in, e) {
				out = append(out, found{entry: e, in: in})
			}
		}
	}
	slices.SortFunc(out, func(a, b found) int {
		// A real name goes before a symbolic link to the same file.
		return cmp.Or(cmp.Compare(len(a.entry.path), len(b.entry.path)), cmpBool(a.entry.link, b.entry.link),
			cmp.Compare(a.entry.path, b.entry.path))
	})
	return s.newest(out)
}

func cmpBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// wanted tells whether something that matches an input may be a file to read.
func (s *Set) wanted(name string, e entry) bool {
	if _, packed := unpacked(name); packed {
		s.excluded.name(e.path, "passed over: compressed")
		return false
	}
	if e.err == nil && !e.regular() {
		s.excluded.name(e.path, "passed over: not a regular file")
		return false
	}
	if e.err == nil && s.known.reading(e.key) != nil {
		s.excluded.name(e.path, "passed over: "+errTaken.Error())
		return false
	}
	return !s.excluded.has(e)
}

// discover makes a stream of a path that was not known, if what lies there is to be read.
func (s *Set) discover(c found, before map[string]*folder) {
	e := c.entry
	if precedes(s, e) {
		return
	}
	st := newStream(s, e.path, c.in)
	st.fromEnd = s.inputs.startsAtEnd(e.path)
	st.horizon.stamp = s.stampOf(e.path, before)
	if e.err != nil {
		st.health.scan = e.err
	} else {
		st.succeed(e)
	}
	if st.health.scan != nil || !st.files.empty() {
		s.addStream(st)
	}
}

// precedes tells whether what lies at a new path is a generation of a known one at which nothing lies, and takes it up there: what its
// writer makes next comes after it.
func precedes(s *Set, e entry) bool {
	for _, path := range basePaths(e.path) {
		in, seen := s.inputs.of(path), s.known.lastSeen(path)
		if _, there := s.folders.entry(path); there || in == nil || seen.IsZero() || s.streams[path] != nil {
			continue
		}
		st := newStream(s, path, in)
		st.horizon.stamp = seen
		st.findBetween()
		if !st.files.empty() {
			s.addStream(st)
		}
		if st.queued || s.known.reading(e.key) != nil {
			return true
		}
	}
	return false
}

// stampOf gives the time after which generations of a path that was just found are not known: when the path was last
// read; else Options.Since, if it counts; else when its folder was last seen without it. Zero, and nothing is looked for,
// if the folder is new to us; but of what is sealed all: it is deleted when it was read.
func (s *Set) stampOf(path string, before map[string]*folder) time.Time {
	stamp := s.known.lastSeen(path)
	if stamp.IsZero() && !s.inputs.startsAtEnd(path) {
		stamp = s.since
	}
	if d := before[filepath.Dir(path)]; stamp.IsZero() && d != nil && d.err == nil {
		stamp = d.mtime
	}
	if in := s.inputs.of(path); stamp.IsZero() && in != nil && in.Sealed {
		return time.Unix(0, 0)
	}
	return stamp
}

// revive goes on with finished files that grew: somebody still had them open.
func (s *Set) revive() {
	lookBelow(s)
	for _, d := range s.folders.byPath {
		for _, e := range d.entries {
			if !e.regular() {
				continue
			}
			if f := s.known.reading(e.key); f != nil {
				if f != f.stream.files.cur || e.path == f.path {
					f.where = e.path
				}
				continue
			}
			s.regrown(e)
		}
	}
}

// lookBelow lists the folders below those of files that were let go at their paths and lie there no more: they may have been renamed into
// one. Which of those of an earlier run were is not known.
func lookBelow(s *Set) {
	unknown := s.inputs.opening || s.inputs.crowded(s.folders.names, s.room.most)
	var there map[inode]bool
	for _, f := range s.known.files {
		if !f.done || f.key == (inode{}) {
			continue
		}
		f.left = f.left || f.rested || s.folders.leads(f)
		if !f.left && !(f.earlier && unknown) {
			continue
		}
		if there == nil {
			there = s.folders.inodes()
		}
		if !there[f.key] {
			s.folders.around(f.path)
		}
	}
}

// regrown goes on with a finished file that lies at an entry, if it grew.
func (s *Set) regrown(e entry) {
	latest := s.known.latest(e.key, e.born)
	for _, f := range s.known.byKey[e.key] {
		if f.id < latest {
			continue
		}
		known := f.sumLen > 0 || s.known.untouched(f, e.born) && e.path != f.path // what lies at the path may have been copied and truncated
		if f.done && known && e.size > f.size && f.refuted != e.state() && s.inputs.of(f.path) != nil {
			s.reopen(f, e)
		}
	}
}

// reconsider looks at once at a path that is not followed, and at which something was written.
func (s *Set) reconsider(path string) {
	now, err := statAt(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return // what that means the next listing shows
	}
	if e := (entry{path: path, stat: now}); e.regular() && s.known.reading(e.key) == nil {
		s.regrown(e)
		if _, passed := s.excluded.settled[path]; !passed && s.known.reading(e.key) == nil {
			s.watch.dirty.Store(true)
		}
	}
}

// reopen puts a finished file that grew back among those that are watched for late writers.
func (s *Set) reopen(f *file, e entry) {
	st := s.streams[f.path]
	if st == nil {
		st = newStream(s, f.path, s.inputs.of(f.path))
		st.horizon.stamp = s.known.lastSeen(f.path)
	}
	st.queued = st.queued || s.streams[f.path] == nil // where it waits, it is counted when it is found at its path
	if !st.admit() {
		return
	}
	defer s.room.yield(st)
	o, err := openPlain(e.path)
	if err != nil {
		return // gone again, or not ours to read: it is tried again, as f.size still differs
	}
	if s.known.reading(o.key) != nil || o.key != f.key || !(f.begins(o.head) || s.known.untouched(f, o.born)) || o.size <= f.offset || !boundary(o.h, f.offset) || s.known.outrun(f, e.path, o) {
		o.h.Close()
		f.refuted = e.state() // the inode serves another file now
		return
	}
	if s.streams[f.path] == nil {
		s.addStream(st)
		s.folders.include(filepath.Dir(f.path), nil) // it may have been removed, and the file lies in another one
	}
	s.attach(f, st, e.path, o)
	f.gone = s.now()
	st.files.late = append(st.files.late, f)
}

// unreadable keeps a stream without lines for each input whose folder cannot be read.
func (s *Set) unreadable() {
	for i := range s.inputs.list {
		in := &s.inputs.list[i]
		d := s.folders.byPath[in.dir]
		if in.literal || in.dirMeta || in.Ending && d.missing() {
			continue
		}
		st := s.streams[in.Pattern]
		switch {
		case d.err != nil && st == nil:
			st = newStream(s, in.Pattern, in)
			st.trouble = true
			s.addStream(st)
			fallthrough
		case d.err != nil && st.trouble:
			st.health.scan = fmt.Errorf("scan for files: %w", d.err)
		case d.err == nil && st != nil && st.trouble:
			st.health.report(st.err())
			s.dropStream(st)
		}
	}
}

// retire drops streams whose path is gone, once their last positions were given to the caller.
func (s *Set) retire() {
	for _, st := range slices.Clone(s.ordered()) {
		if st.literal || st.trouble || !st.files.empty() || st.err() != nil || st.delivery.reporting() {
			continue
		}
		s.dropStream(st)
	}
}

func (s *Set) addStream(st *Stream) *Stream {
	st.literal = s.inputs.literal(st.path)
	s.streams[st.path] = st
	s.order, s.sorted = append(s.order, st), false
	s.news.added(st)
	return st
}

func (s *Set) dropStream(st *Stream) {
	delete(s.streams, st.path)
	s.news.dropped(st)
}

// ordered gives the streams by path.
func (s *Set) ordered() []*Stream {
	if len(s.order) != len(s.streams) {
		s.order = slices.DeleteFunc(s.order, func(st *Stream) bool { return s.streams[st.path] != st })
	}
	if !s.sorted {
		slices.SortFunc(s.order, func(a, b *Stream) int { return cmp.Compare(a.path, b.path) })
		s.sorted = true
	}
	return s.order
}

// vanishedError tells whether an error means that the name is not there, as opposed to a link that leads nowhere.
func vanishedError(err error, e entry) bool { return errors.Is(err, fs.ErrNotExist) && !e.link }
