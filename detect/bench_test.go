package detect

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

var defaults = Settings{
	PortScan:      PortScan{Ports: 10, Window: 10 * time.Minute},
	HostSweep:     HostSweep{Hosts: 10, Window: 10 * time.Minute},
	Vulnerability: Vulnerability{Severity: VulnerabilityCritical},
}

// publicSource gives the i-th of many public IPv4 addresses.
func publicSource(i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 0x14000000+uint32(i)) // 20.0.0.0 and up
	return netip.AddrFrom4(b)
}

func target(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 51, byte(100 + i>>8), byte(i)})
}

// brief is an event in few bytes: as in the running program, the engine shall find
// the event itself in the cache, and only its own tables not.
type brief struct {
	at       time.Duration
	src, dst [4]byte
	port     uint16
	device   uint8
	threat   bool
}

var benchDevices = deviceNames(256)

func (b *brief) write(ev *Event, later time.Duration) {
	ev.Time = oracleStart.Add(b.at + later)
	ev.Src, ev.Dst, ev.DstPort = netip.AddrFrom4(b.src), netip.AddrFrom4(b.dst), b.port
	ev.Type, ev.Subtype, ev.Severity = TypeTraffic, "end", ""
	if b.threat {
		ev.Type, ev.Subtype, ev.Severity = TypeThreat, "url", "informational"
	}
	ev.Device = benchDevices[b.device]
	ev.Ref++
}

// feed observes the events from the i-th on, round after round, n in all. What fires is
// blocked. It returns the next i.
func feed(e *Engine, events []brief, i, n int) int {
	round := events[len(events)-1].at + time.Millisecond
	var ev Event
	for ; n > 0; n-- {
		events[i%len(events)].write(&ev, time.Duration(i/len(events))*round)
		if res := e.Observe(&ev); res.Outcome == Fired {
			e.Block(res.Verdict.Source)
		}
		i++
	}
	return i
}

// feedAhead is feed for a caller that has the events at hand in groups.
func feedAhead(e *Engine, events []brief, i, n int) int {
	round := events[len(events)-1].at + time.Millisecond
	group := make([]Event, Ahead)
	for n > 0 {
		group = group[:min(n, Ahead)]
		for k := range group {
			events[(i+k)%len(events)].write(&group[k], time.Duration((i+k)/len(events))*round)
		}
		e.Prefetch(group)
		for k := range group {
			if res := e.Observe(&group[k]); res.Outcome == Fired {
				e.Block(res.Verdict.Source)
			}
		}
		i += len(group)
		n -= len(group)
	}
	return i
}

// cpuTime of this process: on a machine that others use too, the clock on the wall says
// little.
func cpuTime() time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		return 0
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// A hundred rules, each for a port, a user or an event of its own, beside those of the table: what they cost a line of traffic, and one
// of another log.
func BenchmarkObserveCustomRules(b *testing.B) {
	for _, n := range []int{0, 1, 100, 1000} {
		s := defaults
		for i := range n {
			r := CustomRule{Name: "rule " + strconv.Itoa(i), Events: []string{EventTraffic, EventThreat}, Where: []Condition{{Field: FieldDstPort, Numbers: []NumberRange{{uint32(2000 + i), uint32(2000 + i)}}}},
				MoreThan: 5, Window: 10 * time.Minute}
			if i%2 == 1 {
				r.Events, r.Where = []string{"event " + strconv.Itoa(i)}, nil
			}
			s.Custom = append(s.Custom, r)
		}
		b.Run("traffic/"+strconv.Itoa(n), func(b *testing.B) { measureOf(b, s, mixed(1<<16), feed) })
		b.Run("log/"+strconv.Itoa(n), func(b *testing.B) {
			e := New(s)
			ev := Event{Time: oracleStart, Type: TypeLog, Subtype: "event 1", SrcUser: "root"}
			b.ReportAllocs()
			for i := range b.N {
				ev.Time, ev.Src = ev.Time.Add(time.Millisecond), publicSource(i%100_000)
				e.Observe(&ev)
			}
		})
	}
}

// measure benchmarks the engine after a first round has filled it.
func measure(b *testing.B, events []brief) *Engine { return measureBy(b, events, feed) }

func measureBy(b *testing.B, events []brief, feed func(e *Engine, events []brief, i, n int) int) *Engine {
	return measureOf(b, defaults, events, feed)
}

func measureOf(b *testing.B, s Settings, events []brief, feed func(e *Engine, events []brief, i, n int) int) *Engine {
	e := New(s)
	i := feed(e, events, 0, len(events))
	b.ReportAllocs()
	b.ResetTimer()
	start := cpuTime()
	feed(e, events, i, b.N)
	b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(e.Stats().Sightings), "sightings")
	return e
}

// mixed is what a firewall of a middling site logs: half of it inside to outside; visitors
// that come back, some of them often, to a server or two each; and background noise of
// strangers that try one port somewhere.
func mixed(n int) []brief {
	dice := rand.New(rand.NewPCG(1, 2))
	popular := rand.NewZipf(dice, 1.1, 8, 199_999)
	ports := []uint16{443, 443, 443, 80, 25, 53, 22}
	events := make([]brief, n)
	for i := range events {
		who := int(popular.Uint64())
		b := &events[i]
		*b = brief{at: time.Duration(i) * time.Millisecond, src: publicSource(who).As4(), threat: i%50 == 1,
			dst: target((who + dice.IntN(2)) % 8).As4(), port: ports[(who+dice.IntN(2))%len(ports)]}
		switch {
		case i%2 == 0:
			b.src, b.dst = [4]byte{10, 1, byte(dice.IntN(256)), byte(dice.IntN(256))}, b.src
		case i%20 == 1:
			b.src, b.dst, b.port = publicSource(1_000_000+dice.IntN(1_000_000)).As4(), target(dice.IntN(256)).As4(), uint16(dice.IntN(10_000))
		}
	}
	return events
}

func BenchmarkObserveMixed(b *testing.B) { measure(b, mixed(1<<20)) }

// crowd is 200,000 sources, 2,000 events a second, each of them any source.
func crowd(n int, to func(dice *rand.Rand, who int) (dst, port int)) []brief {
	dice := rand.New(rand.NewPCG(7, 8))
	events := make([]brief, n)
	for i := range events {
		who := dice.IntN(200_000)
		dst, port := to(dice, who)
		events[i] = brief{at: time.Duration(i) * time.Second / 2000, src: publicSource(who).As4(), dst: target(dst).As4(), port: uint16(port)}
	}
	return events
}

// Regulars come back to a service or two. Of restless ones each tries anything, and stays just
// below both thresholds with as many pairs as a source can have without an index. Either crowd's
// evidence is larger than any cache.
func BenchmarkObserveCrowd(b *testing.B) {
	crowds := map[string]func(dice *rand.Rand, who int) (dst, port int){
		"regulars": func(dice *rand.Rand, who int) (dst, port int) { return (who + dice.IntN(2)) % 250, 443 },
		"restless": func(dice *rand.Rand, _ int) (dst, port int) { return dice.IntN(2000), 1 + dice.IntN(5000) },
	}
	for name, to := range crowds {
		events := crowd(1<<22, to)
		b.Run(name+"/one by one", func(b *testing.B) { quiet(b, measureBy(b, events, feed)) })
		b.Run(name+"/announced", func(b *testing.B) { quiet(b, measureBy(b, events, feedAhead)) })
	}
}

// One source comes back to 10,000 hosts, on a port of its own to each, so that it never fires: an
// index of the largest size.
func BenchmarkObserveHeavy(b *testing.B) {
	events := make([]brief, 10_000)
	for i := range events {
		events[i] = brief{at: time.Duration(i) * time.Millisecond, src: publicSource(1).As4(),
			dst: target(i).As4(), port: uint16(1 + i)}
	}
	quiet(b, measure(b, events))
}

// A slow scanner whose keys are all full: few hosts, ever new ports, always just below
// the threshold; seen by many firewalls, so that little is out of date.
func BenchmarkObserveFullKeys(b *testing.B) {
	events := make([]brief, 1<<16)
	for i := range events {
		events[i] = brief{at: time.Duration(i) * 61 * time.Second, src: publicSource(1).As4(),
			dst: target(i % 9).As4(), port: uint16(1 + i%65000), device: uint8(i)}
	}
	quiet(b, measure(b, events))
}

func quiet(b *testing.B, e *Engine) {
	if fired := e.Stats().Fired; fired[RulePortScan]+fired[RuleHostSweep] > 0 {
		b.Fatalf("fired: %v", fired)
	}
}

func BenchmarkObserveMillionSources(b *testing.B) {
	dice := rand.New(rand.NewPCG(5, 6))
	events := make([]brief, 1<<22)
	for i := range events {
		// The first million are all different, the rest are any of them.
		src := dice.IntN(1_000_000)
		events[i] = brief{at: time.Duration(i) * time.Millisecond, src: publicSource(src).As4(), dst: target(src % 8).As4(), port: 443}
		if i < 1_000_000 {
			events[i].src = publicSource(i).As4()
		}
	}
	e := measure(b, events)
	if n := e.Stats().Sources; n != 1_000_000 {
		b.Fatalf("%d sources", n)
	}
}

// Ever new sources: each event makes one and evicts one.
func BenchmarkObserveNewSources(b *testing.B) {
	s := defaults
	s.MaxSources = 1 << 16
	e := New(s)
	ev := Event{Time: oracleStart, Type: TypeTraffic, Dst: target(1), DstPort: 443}
	for i := range 1 << 18 {
		ev.Src = publicSource(i)
		e.Observe(&ev)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		ev.Src = publicSource(i % 100_000_000)
		e.Observe(&ev)
	}
}

func BenchmarkBlocked(b *testing.B) {
	e := New(defaults)
	for i := range 100_000 {
		e.Block(single(publicSource(i)))
	}
	e.Block(netip.MustParsePrefix("203.0.113.0/24"))
	ev := Event{Time: oracleStart, Type: TypeTraffic, Dst: target(1), DstPort: 443}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		ev.Src = publicSource(i % 100_000)
		if e.Observe(&ev).Outcome != Blocked {
			b.Fatal("not blocked")
		}
	}
}

// TestMillionSourcesFit holds the layout to its promise: a million sources, seen once
// to four times, in a heap that leaves room for the rest of the process even when the
// garbage collector lets it double.
func TestMillionSourcesFit(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	e := New(defaults)
	ev := Event{Time: oracleStart, Type: TypeTraffic, Device: "fw1", Subtype: "end", Action: "allow"}
	for i := range 1_000_000 {
		ev.Src, ev.Ref = publicSource(i), uint64(i)
		for n := range 1 + i%4 {
			ev.Dst, ev.DstPort = target(n), uint16(440+n)
			if res := e.Observe(&ev); res.Outcome != Counted {
				t.Fatalf("outcome %d", res.Outcome)
			}
		}
	}
	stats := e.Stats()
	if stats.Sources != 1_000_000 || stats.Sightings != 2_500_000 || stats.Evicted != 0 {
		t.Fatalf("%+v", stats)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	heap := int64(after.HeapInuse+after.StackInuse) - int64(before.HeapInuse+before.StackInuse)
	grown := int64(after.Sys) - int64(before.Sys)
	t.Logf("live %d MiB, from the system %d MiB, %d bytes a source", heap>>20, grown>>20, heap/1_000_000)
	if heap > 180<<20 {
		t.Errorf("%d MiB live for a million sources with 2.5 sightings each", heap>>20)
	}
	if grown > 260<<20 {
		t.Errorf("%d MiB taken from the system on the way", grown>>20)
	}
	runtime.KeepAlive(e)
}

func TestObserveDoesNotAllocate(t *testing.T) {
	events := mixed(1 << 16)
	e := New(defaults)
	i := feed(e, events, 0, 20*len(events))
	n := testing.AllocsPerRun(3, func() { i = feed(e, events, i, len(events)) })
	if n > float64(len(events))/1000 {
		t.Errorf("%v allocations for %d events of sources that are known", n, len(events))
	}
}
