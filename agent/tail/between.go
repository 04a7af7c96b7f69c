package tail

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
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

// generations lists the rotated generations of a path afresh, the oldest first. Those that a compressor has not done
// with (the plain file is still there) are given as plain only. Nothing else in the folder is looked at: where hundreds
// of files are rotated at once, each of them comes here.
func generations(path string, since time.Time) []candidate {
	base := filepath.Base(path)
	wanted := func(name string) bool { return generation(base, name) }
	d := listFolder(filepath.Dir(path), nil, wanted).steady(wanted)
	var out []candidate
	for name, e := range d.entries {
		if e.link || !e.regular() || e.mtime.Before(since) {
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

// walk visits the generations of a path, and begins anew when one was renamed before it could be opened: otherwise a
// rotation that goes on meanwhile would hide one. A visit that returns false ends it.
func walk(path string, since time.Time, visit func(candidate) (bool, error)) {
	for range movedTries {
		list := generations(path, since)
		again := false
		for _, c := range list {
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
	}
}

// between opens the generations that lay at the path after the time given, before the present file did, and were never
// seen there: it was rotated several times while nobody looked. present may be nil.
func (s *Set) between(st *Stream, after time.Time, present *file) []*file {
	if after.IsZero() {
		return nil
	}
	type ordered struct {
		*file
		empty bool
		at    time.Time
	}
	var found []ordered
	walk(st.path, after.Add(-timeSlack), func(c candidate) (bool, error) {
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
	if list := st.set.between(st, st.horizon.until(), nil); len(list) > 0 {
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
