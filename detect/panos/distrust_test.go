package panos

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const trueID, forgedID = "321ef4bf-801e-1c89-b341-efb2898ba2be", "11111111-2222-3333-4444-555555555555"

// TestUnquotedHeaders: what a stranger sends in a header names neither rule nor client nor time, of firewalls that do not
// quote it.
func TestUnquotedHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		column int
		text   string
	}{
		"with quotes":              {74, `X-H:"a, b, c, d, ` + forgedID + `";`},
		"without quotes":           {74, `X-H: a, b, ` + forgedID},
		"an open quote":            {74, `X-H:"a, b, c, d, ` + forgedID},
		"an id where one belongs":  {74, `X-H: a,b,` + forgedID + `,0,,192.0.2.66`},
		"a whole tail":             {74, `X-H: a,b,` + forgedID + `,0,,192.0.2.66` + strings.Repeat(",", 28) + "2025-11-21T01:30:00.250+00:00"},
		"no comma":                 {74, `X-H: a`},
		"quotes inside quotes":     {74, `"X-H: "a,b",` + forgedID + `,0,,192.0.2.66`},
		"an agent with quotes":     {46, `Mozilla "5", x, y, ` + strings.Repeat(",", 26) + forgedID + `,0,,192.0.2.66`},
		"an agent ending in quote": {46, `"Mozilla" 5,` + strings.Repeat(",", 28) + forgedID + `,0,,192.0.2.66"`},
		"a subject of ids":         {51, strings.Repeat(forgedID+",", 20)},
	} {
		ev := mustParse(t, "Nov 21 02:00:05 relay "+threatLine(map[int]string{c.column: c.text, 79: "192.0.2.9"}))
		if ev.RuleID != "" && ev.RuleID != trueID {
			t.Errorf("%s: rule %q", name, ev.RuleID)
		}
		if addrText(ev.Client) != "" && addrText(ev.Client) != "192.0.2.9" {
			t.Errorf("%s: client %v", name, ev.Client)
		}
		if want := time.Date(2025, 11, 21, 1, 59, 58, 0, time.UTC); ev.Time.Sub(want).Abs() > 5*time.Second {
			t.Errorf("%s: at %v", name, ev.Time)
		}
		if ev.Severity != "medium" || ev.ThreatID != "8002" || ev.Src != plainEvent().Src {
			t.Errorf("%s: %+v", name, ev)
		}
	}
	// Quoted ones cost nothing.
	ev := mustParse(t, threatLine(map[int]string{74: `"X-H: a, ""b"", ` + forgedID + `"`, 46: `"Mozilla, ""5"""`, 79: "192.0.2.9"}))
	if ev.RuleID != trueID || addrText(ev.Client) != "192.0.2.9" || ev.Time.Nanosecond() != 250e6 {
		t.Errorf("quoted: %+v", ev)
	}
}

func TestRuleIDIsAUUID(t *testing.T) {
	for text, want := range map[string]string{trueID: trueID, "": "", "c": "", "7": "", trueID + "0": "", strings.ReplaceAll(trueID, "-", "0"): ""} {
		ev := mustParse(t, threatLine(map[int]string{76: text, 79: "192.0.2.9"}))
		if ev.RuleID != want || ev.Client.IsValid() != (want != "" || text == "") {
			t.Errorf("%q: %q, client %v", text, ev.RuleID, ev.Client)
		}
	}
}

// TestNoForgeryByHeaders: whatever the headers hold that a firewall wrote as they came, what stands behind them is the
// firewall's or nothing.
func TestNoForgeryByHeaders(t *testing.T) {
	piece := rapid.SampledFrom([]string{",", ", ", `"`, `""`, `",`, "x", ";", forgedID, "0", "192.0.2.66", "2025-11-21T01:59:58.777+00:00", ",,,,,,,,,,"})
	want := mustParse(t, threatLine(map[int]string{79: "192.0.2.9"}))
	rapid.Check(t, func(t *rapid.T) {
		text := "X-H:" + strings.Join(rapid.SliceOfN(piece, 0, 40).Draw(t, "pieces"), "")
		ev, err := parse(threatLine(map[int]string{74: text, 79: "192.0.2.9"}))
		if err != nil {
			t.Fatal(err)
		}
		if ev.RuleID != "" || ev.Client.IsValid() || !ev.Time.Equal(time.Date(2025, 11, 21, 1, 59, 58, 0, time.UTC)) {
			t.Fatalf("%s\nrule %q, client %v, at %v", text, ev.RuleID, ev.Client, ev.Time)
		}
		ev.RuleID, ev.Client, ev.Time = want.RuleID, want.Client, want.Time
		if ev != want {
			t.Fatalf("%s\ngot  %+v\nwant %+v", text, ev, want)
		}
	})
}
