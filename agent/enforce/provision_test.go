package enforce

import (
	"context"
	"slices"
	"strings"
	"testing"

	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/policy"
	"activedefense/firewall/xmlapi"
)

// A firewall that is away keeps nobody from seeing what the others lack.
func TestProvisionPlansTheOthersToo(t *testing.T) {
	cfg := &config.Config{StateDir: t.TempDir()}
	for _, name := range []string{"away", "there"} {
		sim := startSim(t, panosim.Options{})
		cfg.Firewalls = append(cfg.Firewalls, entryFor(name, firewall.ModeTag, sim))
		if name == "away" {
			sim.Down()
		}
	}
	left, err := Provision(t.Context(), cfg, ProvisionOptions{})
	if xmlapi.Kind(err) != xmlapi.KindUnreachable || !strings.Contains(err.Error(), "firewall away") {
		t.Errorf("the error is %v", err)
	}
	if len(left) == 0 || slices.ContainsFunc(left, func(s policy.Step) bool { return s.Firewall != "there" }) {
		t.Errorf("the plan is %v", left)
	}
}

// The daemon's role need not allow what a plan needs, and whoever tries it with the daemon's key is told so.
func TestProvisionWithTheDaemonsRoleSaysWhatIsMissing(t *testing.T) {
	sim := startSim(t, panosim.Options{})
	sim.SetRole("admin", panosim.RightOperation, panosim.RightUserID)
	cfg := &config.Config{StateDir: t.TempDir(), Firewalls: []config.Firewall{entryFor("fw1", firewall.ModeTag, sim)}}
	_, err := Provision(t.Context(), cfg, ProvisionOptions{})
	if xmlapi.Kind(err) != xmlapi.KindRole || !strings.Contains(err.Error(), "firewall fw1") || !strings.Contains(err.Error(), "role allows Configuration") {
		t.Errorf("the error is %v", err)
	}
}

func TestNoPasswordInAnErrorOfKeygen(t *testing.T) {
	for _, url := range []string{"https://svc:hidden@192.0.2.1", "https://svc:hidden@192.0.2.1:port", "http://:hidden@192.0.2.1"} {
		_, err := MakeKey(context.Background(), KeyOptions{URL: url, Username: "svc", Password: "hidden"})
		if err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
