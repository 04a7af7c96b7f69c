package block

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// peakMemory is the most that this process had so far, in MiB.
func peakMemory() float64 {
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use) // of ourselves it cannot fail
	return float64(use.Maxrss) / 1024
}

// processorTime is what this process has taken so far, on all cores.
func processorTime() time.Duration {
	var use syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &use) // of ourselves it cannot fail
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// benchFiles writes n records into files of 10 million.
func benchFiles(b *testing.B, g generator, n int) (files []*File, size int64, took time.Duration) {
	b.Helper()
	folder := b.TempDir()
	var c Columns
	for len(files)*10_000_000 < n {
		path := filepath.Join(folder, fmt.Sprintf("%d.parquet", len(files)))
		w, err := Create(path)
		must(b, err)
		for range min(1000, (n-len(files)*10_000_000)/10_000) {
			c.Reset()
			for range 10_000 {
				r := g()
				c.Append(&r)
			}
			began := processorTime()
			must(b, w.Append(&c, time.Time{}, time.Time{}))
			took += processorTime() - began
		}
		began := processorTime()
		info, err := w.Close()
		must(b, err)
		took += processorTime() - began
		size += info.Bytes
		f, err := Open(path, info)
		must(b, err)
		b.Cleanup(func() { f.Close() })
		files = append(files, f)
	}
	return files, size, took
}

// BenchmarkSearch looks through a million records, or as many millions as BLOCK_MILLIONS says, on all cores, in files that were just written. Every
// search but that for the newest goes through all of them.
func BenchmarkSearch(b *testing.B) {
	n := 1
	if more := os.Getenv("BLOCK_MILLIONS"); more != "" {
		n, _ = strconv.Atoi(more)
	}
	n *= 1_000_000
	for name, g := range map[string]generator{"scans": scans(1), "sessions": sessions(1)} {
		b.Run(name, func(b *testing.B) {
			files, size, took := benchFiles(b, g, n)
			b.Run("written", func(b *testing.B) {
				for b.Loop() { // it was
				}
				b.ReportMetric(float64(size)/float64(n), "bytes/record")
				b.ReportMetric(float64(n)/took.Seconds(), "records/cpu-s")
				b.ReportMetric(peakMemory(), "peak-MiB")
			})
			from := Sources{Files: files}
			b.Run("everything by id", func(b *testing.B) {
				began := processorTime()
				for b.Loop() {
					must(b, ByID(b.Context(), from, Filter{}, func(*Record) error { return nil }))
				}
				b.ReportMetric((processorTime()-began).Seconds()*1000/float64(b.N), "cpu-ms")
				b.ReportMetric(peakMemory(), "peak-MiB")
			})
			source, some := firstOf(b, from, n/3)
			for _, c := range benchSearches(source, some) {
				b.Run(c.name, func(b *testing.B) {
					found, began := int64(0), processorTime()
					for b.Loop() {
						if c.count {
							k, err := Count(b.Context(), from, c.f)
							must(b, err)
							found += k
							continue
						}
						must(b, Search(b.Context(), from, c.f, c.limit, func(*Record) error { found++; return nil }))
					}
					b.ReportMetric(float64(found)/float64(b.N), "found")
					b.ReportMetric(peakMemory(), "peak-MiB")
					b.ReportMetric((processorTime()-began).Seconds()*1000/float64(b.N), "cpu-ms")
				})
			}
		})
	}
}

// BenchmarkByID gives 300,000 records as a restart reads them: those of one firewall, and of two of which one's clock is five seconds ahead, so that ids
// and times go different ways.
func BenchmarkByID(b *testing.B) {
	const n = 300_000
	for name, ahead := range map[string]time.Duration{"one clock": 0, "two clocks": 5 * time.Second} {
		b.Run(name, func(b *testing.B) {
			g := sessions(1)
			files, _, _ := benchFiles(b, func() Record {
				r := g()
				r.Time = r.Time.Add(time.Duration(r.ID%2) * ahead)
				return r
			}, n)
			began, given := processorTime(), 0
			for b.Loop() {
				must(b, ByID(b.Context(), Sources{Files: files}, Filter{}, func(*Record) error { given++; return nil }))
			}
			b.ReportMetric(float64((processorTime()-began).Nanoseconds())/float64(given), "cpu-ns/record")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(given), "ns/record")
			b.ReportMetric(peakMemory(), "peak-MiB")
		})
	}
}

type benchOf struct {
	name  string
	f     Filter
	limit int
	count bool
}

// benchSearches are what is asked for: source is one that was seen, and some a record with ports that are.
func benchSearches(source netip.Addr, some Record) []benchOf {
	return []benchOf{
		{"newest 100", Filter{}, 100, false},
		{"by source", Filter{Src: []netip.Prefix{netip.PrefixFrom(source, 32)}}, 0, false},
		{"by source that is nowhere", Filter{Src: []netip.Prefix{netip.MustParsePrefix("192.0.2.77/32")}}, 0, false},
		{"by source port, rare", Filter{SrcPort: []PortRange{{some.SrcPort, some.SrcPort}}}, 1000, false},
		{"by destination port, rare", Filter{DstPort: []PortRange{{some.DstPort, some.DstPort}}}, 1000, false},
		{"by user, rare", Filter{User: []string{`example\user77`}, Action: []string{"reset-both"}}, 0, false},
		{"by threat that is nowhere", Filter{ThreatID: []string{"1"}}, 0, false},
		{"count of a common action", Filter{Action: []string{"deny"}}, 0, true},
		{"count of ports above 1023", Filter{DstPort: []PortRange{{1024, 65535}}}, 0, true},
		{"everything", Filter{}, 0, false},
		{"ten seconds", Filter{Since: noon().Add(10 * time.Second), Until: noon().Add(20 * time.Second)}, 0, true},
	}
}

// firstOf gives a source that was seen, one that ports are taken from, of the middle.
func firstOf(b *testing.B, from Sources, skip int) (netip.Addr, Record) {
	b.Helper()
	var r Record
	c := from.Files[0]
	must(b, c.each(min(skip/groupRows, len(c.groups)-1), func(p *Columns) error { p.Record(77, &r); return nil }))
	return r.Src, r
}
