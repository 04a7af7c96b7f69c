package own

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

func TestAnOwnAddressIsProtectedWhileItsNameCannotBeResolved(t *testing.T) {
	before, after := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")
	var answer []netip.Addr
	var trouble error
	addresses := New(&config.Config{Firewalls: []config.Firewall{{Name: "fw1", URL: "https://fw1.example:8443"}}}, func(_ context.Context, _, host string) ([]netip.Addr, error) {
		if host != "fw1.example" {
			t.Errorf("asked for %q", host)
		}
		return answer, trouble
	})
	for _, step := range []struct {
		what       string
		answer     []netip.Addr
		trouble    error
		beforeFree bool
		afterFree  bool
	}{
		{"not found yet", nil, errors.New("no such host"), true, true},
		{"found", []netip.Addr{before}, nil, false, true},
		{"the name server is away", nil, errors.New("timeout"), false, true},
		{"an empty answer", nil, nil, false, true},
		{"it has moved", []netip.Addr{after}, nil, true, false},
	} {
		answer, trouble = step.answer, step.trouble
		complete := addresses.Look(t.Context())
		guard := addresses.Known().Guard
		if free := guard.CheckAddr(before) == nil; free != step.beforeFree {
			t.Errorf("%s: %s may be blocked: %t", step.what, before, free)
		}
		if free := guard.CheckAddr(after) == nil; free != step.afterFree {
			t.Errorf("%s: %s may be blocked: %t", step.what, after, free)
		}
		if complete != (len(step.answer) > 0) {
			t.Errorf("%s: complete %t", step.what, complete)
		}
	}
}

// What the configuration and the firewalls say is united; each refusal names who said it, the configuration first.
func TestKnown(t *testing.T) {
	networks := func(texts ...string) (out []netip.Prefix) {
		for _, text := range texts {
			out = append(out, netip.MustParsePrefix(text))
		}
		return out
	}
	named := func(firewall, kind, what, address string) store.Protected {
		return store.Protected{Firewall: firewall, Kind: kind, What: what, Address: netip.MustParsePrefix(address), Since: time.Unix(0, 0)}
	}
	protected := []store.Protected{
		named("FW-1", store.ProtectedNetwork, "NAT rule out source translation", "198.51.100.0/28"),
		named("FW-1", store.ProtectedPeer, "DNS server", "192.0.2.53/32"),
		named("FW-2", store.ProtectedManagement, "management address", "203.0.113.250/32"),
		named("FW-2", store.ProtectedNetwork, "interface ethernet1/1", "203.0.113.1/32"),
		named("FW-2", store.ProtectedPeer, "peer of IKE gateway office", "198.51.100.3/32"),
	}
	for name, c := range map[string]struct {
		cfg       config.Config
		protected []store.Protected
		known     bool
		ours      []string
		refused   map[string]string // by address; "" may be blocked
	}{
		"nothing": {config.Config{}, nil, false, nil, map[string]string{"203.0.113.1": ""}},
		"the configuration": {config.Config{NeverBlock: networks("192.0.2.1/32"), Networks: config.Networks{Own: networks("203.0.113.0/28"), Proxies: networks("8.8.4.0/24")}}, nil, true,
			[]string{"203.0.113.1"}, map[string]string{"192.0.2.1": "192.0.2.1 is in never_block (192.0.2.1)",
				"203.0.113.1": "203.0.113.1 is in 203.0.113.0/28, which is ours (networks.own)", "8.8.4.1": "8.8.4.1 is in 8.8.4.0/24, which is a proxy in front of us (networks.proxies)", "203.0.113.16": ""}},
		"the firewalls": {config.Config{Networks: config.Networks{AskFirewalls: true}}, protected, true, []string{"198.51.100.7", "203.0.113.1", "203.0.113.250"}, map[string]string{
			"198.51.100.7": "198.51.100.7 is in 198.51.100.0/28, which is firewall FW-1's NAT rule out source translation", "192.0.2.53": "192.0.2.53 is firewall FW-1's DNS server",
			"203.0.113.1": "203.0.113.1 is firewall FW-2's interface ethernet1/1", "198.51.100.3": "198.51.100.3 is firewall FW-2's peer of IKE gateway office", "203.0.113.2": ""}},
		"firewalls that are not asked": {config.Config{}, protected, false, nil, map[string]string{"198.51.100.7": "", "192.0.2.53": ""}},
		"management alone": {config.Config{Networks: config.Networks{AskFirewalls: true}, Firewalls: []config.Firewall{{Name: "FW-2", URL: "https://203.0.113.251", PeerURL: "https://[2001:db8::251]:8443"}}}, protected[1:3], false,
			[]string{"203.0.113.250", "203.0.113.251", "2001:db8::251"}, map[string]string{"203.0.113.250": "203.0.113.250 is firewall FW-2's management address", "203.0.113.251": "203.0.113.251 is firewall FW-2", "2001:db8::251": "2001:db8::251 is firewall FW-2"}},
		"both": {config.Config{Networks: config.Networks{AskFirewalls: true, Own: networks("198.51.100.0/28")}}, protected, true, nil, map[string]string{
			"198.51.100.7": "198.51.100.7 is in 198.51.100.0/28, which is ours (networks.own)"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := New(&c.cfg, nil)
			if !a.Look(t.Context()) {
				t.Error("it is not complete")
			}
			a.Take(c.protected)
			k := a.Known()
			if a.Known() != k {
				t.Error("it is another, although nothing changed")
			}
			if k.Ours.Known() != c.known || k.Status.Known != c.known {
				t.Errorf("known: %v, %v", k.Ours.Known(), k.Status.Known)
			}
			for _, addr := range c.ours {
				if !k.Ours.Contains(netip.MustParseAddr(addr)) {
					t.Errorf("%s is not ours", addr)
				}
			}
			if k.Ours.Contains(netip.MustParseAddr("192.0.2.53")) || k.Ours.Contains(netip.MustParseAddr("8.8.4.1")) {
				t.Error("a peer or a proxy is ours")
			}
			for addr, want := range c.refused {
				got := ""
				if err := k.Guard.CheckAddr(netip.MustParseAddr(addr)); err != nil {
					got = err.Error()
				}
				if got != want {
					t.Errorf("%s: %s", addr, got)
				}
			}
		})
	}
}

func TestStatusIsBoundedAndInOrder(t *testing.T) {
	cfg := &config.Config{Networks: config.Networks{AskFirewalls: true, Own: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}}
	a := New(cfg, nil)
	var protected []store.Protected
	for i := range shown + 5 {
		p := netip.MustParsePrefix(fmt.Sprintf("198.51.%d.%d/32", i>>8, i&255))
		protected = append(protected, store.Protected{Firewall: "fw1", Kind: store.ProtectedPeer, What: "DNS server", Address: p})
	}
	protected = append(protected, store.Protected{Firewall: "fw1", Kind: store.ProtectedNetwork, What: "interface ethernet1/1", Address: netip.MustParsePrefix("192.0.2.1/32")})
	a.Take(protected)
	s := a.Known().Status
	if len(s.Peers) != shown || s.NotShown != 5 || s.Peers[0] != (Peer{"198.51.0.0", "firewall fw1: DNS server"}) {
		t.Errorf("%d peers, %d not shown, first %v", len(s.Peers), s.NotShown, s.Peers[0])
	}
	if want := []Network{{"192.0.2.1", "firewall fw1: interface ethernet1/1"}, {"203.0.113.0/24", "networks.own"}}; !slices.Equal(s.Networks, want) {
		t.Errorf("networks %v", s.Networks)
	}
}

// What other agents never block is guarded, with who says so, and nothing else: it is not ours, and not published as this agent's.
func TestWhatOthersNeverBlockIsGuarded(t *testing.T) {
	cfg := &config.Config{NeverBlock: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")},
		Networks: config.Networks{Own: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/28")}, AskFirewalls: true}, Firewalls: []config.Firewall{{Name: "FW-1", URL: "https://198.51.100.250"}}}
	a := New(cfg, nil)
	a.Look(t.Context())
	a.Take([]store.Protected{{Firewall: "FW-1", Kind: store.ProtectedPeer, What: "DNS server", Address: netip.MustParsePrefix("192.0.2.53/32")}})
	a.Spare([]detect.Own{{Prefix: netip.MustParsePrefix("192.0.2.99/32"), What: "listed as \"monitoring\" in /x"}})
	before := a.Known()
	a.Share([]store.Guarded{{Agent: "south", Address: netip.MustParsePrefix("198.51.100.7/32"), What: "in never_block"},
		{Agent: "south", Address: netip.MustParsePrefix("198.51.100.16/28"), What: "ours (networks.own)"}, {Agent: "south", Address: netip.MustParsePrefix("192.0.2.1/32"), What: "x"}})
	k := a.Known()
	for addr, want := range map[string]string{
		"198.51.100.7":  "198.51.100.7 is in never_block, as agent south says",
		"198.51.100.17": "198.51.100.17 is in 198.51.100.16/28, which is ours (networks.own), as agent south says",
		"192.0.2.1":     "192.0.2.1 is in never_block (192.0.2.1)",
	} {
		if err := k.Guard.CheckAddr(netip.MustParseAddr(addr)); err == nil || err.Error() != want {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if k.Ours.Contains(netip.MustParseAddr("198.51.100.17")) {
		t.Error("another's network is ours")
	}
	if !slices.Equal(k.Published, before.Published) {
		t.Errorf("what others say is published as its own: %v", k.Published)
	}
	texts := make(map[string]string)
	for _, g := range k.Published {
		texts[g.Address.String()] = g.What
	}
	for address, want := range map[string]string{"192.0.2.1/32": "in never_block", "203.0.113.0/28": "ours (networks.own)", "198.51.100.250/32": "firewall FW-1",
		"192.0.2.53/32": "firewall FW-1's DNS server", "192.0.2.99/32": "listed as \"monitoring\" in /x", "127.0.0.1/32": "an agent's own host"} {
		if texts[address] != want {
			t.Errorf("%s is published as %q, not %q", address, texts[address], want)
		}
	}
	a.Share(nil)
	if a.Known().Guard.CheckAddr(netip.MustParseAddr("198.51.100.7")) != nil {
		t.Error("it is guarded when nobody says so any more")
	}
}

// What persons allow is guarded with who says so, is neither ours nor published as this agent's, and what ceases to be allowed is told once.
func TestWhatPersonsAllowIsGuarded(t *testing.T) {
	a := New(&config.Config{}, nil)
	before := a.Known()
	if gone := a.Allow([]store.Allowed{
		{Entry: "198.51.100.0/28", Addresses: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/28")}, By: "anna", Reason: "branch"},
		{Entry: "vpn.example.com", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")}, By: "berta", Resolved: time.Unix(1, 0)},
	}); len(gone) != 0 {
		t.Errorf("gone is %v", gone)
	}
	k := a.Known()
	for addr, want := range map[string]string{"198.51.100.7": "198.51.100.7 is in 198.51.100.0/28, which is on the allow-list (anna: branch)", "192.0.2.2": "192.0.2.2 is on the allow-list as vpn.example.com (berta)"} {
		if err := k.Guard.CheckAddr(netip.MustParseAddr(addr)); err == nil || err.Error() != want {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if k.Ours.Contains(netip.MustParseAddr("198.51.100.7")) || !slices.Equal(k.Published, before.Published) {
		t.Error("it is ours, or published")
	}
	keep := []store.Allowed{{Entry: "vpn.example.com", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.2/32")}, By: "berta", Resolved: time.Unix(2, 0)}}
	if gone := a.Allow(keep); len(gone) != 2 || a.Known().Guard.CheckAddr(netip.MustParseAddr("198.51.100.7")) != nil {
		t.Errorf("gone is %v", gone)
	}
	k = a.Known()
	if gone := a.Allow(keep); len(gone) != 0 || a.Known() != k {
		t.Errorf("gone is %v", gone)
	}
}
