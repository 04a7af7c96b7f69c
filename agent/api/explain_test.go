package api

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
)

// Every field of an event is told: whoever asks why a line does not count must see what it was
// taken for.
func TestExplainTellsEveryFieldOfTheEvent(t *testing.T) {
	ev := detect.Event{Time: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Later: 30 * time.Minute, Session: detect.SessionRefused, Device: "LAB-FW-01", Src: netip.MustParseAddr("203.0.113.7"), SrcPort: 40001,
		Dst: netip.MustParseAddr("198.51.100.1"), DstPort: 40002, SrcUser: "anna", SrcCountry: "DE", DstCountry: "US", Action: "reset-both",
		Rule: "outside-in", RuleID: "r-1", ThreatName: "Some Threat", ThreatID: "40017", Severity: "medium", Subtype: "vulnerability", Application: "ssl",
		EndReason: "threat-ended", Category: "brute-force", SrcZone: "internet", DstZone: "dmz", NATSrc: netip.MustParseAddr("192.0.2.1"), NATSrcPort: 40003,
		NATDst: netip.MustParseAddr("192.0.2.2"), NATDstPort: 40004, Client: netip.MustParseAddr("192.0.2.3"), Type: detect.TypeThreat,
		Direction: detect.ClientToServer, Protocol: detect.TCP, Repeat: 40005, Proven: true,
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
	if text, err = json.Marshal(explainedOf(&detect.Event{Type: detect.TypeLog, Proven: true})); err != nil || !strings.Contains(string(text), `"grade":"proven"`) {
		t.Errorf("the grade of a pattern: %s (%v)", text, err)
	}
	if text, err = json.Marshal(explainedOf(&detect.Event{})); err != nil || strings.Contains(string(text), "traffic") {
		t.Errorf("bytes that no log counted: %s (%v)", text, err)
	}
}
