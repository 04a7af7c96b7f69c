package listen

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

const (
	// largestSegment is the size at which a file is sealed, and an eighth of the spool is, if that is less.
	largestSegment = 64 << 20
	// leastSegments is into how many parts a spool is divided at least.
	leastSegments = 8
	// smallest is the part of the spool below which a file is not sealed to make room, so that there are never many.
	smallest = 4096
	// sealAfter is the age at which it is, and keepFor how long a sealed one is kept after it was read and stored, while less than half of the spool is
	// taken: what a verdict rests on is read again.
	sealAfter = 24 * time.Hour
	keepFor   = 15 * time.Minute
	// mostSenders is how many addresses have a file of their own at once; further ones share one. An empty file goes after forgetAfter, and
	// when there are so many.
	mostSenders = 1000
	forgetAfter = 30 * 24 * time.Hour
	// fullTold is how often it is logged at most that the spool is full, and askWithin how long the database may take to say how far it is.
	fullTold  = time.Minute
	fullOver  = 10 * time.Second // after what did not fit last it is over
	askWithin = 10 * time.Second

	signatureLen = 65

	others = "others"
	suffix = ".log"
)

var errFull = errors.New("the spool is full")

// A Position says how far a file was read, as of the last transaction. The fingerprint is the SHA-256 of its first FingerprintLen bytes.
type Position struct {
	Path           string // of the stream that read it, which is not where it lies now
	Device, Inode  uint64
	Fingerprint    []byte
	FingerprintLen int
	Offset         int64
	Done           bool // it is not looked for any more
}

// spool is the files of one listener: of each sender one that is written to, and those that were sealed. A file is open only while it is written to, so
// that there may be many.
type spool struct {
	dir     string
	max     int64 // bytes of all files
	segment int64
	log     zerolog.Logger
	now     func() time.Time
	used    atomic.Int64
	room    atomic.Int64 // how much may be used; less than max where the disk has less

	mu      sync.Mutex
	senders map[string]*sender
	sealed  []sealed
	last    int64         // number of the file sealed last
	freed   chan struct{} // closed when there is room again
	full    time.Time     // since when there is none; zero: there is
	refused time.Time     // when something last did not fit
	told    time.Time     // when it was last logged that nothing does
	failed  error         // why a file cannot be written, of the last try
	wake    chan struct{} // holds one: the keeper is to look
}

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

// sealed is a file that nothing is written to any more.
type sealed struct {
	path   string
	stream string // the path that it was written under
	stat   unix.Stat_t
	at     time.Time
}

// openSpool takes over what an earlier run left in the folder, which it makes. It is to be called before anybody reads there: half a line at the end of a
// file is taken off.
func openSpool(dir string, most int64, log zerolog.Logger, now func() time.Time) (*spool, error) {
	s := &spool{dir: dir, max: most, segment: min(largestSegment, most/leastSegments), log: log, now: now,
		senders: map[string]*sender{}, freed: make(chan struct{}), wake: make(chan struct{}, 1)}
	s.room.Store(most)
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
	return s, nil
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

// offer writes lines of a sender, and gives those that were not written, which begin with a whole one: with errFull where there is no room, else
// with what the system said.
func (s *spool) offer(from netip.Addr, lines []byte) (rest []byte, err error) {
	for {
		f := s.sender(from)
		f.mu.Lock()
		if f.gone { // since it was given
			f.mu.Unlock()
			continue
		}
		rest, err = s.write(f, lines)
		f.mu.Unlock()
		s.report(err)
		return rest, err
	}
}

// put is offer that waits for room until ctx ends, and gives what was not written then.
func (s *spool) put(ctx context.Context, from netip.Addr, lines []byte) (rest []byte) {
	for {
		s.mu.Lock()
		freed := s.freed
		s.mu.Unlock()
		var err error
		if lines, err = s.offer(from, lines); err == nil {
			return nil
		}
		select {
		case <-freed:
		case <-time.After(time.Second): // the disk may have room again
		case <-ctx.Done():
			return lines
		}
	}
}

// report notes what came of a write.
func (s *spool) report(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		if s.failed != nil {
			s.recover()
		}
		return
	}
	if s.full.IsZero() {
		s.full = s.now()
	}
	s.refused = s.now()
	if s.full.Sub(s.told) >= fullTold { // while what was received is caught up with, it is full again and again
		s.told = s.full
		s.log.Error().Str("spool", s.dir).Int64("bytes", s.used.Load()).Err(err).Msg("cannot spool: senders over TCP wait, messages over UDP are dropped")
	}
	if s.failed = err; errors.Is(err, errFull) {
		s.failed = nil
	}
	s.look()
}

// recover notes that lines are written again. Its caller holds mu.
func (s *spool) recover() {
	s.failed = nil
	if s.full.Equal(s.told) {
		s.log.Info().Str("spool", s.dir).Msg("spooling again")
	}
	s.full = time.Time{}
}

// look wakes the keeper.
func (s *spool) look() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
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
	if s.used.Load()+int64(len(lines)) > s.room.Load() {
		return lines, errFull
	}
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
	h, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	return h.Close()
}

// before tells whether a sealed file of the path is younger than the time given, which can only be for the clock.
func (s *spool) before(path string, nano int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.sealed, func(other sealed) bool { return other.stream == path && other.stat.Mtim.Nano() >= nano })
}

// keepOnce seals what is old, or all that is large enough where room is wanted, and deletes what was read and stored. positions is asked only where that
// may be something.
func (s *spool) keepOnce(ctx context.Context, positions func(context.Context) ([]Position, error)) error {
	now := s.now()
	s.measure()
	pressed := s.used.Load() > s.room.Load()/2
	err := s.sealDue(now, pressed)
	s.mu.Lock()
	due := slices.ContainsFunc(s.sealed, func(f sealed) bool { return pressed || f.old(now) })
	s.mu.Unlock()
	if due && positions != nil {
		asked, cancel := context.WithTimeout(ctx, askWithin)
		known, e := positions(asked)
		cancel()
		if e != nil {
			return cmp.Or(err, e)
		}
		err = errors.Join(err, s.remove(known, now, pressed))
	}
	s.mu.Lock()
	for s.dismiss(now.Add(-forgetAfter)) {
	}
	if used, room := s.used.Load(), s.room.Load(); used < room {
		if !s.full.IsZero() && s.failed == nil && used < room/10*9 && now.Sub(s.refused) >= fullOver {
			s.recover()
		}
		close(s.freed)
		s.freed = make(chan struct{})
	}
	s.mu.Unlock()
	return err
}

// measure looks how much room the disk has. As much of it as the database keeps for blocks is not used: 2 %, at least 1 GiB, at most a tenth.
func (s *spool) measure() {
	var st unix.Statfs_t
	if unix.Statfs(s.dir, &st) != nil {
		return // writing will say what is wrong
	}
	whole, free := int64(st.Blocks)*st.Bsize, int64(st.Bavail)*st.Bsize
	reserve := min(max(whole/50, 1<<30), whole/10)
	s.room.Store(min(s.max, s.used.Load()+max(free-reserve, 0)))
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
		large := pressed && f.size >= max(s.max/smallest, 1)
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
