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
	away := checkOurs("fw1", &named{err: errors.New("connection refused")}, true, nil)
	if away.Result != policy.ResultWarn || away.Detail != "cannot ask which addresses are ours: connection refused" || away.Remedy == "" {
		t.Errorf("%+v", away)
	}
	cut := checkOurs("fw1", &named{Answer: ours.Answer{Troubles: []ours.Trouble{{What: "it is too wide", Remedy: "say so"}, {What: "x"}}, LeftOut: 3}}, true, nil)
	if cut.Result != policy.ResultWarn || cut.Detail != "it is too wide; and 4 more" || cut.Remedy != "say so" {
		t.Errorf("%+v", cut)
	}
}

// Which networks are ours is named, and of which an address alone is, unless networks.own has the rest.
func TestVerifyNamesWhatIsOurs(t *testing.T) {
	network := netip.MustParsePrefix("198.51.100.0/24")
	asked := &named{Answer: ours.Answer{
		Entries: []ours.Entry{{Prefix: netip.MustParsePrefix("198.51.100.1/32"), Kind: ours.Network, What: "interface ethernet1/1"}, {Prefix: netip.MustParsePrefix("192.0.2.53/32"), Kind: ours.Peer, What: "DNS server"}},
		Partly:  []ours.Entry{{Prefix: network, Kind: ours.Network, What: "network of interface ethernet1/1, which faces the internet"}},
	}}
	c := checkOurs("fw1", asked, true, nil)
	for _, says := range []string{"1 address or network of ours, and 1 peer", "\n198.51.100.1: interface ethernet1/1", "\nNOT 198.51.100.0/24 (network of interface ethernet1/1, which faces the internet): its own address alone"} {
		if c.Result != policy.ResultPass || !strings.Contains(c.Detail, says) {
			t.Errorf("%+v does not say %q", c, says)
		}
	}
	if strings.Contains(c.Detail, "192.0.2.53") {
		t.Errorf("a peer is listed as ours: %s", c.Detail)
	}
	if c = checkOurs("fw1", asked, true, []netip.Prefix{netip.MustParsePrefix("198.51.0.0/16")}); strings.Contains(c.Detail, "NOT") {
		t.Errorf("networks.own has it, and yet: %s", c.Detail)
	}
	for range mostNamed {
		asked.Entries = append(asked.Entries, asked.Entries[0])
	}
	if c = checkOurs("fw1", asked, true, nil); !strings.Contains(c.Detail, "\nand 1 more: activedefense status --all") {
		t.Errorf("%d are listed: %s", len(asked.Entries), c.Detail)
	}
}
