package labels

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
)

// Copies keeps what files had when they were last good over a restart: a file that is gone then must not take a protection
// away. Save replaces the copy of a file; Load gives it, an error that is fs.ErrNotExist if there is none.
type Copies interface {
	Save(path string, entries []byte) error
	Load(path string) ([]byte, error)
}

// restore takes the copy of a file that cannot be used at the first look.
func (s *Set) restore(f *followed) (changed bool) {
	if s.copies == nil || f.restored || f.refused == nil {
		return false
	}
	f.restored = true
	data, err := s.copies.Load(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	var c content
	if err == nil {
		c, err = parse(bytes.NewReader(data))
	}
	if err == nil {
		err = s.fits(f, c)
	}
	if err != nil {
		f.refused.What += fmt.Sprintf("; nor can the copy of what it had: %v", err)
		return false
	}
	f.entries, f.loaded = c.entries, true
	f.refused.What += f.kept()
	return len(c.entries) > 0
}

// save keeps a copy of what a file has.
func (s *Set) save(f *followed) {
	if s.copies == nil {
		return
	}
	text := make([]byte, 0, 20*len(f.entries))
	for _, p := range f.entries {
		text = append(p.AppendTo(text), '\n')
	}
	if err := s.copies.Save(f.Path, text); err != nil {
		f.unsaved = since(f.unsaved, Trouble{s.now(), f.Path, fmt.Sprintf("no copy of %s can be kept for a restart without it: %v", f.Path, err),
			"Make room in state_dir, and let the daemon's user write there"})
		return
	}
	f.unsaved = nil
}
