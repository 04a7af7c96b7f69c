package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"activedefense/agent/display"
	"activedefense/agent/line"
	"activedefense/detect"
	"activedefense/store"
)

// final gives the last verdict of each source: a source that was held or observed may have been blocked later.
func final(found []*detect.Verdict) []*detect.Verdict {
	last := make(map[netip.Prefix]int, len(found))
	for i, v := range found {
		last[v.Source] = i
	}
	var out []*detect.Verdict
	for i, v := range found {
		if last[v.Source] == i {
			out = append(out, v)
		}
	}
	return out
}

// outcome says what became of sources: "2 sources would have been blocked, 1 held".
func outcome(found []*detect.Verdict) string {
	var n counts
	for _, v := range found {
		n.add(v)
	}
	text := plural(n.Blocked, "source") + " would have been blocked"
	if n.Held > 0 {
		text += ", " + grouped(n.Held) + " held"
	}
	if n.Observed > 0 {
		text += ", " + grouped(n.Observed) + " observed"
	}
	return text
}

// counts are sources by what became of them, and the records that it rests on.
type counts struct {
	Blocked  int `json:"blocked"`
	Held     int `json:"held"`
	Observed int `json:"observed"`
	Hits     int `json:"hits"`
}

func (n *counts) add(v *detect.Verdict) {
	n.Hits += v.Hits
	switch line.StateOf(v) {
	case store.Blocked:
		n.Blocked++
	case store.Held:
		n.Held++
	case store.Observed:
		n.Observed++
	}
}

// group is one row of the summary, as `replay --summary --json` prints it.
type group struct {
	By   string `json:"by"`   // rule, grade, country or hour
	Name string `json:"name"` // of the rule, grade or country, "" where it is not known; the beginning of the hour, in UTC, as RFC 3339 has it
	counts
	Only string `json:"only,omitempty"` // with --compare: this or other
}

// dimensions are what the summary counts by, in this order.
var dimensions = []struct {
	by   string
	name func(*detect.Verdict) string
}{
	{"rule", func(v *detect.Verdict) string { return v.Rule }},
	{"grade", func(v *detect.Verdict) string { return v.Grade.String() }},
	{"country", func(v *detect.Verdict) string { return v.Country }},
	{"hour", func(v *detect.Verdict) string { return v.Time.UTC().Truncate(time.Hour).Format(time.RFC3339) }},
}

// groups counts sources by each dimension: hours in their order, else the largest group first.
func groups(found []*detect.Verdict) []group {
	var out []group
	for _, d := range dimensions {
		by := make(map[string]*group)
		for _, v := range found {
			name := d.name(v)
			if by[name] == nil {
				by[name] = &group{By: d.by, Name: name}
			}
			by[name].add(v)
		}
		rows := slices.SortedFunc(maps.Values(by), func(a, b *group) int {
			if d.by == "hour" {
				return strings.Compare(a.Name, b.Name)
			}
			size := func(g *group) int { return g.Blocked + g.Held + g.Observed }
			return cmp.Or(size(b)-size(a), strings.Compare(a.Name, b.Name))
		})
		for _, g := range rows {
			out = append(out, *g)
		}
	}
	return out
}

// mostCountries is how many a person is shown; --json has all.
const mostCountries = 20

// writeGroups prints the summary. only says which of two configurations it is of; "" where there is one.
func (r *replayCommand) writeGroups(all []group, only string) error {
	if r.json {
		for _, g := range all {
			g.Only = only
			if err := r.printJSON(g); err != nil {
				return err
			}
		}
		return nil
	}
	t := display.NewTable(r.stdout)
	by, shown := "", 0
	for _, g := range all {
		if g.By != by {
			if by != "" {
				t.Line("")
			}
			by, shown = g.By, 0
			t.Row(strings.ToUpper(by), "BLOCKED", "HELD", "OBSERVED", "HITS")
		}
		if shown++; by == "country" && shown > mostCountries {
			continue
		}
		t.Row(groupName(g), grouped(g.Blocked), grouped(g.Held), grouped(g.Observed), grouped(g.Hits))
	}
	if countries := of(all, "country"); countries > mostCountries {
		fmt.Fprintf(r.stderr, "not shown: %s more, which --json has\n", plural(countries-mostCountries, "country"))
	}
	return t.Flush()
}

// of counts the groups of one dimension.
func of(all []group, by string) (n int) {
	for _, g := range all {
		if g.By == by {
			n++
		}
	}
	return n
}

// groupName writes the name of a group for people.
func groupName(g group) string {
	if at, err := time.Parse(time.RFC3339, g.Name); g.By == "hour" && err == nil {
		return at.Local().Format("2006-01-02 15:04 MST")
	}
	return cmp.Or(g.Name, "unknown")
}
