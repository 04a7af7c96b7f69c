package detect

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Two engines see the same events, one of them announced: any number of them at a time, some twice, some
// never, some that do not come. Nobody can tell which engine it was.
func TestPrefetchChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, window := drawSettings(t)
		s.MaxSources = rapid.SampledFrom([]int{0, 2}).Draw(t, "max sources")
		events := drawTraffic(t, window).draw(t)
		dice := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "dice"), 0))
		for i := range events {
			switch ev := &events[i]; dice.IntN(30) {
			case 0:
				*ev = Event{Ref: ev.Ref}
			case 1:
				ev.Src = netip.MustParseAddr("10.1.2.3")
			case 2:
				ev.Dst = netip.Addr{}
			case 3:
				ev.Type, ev.Subtype, ev.Severity = TypeThreat, "vulnerability", "critical"
			}
		}
		alone, announced := New(s), New(s)
		announced.Prefetch(events)
		for i := range events {
			if dice.IntN(20) == 0 {
				from := dice.IntN(len(events))
				list := events[from : from+dice.IntN(len(events)-from)]
				announced.Prefetch(list)
				announced.PrefetchRecalled(list)
			}
			if dice.IntN(40) == 0 {
				p := single(oracleSources[dice.IntN(len(oracleSources))])
				alone.Release(p)
				announced.Release(p)
			}
			want, got := alone.Observe(&events[i]), announced.Observe(&events[i])
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("event %d: %+v, without announcement %+v", i, got, want)
			}
			if got.Outcome == Fired && dice.IntN(2) == 0 {
				alone.Block(got.Verdict.Source)
				announced.Block(got.Verdict.Source)
			}
		}
		if want, got := alone.Stats(), announced.Stats(); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, without announcement %+v", got, want)
		}
	})
}

func TestPrefetchDoesNotAllocate(t *testing.T) {
	e := New(defaults)
	events := make([]Event, 4*Ahead)
	for i := range events {
		events[i] = Event{Type: TypeTraffic, Src: publicSource(i % 7), Dst: target(i % 5), DstPort: uint16(i % 3)}
	}
	for round := range 10 {
		for i := range events {
			events[i].Time = oracleStart.Add(time.Duration(round) * time.Hour)
			e.Observe(&events[i])
		}
		if n := testing.AllocsPerRun(1, func() { e.Prefetch(events) }); n > 0 {
			t.Errorf("%v allocations", n)
		}
		if n := testing.AllocsPerRun(1, func() { e.PrefetchRecalled(events) }); n > 0 {
			t.Errorf("%v allocations for what is recalled", n)
		}
	}
}
