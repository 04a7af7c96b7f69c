package memory

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"activedefense/detect/arena"
)

// tallied are counters of each kind: by records and by values, that fire soon and late.
var tallied = []Counter{
	{ID: 71, Need: 1, Window: hours}, {ID: 72, Need: 3, Window: 10 * minute, Distinct: true}, {ID: 73, Need: 2, Window: 24 * hours, Logins: true},
}

func newCounting(counters []Counter, sources int) *Memory {
	m := New(roomy, Day, 30)
	m.Keep()
	m.Count(counters, sources)
	return m
}

// A counting world has more sources in one part than there is room for.
func countOnce(m *Memory, dice *rand.Rand, at int64, ref uint64) {
	key := crowd[dice.IntN(5)]
	if dice.IntN(3) == 0 {
		key = peers[dice.IntN(len(peers))]
	}
	hash := arena.Hash(&key)
	late := dice.Int64N(3) * dice.Int64N(20*minute)
	s := Seen{Key: key, Hash: hash, Counter: dice.IntN(len(m.counters)), Per: dice.Uint64N(2), Point: Point{Time: at - late, Ref: ref, Weight: uint16(1 + dice.IntN(3)), Proven: dice.IntN(3) == 0}}
	if m.counters[s.Counter].Distinct {
		s.Value = dice.Uint64N(5)
	}
	switch dice.IntN(40) {
	case 0:
		m.Forget(netip.PrefixFrom(netip.AddrFrom16(key).Unmap(), netip.AddrFrom16(key).Unmap().BitLen()))
	case 1:
		m.UseUp(m.See(&s), true)
	case 2:
		m.UseUp(m.See(&s), false)
	case 7:
		ForgetBefore(m, &key, s.Time-dice.Int64N(10*minute))
	case 3, 4, 5, 6:
		l := Login{Time: s.Time, Ref: ref, Who: uint32(dice.IntN(2)), Weight: s.Weight, System: dice.IntN(2) == 0}
		if !m.Failed(hash, &key, l) {
			return
		}
		s.Counter, s.Value = 2, 0
		m.See(&s)
	default:
		m.See(&s)
	}
}

func writeAll(m *Memory) (parts [][]byte) {
	for n := range Parts {
		parts = append(parts, m.Part(nil, n))
	}
	return parts
}

// What is read back of parts, written at any times, and of the journals since is to the byte what a memory has that was never written, also
// where there was too little room.
func TestCountersAreReadBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dice := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		sources := rapid.SampledFrom([]int{Parts, 3 * Parts, 100 * Parts}).Draw(t, "sources")
		m, at := newCounting(tallied, sources), start
		header, parts, written, journals := m.Counters(nil), make([][]byte, Parts), make([]int, Parts), [][]byte(nil)
		for i := range rapid.SampledFrom([]int{10, 200, 2000}).Draw(t, "steps") {
			at += dice.Int64N(minute)
			countOnce(m, dice, at, uint64(i))
			if dice.IntN(30) > 0 {
				continue
			}
			journals = append(journals, m.Journal(nil))
			if n := PartOf(&crowd[0]); dice.IntN(3) == 0 {
				parts[n], written[n] = m.Part(nil, n), len(journals)
			}
			if n := dice.IntN(Parts); dice.IntN(2) == 0 {
				parts[n], written[n] = m.Part(nil, n), len(journals)
			}
		}
		journals = append(journals, m.Journal(nil))
		again := newCounting(tallied, sources)
		if err := again.LoadCounters(header); err != nil {
			t.Fatal(err)
		}
		for n, data := range parts {
			if data != nil {
				if err := again.Load(n, data, 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i, j := range journals {
			if err := again.Apply(j, func(part int) bool { return i >= written[part] }); err != nil {
				t.Fatal(err)
			}
		}
		got, want := writeAll(again), writeAll(m)
		for n := range want {
			if !bytes.Equal(got[n], want[n]) {
				t.Fatalf("part %d is not as it was: %d bytes instead of %d", n, len(got[n]), len(want[n]))
			}
		}
		if sizes := m.Sizes(); sizes.Counted > max(sources, Parts) {
			t.Fatalf("%+v", sizes)
		}
	})
}

// What is remembered of a counter that is no more, or was not told of all, is passed over, the other's stays; and of logins none is known
// where one of those that count them is new.
func TestCountersThatAreNotKnownArePassedOver(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 3))
	m := newCounting(tallied, 100*Parts)
	for i := range 1000 {
		countOnce(m, dice, start+int64(i)*second, uint64(i))
	}
	header, parts, journal := m.Counters(nil), writeAll(m), m.Journal(nil)
	for _, c := range []struct {
		name     string
		counters []Counter
		behind   []bool
	}{
		{"the same in another order", []Counter{tallied[2], tallied[0], tallied[1]}, []bool{false, false, false}},
		{"one is new", []Counter{tallied[0], {ID: 9, Need: 1, Window: 1}}, []bool{false, true}},
		{"one that counts logins is new", []Counter{tallied[2], tallied[1], {ID: 9, Need: 1, Window: 1, Logins: true}}, []bool{true, false, true}},
	} {
		again := newCounting(c.counters, 100*Parts)
		if err := again.LoadCounters(header); err != nil {
			t.Fatal(err)
		}
		points, logins := make(map[uint64]int), 0
		for n, data := range parts {
			if err := again.Load(n, data, 0); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			again.Apply(journal, func(int) bool { return false })
			p := &again.parts[n]
			logins += p.logins.Sources()
			for s := p.groups.queue.Oldest(); s != 0; s = arena.Next(&p.groups.sources, s) {
				for g := p.groups.sources.At(s).newest; g != 0; g = p.groups.groups.At(g).next {
					points[c.counters[p.groups.groups.At(g).of.counter].ID] += int(p.groups.groups.At(g).count)
				}
			}
		}
		for i, want := range c.behind {
			if again.Behind(i) != want || (points[c.counters[i].ID] > 0) == want {
				t.Errorf("%s: counter %d is behind %v with %d points", c.name, i, again.Behind(i), points[c.counters[i].ID])
			}
		}
		if known := loginsKnown(again); known != (logins > 0) {
			t.Errorf("%s: %d sources of logins, known %v", c.name, logins, known)
		}
		if again.Seed != m.Seed {
			t.Errorf("%s: another seed", c.name)
		}
	}
}

// What is damaged, and what the version before wrote, costs all that was counted, whatever part it is in; and what is forged, with the right
// sum, costs no more.
func TestDamagedCountersAreLostWhole(t *testing.T) {
	dice := rand.New(rand.NewPCG(2, 3))
	m := newCounting(tallied, 100*Parts)
	for i := range 500 {
		countOnce(m, dice, start+int64(i)*second, uint64(i))
	}
	header, parts, journal := m.Counters(nil), writeAll(m), m.Journal(nil)
	full := PartOf(&crowd[0])
	load := func(damage func(again *Memory) error) (*Memory, error) {
		again := newCounting(tallied, 100*Parts)
		if err := again.LoadCounters(header); err != nil {
			t.Fatal(err)
		}
		if err := again.Load(full, parts[full], 0); err != nil {
			t.Fatal(err)
		}
		return again, damage(again)
	}
	other := (full + 1) % Parts
	broken := bytes.Clone(parts[other])
	broken[len(broken)/2] ^= 1
	uncountedPart := New(roomy, Day, 30).Part(nil, other)
	uncountedPart = sealed(append([]byte{uncounted}, uncountedPart[1:len(uncountedPart)-4-3]...), 0) // without the three counts and the sum at its end
	for name, damage := range map[string]func(*Memory) error{
		"a part":                   func(again *Memory) error { return again.Load(other, broken, 0) },
		"a part of the first":      func(again *Memory) error { return again.Load(other, []byte{firstVersion}, 0) },
		"a part of the one before": func(again *Memory) error { return again.Load(other, uncountedPart, 0) },
		"a journal that is cut": func(again *Memory) error {
			return again.Apply(journal[:len(journal)-1], func(int) bool { return false })
		},
		"a journal without counters": func(again *Memory) error {
			return again.Apply(sealed(append([]byte{opUseUp, 0, 0, 4}, make([]byte, 6)...), 0), func(int) bool { return true })
		},
	} {
		again, err := load(damage)
		if name == "a part of the one before" != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if got := again.Sizes(); got.Counted != 0 || got.Points != 0 || !again.Behind(0) || !again.Behind(2) {
			t.Errorf("%s: %+v is left", name, got)
		}
	}
	if err := newCounting(tallied, Parts).LoadCounters(header[:len(header)-5]); !errors.Is(err, ErrDamaged) {
		t.Errorf("a header that is cut: %v", err)
	}
	for range 3000 {
		forged := bytes.Clone(parts[full][:len(parts[full])-4])
		for range 1 + dice.IntN(4) {
			forged[1+dice.IntN(len(forged)-1)] = byte(dice.IntN(256))
		}
		again := newCounting(tallied, 100*Parts)
		_ = again.Load(full, sealed(forged, 0), 0)
		if got := again.Sizes(); got.Points > len(forged) {
			t.Fatalf("%+v of %d bytes", got, len(forged))
		}
		countOnce(again, dice, start, 1)
	}
}

// A source of which a verdict used up all that was counted takes no room from others, before a restart as after it.
func TestASourceWithNothingLeftTakesNoRoom(t *testing.T) {
	m := newCounting(tallied, 2*Parts)
	see := func(m *Memory, key Key, at int64) Group {
		return m.See(&Seen{Key: key, Hash: arena.Hash(&key), Point: Point{Time: at, Ref: uint64(at), Weight: 1}})
	}
	see(m, crowd[0], start)
	m.UseUp(see(m, crowd[1], start+1), false)
	see(m, crowd[2], start+2)
	if sizes := m.Sizes(); sizes.Counted != 2 || sizes.Evicted != 0 {
		t.Errorf("%d sources are counted, and %d had to go; wanted 2 and none", sizes.Counted, sizes.Evicted)
	}
}
