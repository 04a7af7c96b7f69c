package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The names of the rules, as detect.ignore and the blacklist have them.
const (
	RuleVulnerability = "vulnerability"
	RulePortScan      = "port-scan"
	RuleHostSweep     = "host-sweep"
	RuleProbe         = "probe"
	RuleLogin         = "login"
)

// ruleNames are those of the rules, in the order in which they fire.
var ruleNames = []string{RuleVulnerability, RulePortScan, RuleHostSweep, RuleProbe, RuleLogin}

// presetThreatIDs are brute force against logins that a firewall reports with a severity below critical.
var presetThreatIDs = []uint32{40001, 40005, 40007, 40015}

// Detect holds the rules and the bounds of what they keep in memory, each bound from 1000 to 100000000.
type Detect struct {
	Outcome       string // which records count for the scan rules that do not say it themselves: refused, or all
	PortScan      PortScan
	HostSweep     HostSweep
	Probe         Probe
	Vulnerability Vulnerability
	Login         Login
	MaxSources    int          // sources with evidence
	MaxSessions   int          // sessions that ours opened, whose late answers are no attack
	MaxPartners   int          // addresses to which ours open sessions
	MaxProbes     int          // sources that the probe rule counts
	Ignore        []Ignore     // what never counts; at most 1000
	Custom        []CustomRule // those of the key rules, in their order; at most 1000
}

// Rule is what each rule has beside its thresholds.
type Rule struct {
	Mode     string        // block, observe or off
	Outcome  string        // which records count: refused, or all; empty: the rule does not ask for it (vulnerability, login)
	BlockFor time.Duration // from the verdict on, 1s to 365d; 0: until quiet for Blacklist.ReleaseAfter
	Tag      string        // further tag of what it blocks; empty: none of its own
}

// PortScan fires on more than Ports (1 to 65535) ports of one address within Window.
type PortScan struct {
	Rule
	Ports  int
	Window time.Duration // 1s to 24h; 0: the rule is off
}

// HostSweep fires on at least Hosts (1 to 1000000) addresses on one port within Window.
type HostSweep struct {
	Rule
	Hosts  int
	Window time.Duration // 1s to 24h; 0: the rule is off
}

// Probe fires on at least Targets (2 to 1000) pairs of address and port that refused one source within Window.
type Probe struct {
	Rule
	Targets int
	Window  time.Duration // 1s to 24h; 0: the rule is off
}

// Vulnerability fires on one THREAT record of at least this severity, or of one of the ids.
type Vulnerability struct {
	Rule
	Severity  string   // off, critical, or high, which includes critical
	ThreatIDs []uint32 // whatever their severity, also with Severity off; none is 0
}

// Login fires on more than Failures (1 to 1000) failed logins within Window.
type Login struct {
	Rule
	Failures int
	Window   time.Duration // 1s to 24h; 0: the rule is off
}

// ruleReader reads what stands below detect.
type ruleReader struct{ section }

// detect reads the rules.
func (s ruleReader) detect() Detect {
	outcome := s.oneOf("detect.outcome", outcomes)
	held := func(key string) int { return s.integer(key, minHeld, maxHeld) }
	return Detect{
		Outcome: outcome,
		PortScan: PortScan{
			Ports:  s.integer("detect.port_scan.ports", 1, maxPorts),
			Window: s.window("detect.port_scan.window"),
			Rule:   s.scanRule("detect.port_scan", outcome),
		},
		HostSweep: HostSweep{
			Hosts:  s.integer("detect.host_sweep.hosts", 1, maxHosts),
			Window: s.window("detect.host_sweep.window"),
			Rule:   s.scanRule("detect.host_sweep", outcome),
		},
		Probe: Probe{
			Targets: s.integer("detect.probe.targets", minTargets, maxTargets),
			Window:  s.window("detect.probe.window"),
			Rule:    s.scanRule("detect.probe", outcome),
		},
		Vulnerability: s.vulnerability("detect.vulnerability"),
		Login: Login{
			Failures: s.integer("detect.login.failures", 1, maxFailures),
			Window:   s.window("detect.login.window"),
			Rule:     s.rule("detect.login"),
		},
		MaxSources:  held("detect.max_sources"),
		MaxSessions: held("detect.max_sessions"),
		MaxPartners: held("detect.max_partners"),
		MaxProbes:   held("detect.max_probes"),
		Ignore:      ignored(s.section, "detect.ignore"),
		Custom:      customRules(s.section, "rules", outcome),
	}
}

// rule reads what each rule takes.
func (s ruleReader) rule(key string) Rule { return s.common(key+".", ruleModes) }

// common reads it for a rule whose keys begin so.
func (s ruleReader) common(key string, modes []choice) Rule {
	r := Rule{Mode: s.oneOf(key+"mode", modes), Tag: s.tagName(key + "tag")}
	if strings.ContainsAny(r.Tag, "()[]{}<>") {
		s.fault(key+"tag", "%q contains a bracket, which an address group's filter gives a meaning; use letters, digits, - and _", clip(r.Tag))
	}
	r.BlockFor = s.orZero(key+"block_for", time.Second, maxBlockFor)
	return r
}

// scanRule reads what a rule takes that asks what became of a session; general is what it takes from detect.outcome.
func (s ruleReader) scanRule(key, general string) Rule {
	r := s.rule(key)
	r.Outcome = s.outcome(key+".outcome", general)
	return r
}

// outcome reads which records count; empty: as general says.
func (s ruleReader) outcome(key, general string) string {
	if s.text(key) == "" {
		return general
	}
	return s.oneOf(key, outcomes)
}

// vulnerability reads the rule of threats. An operator who wrote severity: off before there were ids wanted it off.
func (s ruleReader) vulnerability(key string) Vulnerability {
	v := Vulnerability{Rule: s.rule(key), Severity: s.oneOf(key+".severity", severities)}
	switch {
	case s.k.Exists(key + ".threat_ids"):
		v.ThreatIDs = s.threatIDs(key + ".threat_ids")
	case v.Severity != "off":
		v.ThreatIDs = slices.Clone(presetThreatIDs)
	}
	return v
}

// off names the rules that are off.
func (d *Detect) off() (names []string) {
	for _, r := range []struct {
		name string
		off  bool
	}{
		{RuleVulnerability, d.Vulnerability.Mode == "off" || d.Vulnerability.Severity == "off" && len(d.Vulnerability.ThreatIDs) == 0},
		{RulePortScan, d.PortScan.Mode == "off" || d.PortScan.Window == 0},
		{RuleHostSweep, d.HostSweep.Mode == "off" || d.HostSweep.Window == 0},
		{RuleProbe, d.Probe.Mode == "off" || d.Probe.Window == 0},
		{RuleLogin, d.Login.Mode == "off" || d.Login.Window == 0},
	} {
		if r.off {
			names = append(names, r.name)
		}
	}
	for _, r := range d.Custom {
		if r.Mode == "off" {
			names = append(names, r.Name)
		}
	}
	return names
}

// LongestWindow is that of the rules whose evidence a restart, or a change of the rule, counts again from the records. What the probe rule has
// counted is kept by itself.
func (d *Detect) LongestWindow() time.Duration {
	longest := max(d.PortScan.Window, d.HostSweep.Window, d.Login.Window)
	for _, r := range d.Custom {
		if r.Mode != "off" {
			longest = max(longest, r.Window)
		}
	}
	return longest
}

// Tags gives the tags of the rules, those of rules that are off too, each once for every rule that has it.
func (d *Detect) Tags() (tags []string) {
	for _, r := range []*Rule{&d.PortScan.Rule, &d.HostSweep.Rule, &d.Probe.Rule, &d.Vulnerability.Rule, &d.Login.Rule} {
		if r.Tag != "" {
			tags = append(tags, r.Tag)
		}
	}
	for _, r := range d.Custom {
		if r.Tag != "" {
			tags = append(tags, r.Tag)
		}
	}
	return tags
}

// fitTags refuses a rule's tag that a firewall uses for every block: taking one away would take the other's.
func (l *loader) fitTags(c *Config) {
	taken := make(map[string]int, len(c.Firewalls))
	for i, f := range c.Firewalls {
		taken[f.Tag] = i
	}
	d := c.Detect
	rules := []struct{ key, tag string }{
		{"detect.port_scan", d.PortScan.Tag}, {"detect.host_sweep", d.HostSweep.Tag}, {"detect.probe", d.Probe.Tag},
		{"detect.vulnerability", d.Vulnerability.Tag}, {"detect.login", d.Login.Tag},
	}
	for i, r := range d.Custom {
		rules = append(rules, struct{ key, tag string }{fmt.Sprintf("rules[%d]", i), r.Tag})
	}
	for _, rule := range rules {
		if i, ok := taken[rule.tag]; ok && rule.tag != "" {
			l.fault(rule.key+".tag", "is firewalls[%d].tag, which every block has; use another one, or leave it empty", i)
		}
	}
}
