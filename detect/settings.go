package detect

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// The names of the rules, as verdicts, the store and the command line carry them. An event that would fire several fires the
// first that blocks, else the first that observes, in this order.
const (
	RuleVulnerability = "vulnerability"
	RulePortScan      = "port-scan"
	RuleHostSweep     = "host-sweep"
	RuleProbe         = "probe"
	RuleLogin         = "login"
)

// Defaults for the limits of Settings that are zero or less.
const (
	defaultMaxSources  = 1_000_000
	defaultMaxSessions = 1_000_000
	defaultMaxPartners = 1_000_000
	defaultMaxProbes   = 300_000
)

// Policy is what every rule has beside what it counts. The zero value blocks for every record, whatever became of it.
type Policy struct {
	Mode Mode
	// RefusedOnly: only records of sessions in which nothing was served count (see [Event.Judge]), late answers do not, and
	// what is forgeable of a partner is held. Without it neither plays a part.
	RefusedOnly bool
	BlockFor    time.Duration // 0: until the source is quiet
	Tag         string        // a tag of its own on the firewalls; "" for none
}

// PortScan fires when one source reached more than Ports distinct ports of one
// destination address, in records whose times differ by less than Window. A
// Window of zero or less switches the rule off.
type PortScan struct {
	Ports  int
	Window time.Duration
	Policy
}

// HostSweep fires when one source reached at least Hosts distinct destination
// addresses on one port, in records whose times differ by less than Window. A
// Window of zero or less switches the rule off.
type HostSweep struct {
	Hosts  int
	Window time.Duration
	Policy
}

// Probe fires when at least Targets distinct pairs of address and port refused one source within Window, less those that
// answered it earlier within Window. A Window of zero or less switches the rule off; the longest is a day.
type Probe struct {
	Targets int
	Window  time.Duration
	Policy
}

// Login fires when one source failed more than Failures times to log in within Window. A Window of zero or less switches the
// rule off.
type Login struct {
	Failures int
	Window   time.Duration
	Policy
}

// Vulnerability fires on one THREAT record of subtype vulnerability that is severe enough, or has one of the threat ids.
type Vulnerability struct {
	Severity  Threshold
	ThreatIDs []uint32
	Policy
}

// Threshold is the severity from which on a vulnerability record blocks its source.
type Threshold uint8

// VulnerabilityHigh includes critical.
const (
	VulnerabilityOff Threshold = iota
	VulnerabilityCritical
	VulnerabilityHigh
)

// String gives the word that the configuration uses: "off", "critical" or "high".
func (t Threshold) String() string {
	switch t {
	case VulnerabilityCritical:
		return "critical"
	case VulnerabilityHigh:
		return "high"
	}
	return "off"
}

// Settings of the engine. The zero value switches every rule off.
//
// Of one source at most 16,384 pairs of address and port are held, so a threshold above
// some 10,000 is not reached reliably.
type Settings struct {
	Vulnerability Vulnerability
	PortScan      PortScan
	HostSweep     HostSweep
	Probe         Probe
	Login         Login

	// Custom are the operator's own rules, at most 65,535, each with another name. Settings that an engine was made of are not changed.
	Custom []CustomRule

	Ignore []Ignore
	// Proxies stand in front of us: they are never blocked, and the client that they name counts in their place.
	Proxies []netip.Prefix
	// IPv6Prefix is the length of the networks in which IPv6 sources are counted and blocked; 0 and 128: single addresses.
	IPv6Prefix int

	// MaxSources bounds how many sources have evidence in memory, and with it how many
	// pairs of address and port (four for each on average) and older times of them (as many
	// again). A million, all different, take some 100 MiB; the bounds reached, 250 MiB; and
	// 400 MiB after traffic that reached each bound in turn, however long it goes on. Zero
	// or less means a million. Custom rules have bounds of their own kind: as many sources, and four times as many points, of 40 bytes
	// each and up to 60 more where it is alone in what Per keeps apart; of one source 32,768.
	MaxSources int
	// MaxSessions, MaxPartners and MaxProbes bound what is remembered of sessions that ours opened, of whom ours speak to,
	// and of sources that are probing; see the limits of package memory. Zero or less means 1,000,000, 1,000,000 and 300,000.
	MaxSessions, MaxPartners, MaxProbes int
}

// The rules as indexes. Of the first two, which are counted in pairs of address and port, the key is what all sightings have
// in common (a destination address, a port), and the values are what is counted (ports, addresses).
const (
	portScan = iota
	hostSweep
	probe
	login
	vulnerability
	rulesInAll

	countingRules = probe // those counted in pairs
)

// precedence is the order in which one event fires rules.
var precedence = [rulesInAll]int{vulnerability, portScan, hostSweep, probe, login}

// ruleNames by index.
var ruleNames = [rulesInAll]string{portScan: RulePortScan, hostSweep: RuleHostSweep, probe: RuleProbe, login: RuleLogin, vulnerability: RuleVulnerability}

// rule is an instance of what the engine does, reduced to what it needs: so many distinct values within a window fire it.
type rule struct {
	need   int   // at least 1
	window int64 // nanoseconds; 0: off
	Policy
}

// never is a threshold that no source reaches.
const never = 1 << 16

// ruleSet is a set of rules, by index.
type ruleSet uint8

func (s ruleSet) has(r int) bool { return s&(1<<r) != 0 }

func newRule(need int, window time.Duration, p Policy) rule {
	r := rule{need: min(max(need, 1), never+1), window: int64(max(window, 0)), Policy: p}
	if p.Mode == Off {
		r.window = 0
	}
	return r
}

func (s Settings) rules() [rulesInAll]rule {
	list := [rulesInAll]rule{
		portScan:  newRule(min(max(s.PortScan.Ports, 0), never)+1, s.PortScan.Window, s.PortScan.Policy),
		hostSweep: newRule(min(s.HostSweep.Hosts, never), s.HostSweep.Window, s.HostSweep.Policy),
		probe:     newRule(s.Probe.Targets, min(s.Probe.Window, day), s.Probe.Policy),
		login:     newRule(min(max(s.Login.Failures, 0), never)+1, s.Login.Window, s.Login.Policy),
	}
	if s.Vulnerability.Severity != VulnerabilityOff || len(s.Vulnerability.ThreatIDs) > 0 {
		list[vulnerability] = newRule(1, 1, s.Vulnerability.Policy) // a record by itself
	}
	return list
}

const day = 24 * time.Hour

// Ignore names records that never count. A record is ignored when it meets each condition that is set, and a condition is met
// by any of its values. Texts are compared without regard to case.
type Ignore struct {
	Src, Dst     []netip.Prefix // who did it, and to whom
	DstPort      []PortRange
	Device       []string
	Zone         []string // of the source
	Application  []string
	FirewallRule []string
	Subtype      []string
	ThreatID     []uint32
	Rules        []string  // the rules that do not count it; empty: none does
	Until        time.Time // by event time; zero: for ever
	Reason       string
}

// PortRange are the ports from From to To.
type PortRange struct{ From, To uint16 }

// ruleSet gives the rules that an entry keeps from counting.
func (ig *Ignore) ruleSet() (set ruleSet) {
	for r, name := range ruleNames {
		if len(ig.Rules) == 0 || slices.Contains(ig.Rules, name) {
			set |= 1 << r
		}
	}
	return set
}

// meets tells whether a record meets all conditions.
func (ig *Ignore) meets(ev *Event, p *party) bool {
	return (ig.Until.IsZero() || ev.Time.Before(ig.Until)) &&
		holds(ig.Src, p.addr) && holds(ig.Dst, plain(p.dst)) &&
		(len(ig.DstPort) == 0 || slices.ContainsFunc(ig.DstPort, func(r PortRange) bool { return r.From <= p.dstPort && p.dstPort <= r.To })) &&
		says(ig.Device, ev.Device) && says(ig.Zone, p.zone(ev)) && says(ig.Application, ev.Application) &&
		says(ig.FirewallRule, ev.Rule) && says(ig.Subtype, ev.Subtype) &&
		(len(ig.ThreatID) == 0 || ev.Type == TypeThreat && slices.Contains(ig.ThreatID, threatID(ev)))
}

func holds(networks []netip.Prefix, addr netip.Addr) bool {
	return len(networks) == 0 || slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func says(values []string, value string) bool {
	return len(values) == 0 || slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, value) })
}

// ignoring gives the rules that do not count a record, and the first entry that says so.
func (k *known) ignoring(ev *Event, p *party) (set ruleSet, by *Ignore) {
	for i := range k.settings.Ignore {
		ig := &k.settings.Ignore[i]
		if ig.meets(ev, p) {
			if set |= ig.ruleSet(); by == nil {
				by = ig
			}
		}
	}
	return set, by
}
