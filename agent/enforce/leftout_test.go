package enforce

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/room"
	"activedefense/firewall/xmlapi"
	"activedefense/store"
)

// noted is what the store has of the firewall.
func (e *enforceTest) noted() string {
	e.t.Helper()
	list, err := e.store.Enforced(e.t.Context(), "fw1")
	if err != nil {
		e.t.Fatal(err)
	}
	var words []string
	for _, n := range list {
		word := n.Address.Addr().String()
		if n.LeftOut {
			word += " left out"
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// What the firewall has no room for is counted and noted, also over a restart, until it has room or is released.
func TestWhatAFirewallHasNoRoomForIsNoted(t *testing.T) {
	e := newEnforceTest(t)
	full, err := panosim.Start(panosim.Options{Now: e.clock.now, MaxRegistered: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(full.Close)
	e.sim = full
	e.device = xmlapi.Options{Name: "fw1", URL: full.URL(), APIKey: full.Key(), CA: full.CA(), Now: e.clock.now}
	e.make(e.store)
	want := func(proven ...string) {
		e.want("203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32")
		s := *e.wanted.Load()
		for i := range s.Entries {
			s.Entries[i].Rank, s.Entries[i].LastSeen = room.Forgeable, e.clock.now().Add(-time.Duration(i)*time.Hour)
			if slices.Contains(proven, s.Entries[i].Prefix.String()) {
				s.Entries[i].Rank = room.Proven
			}
		}
		e.wanted.Store(&s)
	}
	step := func(what string, left int, noted string) {
		t.Helper()
		if _, err := e.passOnce(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(e.Status().LeftOut, " ", e.noted()); got != fmt.Sprint(left, " ", noted) {
			t.Errorf("%s: %s", what, got)
		}
	}
	want()
	step("full", 1, "203.0.113.1, 203.0.113.2, 203.0.113.3 left out")
	want("203.0.113.3/32")
	step("one is proven meanwhile", 1, "203.0.113.1, 203.0.113.2 left out, 203.0.113.3")
	e.make(e.store)
	e.want("203.0.113.1/32", "203.0.113.3/32")
	step("the one left out was released while we were away", 0, "203.0.113.1, 203.0.113.3")
}

// What a person blocked goes before what was proven, that before what is forgeable; and what earlier versions blocked, whose
// grade is not known, counts as proven.
func TestTheRankOfAnEntry(t *testing.T) {
	for _, c := range []struct {
		entry store.Entry
		want  room.Rank
	}{
		{store.Entry{By: store.ByDetector, Grade: store.Forgeable}, room.Forgeable},
		{store.Entry{By: store.ByDetector, Grade: store.Proven}, room.Proven},
		{store.Entry{By: store.ByDetector}, room.Proven},
		{store.Entry{By: store.ByLabelFile}, room.Listed},
		{store.Entry{By: store.ByOperator}, room.Manual},
		{store.Entry{By: "anna", Grade: store.Forgeable}, room.Manual},
	} {
		if got := EntryOf(&c.entry, time.Hour); got.Rank != c.want || got.Prefix != (firewall.Entry{}).Prefix {
			t.Errorf("%+v: rank %d instead of %d", c.entry, got.Rank, c.want)
		}
	}
}
