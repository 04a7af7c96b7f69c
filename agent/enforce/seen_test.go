package enforce

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/xmlapi"
)

// seen is when the store says that the firewall was seen to hold what is noted of it.
func (e *enforceTest) seen() (list []string) {
	e.t.Helper()
	noted, err := e.store.Enforced(e.t.Context(), "fw1")
	if err != nil {
		e.t.Fatal(err)
	}
	for _, n := range noted {
		text := "never"
		if !n.Seen.IsZero() {
			text = n.Seen.Sub(e.clock.now()).String()
		}
		list = append(list, n.Address.Addr().String()+" "+text)
	}
	return list
}

// What was written is noted as seen when it was read back, and not before; renewing it takes nothing away from that.
func TestWhatWasWrittenIsSeenWhenItIsReadBack(t *testing.T) {
	e := newEnforceTest(t)
	step := func(what string, full bool, after time.Duration, unseen int, want ...string) {
		t.Helper()
		e.clock.add(after)
		if _, err := e.passOnce(t.Context(), full); err != nil {
			t.Fatal(err)
		}
		if got := e.seen(); !slices.Equal(got, want) || e.Status().Unseen != unseen {
			t.Errorf("%s: %q, %d unseen", what, got, e.Status().Unseen)
		}
	}
	e.want("203.0.113.1/32")
	step("the first pass is full", true, 0, 0, "203.0.113.1 0s")
	e.want("203.0.113.1/32", "203.0.113.2/32")
	step("one is written", false, time.Minute, 1, "203.0.113.1 -1m0s", "203.0.113.2 never")
	step("it is read back", false, 15*time.Second, 0, "203.0.113.1 -1m15s", "203.0.113.2 0s")
	step("all of it is read", true, time.Minute, 0, "203.0.113.1 0s", "203.0.113.2 0s")
	if at := e.Status().SeenAt; at == nil || !at.Equal(e.clock.now()) {
		t.Errorf("the status says %v", at)
	}
	e.want("203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32")
	step("another is written", false, time.Minute, 1, "203.0.113.1 -1m0s", "203.0.113.2 -1m0s", "203.0.113.3 never")
	e.make(e.store)
	e.want("203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32")
	step("after a restart", true, time.Minute, 0, "203.0.113.1 0s", "203.0.113.2 0s", "203.0.113.3 0s")
	e.clock.add(20 * 24 * time.Hour)
	e.want("203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32")
	step("renewed", false, 0, 0, "203.0.113.1 -480h0m0s", "203.0.113.2 -480h0m0s", "203.0.113.3 -480h0m0s")
}

// What the firewall lost is told, and written again; until that is read, it was seen when it was read last, and not since.
func TestALossIsTold(t *testing.T) {
	e := newEnforceTest(t)
	e.want("203.0.113.1/32", "203.0.113.2/32")
	for i := range 3 {
		if _, err := e.passOnce(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		if n := e.log.count("no longer held what was written"); n != min(i, 1) {
			t.Errorf("pass %d: told %d times", i, n)
		}
		e.expect("after the pass", "203.0.113.1/32", "203.0.113.2/32")
		if got := e.seen(); !slices.Equal(got, []string{"203.0.113.1 0s", "203.0.113.2 0s"}) {
			t.Errorf("pass %d: %q", i, got)
		}
		if i == 0 {
			e.sim.Addresses().Clear("vsys1")
		}
		e.clock.add(time.Second)
		if got := e.seen(); !slices.Equal(got, []string{"203.0.113.1 -1s", "203.0.113.2 -1s"}) {
			t.Errorf("a second after pass %d: %q", i, got)
		}
	}
}

// Room that runs short is told once, from nine tenths on, and that there is enough again.
func TestRoomThatRunsShortIsTold(t *testing.T) {
	e := newEnforceTest(t)
	small, err := panosim.Start(panosim.Options{Now: e.clock.now, MaxRegistered: 10, Dialect: dialect.Dialect{Limits: dialect.LimitsTold}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(small.Close)
	e.sim, e.device = small, xmlapi.Options{Name: "fw1", URL: small.URL(), APIKey: small.Key(), CA: small.CA(), Now: e.clock.now}
	e.make(e.store)
	for _, step := range []struct {
		entries, left int
		short         bool
		told          int
	}{{8, 0, false, 0}, {9, 0, true, 1}, {12, 2, true, 1}, {10, 0, true, 1}, {5, 0, false, 1}, {10, 0, true, 2}} {
		var want []string
		for i := range step.entries {
			want = append(want, fmt.Sprintf("203.0.113.%d/32", i))
		}
		e.want(want...)
		for range 2 { // what is told is told once
			if _, err := e.passOnce(t.Context(), false); err != nil {
				t.Fatal(err)
			}
		}
		s := e.Status()
		if s.LeftOut != step.left || (s.FullSince != nil) != step.short || e.log.count("running out of room") != step.told || s.Capacity != 10 ||
			s.CapacityUsed != min(step.entries, 10) || s.RefusedCount != 0 || e.log.count("refused by the firewall") != 0 {
			t.Errorf("%d entries: left out %d, since %v, told %d times, %d of %d used, %d refused", step.entries, s.LeftOut, s.FullSince,
				e.log.count("running out of room"), s.CapacityUsed, s.Capacity, s.RefusedCount)
		}
	}

	// Over a reload it goes on, unless the first look finds room.
	for _, c := range []struct {
		entries int
		full    bool
	}{{10, true}, {5, false}} {
		former := e.Status()
		hour := e.clock.now().Add(-time.Hour)
		former.FullSince = &hour
		e.make(e.store)
		(&Fleet{Enforcers: []*Enforcer{e.Enforcer}}).Continue([]Status{former}, nil)
		for n := range 3 {
			var want []string
			for i := range []int{c.entries, 5, 10}[n] {
				want = append(want, fmt.Sprintf("203.0.113.%d/32", i))
			}
			e.want(want...)
			if _, err := e.passOnce(t.Context(), n == 0); err != nil {
				t.Fatal(err)
			}
			since := []*time.Time{nil, nil, new(e.clock.now())}[n]
			if n == 0 && c.full {
				since = &hour
			}
			if got := e.Status().FullSince; (got == nil) != (since == nil) || got != nil && !got.Equal(*since) {
				t.Errorf("after a reload with %d entries, pass %d: since %v instead of %v", c.entries, n, got, since)
			}
		}
	}
}
