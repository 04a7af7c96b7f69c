package enforce

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/policy"
	"activedefense/firewall/xmlapi"
)

// counted gives what was counted: "errors_total fw1 auth" for example; of times how many.
func counted(t *testing.T, c *Calls) map[string]int {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c.Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, f := range families {
		name, ok := strings.CutPrefix(f.GetName(), "activedefense_firewall_")
		if !ok {
			t.Errorf("a metric of somebody else: %s", f.GetName())
		}
		for _, m := range f.GetMetric() {
			words := map[string]string{}
			for _, l := range m.GetLabel() {
				words[l.GetName()] = l.GetValue()
			}
			key := strings.TrimSpace(name + " " + words["firewall"] + " " + words["call"] + words["kind"])
			counts[key] = int(m.GetCounter().GetValue()) + int(m.GetHistogram().GetSampleCount())
		}
	}
	return counts
}

func TestCallsAreCountedByFirewallAndKind(t *testing.T) {
	sim := startSim(t, panosim.Options{})
	calls := NewCalls()
	open := newDevices("test", calls, time.Now)
	one, err := open.member(entryFor("fw1", firewall.ModeTag, sim), "fw1", sim.URL())
	if err != nil {
		t.Fatal(err)
	}
	other, err := open.member(entryFor("fw2", firewall.ModeTag, sim), "fw2", sim.URL())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := one.Identify(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sim.SetFault(panosim.Fault{Effect: panosim.Forbidden})
	if err := other.Identify(t.Context()); err == nil {
		t.Fatal("a refusal is no error")
	}
	want := map[string]int{"calls_total fw1 system-info": 2, "call_seconds fw1": 2, "calls_total fw2 system-info": 1, "call_seconds fw2": 1, "errors_total fw2 auth": 1}
	got := counted(t, calls)
	for key, n := range want {
		if got[key] != n {
			t.Errorf("%s is %d instead of %d", key, got[key], n)
		}
	}
	for key := range got {
		if strings.HasPrefix(key, "errors_total fw1") {
			t.Errorf("%s, of a firewall without trouble", key)
		}
	}
}

// A look at the policies tries what the administrator may do. That it may not is good, and no alarm.
func TestARightThatIsNotThereIsNoError(t *testing.T) {
	sim := startSim(t, panosim.Options{})
	sim.Config().SetRole("admin", panosim.RightOperation, panosim.RightConfiguration, panosim.RightUserID)
	calls := NewCalls()
	device, err := newDevices("test", calls, time.Now).member(entryFor("fw1", firewall.ModeTag, sim), "fw1", sim.URL())
	if err != nil {
		t.Fatal(err)
	}
	want := policy.Expectation{Mode: firewall.ModeTag, Names: firewall.NamesFor(testTag), Now: time.Now()}
	checks := policy.Verify(policy.ReadFacts(t.Context(), device, want), want)
	if c := found(checks, "fw1", policy.CheckRole); c.Result != policy.ResultPass {
		t.Fatalf("the administrator may do too much for this test, or too little: %s", c.Detail)
	}
	got := counted(t, calls)
	if got["calls_total fw1 "+policy.CallRights] != 2 {
		t.Errorf("two rights are tried: %v", got)
	}
	if n := got["errors_total fw1 "+xmlapi.KindRole]; n != 0 {
		t.Errorf("%d of them are errors", n)
	}
}
