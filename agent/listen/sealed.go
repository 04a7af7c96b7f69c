package listen

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A Position says how far a file was read, as of the last transaction. The fingerprint is the SHA-256 of its first FingerprintLen bytes.
type Position struct {
	Path           string // of the stream that read it, which is not where it lies now
	Device, Inode  uint64
	Fingerprint    []byte
	FingerprintLen int
	Offset         int64
	Done           bool // it is not looked for any more
}

// sealed is a file that nothing is written to any more.
type sealed struct {
	path   string
	stream string // the path that it was written under
	stat   unix.Stat_t
	at     time.Time
}

// seal renames a file whose lock is held, and leaves an empty one in its place, so that it is known that its sender has fallen silent. Its time is
// never earlier than that of the one sealed before it, whatever the clock: that is the order in which they are read.
func (s *spool) seal(f *sender) error {
	s.mu.Lock()
	s.last = max(s.last+1, s.now().UnixNano())
	number := s.last
	s.mu.Unlock()
	to := fmt.Sprintf("%s.%020d", f.path, number)
	var stat unix.Stat_t
	switch err := unix.Lstat(f.path, &stat); {
	case errors.Is(err, fs.ErrNotExist): // a person has deleted it
		s.wrote(f, -int(f.size))
		return nil
	case err != nil:
		return &fs.PathError{Op: "stat", Path: f.path, Err: err}
	}
	if s.before(f.path, stat.Mtim.Nano()) {
		if err := os.Chtimes(f.path, time.Time{}, time.Unix(0, number)); err != nil {
			return err
		}
	}
	if err := os.Rename(f.path, to); err != nil {
		return err
	}
	if err := unix.Lstat(to, &stat); err != nil {
		return &fs.PathError{Op: "stat", Path: to, Err: err}
	}
	s.mu.Lock()
	s.sealed = append(s.sealed, sealed{to, f.path, stat, s.now()})
	s.mu.Unlock()
	f.size = 0
	return base(f.path)
}

// before tells whether a sealed file of the path is younger than the time given, which can only be for the clock.
func (s *spool) before(path string, nano int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.sealed, func(other sealed) bool { return other.stream == path && other.stat.Mtim.Nano() >= nano })
}

// sealDue seals files by their age or, where room is wanted, by their size. By age not where one of the same sender is still there that was sealed
// before, so that there are not more and more.
func (s *spool) sealDue(now time.Time, pressed bool) error {
	s.mu.Lock()
	var files []*sender
	waiting := map[string]bool{}
	for _, f := range s.sealed {
		waiting[f.stream] = true
	}
	for _, f := range s.senders {
		files = append(files, f)
	}
	s.mu.Unlock()
	var errs []error
	for _, f := range files {
		f.mu.Lock()
		age := now.Sub(f.born)
		old := (age >= sealAfter || age < -time.Hour) && !waiting[f.path]
		large := pressed && f.size >= max(s.most.Load()/smallest, 1)
		if f.size > 0 && len(f.torn) == 0 && !f.gone && (old || large) {
			errs = append(errs, s.seal(f))
		}
		f.mu.Unlock()
	}
	return errors.Join(errs...)
}

// remove deletes the sealed files that were read to their ends, as the positions say that the store has.
func (s *spool) remove(positions []Position, now time.Time, pressed bool) error {
	type inode struct{ device, number uint64 }
	read := map[inode][]Position{}
	for _, p := range positions {
		if p.Done {
			read[inode{p.Device, p.Inode}] = append(read[inode{p.Device, p.Inode}], p)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	s.sealed = slices.DeleteFunc(s.sealed, func(f sealed) bool {
		if !pressed && !f.old(now) {
			return false
		}
		at := inode{f.stat.Dev, f.stat.Ino}
		if _, err := os.Lstat(f.path); errors.Is(err, fs.ErrNotExist) { // a person has deleted it
			s.used.Add(-f.stat.Size)
			return true
		}
		if !slices.ContainsFunc(read[at], f.readBy) {
			return false
		}
		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
			return false
		}
		s.used.Add(-f.stat.Size)
		return true
	})
	return errors.Join(errs...)
}

// old tells whether it need not be kept for what a verdict rests on; also where the clock was set back.
func (f sealed) old(now time.Time) bool {
	age := now.Sub(f.at)
	return age >= keepFor || age < -time.Hour
}

// readBy tells whether a position is that of all of the file. An inode may have served another file before, so its first bytes decide.
func (f sealed) readBy(p Position) bool {
	if p.Path != f.stream || p.Offset < f.stat.Size || p.FingerprintLen < signatureLen {
		return false
	}
	h, err := os.Open(f.path)
	if err != nil {
		return false
	}
	defer h.Close()
	head := make([]byte, p.FingerprintLen)
	if _, err := io.ReadFull(h, head); err != nil {
		return false
	}
	sum := sha256.Sum256(head)
	return bytes.Equal(sum[:], p.Fingerprint)
}
