package firewall_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/room"
)

// claims are entries of one rank; the first was seen last.
func (l *lab) claims(from, n int, rank room.Rank, seen time.Time) (list []firewall.Entry) {
	for i, e := range l.entries(from, n) {
		e.Rank, e.LastSeen = rank, seen.Add(-time.Duration(i)*time.Hour)
		list = append(list, e)
	}
	return list
}

// until makes passes that are not full until nothing is left to do.
func (l *lab) until(desired []firewall.Entry) firewall.Report {
	l.t.Helper()
	for range 50 {
		if r := l.pass(desired, false); r.Backlog == 0 && len(r.Registered)+len(r.Unregistered) == 0 {
			return r
		}
	}
	l.t.Fatal("it is never level")
	return firewall.Report{}
}

// However a firewall says that it is full: what is proven takes the place of what is forgeable, at once, and no flood of forged
// sources takes a place of theirs.
func TestWhatIsProvenHasTheRoom(t *testing.T) {
	for _, limit := range []dialect.Dialect{{Limit: dialect.LimitSilentDrop}, {Limit: dialect.LimitPerEntryError}} {
		t.Run(limit.String(), func(t *testing.T) {
			const most = 200
			l := newLab(t, func(o *panosim.Options) { o.MaxRegistered, o.Dialect = most, limit }, func(o *labOptions) { o.BatchSize = 50 })
			now := l.clock.Now()
			forged := l.claims(0, most+100, room.Forgeable, now)
			l.level(forged)
			l.stands(forged[:most])

			// Attackers that were proven, long quiet most of them, and one that a person blocked.
			proven := l.claims(1000, 40, room.Proven, now.Add(-24*time.Hour))
			manual := l.claims(2000, 1, room.Manual, now.Add(-365*24*time.Hour))
			desired := slices.Concat(forged, proven, manual)
			r := l.until(desired)
			want := slices.Concat(proven, manual, forged[:most-41])
			l.stands(want)
			if r.Standing != most || len(r.LeftOut) != len(desired)-most {
				t.Errorf("%d stand, %d are left out", r.Standing, len(r.LeftOut))
			}

			flood := l.claims(10_000, 3000, room.Forgeable, now.Add(time.Hour))
			desired = append(desired, flood...)
			for _, full := range []bool{false, true, false} {
				l.pass(desired, full)
				for _, e := range slices.Concat(proven, manual) {
					if _, ok := l.sim.Addresses().Tagged("vsys1", tag)[e.Prefix]; !ok {
						t.Fatalf("%s has lost its place to a flood", e.Prefix)
					}
				}
			}

			// Room comes when one is released: who was left out gets it.
			released := proven[0].Prefix
			desired = slices.DeleteFunc(desired, func(e firewall.Entry) bool { return e.Prefix == released })
			if r := l.until(desired); r.Standing != most {
				t.Errorf("%d stand after a release", r.Standing)
			}
		})
	}
}

// No pass takes away more to make room than the brake lets go of at once.
func TestRoomIsMadeInStepsThatTheBrakeAllows(t *testing.T) {
	const most = 400
	l := newLab(t, func(o *panosim.Options) { o.MaxRegistered = most }, func(o *labOptions) { o.MaxRemovalPercent, o.BatchSize = 25, 500 })
	forged := l.claims(0, most+1, room.Forgeable, l.clock.Now())
	l.level(forged)
	desired := slices.Concat(forged, l.claims(1000, 300, room.Proven, l.clock.Now()))
	var steps []int
	for range 5 {
		r := l.pass(desired, false)
		if r.Braked != nil {
			t.Fatalf("braked: %s", r.Braked)
		}
		steps = append(steps, len(r.Unregistered))
	}
	if !slices.Equal(steps, []int{100, 100, 100, 0, 0}) {
		t.Errorf("taken away are %v", steps)
	}
}

// A firewall that holds everything is asked for nothing, whatever the claims.
func TestRoomIsNotMadeWithoutNeed(t *testing.T) {
	l := newLab(t, nil, nil)
	desired := slices.Concat(l.claims(0, 100, room.Forgeable, l.clock.Now()), l.claims(1000, 100, room.Proven, l.clock.Now()))
	l.level(desired)
	if r := l.pass(desired, false); r.Calls != 0 || len(r.LeftOut) != 0 {
		t.Errorf("%d calls, left out are %v", r.Calls, r.LeftOut)
	}
	var all []netip.Prefix
	for _, e := range desired {
		all = append(all, e.Prefix)
	}
	if got := len(l.sim.Addresses().Tagged("vsys1", tag)); got != len(all) {
		t.Errorf("%d stand", got)
	}
}

// A source that the firewall refuses for another reason costs nobody the place for good.
func TestWhoMadeWayInVainReturns(t *testing.T) {
	const bad = "198.18.4.0" // the first of the proven ones
	l := newLab(t, nil, nil)
	newFront(t, l, func(w http.ResponseWriter, _ *http.Request, form url.Values) bool {
		return register(form) && strings.Contains(form.Get("cmd"), `"`+bad+`"`) &&
			say(w, `<response status="error"><msg><line><uid-response><payload><register><entry ip="`+bad+`" message="no"/></register></payload></uid-response></line></msg></response>`)
	})
	forged := l.claims(0, 20, room.Forgeable, l.clock.Now())
	l.level(forged)
	desired := slices.Concat(forged, l.claims(4*256, 1, room.Proven, l.clock.Now()))
	for _, full := range []bool{false, true, false} {
		r := l.pass(desired, full)
		l.stands(forged)
		if r.Standing != len(forged) || len(r.Unregistered) != 0 || len(r.LeftOut) != 0 {
			t.Errorf("full %t: %d stand, unregistered %v, left out %v", full, r.Standing, r.Unregistered, r.LeftOut)
		}
	}
	if r := l.pass(desired, false); r.Calls != 0 {
		t.Errorf("it is tried again in every pass: %d calls", r.Calls)
	}
}

// Of an IPv6 network, which no tag can hold, the addresses that were seen are tagged, and those that are no longer among the
// newest are let go; the network itself is named as what the list has to hold.
func TestMembersOfANetworkAreTaggedSingly(t *testing.T) {
	l := newLab(t, nil, nil)
	network := firewall.Entry{Prefix: netip.MustParsePrefix("2001:db8:1::/64"), Until: l.clock.Now().Add(time.Hour)}
	member := func(last string) netip.Addr { return netip.MustParseAddr("2001:db8:1::" + last) }
	single := func(last string) firewall.Entry { return firewall.Entry{Prefix: netip.PrefixFrom(member(last), 128)} }
	for _, step := range []struct {
		members []netip.Addr
		stands  []firewall.Entry
	}{
		{[]netip.Addr{member("1"), member("2")}, []firewall.Entry{single("1"), single("2")}},
		{[]netip.Addr{member("3"), member("1")}, []firewall.Entry{single("3"), single("1")}},
		{nil, nil},
	} {
		network.Members = step.members
		r := l.pass([]firewall.Entry{network}, false)
		l.stands(step.stands)
		if len(r.Unsupported) != 1 || r.Unsupported[0].Prefix != network.Prefix {
			t.Errorf("unsupported are %v", r.Unsupported)
		}
	}
	l.pass(nil, true)
	l.stands(nil)
}
