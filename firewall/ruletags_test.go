package firewall_test

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/room"
)

// A tagged is a lab whose firewall has the tags of two rules beside the one of all.
type tagged struct {
	*lab
	tags *firewall.RuleTags
}

func newTagged(t *testing.T, sim func(*panosim.Options), fw func(*labOptions)) *tagged {
	t.Helper()
	l := &tagged{lab: newLab(t, sim, fw)}
	l.again()
	return l
}

// again gives one that remembers nothing.
func (l *tagged) again() {
	l.t.Helper()
	l.restart()
	var err error
	if l.tags, err = firewall.NewRuleTags(l.device, l.opts.TagOptions, []string{"slow", "guessing", tag, "slow"}); err != nil {
		l.t.Fatal(err)
	}
}

// bring makes passes until nothing is left to do, and gives the last report but those that changed nothing.
func (l *tagged) bring(desired []firewall.Entry, full bool) (last firewall.Report) {
	l.t.Helper()
	for range 20 {
		r, err := l.tags.Reconcile(l.t.Context(), desired, full)
		if err != nil {
			l.t.Fatal(err)
		}
		last = r
		if r.Backlog == 0 && len(r.Registered)+len(r.Unregistered) == 0 {
			return last
		}
	}
	l.t.Fatal("it is never level")
	return last
}

// bear compares who bears a tag with who should, and that the firewall lets go of each by itself.
func (l *tagged) bear(when, tag string, want []firewall.Entry) {
	l.t.Helper()
	have := l.sim.Addresses().Tagged("vsys1", tag)
	for p, got := range have {
		if rest := got.Expires.Sub(l.clock.Now()); got.Expires.IsZero() || rest > 30*24*time.Hour {
			l.t.Errorf("%s: %s bears %q until %v", when, p, tag, got.Expires)
		}
	}
	var addresses []netip.Prefix
	for _, e := range want {
		addresses = append(addresses, e.Prefix)
	}
	slices.SortFunc(addresses, firewall.ComparePrefixes)
	if got := slices.SortedFunc(maps.Keys(have), firewall.ComparePrefixes); !slices.Equal(got, addresses) {
		l.t.Errorf("%s: %q is on %d addresses, should be on %d", when, tag, len(got), len(addresses))
	}
}

func withTag(entries []firewall.Entry, tag string) []firewall.Entry {
	entries = slices.Clone(entries)
	for i := range entries {
		entries[i].Tag = tag
	}
	return entries
}

func TestEntriesBearTheTagOfTheirRuleBesideThatOfAll(t *testing.T) {
	l := newTagged(t, nil, nil)
	plain, slow, guessing, gone := l.entries(0, 5), withTag(l.entries(100, 5), "slow"), withTag(l.entries(200, 5), "guessing"), withTag(l.entries(300, 2), "of a rule before")
	foreign := netip.MustParsePrefix("203.0.113.250/32")
	if err := l.sim.Addresses().Register("vsys1", foreign, "somebody-else", time.Hour); err != nil {
		t.Fatal(err)
	}
	all := slices.Concat(plain, slow, guessing, gone)
	l.bring(all, false)
	l.stands(all)
	l.bear("at first", "slow", slow)
	l.bear("at first", "guessing", guessing)

	// Nothing to do makes no call.
	l.sim.ResetStats()
	l.bring(all, false)
	if calls := l.sim.Stats().Calls; len(calls) != 0 {
		t.Errorf("with nothing to do it makes %v", calls)
	}
	// One is released, one goes on for another rule, and somebody takes a tag away.
	all = slices.Concat(plain, slow[2:], guessing, gone, withTag(slow[1:2], "guessing"))
	if err := l.sim.Addresses().Unregister("vsys1", slow[4].Prefix, "slow"); err != nil {
		t.Fatal(err)
	}
	l.bring(all, true)
	l.stands(all)
	l.bear("afterwards", "slow", slow[2:])
	l.bear("afterwards", "guessing", append(slices.Clone(guessing), slow[1]))
	l.bear("afterwards", "somebody-else", []firewall.Entry{{Prefix: foreign}})
	l.bear("afterwards", "of a rule before", nil)
}

// After a restart nothing is made anew that stands until then.
func TestARestartMakesNoTagAnew(t *testing.T) {
	l := newTagged(t, nil, nil)
	all := withTag(l.entries(0, 300), "slow")
	until := make(map[netip.Prefix]time.Time)
	report, err := l.tags.Reconcile(t.Context(), all, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range report.Registered {
		until[e.Prefix] = e.Until
	}
	l.again()
	l.tags.Restore(until)
	l.sim.ResetStats()
	l.bring(all, true)
	l.bear("after a restart", "slow", all)
	for call := range l.sim.Stats().Calls {
		if strings.Contains(call, "user-id") {
			t.Errorf("it calls %s", call)
		}
	}
}

// The brake counts sources: where it lets them go, their tags go with them, all of one rule too; where it does not, none does.
func TestTheBrakeCountsSourcesNotTags(t *testing.T) {
	l := newTagged(t, nil, func(o *labOptions) { o.MaxRemovalPercent = 30 })
	slow, others := withTag(l.entries(0, 100), "slow"), l.entries(1000, 400)
	l.bring(slices.Concat(slow, others), true)
	l.bear("at first", "slow", slow)
	if r := l.bring(slow[:20], true); r.Braked == nil {
		t.Fatal("no brake")
	}
	l.bear("with the brake", "slow", slow)
	more := withTag(l.entries(5000, 1), "slow")
	l.bring(append(slices.Clone(more), slow[:20]...), false)
	l.bear("with the brake, a new one", "slow", append(slices.Clone(more), slow...))
	if r := l.bring(others, true); r.Braked != nil {
		t.Fatalf("brake: %v", r.Braked)
	}
	l.stands(others)
	l.bear("without", "slow", nil)
}

// Where a firewall has no room for all, the tags of rules keep nobody out who has a better claim.
func TestTagsOfRulesTakeNobodysRoom(t *testing.T) {
	const most = 50
	l := newTagged(t, func(o *panosim.Options) {
		o.MaxRegistered, o.Dialect = most, dialect.Dialect{Limit: dialect.LimitPerEntryError}
	}, nil)
	now := l.clock.Now()
	forged := withTag(l.claims(0, most, room.Forgeable, now), "slow")
	l.bring(forged, true)
	l.bear("with room", "slow", forged)
	proven := withTag(l.claims(1000, 10, room.Proven, now.Add(-time.Hour)), "guessing")
	all := slices.Concat(forged, proven)
	l.bring(all, false)
	l.stands(slices.Concat(proven, forged[:most-10]))
	// Known to be full, it makes room as fast.
	more := withTag(l.claims(2000, 1, room.Proven, now), "guessing")
	proven = append(proven, more...)
	l.bring(append(all, more...), false)
	l.stands(slices.Concat(proven, forged[:most-11]))
	l.bear("without room", "slow", forged[:most-11])
	l.bear("without room", "guessing", proven)
}

func TestATagOfARuleIsChecked(t *testing.T) {
	l := newLab(t, nil, nil)
	if _, err := firewall.NewRuleTags(l.device, l.opts.TagOptions, []string{"a'b"}); err == nil || !strings.Contains(err.Error(), `tag "a'b" of a rule`) {
		t.Errorf("the error is %v", err)
	}
}
