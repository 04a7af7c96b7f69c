package output

import (
	"cmp"
	"io"
	"slices"
	"strings"
	"time"

	"activedefense/agent/compare"
	"activedefense/agent/display"
	"activedefense/agent/line"
	"activedefense/detect"
)

// Verdicts writes whom a replay would have blocked, held or observed, and why; of none it writes nothing.
func Verdicts(to io.Writer, found []*detect.Verdict) error {
	if len(found) == 0 {
		return nil
	}
	t := display.NewTable(to, "TIME", "ADDRESS", "RULE", "GRADE", "STATE", "HITS", "WHY")
	for _, v := range found {
		t.Row(display.LocalTime(v.Time), detect.AddressText(v.Source), v.Rule, gradeText(v), line.StateText(v), v.Hits, why(v))
	}
	return t.Flush()
}

// gradeText is the grade of a verdict; "-" where it has none.
func gradeText(v *detect.Verdict) string { return cmp.Or(v.Grade.String(), "-") }

// why is the reason of a verdict, and the one for which it is held.
func why(v *detect.Verdict) string {
	if v.Hold != "" {
		return v.Reason + "; held: " + v.Hold
	}
	return v.Reason
}

// Differences writes whom only one of two configurations would block.
func Differences(to io.Writer, found []compare.Different) error {
	t := display.NewTable(to, "ONLY", "TIME", "ADDRESS", "RULE", "GRADE", "HITS", "WHY")
	for _, d := range found {
		reason := d.Reason
		if d.Also != "" {
			reason += "; in the other " + d.Also
		}
		t.Row(d.Only, display.LocalTime(d.Time), detect.AddressText(d.Source), d.Rule, gradeText(d.Verdict), d.Hits, reason)
	}
	return t.Flush()
}

// Outcome says what became of sources: "2 sources would have been blocked, 1 held".
func Outcome(found []*detect.Verdict) string {
	var n compare.Counts
	for _, v := range found {
		n.Add(v)
	}
	text := display.Plural(n.Blocked, "source") + " would have been blocked"
	if n.Held > 0 {
		text += ", " + display.Grouped(n.Held) + " held"
	}
	if n.Observed > 0 {
		text += ", " + display.Grouped(n.Observed) + " observed"
	}
	if n.Notices > 0 {
		text += ", " + display.Grouped(n.Notices) + " told of"
	}
	return text
}

// mostCountries is how many a person is shown; --json has all.
const mostCountries = 20

// Groups writes the summary of a replay, and gives how many countries it left out.
func Groups(to io.Writer, all []compare.Group) (leftOut int, err error) {
	t := display.NewTable(to)
	by, shown := "", 0
	notices := slices.ContainsFunc(all, func(g compare.Group) bool { return g.Notices > 0 })
	row := func(name, blocked, held, observed, told, hits string) {
		if notices {
			t.Row(name, blocked, held, observed, told, hits)
		} else {
			t.Row(name, blocked, held, observed, hits)
		}
	}
	for _, g := range all {
		if g.By != by {
			if by != "" {
				t.Line("")
			}
			by, shown = g.By, 0
			row(strings.ToUpper(by), "BLOCKED", "HELD", "OBSERVED", "NOTICES", "HITS")
		}
		if shown++; by == "country" && shown > mostCountries {
			leftOut++
			continue
		}
		row(groupName(g), display.Grouped(g.Blocked), display.Grouped(g.Held), display.Grouped(g.Observed), display.Grouped(g.Notices), display.Grouped(g.Hits))
	}
	return leftOut, t.Flush()
}

// groupName writes the name of a group for people.
func groupName(g compare.Group) string {
	if at, err := time.Parse(time.RFC3339, g.Name); g.By == "hour" && err == nil {
		return at.Local().Format("2006-01-02 15:04 MST")
	}
	return cmp.Or(g.Name, "unknown")
}
