package firewall

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"activedefense/firewall/room"
)

// Nobody makes way for one that is worth no more, nor more than are allowed; and when as many as wanted may go, no entry that
// is left out has a better claim than one that stands, unless they are of one rank and were seen close together.
func TestDisplacing(t *testing.T) {
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	entries := func(third byte) *rapid.Generator[[]Entry] {
		return rapid.Custom(func(r *rapid.T) (list []Entry) {
			for i := range rapid.IntRange(0, 20).Draw(r, "n") {
				list = append(list, Entry{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, third, byte(i)}), 32), Rank: room.Rank(rapid.IntRange(-2, 1).Draw(r, "rank")),
					LastSeen: at.Add(time.Duration(rapid.IntRange(0, 6).Draw(r, "seen")) * settled / 2)})
			}
			return list
		})
	}
	rapid.Check(t, func(r *rapid.T) {
		standing, waiting := entries(1).Draw(r, "standing"), entries(2).Draw(r, "waiting")
		most, allowed := rapid.IntRange(0, 25).Draw(r, "most"), rapid.IntRange(0, 25).Draw(r, "allowed")
		out, in := displace(slices.Clone(standing), slices.Clone(waiting), most, allowed)
		free := min(max(most-len(standing), 0), len(waiting))
		if len(in)-len(out) != free || len(out) > allowed {
			r.Fatalf("%d in, %d out, %d free, %d allowed", len(in), len(out), free, allowed)
		}
		for i, e := range out {
			if e.claim().Compare(in[free+i].claim()) >= 0 {
				r.Fatalf("%v makes way for %v", e, in[free+i])
			}
		}
		if len(out) == allowed {
			return
		}
		left := slices.DeleteFunc(waiting, func(e Entry) bool { return contains(in, e) })
		stand := slices.DeleteFunc(standing, func(e Entry) bool { return contains(out, e) })
		for _, l := range left {
			for _, s := range stand {
				if l.Rank > s.Rank || l.Rank == s.Rank && l.LastSeen.Sub(s.LastSeen) > settled {
					r.Fatalf("%v is left out while %v stands", l, s)
				}
			}
		}
	})
}

func contains(list []Entry, e Entry) bool {
	return slices.ContainsFunc(list, func(x Entry) bool { return x.Prefix == e.Prefix })
}
