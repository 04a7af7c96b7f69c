package enforce

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/ours"
	"activedefense/firewall/panosim"
	"activedefense/firewall/policy"
	"activedefense/store"
)

func TestVerifySaysWhatIsKnownToBeOurs(t *testing.T) {
	sim := startSim(t, panosim.Options{Config: askedConfig})
	bare := startSim(t, panosim.Options{})
	public := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/28")}
	private := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	st := newTestStore(t)
	if err := st.SaveProtected(t.Context(), "other", newTestClock().now(), []store.Protected{{Kind: store.ProtectedNetwork, What: "interface ethernet1/1", Address: public[0]}}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		sim    *panosim.Sim
		own    []netip.Prefix
		ask    bool
		store  *store.Store
		result string
		detail string
		remedy string
	}{
		"it names networks":                 {sim, nil, true, nil, policy.ResultPass, "it names 3 addresses and networks of ours, and 2 peers", ""},
		"it names nothing public":           {bare, nil, true, nil, policy.ResultWarn, "no public address is known to be ours", "networks.own"},
		"the configuration names private":   {bare, private, true, nil, policy.ResultWarn, "no public address is known to be ours", "networks.own"},
		"the configuration names some":      {bare, public, true, nil, policy.ResultPass, "it names 1 address or network of ours", ""},
		"another firewall has named some":   {bare, nil, true, st, policy.ResultPass, "it names 1 address or network of ours", ""},
		"not asked, the configuration does": {bare, public, false, nil, policy.ResultPass, "not asked", ""},
		"not asked, and nobody says":        {sim, nil, false, st, policy.ResultWarn, "no public address is known to be ours", "networks.own"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := &config.Config{Firewalls: []config.Firewall{entryFor("fw1", firewall.ModeTag, c.sim)}, Networks: config.Networks{Own: c.own, AskFirewalls: c.ask}}
			checks, err := Verify(t.Context(), cfg, VerifyOptions{Store: c.store})
			if err != nil {
				t.Fatal(err)
			}
			got := found(checks, "fw1", CheckOurs)
			if got.Result != c.result || !strings.Contains(got.Detail, c.detail) || !strings.Contains(got.Remedy, c.remedy) || (c.remedy == "") != (got.Remedy == "") {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestWhatIsWrongWithAnAnswerIsAWarning(t *testing.T) {
	away := checkOurs("fw1", &named{err: errors.New("connection refused")}, true)
	if away.Result != policy.ResultWarn || away.Detail != "cannot ask which addresses are ours: connection refused" || away.Remedy == "" {
		t.Errorf("%+v", away)
	}
	cut := checkOurs("fw1", &named{Answer: ours.Answer{Troubles: []ours.Trouble{{What: "it is too wide", Remedy: "say so"}, {What: "x"}}, LeftOut: 3}}, true)
	if cut.Result != policy.ResultWarn || cut.Detail != "it is too wide; and 4 more" || cut.Remedy != "say so" {
		t.Errorf("%+v", cut)
	}
}
