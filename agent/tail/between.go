package tail

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// candidate is a rotated generation of a path.
type candidate struct {
	entry
	packed bool
	number int // that rotation gave it, where a higher one is older; -1: none
}

// errMoved says that something else lies at a name than was listed there.
var errMoved = errors.New("renamed meanwhile")

// movedTries is how often names are looked at again that change while they are.
const movedTries = 20

// generations gives the rotated generations of a path in listings, the oldest first. Those that a compressor has not done
// with (the plain file is still there) are given as plain only. Of those that were modified before the time given, only those
// are given whose number is below the one given: an older one is known, so the clock was set back.
func generations(listed []*folder, path string, since time.Time, below int) []candidate {
	base := filepath.Base(path)
	var out []candidate
	numbered := true
	for _, d := range listed {
		for name, e := range d.beginning(strings.TrimSuffix(base, filepath.Ext(base))) {
			if e.link || !e.regular() || !generation(base, name) {
				continue
			}
			n := numberOf(base, name)
			if e.mtime.Before(since) && (n < 0 || n >= below) {
				continue
			}
			plain, packed := unpacked(name)
			if _, there := d.entries[plain]; packed && there {
				continue
			}
			numbered = numbered && n >= 0
			out = append(out, candidate{e, packed, n})
		}
	}
	slices.SortFunc(out, func(a, b candidate) int {
		// What is written to an empty one will be newer than everything that is there.
		if c := cmpBool(a.size == 0, b.size == 0); c != 0 {
			return c
		}
		if numbered && a.number != b.number {
			return b.number - a.number // whatever the clock was
		}
		return cmp.Or(a.mtime.Compare(b.mtime),
			cmpBool(older(base, filepath.Base(b.path), filepath.Base(a.path)), older(base, filepath.Base(a.path), filepath.Base(b.path))))
	})
	return out
}

// listGenerations lists the folder of a path, and those in it, for its generations. Nothing else there is looked at.
func listGenerations(path string) []*folder {
	base := filepath.Base(path)
	wanted := func(name string) bool { return generation(base, name) }
	out := []*folder{listFolder(filepath.Dir(path), nil, wanted).steady(wanted)}
	for _, name := range out[0].below() {
		out = append(out, listFolder(filepath.Join(out[0].path, name), nil, wanted).steady(wanted))
	}
	return out
}

// walk visits the generations of a path, as they were listed or, with nil, as they are now; and begins anew when one was
// renamed before it could be opened: otherwise a rotation that goes on meanwhile would hide one. A visit that returns
// false ends it. False: some were not visited, as they were renamed again and again.
func walk(listed []*folder, path string, since time.Time, below int, visit func(candidate) (bool, error)) (whole bool) {
	for range movedTries {
		if listed == nil {
			listed = listGenerations(path)
		}
		again := false
		for _, c := range generations(listed, path, since, below) {
			more, err := visit(c)
			if !more {
				return true
			}
			if errors.Is(err, errMoved) || errors.Is(err, fs.ErrNotExist) {
				again = true
				break
			}
		}
		if !again {
			return true
		}
		listed = nil
	}
	return false
}

// between opens the generations that lay at the path after the time given, before the present file did, and were never
// seen there: it was rotated several times while nobody looked. present may be nil; so may be listed, see walk. Where that could not
// visit all, the next look goes on.
func (s *Set) between(st *Stream, listed []*folder, after time.Time, present *file) []*file {
	if after.IsZero() {
		return nil
	}
	type ordered struct {
		*file
		empty bool
		at    time.Time
	}
	var found []ordered
	if listed == nil {
		listed = listGenerations(st.path)
	}
	below := s.known.firstNumber(st.path, listed)
	whole := walk(listed, st.path, after.Add(-timeSlack), below, func(c candidate) (bool, error) {
		if present != nil && c.key == present.key {
			return false, nil // renamed meanwhile itself: what follows is newer, and found when that is looked at
		}
		f, err := s.claimGeneration(st, c)
		switch {
		case f != nil && f == present:
			return false, nil // and compressed, too
		case err == nil:
			s.log.Info().Str("path", c.path).Msg("rotated while not watched; reading it before its successor")
			found = append(found, ordered{f, c.size == 0, c.mtime})
		case errors.Is(err, fs.ErrPermission) && !c.packed:
			st.awaitUnread(c.entry, err)
		}
		return true, err
	})
	if !whole {
		st.horizon.doubt(after)
		s.watch.dirty.Store(true)
	}
	slices.SortStableFunc(found, func(a, b ordered) int {
		if below >= 0 {
			return cmpBool(a.empty, b.empty)
		}
		return cmp.Or(cmpBool(a.empty, b.empty), a.at.Compare(b.at))
	})
	out := make([]*file, 0, len(found))
	for _, f := range found {
		out = append(out, f.file)
	}
	return out
}

// firstNumber gives the highest number that a generation has of which something is known, so the first one's; -1: there is none.
// Should its inode serve another file by now, then one that came later.
func (r *registry) firstNumber(path string, listed []*folder) int {
	base, most := filepath.Base(path), -1
	for _, d := range listed {
		for name, e := range d.beginning(strings.TrimSuffix(base, filepath.Ext(base))) {
			ours := func(f *file) bool { return f.path == path }
			if generation(base, name) && slices.ContainsFunc(r.byKey[e.key], ours) {
				most = max(most, numberOf(base, name))
			}
		}
	}
	return most
}

// claimGeneration opens a generation that is not known. With an error it may give the file that it is a copy of.
func (s *Set) claimGeneration(st *Stream, c candidate) (*file, error) {
	if s.known.reading(c.key) != nil {
		return nil, errTaken
	}
	if c.packed {
		return s.claimPacked(st, c.entry)
	}
	return s.claim(st, c.entry, true)
}

// findBetween takes up generations while nothing lies at the path: the writer has not made the next file yet.
func (st *Stream) findBetween() {
	d := st.set.folders.of(st.path)
	if d == nil || d.err != nil || !st.horizon.look(d) {
		return
	}
	s, after := st.set, st.horizon.until()
	listed := s.folders.around(st.path)
	if after.IsZero() || len(generations(listed, st.path, after.Add(-timeSlack), s.known.firstNumber(st.path, listed))) == 0 {
		return // and no other file is let go for it
	}
	if !st.admit() {
		st.horizon.doubt(after) // they are looked for when there is room
		return
	}
	defer s.room.yield(st)
	if list := s.between(st, listed, after, nil); len(list) > 0 {
		st.files.push(list...)
		st.number()
	}
}

// awaitUnread keeps a generation in mind that may not be opened now.
func (st *Stream) awaitUnread(e entry, err error) {
	s := st.set
	st.health.scan = err
	if slices.ContainsFunc(s.known.byKey[e.key], func(f *file) bool { return !f.done }) {
		return
	}
	f := s.known.create(st.path)
	s.known.rekey(f, e.key)
	f.stamp = e.mtime
	st.await(f)
	f.found = true
}
