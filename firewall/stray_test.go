package firewall_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"activedefense/firewall"
)

// A maker says which addresses were never ours, and remembers what it was asked.
type maker struct {
	ours  map[netip.Prefix]bool
	fault error
	asked []netip.Prefix
}

func (m *maker) stray(_ context.Context, standing []netip.Prefix) (strays []netip.Prefix, err error) {
	m.asked = append(m.asked, standing...)
	for _, p := range standing {
		if !m.ours[p] {
			strays = append(strays, p)
		}
	}
	return strays, m.fault
}

// made notes that these were ours.
func (m *maker) made(entries []firewall.Entry) {
	for _, e := range entries {
		m.ours[e.Prefix] = true
	}
}

// What another put under our tag is not removed, whatever comes and goes of ours; what was ours is, in the same passes.
func TestStraysAreNotRemoved(t *testing.T) {
	m := &maker{ours: map[netip.Prefix]bool{}}
	l := newLab(t, nil, func(o *labOptions) { o.Stray = m.stray })
	theirs, former, desired := l.entries(1000, 40), l.entries(2000, 5), l.entries(0, 10)
	register := func(entries []firewall.Entry) {
		t.Helper()
		for _, e := range entries {
			if err := l.sim.Addresses().Register("vsys1", e.Prefix, tag, 10*24*time.Hour); err != nil {
				t.Fatal(err)
			}
		}
	}
	register(theirs)
	register(former)
	m.made(former)
	m.made(desired)
	expect := func(when string, r firewall.Report, strays, asked int, stand ...firewall.Entry) {
		t.Helper()
		if len(r.Stray) != strays || len(m.asked) != asked || r.Braked != nil {
			t.Errorf("%s: %d strays, not %d; asked of %d, not %d; brake %v", when, len(r.Stray), strays, len(m.asked), asked, r.Braked)
		}
		l.stands(stand)
		m.asked = nil
	}
	both := slices.Concat(desired, theirs)
	expect("at first", l.pass(desired, false), 40, 45, both...)
	expect("a release", l.pass(desired[1:], false), 0, 0, both[1:]...)
	expect("a full pass", l.pass(desired[1:], true), 40, 40, both[1:]...)
	late := l.entries(3000, 1)
	register(late)
	expect("one more", l.pass(desired[1:], true), 41, 41, slices.Concat(both[1:], late)...)

	m.fault = errors.New("the database is away")
	expect("nobody knows", l.pass(desired[1:], true), 0, 41, slices.Concat(both[1:], late)...)
	m.fault = nil

	m.made(late) // it is blocked here too, and then released
	expect("one of theirs is ours too", l.pass(append(desired[1:], late...), false), 0, 0, slices.Concat(both[1:], late)...)
	expect("and no longer", l.pass(desired[1:], false), 0, 0, both[1:]...)

	m.made(theirs) // a person says so
	expect("all of them are ours", l.pass(desired[1:], true), 0, 40, desired[1:]...)
}

// The brake counts what is ours alone: what others put there makes no share smaller.
func TestTheBrakeDoesNotCountStrays(t *testing.T) {
	m := &maker{ours: map[netip.Prefix]bool{}}
	l := newLab(t, nil, func(o *labOptions) { o.Stray = m.stray })
	for _, e := range l.entries(1000, 500) {
		if err := l.sim.Addresses().Register("vsys1", e.Prefix, tag, 10*24*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	desired := l.entries(0, 60)
	m.made(desired)
	l.pass(desired, true)
	if r := l.pass(nil, true); r.Braked == nil || r.Braked.Remove != 60 || r.Braked.Standing != 60 {
		t.Errorf("brake %v", r.Braked)
	}
}

// The tags of rules are not taken from what another registered, either.
func TestStraysKeepTheTagsOfTheirRules(t *testing.T) {
	m := &maker{ours: map[netip.Prefix]bool{}}
	l := newTagged(t, nil, func(o *labOptions) { o.Stray = m.stray })
	theirs := l.entries(1000, 3)
	for _, e := range theirs {
		for _, tag := range []string{tag, "slow"} {
			if err := l.sim.Addresses().Register("vsys1", e.Prefix, tag, 10*24*time.Hour); err != nil {
				t.Fatal(err)
			}
		}
	}
	ours := withTag(l.entries(0, 2), "slow")
	m.made(ours)
	l.bring(ours, true)
	l.bear("beside ours", "slow", slices.Concat(ours, theirs))
	l.bring(nil, true)
	l.bear("when ours are gone", "slow", theirs)
	l.bear("when ours are gone", tag, theirs)
}

// In a group, likewise; and what is not ours is not told as held, so that it is not taken for ours later.
func TestStraysStayInTheGroup(t *testing.T) {
	l := newGroupLab(t, nil)
	l.pass(l.block("203.0.113.1", "203.0.113.2", "203.0.113.3"), false)

	m := &maker{ours: map[netip.Prefix]bool{}}
	l.restart() // another, which never blocked the first
	var err error
	if l.group, err = firewall.NewGroup(firewall.GroupOptions{Names: firewall.NamesFor(tag), CommitInterval: time.Minute, Stray: m.stray}, l.device); err != nil {
		t.Fatal(err)
	}
	m.made(l.block("203.0.113.2", "203.0.113.3", "203.0.113.4"))
	l.clock.move(time.Hour)
	first := netip.MustParsePrefix("203.0.113.1/32")
	r := l.pass(l.block("203.0.113.3", "203.0.113.4"), false)
	l.wants("203.0.113.1", "203.0.113.3", "203.0.113.4")
	if want := []netip.Prefix{first}; !slices.Equal(r.Stray, want) {
		t.Errorf("strays %v", r.Stray)
	}
	for _, list := range [][]firewall.Entry{r.Registered, r.Renewed, r.Seen} {
		for _, e := range list {
			if e.Prefix == first || !e.Prefix.IsValid() {
				t.Errorf("%v is told as held: %+v", e.Prefix, r)
			}
		}
	}
	l.clock.move(time.Hour)
	l.pass(l.block("203.0.113.3"), false)
	l.wants("203.0.113.1", "203.0.113.3")
	m.made(l.block("203.0.113.1"))
	l.clock.move(time.Hour)
	l.pass(l.block("203.0.113.3"), true)
	l.wants("203.0.113.3")
}
