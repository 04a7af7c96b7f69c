package output

import (
	"fmt"
	"io"
	"strings"

	"activedefense/agent/api"
	"activedefense/agent/display"
	"activedefense/detect"
)

// Explained writes an explained line for people.
func Explained(to io.Writer, x *api.ExplainedLine) error {
	t := display.NewTable(to)
	application, ended, repeated := "application", "ended by", "merged by syslog"
	if x.Type == detect.TypeGlobalProtect.String() || x.Type == detect.TypeSystem.String() {
		application, ended, repeated = "method", "reason", "counted by the firewall or merged by syslog"
	}
	if x.Pattern != nil {
		t.Row("pattern", fmt.Sprintf("%d: %s", x.Pattern.Number, x.Pattern.Regexp))
		t.Row("grade", x.Grade)
	}
	for _, f := range [][2]any{
		{"type", strings.TrimSpace(x.Type + " " + x.Subtype)}, {"time", display.LocalTime(x.Time)}, {"device", x.Device},
		{"source", Endpoint(addrOf(x.Src), x.SrcPort, x.SrcCountry)}, {"user", x.SrcUser},
		{"destination", Endpoint(addrOf(x.Dst), x.DstPort, x.DstCountry)}, {"zones", Zones(x.FromZone, x.ToZone)},
		{application, strings.TrimSpace(x.Application + " " + x.Protocol)}, {ended, x.SessionEndReason},
		{"action", x.Action}, {"rule", strings.TrimSpace(x.Rule + " " + x.RuleID)},
		{"threat", strings.TrimSpace(x.ThreatName + " " + x.ThreatID)}, {"severity", x.Severity},
	} {
		if f[1] != "" {
			t.Row(f[0], f[1])
		}
	}
	if x.Repeat > 1 {
		t.Row("repeated", fmt.Sprintf("%d times (%s)", x.Repeat, repeated))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(to)
	t = display.NewTable(to, "RULE", "COUNTS", "HOW")
	for _, c := range x.Rules {
		counts := "no"
		if c.Counts {
			counts = "yes"
		}
		t.Row(c.Rule, counts, c.Text)
	}
	if err := t.Flush(); err != nil || x.Blocked == "" {
		return err
	}
	_, err := fmt.Fprintf(to, "\nAs it came, it counted for no rule: %s\n", x.Blocked)
	return err
}
