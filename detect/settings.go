package detect

import (
	"strings"
	"time"
)

// The names of the rules, as verdicts, the store and the command line carry them.
// An event that would fire several fires the first of vulnerability, port-scan,
// host-sweep.
const (
	RulePortScan      = "port-scan"
	RuleHostSweep     = "host-sweep"
	RuleVulnerability = "vulnerability"
)

// defaultMaxSources is taken where Settings.MaxSources is zero or less.
const defaultMaxSources = 1_000_000

// PortScan fires when one source reached more than Ports distinct ports of one
// destination address, in records whose times differ by less than Window. A
// Window of zero or less switches the rule off.
type PortScan struct {
	Ports  int
	Window time.Duration
}

// HostSweep fires when one source reached at least Hosts distinct destination
// addresses on one port, in records whose times differ by less than Window. A
// Window of zero or less switches the rule off.
type HostSweep struct {
	Hosts  int
	Window time.Duration
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
	PortScan      PortScan
	HostSweep     HostSweep
	Vulnerability Threshold
	// RefusedOnly has port-scan and host-sweep count only records of sessions in which nothing was served (see
	// [Event.Judge]): who is served is no scanner. Without it every record counts, whatever the action.
	RefusedOnly bool
	// MaxSources bounds how many sources have evidence in memory, and with it how many
	// pairs of address and port (four for each on average) and older times of them (as many
	// again). A million, all different, take some 100 MiB; the bounds reached, 250 MiB; and
	// 400 MiB after traffic that reached each bound in turn, however long it goes on. Zero
	// or less means defaultMaxSources.
	MaxSources int
}

// The two counting rules, as indexes. The rule's key is what all its sightings
// have in common (a destination address, a port), its values are what it counts
// (ports, addresses).
const (
	portScan = iota
	hostSweep
	countingRules
)

// ruleNames by index.
var ruleNames = [countingRules]string{portScan: RulePortScan, hostSweep: RuleHostSweep}

// rule is a counting rule, reduced to what the engine needs.
type rule struct {
	need   int   // distinct values that fire it, at least 1
	window int64 // nanoseconds; 0: off
}

// never is a threshold that no source reaches.
const never = 1 << 16

func (s Settings) rules() [countingRules]rule {
	return [countingRules]rule{
		portScan:  {need: min(max(s.PortScan.Ports, 0), never) + 1, window: int64(max(s.PortScan.Window, 0))},
		hostSweep: {need: min(max(s.HostSweep.Hosts, 1), never), window: int64(max(s.HostSweep.Window, 0))},
	}
}

// notVulnerability says why the record is no vulnerability attack that blocks its
// source; "" if it is one.
func (s Settings) notVulnerability(ev *Event) string {
	switch {
	case s.Vulnerability == VulnerabilityOff:
		return "the rule is off"
	case ev.Type != TypeThreat:
		return "only THREAT records count"
	case !strings.EqualFold(ev.Subtype, "vulnerability"):
		return "only subtype vulnerability counts"
	case !s.severe(ev.Severity):
		return "the severity is below " + s.Vulnerability.String()
	case ev.Direction == ServerToClient:
		// Seen in the server's answer: the sender may be our own server's victim,
		// or a site that one of our users went to.
		return "the direction is server-to-client, so the source need not be the attacker"
	}
	return ""
}

func (s Settings) severe(severity string) bool {
	return strings.EqualFold(severity, "critical") ||
		s.Vulnerability == VulnerabilityHigh && strings.EqualFold(severity, "high")
}

// notScan says why a record counts for neither port-scan nor host-sweep; "" if it
// counts.
func (s Settings) notScan(ev *Event) string {
	if why := notReaching(ev); why != "" || !s.RefusedOnly {
		return why
	}
	switch sessionOf(ev) {
	case SessionRefused:
		return ""
	case SessionBegun:
		return "it is the start of a session: what becomes of it, its end will say"
	}
	return "the session was served, and only refused ones count (detect.outcome)"
}

// notReaching says why a record does not tell of its source reaching out to its destination.
func notReaching(ev *Event) string {
	switch {
	case ev.Type != TypeTraffic && ev.Type != TypeThreat:
		return "only TRAFFIC and THREAT records count"
	case !ev.Dst.IsValid():
		return "the record has no destination address"
	case ev.Type == TypeTraffic:
		return ""
	case strings.EqualFold(ev.Subtype, "flood"):
		return "records of a flood never count: their sources are forged at will"
	case ev.Direction == ServerToClient && !strings.EqualFold(ev.Subtype, "scan"):
		// A server that answers sends to the client's ephemeral ports; counted, a
		// busy web server would look like a scan of its own visitors. The firewall's
		// own scan records name the scanner as source whatever direction they carry
		// (seen in published samples of PAN-OS threat logs).
		return "the direction is server-to-client: the source answers, it does not reach out"
	}
	return ""
}
