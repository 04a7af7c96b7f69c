package enforce

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/ours"
	"activedefense/firewall/panosim"
	"activedefense/store"
)

func drawPrefix(t *rapid.T, label string) netip.Prefix {
	b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 128}), 2, 2).Draw(t, label)
	addr := netip.AddrFrom4([4]byte{20, 0, b[0], b[1]})
	if rapid.IntRange(0, 4).Draw(t, label+" six") == 0 {
		addr = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: b[0], 15: b[1]})
	}
	p, err := addr.Prefix(rapid.IntRange(addr.BitLen()-12, addr.BitLen()).Draw(t, label+" bits"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What overlaps is found as if each were held against each.
func TestOverlapping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []netip.Prefix
		for range rapid.IntRange(0, 12).Draw(t, "networks") {
			all = append(all, drawPrefix(t, "network"))
		}
		slices.SortFunc(all, firewall.ComparePrefixes)
		all = slices.Compact(all)
		p := drawPrefix(t, "asked")
		var want []netip.Prefix
		for _, n := range all {
			if n.Overlaps(p) {
				want = append(want, n)
			}
		}
		if got := overlapping(all, p); !slices.Equal(got, want) {
			t.Fatalf("%s overlaps %v, not %v", p, want, got)
		}
	})
}

// What was known is dropped only when the firewall names it no more and nothing of its source is pending; what is new is left out
// only when too many blocks would be lifted, and then nothing of what is left lifts any.
func TestComparison(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sources := []ours.Source{{Kind: ours.Network, What: "interface a"}, {Kind: ours.Peer, What: "DNS server"}, {Kind: ours.Peer, What: "mail server m.example.net"}}
		source := rapid.SampledFrom(sources)
		var known []store.Protected
		for range rapid.IntRange(0, 6).Draw(t, "known") {
			s := source.Draw(t, "source")
			known = append(known, store.Protected{Firewall: "fw1", Kind: string(s.Kind), What: s.What, Address: drawPrefix(t, "known")})
		}
		var answer ours.Answer
		for range rapid.IntRange(0, 6).Draw(t, "named") {
			s := source.Draw(t, "source")
			e := ours.Entry{Prefix: drawPrefix(t, "named"), Kind: s.Kind, What: s.What}
			if !slices.Contains(answer.Entries, e) {
				answer.Entries = append(answer.Entries, e)
			}
		}
		answer.Pending = rapid.SliceOfN(source, 0, 2).Draw(t, "pending")
		var blocked []firewall.Entry
		for range rapid.IntRange(0, 120).Draw(t, "blocked") {
			blocked = append(blocked, firewall.Entry{Prefix: drawPrefix(t, "blocked")})
		}
		c := compare(known, answer)
		all := len(c.added)
		c.withhold(blocked)
		saved := c.entries()
		holds := func(kind ours.Kind, what string, p netip.Prefix) bool {
			return slices.ContainsFunc(saved, func(s store.Protected) bool { return s.Kind == string(kind) && s.What == what && s.Address == p })
		}
		for _, k := range known {
			e := ours.Entry{Prefix: k.Address, Kind: ours.Kind(k.Kind), What: k.What}
			stays := slices.Contains(answer.Entries, e) || slices.Contains(answer.Pending, ours.Source{Kind: e.Kind, What: e.What})
			if stays != holds(e.Kind, e.What, e.Prefix) {
				t.Fatalf("%+v stays: %v", k, !stays)
			}
		}
		lifts := 0
		for _, b := range blocked {
			if slices.ContainsFunc(c.added, func(p store.Protected) bool { return p.Address.Overlaps(b.Prefix) }) {
				lifts++
			}
		}
		switch withheld := len(c.added) < all; {
		case withheld && lifts > 0:
			t.Fatalf("what is left lifts %d", lifts)
		case !withheld && lifts > mostLifts:
			t.Fatalf("%d blocks are lifted", lifts)
		case withheld != (len(c.troubles) == 1):
			t.Fatalf("troubles %v", c.troubles)
		}
	})
}

// Nothing goes where more than the share would be lost, and what is lost is counted by what it was: an address in the place of another
// is no loss.
func TestTheBrakeOfAnAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whats := []string{"interface a", "interface b", "DNS server"}
		draw := func(label string) (named map[string]map[int]bool, count int) {
			named = map[string]map[int]bool{}
			for _, what := range whats {
				named[what] = map[int]bool{}
				for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 7), 0, 7, rapid.ID).Draw(t, label+" "+what) {
					named[what][n] = true
					count++
				}
			}
			return named, count
		}
		prefix := func(n int) netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{20, 0, 0, byte(n)}), 32) }
		before, total := draw("before")
		now, _ := draw("now")
		percent := rapid.SampledFrom([]int{1, 30, 60, 100}).Draw(t, "percent")
		var known []store.Protected
		var answer ours.Answer
		lost := 0
		for _, what := range whats {
			for n := range before[what] {
				known = append(known, store.Protected{Kind: store.ProtectedNetwork, What: what, Address: prefix(n)})
			}
			for n := range now[what] {
				answer.Entries = append(answer.Entries, ours.Entry{Prefix: prefix(n), Kind: ours.Network, What: what})
			}
			lost += max(0, len(before[what])-len(now[what]))
		}
		c := compare(known, answer)
		c.brake(percent, func(store.Protected) bool { return false })
		saved := map[string]int{}
		for _, p := range c.entries() {
			saved[p.What+p.Address.String()]++
		}
		braked := lost*100 > total*percent
		for _, what := range whats {
			for n := range 8 {
				want := 0
				if now[what][n] || braked && before[what][n] {
					want = 1
				}
				if got := saved[what+prefix(n).String()]; got != want {
					t.Fatalf("%s %d is there %d times; lost %d of %d", what, n, got, lost, total)
				}
			}
		}
		if braked != (len(c.troubles) == 1) || braked && len(c.gone) > 0 {
			t.Fatalf("lost %d of %d: troubles %v, gone %v", lost, total, c.troubles, c.gone)
		}
	})
}

// Over changes, failures and questions in turn, a failure leaves the store as it was, and an answer names all that the
// configuration does.
func TestTheStoreNeverKnowsLessAfterAFailure(t *testing.T) {
	a := newAskTest(t)
	a.ask("the first time")
	for i, pools := range [][]string{{"203.0.113.128/28", "8.8.0.0/24"}, {"192.0.2.0/25"}, {}, {"203.0.113.160/28"}} {
		a.pools(pools...)
		before := a.saved()
		a.sim.SetFault(panosim.Fault{Kind: []string{panosim.KindConfigRead, panosim.KindNetwork}[i%2], Effect: panosim.Truncate, Applied: true})
		if err := a.askOnce(t.Context()); err == nil {
			t.Error("an answer that is cut is one")
		}
		a.expect("after a failure", before...)
		a.sim.ClearFaults()
		a.ask("after it")
		if after := a.saved(); len(after) != len(firstAnswer)+len(pools) {
			t.Errorf("with the pools %q the store holds %q", pools, after)
		}
	}
}

// What provision takes away of ours is no loss, however much of what is named it is; anything else is.
func TestWhatOurObjectsNameIsNoLoss(t *testing.T) {
	peer := func(what, address string) store.Protected {
		return store.Protected{Kind: store.ProtectedPeer, What: what, Address: netip.MustParsePrefix(address)}
	}
	ours := byOurs(config.Firewall{Tag: testTag, SyslogAddress: "192.0.2.61:5514"})
	dns := peer("DNS server", "192.0.2.53/32")
	for _, c := range []struct {
		gone  store.Protected
		brake bool
	}{
		{peer("server of External Dynamic List active-defense-list", "192.0.2.9/32"), false},
		{peer("server of External Dynamic List active-defense-list list.example.net", "192.0.2.9/32"), false},
		{peer("server of External Dynamic List active-defense-list-of-others", "192.0.2.9/32"), true},
		{peer("syslog server", "192.0.2.61/32"), false},
		{peer("syslog server", "192.0.2.62/32"), true},
		{peer("syslog server", "127.0.0.1/32"), false},
		{store.Protected{Kind: "management", What: "management address", Address: netip.MustParsePrefix("127.0.0.1/32")}, true},
	} {
		cmp := &comparison{kept: []store.Protected{dns}, gone: []store.Protected{c.gone}}
		if cmp.brake(30, ours); (len(cmp.troubles) == 1) != c.brake {
			t.Errorf("%s %s: %v", c.gone.What, c.gone.Address, cmp.troubles)
		}
		cmp = &comparison{kept: []store.Protected{dns}, gone: []store.Protected{c.gone, peer("IKE peer", "192.0.2.70/32"), peer("IKE peer", "192.0.2.71/32")}}
		if cmp.brake(30, ours); len(cmp.gone) != 0 || len(cmp.kept) != 4 || !c.brake && strings.Contains(cmp.troubles[0].What, c.gone.What) {
			t.Errorf("with others: %+v", cmp)
		}
	}
}
