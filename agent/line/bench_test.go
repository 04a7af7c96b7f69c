package line

import (
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"activedefense/detect"
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
