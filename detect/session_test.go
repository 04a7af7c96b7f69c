package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWhatBecameOfASession(t *testing.T) {
	served, silent := Traffic{Counted: true, BytesReceived: 1}, Traffic{Counted: true}
	for _, c := range []struct {
		ev   Event
		want Session
	}{
		{Event{Type: TypeTraffic, Action: "allow", Subtype: "end"}, SessionAnswered},
		{Event{Type: TypeTraffic, Action: "Allow", Subtype: "end", Application: "ssl", EndReason: "tcp-rst-from-server", Traffic: served}, SessionAnswered},
		{Event{Type: TypeTraffic, Action: "allow", Subtype: "end", Application: "insufficient-data", Traffic: served}, SessionAnswered},
		{Event{Type: TypeTraffic, Action: "allow", Subtype: "end", EndReason: "aged-out", Traffic: served}, SessionAnswered},
		{Event{Type: TypeTraffic, Action: "allow", Subtype: "end", Application: "ssl", Traffic: silent}, SessionRefused},
		{Event{Type: TypeTraffic, Action: "allow", Subtype: "end", Application: "incomplete", Traffic: served}, SessionRefused},
		{Event{Type: TypeTraffic, Action: "allow", Subtype: "end", Application: "Incomplete"}, SessionRefused},
		{Event{Type: TypeTraffic, Action: "allow", Subtype: "end", EndReason: "policy-deny", Traffic: served}, SessionRefused},
		{Event{Type: TypeTraffic, Action: "allow", Subtype: "drop", Traffic: served}, SessionRefused},
		{Event{Type: TypeTraffic, Action: "allow", Subtype: "deny", Traffic: served}, SessionRefused},
		{Event{Type: TypeTraffic, Action: "reset-both", Subtype: "end", Traffic: served}, SessionRefused},
		{Event{Type: TypeTraffic, Action: "drop ICMP", Subtype: "drop"}, SessionRefused},
		{Event{Type: TypeTraffic, Subtype: "end"}, SessionRefused}, // without an action nobody was let in
		{Event{Type: TypeTraffic, Action: "allow", Subtype: "start", Application: "ssl"}, SessionBegun},
		{Event{Type: TypeTraffic, Action: "deny", Subtype: "start"}, SessionRefused},
		{Event{Type: TypeThreat, Action: "alert", Subtype: "vulnerability"}, SessionAnswered},
		{Event{Type: TypeThreat, Action: "allow", Subtype: "url"}, SessionAnswered},
		{Event{Type: TypeThreat, Action: "reset-both", Subtype: "vulnerability"}, SessionRefused},
		{Event{Type: TypeThreat, Action: "block-url", Subtype: "url"}, SessionRefused},
		{Event{Type: TypeThreat, Action: "Drop", Subtype: "vulnerability"}, SessionRefused},
		{Event{Type: TypeThreat, Action: "sinkhole", Subtype: "spyware"}, SessionRefused},
		{Event{Type: TypeThreat, Action: "alert", Subtype: "scan"}, SessionRefused},
		{Event{Type: TypeGlobalProtect, Action: "failure", Subtype: "gateway-auth"}, SessionRefused},
		{Event{Type: TypeGlobalProtect, Action: "Success", Subtype: "portal-prelogin"}, SessionAnswered},
		{Event{Type: TypeGlobalProtect, Action: "success", Subtype: "start"}, SessionAnswered},
		{Event{Type: TypeGlobalProtect, Subtype: "quarantine-add"}, SessionUnjudged},
		{Event{Type: TypeSystem, Action: "failure", Subtype: "auth-fail"}, SessionRefused},
		{Event{Type: TypeSystem, Action: "success", Subtype: "auth-success"}, SessionAnswered},
		{Event{Type: TypeTraffic, Action: "deny", Subtype: "end", Session: SessionAnswered}, SessionAnswered}, // as it was kept
	} {
		ev := c.ev
		if ev.Judge(); ev.Session != c.want {
			t.Errorf("%+v: %v instead of %v", c.ev, ev.Session, c.want)
		}
	}
}

// With RefusedOnly an engine says what one would say that never saw the other records.
func TestOnlyRefusedSessionsCount(t *testing.T) {
	settings := Settings{PortScan: PortScan{Ports: 3, Window: time.Minute}, HostSweep: HostSweep{Hosts: 3, Window: time.Minute}, Vulnerability: Vulnerability{Severity: VulnerabilityCritical}}
	only := settings
	only.PortScan.RefusedOnly, only.HostSweep.RefusedOnly = true, true
	rapid.Check(t, func(t *rapid.T) {
		all, some := New(settings), New(only)
		at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		var want, got []string
		for ref := range rapid.IntRange(1, 60).Draw(t, "records") {
			at = at.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "step")) * time.Second)
			ev := Event{
				Time: at, Type: rapid.SampledFrom([]Type{TypeTraffic, TypeTraffic, TypeThreat}).Draw(t, "type"), Ref: uint64(ref),
				Src: netip.AddrFrom4([4]byte{203, 0, 113, byte(rapid.IntRange(1, 3).Draw(t, "source"))}),
				Dst: netip.AddrFrom4([4]byte{198, 51, 100, byte(rapid.IntRange(1, 4).Draw(t, "target"))}), DstPort: uint16(rapid.IntRange(0, 5).Draw(t, "port")),
				Action: rapid.SampledFrom([]string{"allow", "deny", "alert", "reset-both"}).Draw(t, "action"), Subtype: rapid.SampledFrom([]string{"start", "end", "drop", "scan", "vulnerability"}).Draw(t, "subtype"),
				Application: rapid.SampledFrom([]string{"", "ssl", "incomplete"}).Draw(t, "application"), Severity: rapid.SampledFrom([]string{"low", "critical"}).Draw(t, "severity"),
			}
			judged := ev
			judged.Judge()
			if rapid.Bool().Draw(t, "kept") { // as it was stored: with the answer, without what it was found by
				ev.Session, ev.Application, ev.Action = judged.Session, "", ""
			}
			if judged.Session == SessionRefused || isAttack(&settings, &ev) {
				want = append(want, fired(all, &ev)...)
			}
			got = append(got, fired(some, &ev)...)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("verdicts\n%v\ninstead of\n%v", got, want)
		}
	})
}

// fired observes an event, blocks whom it fires against, and tells the verdict.
func fired(e *Engine, ev *Event) []string {
	r := e.Observe(ev)
	if r.Outcome != Fired {
		return nil
	}
	e.Block(r.Verdict.Source)
	return []string{fmt.Sprint(r.Verdict.Source, r.Verdict.Rule, r.Verdict.Time, r.Verdict.Hits, r.Verdict.Evidence)}
}

func isAttack(s *Settings, ev *Event) bool {
	k := newKnown(s)
	var p party
	k.who(ev, &p)
	return k.notVulnerability(ev, &p) == ""
}

// A line of another log is to ours, says nothing of a session whatever its words are, and is as well known as its pattern says.
func TestALineOfAnotherLog(t *testing.T) {
	ours := NewOurs([]netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")})
	for _, proven := range []bool{false, true} {
		ev := Event{Type: TypeLog, Subtype: "deny", Action: "allow", Src: netip.MustParseAddr("203.0.113.5"), Dst: netip.MustParseAddr("192.0.2.7"), Protocol: TCP, Application: "ssh", Proven: proven}
		ev.Judge()
		if ev.Session != SessionUnjudged || (GradeOf(&ev) == Proven) != proven || GradeOf(&ev) == GradeUnknown {
			t.Errorf("proven %t: %s, %s", proven, ev.Session, GradeOf(&ev))
		}
		for _, c := range (Settings{PortScan: PortScan{Ports: 1, Window: time.Minute}}).Explain(&ev, nil, ours) {
			if c.Counts || strings.Contains(c.Text, "ours") {
				t.Errorf("%+v", c)
			}
		}
	}
}
