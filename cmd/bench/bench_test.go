package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"activedefense/detect"
	"activedefense/detect/panos"
	"activedefense/firewall/panosim/userid"
)

// Everything that can be measured gives a number, and what cannot says why. It takes some seconds, since the real program is built and run.
func TestEveryRowHasANumberOrAReason(t *testing.T) {
	t.Parallel() // it waits for the program
	o := options{lines: 5 * leastLines, runs: 1, scans: 2, load: 500, compare: true, postgres: os.Getenv("TEST_POSTGRES_URL")}
	b := newBench(o, t.TempDir(), io.Discard)
	if err := b.measure(t.Context()); err != nil || len(b.failed) > 0 {
		t.Fatal(err, b.failed)
	}
	absent := []string{"beside syslog-ng", "beside crowdsec", "beside DuckDB"}
	for program, rows := range map[string][]string{
		"mawk": {"replay, beside mawk counting ports"}, "fail2ban-regex": {"patterns, beside fail2ban-regex"},
		"victoria-logs": {"run, beside VictoriaLogs", "room on the disk, of VictoriaLogs'", "search by a rare value, of VictoriaLogs'"},
	} {
		if _, err := exec.LookPath(program); err != nil {
			absent = append(absent, rows...)
		}
	}
	if o.postgres == "" {
		absent = append(absent, "PostgreSQL, rows, beside bare COPY", "PostgreSQL, blocks, beside rows")
	}
	if b.reasons["count"] != "" {
		absent = append(absent, "count of a common value")
	}
	rows := b.rows()
	if len(rows) < 20 {
		t.Errorf("%d rows", len(rows))
	}
	for _, r := range rows {
		if slices.Contains(absent, r.what) {
			if r.verdict() != "not measured" || r.note == "" {
				t.Errorf("%s is %q, because %q", r.what, r.verdict(), r.note)
			}
			continue
		}
		for _, f := range r.figures {
			if !(f.value > 0) || math.IsInf(f.value, 0) {
				t.Errorf("%s is %v %s", r.what, f.value, f.unit)
			}
		}
		if strings.Contains(r.note, "NaN") {
			t.Errorf("of %s it says %q", r.what, r.note)
		}
	}
	var out bytes.Buffer
	if _, err := write(&out, rows); err != nil || strings.Count(out.String(), "\n") != len(rows)+1 {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// What goes wrong with one part is said at its rows, and the others are measured.
func TestAPartThatFailsCostsItsRowsAlone(t *testing.T) {
	b := newBench(options{lines: 1_000_000}, t.TempDir(), io.Discard)
	b.part(t.Context(), "both", "memory", func(context.Context) error { return errors.New("the disk is full") })
	b.part(t.Context(), "kept", "starts", func(context.Context) error { b.note("list", 0.1); return nil })
	found := map[string]row{}
	for _, r := range b.rows() {
		found[r.what] = r
	}
	memory, list := found["memory, catching up and searching at once"], found["start: list served"]
	if memory.verdict() != "not measured" || memory.note != "the disk is full" || list.verdict() != "kept" || len(b.failed) != 1 {
		t.Errorf("memory is %q, because %q; the list %q; %v", memory.verdict(), memory.note, list.verdict(), b.failed)
	}
}

// A daemon that cannot keep up has missed the limit: it is not left out.
func TestALateTagMissesTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, err := os.Create(filepath.Join(t.TempDir(), "fw.log"))
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		b := newBench(options{lines: leastLines, scans: 3, load: 100}, t.TempDir(), io.Discard)
		b.note("idle", 5)
		if err := b.loaded(t.Context(), &scanner{log: log, tagged: make(chan userid.Change)}); err != nil {
			t.Fatal(err)
		}
		for _, r := range b.rows() {
			if strings.HasPrefix(r.what, "line to tag, loaded") && (r.verdict() != "MISSED" || !strings.Contains(r.note, "falls behind")) {
				t.Errorf("%s is %q: %s", r.what, r.verdict(), r.note)
			}
		}
	})
}

func TestLimitsAreHeldAgainstTheFigures(t *testing.T) {
	none := math.NaN()
	for _, c := range []struct {
		figures []figure
		want    string
	}{
		{[]figure{{value: 10, limit: atMost(10)}}, "kept"},
		{[]figure{{value: 10.1, limit: atMost(10)}}, "MISSED"},
		{[]figure{{value: 8, limit: atLeast(8)}}, "kept"},
		{[]figure{{value: 7.9, limit: atLeast(8)}}, "MISSED"},
		{[]figure{{value: 1, limit: atLeast(8)}, {value: 0.5, limit: atLeast(0.35)}}, "kept"}, // either will do
		{[]figure{{value: 1, limit: atLeast(8)}, {value: 0.3, limit: atLeast(0.35)}}, "MISSED"},
		{[]figure{{value: 1}}, ""},
		{[]figure{{value: none, limit: atMost(10)}}, "not measured"},
		{[]figure{{value: none, limit: atMost(10)}, {value: 3, limit: atMost(1)}}, "MISSED"},
		{nil, "not measured"},
		{[]figure{{value: 10, limit: limit{at: 10, lines: 50}}}, "not comparable at this size"},
		{[]figure{{value: 11, limit: limit{at: 10, lines: 50}}}, "MISSED"}, // more lines only make it worse
		{[]figure{{value: 11, limit: limit{at: 10, lines: 50, falls: true}}}, "not comparable at this size"},
		{[]figure{{value: 10, limit: limit{at: 10, lines: 50, falls: true}}}, "kept"},
		{[]figure{{value: 1, limit: atLeast(8)}, {value: 10, limit: limit{at: 10, lines: 50}}}, "not comparable at this size"},
		{[]figure{{value: 10, limit: limit{at: 10, lines: 50}}, {value: 1, limit: atLeast(8)}}, "not comparable at this size"},
	} {
		if got := (row{figures: c.figures}).verdict(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.figures, got, c.want)
		}
	}
	var out bytes.Buffer
	missed, err := write(&out, []row{
		{"slow", []figure{{1234.4, "lines/s", atLeast(2_000_000)}}, "how"},
		{"quick", []figure{{0.5, "s", atMost(1)}}, ""},
		{"unknown", []figure{{none, "s", atMost(1)}}, "it is not there"},
	})
	if text := strings.Join(strings.Fields(out.String()), " "); err != nil || missed != 1 ||
		!strings.Contains(text, "slow 1,234 lines/s >= 2 million MISSED how quick 0.5 s <= 1 kept unknown not measured it is not there") {
		t.Errorf("%d missed, %v: %s", missed, err, text)
	}
	if _, err := write(&out, []row{{what: "unknown"}}); err == nil {
		t.Error("a table without any figure is no fault")
	}
}

// Where there is no time for as many runs as were asked for, there is one of each at least, and it is said how many there were.
func TestFewerRunsWhereTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(options{within: time.Minute}, t.TempDir(), io.Discard)
		b.began = time.Now()
		var done []int
		for _, until := range []float64{0.5, 0.5, 1} {
			n := 0
			if err := b.rounds("turns", 3, until, func(int) error { n++; time.Sleep(13 * time.Second); return nil }); err != nil {
				t.Fatal(err)
			}
			done = append(done, n)
		}
		if !slices.Equal(done, []int{2, 1, 1}) || !slices.Equal(b.short, []string{"turns 2 of 3", "turns 1 of 3", "turns 1 of 3"}) {
			t.Errorf("%v, %q", done, b.short)
		}
		b.within = 0
		if err := b.rounds("turns", 3, 0.1, func(int) error { time.Sleep(time.Hour); return nil }); err != nil || len(b.short) != 3 {
			t.Errorf("%q: %v", b.short, err)
		}
	})
}

func TestMediansAndShares(t *testing.T) {
	for _, c := range []struct {
		list []float64
		part float64
		want float64
	}{{[]float64{3, 1, 2}, 0.5, 2}, {[]float64{4, 1, 2, 3}, 0.5, 2.5}, {[]float64{5}, 0.99, 5}, {[]float64{0, 10}, 0.99, 9.9}} {
		if got := share(c.list, c.part); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v of %v is %v, want %v", c.part, c.list, got, c.want)
		}
	}
	if got := ratios([]float64{2, 9}, []float64{1, 3, 5}); !slices.Equal(got, []float64{2, 3}) || !math.IsNaN(median(nil)) {
		t.Errorf("%v, %v", got, median(nil))
	}
}

// The lines are read as what they are meant to be, and are the same each time.
func TestTheLinesAreWhatIsSaidOfThem(t *testing.T) {
	const n = 10_000
	d := dataset{lines: n, end: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
	parser, random, again := panos.New(panos.Options{Location: time.UTC}), newRandom(), newRandom()
	var needles, atRandom int
	sources := map[string]bool{}
	for i := range n {
		line := d.append(nil, i, d.begin(), random)
		if other := d.append(nil, i, d.begin(), again); !bytes.Equal(line, other) {
			t.Fatalf("line %d is %q, and %q", i, line, other)
		}
		var ev detect.Event
		if err := parser.Parse(bytes.TrimSpace(line), d.end, &ev); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if ev.SrcUser == rareUser && ev.SrcCountry == rareCountry && ev.Rule == rareRule && ev.DstPort == rarePort {
			needles++
		}
		if ev.DstPort >= 1024 && ev.DstPort != 3389 && ev.DstPort != 8080 {
			atRandom++
		}
		sources[ev.Src.String()] = true
	}
	if needles != rare || atRandom < n/25 || atRandom > n/17 || len(sources) < n*9/10 {
		t.Errorf("%d rare lines, %d ports at random, %d sources", needles, atRandom, len(sources))
	}
	if text := d.describe(); !strings.Contains(text, "10000 lines") || !strings.Contains(text, "5.3 bytes") {
		t.Error(text)
	}
}
