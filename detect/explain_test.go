package detect

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func explained(s Settings, ev *Event, g *Guard) string {
	var lines []string
	for _, c := range s.Explain(ev, g, nil) {
		lines = append(lines, fmt.Sprintf("%s %v: %s", c.Rule, c.Counts, c.Text))
	}
	return strings.Join(lines, "\n")
}

func TestExplain(t *testing.T) {
	s := Settings{PortScan: PortScan{Ports: 10, Window: 10 * time.Minute}, HostSweep: HostSweep{Hosts: 10, Window: time.Hour}, Vulnerability: Vulnerability{Severity: VulnerabilityCritical}}
	base := Event{Type: TypeTraffic, Src: netip.MustParseAddr("203.0.113.5"), Dst: netip.MustParseAddr("198.51.100.7"), DstPort: 443}
	with := func(change func(*Event)) *Event {
		ev := base
		change(&ev)
		return &ev
	}
	guard := NewGuard([]netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, nil)
	for _, c := range []struct {
		name  string
		s     Settings
		ev    *Event
		guard *Guard
		want  string
	}{
		{"traffic", s, &base, nil, `
vulnerability false: only THREAT records count
port-scan true: counts port 443 of 198.51.100.7 for 203.0.113.5, which is blocked at more than 10 within 10m
host-sweep true: counts address 198.51.100.7 on port 443 for 203.0.113.5, which is blocked at 10 or more within 1h
probe false: the rule is off
login false: the rule is off`},
		{"protected", s, with(func(ev *Event) { ev.DstPort = 0 }), guard, `
vulnerability false: only THREAT records count
port-scan false: port 0 is no port
host-sweep true: counts address 198.51.100.7 on port 0 for 203.0.113.5, which is blocked at 10 or more within 1h; but it is never blocked: 203.0.113.5 is in never_block (203.0.113.0/24)
probe false: the rule is off
login false: the rule is off`},
		{"private", s, with(func(ev *Event) { ev.Src = netip.MustParseAddr("10.0.0.1") }), nil, `
vulnerability false: the source 10.0.0.1 is not public (private, 10.0.0.0/8)
port-scan false: the source 10.0.0.1 is not public (private, 10.0.0.0/8)
host-sweep false: the source 10.0.0.1 is not public (private, 10.0.0.0/8)
probe false: the source 10.0.0.1 is not public (private, 10.0.0.0/8)
login false: the source 10.0.0.1 is not public (private, 10.0.0.0/8)`},
		{"attack", s, with(func(ev *Event) {
			ev.Type, ev.Subtype, ev.Severity, ev.ThreatName, ev.ThreatID = TypeThreat, "vulnerability", "critical", "Some Attack", "31337"
		}), nil, `
vulnerability true: blocks 203.0.113.5 at once: critical vulnerability attack: Some Attack (31337) against 198.51.100.7 port 443
port-scan false: the record fires the rule vulnerability, which goes first
host-sweep false: the record fires the rule vulnerability, which goes first
probe false: the record fires the rule vulnerability, which goes first
login false: the record fires the rule vulnerability, which goes first`},
		{"attack behind a proxy", Settings{HostSweep: s.HostSweep, Vulnerability: s.Vulnerability, Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}, with(func(ev *Event) {
			ev.Src, ev.Client = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("203.0.113.9")
			ev.Type, ev.Subtype, ev.Severity = TypeThreat, "vulnerability", "critical"
		}), nil, `
vulnerability true: observes 203.0.113.9: critical vulnerability attack against 198.51.100.7 port 443
port-scan false: the rule is off
host-sweep true: counts address 198.51.100.7 on port 443 for 203.0.113.9, which is observed at 10 or more within 1h
probe false: the rule is off
login false: the rule is off`},
		{"high", s, with(func(ev *Event) { ev.Type, ev.Subtype, ev.Severity = TypeThreat, "vulnerability", "high" }), nil, `
vulnerability false: the severity is below critical
port-scan true: counts port 443 of 198.51.100.7 for 203.0.113.5, which is blocked at more than 10 within 10m
host-sweep true: counts address 198.51.100.7 on port 443 for 203.0.113.5, which is blocked at 10 or more within 1h
probe false: the rule is off
login false: the rule is off`},
		{"flood", s, with(func(ev *Event) { ev.Type, ev.Subtype, ev.Severity = TypeThreat, "flood", "critical" }), nil, `
vulnerability false: only subtype vulnerability counts
port-scan false: records of a flood never count: their sources are forged at will
host-sweep false: records of a flood never count: their sources are forged at will
probe false: the rule is off
login false: the rule is off`},
		{"no destination", s, with(func(ev *Event) { ev.Dst = netip.Addr{} }), nil, `
vulnerability false: only THREAT records count
port-scan false: the record has no destination address
host-sweep false: the record has no destination address
probe false: the rule is off
login false: the rule is off`},
		{"no source", s, with(func(ev *Event) { ev.Src = netip.Addr{} }), nil, `
vulnerability false: the record has no source address
port-scan false: the record has no source address
host-sweep false: the record has no source address
probe false: the record has no source address
login false: the record has no source address`},
		{"off", Settings{}, &base, nil, `
vulnerability false: the rule is off
port-scan false: the rule is off
host-sweep false: the rule is off
probe false: the rule is off
login false: the rule is off`},
	} {
		if got := explained(c.s, c.ev, c.guard); got != strings.TrimSpace(c.want) {
			t.Errorf("%s:\n%s", c.name, got)
		}
	}
}

// Explain and the engine must not tell different stories.
func TestExplainAgreesWithEngine(t *testing.T) {
	address := rapid.SampledFrom([]netip.Addr{{}, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("2001:db8::5"), netip.MustParseAddr("fd00::5")})
	rapid.Check(t, func(t *rapid.T) {
		window := func(rule string) time.Duration { return rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(t, rule) }
		policy := Policy{RefusedOnly: rapid.Bool().Draw(t, "refused only")}
		s := Settings{
			PortScan:      PortScan{Ports: 0, Window: window("port-scan"), Policy: policy},
			HostSweep:     HostSweep{Hosts: 1, Window: window("host-sweep"), Policy: policy},
			Probe:         Probe{Targets: 1, Window: window("probe"), Policy: policy},
			Login:         Login{Failures: 0, Window: window("login")},
			Vulnerability: Vulnerability{Severity: rapid.SampledFrom([]Threshold{VulnerabilityOff, VulnerabilityCritical, VulnerabilityHigh}).Draw(t, "vulnerability")},
		}
		if rapid.Bool().Draw(t, "ids") {
			s.Vulnerability.ThreatIDs = []uint32{40015}
		}
		if rapid.Bool().Draw(t, "proxies") {
			s.Proxies = []netip.Prefix{netip.MustParsePrefix("203.0.113.5/32")}
		}
		if rapid.Bool().Draw(t, "ignore") {
			s.Ignore = []Ignore{{Zone: []string{"lab"}, Rules: rapid.SampledFrom([][]string{nil, {RulePortScan}, {RuleVulnerability, RuleProbe}}).Draw(t, "rules"), Reason: "our own scanner"}}
		}
		var ours *Ours
		if rapid.Bool().Draw(t, "ours") {
			ours = NewOurs([]netip.Prefix{netip.MustParsePrefix("2001:db8::/48")})
		}
		ev := Event{
			Time: oracleStart, Src: address.Draw(t, "src"), Dst: address.Draw(t, "dst"), Client: address.Draw(t, "client"),
			SrcPort:   rapid.SampledFrom([]uint16{22, 40000}).Draw(t, "source port"),
			DstPort:   rapid.SampledFrom([]uint16{0, 80, 40000}).Draw(t, "port"),
			Type:      rapid.SampledFrom([]Type{TypeUnknown, TypeTraffic, TypeThreat, TypeGlobalProtect, TypeSystem}).Draw(t, "type"),
			Direction: rapid.SampledFrom([]Direction{DirectionUnknown, ClientToServer, ServerToClient}).Draw(t, "direction"),
			Subtype:   rapid.SampledFrom([]string{"", "end", "start", "Vulnerability", "flood", "SCAN", "url", "spyware", "portal-auth"}).Draw(t, "subtype"),
			Severity:  rapid.SampledFrom([]string{"", "CRITICAL", "high", "low"}).Draw(t, "severity"),
			Action:    rapid.SampledFrom([]string{"allow", "drop", "failure"}).Draw(t, "action"),
			ThreatID:  rapid.SampledFrom([]string{"", "8001", "Some Attack(40015)", "9"}).Draw(t, "threat"),
			SrcZone:   rapid.SampledFrom([]string{"lab", "internet"}).Draw(t, "zone"),
			SrcUser:   rapid.SampledFrom([]string{"", "pre-logon"}).Draw(t, "user"),
		}
		// With these thresholds the first record that counts fires.
		want := ""
		graded := GradeUnknown
		for _, c := range s.Explain(&ev, nil, ours) {
			graded = max(graded, c.Grade)
			if c.Text == "" {
				t.Fatalf("%s says nothing", c.Rule)
			}
			if c.Counts && want == "" {
				want = c.Rule
			}
		}
		got := ""
		e := New(s)
		e.Know(ours, nil)
		r := e.Observe(&ev)
		if r.Verdict != nil {
			got = r.Verdict.Rule
		}
		if got != want || r.Grade != graded {
			t.Fatalf("the engine fires %q on %q evidence, explain says %q on %q", got, r.Grade, want, graded)
		}
	})
}

// Who is counted is told as it is: IPv6 by its network, or by itself, and why.
func TestExplainNamesTheNetworkThatIsCounted(t *testing.T) {
	guard := NewGuard([]netip.Prefix{netip.MustParsePrefix("2001:db8:1::53/128")}, nil)
	for source, want := range map[string]string{
		"203.0.113.5":    "203.0.113.5",
		"2001:db8:2::7":  "2001:db8:2::/64 (the network of 2001:db8:2::7)",
		"2001:db8:1::7":  "2001:db8:1::7 (by itself: 2001:db8:1::/64 contains 2001:db8:1::53, which is in never_block)",
		"2001:0:53aa::7": "2001:0:53aa::7 (by itself: Teredo relays for many hosts)",
	} {
		s := Settings{HostSweep: HostSweep{Hosts: 10, Window: time.Hour}, Vulnerability: Vulnerability{Severity: VulnerabilityCritical}, IPv6Prefix: 64}
		ev := Event{Type: TypeTraffic, Src: netip.MustParseAddr(source), Dst: netip.MustParseAddr("2001:db8:9::7"), DstPort: 443}
		if got := s.Explain(&ev, guard, nil)[2].Text; !strings.Contains(got, "for "+want+", which is blocked at 10") {
			t.Errorf("%s: %s", source, got)
		}
		ev.Type, ev.Subtype, ev.Severity = TypeThreat, "vulnerability", "critical"
		if got := s.Explain(&ev, guard, nil)[0].Text; !strings.HasPrefix(got, "blocks "+want+" at once") {
			t.Errorf("%s: %s", source, got)
		}
		s.IPv6Prefix = 128
		if got := s.Explain(&ev, guard, nil)[0].Text; source != "2001:0:53aa::7" && !strings.HasPrefix(got, "blocks "+source+" at once") {
			t.Errorf("%s alone: %s", source, got)
		}
	}
}

// Of all that the rules say of a record that none counts, it is said what one says that could have counted it.
func TestWhyNot(t *testing.T) {
	s := everyRule()
	s.Probe.Mode = Off
	refused := Event{Type: TypeTraffic, Action: "deny", Src: netip.MustParseAddr("203.0.113.1"), Dst: netip.MustParseAddr("198.51.100.1"), DstPort: 22}
	served, failed, private := refused, Event{Type: TypeGlobalProtect, Subtype: "portal-auth", Action: "success", Src: refused.Src}, refused
	served.Action, private.Src = "allow", netip.MustParseAddr("10.0.0.1")
	served.Application = "ssl"
	whyNot := s.WhyNot(nil, nil)
	for _, c := range []struct {
		ev   Event
		want string
	}{{refused, ""}, {served, becauseServed}, {failed, "the login succeeded"}, {private, "the source 10.0.0.1 is not public (private, 10.0.0.0/8)"}, {refused, ""}} {
		if got := whyNot(&c.ev); got != c.want {
			t.Errorf("%+v: %q instead of %q", c.ev, got, c.want)
		}
	}
}
