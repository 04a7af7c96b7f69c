package listen

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// openSpool takes over what an earlier run left in the folder, which it makes. It is to be called before anybody reads there: half a line at the end of a
// file is taken off.
func openSpool(dir string, most int64, log zerolog.Logger, now func() time.Time) (*spool, error) {
	s := &spool{dir: dir, segment: min(largestSegment, most/leastSegments), log: log, now: now,
		senders: map[string]*sender{}, freed: make(chan struct{}), wake: make(chan struct{}, 1)}
	s.max, s.disk = most, diskOf
	s.most.Store(most)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of a spool: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list a spool: %w", err)
	}
	for _, e := range entries {
		if err := s.adopt(e.Name()); err != nil {
			return nil, fmt.Errorf("open a spool: %w", err)
		}
	}
	for _, f := range s.sealed {
		if err := base(f.stream); err != nil {
			return nil, fmt.Errorf("open a spool: %w", err)
		}
	}
	return s, nil
}

// base makes the empty file at the path under which a sealed one was written, where there is none: a run was killed between the two, and it is by that
// path that who reads finds it.
func base(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// adopt takes over one file. What is not called like one of ours is left alone.
func (s *spool) adopt(name string) error {
	path := filepath.Join(s.dir, name)
	base, number, isSealed := cutNumber(name)
	var stat unix.Stat_t
	switch err := unix.Lstat(path, &stat); {
	case err != nil:
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	case stat.Mode&unix.S_IFMT != unix.S_IFREG || !ours(base):
		return nil
	case isSealed:
		s.sealed = append(s.sealed, sealed{path, filepath.Join(s.dir, base), stat, time.Unix(stat.Ctim.Unix())})
		s.last = max(s.last, number)
		s.used.Add(stat.Size)
		return nil
	}
	size, err := wholeLines(path, stat.Size)
	if err != nil {
		return err
	}
	f := &sender{path: path, size: size, born: time.Unix(stat.Mtim.Unix())}
	f.last.Store(f.born.UnixNano())
	s.senders[strings.TrimSuffix(name, suffix)] = f
	s.used.Add(size)
	return nil
}

// ours tells whether a file that is written to would be called so.
func ours(base string) bool {
	name, ok := strings.CutSuffix(base, suffix)
	_, err := netip.ParseAddr(name)
	return ok && (err == nil || name == others)
}

// cutNumber takes the number off the name of a sealed file.
func cutNumber(name string) (base string, number int64, ok bool) {
	i := strings.LastIndex(name, suffix+".")
	if i < 0 {
		return name, 0, false
	}
	if _, err := fmt.Sscanf(name[i+len(suffix):], ".%d", &number); err != nil {
		return name, 0, false
	}
	return name[:i+len(suffix)], number, true
}

// wholeLines takes off what a run that was killed left of a line at the end of a file.
func wholeLines(path string, size int64) (int64, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	for end := size; end > 0; {
		n := min(end, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], end-n); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			whole := end - n + int64(i) + 1
			if whole == size {
				return size, nil
			}
			return whole, f.Truncate(whole)
		}
		end -= n
	}
	return 0, f.Truncate(0)
}
