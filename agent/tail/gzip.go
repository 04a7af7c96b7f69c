package tail

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

const (
	// zipRetry is when a compressed file that broke off is tried again: it may still be being written.
	zipRetry = 30 * time.Second
	// zipTries is how often.
	zipTries = 10
)

// packed is a compressed copy that is read as a stream.
type packed struct {
	h     *os.File
	in    *bufio.Reader
	z     *gzip.Reader
	at    int64 // decompressed bytes given so far
	plain int64 // decompressed size, as the trailer says
	mtime time.Time
	stale bool // bytes that were given are not in the buffer any more: it is to be read from its beginning
}

// openPacked opens a gzip file, which must be the one listed, and gives the head of what is in it.
func openPacked(e entry) (*packed, []byte, error) {
	h, err := os.OpenFile(e.path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	p := &packed{h: h, in: bufio.NewReaderSize(h, 64<<10)}
	head, err := p.look(e)
	if err != nil {
		h.Close()
		return nil, nil, fmt.Errorf("decompress %s: %w", e.path, err)
	}
	return p, head, nil
}

func (p *packed) look(e entry) ([]byte, error) {
	now, err := statOpen(p.h)
	if err != nil {
		return nil, err
	}
	if !now.regular() {
		return nil, errNotRegular
	}
	if !e.is(now.key, now.born) {
		return nil, errMoved
	}
	if p.z, err = gzip.NewReader(p.in); err != nil {
		return nil, err
	}
	head := make([]byte, fingerprintMax)
	n, err := io.ReadFull(p.z, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	var trailer [4]byte
	if _, err := p.h.ReadAt(trailer[:], now.size-4); err == nil {
		p.plain = int64(binary.LittleEndian.Uint32(trailer[:])) // RFC 1952: ISIZE, modulo 2^32
	}
	p.stale, p.mtime = true, now.mtime
	return head[:n], nil
}

// rewind starts again at the beginning.
func (p *packed) rewind() error {
	if _, err := p.h.Seek(0, io.SeekStart); err != nil {
		return err
	}
	p.in.Reset(p.h)
	p.at, p.stale = 0, false
	return p.z.Reset(p.in)
}

func (p *packed) close() error { return p.h.Close() }

// claimPacked opens a compressed generation that was never seen before it was compressed. Its identity is its content:
// the compressed file's inode says nothing about it.
func (s *Set) claimPacked(st *Stream, e entry) (*file, error) {
	if !strings.HasSuffix(e.path, ".gz") {
		if s.excluded.say(zerolog.WarnLevel, e.path, "may hold lines that were never read, but is compressed in a way that cannot be read") {
			s.lost++
		}
		return nil, errCompressed
	}
	p, head, err := openPacked(e)
	if err != nil {
		return nil, err
	}
	if len(head) == 0 {
		p.close()
		return nil, errFinished
	}
	f := s.known.withContent(st.path, head)
	switch {
	case f == nil:
		f = s.known.create(st.path)
		f.stamp = p.mtime
	case !f.done || !p.longer(f.offset):
		p.close()
		return f, errFinished
	default: // somebody still had it open when we were done with it, and wrote more before it was compressed
		s.log.Info().Str("path", f.path).Str("copy", e.path).Int64("offset", f.offset).Msg("continuing in its compressed copy")
		if f.stream != nil {
			f.stream.delivery.resume(f)
		}
		f.stream, f.where, f.zip, f.idle, f.end, f.done = st, e.path, p, s.now(), -1, false
		f.saw(head)
		st.files.enqueue(f) // in its turn, which was before what came after it
		return f, errFinished
	}
	f.stream, f.where, f.zip, f.idle = st, e.path, p, s.now()
	f.saw(head)
	return f, nil
}

// longer tells whether the content goes on behind an offset, as far as its trailer can tell: it has the length modulo 4 GiB.
func (p *packed) longer(offset int64) bool {
	return p.plain != offset%(1<<32) && (p.plain > offset || offset >= 1<<32)
}
