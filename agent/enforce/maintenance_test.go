package enforce

import (
	"context"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/policy"
)

// Nothing is sent to a firewall in maintenance, by whatever way; the others are served as ever, and what is noted of it stays. Afterwards it
// catches up.
func TestAFirewallInMaintenanceIsLeftAlone(t *testing.T) {
	f := newFleetTest(t)
	there, left := f.add("there", firewall.ModeTag, panosim.Options{Now: f.clock.now}), f.add("left", firewall.ModeTag, panosim.Options{Now: f.clock.now})
	f.cfg.Networks.AskFirewalls = true
	f.block(2, "203.0.113.1/32")
	for _, e := range f.new().Enforcers {
		if _, err := e.passOnce(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	left.ResetStats()
	f.cfg.Firewalls[1].Maintenance, f.cfg.Firewalls[1].PeerURL = true, "https://192.0.2.2"
	f.block(3, "203.0.113.2/32")
	o := f.options()
	o.Protected = func(context.Context) error { return nil }
	fleet, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var group errgroup.Group
	for _, e := range fleet.Enforcers {
		if err := e.Restore(ctx, f.store); err != nil {
			t.Fatal(err)
		}
		group.Go(func() error { return e.Run(ctx) })
	}
	for _, w := range fleet.Watchers {
		group.Go(func() error { return w.Run(ctx) })
	}
	fleet.Wake()
	fleet.Adopt()
	until(t, "the other one has it", func() bool { return len(there.Addresses().Registered("vsys1")) == 1 && fleet.Enforcers[0].Status().Up })
	firewalls, policies := fleet.Status()
	if len(firewalls) != 3 || firewalls[1].State != StateMaintenance || firewalls[1].Up || firewalls[1].Mode != firewall.ModeTag || firewalls[2].Name != "left (peer)" || len(policies) != 1 || len(fleet.Askers) != 1 {
		t.Errorf("%+v, %+v, %d are asked", firewalls[1:], policies, len(fleet.Askers))
	}
	stop()
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
	if held, err := f.store.Enforced(t.Context(), "left"); err != nil || len(held) != 1 {
		t.Errorf("noted of it is %v, %v", held, err)
	}

	checks, err := Verify(t.Context(), f.cfg, VerifyOptions{Expected: f.opts.Expected})
	if c := found(checks, "left", checkMaintenance); err != nil || c.Result != policy.ResultWarn || !strings.Contains(c.Remedy, "firewalls[].maintenance") || found(checks, "there", policy.CheckAPI).Result != policy.ResultPass {
		t.Errorf("%+v, %v", checks, err)
	}
	if checks, err = Verify(t.Context(), f.cfg, VerifyOptions{Firewall: "left"}); err != nil || len(checks) != 1 {
		t.Errorf("it alone: %+v, %v", checks, err)
	}
	if _, said, err := f.provision(func(o *ProvisionOptions) { o.Firewall, o.Apply = "left", true }); err != nil || said != "left: "+leftAlone {
		t.Errorf("provision: %q, %v", said, err)
	}
	if n := left.Stats().Calls; len(n) > 0 {
		t.Errorf("it was called: %v", n)
	}
	if names := Registering(firewalls); len(names) != 1 {
		t.Errorf("registering on %v", names)
	}

	// A reload during it is no end of it, and the end of it is no beginning of anything else.
	again, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	firewalls[1].Since = f.clock.now().Add(-time.Hour)
	again.Continue(firewalls, policies)
	if s := again.Enforcers[1].Status(); !s.Since.Equal(f.clock.now().Add(-time.Hour)) {
		t.Errorf("since %s", s.Since)
	}
	f.cfg.Firewalls[1].Maintenance, f.cfg.Firewalls[1].PeerURL = false, ""
	if r, err := f.new().Enforcers[1].passOnce(t.Context(), true); err != nil || len(r.Registered) != 1 || len(r.Unregistered) != 1 {
		t.Errorf("afterwards: %+v, %v", r, err)
	}
}
