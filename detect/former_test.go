package detect

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// former is what the version before outcome, grades and partners said, written down once more by brute force. It is what the
// engine still says where every record counts whatever became of it, the newer rules are off, nothing is known to be ours, and
// IPv6 is counted by single addresses.
type former struct {
	*oracle
	threshold Threshold
	counted   map[netip.Addr][]Event
}

// counts tells whether a record counts for the scans: all of TRAFFIC, and of THREAT what is no flood, and not seen in a
// server's answer unless the firewall found a scan.
func (f *former) counts(ev *Event) bool {
	switch {
	case !ev.Dst.IsValid():
		return false
	case ev.Type == TypeTraffic:
		return true
	}
	subtype := strings.ToLower(ev.Subtype)
	return subtype != "flood" && (ev.Direction != ServerToClient || subtype == "scan")
}

// attacks tells whether a record blocks by itself.
func (f *former) attacks(ev *Event) bool {
	severity := strings.ToLower(ev.Severity)
	return ev.Type == TypeThreat && strings.ToLower(ev.Subtype) == "vulnerability" && ev.Direction != ServerToClient &&
		(severity == "critical" && f.threshold != VulnerabilityOff || severity == "high" && f.threshold == VulnerabilityHigh)
}

// hits are the records that one stands for. Those of a scan that the firewall found used to count as often as it said so;
// now they are one.
func hits(ev *Event) int {
	if ev.Type == TypeThreat && (strings.EqualFold(ev.Subtype, "scan") || ev.ThreatID == "8001") {
		return 1
	}
	return int(max(ev.Repeat, 1))
}

// observe gives the outcome, the rule if one fires, and the hits of all records that have its key.
func (f *former) observe(ev *Event) (outcome Outcome, rule string, n int) {
	switch {
	case f.blocked[ev.Src]:
		return Blocked, "", 0
	case ev.Src.IsPrivate():
		return Ignored, "", 0
	case f.attacks(ev):
		f.forget(ev.Src)
		delete(f.counted, ev.Src)
		return Fired, RuleVulnerability, hits(ev)
	case !f.counts(ev):
		return Ignored, "", 0
	}
	outcome, rule = f.oracle.observe(ev)
	f.counted[ev.Src] = append(f.counted[ev.Src], *ev)
	for i := range f.counted[ev.Src] {
		other := &f.counted[ev.Src][i]
		if rule == RulePortScan && other.Dst == ev.Dst && other.DstPort != 0 || rule == RuleHostSweep && other.DstPort == ev.DstPort {
			n += hits(other)
		}
	}
	if outcome == Fired {
		delete(f.counted, ev.Src)
	}
	return outcome, rule, n
}

// formerSources are two of IPv4, two neighbours of IPv6, and a private one.
var formerSources = []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2"), netip.MustParseAddr("2001:db8::1"),
	netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("10.0.0.1")}

// drawFormer draws records of both logs, in order of time; short ones lie within one window.
func drawFormer(t *rapid.T, window time.Duration, short bool) []Event {
	dice := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	pick := func(words ...string) string { return words[dice.IntN(len(words))] }
	events := make([]Event, rapid.SampledFrom([]int{20, 100, 300}).Draw(t, "events"))
	targets, ports := rapid.SampledFrom([]int{1, 2, 6, 20}).Draw(t, "targets"), rapid.SampledFrom([]int{1, 4, 9, 30}).Draw(t, "highest port")
	pace := window / time.Duration(rapid.SampledFrom([]int{2, 5, 20, 100}).Draw(t, "pace"))
	if short {
		pace = window / time.Duration(len(events))
	}
	at := oracleStart
	for i := range events {
		at = at.Add(time.Duration(dice.Int64N(int64(pace))))
		ev := &events[i]
		*ev = Event{Time: at, Ref: uint64(i), Device: pick("fw1", "fw2"), Src: formerSources[dice.IntN(len(formerSources))],
			Dst: oracleTargets[dice.IntN(targets)], DstPort: uint16(dice.IntN(ports + 1)), SrcPort: uint16(dice.IntN(3) * 500),
			Type: TypeTraffic, Subtype: pick("start", "end", "drop", "deny"), Action: pick("allow", "deny", "reset-both"), Application: pick("", "ssl", "incomplete"),
			EndReason: pick("", "aged-out", "policy-deny"), Protocol: Protocol(dice.IntN(5)), Traffic: Traffic{Counted: dice.IntN(2) == 0, BytesReceived: uint64(dice.IntN(2))}}
		if dice.IntN(3) == 0 {
			ev.Repeat = uint32(dice.IntN(30))
		}
		if dice.IntN(2) == 0 {
			continue
		}
		ev.Type, ev.EndReason, ev.Traffic = TypeThreat, "", Traffic{}
		ev.Subtype = pick("vulnerability", "Vulnerability", "spyware", "virus", "scan", "SCAN", "flood", "Flood", "url")
		ev.Severity, ev.Direction = pick("critical", "High", "medium", "low", "informational"), Direction(dice.IntN(3))
		if !strings.EqualFold(ev.Subtype, "vulnerability") {
			ev.Severity = pick("critical", "medium")
		} else if dice.IntN(4) > 0 {
			ev.Severity = "medium" // or nothing else is ever found
		}
		switch {
		case dice.IntN(20) == 0:
			ev.Dst = netip.Addr{}
		case strings.EqualFold(ev.Subtype, "scan"):
			ev.ThreatID = pick("", "8001")
		case !ev.Src.IsPrivate():
			ev.ThreatID = pick("", "40015", "31337") // of two public ends none is known to be ours
		}
	}
	return events
}

func TestVerdictsOfTheOldVersion(t *testing.T) {
	fired := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		s, window := drawSettings(t)
		s.Vulnerability.Severity = rapid.SampledFrom([]Threshold{VulnerabilityOff, VulnerabilityCritical, VulnerabilityHigh}).Draw(t, "vulnerability")
		s.IPv6Prefix = 128
		short := s.PortScan.Window == s.HostSweep.Window && rapid.Bool().Draw(t, "within one window")
		blocks := rapid.Bool().Draw(t, "block")
		engine := New(s)
		// Private networks do not make it known what is ours.
		engine.Know(NewOurs([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}), nil)
		old := &former{newOracle(s), s.Vulnerability.Severity, map[netip.Addr][]Event{}}
		for i, ev := range drawFormer(t, window, short) {
			got := engine.Observe(&ev)
			outcome, rule, n := old.observe(&ev)
			gotRule := ""
			if v := got.Verdict; v != nil {
				gotRule = v.Rule
				fired[v.Rule]++
				if v.Source != single(ev.Src) || v.Time != ev.Time || v.Mode != Block || v.Hold != "" || v.Addresses != nil {
					t.Fatalf("event %d %v: %+v", i, ev, v)
				}
				// What proven records show by themselves rests on those alone.
				if exact := short && v.Grade != Proven || rule == RuleVulnerability; exact && v.Hits != n || v.Hits > n || v.Hits < v.Count {
					t.Fatalf("event %d %v: %d hits, brute force %d: %+v", i, ev, v.Hits, n, v)
				}
			}
			if got.Outcome != outcome || gotRule != rule {
				t.Fatalf("event %d %v: engine says %d %q, brute force %d %q", i, ev, got.Outcome, gotRule, outcome, rule)
			}
			if outcome == Fired && blocks {
				engine.Block(got.Verdict.Source)
				old.blocked[ev.Src] = true
			}
		}
	})
	for _, rule := range []string{RuleVulnerability, RulePortScan, RuleHostSweep} {
		if fired[rule] < 10 {
			t.Error(fmt.Sprint(rule, " fired ", fired[rule], " times: the records drawn show nothing"))
		}
	}
}
