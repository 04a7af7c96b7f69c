package store

import (
	"context"
	"net/netip"
	"testing"
	"time"
)

// Firewalls that were renamed or removed are dropped, but not those of another agent on the same database.
func TestDropEnforced(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		one, two := db.open("one"), db.open("two")
		db.open("command-line") // looks, and never commits
		ctx, a, now := t.Context(), prefix("203.0.113.9"), time.Now().UTC().Truncate(time.Second)
		past, later := now.Add(-time.Second), now.Add(time.Hour)
		fill := func() {
			t.Helper()
			for firewall, until := range map[string]time.Time{"fw1": {}, "fw1 (peer)": past, "renamed": {}, "expired": past, "running": later} {
				must(t, one.SaveEnforced(ctx, firewall, []Enforcement{{Address: a, Since: past, Until: until}}, nil))
			}
		}
		expect := func(what string, dropped int64, keep []string, names ...string) {
			t.Helper()
			n, err := one.DropEnforced(ctx, keep)
			must(t, err)
			list, err := one.EnforcedOn(ctx, a)
			must(t, err)
			var got []string
			for _, e := range list {
				got = append(got, e.Firewall)
			}
			equal(t, what, got, names)
			equal(t, what+": dropped", n, dropped)
		}
		fill()
		expect("alone", 3, []string{"fw1", "fw1 (peer)"}, "fw1", "fw1 (peer)")
		expect("again", 0, []string{"fw1", "fw1 (peer)"}, "fw1", "fw1 (peer)")
		expect("no firewall at all", 2, nil)

		fill()
		_, err := two.Commit(ctx, &Batch{Seq: 1, Touches: []Touch{{Address: netip.MustParsePrefix("192.0.2.1/32")}}})
		must(t, err)
		if one.Kind() == kindSQLite {
			expect("an earlier name of the same agent", 3, []string{"fw1", "fw1 (peer)"}, "fw1", "fw1 (peer)")
			return
		}
		expect("beside another agent", 1, []string{"fw1", "fw1 (peer)"}, "fw1", "fw1 (peer)", "renamed", "running")
	})
}

// What a look at a firewall's policy found stands beside all that it holds, until the next look; it goes with the firewall.
func TestSavePolicy(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		st := db.open("one")
		ctx, a, at := t.Context(), prefix("203.0.113.1"), time.Now().UTC().Truncate(time.Second)
		for _, firewall := range []string{"fw1", "fw2"} {
			must(t, st.SaveEnforced(ctx, firewall, []Enforcement{{Address: a, Seen: at}}, nil))
		}
		for i, fault := range []string{"no rule", "", "no group\x00"} {
			must(t, st.SavePolicy(ctx, "fw1", at.Add(time.Duration(i)*time.Minute), fault))
			list, err := st.EnforcedOn(ctx, a)
			must(t, err)
			equal(t, "faults", []string{list[0].Fault, list[1].Fault}, []string{clean(fault), ""})
			equal(t, "looked", []time.Time{list[0].Looked, list[1].Looked}, []time.Time{at.Add(time.Duration(i) * time.Minute), {}})
		}
		_, err := st.DropEnforced(ctx, []string{"fw2"})
		must(t, err)
		must(t, st.SaveEnforced(ctx, "fw1", []Enforcement{{Address: a}}, nil))
		list, err := st.EnforcedOn(ctx, a)
		must(t, err)
		equal(t, "the fault of one that is served anew", list[0].Fault, "")
	})
}

// What was written is not seen until it is read back, or all of it is read; and not any more when it was written again.
func TestWhenAFirewallWasSeenToHoldABlock(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		st := db.open("one")
		ctx, a, b, c := t.Context(), prefix("203.0.113.1"), prefix("203.0.113.2"), prefix("203.0.113.3")
		at := time.Now().UTC().Truncate(time.Second)
		minute := func(n int) time.Time { return at.Add(time.Duration(n) * time.Minute) }
		expect := func(what string, seen ...time.Time) {
			t.Helper()
			list, err := st.Enforced(ctx, "fw1")
			must(t, err)
			var got []time.Time
			for _, e := range list {
				got = append(got, e.Seen)
			}
			equal(t, what, got, seen)
		}
		none := time.Time{}
		must(t, st.SaveEnforced(ctx, "fw1", []Enforcement{{Address: a, Since: at}, {Address: b, Since: at, Seen: minute(1)}, {Address: c, Since: at, LeftOut: true}}, nil))
		must(t, st.SaveEnforced(ctx, "fw2", []Enforcement{{Address: a, Since: at}}, nil))
		expect("written", none, minute(1), none)
		must(t, st.SaveRead(ctx, "fw1", minute(2), nil, nil))
		expect("all of it read", minute(2), minute(2), none)
		must(t, st.SaveRead(ctx, "fw1", minute(7), []Enforcement{{Address: b, Since: minute(7)}}, nil))
		expect("one is written again", minute(7), none, none)
		must(t, st.SaveEnforced(ctx, "fw1", []Enforcement{{Address: b, Since: minute(8), Seen: minute(8)}}, []netip.Prefix{c}))
		expect("and read back", minute(7), minute(8))
		must(t, st.SaveRead(ctx, "fw1", minute(12), nil, []netip.Prefix{b}))
		expect("one is gone", minute(12))
		other, err := st.EnforcedOn(ctx, a)
		must(t, err)
		if len(other) != 2 || !other[1].Seen.IsZero() {
			t.Errorf("another firewall was not read: %+v", other)
		}
	})
}

// What this database never blocked is somebody else's; what it blocks, blocked once, noted there, or holds a network of is not.
func TestNeverBlocked(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, ctx := db.open("one"), context.Background()
		held := inState(Held, noon())
		held.Address = prefix("203.0.113.3")
		commit(t, s, &Batch{Blocks: []Block{held,
			{Address: prefix("203.0.113.1"), Rule: "port-scan", By: ByDetector, BlockedAt: noon()}, {Address: prefix("203.0.113.2"), Rule: "port-scan", By: ByDetector, BlockedAt: noon()},
			{Address: prefix("2001:db8:1::/64"), Rule: "port-scan", By: ByDetector, BlockedAt: noon()}}})
		_, err := s.Release(ctx, prefix("203.0.113.2"), ByOperator, "", noon())
		must(t, err)
		must(t, s.SaveEnforced(ctx, "FW-1", []Enforcement{{Address: prefix("203.0.113.4")}}, nil))
		must(t, s.SaveEnforced(ctx, "FW-2", []Enforcement{{Address: prefix("203.0.113.5")}}, nil))
		var ask []netip.Prefix
		for _, text := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "203.0.113.5", "203.0.113.6", "2001:db8:1::9", "2001:db8:2::9", "203.0.113.0/24"} {
			ask = append(ask, prefix(text))
		}
		never, err := s.NeverBlocked(ctx, "FW-1", ask)
		must(t, err)
		equal(t, "never blocked", never, []netip.Prefix{prefix("203.0.113.3"), prefix("203.0.113.5"), prefix("203.0.113.6"), prefix("2001:db8:2::9"), prefix("203.0.113.0/24")})
	})
}
