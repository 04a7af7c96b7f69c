package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEveryRuleTakesItsOwnModeOutcomeLengthAndTag(t *testing.T) {
	c, _, err := loadBytes([]byte(`
detect:
  outcome: all
  port_scan: {mode: observe, outcome: refused, block_for: 1s, tag: scanners}
  host_sweep: {mode: "off"}
  probe: {block_for: 365d}
  vulnerability: {mode: observe, tag: attackers}
  login: {block_for: 0}
`))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ got, want Rule }{
		"port_scan":     {c.Detect.PortScan.Rule, Rule{"observe", "refused", time.Second, "scanners"}},
		"host_sweep":    {c.Detect.HostSweep.Rule, Rule{"off", "all", 0, ""}},
		"probe":         {c.Detect.Probe.Rule, Rule{"block", "all", 365 * day, ""}},
		"vulnerability": {c.Detect.Vulnerability.Rule, Rule{"observe", "", 0, "attackers"}},
		"login":         {c.Detect.Login.Rule, Rule{"block", "", 0, ""}},
	} {
		if c.got != c.want {
			t.Errorf("%s: %+v, want %+v", name, c.got, c.want)
		}
	}
}

// An operator who wrote severity: off before there were ids switched the rule off.
func TestThreatIDs(t *testing.T) {
	for yaml, want := range map[string][]uint32{
		"{}":                                 {40001, 40005, 40007, 40015},
		"{severity: high}":                   {40001, 40005, 40007, 40015},
		`{severity: "off"}`:                  nil,
		"{severity: off, threat_ids: 40017}": {40017},
		"{threat_ids: [40017, \"40001\"]}":   {40017, 40001},
		"{threat_ids: []}":                   nil,
	} {
		c, _, err := loadBytes([]byte("detect: {vulnerability: " + yaml + "}"))
		if err != nil || !slices.Equal(c.Detect.Vulnerability.ThreatIDs, want) {
			t.Errorf("%s: %v, %v, want %v", yaml, c.Detect.Vulnerability.ThreatIDs, err, want)
		}
	}
}

func TestIgnore(t *testing.T) {
	c, warnings, err := loadBytes([]byte(`
detect:
  ignore:
    - {src: 192.0.2.0/24, reason: a}
    - src: [198.51.100.7, "2001:db8::/32"]
      dst: [203.0.113.0/24]
      dst_port: [443, 2000-3000, "2500-4000", 442]
      device: fw1
      zone: [untrust, 7]
      application: ssl
      firewall_rule: allow web
      subtype: [scan]
      threat_id: [8001, 40015]
      rules: [probe]
      until: 2026-12-31
      reason: b
    - {dst_port: 0, rules: host-sweep, until: "2027-01-31", reason: pings}
never_block: [192.0.2.1]
networks: {own: [203.0.113.0/24]}
`))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v, %v", warnings, err)
	}
	want := []Ignore{
		{Src: prefixes("192.0.2.0/24"), Reason: "a"},
		{
			Src: prefixes("198.51.100.7/32", "2001:db8::/32"), Dst: prefixes("203.0.113.0/24"),
			DstPort: []PortRange{{442, 443}, {2000, 4000}}, Device: []string{"fw1"}, Zone: []string{"untrust", "7"},
			Application: []string{"ssl"}, FirewallRule: []string{"allow web"}, Subtype: []string{"scan"}, ThreatID: []uint32{8001, 40015},
			Rules: []string{"probe"}, Until: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Reason: "b",
		},
		{DstPort: []PortRange{{0, 0}}, Rules: []string{"host-sweep"}, Until: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC), Reason: "pings"},
	}
	// What is not set is empty, made or not.
	if got := fmt.Sprintf("%+v", c.Detect.Ignore); got != fmt.Sprintf("%+v", want) {
		t.Errorf("got\n%s\nwant\n%+v", got, want)
	}
	for _, port := range []uint16{1999, 2000, 4000, 4001} {
		if got := want[1].DstPort[1].Contains(port); got != (port == 2000 || port == 4000) {
			t.Errorf("2000-4000 contains %d: %v", port, got)
		}
	}
}

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		out[i] = netip.MustParsePrefix(t)
	}
	return out
}

// A later entry that an earlier one covers does nothing, and the other way round.
func TestIgnoreEntriesThatCoverEachOther(t *testing.T) {
	for _, c := range []struct {
		name, first, second, warned string // the key of the one that does nothing
	}{
		{"the same", "src: 192.0.2.7", "src: 192.0.2.7", "detect.ignore[1]"},
		{"wider network", "src: 192.0.2.0/24", "src: [192.0.2.7, 192.0.2.9]", "detect.ignore[1]"},
		{"wider network behind", "src: 192.0.2.7", "src: [198.51.100.0/24, 192.0.2.0/24]", "detect.ignore[0]"},
		{"further condition", "src: 192.0.2.0/24", "{src: 192.0.2.0/24, dst_port: 443}", "detect.ignore[1]"},
		{"range of ports", "dst_port: 1000-2000", "dst_port: [1000, 1500-1600]", "detect.ignore[1]"},
		{"ranges that touch", "dst_port: [1000-1500, 1501-2000]", "dst_port: 1400-1600", "detect.ignore[1]"},
		{"one rule of all", "zone: dmz", "{zone: dmz, rules: probe}", "detect.ignore[1]"},
		{"ends earlier", "zone: dmz", "{zone: dmz, until: 2027-01-31}", "detect.ignore[1]"},
		{"ends later", "{zone: dmz, until: 2027-01-31}", "{zone: dmz, until: 2027-02-01}", "detect.ignore[0]"},
		{"half of it", "src: 192.0.2.0/25", "src: 192.0.2.0/24", "detect.ignore[0]"},
		{"another family", "src: 192.0.2.0/24", "src: '2001:db8::/32'", ""},
		{"part of the values", "zone: [dmz, untrust]", "zone: [dmz, guest]", ""},
		{"ends, but wider", "{src: 192.0.2.0/24, until: 2027-01-31}", "src: 192.0.2.7", ""},
		{"other rules", "{device: a, rules: login}", "{device: a, rules: probe}", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			entry := func(s string) string { return "{" + strings.Trim(s, "{}") + ", reason: x}" }
			_, warnings, err := loadBytes([]byte(sound + "detect: {ignore: [" + entry(c.first) + ", " + entry(c.second) + "]}"))
			if err != nil || keysOf(warnings) != c.warned {
				t.Errorf("warnings %v, %v, want one of %s", warnings, err, c.warned)
			}
		})
	}
}

func TestFaultsOfRules(t *testing.T) {
	ignore := func(entry string) string { return "detect: {ignore: [{src: 192.0.2.1, reason: a}, " + entry + "]}" }
	for _, c := range []struct{ name, yaml, key, text string }{
		{"mode", "detect: {probe: {mode: notice}}", "detect.probe.mode", "not one of block, observe, off"},
		{"outcome", "detect: {probe: {outcome: any}}", "detect.probe.outcome", "not one of refused, all"},
		{"outcome of logins", "detect: {login: {outcome: all}}", "detect.login.outcome", "unknown key"},
		{"outcome of threats", "detect: {vulnerability: {outcome: all}}", "detect.vulnerability.outcome", "unknown key"},
		{"misspelt", "detect: {probe: {target: 30}}", "detect.probe.target", "did you mean detect.probe.targets?"},
		{"misspelt rule", "detect: {logins: {failures: 3}}", "detect.logins", "did you mean detect.login?"},
		{"short block", "detect: {login: {block_for: 10ms}}", "detect.login.block_for", "at least 1s"},
		{"long block", "detect: {login: {block_for: 366d}}", "detect.login.block_for", "at most 365d"},
		{"tag", "detect: {login: {tag: \"it's\"}}", "detect.login.tag", "quote"},
		{"long tag", "detect: {login: {tag: " + strings.Repeat("a", 128) + "}}", "detect.login.tag", "127"},
		{"brackets in a tag", "detect: {login: {tag: 'a(b)'}}", "detect.login.tag", "bracket"},
		{"a firewall's tag", "detect: {login: {tag: active-defense}}\n" + firewallWith(login), "detect.login.tag", "firewalls[0].tag"},
		{"one target", "detect: {probe: {targets: 1}}", "detect.probe.targets", "2 to 1000"},
		{"many targets", "detect: {probe: {targets: 1001}}", "detect.probe.targets", "2 to 1000"},
		{"long window", "detect: {probe: {window: 25h}}", "detect.probe.window", "at most 1d"},
		{"no failure", "detect: {login: {failures: 0}}", "detect.login.failures", "1 to 1000"},
		{"records for logins", "store: {keep_records: 1d}\ndetect: {login: {window: 13h}}", "store.keep_records", "at least 1d2h"},
		{"threat id", "detect: {vulnerability: {threat_ids: [40015, ssh]}}", "detect.vulnerability.threat_ids[1]", "is not the id of a threat"},
		{"threat id 0", "detect: {vulnerability: {threat_ids: [0]}}", "detect.vulnerability.threat_ids[0]", "is not the id of a threat"},
		{"few sessions", "detect: {max_sessions: 999}", "detect.max_sessions", "use 1000 to"},
		{"few partners", "detect: {max_partners: 999}", "detect.max_partners", "use 1000 to"},
		{"few probes", "detect: {max_probes: 999}", "detect.max_probes", "use 1000 to"},

		{"no reason", ignore("{src: 192.0.2.2}"), "detect.ignore[1].reason", "is missing"},
		{"no condition", ignore("{reason: x}"), "detect.ignore[1]", "has no condition"},
		{"until alone", ignore("{until: 2027-01-31, reason: x}"), "detect.ignore[1]", "has no condition"},
		{"rules alone", ignore("{rules: probe, reason: x}"), "detect.ignore[1]", "set its mode to off"},
		{"all of IPv4", ignore("{src: 0.0.0.0/0, reason: x}"), "detect.ignore[1].src", "covers all addresses"},
		{"all of IPv4 in halves", ignore("{src: [0.0.0.0/1, 128.0.0.0/1], reason: x}"), "detect.ignore[1].src", "covers all addresses"},
		{"all of IPv6", ignore("{src: '2000::/3', dst: '::/0', reason: x}"), "detect.ignore[1].src", "covers all addresses"},
		{"every destination", ignore("{dst: 0.0.0.0/0, reason: x}"), "detect.ignore[1].dst", "covers all addresses"},
		{"every port", ignore("{dst_port: [0-1000, 1001-65535], reason: x}"), "detect.ignore[1].dst_port", "covers every port"},
		{"every source of every port", ignore("{src: 0.0.0.0/0, dst_port: 0-65535, reason: x}"), "detect.ignore[1].src", "covers all addresses"},
		{"source", ignore("{src: [192.0.2.2, office], reason: x}"), "detect.ignore[1].src[1]", "is not an address or network"},
		{"source with host bits", ignore("{src: 192.0.2.2/24, reason: x}"), "detect.ignore[1].src[0]", "use 192.0.2.0/24"},
		{"no source", ignore("{src: [], zone: dmz, reason: x}"), "detect.ignore[1].src", "has no value"},
		{"empty value", ignore("{zone: [''], reason: x}"), "detect.ignore[1].zone[0]", "is empty"},
		{"section as value", ignore("{zone: {a: b}, reason: x}"), "detect.ignore[1].zone", "a value or a list of values"},
		{"list in a list", ignore("{zone: [dmz, [a]], reason: x}"), "detect.ignore[1].zone[1]", "a text or a whole number"},
		{"port", ignore("{dst_port: 65536, reason: x}"), "detect.ignore[1].dst_port[0]", "is not a port"},
		{"range backwards", ignore("{dst_port: [1, 2000-1000], reason: x}"), "detect.ignore[1].dst_port[1]", "is not a port"},
		{"rule", ignore("{zone: dmz, rules: [port_scan], reason: x}"), "detect.ignore[1].rules[0]", "did you mean port-scan?"},
		{"unknown rule", ignore("{zone: dmz, rules: ssh-guessing, reason: x}"), "detect.ignore[1].rules[0]", "the rules are vulnerability, port-scan"},
		{"day", ignore("{zone: dmz, until: 31.1.2027, reason: x}"), "detect.ignore[1].until", "use one such as 2027-01-31"},
		{"no such day", ignore("{zone: dmz, until: 2027-02-30, reason: x}"), "detect.ignore[1].until", "use one such as 2027-01-31"},
		{"number as day", ignore("{zone: dmz, until: 2027, reason: x}"), "detect.ignore[1].until", "must be a day"},
		{"misspelt condition", ignore("{sorce: 192.0.2.2, src: 192.0.2.2, reason: x}"), "detect.ignore[1].sorce", "did you mean detect.ignore[1].src?"},
		{"part of a condition", ignore("{port: 22, src: 192.0.2.2, reason: x}"), "detect.ignore[1].port", "did you mean detect.ignore[1].dst_port?"},
		{"part of a condition, of several", ignore("{Ports: 22, src: 192.0.2.2, reason: x}"), "detect.ignore[1].Ports", "did you mean detect.ignore[1].dst_port?"},
		{"very many entries", "detect: {ignore: [" + strings.Repeat("{zone: a, reason: x},", 1001) + "]}", "detect.ignore", "at most 1000"},
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

func TestWarningsOfIgnore(t *testing.T) {
	for name, c := range map[string]struct{ entry, key, text string }{
		"over":                {"{zone: dmz, until: 2026-11-28, reason: x}", "detect.ignore[0].until", "is over"},
		"today":               {"{zone: dmz, until: 2026-11-29, reason: x}", "", ""},
		"wide":                {"{src: [192.0.2.1, 64.0.0.0/4], reason: x}", "detect.ignore[0].src", "64.0.0.0/4 is very wide"},
		"wide, but one port":  {"{src: 64.0.0.0/4, dst_port: 443, reason: x}", "", ""},
		"all, but one target": {"{src: 0.0.0.0/0, dst: 203.0.113.1, reason: x}", "", ""},
		"ours":                {"{src: [203.0.113.0/25, 203.0.113.200], reason: x}", "detect.ignore[0]", "in networks.own"},
		"partly ours":         {"{src: [203.0.113.0/25, 192.0.2.2], reason: x}", "", ""},
		"protected":           {"{src: 192.0.2.1, reason: x}", "detect.ignore[0]", "in never_block"},
		"private":             {"{src: [10.1.0.0/16, 'fd00::/64'], reason: x}", "detect.ignore[0]", "src is not public"},
		"elsewhere":           {"{dst: [192.0.2.7, 192.0.2.9], reason: x}", "detect.ignore[0]", "neither yours"},
		"a private target":    {"{dst: [192.0.2.7, 10.0.0.9], reason: x}", "", ""},
		"two families":        {"{src: 192.0.2.2, dst: 'fd00::/64', reason: x}", "detect.ignore[0]", "same family"},
		"rules that are off":  {"{zone: dmz, rules: [probe, host-sweep], reason: x}], probe: {mode: off}, host_sweep: {window: 0", "detect.ignore[0]", "none that is on: probe, host-sweep"},
		"one of them is on":   {"{zone: dmz, rules: [probe, host-sweep], reason: x}], probe: {mode: off", "", ""},
		"flood":               {"{zone: dmz, subtype: Flood, reason: x}", "detect.ignore[0]", "flood never count"},
		"flood and more":      {"{zone: dmz, subtype: [flood, scan], reason: x}", "", ""},
		"a threat of traffic": {"{threat_id: 40015, subtype: [drop, deny], reason: x}", "detect.ignore[0]", "has no threat_id"},
		"another subtype":     {"{subtype: spyware, rules: vulnerability, reason: x}", "detect.ignore[0]", "subtype vulnerability alone"},
		"a port of logins":    {"{dst_port: 443, rules: login, reason: x}", "detect.ignore[0]", "records of logins have no dst, dst_port"},
		"a zone of logins":    {"{zone: dmz, rules: login, reason: x}", "detect.ignore[0]", "records of logins"},
		"port 0 of a scan":    {"{dst_port: 0, rules: port-scan, reason: x}", "detect.ignore[0]", "never counts port 0"},
	} {
		t.Run(name, func(t *testing.T) {
			end := "]}"
			if strings.Contains(c.entry, "], ") && !strings.HasSuffix(c.entry, "}") {
				end = "}}" // more keys stand behind the list
			}
			_, warnings, err := loadBytes([]byte(sound + "detect: {ignore: [" + c.entry + end))
			if err != nil || keysOf(warnings) != c.key || c.key != "" && !strings.Contains(warnings[0].Text, c.text) {
				t.Errorf("warnings %v, %v, want one of %s with %q", warnings, err, c.key, c.text)
			}
		})
	}
}

// A list below another section is set by variables as one at the top is.
func TestIgnoreByVariables(t *testing.T) {
	c, _, err := loadBytes([]byte("detect: {ignore: [{zone: dmz, reason: x}]}"),
		"ACTIVEDEFENSE_DETECT__IGNORE__0__ZONE=dmz, guest", "ACTIVEDEFENSE_DETECT__IGNORE__1__DST_PORT=443,1000-2000",
		"ACTIVEDEFENSE_DETECT__IGNORE__1__REASON=y", "ACTIVEDEFENSE_DETECT__IGNORE__1__UNTIL=2027-01-31",
		"ACTIVEDEFENSE_DETECT__VULNERABILITY__THREAT_IDS=40017")
	if err != nil {
		t.Fatal(err)
	}
	if i := c.Detect.Ignore; len(i) != 2 || !slices.Equal(i[0].Zone, []string{"dmz", "guest"}) || i[0].Reason != "x" ||
		!reflect.DeepEqual(i[1].DstPort, []PortRange{{443, 443}, {1000, 2000}}) || i[1].Until.Month() != time.February {
		t.Errorf("ignore = %+v", i)
	}
	if ids := c.Detect.Vulnerability.ThreatIDs; !slices.Equal(ids, []uint32{40017}) {
		t.Errorf("threat_ids = %v", ids)
	}
	_, _, err = loadBytes(nil, "ACTIVEDEFENSE_DETECT__IGNORE__1__REASON=y")
	if fs := faultsOf(t, err); len(fs) != 1 || fs[0].Key != "detect.ignore[1]" {
		t.Errorf("an element with none before it: %v", err)
	}
}

func TestTheTagsOfTheRules(t *testing.T) {
	d := Detect{}
	if got := d.Tags(); len(got) != 0 {
		t.Errorf("without any they are %q", got)
	}
	for i, r := range []*Rule{&d.PortScan.Rule, &d.HostSweep.Rule, &d.Probe.Rule, &d.Vulnerability.Rule, &d.Login.Rule} {
		if r.Tag = "tag"; len(d.Tags()) != i+1 {
			t.Errorf("with %d they are %q", i+1, d.Tags())
		}
	}
}
