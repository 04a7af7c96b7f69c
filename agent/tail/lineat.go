package tail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// unpackAtMost bounds what is decompressed to read one line again.
const unpackAtMost = 256 << 20

// LineAt reads one line again, by the number of its file and its offset as in Line, at most MaxLine bytes of it. The
// file is looked for when it is not open any more: renamed, copied or compressed. The error says why the line cannot be
// had ([fs.ErrNotExist] if the file is not found).
func (s *Set) LineAt(id int64, offset int64) ([]byte, error) {
	s.mu.Lock()
	f := s.known.files[id]
	if f == nil || s.closed {
		s.mu.Unlock()
		return nil, fmt.Errorf("file %d: %w", id, fs.ErrNotExist)
	}
	f.fingerprint()
	h := f.h
	l := &lookup{family: s.known.family(f.path), offset: offset, maxLine: s.maxLine,
		file: file{path: f.path, key: f.key, offset: f.offset, sum: bytes.Clone(f.sum), sumLen: f.sumLen}}
	s.mu.Unlock()
	if offset < 0 || offset >= l.file.offset {
		return nil, fmt.Errorf("line at %d of file %d: only %d bytes of it were read", offset, id, l.file.offset)
	}
	if h != nil {
		// The handle may be closed meanwhile, or the file truncated: then it is looked for as if it were not open.
		if line, err := l.in(h); err == nil {
			return line, nil
		}
	}
	line, err := l.among(l.placesIn(s))
	if err != nil && maySearch(s) {
		line, err = l.among(l.places(listGenerations, l.renamed()))
	}
	if err != nil {
		return nil, fmt.Errorf("line at %d of file %d (%s): %w", offset, id, l.file.path, err)
	}
	return line, nil
}

// placesIn gives where the file may be by the folders as they were listed last.
func (l *lookup) placesIn(s *Set) []candidate {
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.places(s.folders.around, s.folders.find(l.file.key))
}

// maySearch tells whether folders may be listed anew for a line that is not where they were listed last. As with all listing, that is to
// be little of what is done: a thousand verdicts in a moment may ask, and a folder may hold thousands of files.
func maySearch(s *Set) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.folders.costly(time.Since(s.searched)) {
		return false
	}
	s.searched = time.Now()
	return true
}

// lookup is the search for one line that was read already. It holds what was known of the file when it was asked for,
// so that it needs no lock while it reads, and touches nothing that is being followed.
type lookup struct {
	file    file // a copy: where it was and how it begins, without a handle
	family  []string
	offset  int64
	maxLine int
}

// in reads the line in an open file, if that still is the file it was.
func (l *lookup) in(r io.ReaderAt) ([]byte, error) {
	head := make([]byte, l.file.sumLen)
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !l.file.begins(head) || !l.begun(r) {
		return nil, errReplaced
	}
	return l.from(io.NewSectionReader(r, l.offset, int64(l.maxLine)+2))
}

// begun tells whether a line can begin at the offset: behind another one, or behind a hole.
func (l *lookup) begun(r io.ReaderAt) bool {
	var b [1]byte
	if l.offset == 0 {
		return true
	}
	n, _ := r.ReadAt(b[:], l.offset-1) // an error that matters is met again
	return n == 1 && (b[0] == '\n' || b[0] == hole[0])
}

// usualLine is how much is read of a line at first: few are longer, and what is read beyond the end is thrown away.
const usualLine = 1 << 10

// from reads the line at the beginning of what is given.
func (l *lookup) from(r io.Reader) ([]byte, error) {
	var buf []byte
	for size := usualLine; ; size *= 4 {
		size = min(size, l.maxLine+2) // with the line's end
		read := len(buf)
		buf = slices.Grow(buf, size-read)[:size]
		n, err := io.ReadFull(r, buf[read:])
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !ended {
			return nil, err
		}
		buf = buf[:read+n]
		if end := bytes.IndexByte(buf[read:], '\n'); end >= 0 {
			line := bytes.TrimSuffix(buf[:read+end], []byte{'\r'})
			return line[:min(len(line), l.maxLine)], nil
		}
		switch {
		case ended:
			return nil, io.ErrUnexpectedEOF
		case size == l.maxLine+2:
			return buf[:l.maxLine], nil
		}
	}
}

// places gives where the file may be: under the names that its inode has, then in generations of its paths, those that are not
// compressed first.
func (l *lookup) places(list func(path string) []*folder, renamed []entry) []candidate {
	var plain, packed []candidate
	for _, e := range renamed {
		plain = append(plain, candidate{entry: e})
	}
	for _, path := range l.family {
		for _, c := range generations(list(path), path, time.Time{}, -1) { // all: what was read may be old
			if c.packed {
				packed = append(packed, c)
			} else {
				plain = append(plain, c)
			}
		}
	}
	return append(plain, packed...)
}

// renamed lists the folder of the file, and gives what is the file by its inode.
func (l *lookup) renamed() (all []entry) {
	for _, e := range listFolder(filepath.Dir(l.file.path), nil, nil).entries {
		if e.regular() && e.key == l.file.key {
			all = append(all, e)
		}
	}
	return all
}

// among reads the line where the file is found.
func (l *lookup) among(places []candidate) ([]byte, error) {
	for _, c := range places {
		if line, err := l.at(c); err == nil {
			return line, nil
		}
	}
	return nil, fs.ErrNotExist
}

// at reads the line at one place.
func (l *lookup) at(c candidate) ([]byte, error) {
	if c.packed {
		return l.inPacked(c.entry)
	}
	o, err := openPlain(c.path)
	if err != nil {
		return nil, err
	}
	defer o.h.Close()
	return l.in(o.h)
}

// inPacked reads the line in a compressed copy.
func (l *lookup) inPacked(e entry) ([]byte, error) {
	if l.offset > unpackAtMost {
		return nil, errors.New("too far into a compressed file")
	}
	p, head, err := openPacked(e)
	if err != nil {
		return nil, err
	}
	defer p.close()
	if !l.file.begins(head) {
		return nil, errReplaced
	}
	if err := p.rewind(); err != nil {
		return nil, err
	}
	if l.offset > 0 {
		var before [1]byte
		if _, err := io.CopyN(io.Discard, p.z, l.offset-1); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(p.z, before[:]); err != nil || before[0] != '\n' && before[0] != hole[0] {
			return nil, errors.Join(err, errReplaced)
		}
	}
	return l.from(p.z)
}
