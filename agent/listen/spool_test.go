package listen

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

var sender1 = netip.MustParseAddr("192.0.2.1")

// spoolKit is a spool without a server.
type spoolKit struct {
	*kit
	*spool
}

func newSpoolKit(t *testing.T, size int64) *spoolKit {
	t.Helper()
	k := &spoolKit{kit: &kit{t: t, taken: map[string]bool{}}}
	k.o.Dir = t.TempDir()
	k.open(size)
	return k
}

func (k *spoolKit) open(size int64) {
	k.t.Helper()
	var err error
	k.spool, err = openSpool(filepath.Join(k.o.Dir, "s"), size, zerolog.Nop(), k.kit.now)
	k.must(err)
}

func (k *spoolKit) write(from netip.Addr, lines string) {
	k.t.Helper()
	rest, err := k.offer(from, []byte(lines))
	if err != nil || len(rest) > 0 {
		k.t.Fatalf("%q is left: %v", rest, err)
	}
}

func (k *spoolKit) keep() {
	k.t.Helper()
	k.must(k.keepOnce(context.Background(), k.positions))
}

func (k *spoolKit) setRead(read bool) {
	k.kit.mu.Lock()
	defer k.kit.mu.Unlock()
	k.kit.read = read
}

// names gives the files with their sizes, less the first line.
func (k *spoolKit) names() (all []string) {
	k.t.Helper()
	entries, err := os.ReadDir(k.dir)
	k.must(err)
	for _, e := range entries {
		info, err := e.Info()
		k.must(err)
		name := e.Name()
		if base, _, ok := cutNumber(name); ok {
			name = base + ".N"
		}
		all = append(all, fmt.Sprintf("%s %d", name, max(0, info.Size()-signatureLen)))
	}
	slices.Sort(all)
	return all
}

func (k *spoolKit) expect(want ...string) {
	k.t.Helper()
	if got := k.names(); !slices.Equal(got, want) {
		k.t.Errorf("there are %q, want %q", got, want)
	}
	var used int64
	entries, _ := os.ReadDir(k.dir)
	for _, e := range entries {
		info, err := e.Info()
		k.must(err)
		used += info.Size()
	}
	if k.used.Load() != used {
		k.t.Errorf("%d bytes are accounted for, %d used", k.used.Load(), used)
	}
}

func (k *kit) setAhead(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ahead = d
}

func TestASealedFileGoesWhenItWasReadAndStoredAndNotBefore(t *testing.T) {
	k := newSpoolKit(t, 100<<20)
	k.write(sender1, "one\n")
	k.keep()
	k.expect("192.0.2.1.log 4")
	k.kit.setAhead(sealAfter + time.Minute)
	k.keep()
	k.expect("192.0.2.1.log 0", "192.0.2.1.log.N 4")
	k.kit.setAhead(29 * 24 * time.Hour)
	k.keep() // nobody has read it
	k.expect("192.0.2.1.log 0", "192.0.2.1.log.N 4")
	// An inode that served another file before is no word on this one.
	wrong := func(context.Context) ([]Position, error) {
		k.setRead(true)
		all, err := k.positions(t.Context())
		k.setRead(false)
		for i := range all {
			all[i].Fingerprint = slices.Clone(all[i].Fingerprint)
			all[i].Fingerprint[0]++
		}
		return all, err
	}
	half := func(context.Context) ([]Position, error) {
		k.setRead(true)
		all, err := k.positions(t.Context())
		k.setRead(false)
		for i := range all {
			all[i].Done = false
		}
		return all, err
	}
	k.must(k.keepOnce(t.Context(), wrong))
	k.must(k.keepOnce(t.Context(), half))
	k.expect("192.0.2.1.log 0", "192.0.2.1.log.N 4")
	k.setRead(true)
	k.keep()
	k.expect("192.0.2.1.log 0")
	k.kit.setAhead(62 * 24 * time.Hour)
	k.keep() // nothing came of this sender for a month
	k.expect()
	k.write(sender1, "two\n")
	k.expect("192.0.2.1.log 4")
}

// What a verdict rests on is read again, so what was read stays for a while where there is room.
func TestWhatWasReadStaysForAWhile(t *testing.T) {
	k := newSpoolKit(t, 100<<20)
	k.write(sender1, "one\n")
	k.kit.setAhead(sealAfter)
	k.setRead(true)
	k.keep()
	k.expect("192.0.2.1.log 0", "192.0.2.1.log.N 4")
	k.kit.setAhead(sealAfter + keepFor)
	k.keep()
	k.expect("192.0.2.1.log 0")
}

func TestAFileIsSealedBySize(t *testing.T) {
	k := newSpoolKit(t, 8<<10) // segments of a kilobyte
	line := strings.Repeat("x", 399) + "\n"
	for range 5 {
		k.write(sender1, line)
	}
	k.expect("192.0.2.1.log 400", "192.0.2.1.log.N 800", "192.0.2.1.log.N 800")
	if rest, err := k.offer(sender1, []byte(strings.Repeat(line, 20))); err != errFull || len(rest) != 20*len(line) {
		t.Errorf("%d bytes are left, %v", len(rest), err)
	}
	k.expect("192.0.2.1.log 400", "192.0.2.1.log.N 800", "192.0.2.1.log.N 800")
}

// The order of sealed files is that of their times, and the clock may be set back.
func TestSealedFilesAreInOrderWhateverTheClock(t *testing.T) {
	k := newSpoolKit(t, 8<<10)
	line := strings.Repeat("x", 999) + "\n"
	var last time.Time
	for i := range 4 {
		k.write(sender1, line)
		if i == 1 {
			k.must(os.Chtimes(filepath.Join(k.dir, "192.0.2.1.log"), time.Time{}, time.Now().Add(-time.Hour)))
			k.setAhead(-time.Hour)
		}
	}
	sealed, _ := filepath.Glob(filepath.Join(k.dir, "*.log.*"))
	for _, name := range sealed {
		info, err := os.Stat(name)
		k.must(err)
		if !info.ModTime().After(last) {
			t.Errorf("%s is of %s, and the one before of %s", name, info.ModTime(), last)
		}
		last = info.ModTime()
	}
	if len(sealed) != 3 {
		t.Errorf("%q", sealed)
	}
}

func TestARestartGoesOnWithWhatIsThere(t *testing.T) {
	k := newSpoolKit(t, 8<<10)
	line := strings.Repeat("x", 599) + "\n"
	k.write(sender1, line)
	k.write(sender1, line)
	k.write(netip.MustParseAddr("2001:db8::1"), "six\n")
	active := filepath.Join(k.dir, "192.0.2.1.log")
	f, err := os.OpenFile(active, os.O_APPEND|os.O_WRONLY, 0)
	k.must(err)
	_, err = f.WriteString("half a li") // of a run that was killed
	k.must(err)
	k.must(f.Close())
	k.must(os.WriteFile(filepath.Join(k.dir, "notes.txt"), nil, 0o600))
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	k.must(os.WriteFile(elsewhere, []byte("no line"), 0o600))
	k.must(os.Symlink(elsewhere, filepath.Join(k.dir, "192.0.2.9.log")))
	k.open(8 << 10)
	if text, err := os.ReadFile(elsewhere); err != nil || string(text) != "no line" || k.senders["192.0.2.9"] != nil {
		t.Errorf("a link is followed: %q, %v", text, err)
	}
	k.must(os.Remove(filepath.Join(k.dir, "notes.txt")))
	k.must(os.Remove(filepath.Join(k.dir, "192.0.2.9.log")))
	k.expect("192.0.2.1.log 600", "192.0.2.1.log.N 600", "2001:db8::1.log 4")
	k.write(sender1, "on\n")
	text, err := os.ReadFile(active)
	k.must(err)
	if !bytes.HasSuffix(text, []byte("x\non\n")) {
		t.Errorf("%q", text[len(text)-20:])
	}
}

// What a person deletes is not counted any more, and the next lines begin a file.
func TestFilesThatAPersonDeletes(t *testing.T) {
	k := newSpoolKit(t, 8<<10)
	line := strings.Repeat("x", 799) + "\n"
	for range 3 {
		k.write(sender1, line)
	}
	k.expect("192.0.2.1.log 800", "192.0.2.1.log.N 800", "192.0.2.1.log.N 800")
	all, _ := filepath.Glob(filepath.Join(k.dir, "*"))
	for _, name := range all {
		k.must(os.Remove(name))
	}
	k.setAhead(sealAfter)
	k.keep() // notices what was sealed
	k.keep()
	k.expect()
	k.write(sender1, line)
	k.must(os.Remove(filepath.Join(k.dir, "192.0.2.1.log")))
	k.write(sender1, "one\n")
	k.expect("192.0.2.1.log 4")
	k.must(os.RemoveAll(filepath.Dir(k.dir)))
	k.write(sender1, "two\n")
	k.expect("192.0.2.1.log 4")
}

// However many addresses send, the files are bounded, and none is lost.
func TestSendersAreBounded(t *testing.T) {
	k := newSpoolKit(t, 100<<20)
	at := sender1
	for range mostSenders + 50 {
		k.write(at, "one\n")
		at = at.Next()
	}
	if entries, _ := os.ReadDir(k.dir); len(entries) != mostSenders+1 {
		t.Errorf("%d files", len(entries))
	}
	shared, err := os.ReadFile(filepath.Join(k.dir, others+suffix))
	k.must(err)
	if bytes.Count(shared, []byte("one\n")) != 50 {
		t.Errorf("%q", shared)
	}
	// Who has been quiet longest makes way.
	k.setAhead(sealAfter + time.Hour)
	k.keep()
	k.write(at, "two\n")
	if _, err := os.Stat(filepath.Join(k.dir, "192.0.2.1.log")); !os.IsNotExist(err) {
		t.Error(err)
	}
	if text, err := os.ReadFile(filepath.Join(k.dir, at.String()+suffix)); err != nil || !bytes.HasSuffix(text, []byte("\ntwo\n")) {
		t.Errorf("%q, %v", text, err)
	}
}

// A disk that is full in the middle of a line costs none.
func TestAFullDisk(t *testing.T) {
	k := newSpoolKit(t, 100<<20)
	var limit unix.Rlimit
	k.must(unix.Getrlimit(unix.RLIMIT_FSIZE, &limit))
	bounded := limit
	bounded.Cur = 4 << 20 // of any file, that of what the test reads among them, which go test writes meanwhile
	k.must(unix.Setrlimit(unix.RLIMIT_FSIZE, &bounded))
	t.Cleanup(func() { k.must(unix.Setrlimit(unix.RLIMIT_FSIZE, &limit)) })
	var want, lines []byte
	for i := range 100 {
		lines = fmt.Appendf(lines, "line %02d %s\n", i, strings.Repeat("x", 60_000))
	}
	want = slices.Clone(lines)
	rest, err := k.offer(sender1, lines)
	if err == nil || len(rest) >= len(lines) || !bytes.HasPrefix(rest, []byte("line ")) || k.failed == nil {
		t.Fatalf("%.20q is left, %v", rest, err)
	}
	k.must(unix.Setrlimit(unix.RLIMIT_FSIZE, &limit))
	k.write(sender1, string(rest))
	text, err := os.ReadFile(filepath.Join(k.dir, "192.0.2.1.log"))
	k.must(err)
	if !bytes.Equal(text[signatureLen:], want) || k.failed != nil || !k.full.IsZero() {
		t.Errorf("%d bytes, %.200q", len(text), text)
	}
}

// A disk that another program fills is left its reserve, however fast it does: it is looked at before each write, and what several write at once counts.
func TestADiskThatShrinks(t *testing.T) {
	k := newSpoolKit(t, 100<<20)
	var left, lost atomic.Int64
	left.Store(1 << 20)
	const reserve = 100 << 10
	k.disk = func(string) (disk, error) { return disk{left.Load() - k.used.Load(), reserve}, nil }
	line := []byte(strings.Repeat("x", 999) + "\n")
	var all sync.WaitGroup
	at := sender1
	for range 16 {
		from := at
		at = at.Next()
		all.Go(func() {
			for range 200 {
				if _, err := k.offer(from, line); err != nil {
					lost.Add(1)
				}
			}
		})
	}
	all.Wait()
	if free := left.Load() - k.used.Load(); free < reserve || free > reserve+16*2000 || lost.Load() == 0 {
		t.Errorf("%d bytes are free, %d messages did not fit", free, lost.Load())
	}
	left.Add(100 << 10) // of which another program takes most
	k.write(sender1, string(line))
	left.Add(-98 << 10)
	rest, err := k.offer(sender1, append(line, line...))
	if err != errFull || len(rest) != 2*len(line) || k.most.Load() >= k.max || k.free.Load() != left.Load()-k.used.Load() {
		t.Errorf("%d bytes did not fit (%v); %d may be used, the disk has %d", len(rest), err, k.most.Load(), k.free.Load())
	}
	// Once what is there is half of what may be there, all of it is sealed that is not tiny, so that it goes as it is read.
	k.setRead(true)
	k.keep()
	if k.used.Load() != 0 {
		t.Errorf("%q are left of what was read", k.names())
	}
}
