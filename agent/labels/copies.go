package labels

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
)

// Copies keeps what files had when they were last good over a restart: a file that is gone then, or lost much, must not take a
// protection away. Save replaces the copy of a file; Load gives it, an error that is fs.ErrNotExist if there is none; Where says for
// people what the copy is called.
type Copies interface {
	Save(path string, entries []byte) error
	Load(path string) ([]byte, error)
	Where(path string) string
}

// Restore takes the copies of what the files had when they were last good, until Refresh finds them good again. It is called
// before the first Refresh.
func (s *Set) Restore() {
	for _, f := range s.files {
		if s.opts.Copies != nil {
			s.restore(f)
		}
	}
	s.publish(true)
}

func (s *Set) restore(f *followed) {
	data, err := s.opts.Copies.Load(f.CopyName())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var c content
	if err == nil {
		c, err = parse(bytes.NewReader(data))
	}
	if err != nil {
		f.unsaved = since(f.unsaved, Trouble{s.opts.Now(), f.Path, fmt.Sprintf("the copy of what %s had cannot be used: %v", f.Path, err),
			"It is replaced as soon as the file itself can be read"})
		return
	}
	f.entries, f.loaded = c.entries, true
}

// save keeps a copy of what a file has.
func (s *Set) save(f *followed) {
	if s.opts.Copies == nil {
		return
	}
	text := make([]byte, 0, 20*len(f.entries))
	for _, p := range f.entries {
		text = append(p.AppendTo(text), '\n')
	}
	if err := s.opts.Copies.Save(f.CopyName(), text); err != nil {
		f.unsaved = since(f.unsaved, Trouble{s.opts.Now(), f.Path, fmt.Sprintf("no copy of %s can be kept for a restart without it: %v", f.Path, err),
			"Make room in state_dir, and let the daemon's user write there"})
		return
	}
	f.unsaved = nil
}
