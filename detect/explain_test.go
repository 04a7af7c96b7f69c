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
	for _, c := range s.Explain(ev, g) {
		lines = append(lines, fmt.Sprintf("%s %v: %s", c.Rule, c.Counts, c.Text))
	}
	return strings.Join(lines, "\n")
}

func TestExplain(t *testing.T) {
	s := Settings{PortScan: PortScan{10, 10 * time.Minute}, HostSweep: HostSweep{10, time.Hour}, Vulnerability: VulnerabilityCritical}
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
host-sweep true: counts address 198.51.100.7 on port 443 for 203.0.113.5, which is blocked at 10 or more within 1h`},
		{"protected", s, with(func(ev *Event) { ev.DstPort = 0 }), guard, `
vulnerability false: only THREAT records count
port-scan false: port 0 is no port
host-sweep true: counts address 198.51.100.7 on port 0 for 203.0.113.5, which is blocked at 10 or more within 1h; but it is never blocked: 203.0.113.5 is in never_block (203.0.113.0/24)`},
		{"private", s, with(func(ev *Event) { ev.Src = netip.MustParseAddr("10.0.0.1") }), nil, `
vulnerability false: the source 10.0.0.1 is not public (private, 10.0.0.0/8)
port-scan false: the source 10.0.0.1 is not public (private, 10.0.0.0/8)
host-sweep false: the source 10.0.0.1 is not public (private, 10.0.0.0/8)`},
		{"attack", s, with(func(ev *Event) {
			ev.Type, ev.Subtype, ev.Severity, ev.ThreatName, ev.ThreatID = TypeThreat, "vulnerability", "critical", "Some Attack", "31337"
		}), nil, `
vulnerability true: blocks 203.0.113.5 at once: critical vulnerability attack: Some Attack (31337) against 198.51.100.7 port 443
port-scan false: the record fires the rule vulnerability, which goes first
host-sweep false: the record fires the rule vulnerability, which goes first`},
		{"high", s, with(func(ev *Event) { ev.Type, ev.Subtype, ev.Severity = TypeThreat, "vulnerability", "high" }), nil, `
vulnerability false: the severity is below critical
port-scan true: counts port 443 of 198.51.100.7 for 203.0.113.5, which is blocked at more than 10 within 10m
host-sweep true: counts address 198.51.100.7 on port 443 for 203.0.113.5, which is blocked at 10 or more within 1h`},
		{"flood", s, with(func(ev *Event) { ev.Type, ev.Subtype, ev.Severity = TypeThreat, "flood", "critical" }), nil, `
vulnerability false: only subtype vulnerability counts
port-scan false: records of a flood never count: their sources are forged at will
host-sweep false: records of a flood never count: their sources are forged at will`},
		{"no destination", s, with(func(ev *Event) { ev.Dst = netip.Addr{} }), nil, `
vulnerability false: only THREAT records count
port-scan false: the record has no destination address
host-sweep false: the record has no destination address`},
		{"no source", s, with(func(ev *Event) { ev.Src = netip.Addr{} }), nil, `
vulnerability false: the record has no source address
port-scan false: the record has no source address
host-sweep false: the record has no source address`},
		{"off", Settings{}, &base, nil, `
vulnerability false: the rule is off
port-scan false: the rule is off
host-sweep false: the rule is off`},
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
		s := Settings{
			PortScan:      PortScan{0, rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(t, "port-scan")},
			HostSweep:     HostSweep{1, rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(t, "host-sweep")},
			Vulnerability: rapid.SampledFrom([]Threshold{VulnerabilityOff, VulnerabilityCritical, VulnerabilityHigh}).Draw(t, "vulnerability"),
		}
		ev := Event{
			Time: oracleStart, Src: address.Draw(t, "src"), Dst: address.Draw(t, "dst"),
			DstPort:   rapid.SampledFrom([]uint16{0, 80}).Draw(t, "port"),
			Type:      rapid.SampledFrom([]Type{TypeUnknown, TypeTraffic, TypeThreat}).Draw(t, "type"),
			Direction: rapid.SampledFrom([]Direction{DirectionUnknown, ClientToServer, ServerToClient}).Draw(t, "direction"),
			Subtype:   rapid.SampledFrom([]string{"", "end", "Vulnerability", "flood", "SCAN", "url"}).Draw(t, "subtype"),
			Severity:  rapid.SampledFrom([]string{"", "CRITICAL", "high", "low"}).Draw(t, "severity"),
		}
		// With these thresholds the first record that counts fires.
		want := ""
		for _, c := range s.Explain(&ev, nil) {
			if c.Text == "" {
				t.Fatalf("%s says nothing", c.Rule)
			}
			if c.Counts && want == "" {
				want = c.Rule
			}
		}
		got := ""
		if v := New(s).Observe(&ev).Verdict; v != nil {
			got = v.Rule
		}
		if got != want {
			t.Fatalf("the engine fires %q, explain says %q", got, want)
		}
	})
}
