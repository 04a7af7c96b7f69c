package edl

import (
	"activedefense/firewall/room"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawPrefix(t *rapid.T) netip.Prefix {
	var a netip.Addr
	// Few different bytes, so that equal, neighbouring and nested prefixes are common.
	octet := rapid.SampledFrom([]byte{0, 1, 2, 9, 10, 99, 100, 192, 203, 255})
	if rapid.Bool().Draw(t, "four") {
		a = netip.AddrFrom4([4]byte{octet.Draw(t, "a"), octet.Draw(t, "b"), 0, octet.Draw(t, "d")})
	} else {
		a = netip.AddrFrom16([16]byte{0: octet.Draw(t, "a"), 1: octet.Draw(t, "b"), 15: octet.Draw(t, "p")})
	}
	bits := a.BitLen()
	if rapid.Bool().Draw(t, "network") {
		bits = rapid.IntRange(0, a.BitLen()).Draw(t, "bits")
	}
	return netip.PrefixFrom(a, bits)
}

// What is rendered, read back, is what was given, in the order that the contract names.
func TestRenderedListIsTheSetInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.SliceOfN(rapid.Custom(drawPrefix), 1, 40).Draw(t, "given")
		want := map[netip.Prefix]bool{}
		var list []Entry
		for _, p := range given {
			want[p.Masked()] = true
			list = append(list, Entry{Prefix: p})
		}
		list, left := arrange(list, 0)
		if len(left) != 0 {
			t.Fatalf("left out without a limit: %v", left)
		}
		var before netip.Prefix
		for i, line := range strings.Split(strings.TrimSuffix(string(render(list, netip.Addr{})), "\n"), "\n") {
			p, err := parsePrefix(line)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(line, "/32") && p.Addr().Is4() || strings.HasSuffix(line, "/128") {
				t.Fatalf("a single address with its mask: %s", line)
			}
			if !want[p] {
				t.Fatalf("%s was not given, or comes twice", p)
			}
			delete(want, p)
			if i > 0 && (before.Addr().Is6() && p.Addr().Is4() || before.Addr().BitLen() == p.Addr().BitLen() && p.Addr().Less(before.Addr())) {
				t.Fatalf("%s before %s", before, p)
			}
			before = p
		}
		if len(want) != 0 {
			t.Fatalf("missing: %v", want)
		}
	})
}

func TestRenderExample(t *testing.T) {
	list, _ := arrange(entries("2001:db8::/32", "203.0.113.9", "198.51.100.0/24", "::ffff:192.0.2.7", "2001:db8::1", "203.0.113.10", "192.0.2.7", "203.0.113.9"), 0)
	want := "192.0.2.7\n198.51.100.0/24\n203.0.113.9\n203.0.113.10\n2001:db8::/32\n2001:db8::1\n"
	if got := string(render(list, netip.Addr{})); got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
}

// The order of what is passed in changes nothing.
func TestRenderedListDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		given := rapid.SliceOfN(rapid.Custom(drawPrefix), 0, 20).Draw(t, "given")
		var a, b []Entry
		for i, p := range given {
			e := Entry{Prefix: p, LastSeen: time.Unix(int64(i%3), 0)}
			a, b = append(a, e), append([]Entry{e}, b...)
		}
		limit := rapid.IntRange(0, 20).Draw(t, "limit")
		listA, leftA := arrange(a, limit)
		listB, leftB := arrange(b, limit)
		if !slices.Equal(listA, listB) || !slices.Equal(leftA, leftB) {
			t.Fatalf("%v | %v\n%v | %v", listA, leftA, listB, leftB)
		}
	})
}

// Over the limit, nobody is left out in favour of one of a lower rank, nor who was seen later in favour of one of the same
// rank who was seen earlier.
func TestLimitLeavesOutTheLongestQuiet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "n")
		limit := rapid.IntRange(1, 60).Draw(t, "limit")
		var list []Entry
		for i := range n {
			seen := time.Unix(int64(rapid.IntRange(0, 20).Draw(t, "seen")), 0)
			rank := rapid.SampledFrom([]room.Rank{room.Forgeable, room.Listed, room.Proven, room.Manual}).Draw(t, "rank")
			list = append(list, Entry{Prefix: entries(fmt.Sprintf("192.0.2.%d", i))[0].Prefix, LastSeen: seen, Rank: rank})
		}
		kept, left := arrange(list, limit)
		if len(kept) != min(n, limit) || len(kept)+len(left) != n {
			t.Fatalf("%d kept, %d left of %d with limit %d", len(kept), len(left), n, limit)
		}
		for _, k := range kept {
			for _, l := range left {
				if k.Rank < l.Rank || k.Rank == l.Rank && k.LastSeen.Before(l.LastSeen) {
					t.Fatalf("%v kept, %v left out", k, l)
				}
			}
		}
		byAddress := func(a, b Entry) int { return a.Prefix.Addr().Compare(b.Prefix.Addr()) }
		if !slices.IsSortedFunc(kept, byAddress) || !slices.IsSortedFunc(left, byAddress) {
			t.Fatal("not in order")
		}
	})
}

// Of one address given twice the later sighting counts, or the limit would cut an active source.
func TestDuplicateKeepsTheLaterSighting(t *testing.T) {
	list := entries("192.0.2.1", "192.0.2.1", "192.0.2.2")
	list[0].LastSeen = time.Unix(10, 0)
	list[1].LastSeen = time.Unix(30, 0)
	list[2].LastSeen = time.Unix(20, 0)
	kept, left := arrange(list, 1)
	if len(kept) != 1 || kept[0].Prefix.String() != "192.0.2.1/32" || !kept[0].LastSeen.Equal(time.Unix(30, 0)) || len(left) != 1 {
		t.Fatalf("kept %v, left %v", kept, left)
	}
}

func TestInvalidPrefixesAreDropped(t *testing.T) {
	list, _ := arrange(append(entries("192.0.2.1"), Entry{}, Entry{Prefix: netip.PrefixFrom(netip.MustParseAddr("192.0.2.2"), 99)}), 0)
	if got := string(render(list, netip.Addr{})); got != "192.0.2.1\n" {
		t.Fatalf("got %q", got)
	}
}

// PAN-OS takes a comment only behind an entry and a space.
func TestEmptyListHasOneHarmlessLine(t *testing.T) {
	got := string(render(nil, netip.MustParseAddr("192.0.2.255")))
	address, remark, found := strings.Cut(got, " ")
	if address != "192.0.2.255" || !found || !strings.HasPrefix(remark, "#") || strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\n") {
		t.Fatalf("got %q", got)
	}
	for _, r := range got {
		if r > '~' {
			t.Fatalf("%q is not ASCII", r)
		}
	}
}

// Sixty thousand forged sources that were seen just now take the place of no proven one.
func TestAFloodPushesNothingProvenFromTheList(t *testing.T) {
	const flood, proven = 60_000, 50_000
	now := time.Unix(1_800_000_000, 0)
	var list []Entry
	for i := range flood + proven {
		e := Entry{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{45, byte(i >> 16), byte(i >> 8), byte(i)}), 32), LastSeen: now, Rank: room.Forgeable}
		if i < proven {
			e.Rank, e.LastSeen = room.Proven, now.Add(-29*24*time.Hour)
		}
		list = append(list, e)
	}
	kept, left := arrange(list, proven)
	if len(kept) != proven || len(left) != flood {
		t.Fatalf("%d kept, %d left out", len(kept), len(left))
	}
	for _, e := range kept {
		if e.Rank != room.Proven {
			t.Fatalf("%v is on the list", e)
		}
	}
}
