package detect

import (
	"testing"
	"time"
)

// A source that goes on for ever, too slowly to fire, holds what can still matter and no more; also one
// that was fast before.
func TestWhatIsOutOfDateGoes(t *testing.T) {
	for _, burst := range []int{0, 1000} {
		e := New(defaults)
		at := oracleStart
		for i := range burst + 20_000 {
			if i >= burst {
				at = at.Add(2 * time.Minute)
			}
			if got := e.Observe(&Event{Type: TypeTraffic, Time: at, Device: "a", Src: publicSource(1), Dst: target(i % 200), DstPort: uint16(1 + i%40_000)}); got.Outcome != Counted {
				t.Fatalf("record %d: %+v", i, got)
			}
		}
		// Ten records lie within twice the window.
		if got := e.Stats().Sightings; got > blockPairs || got != walkSightings(e) {
			t.Errorf("after a burst of %d, %d sightings are held", burst, got)
		}
	}
	e := New(defaults) // one port of one address, seen again and again
	for i := range 1000 {
		e.Observe(&Event{Type: TypeTraffic, Time: oracleStart.Add(time.Duration(i) * 7 * time.Minute), Device: "a", Src: publicSource(1), Dst: target(1), DstPort: 1})
	}
	if got := e.Stats().Sightings; got > 5 || got != walkSightings(e) {
		t.Errorf("of one pair, %d sightings are held", got)
	}
}

// Ten ports are seen; what comes between must not make the eleventh the first.
func TestAWrongClockMakesNothingOutOfDate(t *testing.T) {
	for name, between := range map[string]func(i int) *Event{
		"another firewall's clock is an hour ahead": func(i int) *Event {
			return &Event{Device: "b", Time: oracleStart.Add(time.Hour + time.Duration(i)*time.Minute), DstPort: uint16(1000 + i)}
		},
		"one forged time": func(i int) *Event {
			if i == 50 {
				return &Event{Device: "a", Time: oracleStart.AddDate(10, 0, 0), DstPort: 1000}
			}
			return &Event{Device: "a", Time: oracleStart, DstPort: uint16(2000 + i)}
		},
	} {
		e := New(defaults)
		saw := func(ev *Event, dst int) Outcome {
			ev.Type, ev.Src, ev.Dst = TypeTraffic, publicSource(1), target(dst)
			return e.Observe(ev).Outcome
		}
		for port := range uint16(10) {
			if got := saw(&Event{Device: "a", Time: oracleStart, DstPort: 1 + port}, 1); got != Counted {
				t.Fatal(got)
			}
		}
		for i := range 100 {
			if got := saw(between(i), 2+i); got == Fired {
				t.Fatalf("%s: fired at %d", name, i)
			}
		}
		if got := saw(&Event{Device: "a", Time: oracleStart.Add(time.Minute), DstPort: 11}, 1); got != Fired {
			t.Errorf("%s: the eleventh port gives %d", name, got)
		}
	}
}
