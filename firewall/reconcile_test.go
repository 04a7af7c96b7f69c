package firewall_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/userid"
)

func TestFewCalls(t *testing.T) {
	l := newLab(t, nil, nil)
	const n = 20_000
	desired := l.entries(0, n)
	began := time.Now()
	if r := l.pass(desired, false); r.Backlog != 0 || len(r.Registered) != n {
		t.Errorf("registered %d, backlog %d", len(r.Registered), r.Backlog)
	}
	t.Logf("%d addresses in %v, %v", n, time.Since(began), l.sim.Stats().Calls)
	l.stands(desired)
	if s := l.sim.Stats(); s.Messages != 40 || s.MaxEntries != 500 || s.Largest > 5<<20 {
		t.Errorf("%d messages of at most %d entries and %d bytes, want 40 of 500", s.Messages, s.MaxEntries, s.Largest)
	}
	if l.calls(panosim.KindSystemInfo) != 1 || l.calls(panosim.KindRegisteredIP) > 2+41 {
		t.Errorf("calls %v, want one system info, one empty page, one count, and at most 41 pages to confirm", l.sim.Stats().Calls)
	}
	l.sim.ResetStats()
	if r := l.pass(desired, false); r.Calls != 0 || r.Standing != n || len(l.sim.Stats().Calls) != 0 {
		t.Errorf("nothing to do took %d calls (%v), standing %d", r.Calls, l.sim.Stats().Calls, r.Standing)
	}
	desired = append(desired, firewall.Entry{Prefix: host(n), Until: l.clock.Now().Add(time.Hour)})
	began = time.Now()
	if r := l.pass(desired, false); r.Calls != 1 || len(r.Registered) != 1 || r.Registered[0].Prefix != host(n) {
		t.Errorf("one new block took %d calls: %+v", r.Calls, r)
	}
	t.Logf("one new block beside %d: %v", n, time.Since(began))
	l.stands(desired)
}

func TestEveryDialect(t *testing.T) {
	dialects := firewall.EveryDialect()
	for i, d := range dialects {
		versions := []string{"10.2.9-h1"}
		if i == 0 || i == len(dialects)-1 {
			versions = append(versions, "9.0.0", "11.1.13-h3")
		}
		for _, version := range versions {
			t.Run(version+"/"+d.String(), func(t *testing.T) {
				t.Parallel()
				l := newLab(t, func(o *panosim.Options) { o.Version, o.Dialect = version, d }, func(o *labOptions) { o.BatchSize = 50 })
				n := 130
				if d.PageCount != dialect.CountPage || i == 0 {
					n = 530 // more than a page
				}
				life(l, n)
			})
		}
	}
}

// life takes a firewall through everything that happens to it in months, and wants it level each time.
func life(l *lab, n int) {
	t := l.t
	other := host(5000)
	if err := l.sim.Addresses().Register("vsys1", other, "somebody-else", 0); err != nil {
		t.Fatal(err)
	}
	if err := l.sim.Addresses().Register("vsys1", host(3), "somebody-else", 0); err != nil {
		t.Fatal(err)
	}
	// One that bears our tag, for ever, and is not wanted; and one that is.
	for _, i := range []int{5001, 4} {
		if err := l.sim.Addresses().Register("vsys1", host(i), tag, 0); err != nil {
			t.Fatal(err)
		}
	}
	desired := l.entries(0, n)
	desired = append(desired,
		firewall.Entry{Prefix: netip.MustParsePrefix("2001:db8::1/128"), Until: l.clock.Now().Add(48 * time.Hour)},
		firewall.Entry{Prefix: netip.MustParsePrefix("2001:db8:1::/64"), Until: l.clock.Now().Add(48 * time.Hour)},
	)
	supported := desired[:n+1]
	r := l.level(desired)
	if len(r.Unsupported) != 1 || len(r.Refused) != 0 || r.Standing != n+1 {
		t.Fatalf("unsupported %v, refused %v, standing %d", r.Unsupported, r.Refused, r.Standing)
	}
	l.stands(supported)
	if r := l.pass(desired, false); r.Calls != 0 {
		t.Fatalf("nothing to do took %d calls: %+v", r.Calls, r)
	}

	// The memory of our side is lost, with and without what was written down.
	l.restart()
	l.level(desired)
	l.stands(supported)
	until := map[netip.Prefix]time.Time{}
	for p, got := range l.sim.Addresses().Tagged("vsys1", tag) {
		until[p] = got.Expires
	}
	l.restart().Restore(until)
	if r := l.level(desired); len(r.Renewed) != 0 || len(r.Registered) != 0 {
		t.Fatalf("renewed %d and registered %d although it was known what stands", len(r.Renewed), len(r.Registered))
	}

	// A few are released by hand, some are removed behind our back, one of ours comes from somewhere else.
	desired, supported = desired[20:], supported[20:]
	for i := 30; i < 60; i++ {
		if err := l.sim.Addresses().Unregister("vsys1", host(i), tag); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.sim.Addresses().Register("vsys1", host(5002), tag, time.Hour); err != nil {
		t.Fatal(err)
	}
	if r := l.pass(desired, false); len(r.Unregistered) != 20 {
		t.Fatalf("%d released, want 20", len(r.Unregistered))
	}
	if r := l.level(desired); len(r.Gone) != 30 || len(r.Unregistered) != 1 {
		t.Fatalf("%d gone, %d unregistered", len(r.Gone), len(r.Unregistered))
	}
	l.stands(supported)

	// Activity goes on: ends move, and registrations are renewed in time.
	for range 6 {
		for i := range desired {
			desired[i].Until = l.clock.Now().Add(30 * 24 * time.Hour)
		}
		l.level(desired)
		l.stands(supported)
		l.clock.move(8 * 24 * time.Hour)
	}

	// The firewall restarts, and is cleared.
	l.sim.Reboot()
	l.level(desired)
	l.stands(supported)
	l.sim.Addresses().Clear("vsys1")
	if r := l.level(desired); r.Standing != len(supported) {
		t.Fatalf("%d stand after the firewall was cleared, want %d", r.Standing, len(supported))
	}
	l.stands(supported)

	// Everything ends by itself, whether or not we live.
	l.clock.move(31 * 24 * time.Hour)
	if left := l.sim.Addresses().Tagged("vsys1", tag); len(left) != 0 {
		t.Fatalf("%d outlive us", len(left))
	}
	if r := l.level(nil); r.Standing != 0 || len(r.Unregistered) != 0 || r.Braked != nil {
		t.Fatalf("after everything has run out: %+v", r)
	}
}

func TestOthersAreLeftAlone(t *testing.T) {
	l := newLab(t, nil, nil)
	if err := l.sim.Addresses().Register("vsys1", host(1), "theirs", 0); err != nil {
		t.Fatal(err)
	}
	if err := l.sim.Addresses().Register("vsys1", host(9), "theirs", time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := l.sim.Addresses().Register("vsys1", netip.MustParsePrefix("198.51.100.0/24"), "theirs", 0); err != nil {
		t.Fatal(err)
	}
	l.level(l.entries(0, 3))
	l.level(nil)
	got := l.sim.Addresses().Registered("vsys1")
	for _, p := range []netip.Prefix{host(1), host(9), netip.MustParsePrefix("198.51.100.0/24")} {
		if !slices.Equal(got[p], []string{"theirs"}) {
			t.Errorf("%s bears %v", p, got[p])
		}
	}
	if len(got) != 3 {
		t.Errorf("%d addresses stand, want 3: %v", len(got), got)
	}
}

func TestNetworks(t *testing.T) {
	desired := []firewall.Entry{
		{Prefix: netip.MustParsePrefix("198.51.100.0/24"), Until: newClock().Now().Add(time.Hour)},
		{Prefix: netip.MustParsePrefix("203.0.113.9/32"), Until: newClock().Now().Add(time.Hour)},
	}
	l := newLab(t, nil, nil)
	l.level(desired)
	l.stands(desired)
	old := newLab(t, func(o *panosim.Options) { o.Version = "9.1.16" }, nil)
	if r := old.level(desired); len(r.Unsupported) != 1 || r.Unsupported[0].Prefix != desired[0].Prefix {
		t.Errorf("unsupported: %v", r.Unsupported)
	}
	old.stands(desired[1:])
}

func TestBrake(t *testing.T) {
	l := newLab(t, nil, nil)
	desired := l.entries(0, 1000)
	l.level(desired)
	fresh := append(slices.Clone(desired[900:]), firewall.Entry{Prefix: host(2000), Until: l.clock.Now().Add(time.Hour)})
	for _, full := range []bool{false, true} {
		r := l.pass(fresh, full)
		if r.Braked == nil || r.Braked.Remove != 900 || r.Braked.Percent != 30 || len(r.Unregistered) != 0 {
			t.Fatalf("full %v: braked %+v, %d unregistered", full, r.Braked, len(r.Unregistered))
		}
	}
	if got := l.sim.Addresses().Tagged("vsys1", tag); len(got) != 1001 {
		t.Fatalf("%d stand, want the 1000 and the new one", len(got))
	}
	l.opts.MaxRemovalPercent = 100
	l.restart()
	l.level(fresh)
	l.stands(fresh)
}

// A thousand that may not be blocked any more leave in one pass, while an equally large loss that nobody explains is held back.
func TestTheAllowListPassesTheBrake(t *testing.T) {
	var allowed map[netip.Prefix]bool
	l := newTagged(t, nil, func(o *labOptions) {
		o.MaxRemovalPercent, o.MayBlock = 30, func(p netip.Prefix) bool { return !allowed[p] }
	})
	spared, lost := withTag(l.entries(0, 1000), "slow"), withTag(l.entries(2000, 1000), "slow")
	l.bring(slices.Concat(spared, lost), true)
	allowed = firewall.PrefixSet(spared)
	if err := l.sim.Addresses().Unregister("vsys1", spared[0].Prefix, tag); err != nil { // somebody else did a part
		t.Fatal(err)
	}
	for _, full := range []bool{true, false} {
		r, err := l.tags.Reconcile(t.Context(), nil, full)
		if err != nil || r.Braked == nil || r.Braked.Remove != 1000 || r.Braked.Standing != 1000 {
			t.Fatalf("full %v: braked %+v, %d unregistered: %v", full, r.Braked, len(r.Unregistered), err)
		}
		l.stands(lost)
		l.bear("with the brake", "slow", lost)
	}
}

func TestCapacity(t *testing.T) {
	for _, d := range []dialect.Dialect{{Limit: dialect.LimitSilentDrop}, {Limit: dialect.LimitPerEntryError}} {
		t.Run(d.String(), func(t *testing.T) {
			const room = 700
			l := newLab(t, func(o *panosim.Options) { o.MaxRegistered, o.Dialect = room, d }, func(o *labOptions) { o.BatchSize = 100 })
			desired := l.entries(0, 2000)
			r := l.pass(desired, true)
			for r.Backlog > 0 {
				r = l.pass(desired, false)
			}
			// Those that stay longest began last, as far as is known, and were sent first.
			l.stands(desired[:room])
			r = l.pass(desired, true)
			if r.Standing != room || len(r.Refused) != 2000-room || len(r.Registered) != 0 || r.Refused[0].Message == "" {
				t.Fatalf("standing %d, refused %d, registered %d", r.Standing, len(r.Refused), len(r.Registered))
			}
			if r := l.pass(desired, false); r.Calls != 0 {
				t.Errorf("a firewall that is full is called %d times in a pass", r.Calls)
			}
			before := l.sim.Stats().Messages
			l.pass(desired, true)
			if sent := l.sim.Stats().Messages - before; sent != 1 {
				t.Errorf("a firewall that is full is sent %d messages in a full pass, want 1", sent)
			}
			// Room is made: everything follows.
			desired = desired[500:]
			desired = desired[:room]
			l.opts.MaxRemovalPercent = 100
			l.restart()
			l.level(desired)
			l.level(desired)
			l.stands(desired)
		})
	}
}

func TestFirewallThatWasClearedIsSoonLevel(t *testing.T) {
	l := newLab(t, nil, nil)
	desired := l.entries(0, 3000)
	l.level(desired)
	l.sim.Addresses().Clear("vsys1")
	if r := l.pass(desired, true); len(r.Registered) != 3000 || len(r.Gone) != 3000 {
		t.Errorf("registered %d, gone %d", len(r.Registered), len(r.Gone))
	}
	l.stands(desired)
}

func TestNewBlocksDoNotWaitForABacklog(t *testing.T) {
	l := newLab(t, nil, func(o *labOptions) { o.BatchSize, o.PassTime = 100, 1 })
	old := l.entries(0, 1000)
	r := l.pass(old, true)
	if len(r.Registered) != 200 || r.Backlog != 800 {
		t.Fatalf("%d registered, backlog %d: want two messages", len(r.Registered), r.Backlog)
	}
	fresh := firewall.Entry{Prefix: host(9000), Until: l.clock.Now().Add(time.Hour), Since: l.clock.Now()}
	release := old[0].Prefix
	r = l.pass(append(slices.Clone(old[1:]), fresh), false)
	if len(r.Registered) == 0 || r.Registered[0].Prefix != fresh.Prefix || !slices.Equal(r.Unregistered, []netip.Prefix{release}) {
		t.Fatalf("registered first %v, unregistered %v", r.Registered[:min(1, len(r.Registered))], r.Unregistered)
	}
}

func TestFullPassSendsWhatIsNewFirst(t *testing.T) {
	l := newLab(t, nil, nil)
	desired := l.entries(0, 600)
	l.level(desired)
	fresh := l.entries(601, 1)[0]
	stood := false
	l.sim.Addresses().SetPageHook(func(userid.Page) {
		_, ok := l.sim.Addresses().Tagged("vsys1", tag)[fresh.Prefix]
		stood = stood || ok
		l.sim.Addresses().SetPageHook(nil)
	})
	r := l.pass(append(desired, fresh), true)
	if !stood || len(r.Registered) != 1 || len(r.Gone) != 0 {
		t.Fatalf("stood before the first page: %v; registered %v, gone %v", stood, r.Registered, r.Gone)
	}
}

func TestChangesBetweenPages(t *testing.T) {
	l := newLab(t, nil, nil)
	desired := l.entries(0, 1600)
	l.level(desired)
	l.restart()
	// Others come and go while we read, so that rows move.
	i := 0
	l.sim.Addresses().SetPageHook(func(userid.Page) {
		if i < 3 {
			if err := l.sim.Addresses().Unregister("vsys1", host(i), tag); err != nil {
				t.Error(err)
			}
			i++
		}
	})
	l.level(desired)
	l.sim.Addresses().SetPageHook(nil)
	l.level(desired)
	l.stands(desired)
}

func TestRowsThatMoveWhilePagesAreConfirmed(t *testing.T) {
	l := newLab(t, nil, nil)
	desired := l.entries(0, 1200)
	l.sim.Addresses().SetPageHook(func(p userid.Page) {
		if p.Total > 0 && p.Start == 1 {
			l.sim.Addresses().SetPageHook(nil)
			if err := l.sim.Addresses().Unregister("vsys1", desired[0].Prefix, tag); err != nil {
				t.Error(err)
			}
		}
	})
	if r := l.pass(desired, true); len(r.Refused) != 0 || len(r.Registered) != 1200 {
		t.Errorf("registered %d, refused %v", len(r.Registered), r.Refused)
	}
}

func TestRenewalLastsInQuickPasses(t *testing.T) {
	for _, d := range []dialect.Dialect{{}, {Duplicates: dialect.LegacyMessageRejected, Missing: dialect.LegacyMessageRejected}} {
		t.Run(d.String(), func(t *testing.T) {
			l := newLab(t, func(o *panosim.Options) { o.Dialect = d }, nil)
			desired := l.entries(0, 150)
			l.level(desired)
			began := l.clock.Now()
			renewed := 0
			for l.clock.Now().Sub(began) < 60*24*time.Hour {
				for i := range desired {
					desired[i].Until = l.clock.Now().Add(30 * 24 * time.Hour)
				}
				r := l.pass(desired, false)
				renewed += len(r.Renewed)
				for _, e := range r.Renewed {
					if got := l.sim.Addresses().Tagged("vsys1", tag)[e.Prefix]; !got.Expires.Equal(e.Until) {
						t.Fatalf("%s is said to last until %v, and lasts until %v", e.Prefix, e.Until, got.Expires)
					}
				}
				l.stands(desired)
				l.clock.move(6 * time.Hour)
			}
			// The first day, and then every 15 days.
			if renewed < 4*150 || renewed > 5*150 {
				t.Errorf("%d renewals of 150 addresses in 60 days", renewed)
			}
		})
	}
}
