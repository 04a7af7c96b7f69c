package store

import (
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
