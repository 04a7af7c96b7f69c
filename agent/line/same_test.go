package line

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"activedefense/detect"
	"activedefense/store"
)

// drawLogs makes the logs of some firewalls: sources that scan, sweep or do neither, lines that no format reads, and
// clocks that differ and are not always in order. It gives how many lines hold a record.
func drawLogs(t *rapid.T, dir string) (paths []string, records int) {
	for f := range rapid.IntRange(1, 3).Draw(t, "files") {
		path := filepath.Join(dir, fmt.Sprintf("fw%d.log", f))
		var b strings.Builder
		at := noon.Add(time.Duration(rapid.IntRange(-300, 300).Draw(t, "clock")) * time.Second)
		for range rapid.IntRange(0, 200).Draw(t, "lines") {
			at = at.Add(time.Duration(rapid.IntRange(-3, 15).Draw(t, "step")) * time.Second)
			switch kind := rapid.IntRange(0, 19).Draw(t, "kind"); {
			case kind == 0:
				b.WriteString("no record at all\n")
			case kind == 1:
				b.WriteString("\n")
			default:
				source := rapid.IntRange(1, 6).Draw(t, "source")
				r := record{at: at, src: fmt.Sprintf("203.0.113.%d", source), dst: "198.51.100.1", port: 22}
				switch {
				case source <= 2:
					r.port = rapid.IntRange(1, 60).Draw(t, "port")
				case source <= 4:
					r.dst = fmt.Sprintf("198.51.100.%d", rapid.IntRange(1, 60).Draw(t, "host"))
				}
				b.WriteString(r.String() + "\n")
				records++
			}
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths, records
}

// drawSettings has the rules with and without the one whose evidence outlives the records that a restart reads.
func drawSettings(t *rapid.T) detect.Settings {
	s := testSettings
	if rapid.Bool().Draw(t, "probe") {
		s.Probe = detect.Probe{Targets: 12, Window: 24 * time.Hour}
		s.PortScan.Window, s.HostSweep.Window = 2*time.Minute, 2*time.Minute
	}
	return s
}

// verdict is what two runs over the same lines must agree on.
func verdictText(source, rule string, first, last, reason any, hits int64) string {
	return fmt.Sprintf("%s %s %v %v %v %d", source, rule, first, last, reason, hits)
}

// The daemon and a replay are two ends of one line: the same files give the same verdicts, and every line is recorded
// once.
func TestRunAndReplayGiveTheSameVerdicts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, st, settings := t.TempDir(), newTestStore(t), drawSettings(rt)
		paths, want := drawLogs(rt, dir)
		var replayed []string
		opts := ReplayOptions{Files: paths, Input: testInput, Settings: settings, Guard: detect.NewGuard(nil, nil),
			Verdict: func(v *detect.Verdict) {
				replayed = append(replayed, verdictText(detect.AddressText(v.Source), v.Rule, v.FirstSeen, v.Time, v.Reason, int64(v.Hits)))
			}}
		sum, err := Replay(t.Context(), opts)
		if err != nil || int(sum.Records) != want {
			rt.Fatalf("a replay reads %d records of %d: %v", sum.Records, want, err)
		}
		var ran []string
		end := &recorder{verdict: func(v *detect.Verdict) {
			ran = append(ran, verdictText(detect.AddressText(v.Source), v.Rule, v.FirstSeen, v.Time, v.Reason, int64(v.Hits)))
		}}
		o := testOptions(t, st, filepath.Join(dir, "*.log"))
		o.Settings = settings
		l, err := Open(t.Context(), o)
		if err != nil {
			rt.Fatal(err)
		}
		end.end = l.flow.end
		l.flow.end = end
		readAll(t, l)
		if !slices.Equal(ran, replayed) {
			rt.Fatalf("the daemon says\n%s\na replay\n%s", strings.Join(ran, "\n"), strings.Join(replayed, "\n"))
		}
		if n := len(records(t, st)); n != want {
			rt.Fatalf("%d of %d lines are recorded", n, want)
		}
	})
}

// A recorder hands on to an end, and takes note of its verdicts.
type recorder struct {
	end
	verdict func(*detect.Verdict)
}

func (r *recorder) block(v *detect.Verdict, l *lane, now time.Time) {
	r.verdict(v)
	r.end.block(v, l, now)
}

// readAll takes and commits every line that is there, as a run does that ends then, and closes.
func readAll(t testing.TB, l *Live) {
	t.Helper()
	w := &writer{store: l.opts.Store, in: l.out, free: l.free, wake: l.opts.Wake, stats: l.opts.Stats, health: l.opts.Health, log: l.opts.Logger, now: l.opts.Now}
	written := make(chan error, 1)
	go func() { written <- w.run(t.Context(), t.Context()) }()
	l.refresh(context.Background())
	l.apply()
	if err := l.drain(t.Context()); err != nil {
		t.Error(err)
	}
	if err := l.flush(t.Context()); err != nil {
		t.Error(err)
	}
	close(l.out)
	if err := <-written; err != nil {
		t.Error(err)
	}
	l.Close()
}

// Wherever the daemon is stopped or killed, it blocks whom it would have blocked without, and records every line once.
func TestRestartsChangeNoVerdict(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, st, settings := t.TempDir(), newTestStore(t), drawSettings(rt)
		paths, want := drawLogs(rt, dir)
		var replayed []string
		opts := ReplayOptions{Files: paths, Input: testInput, Settings: settings, Guard: detect.NewGuard(nil, nil),
			Verdict: func(v *detect.Verdict) { replayed = append(replayed, detect.AddressText(v.Source)) }}
		if _, err := Replay(t.Context(), opts); err != nil {
			rt.Fatal(err)
		}
		slices.Sort(replayed)
		for range rapid.IntRange(1, 3).Draw(rt, "restarts") {
			o := testOptions(t, st, filepath.Join(dir, "*.log"))
			o.Attach, o.Settings = attach(t, st), settings
			l, err := Open(t.Context(), o)
			if err != nil {
				rt.Fatal(err)
			}
			takeSome(t, l, rapid.IntRange(0, 300).Draw(rt, "lines"), rapid.IntRange(1, 150).Draw(rt, "batch"))
			l.Close()
		}
		o := testOptions(t, st, filepath.Join(dir, "*.log"))
		o.Attach, o.Settings = attach(t, st), settings
		l, err := Open(t.Context(), o)
		if err != nil {
			rt.Fatal(err)
		}
		readAll(t, l)
		var blocked []string
		if err := st.Entries(t.Context(), store.EntryFilter{}, func(e *store.Entry) error {
			blocked = append(blocked, detect.AddressText(e.Address))
			return nil
		}); err != nil {
			rt.Fatal(err)
		}
		slices.Sort(blocked)
		if !slices.Equal(blocked, replayed) {
			rt.Fatalf("blocked are %v, without restarts %v", blocked, replayed)
		}
		if n := len(records(t, st)); n != want {
			rt.Fatalf("%d of %d lines are recorded", n, want)
		}
	})
}

// takeSome takes so many lines and commits after each so many; those behind the last commit are lost, as by a kill.
func takeSome(t testing.TB, l *Live, lines, batch int) {
	t.Helper()
	l.refresh(t.Context())
	l.apply()
	if err := l.merge.gather(t.Context(), l.files.asked()); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= lines; n++ {
		more, err := l.step(t.Context(), l.opts.Now())
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return
		}
		if n%batch == 0 || l.batch.urgent {
			l.seal()
			if _, err := l.opts.Store.Commit(t.Context(), &l.batch.Batch); err != nil {
				t.Fatal(err)
			}
			l.batch = newBatch()
		}
	}
}
