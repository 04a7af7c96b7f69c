package config

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/knadh/koanf/providers/rawbytes"
)

func TestBuiltInDefaults(t *testing.T) {
	c, warnings, err := Load(Options{})
	if err != nil || keysOf(warnings) != "networks.own never_block" {
		t.Fatalf("Load = %v, %v", warnings, err)
	}
	scan := Rule{Mode: "block", Outcome: "refused"}
	want := &Config{
		StateDir: "/var/lib/activedefense",
		Log:      Log{Level: "info", Format: "auto"},
		Store:    Store{KeepRecords: 90 * 24 * time.Hour, Blocks: true},
		Inputs:   []Input{{Path: "/var/log/Firewall/*.log", Format: "auto", Timezone: "Local", Location: time.Local, MaxFiles: 10_000, SilentAfter: 15 * time.Minute}},
		Detect: Detect{
			Outcome:       "refused",
			PortScan:      PortScan{Rule: scan, Ports: 10, Window: 10 * time.Minute},
			HostSweep:     HostSweep{Rule: scan, Hosts: 10, Window: 10 * time.Minute},
			Probe:         Probe{Rule: scan, Targets: 30, Window: 24 * time.Hour},
			Vulnerability: Vulnerability{Rule: Rule{Mode: "block"}, Severity: "critical", ThreatIDs: []uint32{40001, 40005, 40007, 40015}},
			Login:         Login{Rule: Rule{Mode: "block"}, Failures: 10, Window: 10 * time.Minute},
			MaxSources:    1000000, MaxSessions: 1000000, MaxPartners: 1000000, MaxProbes: 300000, Ignore: []Ignore{}, Custom: []CustomRule{},
		},
		Networks:   Networks{Own: []netip.Prefix{}, AskFirewalls: true, Proxies: []netip.Prefix{}},
		NeverBlock: []netip.Prefix{},
		Blacklist: Blacklist{
			ReleaseAfter: 30 * 24 * time.Hour, IPv6Prefix: 64, Surge: Surge{1000, 10 * time.Minute},
			Escalate: Escalate{1, 365 * 24 * time.Hour},
		},
		EDL: EDL{
			Listen: ":8443", Path: "/files/blacklist.txt", Allow: []netip.Prefix{}, MaxEntries: 50000,
			EmptyEntry: netip.MustParseAddr("192.0.2.255"),
		},
		Admin: Admin{Listen: "127.0.0.1:9400", Operators: []string{"activedefense-operators"}, Viewers: []string{"activedefense-viewers"}},
		Notify: Notify{
			Mail:      Mail{TLS: "starttls", Digest: 10 * time.Minute, MaxPerHour: 6, Events: []string{}},
			AbuseIPDB: AbuseIPDB{PerDay: 1000}, Syslog: Syslog{Events: []string{}},
		},
	}
	c.settings = nil
	if !reflect.DeepEqual(c, want) {
		t.Errorf("the defaults are\n%+v\nwant\n%+v", c, want)
	}
}

// What leaves a file valid, beyond the example.
func TestValid(t *testing.T) {
	for name, c := range map[string]struct {
		yaml  string
		holds func(*Config) bool
	}{
		"empty file":       {"", func(c *Config) bool { return len(c.Inputs) == 1 }},
		"comments only":    {"---\n# nothing\n", func(c *Config) bool { return len(c.Inputs) == 1 }},
		"emptied sections": {"log:\ninputs:\nfirewalls:\nnever_block:\nstore:\n  url:\n", func(c *Config) bool { return c.Log.Level == "info" && len(c.Inputs) == 1 }},
		"no firewalls":     {"firewalls: []", func(c *Config) bool { return len(c.Firewalls) == 0 }},
		"rule off":         {"detect: {port_scan: {window: 0}, vulnerability: {severity: off}}", func(c *Config) bool { return c.Detect.PortScan.Window == 0 && c.Detect.Vulnerability.Severity == "off" }},
		"no list":          {"edl: {listen: ''}", func(c *Config) bool { return c.EDL.Listen == "" }},
		"any port":         {"edl: {listen: '127.0.0.1:0'}\nadmin: {listen: '[::1]:0'}", func(c *Config) bool { return c.Admin.Listen == "[::1]:0" }},
		"one port on two addresses": {"edl: {listen: '192.0.2.1:8443'}\nadmin: {listen: '127.0.0.1:8443'}",
			func(c *Config) bool { return c.Admin.Listen == "127.0.0.1:8443" }},
		"no silence is told": {"inputs: [{path: /a/x.log, silent_after: 0}]", func(c *Config) bool { return c.Inputs[0].SilentAfter == 0 }},
		"maintenance": {"firewalls: [{name: FW1, url: https://192.0.2.1, peer_url: https://192.0.2.2, api_key: k, maintenance: true}, {name: fw2, url: https://192.0.2.3, api_key: k}]", func(c *Config) bool {
			return c.LeftAlone("fw1") && c.LeftAlone("192.0.2.1") && c.LeftAlone("192.0.2.2") && !c.LeftAlone("fw2") && !c.LeftAlone("192.0.2.3") && !c.LeftAlone("")
		}},
		"device":  {"inputs: [{path: /a/x.log, device: Branch 7}]", func(c *Config) bool { return c.Inputs[0].Device == "Branch 7" }},
		"silence": {"inputs: [{path: /a/x.log, silent_after: 3h}]", func(c *Config) bool { return c.Inputs[0].SilentAfter == 3*time.Hour }},
		"zone and end": {"inputs: [{path: /a/./x.log, timezone: Europe/Amsterdam, start: end}]", func(c *Config) bool {
			in := c.Inputs[0]
			return in.Path == "/a/x.log" && in.Location.String() == "Europe/Amsterdam" && in.FromEnd
		}},
		"mapped address": {"never_block: ['::ffff:192.0.2.7', '::ffff:198.51.100.0/120']", func(c *Config) bool {
			return c.NeverBlock[0].String() == "192.0.2.7/32" && c.NeverBlock[1].String() == "198.51.100.0/24"
		}},
		"empty vsys":             {firewallWith(login + "\nvsys: ''"), func(c *Config) bool { return c.Firewalls[0].VSys == "vsys1" && c.Firewalls[0].Mode == "dynamic-tag" }},
		"operator inside a word": {firewallWith(login + "\ntag: brand-andromeda"), func(c *Config) bool { return c.Firewalls[0].Tag == "brand-andromeda" }},
		"two vsys of one":        {"firewalls:\n  - {name: A, url: https://fw.example, " + login + "}\n  - {name: B, url: https://fw.example, vsys: vsys2, " + login + "}\n", func(c *Config) bool { return c.Firewalls[1].VSys == "vsys2" }},
		"aliases": {"firewalls:\n  - &first {name: A, url: https://192.0.2.1, " + login + "}\n  - {<<: *first, name: B, url: https://192.0.2.2}\n",
			func(c *Config) bool { return c.Firewalls[0].Name == "A" && c.Firewalls[1].Name == "B" }},
		"list over a socket": {"store: {url: 'postgresql:///ad?host=/run/postgresql'}", func(c *Config) bool { return c.Store.URL != "" }},
		"text with a marker": {"state_dir: /x # --- not a marker\n", func(c *Config) bool { return c.StateDir == "/x" }},
	} {
		t.Run(name, func(t *testing.T) {
			c2, _, err := loadBytes([]byte(c.yaml))
			if err != nil || !c.holds(c2) {
				t.Errorf("Load of\n%s\n= %+v, %v", c.yaml, c2, err)
			}
		})
	}
}

func TestOneFaultIsFoundByErrorsAs(t *testing.T) {
	_, _, err := loadBytes([]byte("log: {level: loud}"))
	var one Fault
	if !errors.As(err, &one) || one.Key != "log.level" || err.Error() != one.Error() {
		t.Errorf("errors.As gives %+v of %v", one, err)
	}
}

// FuzzLoad: no content of the file makes Load panic, its error is Faults or nil, and a configuration
// it accepts holds what the fields promise.
func FuzzLoad(f *testing.F) {
	f.Add(Example, "warn")
	f.Add([]byte("inputs: [{path: '/a/[x'}]\nnever_block: [1, a, 10.0.0.1/8]\nfirewalls: [{}, 7]"), "x")
	f.Add([]byte("a: &a [*a]\n? [b]\n: c"), "info")
	f.Add([]byte("store: {url: 'postgres://a:b@c'}\nedl: {tls: {cert_file: x}}\n---\n"), "")
	f.Add([]byte("firewalls: [{name: A, url: 'https://a', username: b, password: c, tag: and}]"), "1")
	f.Fuzz(func(t *testing.T, content []byte, level string) {
		l := newLoader("fuzz.yaml")
		l.glob = func(string) ([]string, error) { return nil, nil } // a pattern may span the whole disk
		c, _, err := l.load(rawbytes.Provider(content), []string{"ACTIVEDEFENSE_LOG__LEVEL=" + level})
		if err != nil {
			if len(faultsOf(t, err)) == 0 || c != nil {
				t.Fatalf("no faults in %v, configuration %v", err, c)
			}
			return
		}
		if c.Log.Level != level || len(c.Inputs) == 0 || c.EDL.MaxEntries < 1 || c.Store.KeepRecords < day || !c.EDL.EmptyEntry.IsValid() {
			t.Fatalf("accepted %+v", c)
		}
		for _, in := range c.Inputs {
			if in.Location == nil || in.Path == "" {
				t.Fatalf("accepted %+v", in)
			}
		}
		for _, fw := range c.Firewalls {
			if (fw.APIKey == "") == (fw.Password == "") || fw.VSys == "" || fw.Tag == "" {
				t.Fatalf("accepted %+v", fw)
			}
		}
	})
}

func TestHowRecordsAreKept(t *testing.T) {
	for text, blocks := range map[string]bool{
		"store: {}":                                             true,
		"store: {records: blocks}":                              true,
		`store: {url: "postgres://db/ad"}`:                      false,
		`store: {url: "postgres://db/ad", records: rows}`:       false,
		`store: {url: "postgres://db/ad", records: blocks}`:     true,
		`store: {url: "postgres://db/ad", records: "auto"}`:     false,
		`store: {records: auto, url: "", max_size: 200GB}`:      true,
		`{store: {url: "postgresql://db/ad", records: blocks}}`: true,
	} {
		c, _, err := loadBytes([]byte(text))
		if err != nil || c.Store.Blocks != blocks {
			t.Errorf("%s: %v, %v", text, c, err)
		}
	}
}
