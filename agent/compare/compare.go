// Package compare tells verdicts of replays apart: whom only one of two configurations would block, and sums by rule, grade, country and
// hour. It is pure.
package compare

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"activedefense/agent/line"
	"activedefense/detect"
	"activedefense/store"
)

// The two configurations of a comparison: that of --config, and that of --compare.
const (
	This  = "this"
	Other = "other"
)

// Different is a source that one configuration would block, and the other would not.
type Different struct {
	*detect.Verdict
	Only string // This or Other
	Also string // what the other does with it: "", held or observed
}

// Differences gives whom found has blocked and in other is not, nor among what is listed there, as only says.
func Differences(found, other []*detect.Verdict, only string, listed ...netip.Prefix) []Different {
	blocked, states := blockedOf(other), make(map[netip.Prefix]store.State)
	for _, v := range other {
		if v.Mode != detect.Notice {
			states[v.Source] = line.StateOf(v) // the last is the strongest
		}
	}
	for _, p := range listed {
		blocked.add(p)
	}
	var out []Different
	for _, v := range found {
		if line.StateOf(v) != store.Blocked || blocked.covers(v.Source) {
			continue
		}
		d := Different{Verdict: v, Only: only}
		if state, ok := states[v.Source]; ok {
			d.Also = state.String()
		}
		out = append(out, d)
	}
	return out
}

// blockedSources are sources by the length of their networks: one configuration may block a network of IPv6 where the other
// blocks an address in it.
type blockedSources struct {
	prefixes map[netip.Prefix]bool
	lengths  [129]bool
}

func blockedOf(found []*detect.Verdict) *blockedSources {
	b := &blockedSources{prefixes: make(map[netip.Prefix]bool)}
	for _, v := range found {
		if line.StateOf(v) == store.Blocked {
			b.add(v.Source)
		}
	}
	return b
}

func (b *blockedSources) add(p netip.Prefix) {
	b.prefixes[p] = true
	b.lengths[p.Bits()] = true
}

// covers tells whether all of p is blocked.
func (b *blockedSources) covers(p netip.Prefix) bool {
	for bits := p.Bits(); bits >= 0; bits-- {
		if !b.lengths[bits] {
			continue
		}
		if wider, err := p.Addr().Prefix(bits); err == nil && b.prefixes[wider] {
			return true
		}
	}
	return false
}

// Final gives the last verdict of each source: a source that was held or observed may have been blocked later. What a rule only tells of is
// beside that.
func Final(found []*detect.Verdict) []*detect.Verdict {
	type one struct {
		source netip.Prefix
		told   string // the rule that only tells of it
	}
	of := func(v *detect.Verdict) one {
		if v.Mode == detect.Notice {
			return one{v.Source, v.Rule}
		}
		return one{v.Source, ""}
	}
	last := make(map[one]int, len(found))
	for i, v := range found {
		last[of(v)] = i
	}
	var out []*detect.Verdict
	for i, v := range found {
		if last[of(v)] == i {
			out = append(out, v)
		}
	}
	return out
}

// Counts are sources by what became of them, and the records that it rests on.
type Counts struct {
	Blocked  int `json:"blocked"`
	Held     int `json:"held"`
	Observed int `json:"observed"`
	Notices  int `json:"notices,omitempty"` // of rules that only tell
	Hits     int `json:"hits"`
}

// Add counts a verdict.
func (n *Counts) Add(v *detect.Verdict) {
	n.Hits += v.Hits
	if v.Mode == detect.Notice {
		n.Notices++
		return
	}
	switch line.StateOf(v) {
	case store.Blocked:
		n.Blocked++
	case store.Held:
		n.Held++
	case store.Observed:
		n.Observed++
	}
}

// Group is one row of the summary, as `replay --summary --json` prints it.
type Group struct {
	By   string `json:"by"`   // rule, grade, country or hour
	Name string `json:"name"` // of the rule, grade or country, "" where it is not known; the beginning of the hour, in UTC, as RFC 3339 has it
	Counts
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

// Groups counts sources by each dimension: hours in their order, else the largest group first.
func Groups(found []*detect.Verdict) []Group {
	var out []Group
	for _, d := range dimensions {
		by := make(map[string]*Group)
		for _, v := range found {
			name := d.name(v)
			if by[name] == nil {
				by[name] = &Group{By: d.by, Name: name}
			}
			by[name].Add(v)
		}
		rows := slices.SortedFunc(maps.Values(by), func(a, b *Group) int {
			if d.by == "hour" {
				return strings.Compare(a.Name, b.Name)
			}
			size := func(g *Group) int { return g.Blocked + g.Held + g.Observed + g.Notices }
			return cmp.Or(size(b)-size(a), strings.Compare(a.Name, b.Name))
		})
		for _, g := range rows {
			out = append(out, *g)
		}
	}
	return out
}
