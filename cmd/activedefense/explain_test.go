package main

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
	"activedefense/detect/panos"
)

// Every field of an event is told: whoever asks why a line does not count must see what it was
// taken for.
func TestExplainTellsEveryFieldOfTheEvent(t *testing.T) {
	ev := detect.Event{Time: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Later: 30 * time.Minute, Session: detect.SessionRefused, Device: "LAB-FW-01", Src: netip.MustParseAddr("203.0.113.7"), SrcPort: 40001,
		Dst: netip.MustParseAddr("198.51.100.1"), DstPort: 40002, SrcUser: "anna", SrcCountry: "DE", DstCountry: "US", Action: "reset-both",
		Rule: "outside-in", RuleID: "r-1", ThreatName: "Some Threat", ThreatID: "40017", Severity: "medium", Subtype: "vulnerability", Application: "ssl",
		EndReason: "threat-ended", Category: "brute-force", SrcZone: "internet", DstZone: "dmz", NATSrc: netip.MustParseAddr("192.0.2.1"), NATSrcPort: 40003,
		NATDst: netip.MustParseAddr("192.0.2.2"), NATDstPort: 40004, Client: netip.MustParseAddr("192.0.2.3"), Type: detect.TypeThreat,
		Direction: detect.ClientToServer, Protocol: detect.TCP, Repeat: 40005,
		Traffic: detect.Traffic{Counted: true, BytesSent: 40006, BytesReceived: 40007, PacketsSent: 40008, PacketsReceived: 40009}}
	v := reflect.ValueOf(ev)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Ref" {
			t.Errorf("%s is not tried", name)
		}
	}
	text, err := json.Marshal(explainedOf(&ev))
	if err != nil {
		t.Fatal(err)
	}
	told := []string{"30m0s", `"outcome":"refused"`, `"2026-11-21T12:00:00Z"`, "LAB-FW-01", "203.0.113.7", "198.51.100.1", "anna", "DE", "US", "reset-both", "outside-in", "r-1", "Some Threat",
		"40017", "medium", `"vulnerability"`, "ssl", "threat-ended", "brute-force", "internet", "dmz", "192.0.2.1", "192.0.2.2", "192.0.2.3", "THREAT",
		"client-to-server", "tcp", "40001", "40002", "40003", "40004", "40005", "40006", "40007", "40008", "40009"}
	for _, s := range told {
		if !strings.Contains(string(text), s) {
			t.Errorf("%s is missing in %s", s, text)
		}
	}
	if text, err = json.Marshal(explainedOf(&detect.Event{})); err != nil || strings.Contains(string(text), "traffic") {
		t.Errorf("bytes that no log counted: %s (%v)", text, err)
	}
	var plain strings.Builder
	if err := (&explainCommand{&app{stdout: &plain}}).writeText(&ev, nil); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"from internet to dmz", "ssl tcp", "threat-ended"} {
		if !strings.Contains(plain.String(), s) {
			t.Errorf("%s is missing in %s", s, plain.String())
		}
	}
}

// Of several lines on standard input the first is explained, and it is said that there were others.
func TestExplainReadsTheFirstLineAndSaysSo(t *testing.T) {
	line := kvLine("203.0.113.1", "deny", "drop", "TRAFFIC")
	for stdin, others := range map[string]bool{line: false, "\x00\x00" + line: false, "\n" + line + "\r\n\n": false, line + "\n" + kvLine("203.0.113.2", "deny", "drop", "TRAFFIC") + "\n": true} {
		var said strings.Builder
		got, err := (&explainCommand{&app{stdin: strings.NewReader(stdin), stderr: &said}}).oneLine(nil)
		if err != nil || got != line || strings.Contains(said.String(), "this is the first") != others {
			t.Errorf("%q: %q, %v, says %q", stdin, got, err, said.String())
		}
	}
}

// What came while its source was blocked counted for nothing, whatever the rules say of the line.
func TestExplainSaysThatTheSourceWasBlocked(t *testing.T) {
	a := faulted(t, "")
	at := func(when time.Time, src string) string {
		return string(sample{at: when.UTC(), src: src, dst: "198.51.100.7", port: 443, typ: "TRAFFIC", subtype: "drop"}.line())
	}
	const says = "As it came, it counted for no rule: 203.0.113.1 was blocked from "
	for line, blocked := range map[string]bool{at(time.Now(), "203.0.113.1"): true, at(time.Now().Add(-48*time.Hour), "203.0.113.1"): false, at(time.Now(), "203.0.113.2"): false, at(time.Now(), "192.0.2.8"): false} {
		if out, said, status := a.whole(t, "explain", line); status != 0 || strings.Contains(out, says) != blocked || !strings.Contains(out, "yes") {
			t.Errorf("%s: exit status %d, %s%s", line, status, out, said)
		}
		if out, _, _ := a.whole(t, "--json", "explain", line); strings.Contains(out, `"blocked":"203.0.113.1 was`) != blocked {
			t.Errorf("%s: %s", line, out)
		}
	}
	a.blacklist(t, false, "remove", "203.0.113.1")
	if out, _, _ := a.whole(t, "explain", at(time.Now().Add(-time.Minute), "203.0.113.1")); !strings.Contains(out, says) {
		t.Errorf("released meanwhile: %s", out)
	}
}

// The lines that README.md gives as samples are read, each in its format.
func TestTheSampleLinesOfTheReadmeAreRead(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(readme)) {
		if !strings.Contains(line, "TRAFFIC") || !strings.HasPrefix(line, "Nov ") {
			continue
		}
		var ev detect.Event
		if err := panos.New(panos.Options{Format: panos.Auto, Location: time.UTC}).Parse([]byte(line), whyNotTime, &ev); err != nil {
			t.Errorf("%v\n%s", err, line)
		}
		ev.Judge()
		got = append(got, strings.Join([]string{ev.Device, ev.Src.String(), ev.Session.String(), ev.Application, ev.EndReason}, " "))
	}
	want := []string{"lab-fw-01 203.0.113.66 refused  ", "lab-fw-01 203.0.113.66 refused not-applicable policy-deny", "lab-fw-01 203.0.113.66 refused not-applicable policy-deny"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
