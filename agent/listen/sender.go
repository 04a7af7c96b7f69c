package listen

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// sender is one file that is written to.
type sender struct {
	path string
	last atomic.Int64 // unix nanoseconds of the last write

	mu   sync.Mutex
	size int64
	born time.Time // when its first line was written
	torn []byte    // rest of a line whose beginning is in the file
	gone bool      // it was taken out
}

// sender gives the file of an address, made if there is none.
func (s *spool) sender(from netip.Addr) *sender {
	name := from.Unmap().WithZone("").String()
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.senders[name]; f != nil {
		return f
	}
	if len(s.senders) >= mostSenders && !s.dismiss(time.Time{}) {
		name = others
	}
	f := s.senders[name]
	if f == nil {
		f = &sender{path: filepath.Join(s.dir, name+suffix)}
		f.last.Store(s.now().UnixNano())
		s.senders[name] = f
	}
	return f
}

// dismiss takes out the empty file of the sender that has been quiet longest; not one that wrote since the time given, if it is not zero.
func (s *spool) dismiss(since time.Time) bool {
	var oldest *sender
	var name string
	for n, f := range s.senders {
		if f.mu.TryLock() {
			empty := f.size == 0 && len(f.torn) == 0
			f.mu.Unlock()
			if empty && (oldest == nil || f.last.Load() < oldest.last.Load()) {
				oldest, name = f, n
			}
		}
	}
	if oldest == nil || !since.IsZero() && oldest.last.Load() >= since.UnixNano() || !oldest.mu.TryLock() {
		return false
	}
	defer oldest.mu.Unlock()
	if oldest.size > 0 {
		return false
	}
	if err := os.Remove(oldest.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	oldest.gone = true
	delete(s.senders, name)
	return true
}

// write appends lines to a file whose lock is held, and gives those that were not written. Where half a line was, its rest is written before
// anything else.
func (s *spool) write(f *sender, lines []byte) (rest []byte, err error) {
	if len(lines) == 0 {
		return nil, nil
	}
	need := int64(len(f.torn) + signatureLen + len(lines))
	if !s.claim(s.dir, need) {
		return lines, errFull
	}
	defer s.settle(need)
	now := s.now()
	if f.size > 0 && f.size+int64(len(lines)) > s.segment && len(f.torn) == 0 {
		if err := s.seal(f); err != nil {
			return lines, err
		}
	}
	h, err := s.openFile(f.path)
	if err != nil {
		return lines, err
	}
	defer h.Close()
	info, err := h.Stat()
	if err != nil {
		return lines, err
	}
	if info.Size() != f.size { // a person has deleted or truncated it
		s.wrote(f, int(info.Size()-f.size))
		f.torn = nil
	}
	ahead := f.torn
	if f.size == 0 && len(ahead) == 0 {
		ahead, f.born = signature(), now
	}
	if n, err := h.Write(ahead); err != nil {
		s.wrote(f, n)
		f.torn = slices.Clone(ahead[n:])
		return lines, err
	}
	s.wrote(f, len(ahead))
	f.torn = nil
	n, err := h.Write(lines)
	s.wrote(f, n)
	f.last.Store(now.UnixNano())
	if err == nil {
		return nil, nil
	}
	if n > 0 && lines[n-1] != '\n' {
		i := n + bytes.IndexByte(lines[n:], '\n') + 1
		f.torn = slices.Clone(lines[n:i])
		n = i
	}
	return lines[n:], err
}

// openFile opens a file to append to; with the folder, where a person has deleted that.
func (s *spool) openFile(path string) (*os.File, error) {
	for made := false; ; made = true {
		h, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if made || !errors.Is(err, fs.ErrNotExist) {
			return h, err
		}
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the folder of a spool: %w", err)
		}
		s.described.Store(false)
		s.rouse() // its keeper notes there how it is read
		s.log.Warn().Str("spool", s.dir).Msg("the folder of the spool was deleted while it was used, and is made again; what was in it and not read yet is lost")
	}
}

func (s *spool) wrote(f *sender, n int) {
	f.size += int64(n)
	s.used.Add(int64(n))
}

// signature is the first line of a file, blank and like no other's: files that begin alike would be taken for copies of one another, and senders may
// well send the same.
func signature() []byte {
	line := make([]byte, 0, signatureLen)
	for n, i := rand.Uint64(), 0; i < signatureLen-1; i++ {
		line = append(line, " \t"[n>>i&1])
	}
	return append(line, '\n')
}
