package firewall_test

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
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

// newBenchTags makes a firewall on which every call takes 5 ms.
func newBenchTags(b *testing.B) (*panosim.Sim, *firewall.Tags) {
	b.Helper()
	sim, err := panosim.Start(panosim.Options{MaxRegistered: 200_000, Latency: 5 * time.Millisecond})
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
	if r.Standing != len(desired) {
		b.Fatalf("%d of %d stand", r.Standing, len(desired))
	}
	return r
}

// BenchmarkReconcileFromNothing registers 50,000 addresses on an empty firewall and reads them back.
func BenchmarkReconcileFromNothing(b *testing.B) {
	desired := blockedNow(many)
	for b.Loop() {
		b.StopTimer()
		_, tags := newBenchTags(b)
		b.StartTimer()
		r := mustReconcile(b, tags, desired, true)
		b.ReportMetric(float64(r.Calls), "calls")
	}
}

// BenchmarkReconcileUnchanged makes a full pass over 50,000 addresses that stand.
func BenchmarkReconcileUnchanged(b *testing.B) {
	desired := blockedNow(many)
	_, tags := newBenchTags(b)
	mustReconcile(b, tags, desired, true)
	for b.Loop() {
		r := mustReconcile(b, tags, desired, true)
		b.ReportMetric(float64(r.Calls), "calls")
	}
}

// BenchmarkReconcileBurst registers 1,000 new addresses beside 50,000 that stand.
func BenchmarkReconcileBurst(b *testing.B) {
	desired := blockedNow(many + 1000)
	_, tags := newBenchTags(b)
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
		_, tags := newBenchTags(b)
		before := heap()
		mustReconcile(b, tags, desired, true)
		b.ReportMetric(heap()-before, "MiB")
		runtime.KeepAlive(tags)
	}
}
