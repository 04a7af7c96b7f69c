package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"activedefense/agent/display"
	"activedefense/agent/line"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// The two configurations of a comparison: that of --config, and that of --compare.
const (
	onlyThis  = "this"
	onlyOther = "other"
)

// different is a source that one configuration would block, and the other would not.
type different struct {
	*detect.Verdict
	only  string
	other string // what the other does with it: "", held or observed
}

// replayTwo runs both configurations over the same lines, side by side, each as it would run alone.
func (r *replayCommand) replayTwo(ctx context.Context, cfg *config.Config, files []string) error {
	if err := onlyOnce(files); err != nil {
		return err
	}
	other := *r.app
	other.configPath = r.compare
	otherCfg, err := other.load()
	if err != nil {
		return err
	}
	runs := []*replayed{{cfg: cfg}, {cfg: otherCfg}}
	group, both := errgroup.WithContext(ctx)
	shared := r.shared(both, files, len(runs))
	for i, run := range runs {
		first := i == 0 // it alone shows how far they are
		group.Go(func() error {
			return r.run(both, run, line.ReplayOptions{Files: files, Stdin: shared[i], Verdict: run.take}, first)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return r.writeComparison(runs[0], runs[1])
}

// onlyOnce refuses a file that cannot be read twice, such as a pipe: each run would get a part of it.
func onlyOnce(files []string) error {
	for _, path := range files {
		if info, err := os.Stat(path); path != line.Stdin && err == nil && !info.Mode().IsRegular() && !info.IsDir() {
			return usageErrorf("%s is no regular file and cannot be read twice; with --compare, give it as standard input (-)", path)
		}
	}
	return nil
}

func (r *replayCommand) writeComparison(this, other *replayed) error {
	found := append(differences(this.found, other.found, onlyThis, other.listed...), differences(other.found, this.found, onlyOther, this.listed...)...)
	slices.SortStableFunc(found, func(a, b different) int { return a.Time.Compare(b.Time) })
	var err error
	switch {
	case r.summary:
		err = r.writeGroupsOfBoth(found)
	case r.json:
		for _, d := range found {
			if err = r.printJSON(replayJSONOf(d.Verdict, d.only)); err != nil {
				return err
			}
		}
	default:
		err = r.writeDifferences(found)
	}
	if err != nil {
		return err
	}
	if !r.json {
		for i, run := range []*replayed{this, other} {
			named := " of " + r.nameOf(run == this)
			fmt.Fprintf(r.stderr, "%s, with %s: %s; %s may not be blocked\n", []string{onlyThis, onlyOther}[i], r.nameOf(run == this), outcome(final(run.found)), grouped(run.spared))
			r.writeEvicted(r.stderr, run.sum, named)
		}
		sum := this.sum
		fmt.Fprintf(r.stderr, "%s in %.1f s: %s, %s of other types, %s that could not be parsed\n",
			plural(sum.Lines, "line"), time.Since(r.begun).Seconds(), plural(sum.Records, "record"), grouped(sum.Ignored), grouped(sum.Bad))
	}
	return r.readable(this.sum)
}

// nameOf names a configuration for people.
func (r *replayCommand) nameOf(this bool) string {
	switch {
	case !this:
		return r.compare
	case r.path() == "":
		return "the built-in defaults"
	}
	return r.path()
}

// differences gives whom found has blocked and in other is not, nor among what is listed there, as only says.
func differences(found, other []*detect.Verdict, only string, listed ...netip.Prefix) []different {
	blocked, states := blockedOf(other), make(map[netip.Prefix]store.State)
	for _, v := range other {
		states[v.Source] = line.StateOf(v) // the last is the strongest
	}
	for _, p := range listed {
		blocked.add(p)
	}
	var out []different
	for _, v := range found {
		if line.StateOf(v) != store.Blocked || blocked.covers(v.Source) {
			continue
		}
		d := different{Verdict: v, only: only}
		if state, ok := states[v.Source]; ok {
			d.other = state.String()
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

func (r *replayCommand) writeDifferences(found []different) error {
	if len(found) == 0 {
		fmt.Fprintln(r.stderr, "both configurations would block the same sources")
		return nil
	}
	t := display.NewTable(r.stdout, "ONLY", "TIME", "ADDRESS", "RULE", "GRADE", "HITS", "WHY")
	for _, d := range found {
		reason := d.Reason
		if d.other != "" {
			reason += "; in the other " + d.other
		}
		t.Row(d.only, display.LocalTime(d.Time), detect.AddressText(d.Source), d.Rule, gradeText(d.Verdict), d.Hits, reason)
	}
	return t.Flush()
}

// writeGroupsOfBoth prints a summary of what only one configuration would block, and then of the other.
func (r *replayCommand) writeGroupsOfBoth(found []different) error {
	for _, only := range []string{onlyThis, onlyOther} {
		var verdicts []*detect.Verdict
		for _, d := range found {
			if d.only == only {
				verdicts = append(verdicts, d.Verdict)
			}
		}
		if !r.json {
			fmt.Fprintf(r.stdout, "Blocked only with %s: %s\n", r.nameOf(only == onlyThis), grouped(len(verdicts)))
		}
		if err := r.writeGroups(groups(verdicts), only); err != nil {
			return err
		}
		if !r.json {
			fmt.Fprintln(r.stdout)
		}
	}
	return nil
}

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
