package output

import (
	"strings"
	"testing"

	"activedefense/agent/api"
)

func TestAnExplainedLineIsWritten(t *testing.T) {
	x := &api.ExplainedLine{Record: api.Record{Type: "THREAT", Src: "203.0.113.7", SrcPort: 40001, SrcCountry: "DE", Application: "ssl", FromZone: "internet", ToZone: "dmz", SessionEndReason: "threat-ended"},
		Protocol: "tcp", Repeat: 3, Rules: []api.LineCounting{{Rule: "probe", Counts: true, Text: "a pair"}, {Rule: "login", Text: "no login"}}, Blocked: "it was blocked"}
	var plain strings.Builder
	if err := Explained(&plain, x); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"203.0.113.7:40001 (DE)", "from internet to dmz", "ssl tcp", "threat-ended", "3 times (merged by syslog)", "probe  yes     a pair", "login  no      no login", "\nAs it came, it counted for no rule: it was blocked\n"} {
		if !strings.Contains(plain.String(), s) {
			t.Errorf("%q is missing in\n%s", s, plain.String())
		}
	}
	if strings.Contains(plain.String(), "user") {
		t.Errorf("what is empty is written:\n%s", plain.String())
	}
}
