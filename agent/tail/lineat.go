package tail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
)

// unpackAtMost bounds what is decompressed to read one line again.
const unpackAtMost = 256 << 20

// LineAt reads one line again, by the number of its file and its offset as in Line, at most MaxLine bytes of it. The
// file is looked for when it is not open any more: renamed, copied or compressed. The error says why the line cannot be
// had ([fs.ErrNotExist] if the file is not found).
func (s *Set) LineAt(id int64, offset int64) ([]byte, error) {
	s.mu.Lock()
	f := s.files[id]
	if f == nil || s.closed {
		s.mu.Unlock()
		return nil, fmt.Errorf("file %d: %w", id, fs.ErrNotExist)
	}
	f.fingerprint()
	h := f.h
	seek := &file{path: f.path, key: f.key, offset: f.offset, sum: bytes.Clone(f.sum), sumLen: f.sumLen}
	s.mu.Unlock()
	if offset < 0 || offset >= seek.offset {
		return nil, fmt.Errorf("line at %d of file %d: only %d bytes of it were read", offset, id, seek.offset)
	}
	if h != nil {
		// The handle may be closed meanwhile, or the file truncated: then it is looked for as if it were not open.
		if line, err := s.lineOf(h, seek, offset); err == nil {
			return line, nil
		}
	}
	line, err := s.lineElsewhere(seek, offset)
	if err != nil {
		return nil, fmt.Errorf("line at %d of file %d (%s): %w", offset, id, seek.path, err)
	}
	return line, nil
}

// lineOf reads a line of an open file, if that still is the file it was.
func (s *Set) lineOf(r io.ReaderAt, f *file, offset int64) ([]byte, error) {
	head := make([]byte, f.sumLen)
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !f.begins(head) || !boundary(r, offset) {
		return nil, errReplaced
	}
	return s.lineFrom(io.NewSectionReader(r, offset, int64(s.maxLine)+2))
}

// lineFrom reads the line at the beginning of what is given.
func (s *Set) lineFrom(r io.Reader) ([]byte, error) {
	buf := make([]byte, s.maxLine+2)
	n, err := io.ReadFull(r, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	line, _, complete := bytes.Cut(buf[:n], []byte{'\n'})
	if !complete && n < len(buf) {
		return nil, io.ErrUnexpectedEOF
	}
	if complete {
		line = bytes.TrimSuffix(line, []byte{'\r'})
	}
	return line[:min(len(line), s.maxLine)], nil
}

// lineElsewhere looks for the file: by its inode, then for a copy.
func (s *Set) lineElsewhere(f *file, offset int64) ([]byte, error) {
	list := generations(f.path, f.stamp)
	var plain []entry
	for _, e := range listFolder(filepath.Dir(f.path), nil, nil).entries {
		if e.regular() && e.key == f.key {
			plain = append(plain, e)
		}
	}
	for _, c := range list {
		if !c.packed {
			plain = append(plain, c.entry)
		}
	}
	for _, e := range plain {
		o, err := openPlain(e.path)
		if err != nil {
			continue
		}
		line, err := s.lineOf(o.h, f, offset)
		o.h.Close()
		if err == nil {
			return line, nil
		}
	}
	for _, c := range list {
		if c.packed {
			if line, err := s.linePacked(f, c.entry, offset); err == nil {
				return line, nil
			}
		}
	}
	return nil, fs.ErrNotExist
}

// linePacked reads a line of a compressed copy.
func (s *Set) linePacked(f *file, e entry, offset int64) ([]byte, error) {
	if offset > unpackAtMost {
		return nil, errors.New("too far into a compressed file")
	}
	p, head, err := openPacked(e.path, e.key)
	if err != nil {
		return nil, err
	}
	defer p.close()
	if !f.begins(head) {
		return nil, errReplaced
	}
	if err := p.rewind(); err != nil {
		return nil, err
	}
	if offset > 0 {
		var before [1]byte
		if _, err := io.CopyN(io.Discard, p.z, offset-1); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(p.z, before[:]); err != nil || before[0] != '\n' {
			return nil, errors.Join(err, errReplaced)
		}
	}
	return s.lineFrom(p.z)
}
