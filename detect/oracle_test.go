package detect

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"activedefense/detect/arena"
)

// oracle keeps every event and asks every interval: the rule as it is defined, with no
// thought for time or memory.
type oracle struct {
	rules   []rule
	seen    map[netip.Addr]map[oracleKey][]oracleSighting
	blocked map[netip.Addr]bool
}

// oracleKey is a rule with what it wants in common, an address or a port.
type oracleKey struct {
	rule int
	dst  netip.Addr
	port uint16
}

type oracleSighting struct {
	time  time.Time
	value oracleKey // what it counts
}

func newOracle(s Settings) *oracle {
	return &oracle{rules: pairRules(s), seen: map[netip.Addr]map[oracleKey][]oracleSighting{}, blocked: map[netip.Addr]bool{}}
}

// pairRules are those that count pairs.
func pairRules(s Settings) []rule {
	rules := s.rules()
	return rules[:countingRules]
}

func (o *oracle) forget(a netip.Addr) { delete(o.seen, a) }

// observe gives the outcome, and the rule if one fires.
func (o *oracle) observe(ev *Event) (Outcome, string) {
	if o.blocked[ev.Src] {
		return Blocked, ""
	}
	if o.seen[ev.Src] == nil {
		o.seen[ev.Src] = map[oracleKey][]oracleSighting{}
	}
	outcome := Ignored
	for r, rule := range o.rules {
		if rule.window == 0 || r == portScan && ev.DstPort == 0 {
			continue
		}
		outcome = Counted
		dst, port := oracleKey{rule: r, dst: ev.Dst}, oracleKey{rule: r, port: ev.DstPort}
		key, value := dst, port
		if r == hostSweep {
			key, value = port, dst
		}
		o.seen[ev.Src][key] = append(o.seen[ev.Src][key], oracleSighting{ev.Time, value})
		// The other keys were asked when their last sighting came.
		if fires(slices.Clone(o.seen[ev.Src][key]), rule) {
			o.forget(ev.Src)
			return Fired, ruleNames[r]
		}
	}
	return outcome, ""
}

// fires asks every interval that begins at a sighting.
func fires(list []oracleSighting, rule rule) bool {
	if len(list) < rule.need {
		return false
	}
	slices.SortFunc(list, func(a, b oracleSighting) int { return a.time.Compare(b.time) })
	for i := range list {
		values := map[oracleKey]bool{}
		for _, s := range list[i:] {
			if s.time.Sub(list[i].time) >= time.Duration(rule.window) {
				break
			}
			values[s.value] = true
		}
		if len(values) >= rule.need {
			return true
		}
	}
	return false
}

var (
	oracleSources = addresses("203.0.113.1", 3)
	oracleTargets = addresses("198.51.100.1", 60)
	oracleStart   = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// addresses gives n consecutive ones.
func addresses(first string, n int) []netip.Addr {
	list := []netip.Addr{netip.MustParseAddr(first)}
	for len(list) < n {
		list = append(list, list[len(list)-1].Next())
	}
	return list
}

// traffic describes what a property sends.
type traffic struct {
	events, sources, targets, ports int
	window                          time.Duration // the longest
	grain                           int           // times are multiples of the window by this; coarse ones meet the edges
	pace                            int           // the clock moves by 0 to pace grains
	disorder                        bool          // times are late by less than a window
	clocks                          []int         // offsets of the devices' clocks, in grains
	windows                         int           // times are anywhere in so many windows
}

// draw makes the events. The dice are thrown by a generator with a drawn seed, and not
// by rapid, whose dice prefer small numbers: too few sightings to fill an index.
func (tr traffic) draw(t *rapid.T) []Event {
	dice := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	grain := tr.window / time.Duration(tr.grain)
	now := oracleStart
	events := make([]Event, tr.events)
	for i := range events {
		now = now.Add(time.Duration(dice.IntN(tr.pace+1)) * grain)
		at := now
		if tr.windows > 0 {
			at = at.Add(time.Duration(dice.IntN(tr.windows*tr.grain)) * grain)
		}
		if tr.disorder {
			at = at.Add(-time.Duration(dice.IntN(tr.grain)) * grain)
		}
		device := 0
		if len(tr.clocks) > 0 {
			device = dice.IntN(len(tr.clocks))
			at = at.Add(time.Duration(tr.clocks[device]) * grain)
		}
		events[i] = Event{
			Type:    TypeTraffic,
			Time:    at,
			Device:  fmt.Sprint("firewall ", device),
			Src:     oracleSources[dice.IntN(tr.sources)],
			Dst:     oracleTargets[dice.IntN(tr.targets)],
			DstPort: uint16(dice.IntN(tr.ports + 1)),
			Ref:     uint64(i),
		}
	}
	return events
}

// compare runs both over the same events, with blocks and releases in between, and
// wants the same outcome for every single event.
func compare(t *rapid.T, s Settings, events []Event) {
	engine, oracle := New(s), newOracle(s)
	releases := rapid.SampledFrom([]int{0, 37, 200}).Draw(t, "releases")
	blocks := rapid.Bool().Draw(t, "block")
	for i := range events {
		ev := &events[i]
		if releases > 0 && i%releases == releases-1 {
			a := oracleSources[i%len(oracleSources)]
			engine.Release(single(a))
			oracle.forget(a)
			oracle.blocked[a] = false
		}
		got := engine.Observe(ev)
		outcome, rule := oracle.observe(ev)
		gotRule := ""
		if got.Verdict != nil {
			gotRule = got.Verdict.Rule
		}
		if got.Outcome != outcome || gotRule != rule {
			t.Fatalf("event %d %v: engine says %d %q, brute force %d %q", i, *ev, got.Outcome, gotRule, outcome, rule)
		}
		if outcome != Fired {
			continue
		}
		checkVerdict(t, s, got.Verdict, events[:i+1])
		if blocks {
			engine.Block(got.Verdict.Source)
			oracle.blocked[ev.Src] = true
		}
	}
	if n := engine.Stats().Sightings; n != walkSightings(engine) {
		t.Fatalf("stats tell of %d sightings, %d are held", n, walkSightings(engine))
	}
}

// checkVerdict wants the evidence to prove the verdict by itself: the records named
// lie in one window, and hold as many values as counted.
func checkVerdict(t *rapid.T, s Settings, v *Verdict, events []Event) {
	values := map[Event]bool{}
	window := s.PortScan.Window
	for _, ref := range v.Evidence {
		ev := events[ref]
		if single(ev.Src) != v.Source || ev.Time.Before(v.FirstSeen) || ev.Time.After(v.LastSeen) {
			t.Fatalf("%v is no evidence for %+v", ev, v)
		}
		if v.Rule == RulePortScan {
			values[Event{DstPort: ev.DstPort}] = true
		} else {
			window = s.HostSweep.Window
			values[Event{Dst: ev.Dst}] = true
		}
	}
	if v.LastSeen.Sub(v.FirstSeen) >= window {
		t.Fatalf("evidence spans %s", v.LastSeen.Sub(v.FirstSeen))
	}
	if len(values) != v.Count || v.Hits < v.Count || !slices.Contains(v.Evidence, events[len(events)-1].Ref) {
		t.Fatalf("%d values in the evidence of %+v", len(values), v)
	}
	if !slices.IsSortedFunc(v.Evidence, func(a, b uint64) int { return events[a].Time.Compare(events[b].Time) }) {
		t.Fatalf("evidence out of order: %+v", v)
	}
}

// walkSightings counts what is really held.
func walkSightings(e *Engine) int {
	n := 0
	for id := e.queue.Oldest(); id != 0; id = arena.Next(&e.sources, id) {
		s := e.sources.At(id)
		if s.packed.heavy() {
			h := e.heavies.At(s.held)
			for i := 1; i <= h.size; i++ {
				if l := h.at(&e.sightings, i); l.in != 0 {
					n += len(e.appendPoints(nil, e.pairs.At(l.pair)))
				}
			}
			continue
		}
		for i := s.held; i != 0; i = e.pairs.At(i).next {
			n += len(e.appendPoints(nil, e.pairs.At(i)))
		}
	}
	return n
}

func drawSettings(t *rapid.T) (Settings, time.Duration) {
	windows := rapid.SampledFrom([][2]time.Duration{
		{10 * time.Minute, 10 * time.Minute},
		{time.Minute, 10 * time.Minute},
		{10 * time.Minute, 2 * time.Minute},
		{10 * time.Minute, 0},
		{0, 10 * time.Minute},
	}).Draw(t, "windows")
	return Settings{
		PortScan:  PortScan{Ports: rapid.SampledFrom([]int{0, 1, 2, 5, 10, 16}).Draw(t, "ports"), Window: windows[0]},
		HostSweep: HostSweep{Hosts: rapid.SampledFrom([]int{1, 2, 3, 6, 10, 17}).Draw(t, "hosts"), Window: windows[1]},
	}, max(windows[0], windows[1])
}

func drawTraffic(t *rapid.T, window time.Duration) traffic {
	return traffic{
		events:  rapid.SampledFrom([]int{20, 100, 400, 1000}).Draw(t, "events"),
		sources: rapid.IntRange(1, len(oracleSources)).Draw(t, "sources"),
		targets: rapid.SampledFrom([]int{1, 2, 6, 20, 60}).Draw(t, "targets"),
		ports:   rapid.SampledFrom([]int{1, 2, 9, 30, 200}).Draw(t, "highest port"),
		window:  window,
		grain:   rapid.SampledFrom([]int{3, 10, 120}).Draw(t, "grain"),
		pace:    rapid.SampledFrom([]int{0, 1, 2, 4, 20, 60}).Draw(t, "pace"),
	}
}

func TestOracleInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, window := drawSettings(t)
		compare(t, s, drawTraffic(t, window).draw(t))
	})
}

// Long traffic reaches the caps, and what they drop must not matter as long as the
// disorder stays below the window.
func TestOracleDisorder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, window := drawSettings(t)
		tr := drawTraffic(t, window)
		tr.disorder = true
		if s.PortScan.Window != 0 && s.HostSweep.Window != 0 {
			if rapid.Bool().Draw(t, "the longer alone") {
				// Disorder above the other window: the rule with the longer one is still exact.
				s.PortScan, s.HostSweep.Window = PortScan{Ports: never, Window: time.Minute}, 8*time.Minute
			}
			tr.window = min(s.PortScan.Window, s.HostSweep.Window)
			if s.PortScan.Ports == never {
				tr.window = s.HostSweep.Window
			}
		}
		compare(t, s, tr.draw(t))
	})
}

// Clocks that are off by hours, in any mixture: nothing ages out anything. The times on
// all clocks are few enough to stay below the cap of a pair: two points in a window.
func TestOracleClocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, window := drawSettings(t)
		if s.PortScan.Window != 0 && s.HostSweep.Window != 0 {
			s.PortScan.Window, s.HostSweep.Window = window, window
		}
		tr := drawTraffic(t, window)
		tr.pace, tr.windows = 0, 1
		tr.clocks = rapid.SliceOfN(rapid.IntRange(-300, 300), 1, pointsPerPair/2).Draw(t, "clocks")
		compare(t, s, tr.draw(t))
	})
}

// One key and few values, near the threshold all the time: what is redundant and what is
// not decides here.
func TestOracleFewValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		need := rapid.IntRange(2, 4).Draw(t, "need")
		s := Settings{PortScan: PortScan{Ports: need - 1, Window: 10 * time.Minute}}
		for range 40 {
			compare(t, s, traffic{
				events: 60, sources: 1, targets: 1, ports: need + 1, window: 10 * time.Minute,
				grain:    rapid.SampledFrom([]int{3, 5, 8}).Draw(t, "grain"),
				pace:     rapid.SampledFrom([]int{1, 2, 4, 8, 16}).Draw(t, "pace"),
				disorder: true,
			}.draw(t))
		}
	})
}
