package line

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"activedefense/agent/tail"
	"activedefense/store"
)

func TestStatusOfVeryManyFilesIsBounded(t *testing.T) {
	const files = mostInputs + 500
	stats := NewStats()
	for i := range files {
		in := stats.input(fmt.Sprintf("/logs/%05d.log", i))
		switch i {
		case files - 1:
			in.publish(tail.Status{Err: errors.New("permission denied")}, time.Now())
		case files - 2:
			in.setClock("an hour behind")
		case files - 3:
			in.publish(tail.Status{Behind: 7}, time.Now())
		}
	}
	for i, in := range stats.allInputs() {
		in.recorded(1, noon, noon)
		if i == files-4 {
			in.recorded(1, noon, noon.Add(time.Second))
		}
	}
	s := stats.Status(time.Now())
	if want := (FileSums{Files: files, Lines: files + 1, Records: files + 1, Behind: 7, InTrouble: 2}); s.Files != want {
		t.Errorf("the sums are %+v, want %+v", s.Files, want)
	}
	if len(s.Inputs) != mostInputs || s.NotShown != files-mostInputs {
		t.Fatalf("%d files, %d not shown", len(s.Inputs), s.NotShown)
	}
	if s.Inputs[0].Clock == "" || s.Inputs[1].Error == "" || s.Inputs[2].Behind != 7 || s.Inputs[3].Path != fmt.Sprintf("/logs/%05d.log", files-4) || s.Inputs[4].Path != "/logs/00000.log" {
		t.Errorf("the first are %+v", s.Inputs[:5])
	}
}

// Since when nothing is heard is what the files say of themselves, is kept over a restart, and over the file's end: what reads a
// backlog, or starts anew, makes no silence younger.
func TestSilenceIsRememberedOverARestart(t *testing.T) {
	dir := t.TempDir()
	quiet, busy := filepath.Join(dir, "quiet.log"), filepath.Join(dir, "busy.log")
	now := time.Now().Truncate(time.Second)
	written := map[string]time.Time{quiet: now.Add(-time.Hour), busy: now.Add(-time.Minute)}
	for path, at := range written {
		text := record{at: at, src: "203.0.113.7", dst: "198.51.100.1", port: 22}.String() + "\n"
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	o := testOptions(t, newTestStore(t), filepath.Join(dir, "*.log"))
	o.Inputs[0].SilentAfter = 15 * time.Minute
	never := []string{"/nowhere/*.log", filepath.Join(dir, "*.txt"), filepath.Join(dir, "firewall")}
	for _, pattern := range never {
		o.Inputs = append(o.Inputs, Input{Pattern: pattern, SilentAfter: time.Minute, NewParser: o.Inputs[0].NewParser})
	}
	o.Since = now.Add(-2 * time.Hour)
	o.Now = func() time.Time { return now }
	expect := func(when string, quietFor time.Duration) {
		t.Helper()
		o.Stats = NewStats()
		l := openTestLive(t, o)
		defer l.Close()
		readAll(t, l)
		l.publish()
		s := o.Stats.Status(now)
		rows := make(map[string]InputStatus)
		for _, in := range s.Inputs {
			rows[in.Path] = in
		}
		if r := rows[quiet]; r.Silent == nil || !r.Silent.Equal(now.Add(-quietFor)) || !r.LastLine.Equal(*r.Silent) {
			t.Errorf("%s the quiet file is %+v", when, r)
		}
		if r := rows[busy]; r.Silent != nil || r.LastLine == nil {
			t.Errorf("%s the other file is %+v", when, r)
		}
		for i, pattern := range never {
			if r := rows[pattern]; r.Silent == nil || !r.Silent.Equal(o.Since) || r.Error == "" || !s.Heard[1+i].Since.Equal(o.Since) {
				t.Errorf("%s the input %s without a file is %+v, %+v", when, pattern, r, s.Heard)
			}
		}
		if len(s.Heard) != 4 || len(s.Heard[0].Silent) != 1 || !s.Heard[0].Since.IsZero() || !s.Heard[0].Last.Equal(written[busy]) {
			t.Errorf("%s: %+v", when, s.Heard)
		}
	}
	expect("at first", time.Hour)
	expect("after a restart", time.Hour)
	if err := os.Remove(quiet); err != nil {
		t.Fatal(err)
	}
	expect("when its file is gone", time.Hour)
}

// A line ends a silence at once, also one that was written since its folder was looked at.
func TestALineEndsASilence(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fw.log")
	now := time.Now()
	old := now.Add(-time.Hour)
	line := record{at: now, src: "203.0.113.7", dst: "198.51.100.1", port: 22}.String() + "\n"
	if err := errors.Join(os.WriteFile(path, []byte(line), 0o600), os.Chtimes(path, old, old)); err != nil {
		t.Fatal(err)
	}
	o := testOptions(t, newTestStore(t), path)
	o.Inputs[0].SilentAfter = time.Minute
	o.Now = func() time.Time { return now }
	l := openTestLive(t, o)
	l.refresh(t.Context())
	write(t, path, line)
	if err := l.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.seal()
	for range 2 {
		now = now.Add(time.Second)
		l.publish()
		l.refresh(t.Context())
	}
	if s := o.Stats.Status(now); s.Inputs[0].Lines != 2 || s.Inputs[0].Silent != nil || !s.Heard[0].Since.IsZero() {
		t.Errorf("after a line: %+v, %+v", s.Inputs, s.Heard)
	}
}

// Nothing is known to be silent of which there is more to read, or which cannot be read.
func TestWhatIsNotReadIsNotSilent(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name   string
		status tail.Status
		want   bool
	}{
		{"read to its end", tail.Status{}, true}, {"there is more", tail.Status{Behind: 1}, false}, {"it cannot be read", tail.Status{Err: errors.New("no")}, false},
		{"it is not there", tail.Status{Err: fs.ErrNotExist}, true},
	} {
		stats := NewStats()
		stats.expect([]Input{{Pattern: "/l/a.log", SilentAfter: time.Minute}}, time.Time{}, nil, now.Add(-time.Hour))
		in := stats.input("/l/a.log")
		in.heard(now.Add(-2*time.Minute), now)
		in.publish(c.status, now)
		s := stats.Status(now)
		if got := s.Inputs[0].Silent != nil; got != c.want || got == s.Heard[0].Since.IsZero() || (s.Inputs[0].ErrorSince != nil) != (c.status.Err != nil) {
			t.Errorf("%s: %+v, %+v", c.name, s.Inputs[0], s.Heard)
		}
	}
}

// What an earlier run followed and nobody follows now is silent for a day, a row of its own, and is known to its input for ever.
func TestWhatAnEarlierRunHeardIsKnown(t *testing.T) {
	now := time.Now()
	at := func(path string, ago time.Duration) store.Position {
		return store.Position{Path: path, Updated: now.Add(-ago)}
	}
	for _, c := range []struct {
		stored []store.Position
		row    string
		since  time.Duration
	}{
		{[]store.Position{at("/l/a.log", 3*time.Hour), at("/l/a.log", 2*time.Hour), at("/l/b.log", 25*time.Hour), at("/l/c.log", -time.Hour), at("/m/x.log", time.Minute)}, "/l/a.log", 2 * time.Hour},
		{[]store.Position{at("/l/b.log", 25*time.Hour)}, "/l/*.log", 25 * time.Hour},
	} {
		stats := NewStats()
		stats.expect([]Input{{Pattern: "/l/*.log", SilentAfter: time.Minute}}, now.Add(-1000*time.Hour), c.stored, now)
		s := stats.Status(now)
		if len(s.Inputs) != 1 || s.Inputs[0].Path != c.row || s.Inputs[0].Silent == nil || now.Sub(*s.Inputs[0].Silent) != c.since || now.Sub(s.Heard[0].Last) != c.since {
			t.Errorf("%+v: %+v, %+v", c.stored, s.Inputs, s.Heard)
		}
	}
}

// An input that has a name is told by it, whatever its files are called.
func TestAnInputIsCalledByItsName(t *testing.T) {
	now := time.Now()
	stats := NewStats()
	stats.expect([]Input{{Name: "tcp://:514", Pattern: "/s/*.log", SilentAfter: time.Minute}}, now.Add(-time.Hour), nil, now)
	s := stats.Status(now)
	if len(s.Heard) != 1 || s.Heard[0].Pattern != "tcp://:514" || s.Heard[0].Since.IsZero() || len(s.Inputs) != 1 || s.Inputs[0].Path != "tcp://:514" || s.Inputs[0].Silent == nil || s.Inputs[0].Error != "" {
		t.Errorf("%+v, %+v", s.Heard, s.Inputs)
	}
	stats.input("/s/192.0.2.1.log").heard(now, now)
	if s = stats.Status(now); !s.Heard[0].Since.IsZero() || !s.Heard[0].Last.Equal(time.Unix(0, now.UnixNano())) {
		t.Errorf("%+v", s.Heard)
	}
	// What was heard before it was changed was heard of it.
	stats = NewStats()
	stats.expect([]Input{{Name: "tcp://:514", Pattern: "/s/*.log"}, {Name: "tcp://:514", Pattern: "/former/*.log", Ending: true}}, now.Add(-time.Hour),
		[]store.Position{{Path: "/former/192.0.2.1.log", Updated: now.Add(-time.Minute)}}, now)
	if s = stats.Status(now); len(s.Heard) != 1 || now.Sub(s.Heard[0].Last) != time.Minute || len(s.Inputs) != 1 {
		t.Errorf("%+v, %+v", s.Heard, s.Inputs)
	}
}
