package firewall_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
)

// What was just written is read back a while later, one by one, and what the firewall did not keep is written again by the same
// pass.
func TestWhatWasWrittenIsReadBack(t *testing.T) {
	for _, d := range []dialect.Dialect{{}, {HostForm: dialect.HostPrefix, Empty: dialect.EmptyCount}, {HostForm: dialect.HostExpanded, FilteredTags: dialect.FilteredMatching}} {
		t.Run(d.String(), func(t *testing.T) {
			l := newLab(t, func(o *panosim.Options) { o.Dialect = d }, nil)
			desired := l.entries(0, 1200)
			r := l.level(desired)
			if r.Unread != 0 || len(r.Seen) != 1200 || r.LookAgain != 0 {
				t.Errorf("after a full pass %d are unread, %d seen, and it looks again in %s", r.Unread, len(r.Seen), r.LookAgain)
			}
			desired = append(desired, l.entries(2000, 2)...)
			r = l.pass(desired, false)
			if r.Unread != 2 || len(r.Seen) != 0 || r.LookAgain != 15*time.Second {
				t.Errorf("%d are unread, %d seen, and it looks again in %s", r.Unread, len(r.Seen), r.LookAgain)
			}
			l.clock.move(r.LookAgain)
			if r = l.pass(desired, false); r.Unread != 0 || len(r.Seen) != 2 || r.Full || !r.SeenAt.Equal(l.clock.Now()) || r.Calls != 2 {
				t.Errorf("%d are unread, %d seen at %s, full %t, %d calls", r.Unread, len(r.Seen), r.SeenAt, r.Full, r.Calls)
			}

			desired = append(desired, l.entries(3000, 2)...)
			r = l.pass(desired, false)
			if err := l.sim.Addresses().Unregister("vsys1", host(3001), tag); err != nil {
				t.Fatal(err)
			}
			l.clock.move(r.LookAgain)
			if r = l.pass(desired, false); !r.Full || len(r.Gone) != 1 || len(r.Registered) != 1 {
				t.Errorf("full %t, gone %v, registered %v", r.Full, r.Gone, r.Registered)
			}
			l.stands(desired)
		})
	}
}

// Many are read back page by page.
func TestManyAreReadBackByThePage(t *testing.T) {
	l := newLab(t, nil, nil)
	l.level(nil)
	desired := l.entries(0, 700)
	r := l.pass(desired, false)
	l.clock.move(r.LookAgain)
	if r = l.pass(desired, false); !r.Full || len(r.Seen) != 700 || r.Calls > 6 {
		t.Errorf("full %t, %d seen, %d calls", r.Full, len(r.Seen), r.Calls)
	}
}

// A version that finds nothing when it is asked for one address is read page by page from then on.
func TestAFirewallThatFindsNoSingleAddress(t *testing.T) {
	l := newLab(t, nil, nil)
	newFront(t, l, func(w http.ResponseWriter, _ *http.Request, form url.Values) bool {
		return strings.Contains(form.Get("cmd"), "<registered-ip><ip>") && say(w, `<response status="success"><result/></response>`)
	})
	desired := l.entries(0, 10)
	l.level(desired)
	for i, calls := range []int{3, 2} { // the question that is in vain, system info, page; then without the first
		desired = append(desired, l.entries(100+i, 1)...)
		r := l.pass(desired, false)
		l.clock.move(r.LookAgain)
		if r = l.pass(desired, false); !r.Full || len(r.Gone) != 0 || len(r.Registered) != 0 || len(r.Seen) != 1 || r.Calls != calls {
			t.Errorf("full %t, gone %v, registered %v, seen %v, %d calls", r.Full, r.Gone, r.Registered, r.Seen, r.Calls)
		}
	}
	l.stands(desired)
}

// A firewall that loses what it held is level again within a minute where its version counts, in one pass; where it does not,
// with the next full pass.
func TestLossesAreFoundByACount(t *testing.T) {
	for _, counting := range []dialect.Counting{dialect.CountingText, dialect.CountingElement, dialect.CountingRefused} {
		t.Run(dialect.Dialect{Counting: counting}.String(), func(t *testing.T) {
			l := newLab(t, func(o *panosim.Options) { o.Dialect.Counting = counting }, nil)
			others := l.entries(5000, 3)
			for _, e := range others {
				if err := l.sim.Addresses().Register("vsys1", e.Prefix, "somebody", 0); err != nil {
					t.Fatal(err)
				}
			}
			desired := l.entries(0, 900)
			l.level(desired)
			for range 3 {
				l.clock.move(time.Minute)
				if r := l.pass(desired, false); r.Full || r.Calls > 1 {
					t.Errorf("with nothing lost: full %t, %d calls", r.Full, r.Calls)
				}
			}
			l.sim.Addresses().Clear("vsys1")
			l.clock.move(time.Minute)
			r := l.pass(desired, false)
			if counting == dialect.CountingRefused {
				if r.Calls != 0 {
					t.Errorf("it is counted again and again: %d calls", r.Calls)
				}
				r = l.pass(desired, true)
			}
			if !r.Full || len(r.Registered) != 900 {
				t.Errorf("full %t, %d registered", r.Full, len(r.Registered))
			}
			l.stands(desired)
		})
	}
}

// That others lose what they had is no loss of ours, and is looked into less and less.
func TestLossesOfOthersAreNoneOfOurs(t *testing.T) {
	l := newLab(t, func(o *panosim.Options) { o.Dialect.Counting = dialect.CountingText }, nil)
	for i := range 10 {
		if err := l.sim.Addresses().Register("vsys1", host(5000+i), "somebody", 0); err != nil {
			t.Fatal(err)
		}
	}
	desired := l.entries(0, 10)
	l.level(desired)
	var full []bool
	for i := range 7 {
		if err := l.sim.Addresses().Unregister("vsys1", host(5000+i), "somebody"); err != nil {
			t.Fatal(err)
		}
		l.clock.move(time.Minute)
		r := l.pass(desired, false)
		full = append(full, r.Full)
		if len(r.Gone)+len(r.Registered) > 0 {
			t.Errorf("gone %v, registered %v", r.Gone, r.Registered)
		}
	}
	if !slices.Equal(full, []bool{true, false, true, false, false, false, true}) {
		t.Errorf("full are %v", full)
	}
}

// The tags of rules are lost with the one that all bear, and come back with it.
func TestTagsOfRulesComeBackWithTheOneOfAll(t *testing.T) {
	l := newLab(t, func(o *panosim.Options) { o.Dialect.Counting = dialect.CountingText }, nil)
	tags, err := firewall.NewRuleTags(l.device, l.opts.TagOptions, []string{"scanners"})
	if err != nil {
		t.Fatal(err)
	}
	desired := l.entries(0, 5)
	for i := range desired {
		desired[i].Tag = "scanners"
	}
	for range 2 {
		if _, err := tags.Reconcile(t.Context(), desired, false); err != nil {
			t.Fatal(err)
		}
		if n := len(l.sim.Addresses().Tagged("vsys1", "scanners")); n != 5 {
			t.Errorf("%d bear the tag of their rule", n)
		}
		l.sim.Addresses().Clear("vsys1")
		l.clock.move(time.Minute)
	}
}
