package config

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNetworksBlacklistAndLabels(t *testing.T) {
	c, warnings, err := loadBytes([]byte(`
networks: {own: [198.51.100.0/24, "2001:db8::/32"], ask_firewalls: false, proxies: [203.0.113.0/24]}
never_block: [192.0.2.1]
labels: [{file: /a/./scanners.txt, label: known scanner}, {file: /a/partners, label: partner, mode: never}, {file: /a/botnet, label: botnet, mode: block}]
blacklist:
  ipv6_prefix: 128
  surge: {additions: 5, window: 1m}
  escalate: {factor: 2, max: 90d}
  neighbourhood: {sources: 3}
`))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v", warnings, err)
	}
	if n := c.Networks; n.AskFirewalls || !slices.Equal(n.Own, prefixes("198.51.100.0/24", "2001:db8::/32")) || !slices.Equal(n.Proxies, prefixes("203.0.113.0/24")) {
		t.Errorf("networks = %+v", n)
	}
	if !slices.Equal(c.Labels, []Label{{"/a/scanners.txt", "known scanner", "label"}, {"/a/partners", "partner", "never"}, {"/a/botnet", "botnet", "block"}}) {
		t.Errorf("labels = %+v", c.Labels)
	}
	b := c.Blacklist
	if b.IPv6Prefix != 128 || b.Surge != (Surge{5, 60e9}) || b.Escalate != (Escalate{2, 90 * day}) || b.Neighbourhood.Sources != 3 || b.ReleaseAfter != 30*day {
		t.Errorf("blacklist = %+v", b)
	}
}

func TestFaultsOfNetworksBlacklistAndLabels(t *testing.T) {
	for _, c := range []struct{ name, yaml, key, text string }{
		{"own too wide", "networks: {own: [198.51.100.0/24, 64.0.0.0/7]}", "networks.own[1]", "too wide"},
		{"own is everything", "networks: {own: [0.0.0.0/0]}", "networks.own[0]", "too wide"},
		{"own too wide, IPv6", "networks: {own: ['2a00::/15']}", "networks.own[0]", "too wide"},
		{"own is half of it", "networks: {own: [" + slash8s(128) + "]}", "networks.own", "covers half of the internet"},
		{"own with host bits", "networks: {own: [198.51.100.1/24]}", "networks.own[0]", "use 198.51.100.0/24"},
		{"own in words", "networks: {own: [office]}", "networks.own[0]", "is not an address"},
		{"proxies too wide", "networks: {proxies: [64.0.0.0/7]}", "networks.proxies[0]", "too wide"},
		{"a proxy that is ours", "networks: {own: [198.51.100.0/24], proxies: [203.0.113.1, 198.51.100.7]}", "networks.proxies[1]", "overlaps 198.51.100.0/24"},
		{"ours within the proxies", "networks: {own: [198.51.100.7], proxies: [198.51.100.0/24]}", "networks.proxies[0]", "overlaps 198.51.100.7"},
		{"misspelt", "networks: {owns: []}", "networks.owns", "did you mean networks.own?"},
		{"not asked", "networks: {ask_firewalls: maybe}", "networks.ask_firewalls", "true or false"},

		{"IPv6 too wide", "blacklist: {ipv6_prefix: 47}", "blacklist.ipv6_prefix", "48 to 128"},
		{"IPv6 too long", "blacklist: {ipv6_prefix: 129}", "blacklist.ipv6_prefix", "48 to 128"},
		{"surge", "blacklist: {surge: {additions: -1}}", "blacklist.surge.additions", "use 0 to"},
		{"surge window", "blacklist: {surge: {window: 0}}", "blacklist.surge.window", "at least 1s"},
		{"factor", "blacklist: {escalate: {factor: 0}}", "blacklist.escalate.factor", "1 to 100"},
		{"shortens", "blacklist: {escalate: {factor: 2, max: 1d}}", "blacklist.escalate.max", "use at least 30d"},
		{"few neighbours", "blacklist: {neighbourhood: {sources: 2}}", "blacklist.neighbourhood.sources", "use 3 to 256, or 0"},
		{"many neighbours", "blacklist: {neighbourhood: {sources: 257}}", "blacklist.neighbourhood.sources", "0 to 256"},

		{"no file", "labels: [{label: x}]", "labels[0].file", "is missing"},
		{"no label", "labels: [{file: /a}]", "labels[0].label", "is missing"},
		{"relative", "labels: [{file: a.txt, label: x}]", "labels[0].file", "is not an absolute path"},
		{"same file", "labels: [{file: /a/b, label: x}, {file: /a/./b, label: y}]", "labels[1].file", "is also labels[0].file"},
		{"label mode", "labels: [{file: /a, label: x, mode: allow}]", "labels[0].mode", "not one of label, never, block"},
		{"control character", "labels: [{file: /a, label: \"a\\tb\"}]", "labels[0].label", "printable"},
		{"very many", "labels: [" + strings.Repeat("{file: /a, label: x},", 101) + "]", "labels", "at most 100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := loadBytes([]byte(c.yaml))
			fs := faultsOf(t, err)
			if len(fs) != 1 || fs[0].Key != c.key || !strings.Contains(fs[0].Text, c.text) {
				t.Errorf("faults of\n%.300s\nare %v\nwant one of %s with %q", c.yaml, err, c.key, c.text)
			}
		})
	}
}

// slash8s gives so many networks of the length 8, from the end.
func slash8s(n int) string {
	var texts []string
	for i := range n {
		texts = append(texts, netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(255 - i)}), 8).String())
	}
	return strings.Join(texts, ", ")
}

func TestWarningsOfNetworks(t *testing.T) {
	const allow = "never_block: [192.0.2.1]\n"
	credential := "api_key_file: " + write(t, "k", "x", 0o600)
	for name, c := range map[string]struct{ yaml, keys string }{
		"nothing known":                       {allow, "networks.own"},
		"no allow-list":                       {"networks: {own: [198.51.100.0/24]}", "never_block"},
		"ours":                                {allow + "networks: {own: [198.51.100.0/24]}", ""},
		"private networks make nothing known": {allow + "networks: {own: [10.0.0.0/8]}", "networks.own[0] networks.own"},
		"nor do those of IPv6":                {allow + "networks: {own: ['fc00::/16']}", "networks.own[0] networks.own"},
		"private beside public":               {allow + "networks: {own: [198.51.100.0/24, 10.0.0.0/8]}", "networks.own[1]"},
		"wide":                                {allow + "networks: {own: [64.0.0.0/15]}", "networks.own[0]"},
		"wide, IPv6":                          {allow + "networks: {own: ['2a00::/31']}", "networks.own[0]"},
		"wide enough":                         {allow + "networks: {own: [64.0.0.0/16, '2a00::/32']}", ""},
		"firewalls are asked":                 {allow + listed + firewallWith(credential), "networks.own"},
		"firewalls are asked, and ours":       {allow + "networks: {own: [198.51.100.0/24]}\n" + listed + firewallWith(credential), ""},
		"firewalls are not asked":             {allow + "networks: {ask_firewalls: false}\nedl: {listen: ''}\n" + firewallWith(credential), "networks.own"},
		"all are exempt":                      {"never_block: [0.0.0.0/0, 192.0.2.1]\nnetworks: {own: [198.51.100.0/24]}", "never_block[0]"},
		"half is exempt":                      {"never_block: [192.0.2.1, 128.0.0.0/1]\nnetworks: {own: [198.51.100.0/24]}", "never_block[1]"},
		"half of IPv6 is exempt":              {"never_block: ['2000::/4']\nnetworks: {own: [198.51.100.0/24]}", "never_block[0]"},
		"a provider is exempt":                {"never_block: [64.0.0.0/15, 64.4.0.0/16, 10.0.0.0/8, 'fc00::/7']\nnetworks: {own: [198.51.100.0/24]}", "never_block[0]"},
		"all are exempt, in halves":           {"never_block: [0.0.0.0/1, 128.0.0.0/1]\nnetworks: {own: [198.51.100.0/24]}", "never_block[0] never_block[1]"},
		"no surge":                            {allow + "networks: {own: [198.51.100.0/24]}\nblacklist: {surge: {additions: 0}}", "blacklist.surge.additions"},
	} {
		t.Run(name, func(t *testing.T) {
			_, warnings, err := loadBytes([]byte(c.yaml))
			if err != nil || keysOf(warnings) != c.keys {
				t.Errorf("warnings %v, %v, want those of %s", warnings, err, c.keys)
			}
			if text, ok := map[string]string{"all are exempt": "100 % of the internet's IPv4", "half is exempt": "50 % of the internet's IPv4",
				"half of IPv6 is exempt": "50 % of the internet's IPv6", "a provider is exempt": "0.003 % of the internet's IPv4"}[name]; ok && !strings.Contains(warnings[0].Text, text) {
				t.Errorf("warning %v", warnings[0])
			}
		})
	}
}

// What was meant to be there and is faulty is not said to be missing.
func TestAFaultIsNoWarning(t *testing.T) {
	_, warnings, err := loadBytes([]byte("networks: {own: [198.51.100.1/24]}\nnever_block: office"))
	if len(faultsOf(t, err)) != 2 || len(warnings) > 0 {
		t.Errorf("%v, warnings %v", err, warnings)
	}
}

// Coverage is found in the sorted list of the widest networks as by looking at each network.
func TestCoverageIsThatOfEachNetwork(t *testing.T) {
	network := rapid.Custom(func(t *rapid.T) netip.Prefix {
		if rapid.Bool().Draw(t, "v6") {
			a := [16]byte{0x20, byte(rapid.IntRange(0, 3).Draw(t, "a"))}
			return netip.PrefixFrom(netip.AddrFrom16(a), rapid.IntRange(3, 20).Draw(t, "bits")).Masked()
		}
		a := [4]byte{byte(rapid.IntRange(0, 3).Draw(t, "a")), byte(rapid.IntRange(0, 255).Draw(t, "b"))}
		return netip.PrefixFrom(netip.AddrFrom4(a), rapid.IntRange(4, 18).Draw(t, "bits")).Masked()
	})
	rapid.Check(t, func(t *rapid.T) {
		all, p := rapid.SliceOfN(network, 0, 12).Draw(t, "networks"), network.Draw(t, "p")
		before := slices.Clone(all)
		apart := disjoint(all)
		if !slices.Equal(all, before) {
			t.Fatal("the networks were changed")
		}
		within, touched := false, false
		for _, q := range all {
			within = within || q.Overlaps(p) && q.Bits() <= p.Bits()
			touched = touched || q.Overlaps(p)
		}
		if covered(p, apart) != within {
			t.Errorf("covered = %v", !within)
		}
		if _, ok := overlapping(p, apart); ok != touched {
			t.Errorf("overlapping = %v", ok)
		}
		for i, q := range apart {
			if i > 0 && apart[i-1].Overlaps(q) {
				t.Errorf("%s and %s overlap", apart[i-1], q)
			}
		}
	})
}
