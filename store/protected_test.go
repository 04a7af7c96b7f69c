package store

import (
	"fmt"
	"testing"
	"time"
)

func TestProtected(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, ctx := db.open("one"), t.Context()
		first := time.Now().UTC().Truncate(time.Second)
		second := first.Add(time.Hour)
		pool := Protected{Firewall: "fw1", Kind: ProtectedNetwork, What: "NAT rule out translation", Address: prefix("198.51.100.0/28")}
		dns := Protected{Firewall: "fw1", Kind: ProtectedPeer, What: "DNS server", Address: prefix("2001:db8::53/128")}
		other := Protected{Firewall: "fw2", Kind: ProtectedManagement, What: "management address", Address: prefix("203.0.113.1/32")}
		since := func(p Protected, at time.Time) Protected { p.Since = at; return p }
		holds := func(what string, want []Protected, asked map[string]time.Time) {
			t.Helper()
			got, at, err := s.Protected(ctx)
			must(t, err)
			equal(t, what, got, want)
			equal(t, what+": asked", at, asked)
		}
		holds("at the start", nil, map[string]time.Time{})
		must(t, s.NoteAwaited(ctx, []string{"fw1", "fw3"}))
		must(t, s.SaveProtected(ctx, "fw1", first, []Protected{pool, pool, {Kind: dns.Kind, What: dns.What, Address: dns.Address}}))
		must(t, s.SaveProtected(ctx, "fw2", first, []Protected{other}))
		must(t, s.NoteAwaited(ctx, []string{"fw1"}))
		holds("two firewalls", []Protected{since(pool, first), since(dns, first), since(other, first)},
			map[string]time.Time{"fw1": first, "fw2": first, "fw3": {}})

		ntp := Protected{Firewall: "fw1", Kind: ProtectedPeer, What: "NTP server", Address: prefix("2001:db8::53/128")}
		must(t, s.SaveProtected(ctx, "fw1", second, []Protected{pool, ntp}))
		holds("what stays keeps its time", []Protected{since(pool, first), since(ntp, second), since(other, first)},
			map[string]time.Time{"fw1": second, "fw2": first, "fw3": {}})

		must(t, s.SaveProtected(ctx, "fw2", second, nil))
		holds("one that names nothing has answered", []Protected{since(pool, first), since(ntp, second)},
			map[string]time.Time{"fw1": second, "fw2": second, "fw3": {}})

		if err := s.SaveProtected(ctx, "fw1", second, []Protected{{}}); err == nil {
			t.Error("no address is taken for one")
		}
		holds("after a fault", []Protected{since(pool, first), since(ntp, second)}, map[string]time.Time{"fw1": second, "fw2": second, "fw3": {}})
	})
}

// Thousands of addresses, as of a large address group in a NAT rule, are saved at once, and not written again while they stay.
func TestManyProtected(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, ctx, at := db.open("one"), t.Context(), time.Now().UTC().Truncate(time.Second)
		var entries []Protected
		for i := range 5000 {
			entries = append(entries, Protected{Kind: ProtectedNetwork, What: "static route", Address: prefix(fmt.Sprintf("10.%d.%d.0/24", i>>8, i&255))})
		}
		for hour := range 3 {
			must(t, s.SaveProtected(ctx, "fw1", at.Add(time.Duration(hour)*time.Hour), entries))
		}
		got, _, err := s.Protected(ctx)
		must(t, err)
		if len(got) != 5000 || !got[0].Since.Equal(at) || !got[4999].Since.Equal(at) {
			t.Errorf("%d entries, the first since %s", len(got), got[0].Since)
		}
	})
}

func TestDropProtected(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		one, two := db.open("one"), db.open("two")
		ctx, at := t.Context(), time.Now().UTC().Truncate(time.Second)
		for _, firewall := range []string{"fw1", "renamed"} {
			must(t, one.SaveProtected(ctx, firewall, at, []Protected{{Kind: ProtectedPeer, What: "DNS server", Address: prefix("203.0.113.53")}}))
		}
		left := func() (names []string) {
			entries, _, err := one.Protected(ctx)
			must(t, err)
			for _, p := range entries {
				names = append(names, p.Firewall)
			}
			return names
		}
		if one.Kind() == kindPostgres { // it may be the other agent's
			_, err := two.Commit(ctx, &Batch{Seq: 1, Touches: []Touch{{Address: prefix("192.0.2.1")}}})
			must(t, err)
			n, err := one.DropProtected(ctx, []string{"fw1"})
			must(t, err)
			equal(t, "beside another agent", left(), []string{"fw1", "renamed"})
			equal(t, "dropped beside another agent", n, int64(0))
			return
		}
		n, err := one.DropProtected(ctx, []string{"fw1"})
		must(t, err)
		equal(t, "left", left(), []string{"fw1"})
		equal(t, "dropped", n, int64(1))
	})
}
