package enforce

import (
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/panosim"
)

// Firewalls lock out whoever logs in too often, and let one administrator have few sessions: entries at one address log in
// once, as long as they do so as the same administrator and believe the same certificates.
func TestEntriesAtOneAddressShareAConnection(t *testing.T) {
	sim := startSim(t, panosim.Options{Admin: "svc", Users: map[string]string{"svc": "right"}, VSys: []string{"vsys1", "vsys2"}})
	entry := entryFor("fw1", firewall.ModeTag, sim)
	entry.APIKey, entry.Username, entry.Password = "", "svc", "right"
	for name, c := range map[string]struct {
		change func(*config.Firewall)
		logins int // of both together
	}{
		"another virtual system":  {func(fw *config.Firewall) { fw.VSys = "vsys2" }, 1},
		"another way to write it": {func(fw *config.Firewall) { fw.URL = strings.ToUpper(fw.URL) }, 1},
		"another password":        {func(fw *config.Firewall) { fw.Password = "wrong" }, 2},
		"another authority":       {func(fw *config.Firewall) { fw.CA = slices.Concat(sim.CA(), startSim(t, panosim.Options{}).CA()) }, 2},
		"any certificate":         {func(fw *config.Firewall) { fw.InsecureSkipVerify = true }, 2},
		"another timeout":         {func(fw *config.Firewall) { fw.Timeout = time.Minute }, 2},
		"a key":                   {func(fw *config.Firewall) { fw.APIKey = config.Secret(sim.Key()) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			sim.ResetStats()
			open := newDevices("test", NewCalls(), time.Now)
			other := entry
			other.Name = "other"
			c.change(&other)
			for _, fw := range []config.Firewall{entry, other} {
				device, err := open.member(fw, fw.Name, fw.URL)
				if err != nil {
					t.Fatal(err)
				}
				if device.Name() != fw.Name || device.VSys() != fw.VSys {
					t.Errorf("%s of %s instead of %s of %s", device.VSys(), device.Name(), fw.VSys, fw.Name)
				}
				if err := device.Identify(t.Context()); err != nil && fw.Password != "wrong" {
					t.Error(err)
				}
				t.Cleanup(device.Close)
			}
			if n := sim.Stats().Calls[panosim.KindKeygen]; n != c.logins {
				t.Errorf("they log in %d times", n)
			}
		})
	}
}

func TestAMemberThatCannotBeOpenedIsNamed(t *testing.T) {
	sim := startSim(t, panosim.Options{})
	for name, c := range map[string]struct {
		change func(*config.Firewall)
		text   string
	}{
		"its URL":                {func(fw *config.Firewall) { fw.URL = "http://192.0.2.1" }, `firewall "fw1": url: must be https`},
		"its peer's URL":         {func(fw *config.Firewall) { fw.PeerURL = "http://192.0.2.1" }, `firewall "fw1 (peer)": url: must be https`},
		"a second one's vsys":    {func(fw *config.Firewall) { fw.PeerURL, fw.VSys = fw.URL, "vsys 2" }, `firewall "fw1": vsys: must be an ID`},
		"the vsys of a sibling":  {func(fw *config.Firewall) { fw.VSys = "vsys 2" }, `firewall "fw1": vsys: must be an ID`},
		"no key and no password": {func(fw *config.Firewall) { fw.APIKey = "" }, `firewall "fw1": an API key`},
	} {
		open := newDevices("test", NewCalls(), time.Now)
		fw := entryFor("fw1", firewall.ModeTag, sim)
		if name == "the vsys of a sibling" {
			if _, err := open.member(fw, "first", fw.URL); err != nil {
				t.Fatal(err)
			}
		}
		c.change(&fw)
		if _, err := open.pair(fw); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
