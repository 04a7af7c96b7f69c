package detect

import (
	"fmt"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"activedefense/detect/arena"
)

// The source goes that came first of those that were not seen again; those that were get another turn.
func TestSourcesAreEvictedByArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Settings{HostSweep: HostSweep{Hosts: 100, Window: time.Hour}, MaxSources: rapid.IntRange(1, 8).Draw(t, "max")}
		e := New(s)
		var model []int // the next to go first
		again := map[int]bool{}
		evicted := uint64(0)
		for range rapid.IntRange(1, 80).Draw(t, "events") {
			i := rapid.IntRange(0, 12).Draw(t, "source")
			// The time of the record plays no part.
			at := oracleStart.Add(time.Duration(rapid.IntRange(-9, 9).Draw(t, "hour")) * time.Hour)
			if rapid.IntRange(0, 9).Draw(t, "release") == 0 {
				e.Release(single(publicSource(i)))
				model = slices.DeleteFunc(model, func(other int) bool { return other == i })
				continue
			}
			e.Observe(&Event{Type: TypeTraffic, Time: at, Src: publicSource(i), Dst: target(1), DstPort: 1})
			switch at := slices.Index(model, i); {
			case at >= 0 && at < len(model)-1:
				again[i] = true
			case at < 0:
				if len(model) == s.MaxSources {
					for again[model[0]] {
						again[model[0]] = false
						model = append(model[1:], model[0])
					}
					model = model[1:]
					evicted++
				}
				again[i] = false
				model = append(model, i)
			}
			var held []int
			for id := e.queue.Oldest(); id != 0; id = arena.Next(&e.sources, id) {
				key := e.sources.At(id).key
				held = append(held, int(key[15]))
			}
			if !slices.Equal(held, model) || e.Stats().Evicted != evicted || e.Stats().Sources != len(model) {
				t.Fatalf("held %v, want %v; %+v", held, model, e.Stats())
			}
		}
	})
}

// Many sources with many sightings: the common caps hold, whatever shape they have.
func TestSightingsAreBounded(t *testing.T) {
	s := defaults
	s.MaxSources = 30_000
	limit := pairsEach * s.MaxSources
	devices := deviceNames(200)
	for _, c := range []struct{ pairs, points int }{{9, 1}, {33, 1}, {200, 1}, {5, 8}, {40, 3}} {
		e := New(s)
		for i := range 20_000 {
			for n := range c.pairs * c.points {
				// Hours apart, so that nothing fires and nothing is redundant; of many devices, so that nothing is out of date.
				e.Observe(&Event{Type: TypeTraffic, Time: oracleStart.Add(time.Duration(n) * time.Hour), Device: devices[n], Src: publicSource(i),
					Dst: target(n % c.pairs), DstPort: uint16(n % c.pairs)})
			}
		}
		got := e.Stats()
		if e.pairs.Used() > limit || e.pasts.Used() > limit || e.room > limit*pairRoom || got.Sightings != e.pairs.Used()+e.pasts.Used() || got.Sightings != walkSightings(e) {
			t.Errorf("%+v: %+v, %d pairs and %d pasts of %d", c, got, e.pairs.Used(), e.pasts.Used(), limit)
		}
		if (got.Evicted > 0) != (c.pairs > 6) || (got.Dropped > 0) != (c.points > 1) || got.Sources+int(got.Evicted) != 20_000 || got.Sightings < limit/2 {
			t.Errorf("%+v: %+v", c, got)
		}
		for i := range 20_000 {
			e.Release(single(publicSource(i)))
		}
		if got := e.Stats(); got.Sources != 0 || got.Sightings != 0 || e.room != 0 || e.pairs.Used() != 0 || e.pasts.Used() != 0 || e.queue.Len() != 0 {
			t.Errorf("%+v: after the release of all: %+v, room %d", c, got, e.room)
		}
	}
}

// One source that never fires and goes on for ever stays at its cap, and what it loses
// is its oldest: the latest evidence still counts.
func TestOneSourceIsBounded(t *testing.T) {
	e := New(defaults)
	at := oracleStart
	for i, device := range deviceNames(60_000) {
		at = at.Add(11 * time.Minute)
		e.Observe(&Event{Type: TypeTraffic, Time: at, Device: device, Src: publicSource(1), Dst: target(i % 5000), DstPort: uint16(1 + i%50_000)})
	}
	got := e.Stats()
	if got.Sightings > maxPairs || got.Sightings < maxPairs/2 || got.Dropped == 0 || got.Sightings != walkSightings(e) {
		t.Fatalf("%+v", got)
	}
	for i := range 11 {
		res := e.Observe(&Event{Type: TypeTraffic, Time: at, Src: publicSource(1), Dst: target(6000), DstPort: uint16(1 + i), Ref: uint64(i)})
		if (res.Outcome == Fired) != (i == 10) {
			t.Fatalf("event %d: %+v", i, res)
		}
	}
	if got := e.Stats(); got.Sources != 0 || got.Sightings != 0 || got.Fired[RulePortScan] != 1 {
		t.Fatalf("after the verdict: %+v", got)
	}
}

// deviceNames gives n different names.
func deviceNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint("firewall ", i)
	}
	return names
}

// witness is a source of sightings at so many windows from the start, each by another device, so that
// nothing is out of date.
type witness struct {
	t *testing.T
	e *Engine
}

func (p witness) saw(windows float64, dst int, port uint16, want Outcome) {
	p.t.Helper()
	at := oracleStart.Add(time.Duration(windows * float64(10*time.Minute)))
	res := p.e.Observe(&Event{Type: TypeTraffic, Time: at, Device: fmt.Sprint(len(p.e.devices.numbers)), Src: publicSource(1), Dst: target(dst), DstPort: port})
	if res.Outcome != want {
		p.t.Errorf("port %d of target %d at %v windows: outcome %d, want %d", port, dst, windows, res.Outcome, want)
	}
}

// Beyond its cap a pair loses the point that arrived first, not the one with the first
// time: here the times run backwards.
func TestPairDropsTheFirstArrival(t *testing.T) {
	s := Settings{PortScan: PortScan{Ports: 1, Window: 10 * time.Minute}}
	for _, fires := range []bool{false, true} {
		p := witness{t, New(s)}
		for i := range pointsPerPair + 1 {
			p.saw(100-2*float64(i), 1, 1, Counted)
		}
		if n := p.e.Stats().Sightings; n != pointsPerPair {
			t.Errorf("%d sightings", n)
		}
		if fires {
			p.saw(98, 1, 2, Fired)
		} else {
			p.saw(100, 1, 2, Counted)
		}
	}
	p := witness{t, New(s)} // forwards
	for i := range pointsPerPair + 1 {
		p.saw(2*float64(i), 1, 1, Counted)
	}
	p.saw(0, 1, 2, Counted)
	p.saw(2, 1, 3, Fired)
}

// The points of a pair lie apart by the shorter window, and still reach back as far as a
// late record of the longer one can ask.
func TestPairReachesBackByTheLongerWindow(t *testing.T) {
	e := New(Settings{PortScan: PortScan{Ports: never, Window: time.Minute}, HostSweep: HostSweep{Hosts: 3, Window: 8 * time.Minute}})
	saw := func(at time.Duration, dst int) Outcome {
		return e.Observe(&Event{Type: TypeTraffic, Time: oracleStart.Add(at), Src: publicSource(1), Dst: target(dst), DstPort: 80}).Outcome
	}
	saw(0, 1)
	for at := 30 * time.Second; at < 15*time.Minute+45*time.Second; at += 30 * time.Second {
		if got := saw(at, 2); got != Counted {
			t.Fatalf("at %s: %d", at, got)
		}
	}
	if got := saw(7*time.Minute+50*time.Second, 3); got != Fired {
		t.Errorf("three addresses within 7m50s: outcome %d", got)
	}
}

// Beyond its cap a key loses the pair that was seen longest ago. The other rule keeps it,
// and it comes back with its next sighting.
func TestKeyDropsTheFirstArrival(t *testing.T) {
	p := witness{t, New(Settings{PortScan: PortScan{Ports: 2, Window: 10 * time.Minute}, HostSweep: HostSweep{Hosts: 4, Window: 10 * time.Minute}})}
	for i := range 40 { // an index, please
		p.saw(1000+2*float64(i), 100+i, 5000+uint16(i), Counted)
	}
	room := 3 * pairsPerNeed
	for i := 1; i <= room; i++ {
		p.saw(2*float64(i), 1, uint16(i), Counted)
	}
	p.saw(2, 1, 1, Counted) // port 1 is seen again, which leaves port 2 as the oldest
	for i := range 60 {     // the index grows, and is laid out anew
		p.saw(2000+2*float64(i), 200+i, 6000+uint16(i), Counted)
	}
	p.saw(500, 1, 100, Counted) // drops port 2
	p.saw(4, 1, 101, Counted)   // drops port 3
	p.saw(4, 1, 102, Counted)   // drops port 4; with port 2 this would be the third
	p.saw(4, 2, 2, Counted)     // the sweep of port 2 still knows of target 1
	p.saw(4, 3, 2, Counted)
	p.saw(300, 1, 2, Counted) // port 2 is back, and port 5 gone
	p.saw(300.5, 1, 9000, Counted)
	p.saw(300.6, 1, 9001, Fired)

	p = witness{t, New(Settings{PortScan: PortScan{Ports: 2, Window: 10 * time.Minute}, HostSweep: HostSweep{Hosts: 4, Window: 10 * time.Minute}})}
	for i := range 40 {
		p.saw(1000+2*float64(i), 100+i, 5000+uint16(i), Counted)
	}
	for i := 1; i <= room+1; i++ {
		p.saw(2*float64(i), 1, uint16(i), Counted) // the last one drops port 1
	}
	p.saw(2, 2, 1, Counted)
	p.saw(2, 3, 1, Counted)
	p.saw(2, 4, 1, Fired) // four targets on port 1, of which target 1 has dropped it
}

func TestBlockDropsEvidence(t *testing.T) {
	e := New(defaults)
	for i := range 40 {
		e.Observe(&Event{Type: TypeTraffic, Time: oracleStart, Src: publicSource(i), Dst: target(1), DstPort: 1})
	}
	e.Block(single(publicSource(0)))
	if n := e.Stats().Sources; n != 39 {
		t.Errorf("%d sources after a block, want 39", n)
	}
	e.Block(netip.PrefixFrom(publicSource(0), 27))
	if got := e.Stats(); got.Sources != 8 || got.Sightings != 8 || got.Blocked != 2 {
		t.Errorf("%+v after the block of 32 addresses", got)
	}
}

// What is blocked together, networks and addresses, is forgotten as if one were blocked after the other: by all that keeps evidence.
func TestManyAreBlockedAtOnce(t *testing.T) {
	s := defaults
	s.Probe, s.Login = Probe{Targets: 40, Window: 24 * time.Hour}, Login{Failures: 10, Window: 10 * time.Minute}
	list := []netip.Prefix{netip.PrefixFrom(publicSource(0), 28), single(publicSource(20)), netip.PrefixFrom(publicSource(32), 30), {}, netip.MustParsePrefix("2001:db8::/48"), single(publicSource(39))}
	together, alone, released := New(s), New(s), New(s)
	for _, e := range []*Engine{together, alone, released} {
		for i := range 40 {
			e.Observe(&Event{Type: TypeTraffic, Time: oracleStart, Src: publicSource(i), Dst: target(1), DstPort: 1, Action: "deny"})
			e.Observe(&Event{Type: TypeGlobalProtect, Subtype: "portal-auth", Action: "failure", Time: oracleStart, Src: publicSource(i), SrcUser: "anna"})
		}
		e.Observe(&Event{Type: TypeTraffic, Time: oracleStart, Src: netip.MustParseAddr("2001:db8:0:7::1"), Dst: target(1), DstPort: 1, Action: "deny"})
	}
	together.Block(list...)
	for _, p := range list {
		alone.Block(p)
	}
	released.Release(list...)
	got, want := together.Stats(), alone.Stats()
	const left = 40 - 16 - 4 - 2
	if logins := together.attempts.Sources(); !reflect.DeepEqual(got, want) || got.Remembered.Probes != left || logins != left {
		t.Errorf("together %+v and %d with logins, one after the other %+v", got, logins, want)
	}
	if want.Blocked = 0; !reflect.DeepEqual(released.Stats(), want) {
		t.Errorf("released %+v, want %+v", released.Stats(), want)
	}
}

// Sources of all shapes come and go, each shape crowding out the others. What one leaves serves the
// next: garbage would let the heap grow to twice what is held before it is collected.
func TestChurnLeavesNoGarbage(t *testing.T) {
	s := defaults
	s.MaxSources = 30_000
	e := New(s)
	next := 0
	round := func() {
		for _, c := range []struct{ sources, pairs int }{{40_000, 1}, {10_000, 32}, {3000, 33}, {3000, 70}, {100, 2000}, {5, 20_000}} {
			for range c.sources {
				next++
				for n := range c.pairs {
					// Each another address and another port: nothing fires.
					e.Observe(&Event{Type: TypeTraffic, Time: oracleStart, Src: publicSource(next), Dst: target(n), DstPort: uint16(1 + n)})
				}
			}
		}
	}
	round()
	round()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	round()
	runtime.ReadMemStats(&after)
	if got := e.Stats(); got.Evicted < 40_000 || got.Dropped == 0 || got.Sightings != walkSightings(e) {
		t.Errorf("%+v", got)
	}
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 256<<10 {
		t.Errorf("%d KiB allocated for 1.1 million events of sources like those before", allocated>>10)
	}
}
