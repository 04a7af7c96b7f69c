package line

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/tail"
)

// lookoutTest is a lookout over the log files of a folder, followed by a real pipeline.
type lookoutTest struct {
	*Lookout
	t    *testing.T
	dir  string
	live *Live
	at   time.Time
	log  bytes.Buffer
}

func newLookoutTest(t *testing.T, pattern string, files ...string) *lookoutTest {
	l := &lookoutTest{t: t, dir: t.TempDir(), at: time.Now()}
	for _, file := range files {
		l.write(file)
	}
	l.live = newTestLive(t, l.dir, pattern)
	l.Lookout = NewLookout(l.live.opts.Inputs, l.live.opts.Stats, zerolog.New(&l.log))
	return l
}

func (l *lookoutTest) path(file string) string { return filepath.Join(l.dir, file) }

func (l *lookoutTest) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lookoutTest) write(file string) {
	l.t.Helper()
	l.must(os.MkdirAll(filepath.Dir(l.path(file)), 0o700))
	l.must(os.WriteFile(l.path(file), []byte("x\n"), 0o600))
}

// expect looks some time later.
func (l *lookoutTest) expect(when string, after time.Duration, wants string) {
	l.t.Helper()
	l.at = l.at.Add(after)
	l.live.look(l.at)
	why := l.look(l.at)
	if (why == "") != (wants == "") || !strings.Contains(why, wants) {
		l.t.Errorf("%s: what is hidden is %q instead of %q", when, why, wants)
	}
	if last, _ := l.Last(); last != why {
		l.t.Errorf("%s: status says %q", when, last)
	}
}

func TestAFileThatCannotBeReadHidesWhatSourcesDo(t *testing.T) {
	l := newLookoutTest(t, "logs/*.log", "logs/a.log")
	l.expect("at first", 0, "")
	l.must(os.Symlink("b.log", l.path("logs/b.log"))) // leads to itself: not even root can read it
	l.expect("one cannot be read", time.Minute, "logs/b.log")
	l.expect("for as long as that lasts", 30*blindFor, "logs/b.log")
	l.must(os.Remove(l.path("logs/b.log")))
	l.expect("it is gone", time.Minute, "")
	if text := l.log.String(); strings.Count(text, "releases are suspended") != 1 || strings.Count(text, "readable again") != 1 || !strings.Contains(text, "b.log") {
		t.Errorf("logged: %s", text)
	}
}

func TestAFolderThatIsGoneHidesWhatSourcesDo(t *testing.T) {
	for _, pattern := range []string{"logs/*.log", "logs/a.log"} {
		l := newLookoutTest(t, pattern, "logs/a.log")
		l.expect(pattern+" at first", 0, "")
		l.must(os.Rename(l.path("logs"), l.path("elsewhere")))
		l.expect(pattern+" is not mounted", time.Minute, "logs")
		l.must(os.Rename(l.path("elsewhere"), l.path("logs")))
		l.expect(pattern+" is back", time.Minute, "")
	}
	l := newLookoutTest(t, "logs/*.log", "logs/a.log")
	l.expect("at first", 0, "")
	l.must(os.Rename(l.path("logs"), l.path("elsewhere")))
	l.expect("for as long", time.Minute, "logs")
	l.expect("as that lasts", 30*blindFor, "logs")
}

// Nobody knows whether a file was deleted for good, or its file system is not mounted.
func TestAFileThatIsGoneHidesWhatSourcesDoForADay(t *testing.T) {
	l := newLookoutTest(t, "logs/*.log", "logs/a.log", "logs/b.log")
	l.expect("at first", 0, "")
	l.must(os.Remove(l.path("logs/b.log")))
	l.expect("one of two is deleted, as old ones are", time.Minute, "")
	l.must(os.Remove(l.path("logs/a.log")))
	l.expect("the last one is deleted", time.Minute, "no log file is left")
	l.expect("just before a day has passed", blindFor-time.Second, "no log file is left")
	l.expect("then", time.Second, "")
	l.expect("and from then on", 30*blindFor, "")
	l.write("logs/c.log")
	l.expect("there is another one", time.Minute, "")
	l.must(os.Remove(l.path("logs/c.log")))
	l.expect("which is deleted, too", time.Minute, "no log file is left")
}

func TestWhatWasNeverThereHidesNothing(t *testing.T) {
	for _, pattern := range []string{"logs/*.log", "logs/a.log"} {
		newLookoutTest(t, pattern).expect(pattern+" never was", time.Minute, "")
		l := newLookoutTest(t, pattern)
		l.Remember([]string{l.path("logs/a.log")})
		l.expect(pattern+" was read by an earlier run", time.Minute, "logs")
	}
	l := newLookoutTest(t, "logs/*.log", "logs/other.txt")
	l.Remember([]string{l.path("logs/a.log")})
	l.expect("an empty folder, read by an earlier run", time.Minute, "no log file is left")
}

// A rotated file that may not be read does not hold up releases for ever, one that is written to does.
func TestAnOldFileHidesWhatSourcesDoForADay(t *testing.T) {
	dir, begun := t.TempDir(), time.Now().Add(-100*blindFor)
	path := filepath.Join(dir, "a.log")
	s := NewStats()
	l := NewLookout([]Input{{Pattern: filepath.Join(dir, "*.log")}}, s, zerolog.Nop())
	in := s.input(path)
	for _, at := range []string{path, path + ".1"} {
		if err := os.WriteFile(at, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		denied := tail.Status{Err: &fs.PathError{Op: "open", Path: at, Err: syscall.EACCES}}
		in.publish(tail.Status{}, begun)
		in.publish(denied, begun)
		in.publish(denied, begun.Add(time.Hour))                         // which is not when it began
		for written, hidden := range map[time.Duration][2]time.Duration{ // what is hidden: last, and first no more
			-time.Hour:    {blindFor - 1, blindFor},
			10 * blindFor: {11*blindFor - 1, 11 * blindFor},
		} {
			if err := os.Chtimes(at, begun.Add(written), begun.Add(written)); err != nil {
				t.Fatal(err)
			}
			for i, after := range hidden {
				if why := l.look(begun.Add(after)); (why != "") != (i == 0) {
					t.Errorf("%s, written %s after it could not be read: %s later %q is hidden", at, written, after, why)
				}
			}
		}
	}
}

// Root may list every folder, so the error is as another user gets it.
func TestAFolderThatMayNotBeListedHidesWhatSourcesDo(t *testing.T) {
	dir, s, at := t.TempDir(), NewStats(), time.Now()
	l := NewLookout([]Input{{Pattern: filepath.Join(dir, "*.log")}}, s, zerolog.Nop())
	s.input(filepath.Join(dir, "*.log")).publish(tail.Status{Err: &fs.PathError{Op: "open", Path: dir, Err: syscall.EACCES}}, at)
	for _, after := range []time.Duration{0, 30 * blindFor} {
		if why := l.look(at.Add(after)); !strings.Contains(why, "permission denied") {
			t.Errorf("%s later %q is hidden", after, why)
		}
	}
}

func TestNobodyIsFoundQuietWhileAFileIsHidden(t *testing.T) {
	l := newLookoutTest(t, "logs/*.log", "logs/a.log")
	settle := func() {
		for range 2 {
			l.at = l.at.Add(settledAfter)
			l.live.opts.Stats.ends.reached(l.at)
		}
		l.live.look(l.at)
	}
	settle()
	if !l.CaughtUp(l.at) {
		t.Error("not all is said to be read")
	}
	l.must(os.Rename(l.path("logs"), l.path("elsewhere")))
	settle()
	if l.CaughtUp(l.at) {
		t.Error("all is said to be read")
	}
	l.must(os.Rename(l.path("elsewhere"), l.path("logs")))
	settle()
	if !l.CaughtUp(l.at) {
		t.Error("not all is said to be read when the folder is back")
	}
}
