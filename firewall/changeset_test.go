package firewall

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var comparedAt = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// somePrefix draws from a small world, so that what is desired and what stands meet often.
func somePrefix() *rapid.Generator[netip.Prefix] {
	return rapid.Custom(func(t *rapid.T) netip.Prefix {
		n := byte(rapid.IntRange(0, 120).Draw(t, "host"))
		switch rapid.IntRange(0, 9).Draw(t, "form") {
		case 0:
			return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 51, 100, n}), rapid.IntRange(24, 31).Draw(t, "bits")).Masked()
		case 1:
			return netip.PrefixFrom(netip.MustParseAddr("2001:db8::").Next(), rapid.IntRange(32, 127).Draw(t, "bits")).Masked()
		case 2:
			a := netip.MustParseAddr("2001:db8::").As16()
			a[15] = n
			return netip.PrefixFrom(netip.AddrFrom16(a), 128)
		}
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, n}), 32)
	})
}

func someUntil() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.IntRange(0, 9).Draw(t, "unknown") == 0 {
			return time.Time{}
		}
		return comparedAt.Add(time.Duration(rapid.Int64Range(-100, 90*24*3600).Draw(t, "seconds")) * time.Second)
	})
}

type situation struct {
	desired []Entry
	actual  map[netip.Prefix]registration
	limits  limits
}

func someSituation(t *rapid.T) situation {
	entry := rapid.Custom(func(t *rapid.T) Entry {
		return Entry{Prefix: somePrefix().Draw(t, "prefix"), Until: someUntil().Draw(t, "until")}
	})
	held := rapid.Custom(func(t *rapid.T) registration { return registration{Until: someUntil().Draw(t, "held")} })
	s := situation{
		desired: rapid.SliceOfN(entry, 0, 150).Draw(t, "desired"),
		actual:  rapid.MapOfN(somePrefix(), held, 0, 150).Draw(t, "actual"),
		limits: limits{
			MaxRemovalPercent: rapid.IntRange(0, 100).Draw(t, "percent"), Now: comparedAt, MaxTimeout: maxTagTimeout, Networks: rapid.Bool().Draw(t, "networks"),
		},
	}
	return s
}

// carryOut does to actual what a firewall does with a changeset.
func carryOut(changes changeset, actual map[netip.Prefix]registration) map[netip.Prefix]registration {
	after := maps.Clone(actual)
	for _, c := range slices.Concat(changes.Register, changes.Renew) {
		after[c.Prefix] = registration{Until: comparedAt.Add(c.Timeout)}
	}
	for _, p := range changes.Unregister {
		delete(after, p)
	}
	return after
}

func TestChangesetProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := someSituation(t)
		before := maps.Clone(s.actual)
		changes := compare(s.desired, s.actual, s.limits)
		if !maps.Equal(before, s.actual) {
			t.Fatal("comparing changed what stands")
		}
		wanted := map[netip.Prefix]bool{}
		for _, e := range s.desired {
			wanted[e.Prefix] = true
		}
		unsupported := map[netip.Prefix]bool{}
		for _, u := range changes.Unsupported {
			unsupported[u.Prefix] = true
			if u.Prefix.IsSingleIP() || s.limits.Networks && u.Prefix.Addr().Is4() || u.Reason == "" {
				t.Fatalf("%v is called unsupported: %q", u.Prefix, u.Reason)
			}
		}
		for _, p := range changes.Unregister {
			if _, owned := s.actual[p]; !owned || wanted[p] {
				t.Fatalf("%v would be removed: owned %v, wanted %v", p, owned, wanted[p])
			}
		}
		for _, c := range slices.Concat(changes.Register, changes.Renew) {
			if !wanted[c.Prefix] || unsupported[c.Prefix] || c.Timeout < minTagTimeout || c.Timeout > maxTagTimeout || c.Timeout%time.Second != 0 {
				t.Fatalf("would register %v for %v: wanted %v, unsupported %v", c.Prefix, c.Timeout, wanted[c.Prefix], unsupported[c.Prefix])
			}
		}
		after := carryOut(changes, s.actual)
		for p := range after {
			if !wanted[p] && changes.Braked == nil {
				t.Fatalf("%v stands and is not desired", p)
			}
		}
		for p := range wanted {
			if _, stands := after[p]; stands == unsupported[p] {
				t.Fatalf("%v stands: %v, unsupported: %v", p, stands, unsupported[p])
			}
		}
		again := compare(s.desired, after, s.limits)
		if len(again.Register) > 0 || len(again.Renew) > 0 || len(again.Unregister) > 0 {
			t.Fatalf("a second changeset still changes something: %+v", again)
		}
		shuffled := slices.Clone(s.desired)
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if other := compare(shuffled, s.actual, s.limits); !reflect.DeepEqual(changes, other) {
			t.Fatalf("another order of what is desired gives another changeset:\n%+v\n%+v", changes, other)
		}
	})
}

func TestBrakeArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		standing := rapid.IntRange(0, 400).Draw(t, "standing")
		remove := rapid.IntRange(0, standing).Draw(t, "remove")
		percent := rapid.IntRange(0, 100).Draw(t, "percent")
		actual := map[netip.Prefix]registration{}
		var desired []Entry
		for i := range standing {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 32)
			actual[p] = registration{Until: comparedAt.Add(time.Hour)}
			if i >= remove {
				desired = append(desired, Entry{Prefix: p, Until: comparedAt.Add(time.Hour)})
			}
		}
		fresh := netip.MustParsePrefix("192.0.2.7/32")
		desired = append(desired, Entry{Prefix: fresh, Until: comparedAt.Add(time.Hour)})
		changes := compare(desired, actual, limits{MaxRemovalPercent: percent, Now: comparedAt})
		brake := remove > 50 && float64(remove)/float64(standing) > float64(percent)/100
		switch {
		case brake != (changes.Braked != nil):
			t.Fatalf("removing %d of %d with a limit of %d %%: braked %v", remove, standing, percent, changes.Braked)
		case brake && len(changes.Unregister) != 0, !brake && len(changes.Unregister) != remove:
			t.Fatalf("braked %v, removing %d of %d", brake, len(changes.Unregister), remove)
		case brake && (changes.Braked.Remove != remove || changes.Braked.Standing != standing || changes.Braked.Percent != percent || changes.Braked.Share <= percent || !strings.Contains(changes.Braked.String(), "none of them was removed")):
			t.Fatalf("brake %+v for %d of %d", *changes.Braked, remove, standing)
		case len(changes.Register) != 1 || changes.Register[0].Prefix != fresh:
			t.Fatalf("what is new is not registered: %v", changes.Register)
		}
	})
}

func TestBrakeEdges(t *testing.T) {
	for _, test := range []struct {
		standing, remove, percent int
		braked                    bool
	}{
		{50, 50, 0, false}, {51, 51, 0, true}, {51, 51, 99, true}, {51, 51, 100, false},
		{200, 60, 30, false}, {200, 61, 30, true}, {1000, 300, 30, false}, {1000, 301, 30, true},
	} {
		actual := map[netip.Prefix]registration{}
		var desired []Entry
		for i := range test.standing {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 32)
			actual[p] = registration{Until: comparedAt.Add(time.Hour)}
			if i >= test.remove {
				desired = append(desired, Entry{Prefix: p, Until: comparedAt.Add(time.Hour)})
			}
		}
		changes := compare(desired, actual, limits{MaxRemovalPercent: test.percent, Now: comparedAt})
		if (changes.Braked != nil) != test.braked {
			t.Errorf("%+v: %v", test, changes.Braked)
		}
	}
}

// What may not be blocked at all goes in any number, and neither puts the brake on for the others nor takes it off.
func TestWhatMayNotBeBlockedPassesTheBrake(t *testing.T) {
	for _, test := range []struct {
		standing, spared, lost int // of what stands, how many may not be blocked, and how many others are not desired
		braked                 bool
	}{
		{2000, 1000, 1000, true}, {2000, 1000, 0, false}, {2000, 1000, 300, false}, {2000, 1000, 301, true}, {1000, 1000, 0, false}, {60, 9, 51, true}, {60, 10, 50, false},
	} {
		at := func(i int) netip.Prefix {
			return netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 32)
		}
		actual := map[netip.Prefix]registration{}
		now, _ := groupOf(0)
		var desired []Entry
		for i := range test.standing {
			actual[at(i)] = registration{Until: comparedAt.Add(time.Hour)}
			now.objects[groupNames.object(at(i))] = at(i)
			now.members = append(now.members, groupNames.object(at(i)))
			if i >= test.spared+test.lost {
				desired = append(desired, Entry{Prefix: at(i), Until: comparedAt.Add(time.Hour)})
			}
		}
		may := func(p netip.Prefix) bool { return !p.Addr().Less(at(test.spared).Addr()) }
		goes := test.spared
		if !test.braked {
			goes += test.lost
		}
		tags := compare(desired, actual, limits{MaxRemovalPercent: 30, Now: comparedAt, MayBlock: may})
		group := compareGroup(groupNames, desired, now, 10_000, 30, may)
		for mode, got := range map[string]struct {
			goes  int
			brake *Brake
		}{"tags": {len(tags.Unregister), tags.Braked}, "group": {len(group.remove), group.braked}} {
			if got.goes != goes || (got.brake != nil) != test.braked || got.brake != nil && (got.brake.Remove != test.lost || got.brake.Standing != test.standing-test.spared) {
				t.Errorf("%s, %+v: %d go, brake %+v", mode, test, got.goes, got.brake)
			}
		}
	}
}

func TestChangesetTimeouts(t *testing.T) {
	p := netip.MustParsePrefix("203.0.113.9/32")
	const day = 24 * time.Hour
	at := func(d time.Duration) time.Time { return comparedAt.Add(d) }
	tests := []struct {
		name          string
		wanted        time.Time
		stands        bool
		held          time.Time
		register, new time.Duration // of the registration or renewal; 0: none
	}{
		{"missing", at(day), false, time.Time{}, day, 0},
		{"missing, a part of a second is rounded up", at(day + time.Millisecond), false, time.Time{}, day + time.Second, 0},
		{"missing, nearly over", at(time.Second), false, time.Time{}, time.Minute, 0},
		{"missing, over", at(-day), false, time.Time{}, time.Minute, 0},
		{"missing, longer than the firewall can", at(90 * day), false, time.Time{}, 30 * day, 0},
		{"missing, without end", time.Time{}, false, time.Time{}, 30 * day, 0},
		{"standing as wanted", at(day), true, at(day), 0, 0},
		{"standing longer than wanted", at(day), true, at(2 * day), 0, 0},
		{"standing, end unknown", at(day), true, time.Time{}, 0, day},
		{"new activity, most of the time left", at(30 * day), true, at(16 * day), 0, 0},
		{"new activity, exactly half left", at(30 * day), true, at(15 * day), 0, 0},
		{"new activity, less than half left", at(30 * day), true, at(15*day - time.Second), 0, 30 * day},
		{"long block, less than half left", at(90 * day), true, at(14 * day), 0, 30 * day},
		{"without end, less than half left", time.Time{}, true, at(14 * day), 0, 30 * day},
		{"nearly over as wanted", at(10 * time.Second), true, at(10 * time.Second), 0, 0},
		{"held end has passed, wanted later", at(day), true, at(-time.Second), 0, day},
		{"made longer by an operator", at(10 * day), true, at(day), 0, 10 * day},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			actual := map[netip.Prefix]registration{}
			if test.stands {
				actual[p] = registration{Until: test.held}
			}
			changes := compare([]Entry{{Prefix: p, Until: test.wanted}}, actual, limits{MaxRemovalPercent: 30, Now: comparedAt})
			check := func(what string, got []change, want time.Duration) {
				if want == 0 && len(got) == 0 {
					return
				}
				if len(got) != 1 || got[0] != (change{p, want}) {
					t.Errorf("%s %v, want %v", what, got, want)
				}
			}
			check("register", changes.Register, test.register)
			check("renew", changes.Renew, test.new)
		})
	}
}

func TestChangesetOrder(t *testing.T) {
	entry := func(text string, since, until time.Duration) Entry {
		e := Entry{Prefix: netip.MustParsePrefix(text), Until: comparedAt.Add(until)}
		if since != 0 {
			e.Since = comparedAt.Add(-since)
		}
		return e
	}
	changes := compare([]Entry{
		entry("203.0.113.1/32", 0, time.Hour),
		entry("203.0.113.2/32", 0, 3*time.Hour),
		entry("203.0.113.3/32", time.Minute, time.Hour), // began last, though it ends early
		entry("203.0.113.5/32", 0, 2*time.Hour),
		entry("203.0.113.4/32", 0, 2*time.Hour),
		entry("::ffff:203.0.113.4/128", 0, 4*time.Hour), // the same as .4, later end
		{},
		entry("2001:db8::/64", 0, time.Hour),
		entry("198.51.100.0/24", 0, time.Hour),
	}, map[netip.Prefix]registration{
		netip.MustParsePrefix("2001:db8::1/128"):   {},
		netip.MustParsePrefix("192.0.2.200/32"):    {},
		netip.MustParsePrefix("192.0.2.30/32"):     {},
		netip.MustParsePrefix("198.51.100.0/28"):   {},
		netip.MustParsePrefix("198.51.100.128/32"): {},
	}, limits{MaxRemovalPercent: 30, Now: comparedAt})
	var register []string
	for _, c := range changes.Register {
		register = append(register, c.Prefix.String())
	}
	if want := []string{"203.0.113.3/32", "203.0.113.4/32", "203.0.113.2/32", "203.0.113.5/32", "203.0.113.1/32"}; !slices.Equal(register, want) {
		t.Errorf("register %v, want %v", register, want)
	}
	var remove []string
	for _, p := range changes.Unregister {
		remove = append(remove, p.String())
	}
	if want := []string{"192.0.2.30/32", "192.0.2.200/32", "198.51.100.0/28", "198.51.100.128/32", "2001:db8::1/128"}; !slices.Equal(remove, want) {
		t.Errorf("unregister %v, want %v", remove, want)
	}
	if len(changes.Unsupported) != 3 || !strings.Contains(changes.Unsupported[1].Reason, "10.0") || !strings.Contains(changes.Unsupported[2].Reason, "IPv6") {
		t.Errorf("unsupported %+v", changes.Unsupported)
	}
}

func BenchmarkChangeset(b *testing.B) {
	const n = 50_000
	desired := make([]Entry, n)
	actual := make(map[netip.Prefix]registration, n)
	for i := range desired {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 32)
		desired[i] = Entry{Prefix: p, Until: comparedAt.Add(time.Duration(i) * time.Minute)}
		actual[p] = registration{Until: desired[i].Until.Add(maxTagTimeout)}
	}
	bounds := limits{MaxRemovalPercent: 30, Now: comparedAt}
	b.Run("nothing to do", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if changes := compare(desired, actual, bounds); len(changes.Register)+len(changes.Renew)+len(changes.Unregister) > 0 {
				b.Fatal("something to do")
			}
		}
	})
	b.Run("everything new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if changes := compare(desired, nil, bounds); len(changes.Register) != n {
				b.Fatal("not everything is new")
			}
		}
	})
}
