package decision

import "fmt"

// alike is how many differences of one rule, zones and decision are told one by one; more are told in one line.
const alike = 4

// likeness is what differences that are told together have in common.
type likeness struct {
	rule          string
	decides       bool // rule is the one that would decide; else the one that does now
	zones         string
	before, after string // actions
	blocked       bool
	certain       bool
}

func (d Difference) likenesses() [2]likeness {
	after := likeness{d.RuleAfter, true, d.zones, d.ActionBefore, d.ActionAfter, d.BlockedSources, d.Certain}
	before := after
	before.rule, before.decides = d.RuleBefore, false
	return [2]likeness{after, before}
}

// Lines tells differences for a reader: those of one rule between the same zones, with the same decision, in one line with the number
// of the other rules. At most most lines are given; more is how many differences are in none of them.
func Lines(all []Difference, most int) (lines []string, more int) {
	count := map[likeness]int{}
	for _, d := range all {
		for _, l := range d.likenesses() {
			count[l]++
		}
	}
	groups, at := [][]Difference{}, map[likeness]int{}
	for _, d := range all {
		both := d.likenesses()
		key := both[0]
		if count[both[1]] > count[key] {
			key = both[1]
		}
		i, known := at[key]
		if count[key] <= alike || !known {
			at[key] = len(groups)
			groups = append(groups, []Difference{d})
			continue
		}
		groups[i] = append(groups[i], d)
	}
	for _, g := range groups {
		if len(lines) == most {
			more += len(g)
			continue
		}
		lines = append(lines, line(g))
	}
	return lines, more
}

// line tells differences that are alike in one line.
func line(g []Difference) string {
	d := g[0]
	if len(g) == 1 {
		return d.String()
	}
	var others []string
	decides := g[0].RuleAfter == g[1].RuleAfter
	for _, x := range g {
		if decides {
			others = append(others, x.RuleBefore)
		} else {
			others = append(others, x.RuleAfter)
		}
	}
	by := fmt.Sprintf("%d rules (%s)", len(g), few(others))
	before, after := by, d.RuleAfter
	if !decides {
		before, after = "rule "+d.RuleBefore, by
	}
	zones := d.zones
	if d.BlockedSources {
		zones += ", blocked sources"
	}
	if !d.Certain {
		return fmt.Sprintf("%s: may be %s by %s, and would then be %s by %s; the first: %s", zones, done(d.ActionBefore), before, done(d.ActionAfter), after, d.Traffic)
	}
	return fmt.Sprintf("%s: %s by %s, would be %s by %s; the first: %s, for example %s", zones, done(d.ActionBefore), before, done(d.ActionAfter), after, d.Traffic, d.Example)
}
