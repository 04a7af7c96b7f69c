package line

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"activedefense/detect"
	"activedefense/detect/panos"
)

// testMerge opens old files as lanes of a merge, until the end of the test.
func testMerge(t testing.TB, paths ...string) (*merge, []*lane) {
	t.Helper()
	readers := startReaders(time.Now)
	var lanes []*lane
	for i, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		f, err := readOldFile(file, int64(i))
		if err != nil {
			t.Fatal(err)
		}
		l := newLane(f, path, &parsers{create: testInput(path).NewParser})
		l.index = i
		lanes = append(lanes, l)
	}
	t.Cleanup(readers.close) // before the files are closed
	return &merge{readers: readers, engine: detect.New(testSettings)}, lanes
}

// all takes everything there is, as file and number of the line.
func (m *merge) all(t fataler, lanes []*lane) (order []string) {
	t.Helper()
	if err := m.gather(t.Context(), lanes); err != nil {
		t.Fatalf("%v", err)
	}
	for l := m.next(); l != nil; l = m.next() {
		p := &l.chunk.lines[l.at]
		if p.err == nil {
			l.last = p.event.Time
		}
		order = append(order, fmt.Sprintf("%s:%d", l.device, l.count))
		if err := m.advance(t.Context()); err != nil {
			t.Fatalf("%v", err)
		}
	}
	return order
}

// fataler is what a test and a property check have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
	Context() context.Context
}

// oracle is the same by its definition: again and again the line that is the earliest of all next ones, the first file's
// where several are, a line without a time at that of the line before.
func oracle(files [][]time.Time) (order []string) {
	at := make([]int, len(files))
	last := make([]time.Time, len(files))
	for {
		first := -1
		var when time.Time
		for i, f := range files {
			if at[i] == len(f) {
				continue
			}
			now := f[at[i]]
			if now.IsZero() {
				now = last[i]
			}
			if first < 0 || now.Before(when) {
				first, when = i, now
			}
		}
		if first < 0 {
			return order
		}
		order = append(order, fmt.Sprintf("fw%d:%d", first, at[first]))
		last[first] = when
		at[first]++
	}
}

func TestLinesAreMergedByEventTime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		n := rapid.IntRange(1, 20).Draw(rt, "files")
		var files [][]time.Time
		var paths []string
		for f := range n {
			var times []time.Time
			var text strings.Builder
			at := noon
			for range rapid.SampledFrom([]int{0, 1, 5, 300, 1000}).Draw(rt, "lines") / n {
				at = at.Add(time.Duration(rapid.IntRange(-2, 5).Draw(rt, "step")) * time.Second)
				if rapid.IntRange(0, 9).Draw(rt, "bad") == 0 {
					text.WriteString("no record\n")
					times = append(times, time.Time{})
					continue
				}
				text.WriteString(record{at: at, src: "203.0.113.1", dst: "198.51.100.1", port: 1}.String() + "\n")
				times = append(times, at)
			}
			path := filepath.Join(dir, fmt.Sprintf("fw%d.log", f))
			if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
				rt.Fatal(err)
			}
			files, paths = append(files, times), append(paths, path)
		}
		m, lanes := testMerge(t, paths...)
		if got, want := fmt.Sprint(m.all(rt, lanes)), fmt.Sprint(oracle(files)); got != want {
			rt.Fatalf("the order is\n%s instead of\n%s", got, want)
		}
	})
}

// Many files at once share the room for what is read ahead: none has to wait, and chunks get shorter.
func TestVeryManyFilesAreReadSideBySide(t *testing.T) {
	const files = 2 * chunksMost * chunkLines / 16
	dir := t.TempDir()
	var paths []string
	var want []string
	for i := range files {
		path := filepath.Join(dir, fmt.Sprintf("fw%d.log", i))
		write(t, path, record{at: noon, src: "203.0.113.1", dst: "198.51.100.1", port: 1}.String()+"\n"+
			record{at: noon.Add(time.Second), src: "203.0.113.1", dst: "198.51.100.1", port: 1}.String()+"\n")
		if i >= files/8 {
			continue // their lines are the same, and so many descriptors need not be open
		}
		paths = append(paths, path)
	}
	for k := range 2 {
		for i := range paths {
			want = append(want, fmt.Sprintf("fw%d:%d", i, k))
		}
	}
	m, lanes := testMerge(t, paths...)
	if got := m.all(t, lanes); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the order is %v", got)
	}
	r := &readers{}
	for lanes, want := range map[int]int{0: chunkLines, 1: chunkLines, chunksMost: chunkLines, 2 * chunksMost: chunkLines / 2, 100_000: 1} {
		if r.lanes = lanes; r.room().lines != want || r.room().bytes != max(1, chunkBytes*want/chunkLines) && want > 1 {
			t.Errorf("of %d files, %+v are read at once", lanes, r.room())
		}
	}
}

// Long lines do not make what is read ahead much larger.
func TestAChunkOfLongLinesIsShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fw0.log")
	write(t, path, strings.Repeat(strings.Repeat("x", 40_000)+"\n", 100)+strings.Repeat("y", 2*maxLine)+"\n")
	m, lanes := testMerge(t, path)
	if err := m.gather(t.Context(), lanes); err != nil {
		t.Fatal(err)
	}
	c := lanes[0].chunk
	if n := len(c.text); n < chunkBytes || n > chunkBytes+4*maxLine {
		t.Errorf("a chunk holds %d bytes", n)
	}
	if got := m.all(t, lanes); len(got) != 101 {
		t.Errorf("%d lines", len(got))
	}
}

// What can no longer be read ends the replay, and the error names the file; the lines before it were taken.
func TestAFileThatBreaksOffIsNamed(t *testing.T) {
	dir := t.TempDir()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	for i := range 3000 {
		fmt.Fprintln(z, record{at: noon.Add(time.Duration(i) * time.Second), src: fmt.Sprintf("203.0.113.%d", i%200), dst: "198.51.100.1", port: 1})
	}
	z.Close()
	path := filepath.Join(dir, "fw0.log.gz")
	if err := os.WriteFile(path, packed.Bytes()[:packed.Len()-20], 0o600); err != nil {
		t.Fatal(err)
	}
	opts := ReplayOptions{Files: []string{path}, Input: testInput, Settings: testSettings, Guard: detect.NewGuard(nil, nil), Verdict: func(*detect.Verdict) {}}
	sum, err := Replay(t.Context(), opts)
	if err == nil || !strings.Contains(err.Error(), path) || sum.Records == 0 {
		t.Errorf("after %d records: %v", sum.Records, err)
	}
	garbage := filepath.Join(dir, "fw1.log.gz")
	write(t, garbage, "\x1f\x8bnot gzip")
	opts.Files = []string{garbage}
	if _, err := Replay(t.Context(), opts); err == nil || !strings.Contains(err.Error(), garbage) {
		t.Errorf("of what only looks like gzip: %v", err)
	}
}

func TestAReplayCanBeStopped(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "fw0.log")
	write(t, path, strings.Repeat(record{at: noon, src: "203.0.113.1", dst: "198.51.100.1", port: 1}.String()+"\n", 20_000))
	ctx, stop := context.WithCancel(t.Context())
	opts := ReplayOptions{Files: []string{path}, Input: testInput, Settings: testSettings, Guard: detect.NewGuard(nil, nil), Verdict: func(*detect.Verdict) {}}
	stop()
	if sum, err := Replay(ctx, opts); !errors.Is(err, context.Canceled) || sum.Lines == 20_000 {
		t.Errorf("after %d lines: %v", sum.Lines, err)
	}
}

// A line without a time of its own, in a file without headers, is of the time of reading: of one time for all of a
// replay, whatever was read first, so that it says the same each time.
func TestAReplayOfLinesWithoutATimeIsTheSameEachTime(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	dir := t.TempDir()
	var paths []string
	for f := range 2 {
		var text strings.Builder
		for i := range 2000 {
			source := i / 20 % 100
			if f == 1 {
				source = 99 - source
			}
			line := record{at: noon, src: fmt.Sprintf("203.0.113.%d", source), dst: "198.51.100.1", port: 1 + i}.String()
			text.WriteString(strings.Replace(line, "TimeReceived="+noon.Format("2006/01/02 15:04:05"), "TimeReceived=", 1) + "\n")
		}
		paths = append(paths, filepath.Join(dir, fmt.Sprintf("fw%d.log", f)))
		write(t, paths[f], text.String())
	}
	replay := func() (verdicts []string) {
		opts := ReplayOptions{Files: paths, Input: testInput, Settings: testSettings, Guard: detect.NewGuard(nil, nil),
			Verdict: func(v *detect.Verdict) { verdicts = append(verdicts, v.Source.String()+" "+v.Reason) }}
		if _, err := Replay(t.Context(), opts); err != nil {
			t.Fatal(err)
		}
		return verdicts
	}
	first := replay()
	if len(first) == 0 {
		t.Fatal("nobody is found")
	}
	for range 5 {
		if again := replay(); fmt.Sprint(again) != fmt.Sprint(first) {
			t.Fatalf("once it says\n%s\nthen\n%s", strings.Join(first, "\n"), strings.Join(again, "\n"))
		}
	}
}

// Very many files with long lines take a line each, not a chunk.
func TestManyLanesShareTheBytesToo(t *testing.T) {
	r := &readers{lanes: 1000 * chunksMost}
	if room := r.room(); room.lines != 1 || room.bytes > chunkBytes/1000 {
		t.Errorf("each of so many takes %+v", room)
	}
}

// In the hour that the clock passes twice, the times of a file run forward: what follows the second passing of an
// earlier minute is of the second one. Six ports before the clock is set back and five just after are one scan; the same
// minutes a day earlier, when it was not, are none.
func TestTheHourThatTheClockPassesTwice(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for day, want := range map[int]string{25: "[203.0.113.7/32]", 24: "[]"} {
		path := filepath.Join(t.TempDir(), "fw0.log")
		for k := range 11 {
			at := fmt.Sprintf("2026/10/%d 02:58:00", day)
			if k >= 6 {
				at = fmt.Sprintf("2026/10/%d 02:01:00", day)
			}
			line := record{at: noon, src: "203.0.113.7", dst: "198.51.100.1", port: 100 + k}.String()
			write(t, path, strings.Replace(line, noon.Format("2006/01/02 15:04:05"), at, 1)+"\n")
		}
		var blocked []netip.Prefix
		opts := ReplayOptions{Files: []string{path}, Settings: testSettings, Guard: detect.NewGuard(nil, nil),
			Input: func(string) Input {
				return Input{NewParser: func() Parser { return panos.New(panos.Options{Location: berlin}) }}
			},
			Verdict: func(v *detect.Verdict) { blocked = append(blocked, v.Source) }}
		if _, err := Replay(t.Context(), opts); err != nil || fmt.Sprint(blocked) != want {
			t.Errorf("on the %dth blocked are %v: %v", day, blocked, err)
		}
	}
}
