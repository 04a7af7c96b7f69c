package enforce

import (
	"fmt"
	"testing"
	"time"

	"activedefense/config"
	"activedefense/firewall"
)

// What is noted of a firewall is found again by its name.
func TestFirewallNamesAreThoseThatHoldBlocks(t *testing.T) {
	for _, mode := range []string{firewall.ModeTag, firewall.ModeGroup, firewall.ModeList} {
		cfg := &config.Config{Firewalls: []config.Firewall{
			{Name: "alone", URL: "https://192.0.2.1", APIKey: "k", Mode: mode, Tag: "active-defense"},
			{Name: "pair", URL: "https://192.0.2.2", PeerURL: "https://192.0.2.3", APIKey: "k", Mode: mode, Tag: "active-defense"},
		}}
		cfg.EDL.URL = "https://192.0.2.9:8443/files/blacklist.txt"
		fleet, err := New(Options{Config: cfg, Calls: NewCalls(), Now: time.Now})
		if err != nil {
			t.Fatal(mode, err)
		}
		var held []string
		for _, e := range fleet.Enforcers {
			held = append(held, e.name)
		}
		if names := Names(cfg); fmt.Sprint(names) != fmt.Sprint(held) {
			t.Errorf("%s: %q instead of %q", mode, names, held)
		}
	}
}
