package firewall_test

import (
	"cmp"
	"net/netip"
	"slices"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/capacity"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/room"
)

// best gives those of the entries that are to have the room.
func best(entries []firewall.Entry, most int) []firewall.Entry {
	list := slices.Clone(entries)
	slices.SortStableFunc(list, func(a, b firewall.Entry) int {
		return cmp.Or(cmp.Compare(b.Rank, a.Rank), b.LastSeen.Compare(a.LastSeen))
	})
	return list[:most]
}

// leftOut checks that those of the entries that do not stand are named.
func (l *lab) leftOut(r firewall.Report, desired, stand []firewall.Entry) {
	l.t.Helper()
	want := firewall.PrefixSet(desired)
	for _, e := range stand {
		delete(want, e.Prefix)
	}
	if got := firewall.PrefixSet(named(r.LeftOut)); len(got) != len(want) || len(r.Refused) != 0 {
		l.t.Errorf("%d are said to be left out, and %d refused (%v), instead of %d left out", len(got), len(r.Refused), r.Refused[:min(1, len(r.Refused))], len(want))
	}
	for _, p := range r.LeftOut {
		if !want[p] {
			l.t.Fatalf("%s is said to be left out", p)
		}
	}
}

func named(list []netip.Prefix) (out []firewall.Entry) {
	for _, p := range list {
		out = append(out, firewall.Entry{Prefix: p})
	}
	return out
}

// Where a firewall says how much it holds, who is left out is chosen before anything is sent: nothing is refused, those worth
// most stand, and what becomes free is used in the same pass.
func TestWhoIsLeftOutIsChosenBeforeSending(t *testing.T) {
	for _, d := range []dialect.Dialect{
		{Limits: dialect.LimitsTold, Counting: dialect.CountingText}, {Limits: dialect.LimitsTold, Limit: dialect.LimitPerEntryError},
	} {
		t.Run(d.String(), func(t *testing.T) {
			const most = 1000
			l := newLab(t, func(o *panosim.Options) { o.MaxRegistered, o.Dialect = most, d }, func(o *labOptions) { o.BatchSize = 200 })
			now := l.clock.Now()
			forged, proven := l.claims(0, 800, room.Forgeable, now), l.claims(1000, 500, room.Proven, now.Add(-48*time.Hour))
			desired := slices.Concat(forged, proven)
			r := l.pass(desired, true)
			l.stands(best(desired, most))
			l.leftOut(r, desired, best(desired, most))
			if r.Room != (capacity.Room{Limit: capacity.Limit{Most: most, From: capacity.FromFirewall}, Used: most}) {
				t.Errorf("the room is %+v", r.Room)
			}
			for _, full := range []bool{false, true, false} {
				before := l.sim.Stats().Messages
				r = l.pass(desired, full)
				l.leftOut(r, desired, best(desired, most))
				if sent := l.sim.Stats().Messages - before; sent != 0 {
					t.Errorf("full %t: a firewall that is full is sent %d messages", full, sent)
				}
			}

			// What people release is free for others at once.
			released := firewall.PrefixSet(proven[:100])
			desired = slices.DeleteFunc(desired, func(e firewall.Entry) bool { return released[e.Prefix] })
			r = l.pass(desired, false)
			l.stands(best(desired, most))
			l.leftOut(r, desired, best(desired, most))
			if len(r.Unregistered) != 100 || len(r.Registered) != 100 {
				t.Errorf("after 100 releases %d go and %d come", len(r.Unregistered), len(r.Registered))
			}

			// When there is room for all, none is left out.
			desired = slices.Concat(forged, proven[400:])
			r = l.until(desired)
			l.stands(desired)
			l.leftOut(r, desired, desired)
		})
	}
}

// A list of blocked sources that grows beyond what the firewall holds is no reason for errors either.
func TestTheListGrowsBeyondTheRoom(t *testing.T) {
	const most = 300
	l := newLab(t, func(o *panosim.Options) {
		o.MaxRegistered, o.Dialect = most, dialect.Dialect{Limits: dialect.LimitsTold}
	}, nil)
	desired := l.claims(0, 290, room.Forgeable, l.clock.Now().Add(-time.Hour))
	l.level(desired)
	proven := l.claims(1000, 40, room.Proven, l.clock.Now())
	desired = append(desired, proven...)
	r := l.pass(desired, false)
	l.stands(best(desired, most))
	l.leftOut(r, desired, best(desired, most))
}

// What others have registered takes room as well.
func TestOthersTakeRoom(t *testing.T) {
	const most, theirs = 200, 60
	l := newLab(t, func(o *panosim.Options) {
		o.MaxRegistered, o.Dialect = most, dialect.Dialect{Limits: dialect.LimitsTold, Counting: dialect.CountingElement}
	}, nil)
	for i := range theirs {
		if err := l.sim.Addresses().Register("vsys1", host(20_000+i), "somebody", 0); err != nil {
			t.Fatal(err)
		}
	}
	desired := l.claims(0, most, room.Proven, l.clock.Now())
	r := l.pass(desired, true)
	l.stands(best(desired, most-theirs))
	l.leftOut(r, desired, best(desired, most-theirs))
	if r.Room.Used != most || r.Room.Others != theirs || r.Room.Percent() != 100 {
		t.Errorf("the room is %+v", r.Room)
	}
}

// A model that is said to hold more than this one does: what it takes is learned, and one message tried every time.
func TestAFirewallThatHoldsLessThanItsModel(t *testing.T) {
	for _, limit := range []dialect.Dialect{{Limit: dialect.LimitSilentDrop}, {Limit: dialect.LimitPerEntryError}} {
		t.Run(limit.String(), func(t *testing.T) {
			const most = 400
			l := newLab(t, func(o *panosim.Options) { o.Model, o.MaxRegistered, o.Dialect = "PA-220", most, limit }, func(o *labOptions) { o.BatchSize = 100 })
			desired := l.claims(0, 1300, room.Proven, l.clock.Now())
			l.level(desired)
			l.stands(best(desired, most))
			for _, full := range []bool{true, false, true, false} {
				before := l.sim.Stats().Messages
				r := l.pass(desired, full)
				if sent := l.sim.Stats().Messages - before; sent > 1 || !full && sent > 0 {
					t.Errorf("full %t: it is sent %d messages", full, sent)
				}
				if r.Standing != most || full && len(r.LeftOut) != 1300-most {
					t.Errorf("full %t: %d stand, %d are left out", full, r.Standing, len(r.LeftOut))
				}
			}
			l.stands(best(desired, most))
		})
	}
}

// A blacklist twice as long as what the firewall holds: it takes no more messages than what it holds, and then none.
func TestTwiceAsManyAsThereIsRoomFor(t *testing.T) {
	const most = 50_000
	l := newLab(t, func(o *panosim.Options) {
		o.MaxRegistered, o.Dialect = most, dialect.Dialect{Limits: dialect.LimitsTold}
	}, nil)
	desired := l.claims(0, 2*most, room.Proven, l.clock.Now())
	r := l.pass(desired, true)
	if s := l.sim.Stats(); r.Standing != most || len(r.LeftOut) != most || len(r.Refused) != 0 || s.Messages != most/500 {
		t.Errorf("%d stand, %d left out, %d refused, with %d messages", r.Standing, len(r.LeftOut), len(r.Refused), s.Messages)
	}
	if r := l.pass(desired, false); r.Calls != 0 || len(r.LeftOut) != most {
		t.Errorf("with nothing to do %d calls are made, and %d left out", r.Calls, len(r.LeftOut))
	}
	fresh := firewall.Entry{Prefix: host(120_000), Rank: room.Manual, Until: l.clock.Now().Add(time.Hour)}
	if r := l.pass(append(desired, fresh), false); r.Calls != 2 || len(r.Registered) != 1 || len(r.Unregistered) != 1 || len(r.LeftOut) != most+1 {
		t.Errorf("one that goes before others: %d calls, %d come, %d go, %d left out", r.Calls, len(r.Registered), len(r.Unregistered), len(r.LeftOut))
	}
}

// What has room and waits for the next pass is not said to be left out.
func TestWhatWaitsIsNotLeftOut(t *testing.T) {
	const most = 1000
	l := newLab(t, func(o *panosim.Options) {
		o.MaxRegistered, o.Dialect = most, dialect.Dialect{Limits: dialect.LimitsTold}
	},
		func(o *labOptions) { o.BatchSize, o.PassTime = 300, 1 })
	desired := l.claims(0, 1300, room.Proven, l.clock.Now())
	var waits []int
	for i := range 4 {
		r := l.pass(desired, i == 0)
		waits = append(waits, r.Backlog)
		l.leftOut(r, desired, best(desired, most))
	}
	if !slices.Equal(waits, []int{700, 400, 100, 0}) {
		t.Errorf("waiting are %v", waits)
	}
	l.stands(best(desired, most))
}

// However a firewall that holds 1,000 says so, of 1,300 the newest stand, the others are named, and what is released leaves its room to
// the newest of those in the same pass, until none is left out.
func TestThirteenHundredWhereThereIsRoomForAThousand(t *testing.T) {
	for _, d := range []dialect.Dialect{{Limits: dialect.LimitsTold}, {Limit: dialect.LimitSilentDrop}, {Limit: dialect.LimitPerEntryError}} {
		t.Run(d.String(), func(t *testing.T) {
			const most = 1000
			l := newLab(t, func(o *panosim.Options) { o.MaxRegistered, o.Dialect = most, d }, func(o *labOptions) { o.BatchSize = 100 })
			desired := l.claims(0, 1300, room.Proven, l.clock.Now())
			// they come in any order, and most of them before the newest
			l.level(slices.Concat(desired[500:], desired[200:500]))
			for range 3 { // what has the room changes places only by so much at once as the brake allows
				l.until(desired)
			}
			l.stands(best(desired, most))
			before, passes := l.sim.Stats().Messages, 10
			for i := range passes {
				if r := l.pass(desired, i%5 == 0); r.Standing != most || len(r.LeftOut)+len(r.Refused) < len(desired)-most {
					t.Errorf("%d stand, %d are left out, %d refused", r.Standing, len(r.LeftOut), len(r.Refused))
				}
			}
			if sent := l.sim.Stats().Messages - before; sent > 2 { // one that tries, in each full pass
				t.Errorf("with nothing to do it is sent %d messages in %d passes", sent, passes)
			}
			for len(desired) > most {
				desired = desired[100:] // the newest are released
				r := l.pass(desired, false)
				l.stands(best(desired, min(most, len(desired))))
				if left := len(desired) - most; len(r.LeftOut) != left || len(r.Registered) != 100 {
					t.Errorf("with %d desired %d come, and %d are left out", len(desired), len(r.Registered), len(r.LeftOut))
				}
				l.leftOut(r, desired, best(desired, most))
			}
		})
	}
}
