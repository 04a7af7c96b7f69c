package line

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"activedefense/detect"
	"activedefense/store"
)

// BenchmarkCatchUpOnADay reads lines of which four in ten are sessions that ours opened and the others are refused, a third of them from
// sources that come back, and commits them. Beside the default it does so without the rule probe, with every record counted
// (detect.outcome: all), and with both, where nothing of a day is remembered. It reports processor time and what is written to remember,
// for 10,000 lines.
func BenchmarkCatchUpOnADay(b *testing.B) {
	const lines = 200_000
	f := &flood{begin: time.Now().Add(-time.Hour).Truncate(time.Second)}
	random := rand.New(rand.NewPCG(1, 1))
	address := func(first byte, n uint32) netip.Addr {
		return netip.AddrFrom4([4]byte{first, byte(n >> 16), byte(n >> 8), byte(n)})
	}
	for i := range lines {
		at := f.begin.Add(time.Duration(i) * 10 * time.Millisecond)
		ours := netip.AddrFrom4([4]byte{198, 51, 100, byte(random.UintN(256))})
		switch {
		case i%10 < 4:
			f.packet(at, address(10, random.Uint32N(2000)), address(30, random.Uint32N(20_000)), 443, "ssl")
		case i%10 < 6:
			f.packet(at, address(40, random.Uint32N(5000)), ours, 22+int(random.UintN(3)), "not-applicable")
		default:
			f.packet(at, address(50, random.Uint32N(1<<24)), ours, 1+int(random.UintN(60_000)), "not-applicable")
		}
	}
	path := filepath.Join(b.TempDir(), "fw1.log")
	writeLines(b, path, f.lines)
	for _, c := range []struct {
		name string
		set  func(*detect.Settings)
	}{
		{"default", func(*detect.Settings) {}},
		{"no probe", func(s *detect.Settings) { s.Probe = detect.Probe{} }},
		{"outcome all", everyOutcome},
		{"outcome all, no probe", func(s *detect.Settings) { everyOutcome(s); s.Probe = detect.Probe{} }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var cpu time.Duration
			var journal, parts, commits int
			for b.Loop() {
				o := f.options(b, newTestStore(b), path)
				o.Settings.MaxSources, o.Settings.MaxSessions, o.Settings.MaxPartners, o.Settings.MaxProbes = 0, 0, 0, 0
				c.set(&o.Settings)
				began := processorTime()
				f.read(b, o, lines, func(batch *batch) {
					journal += len(batch.Journal)
					for _, p := range batch.MemoryParts {
						parts += len(p.Data)
					}
					commits++
				})
				cpu += processorTime() - began
			}
			share := 10_000 / float64(b.N*lines)
			b.ReportMetric(float64(cpu.Microseconds())*share/1000, "cpu-ms/10k")
			b.ReportMetric(float64(journal)*share/1024, "journal-KiB/10k")
			b.ReportMetric(float64(parts)*share/1024, "parts-KiB/10k")
			b.ReportMetric(float64(commits)*share, "commits/10k")
			b.ReportMetric(float64(b.N*lines)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}

// BenchmarkTake is what the daemon does with a line before its record is stored, and beside it a replay of the same file: lines of refused
// scans in the key=value format, a third of them from sources that come back. Batches are thrown away as they are handed over. It reports
// processor time and allocations of either for a line.
func BenchmarkTake(b *testing.B) {
	const lines = 500_000
	random := rand.New(rand.NewPCG(1, 1))
	begin := time.Now().Add(-time.Hour)
	text := make([]string, lines)
	for i := range text {
		src := 20<<24 + random.Uint32N(1<<24)
		if i%3 == 0 {
			src = 40<<24 + random.Uint32N(50_000)
		}
		text[i] = fmt.Sprintf("%s LAB-FW-01 SrcLocation=United States; SrcIP=%d.%d.%d.%d; SrcPort=%d; SrcUser=; DstLocation=Australia; DstIP=198.51.100.%d; DstPort=%d; "+
			"Action=drop; RuleName=Active Defense sensor; RuleID=6f3c2a91-8b7e-4f64-9d3a-1f2e3d4c5b6a; TimeReceived=%s; ThreatName=; ThreatID=; Severity=; Subtype=drop; Type=TRAFFIC;",
			begin.Format(time.RFC3339), src>>24, src>>16&255, src>>8&255, src&255, 1024+i%60000, 1+src%250, 1+src%1000,
			begin.Add(time.Duration(i/2000)*time.Second).UTC().Format("2006/01/02 15:04:05"))
	}
	path := filepath.Join(b.TempDir(), "fw1.log")
	writeLines(b, path, text)
	f := &flood{begin: begin}
	measured := func(b *testing.B, do func()) {
		var before, after runtime.MemStats
		var cpu time.Duration
		runtime.ReadMemStats(&before)
		for b.Loop() {
			began := processorTime()
			do()
			cpu += processorTime() - began
		}
		runtime.ReadMemStats(&after)
		n := float64(b.N * lines)
		b.ReportMetric(float64(cpu.Nanoseconds())/n, "cpu-ns/line")
		b.ReportMetric(float64(after.Mallocs-before.Mallocs)/n, "allocs/line")
		b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/n, "B/line")
		b.ReportMetric(n/b.Elapsed().Seconds(), "lines/s")
	}
	settings := f.options(b, newTestStore(b), path)
	settings.Settings.MaxSources, settings.Settings.MaxSessions, settings.Settings.MaxPartners, settings.Settings.MaxProbes = 0, 0, 0, 0
	b.Run("live", func(b *testing.B) {
		measured(b, func() {
			o := settings
			o.Store, o.Stats = newTestStore(b), NewStats()
			takeAll(b, o, lines)
		})
	})
	b.Run("replay", func(b *testing.B) {
		measured(b, func() {
			sum, err := Replay(b.Context(), ReplayOptions{Files: []string{path}, Input: testInput, Settings: settings.Settings, Guard: settings.Guard(), Ours: settings.Ours(), Surge: settings.Surge, Verdict: func(*detect.Verdict) {}})
			if err != nil || sum.Records != lines {
				b.Fatalf("%d records: %v", sum.Records, err)
			}
		})
	})
}

// takeAll has the daemon's end take so many records, and throws them away.
func takeAll(b *testing.B, o Options, records int) {
	l, err := Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var group errgroup.Group
	group.Go(func() error { return l.run(ctx) })
	for batch := range l.out {
		if records -= len(batch.Records); records <= 0 {
			cancel()
		}
		l.free <- batch
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}

func everyOutcome(s *detect.Settings) {
	for _, p := range []*detect.Policy{&s.PortScan.Policy, &s.HostSweep.Policy, &s.Probe.Policy, &s.Vulnerability.Policy, &s.Login.Policy} {
		p.RefusedOnly = false
	}
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // of oneself it is always known
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLongRule measures a restart with a rule whose window is a day, after a day of 1.5 million refused records of 100,000 sources, all of which the
// rule counts: how long Open takes, and its processor time; and, when the rule is changed, how long Open takes and until the records of before
// are counted. With PostgreSQL, too, where TEST_POSTGRES_URL says where one is. Run it with -benchtime 1x: to fill the database takes minutes.
func BenchmarkLongRule(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { measureLongRule(b, newTestStore(b)) })
	if base := os.Getenv("TEST_POSTGRES_URL"); base != "" {
		b.Run("postgresql", func(b *testing.B) { measureLongRule(b, newTestPostgres(b, base)) })
	}
}

func measureLongRule(b *testing.B, st *store.Store) {
	const lines = 1_500_000
	path := filepath.Join(b.TempDir(), "fw1.log")
	f := &flood{begin: time.Now().Add(-24 * time.Hour).Truncate(time.Second)}
	if err := f.writeDay(path, lines); err != nil {
		b.Fatal(err)
	}
	o := f.options(b, st, path)
	o.Settings.MaxSources, o.Settings.MaxSessions, o.Settings.MaxPartners, o.Settings.MaxProbes = 0, 0, 0, 0
	rule := detect.CustomRule{Name: "long", Events: []string{detect.EventTraffic}, MoreThan: 1000, Window: 24 * time.Hour, Policy: detect.Policy{RefusedOnly: true}}
	o.Settings.Custom = []detect.CustomRule{rule}
	r := start(b, o)
	until := func(true func() bool) {
		for !true() {
			time.Sleep(10 * time.Millisecond)
		}
	}
	until(func() bool { return o.Stats.Status(time.Now()).Stored == lines })
	r.end()
	for b.Loop() {
		began, used := time.Now(), processorTime()
		o.Stats = NewStats()
		l, err := Open(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(began).Seconds(), "s-to-open")
		b.ReportMetric((processorTime() - used).Seconds(), "cpu-s-to-open")
		l.Close()
		var log lockedBuffer
		rule.MoreThan++
		o.Settings.Custom, o.Logger = []detect.CustomRule{rule}, zerolog.New(&log)
		began, used = time.Now(), processorTime()
		r := start(b, o)
		b.ReportMetric(time.Since(began).Seconds(), "s-to-open-changed")
		until(func() bool { return strings.Contains(log.String(), "have counted the records of before") })
		b.ReportMetric(time.Since(began).Seconds(), "s-to-catch-up")
		b.ReportMetric((processorTime() - used).Seconds(), "cpu-s-to-catch-up")
		r.end()
	}
}

// writeDay writes a file of so many refused records of 100,000 sources over a day, each of few targets.
func (f *flood) writeDay(path string, lines int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	random, out := rand.New(rand.NewPCG(1, 1)), bufio.NewWriter(file)
	for i := range lines {
		n := random.Uint32N(100_000)
		f.packet(f.begin.Add(time.Duration(i)*24*time.Hour/time.Duration(lines)), netip.AddrFrom4([4]byte{30, byte(n >> 16), byte(n >> 8), byte(n)}),
			netip.AddrFrom4([4]byte{198, 51, 100, byte(random.UintN(4))}), 1+int(random.UintN(3)), "not-applicable")
		if _, err := out.WriteString(f.lines[0] + "\n"); err != nil {
			return err
		}
		f.lines = f.lines[:0]
	}
	return errors.Join(out.Flush(), file.Close())
}
