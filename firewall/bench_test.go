package firewall_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/room"
	"activedefense/firewall/xmlapi"
)

// many is how many addresses are blocked in the benchmarks.
const many = 50_000

// blockedNow gives n entries that are blocked for another day.
func blockedNow(n int) []firewall.Entry {
	out := make([]firewall.Entry, n)
	now := time.Now()
	for i := range out {
		a := netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)})
		out[i] = firewall.Entry{Prefix: netip.PrefixFrom(a, 32), Until: now.Add(24 * time.Hour), Since: now}
	}
	return out
}

// slow is how long every call takes in the benchmarks, as a firewall's management plane would.
const slow = 5 * time.Millisecond

// newBenchTags makes a firewall that holds most addresses, on which every call takes that long.
func newBenchTags(b *testing.B, most int, latency time.Duration) (*panosim.Sim, *firewall.Tags) {
	b.Helper()
	sim, err := panosim.Start(panosim.Options{MaxRegistered: most, Latency: latency, Dialect: dialect.Dialect{Limits: dialect.LimitsTold}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(sim.Close)
	device, err := xmlapi.Open(xmlapi.Options{Name: "LAB-FW-01", URL: sim.URL(), APIKey: sim.Key(), CA: sim.CA()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(device.Close)
	tags, err := firewall.NewTags(device, firewall.TagOptions{Tag: tag, MaxRemovalPercent: 100})
	if err != nil {
		b.Fatal(err)
	}
	return sim, tags
}

func mustReconcile(b *testing.B, tags *firewall.Tags, desired []firewall.Entry, full bool) firewall.Report {
	b.Helper()
	r, err := tags.Reconcile(b.Context(), desired, full)
	if err != nil {
		b.Fatal(err)
	}
	if r.Standing+len(r.LeftOut) != len(desired) {
		b.Fatalf("%d of %d stand, %d are left out", r.Standing, len(desired), len(r.LeftOut))
	}
	return r
}

// BenchmarkReconcileFromNothing registers 50,000 addresses on an empty firewall and reads them back.
func BenchmarkReconcileFromNothing(b *testing.B) {
	desired := blockedNow(many)
	for b.Loop() {
		b.StopTimer()
		_, tags := newBenchTags(b, 4*many, slow)
		b.StartTimer()
		r := mustReconcile(b, tags, desired, true)
		b.ReportMetric(float64(r.Calls), "calls")
	}
}

// BenchmarkReconcileUnchanged makes a full pass over 50,000 addresses that stand.
func BenchmarkReconcileUnchanged(b *testing.B) {
	desired := blockedNow(many)
	_, tags := newBenchTags(b, 4*many, slow)
	mustReconcile(b, tags, desired, true)
	for b.Loop() {
		r := mustReconcile(b, tags, desired, true)
		b.ReportMetric(float64(r.Calls), "calls")
	}
}

// BenchmarkReconcileTwiceTheRoom blocks 100,000 addresses, proven and forgeable ones mixed, on a firewall that holds 50,000: the first
// pass, from nothing; a full pass and a quick one with nothing to do; and one with 1,000 new ones, which are worth more than those that
// stand.
func BenchmarkReconcileTwiceTheRoom(b *testing.B) {
	desired := blockedNow(2*many + 1000)
	for i := range desired {
		desired[i].Rank, desired[i].LastSeen = room.Rank(i%2)-1, desired[i].Since.Add(-time.Duration(i*7919%len(desired))*time.Second)
	}
	fresh := desired[2*many:]
	for i := range fresh {
		fresh[i].Rank = room.Manual
	}
	for _, latency := range []time.Duration{0, slow} {
		b.Run(fmt.Sprintf("first/call=%s", latency), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				_, tags := newBenchTags(b, many, latency)
				b.StartTimer()
				r := mustReconcile(b, tags, desired[:2*many], true)
				b.ReportMetric(float64(r.Calls), "calls")
			}
		})
		_, tags := newBenchTags(b, many, latency)
		mustReconcile(b, tags, desired[:2*many], true)
		for _, full := range []bool{true, false} {
			b.Run(fmt.Sprintf("unchanged/call=%s/full=%t", latency, full), func(b *testing.B) {
				for b.Loop() {
					r := mustReconcile(b, tags, desired[:2*many], full)
					b.ReportMetric(float64(r.Calls), "calls")
				}
			})
		}
		b.Run(fmt.Sprintf("new/call=%s", latency), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				_, tags := newBenchTags(b, many, latency)
				mustReconcile(b, tags, desired[:2*many], true)
				b.StartTimer()
				r := mustReconcile(b, tags, desired, false)
				b.ReportMetric(float64(r.Calls), "calls")
			}
		})
	}
}

// BenchmarkReconcileBurst registers 1,000 new addresses beside 50,000 that stand.
func BenchmarkReconcileBurst(b *testing.B) {
	desired := blockedNow(many + 1000)
	_, tags := newBenchTags(b, 4*many, slow)
	mustReconcile(b, tags, desired[:many], true)
	for b.Loop() {
		mustReconcile(b, tags, desired, false)
		b.StopTimer()
		mustReconcile(b, tags, desired[:many], false)
		b.StartTimer()
	}
}

// BenchmarkReconcileMemory is what a firewall of 50,000 addresses takes, beside the entries themselves; the simulator's
// share is in it.
func BenchmarkReconcileMemory(b *testing.B) {
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc) / (1 << 20)
	}
	desired := blockedNow(many)
	for b.Loop() {
		_, tags := newBenchTags(b, 4*many, slow)
		before := heap()
		mustReconcile(b, tags, desired, true)
		b.ReportMetric(heap()-before, "MiB")
		runtime.KeepAlive(tags)
	}
}
