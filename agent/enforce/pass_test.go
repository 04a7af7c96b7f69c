package enforce

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/store"
)

func TestTheNextPassComesWhenThereIsSomethingToDo(t *testing.T) {
	for _, c := range []struct {
		report firewall.Report
		want   time.Duration
	}{
		{firewall.Report{}, renewEvery},
		{firewall.Report{Backlog: 1}, 0},
		{firewall.Report{Backlog: 1, Waiting: time.Second}, 0},
		{firewall.Report{Waiting: time.Second}, time.Second},
		{firewall.Report{Waiting: renewEvery + time.Second}, renewEvery}, // timeouts are looked over meanwhile
	} {
		if got := nextPass(c.report); got != c.want {
			t.Errorf("after %+v it comes after %s instead of %s", c.report, got, c.want)
		}
	}
}

// A long backlog is worked off in one go, with no wait in which new blocks would be left alone.
func TestABacklogIsGoneOnWithAtOnce(t *testing.T) {
	e := newEnforceTest(t)
	e.options.BatchSize, e.options.PassTime = 1, 1 // two messages a pass
	e.make(e.store)
	e.want("203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32", "203.0.113.4/32", "203.0.113.5/32")
	e.start()
	var waits []time.Duration
	for {
		d := e.passed()
		waits = append(waits, d)
		if d != 0 {
			break
		}
		e.elapse(0)
	}
	e.expect("when nothing is left", "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32", "203.0.113.4/32", "203.0.113.5/32")
	if want := []time.Duration{0, 0, 15 * time.Second}; !slices.Equal(waits, want) {
		t.Errorf("it waits %v instead of %v", waits, want)
	}
}

// What a pass did is noted as it stands at its end, and what came later wins.
func TestWhatAPassDidIsNoted(t *testing.T) {
	const a, b = "203.0.113.1/32", "203.0.113.2/32"
	gone := []netip.Prefix{netip.MustParsePrefix(a)}
	for name, c := range map[string]struct {
		reports   func(now time.Time) []firewall.Report
		put, drop string
	}{
		"registered": {func(now time.Time) []firewall.Report { return []firewall.Report{{Registered: blockedSince(now, a, b)}} }, a + " " + b, ""},
		"renewed":    {func(now time.Time) []firewall.Report { return []firewall.Report{{Renewed: blockedSince(now, a)}} }, a, ""},
		"taken away": {func(now time.Time) []firewall.Report { return []firewall.Report{{Unregistered: gone}} }, "", a},
		"lost":       {func(now time.Time) []firewall.Report { return []firewall.Report{{Gone: gone}} }, "", a},
		"lost and registered again": {func(now time.Time) []firewall.Report {
			return []firewall.Report{{Gone: gone, Registered: blockedSince(now, a)}}
		}, a, ""},
		"registered, and lost by the next": {func(now time.Time) []firewall.Report {
			return []firewall.Report{{Registered: blockedSince(now, a, b)}, {Gone: gone}}
		}, b, a},
		"registered, and taken away by the next": {func(now time.Time) []firewall.Report {
			return []firewall.Report{{Registered: blockedSince(now, a, b)}, {Unregistered: gone}}
		}, b, a},
		"taken away, and registered by the next": {func(now time.Time) []firewall.Report {
			return []firewall.Report{{Unregistered: gone}, {Registered: blockedSince(now, a)}}
		}, a, ""},
	} {
		s := newStatusTest()
		for _, r := range c.reports(s.clock.now()) {
			s.note(r)
		}
		text := func(all []netip.Prefix) string {
			var words []string
			for _, p := range slices.SortedFunc(slices.Values(all), firewall.ComparePrefixes) {
				words = append(words, p.String())
			}
			return strings.Join(words, " ")
		}
		put, drop := text(slices.Collect(maps.Keys(s.put))), text(slices.Collect(maps.Keys(s.drop)))
		if put != c.put || drop != c.drop {
			t.Errorf("%s: noted are %q, no longer %q", name, put, drop)
		}
		for p, n := range s.put {
			if want := (store.Enforcement{Firewall: "fw1", Address: p, Since: s.clock.now(), Until: s.clock.now().Add(30 * 24 * time.Hour)}); n != want {
				t.Errorf("%s: %+v", name, n)
			}
		}
	}
}

// The firewall is the truth about what it holds: a store that is away delays no block, and is told later.
func TestWhatTheStoreCouldNotTakeIsNotedWithTheNextPass(t *testing.T) {
	e := newEnforceTest(t)
	e.want("203.0.113.1/32", "203.0.113.2/32")
	pass := func() {
		t.Helper()
		if _, err := e.passOnce(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	pass()
	away := newTestStore(t)
	if err := away.Close(); err != nil {
		t.Fatal(err)
	}
	well := e.store
	e.store = away
	e.want("203.0.113.2/32", "203.0.113.3/32")
	pass()
	e.expect("while the store is away", "203.0.113.2/32", "203.0.113.3/32")
	if !e.Status().Up || e.log.count(`"level":"error"`) != 0 || e.log.count("cannot save the enforcement state") != 1 {
		t.Errorf("status %+v, log %s", e.Status(), e.log.text())
	}
	e.store = well
	pass() // has nothing to do, and notes what the one before did
	held, err := e.store.Enforced(t.Context(), "fw1")
	var noted []string
	for _, h := range held {
		noted = append(noted, h.Address.String())
	}
	if slices.Sort(noted); err != nil || !slices.Equal(noted, []string{"203.0.113.2/32", "203.0.113.3/32"}) {
		t.Errorf("noted are %q, %v", noted, err)
	}
	if len(e.put)+len(e.drop) != 0 {
		t.Errorf("%v and %v are noted again with each pass", e.put, e.drop)
	}
}

func TestAnEnforcerBeginsOnlyWithWhatWasNoted(t *testing.T) {
	e := newEnforceTest(t)
	st := newTestStore(t)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Restore(t.Context(), st); err == nil || !strings.Contains(err.Error(), "load the enforcement state of firewall fw1: ") {
		t.Errorf("the error is %v", err)
	}
}

// What a failed pass did until then is in force, and is noted.
func TestWhatAFailedPassDidIsNotedToo(t *testing.T) {
	e := newEnforceTest(t)
	e.options.BatchSize = 1
	e.make(e.store)
	e.want("203.0.113.1/32", "203.0.113.2/32")
	e.sim.SetFault(panosim.Fault{Effect: panosim.Forbidden, Kind: panosim.KindUserID, Skip: 1})
	if _, err := e.passOnce(t.Context(), true); err == nil {
		t.Fatal("the second message is refused, and it is no error")
	}
	held, err := e.store.Enforced(t.Context(), "fw1")
	if err != nil || len(held) != 1 || held[0].Address.String() != e.standing() {
		t.Errorf("noted is %v: %v; the firewall holds %q", held, err, e.standing())
	}
}
