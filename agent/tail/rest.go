package tail

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
)

// rest is what was not read of a known file, found in a generation of its path: a copy that was made before the file was
// truncated, or its compressed copy. One of plain and zip is set, unless nothing was left to read.
type rest struct {
	where string
	plain *opened
	zip   *packed
	head  []byte // with zip: the first bytes of what is in it
	other bool   // with plain: its inode was not known, so it is a copy and not the file itself
}

// none tells whether all of the file was read.
func (r *rest) none() bool { return r.plain == nil && r.zip == nil }

// restPlain looks for the rest of a file in a plain generation, nil if that is not a copy of it that holds as much.
func (r *registry) restPlain(f *file, e entry) (*rest, error) {
	if r.reading(e.key) != nil {
		return nil, nil
	}
	o, err := openPlain(e.path)
	if err != nil {
		return nil, err
	}
	if !e.is(o.key, o.born) {
		o.h.Close()
		return nil, errMoved
	}
	other := r.match(o)
	switch ours := (other == nil || other == f) && f.copiedTo(o); {
	case !ours:
		o.h.Close()
		return nil, nil
	case o.size <= f.offset:
		o.h.Close()
		return &rest{where: e.path}, nil
	}
	return &rest{where: e.path, plain: o, other: other == nil}, nil
}

// copiedTo tells whether what was opened begins like a file, and a line ends there where it was read to.
func (f *file) copiedTo(o *opened) bool {
	return f.begins(o.head) && (o.size <= f.offset || boundary(o.h, f.offset))
}

// awaited tells whether a generation that was opened is the copy of a file of its path that is known and not found.
func (r *registry) awaited(path string, o *opened) bool {
	for _, base := range basePaths(path) {
		if slices.ContainsFunc(r.byPath[base], func(f *file) bool { return !f.done && f.h == nil && f.zip == nil && f.copiedTo(o) }) {
			return true
		}
	}
	return false
}

// restPacked looks for the rest of a file in a compressed generation, nil if that is not a copy of it. Where many files are looked for in
// many generations, each of these is opened once for all that are in none.
func restPacked(s *Set, f *file, e entry) (*rest, error) {
	if !strings.HasSuffix(e.path, ".gz") {
		return nil, nil
	}
	if head, known := s.heads[e.state()]; known && !f.begins(head) {
		return nil, nil
	}
	p, head, err := openPacked(e)
	if err != nil {
		return nil, err
	}
	if s.heads == nil {
		s.heads = map[state][]byte{}
	}
	s.heads[e.state()] = head
	switch {
	case !f.begins(head):
		p.close()
		return nil, nil
	case p.plain == f.offset%(1<<32):
		p.close()
		return &rest{where: e.path}, nil
	}
	return &rest{where: e.path, zip: p, head: head}, nil
}

// findRests looks for copies of known files that are not found themselves.
func (st *Stream) findRests() {
	d := st.set.folders.of(st.path)
	if d == nil || d.err != nil {
		return
	}
	for _, f := range slices.Clone(st.files.waiting) {
		if f.found || f.looked.Equal(d.mtime) {
			continue
		}
		if st.findRest(st.set.folders.around(st.path), f); f.fault == nil && d.quiet {
			f.looked = d.mtime
		}
	}
}

// findRest looks among the generations of the path for what was not read of a file, and goes on with it. It tells whether
// there is something to read, or was nothing left. For listed see walk.
func (st *Stream) findRest(listed []*folder, f *file) bool {
	f.fault = nil
	if f.sumLen == 0 {
		return false
	}
	var left *rest
	for _, path := range st.set.known.family(f.path) {
		walk(listed, path, f.stamp.Add(-timeSlack), -1, func(c candidate) (bool, error) {
			var err error
			if c.packed {
				left, err = restPacked(st.set, f, c.entry)
			} else {
				left, err = st.set.known.restPlain(f, c.entry)
			}
			if errors.Is(err, fs.ErrPermission) {
				f.fault = err // this may be it: it is not lost yet
			}
			return left == nil, err
		})
		if left != nil {
			break
		}
	}
	if left == nil {
		return false
	}
	st.readOn(f, left)
	f.fault = nil
	return true
}

// family gives a path, and those of which files are known and of which it is that of a generation: what was found under such a name
// is rotated on under the names of the others.
func (r *registry) family(path string) []string {
	out := []string{path}
	for _, base := range basePaths(path) {
		if len(r.byPath[base]) > 0 {
			out = append(out, base)
		}
	}
	return out
}

// readOn goes on with a file in what was found of it.
func (st *Stream) readOn(f *file, left *rest) {
	s := st.set
	switch {
	case left.none():
		st.remove(f)
		st.delivery.conclude(f)
		return
	case left.plain != nil:
		if left.other {
			s.log.Info().Str("path", f.path).Str("copy", left.where).Int64("offset", f.offset).Msg("continuing in a copy")
		}
		s.attach(f, st, left.where, left.plain)
	default:
		st.remove(f)
		s.log.Info().Str("path", f.path).Str("copy", left.where).Int64("offset", f.offset).Msg("continuing in its compressed copy")
		f.stream, f.where, f.zip, f.idle, f.end, f.done = st, left.where, left.zip, s.now(), -1, false
		f.saw(left.head)
	}
	st.files.enqueue(f)
}
