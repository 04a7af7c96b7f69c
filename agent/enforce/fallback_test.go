package enforce

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/xmlapi"
)

// A network of IPv6 cannot be tagged, so that the list stands in; having it fetched takes long, and no block waits for it.
func TestNoBlockWaitsForTheListThatStandsIn(t *testing.T) {
	e := newEnforceTest(t)
	aside, err := e.devices[0].Clone()
	if err != nil {
		t.Fatal(err)
	}
	list, err := firewall.NewList(aside, firewall.ListOptions{Names: firewall.NamesFor(testTag)})
	if err != nil {
		t.Fatal(err)
	}
	e.fallback = newFallback(list, e.wanted.Load, zerolog.Nop())
	e.want("2001:db8::/48", "203.0.113.1/32")
	e.sim.SetFault(panosim.Fault{Effect: panosim.Hang, Kind: panosim.KindConfigRead, Delay: time.Hour})
	e.start()
	e.passed()
	for deadline := time.Now().Add(patience); e.sim.Stats().Calls[panosim.KindConfigRead] == 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("the list is not looked for")
		}
	}
	e.want("2001:db8::/48", "203.0.113.1/32", "203.0.113.2/32")
	e.Enforcer.wake()
	e.passed()
	e.expect("while the list is being fetched", "203.0.113.1/32", "203.0.113.2/32")
	if st := e.Status(); !st.Up || !st.Fallback || st.UnsupportedCount != 1 {
		t.Errorf("status %+v", st)
	}
}

// What was refused stays so until everything is tried anew, although the passes in between do not name it.
func TestTheListStandsInUntilNothingIsRefused(t *testing.T) {
	f := newFallback(nil, nil, zerolog.Nop())
	refused := firewall.Report{Full: true, Refused: []firewall.Refused{{}}}
	unreachable, passive := &xmlapi.Error{Kind: xmlapi.KindUnreachable}, &xmlapi.Error{Kind: xmlapi.KindPassive}
	for _, step := range []struct {
		report firewall.Report
		err    error
		want   bool
	}{
		{firewall.Report{}, nil, false}, {refused, nil, true}, {firewall.Report{}, nil, true}, {firewall.Report{Full: true}, nil, false},
		{firewall.Report{}, &xmlapi.Error{Kind: xmlapi.KindRole}, true}, {firewall.Report{}, unreachable, false}, {firewall.Report{}, nil, false},
		{firewall.Report{}, &xmlapi.Error{Kind: xmlapi.KindRole}, true}, {firewall.Report{}, passive, false},
	} {
		if f.judge(step.report, step.err); f.active.Load() != step.want {
			t.Errorf("after %+v, %v the list stands in: %v", step.report, step.err, f.active.Load())
		}
	}
}

// The list stands in where a firewall answers and refuses. One that cannot be reached, or that nobody can log in to, can be told
// of the list just as little; and a stop says nothing about it.
func TestTheListStandsInForWhatTheFirewallRefuses(t *testing.T) {
	standsIn := map[string]bool{
		xmlapi.KindUnreachable: false, xmlapi.KindTimeout: false, xmlapi.KindTLS: false, xmlapi.KindAuth: false, xmlapi.KindPassive: false, xmlapi.KindCanceled: false,
		xmlapi.KindRole: true, xmlapi.KindHTTP: true, xmlapi.KindMalformed: true, xmlapi.KindAPI: true, xmlapi.KindCapacity: true, xmlapi.KindBusy: true,
		xmlapi.KindCommit: true, xmlapi.KindOversize: true, xmlapi.KindUnsupported: true,
	}
	for kind, want := range standsIn {
		f := newFallback(nil, nil, zerolog.Nop())
		f.judge(firewall.Report{Full: true}, &xmlapi.Error{Kind: kind})
		if got := f.active.Load(); got != want || (len(f.wakeup) == 1) != want {
			t.Errorf("after an error of kind %s the list stands in: %v, and its loop is woken: %v", kind, got, len(f.wakeup) == 1)
		}
	}
	for name, r := range map[string]firewall.Report{"refused": {Full: true, Refused: refused(1, 1)}, "unsupported": {Full: true, Unsupported: unsupported(1)},
		"left out": {Full: true, LeftOut: []netip.Prefix{netip.MustParsePrefix("203.0.113.1/32")}}} {
		f := newFallback(nil, nil, zerolog.Nop())
		if f.judge(r, nil); !f.active.Load() || len(f.wakeup) != 1 {
			t.Errorf("%s: the list stands in: %v, and its loop is woken: %v", name, f.active.Load(), len(f.wakeup) == 1)
		}
	}
}
