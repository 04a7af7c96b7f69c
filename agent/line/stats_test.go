package line

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
	"activedefense/detect/panos"
)

func TestAPathThatIsNoLongerReadIsForgotten(t *testing.T) {
	dir, at := t.TempDir(), time.Now()
	l := newTestLive(t, dir, "logs/*.log")
	paths := func() (out []string) {
		for _, in := range l.opts.Stats.Status(at).Inputs {
			out = append(out, strings.TrimPrefix(in.Path, dir)+" "+in.Error)
		}
		return out
	}
	l.look(at)
	if got := paths(); len(got) != 1 || !strings.HasPrefix(got[0], "/logs/*.log scan for files") {
		t.Fatalf("a folder that is missing: %q", got)
	}
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "logs", "a.log"), []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at = at.Add(time.Minute)
	l.look(at)
	if got := fmt.Sprintf("%q", paths()); got != `["/logs/*.log " "/logs/a.log "]` {
		t.Errorf("when it is there: %s", got)
	}
	l.look(at.Add(keptInputs - time.Minute))
	if got := paths(); len(got) != 2 {
		t.Errorf("before a day has passed: %q", got)
	}
	l.look(at.Add(keptInputs + forgetEvery))
	if got := fmt.Sprintf("%q", paths()); got != `["/logs/a.log "]` {
		t.Errorf("then: %s", got)
	}
}

func TestOfManyPathsThatAreGoneTheLatestAreKept(t *testing.T) {
	s, at := NewStats(), time.Now()
	name := func(i int) string { return fmt.Sprintf("/logs/%05d.log", i) }
	for i := range mostInputs + 20 {
		s.left(s.input(name(i)), at.Add(time.Duration(i)*time.Second))
	}
	s.input(name(3)) // is back
	s.forget(at.Add(time.Hour))
	all := s.allInputs()
	if len(all) != mostInputs || all[0].path != name(3) || all[1].path != name(21) {
		t.Errorf("%d kept, from %s, %s on", len(all), all[0].path, all[1].path)
	}
	// What is being read is never forgotten, however much it is.
	s = NewStats()
	for i := range mostInputs + 20 {
		s.input(name(i))
	}
	s.forget(at.Add(time.Hour))
	if all := s.allInputs(); len(all) != mostInputs+20 {
		t.Errorf("%d of the files that are read", len(all))
	}
}

func TestTheRateIsThatOfTheLastTenSeconds(t *testing.T) {
	var r rate
	begin := time.Now()
	if n := r.perSecond(begin); n != 0 {
		t.Errorf("before anything %v lines a second", n)
	}
	r.add(100, begin)
	for after, want := range map[time.Duration]float64{0: 0, 500 * time.Millisecond: 0, 2 * time.Second: 50, 5 * time.Second: 20} {
		if n := r.perSecond(begin.Add(after)); n != want {
			t.Errorf("%s after the first %v lines a second instead of %v", after, n, want)
		}
	}
	r.add(0, begin.Add(10*time.Second))
	r.add(1000, begin.Add(11*time.Second))
	if n := r.perSecond(begin.Add(12 * time.Second)); n != 10 {
		t.Errorf("of the finished ten seconds %v lines a second", n)
	}
}

// What was read last is late only while there is more to read.
func TestLagIsOfWhatIsBehind(t *testing.T) {
	now := time.Now()
	in := &inputStats{path: "/logs/a.log"}
	if lag := in.lag(100, now); lag != 0 {
		t.Errorf("before the first line it is late by %s", lag)
	}
	in.recorded(1, now.Add(-time.Minute), now)
	for behind, want := range map[int64]time.Duration{0: 0, 100: time.Minute} {
		if lag := in.lag(behind, now); lag.Round(time.Second) != want {
			t.Errorf("%d bytes behind it is late by %s", behind, lag)
		}
	}
	in.recorded(1, now.Add(time.Hour), now)
	if lag := in.lag(100, now); lag != 0 {
		t.Errorf("with a clock ahead it is late by %s", lag)
	}
}

// Logins without a certain client are told when they come often, with one of the lines, and no longer than an hour after the last.
func TestHiddenLoginsAreTold(t *testing.T) {
	s, start := NewStats(), time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	in := s.input("/logs/a.log")
	for n, at := 0, start; n < HiddenOften+2; n, at = n+1, at.Add(10*time.Minute) {
		status := s.Status(at)
		if got, want := status.Inputs[0].Hidden, uint64(n); n >= HiddenOften && (got != want || !status.Inputs[0].HiddenSince.Equal(start) || len(status.BadLines) != 1) || n < HiddenOften && got != 0 {
			t.Errorf("after %d: %d, %d lines", n, got, len(status.BadLines))
		}
		in.failed(panos.ErrUncertainLogin, []byte("the line"), at, s)
	}
	last := start.Add((HiddenOften + 1) * 10 * time.Minute)
	for _, c := range []struct {
		at   time.Duration
		want uint64
	}{{hiddenQuiet, HiddenOften + 2}, {hiddenQuiet + time.Second, 0}} {
		if got := s.Status(last.Add(c.at)).Inputs[0].Hidden; got != c.want {
			t.Errorf("%s behind the last: %d", c.at, got)
		}
	}
	in.failed(panos.ErrUncertainLogin, nil, last.Add(2*time.Hour), s)
	if status := s.Status(last.Add(2 * time.Hour)); status.Inputs[0].Hidden != 0 || status.Inputs[0].Cut != HiddenOften+3 || status.Inputs[0].Bad != 0 {
		t.Errorf("%+v", status.Inputs[0])
	}
}

// A threat that a relay may have cut off is told at once, with the line, as one that was cut, and is no failed login.
func TestCutThreatsAreTold(t *testing.T) {
	s, now := NewStats(), time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	in := s.input("/logs/a.log")
	for range HiddenOften {
		in.failed(panos.ErrUncertainThreat, []byte("the line"), now, s)
	}
	status := s.Status(now)
	if got := status.Inputs[0]; got.Cut != HiddenOften || got.Bad != 0 || got.Hidden != 0 || len(status.BadLines) == 0 || status.BadLines[0].Line != "the line" {
		t.Errorf("%+v, %v", got, status.BadLines)
	}
}

func TestOnlyTheFirstBadLinesAreKept(t *testing.T) {
	s, now := NewStats(), time.Now()
	in := s.input("/logs/a.log")
	for i := range keptBadLines + 5 {
		in.failed(errors.New("what was expected"), []byte(fmt.Sprint(i, strings.Repeat("x", 2*keptBadLineLen))), now, s)
	}
	in.failed(detect.ErrNoEvent, nil, now, s)
	bad, status := s.Status(now).BadLines, s.Status(now).Inputs[0]
	if len(bad) != keptBadLines || !strings.HasPrefix(bad[0].Line, "0x") || len(bad[0].Line) != keptBadLineLen || bad[0].Path != "/logs/a.log" {
		t.Errorf("%d are kept, the first is %+v", len(bad), bad[0])
	}
	if status.Bad != keptBadLines+5 || status.Ignored != 1 || status.Lines != keptBadLines+6 {
		t.Errorf("status is %+v", status)
	}
}
