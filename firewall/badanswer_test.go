package firewall_test

import (
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/xmlapi"
)

// Whatever answers in a firewall's place: every mode says which firewall it is, writes nothing, and works when it is gone.
func TestBadAnswersInEveryMode(t *testing.T) {
	for name, fault := range map[string]panosim.Fault{
		"another device": {Effect: panosim.OtherDevice}, "truncated": {Effect: panosim.Truncate}, "broken off": {Effect: panosim.Break},
		"garbage": {Effect: panosim.Garbage}, "100 MiB": {Effect: panosim.Flood},
	} {
		t.Run(name, func(t *testing.T) {
			l := newListLab(t, nil, nil)
			group, err := firewall.NewGroup(firewall.GroupOptions{Names: firewall.NamesFor(tag)}, l.device)
			if err != nil {
				t.Fatal(err)
			}
			desired, before := l.serve("192.0.2.1/32"), l.sim.Config().Candidate()
			for mode, keeper := range map[string]reconciler{firewall.ModeTag: l.fw, firewall.ModeGroup: group, firewall.ModeList: l.list} {
				l.sim.SetFault(fault)
				_, err := keeper.Reconcile(t.Context(), desired, true)
				if k := xmlapi.Kind(err); k != xmlapi.KindMalformed && k != xmlapi.KindTimeout && k != xmlapi.KindOversize || !strings.HasPrefix(err.Error(), "firewall LAB-FW-01: ") {
					t.Errorf("%s: %v", mode, err)
				}
				if len(l.sim.Addresses().Tagged("", tag)) != 0 || l.sim.Config().Candidate() != before {
					t.Errorf("%s: something was written", mode)
				}
			}
			l.sim.ClearFaults()
			for mode, keeper := range map[string]reconciler{firewall.ModeTag: l.fw, firewall.ModeGroup: group, firewall.ModeList: l.list} {
				l.clock.move(time.Minute)
				if r, err := keeper.Reconcile(t.Context(), desired, true); err != nil || r.Standing != 1 {
					t.Errorf("%s, when it is gone: %+v, %v", mode, r, err)
				}
			}
		})
	}
}
