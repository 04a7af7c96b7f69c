package tail

import (
	"crypto/sha256"
	"time"
)

// claim opens for a stream what lies at an entry's path, as a known file that is gone on with or as a new one; with listed only what
// was there when it was listed.
func (s *Set) claim(st *Stream, e entry, listed bool) (*file, error) {
	path := e.path
	o, err := openPlain(path)
	if err != nil {
		return nil, err
	}
	if listed && !e.is(o.key, o.born) {
		o.h.Close()
		return nil, errMoved
	}
	f, err := s.identify(st, path, o)
	if err != nil {
		o.h.Close()
		return nil, err
	}
	s.attach(f, st, path, o)
	return f, nil
}

// identify says which file was opened.
func (s *Set) identify(st *Stream, path string, o *opened) (*file, error) {
	if s.known.reading(o.key) != nil {
		return nil, errTaken
	}
	f := s.known.match(o)
	if f != nil && s.known.outrun(f, path, o) {
		f = nil
	}
	if f != nil && f.stream != nil && f.offset == 0 && f.sumLen == 0 && path != f.path {
		f.stream.reorder(f, entry{path: path, stat: o.stat}) // as where it is resumed; under its number it may come too early
		f = nil
	}
	if f == nil {
		f = st.files.moved(path, o)
	}
	if f != nil && f.offset > 0 {
		elsewhere := f.path != path && (o.size <= f.offset || s.inputs.of(f.path) != nil)
		silent := o.size <= f.size && s.now().Sub(o.mtime) >= silentFor && !st.literal
		if f.done && (elsewhere || silent) {
			return nil, errFinished // should it grow, that is noticed by its inode
		}
		return f, nil
	}
	twin, from, err := s.copyOf(st, path, o)
	if err != nil {
		return nil, err
	}
	if f == nil {
		f = s.known.create(st.path)
		if st.fromEnd {
			if from, err = endOfLines(o.h, o.size); err != nil {
				return nil, err
			}
		}
	}
	f.offset, f.start, f.after = from, from, twin
	return f, nil
}

// longestHead is how long a head may be that all files of a writer have.
const longestHead = 4 << 10

// copyOf tells whether what was opened begins like a known file. If that one is still read, the copy is not; if it is
// finished (then the copy was made before it was truncated), the copy goes on at the offset returned, as does a copy to which
// lines of its own were written. A file that
// replaces a deleted one with the same content, as rsync(1) does, goes on where the file returned ends; one that replaces a renamed one,
// as editors and rsync --backup do, where they part.
func (s *Set) copyOf(st *Stream, path string, o *opened) (*file, int64, error) {
	twin := s.known.original(path, o)
	switch {
	case twin == nil && path == st.path:
		return nil, st.files.copiedBack(o), nil
	case twin == nil:
		return nil, 0, nil
	case !twin.done && twin.stream == st && path == st.path:
		if twin.deleted() && twin.offset <= o.size && sameBefore(twin.h, o.h, twin.offset) {
			return twin, 0, nil
		}
		if common := twin.alikeUpTo(o); certainly(common, twin) {
			return nil, lineBefore(o.h, common), nil // it was renamed, and copied back
		}
		return nil, 0, nil // the successor of a file that has a constant head
	case !twin.done && twin.h != nil && s.intact(twin) != nil:
		// It was truncated since the copy was made, which nobody has noticed yet.
		twin.stream.truncated(twin)
		if s.known.reading(o.key) != nil {
			return nil, 0, errTaken
		}
		return s.copyOf(st, path, o)
	case !twin.done:
		if twin.h == nil {
			return nil, 0, errCopy
		}
		common := twin.alikeUpTo(o)
		if common >= o.size {
			return nil, 0, errCopy
		}
		if twin.stream == st && !certainly(common, twin) || twin.start > 0 && !twin.earlier || common < min(twin.offset, longestHead) {
			return nil, 0, nil // all begin so, or it is the other that goes on behind this one
		}
		// It has lines of its own, behind what it has in common with the other, which gives that.
		return nil, lineBefore(o.h, common), nil
	}
	if common, ok := s.folders.parted(twin, o); ok {
		return nil, lineBefore(o.h, common), nil
	}
	switch {
	case o.size <= twin.offset:
		return nil, 0, errFinished
	case !boundary(o.h, twin.offset):
		return nil, 0, nil
	}
	return nil, twin.offset, nil
}

// certainly tells whether so much in common with a file of the same path shows a copy, which no head does that all files have.
func certainly(common int64, twin *file) bool {
	return common >= longestHead || common >= fingerprintMax && common >= twin.offset
}

// alikeUpTo tells where what was opened parts from a file that is read; 0 if that is not open.
func (f *file) alikeUpTo(o *opened) int64 {
	if f.h == nil {
		return 0
	}
	return parting(f.h, o.h, 0, min(o.size, f.sizeNow()))
}

// parted tells where what was opened parts from a finished file that it begins like, if that is still there under some name and
// they part before what was read of it ends.
func (d *folders) parted(twin *file, o *opened) (common int64, ok bool) {
	places := d.find(twin.key)
	for _, c := range generations(d.around(twin.path), twin.path, time.Time{}, -1) { // copied before it was truncated
		if !c.packed {
			places = append(places, c.entry)
		}
	}
	for _, e := range places {
		original, err := openPlain(e.path)
		if err != nil {
			continue
		}
		found := original.key != o.key && original.size >= twin.offset && twin.begins(original.head)
		if found {
			common = parting(original.h, o.h, 0, min(o.size, twin.offset))
		}
		original.h.Close()
		if found {
			return common, common < min(o.size, twin.offset) && common >= longestHead
		}
	}
	return 0, false
}

// attach gives a file its handle.
func (s *Set) attach(f *file, st *Stream, where string, o *opened) {
	if f.stream != nil {
		f.stream.remove(f)
	}
	if f.done && f.stream != nil {
		f.stream.delivery.resume(f)
	}
	s.known.rekey(f, o.key)
	s.known.locate(f, st.path)
	f.stream, f.h, f.where, f.born = st, o.h, where, o.born
	f.saw(o.head)
	f.end, f.size, f.mtime = -1, o.size, time.Time{}
	f.fresh = f.offset == 0
	f.done, f.found, f.gone, f.idle = false, false, time.Time{}, s.now()
	if mtime := o.mtime; mtime.After(f.stamp) {
		f.stamp = mtime
	}
	s.known.opened(f)
	s.known.pair(f)
}

// pair notes of a file that was opened which other one begins as it does.
func (r *registry) pair(f *file) {
	f.alike = nil
	if len(f.seen) < fingerprintMax {
		return
	}
	for _, other := range r.byHead[sha256.Sum256(f.seen)] {
		if other != f && other.h != nil && other.stream != f.stream {
			f.alike, other.alike = other, f
			return
		}
	}
}

// passShared passes over what a file has got from another one, which was read there: a copy is overwritten with a longer one.
func (f *file) passShared(by *reader) {
	other := f.alike
	if other == nil || other.h == nil || f.offset == 0 || f.long != nil || other.offset <= f.offset || other.start > f.offset || !sameBefore(f.h, other.h, f.offset) {
		return
	}
	if to := lineBefore(f.h, parting(f.h, other.h, f.offset, min(other.offset, f.size))); to > f.offset {
		f.offset = to
		by.drop(f)
	}
}
