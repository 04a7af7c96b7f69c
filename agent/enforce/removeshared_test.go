package enforce

import (
	"strings"
	"testing"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
)

// Two virtual systems of one firewall share what the first leaves for the second: where both go at once, nothing is left, and none says so.
func TestRemoveOfEveryVirtualSystem(t *testing.T) {
	l := newPolicyLab(t)
	sim := l.add("fw1", firewall.ModeTag, panosim.Options{VSys: []string{"vsys1", "vsys2"}})
	other := l.cfg.Firewalls[0]
	other.Name, other.VSys = "fw2", "vsys2"
	l.cfg.Firewalls = append(l.cfg.Firewalls, other)
	if left, said, err := l.provision(applyAndCommit); err != nil || len(left) != 0 {
		t.Fatalf("%v is left: %q, %v", left, said, err)
	}
	left, said, err := l.provision(func(o *ProvisionOptions) { applyAndCommit(o); o.Remove = true })
	if err != nil || len(left) != 0 || strings.Contains(sim.Config().Running(), testTag) {
		t.Errorf("%v is left: %q, %v", left, said, err)
	}
}
