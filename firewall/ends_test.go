package firewall_test

import (
	"testing"
	"time"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
)

// A tag that lost its end (PAN-315913) is replaced where the firewall shows it, so that it ends by itself again; and what
// others shortened is renewed in time. Where nothing is shown, nothing is done for it.
func TestTagsThatBecamePermanent(t *testing.T) {
	for ends, shown := range map[dialect.Ends]bool{dialect.EndsHidden: false, dialect.EndsLeft: true, dialect.EndsTimeout: true} {
		l := newLab(t, func(o *panosim.Options) { o.Dialect = dialect.Dialect{Ends: ends} }, nil)
		desired := l.entries(0, 700)
		l.level(desired)
		l.sim.ResetStats()
		if r := l.pass(desired, true); len(r.Renewed) != 0 || l.calls(panosim.KindUserID) != 0 {
			t.Fatalf("%d: nothing was wrong, and %d were renewed", ends, len(r.Renewed))
		}
		permanent := func() (n int) {
			for _, tag := range l.sim.Addresses().Tagged("vsys1", tag) {
				if tag.Expires.IsZero() {
					n++
				}
			}
			return n
		}
		for round := range 3 {
			for i := range 3 {
				if err := l.sim.Addresses().Register("vsys1", host(i), tag, 0); err != nil {
					t.Fatal(err)
				}
			}
			r := l.pass(desired, true)
			// What was replaced and is permanent again is left alone for an hour.
			want := 0
			if shown && round != 1 {
				want = 3
			}
			if len(r.Renewed) != want || (permanent() == 0) != (want > 0) {
				t.Errorf("%d, round %d: replaced %d, and %d still have no end", ends, round, len(r.Renewed), permanent())
			}
			if round == 1 {
				l.clock.move(time.Hour)
			}
		}
		if shown {
			l.stands(desired)
		}
	}
}

// A tag that ends earlier than we know of is renewed before it does, where that is shown.
func TestATagThatEndsEarlierThanAsked(t *testing.T) {
	l := newLab(t, func(o *panosim.Options) { o.Dialect = dialect.Dialect{Ends: dialect.EndsLeft} }, nil)
	desired := l.entries(0, 5)
	l.level(desired)
	if err := l.sim.Addresses().Register("vsys1", host(2), tag, 20*time.Minute); err != nil {
		t.Fatal(err)
	}
	if r := l.pass(desired, true); len(r.Renewed) != 1 || r.Renewed[0].Prefix != host(2) {
		t.Errorf("renewed %v", r.Renewed)
	}
	l.clock.move(30 * time.Minute)
	l.pass(desired, true)
	l.stands(desired)
}
