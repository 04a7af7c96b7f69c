package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
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
