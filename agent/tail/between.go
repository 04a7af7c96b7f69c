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
}

// errMoved says that something else lies at a name than was listed there.
var errMoved = errors.New("renamed meanwhile")

// movedTries is how often names are looked at again that change while they are.
const movedTries = 20

// generations gives the rotated generations of a path in a listing, the oldest first. Those that a compressor has not done
// with (the plain file is still there) are given as plain only.
func (d *folder) generations(path string, since time.Time) []candidate {
	base := filepath.Base(path)
	var out []candidate
	for name, e := range d.beginning(strings.TrimSuffix(base, filepath.Ext(base))) {
		if e.link || !e.regular() || e.mtime.Before(since) || !generation(base, name) {
			continue
		}
		plain, packed := unpacked(name)
		if _, there := d.entries[plain]; packed && there {
			continue
		}
		out = append(out, candidate{e, packed})
	}
	slices.SortFunc(out, func(a, b candidate) int {
		// What is written to an empty one will be newer than everything that is there.
		if c := cmp.Or(cmpBool(a.size == 0, b.size == 0), a.mtime.Compare(b.mtime)); c != 0 {
			return c
		}
		return cmpBool(older(base, filepath.Base(b.path), filepath.Base(a.path)), older(base, filepath.Base(a.path), filepath.Base(b.path)))
	})
	return out
}

// listGenerations lists the folder of a path for its generations. Nothing else in it is looked at.
func listGenerations(path string) *folder {
	base := filepath.Base(path)
	wanted := func(name string) bool { return generation(base, name) }
	return listFolder(filepath.Dir(path), nil, wanted).steady(wanted)
}

// walk visits the generations of a path, as they were listed or, with nil, as they are now; and begins anew when one was
// renamed before it could be opened: otherwise a rotation that goes on meanwhile would hide one. A visit that returns
// false ends it.
func walk(listed *folder, path string, since time.Time, visit func(candidate) (bool, error)) {
	for range movedTries {
		if listed == nil {
			listed = listGenerations(path)
		}
		again := false
		for _, c := range listed.generations(path, since) {
			more, err := visit(c)
			if !more {
				return
			}
			if errors.Is(err, errMoved) || errors.Is(err, fs.ErrNotExist) {
				again = true
				break
			}
		}
		if !again {
			return
		}
		listed = nil
	}
}

// between opens the generations that lay at the path after the time given, before the present file did, and were never
// seen there: it was rotated several times while nobody looked. present may be nil; so may be listed, see walk.
func (s *Set) between(st *Stream, listed *folder, after time.Time, present *file) []*file {
	if after.IsZero() {
		return nil
	}
	type ordered struct {
		*file
		empty bool
		at    time.Time
	}
	var found []ordered
	walk(listed, st.path, after.Add(-timeSlack), func(c candidate) (bool, error) {
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
	slices.SortStableFunc(found, func(a, b ordered) int { return cmp.Or(cmpBool(a.empty, b.empty), a.at.Compare(b.at)) })
	out := make([]*file, 0, len(found))
	for _, f := range found {
		out = append(out, f.file)
	}
	return out
}

// claimGeneration opens a generation that is not known. With an error it may give the file that it is a copy of.
func (s *Set) claimGeneration(st *Stream, c candidate) (*file, error) {
	if s.known.reading(c.key) != nil {
		return nil, errTaken
	}
	if c.packed {
		return s.claimPacked(st, c.entry)
	}
	return s.claim(st, c.path, c.key)
}

// findBetween takes up generations while nothing lies at the path: the writer has not made the next file yet.
func (st *Stream) findBetween() {
	d := st.set.folders.of(st.path)
	if d == nil || d.err != nil || !st.horizon.look(d) {
		return
	}
	if list := st.set.between(st, d, st.horizon.until(), nil); len(list) > 0 {
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
