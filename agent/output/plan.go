package output

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"activedefense/agent/display"
	"activedefense/agent/enforce"
	"activedefense/firewall/decision"
	"activedefense/firewall/policy"
)

// Plans writes for people what provision plans and what it did.
type Plans struct {
	To      io.Writer
	Options enforce.ProvisionOptions
	Command string                   // how provision is called with the same firewall
	Advice  func(text string) string // writes the commands of this program that a text names as they work
}

// Write writes a plan of a firewall, or, where it is nil, what was done there.
func (p *Plans) Write(name string, plan *policy.Plan, done string) {
	switch {
	case plan == nil:
		fmt.Fprintf(p.To, "%s: %s\n", display.Harmless(name), done)
	case len(plan.Steps) == 0:
		fmt.Fprintf(p.To, "%s: %s\n", display.Harmless(name), p.nothing(plan))
		if plan.DifferencesTotal > 0 { // of what was written before
			p.printDifferences(plan.Differences, plan.DifferencesTotal)
		}
		p.printPending(plan)
	default:
		what := "missing"
		if p.Options.Remove {
			what = "to be taken away"
		}
		fmt.Fprintf(p.To, "%s: %s %s%s\n", display.Harmless(name), display.Plural(len(plan.Steps), "thing"), what, writtenText(plan))
		for _, s := range Together(plan.Steps) {
			p.printStep(s)
		}
		byHand := plan.Panorama != nil && plan.Panorama.ByHand
		if byHand {
			fmt.Fprintln(p.To, "Before the commands on Panorama:")
		}
		p.printDifferences(plan.Differences, plan.DifferencesTotal)
		p.printPanorama(plan.Panorama)
		if byHand {
			fmt.Fprintln(p.To, "After the commands on Panorama:")
			p.printDifferences(plan.Panorama.Differences, plan.Panorama.DifferencesTotal)
		}
		p.printPending(plan)
		switch {
		case p.Options.Apply:
		case p.Options.Commit:
			fmt.Fprintln(p.To, "Of this nothing is written without --apply; --commit alone commits what our administrator has edited before.")
		default:
			fmt.Fprintf(p.To, "Nothing was changed; %s\n", p.writes(plan))
		}
	}
	if plan == nil {
		return
	}
	p.printLeft(name, plan)
	if plan.Uncommitted && !p.Options.Commit {
		fmt.Fprintf(p.To, "%s: what was written before is in the candidate configuration alone; the firewall goes on as it is until it is committed: %s --commit.\n",
			display.Harmless(name), display.Harmless(p.Command))
	}
	if plan.Pending {
		fmt.Fprintf(p.To, "%s: %s are not committed. The plan is made with them; %s.\n", display.Harmless(name), display.Harmless(editsOf(plan)), display.Harmless(takenAlong(plan)))
	}
}

// printLeft says what a plan has no steps for.
func (p *Plans) printLeft(name string, plan *policy.Plan) {
	for _, said := range []string{plan.LeftOut, plan.FormerMode, plan.Standby} {
		if said != "" {
			fmt.Fprintf(p.To, "%s: %s.\n", display.Harmless(name), display.Harmless(said))
		}
	}
}

// Waits tells whether of a plan something is written, now or before, that this run does not commit.
func (p *Plans) Waits(plan *policy.Plan) bool {
	here, onPanorama, _ := plan.Writes(p.Options.Adopt)
	return !p.Options.Commit && (plan.Uncommitted || p.Options.Apply && here+onPanorama > 0)
}

// editsOf says whose edits wait for a commit.
func editsOf(plan *policy.Plan) string {
	if len(plan.PendingBy) == 0 {
		return "edits (the firewall does not say whose)"
	}
	whose := slices.Clone(plan.PendingBy)
	for i, name := range whose {
		if name == plan.Ourselves {
			whose[i] = name + " (our administrator)"
		}
	}
	return "edits of " + english.WordSeries(whose, "and")
}

// takenAlong says which of the edits that wait --commit takes along.
func takenAlong(plan *policy.Plan) string {
	switch {
	case plan.Ourselves == "":
		return "--commit takes along those of our administrator, whose name the firewall does not tell without an edit"
	case len(plan.PendingBy) > 0 && !slices.Contains(plan.PendingBy, plan.Ourselves):
		return "--commit takes along none of them, for our administrator is " + plan.Ourselves
	}
	return "--commit takes along those of " + plan.Ourselves + ", our administrator"
}

// printPending names the edits by hand that a commit takes along, and what they decide otherwise.
func (p *Plans) printPending(plan *policy.Plan) {
	what := plan.TakesAlong()
	if plan.WouldCut != "" {
		fmt.Fprintf(p.To, "--commit is refused: %s.\n", display.Harmless(p.Advice(plan.WouldCut)))
	}
	if deleted := plan.Deleted(); deleted != "" {
		fmt.Fprintf(p.To, "--commit is refused: %s.\n", display.Harmless(deleted))
	}
	if what == "" {
		return
	}
	whose, known := editsOf(plan), true
	switch there := plan.Panorama; {
	case plan.Ourselves != "":
		whose = "edits of " + plan.Ourselves
	case there != nil && there.Ourselves != "":
		whose = "edits of " + there.Ourselves
	default:
		if known = false; there != nil && !plan.Pending && len(there.PendingBy) > 0 {
			whose = "edits of " + english.WordSeries(there.PendingBy, "and")
		}
	}
	if known {
		fmt.Fprintf(p.To, "Pending %s by hand, committed along with ours:\n", display.Harmless(whose))
	} else {
		fmt.Fprintf(p.To, "Pending %s by hand; whether any of them is our administrator's, whom --commit alone concerns, is not known before something of ours is written:\n", display.Harmless(whose))
	}
	fmt.Fprintf(p.To, "  %s\n", display.Harmless(what))
	if above := plan.Above(); above != "" {
		fmt.Fprintf(p.To, "  %s.\n", display.Harmless(above))
	}
	p.printLines(plan.PendingDifferences)
	until := "--commit is refused until they are committed (Commit > Commit Changes Made By) or taken back (Config > Revert Changes)."
	if plan.Deleted() != "" { // by whom, and what, stands above
		until = "--commit is refused until what was deleted is taken back (Config > Revert Changes); do not commit these (Commit > Commit Changes Made By) before, which may put it in force."
	}
	if !known {
		until = "If they are, " + until + " Those of others stay as they are."
	}
	fmt.Fprintf(p.To, "  %s\n", until)
}

// nothing says that there is nothing to be done, and where that is so.
func (p *Plans) nothing(plan *policy.Plan) string {
	where := ""
	if plan.Uncommitted {
		where = " in the candidate configuration"
	}
	if p.Options.Remove {
		return "nothing of ours is" + cmp.Or(where, " there")
	}
	return "nothing is missing" + where
}

// writes says what --apply and --commit do of a plan.
func (p *Plans) writes(plan *policy.Plan) string {
	here, onPanorama, then := plan.Writes(p.Options.Adopt)
	if onPanorama+then == 0 && (written(plan) == 0 || plan.Panorama.ByHand) {
		return fmt.Sprintf("--apply writes %d of %d to the candidate configuration.", here, len(plan.Steps))
	}
	does := fmt.Sprintf("commits on Panorama, pushes %s to this firewall alone", strings.Join(plan.Panorama.Pushes, " and "))
	switch {
	case len(plan.Panorama.Unpushed) > 0:
		does = "is refused, and then nothing is written, before what others committed on Panorama is pushed"
	case p.Options.Remove:
		does = "commits on the firewall, " + does
	case then > 0:
		does += fmt.Sprintf(", writes %d more to the firewall and commits there", then)
	case plan.Standby == "":
		does += ", and commits on the firewall"
	}
	return fmt.Sprintf("of %d, --apply writes %d to the candidate configuration of Panorama and %d to the firewall's; --commit then %s.", len(plan.Steps), onPanorama, here, does)
}

// writtenText tells how many of the steps are, behind how many there are.
func writtenText(plan *policy.Plan) string {
	if n := written(plan); n > 0 {
		return fmt.Sprintf(", %d of them done on Panorama before and not pushed yet", n)
	}
	return ""
}

// written is how many steps stand on Panorama already and are not pushed.
func written(plan *policy.Plan) (n int) {
	for _, s := range plan.Steps {
		if s.Written {
			n++
		}
	}
	return n
}

// printDifferences tells what the plan decides otherwise. Of blocked sources that is what it is for.
func (p *Plans) printDifferences(all []decision.Difference, total int) {
	i := slices.IndexFunc(all, func(d decision.Difference) bool { return d.BlockedSources }) // they come last
	if i < 0 {
		i = len(all)
	}
	if i == 0 {
		fmt.Fprintln(p.To, "No flow is decided otherwise, but for blocked sources.")
	} else {
		fmt.Fprintln(p.To, "Decided otherwise with this plan:")
		p.printLines(all[:i])
	}
	if i < len(all) {
		fmt.Fprintln(p.To, "And of blocked sources:")
		p.printLines(all[i:])
	}
	if total > len(all) {
		fmt.Fprintf(p.To, "%d kinds of traffic are decided otherwise; these are of the first %d.\n", total, len(all))
	}
}

// mostDifferences bounds how many lines tell what is decided otherwise.
const mostDifferences = 50

func (p *Plans) printLines(all []decision.Difference) {
	lines, more := decision.Lines(all, mostDifferences)
	for _, line := range lines {
		fmt.Fprintln(p.To, "  "+display.Harmless(line))
	}
	if more > 0 {
		fmt.Fprintf(p.To, "  and %d more; --json has them\n", more)
	}
}

// printPanorama prints what Panorama's administrator types, where that is not all ours to do.
func (p *Plans) printPanorama(part *policy.OnPanorama) {
	if part == nil {
		return
	}
	if part.ByHand {
		fmt.Fprintln(p.To, "On Panorama's CLI that is:")
		for _, line := range strings.Split(strings.Join(part.Commands, "\n"), "\n") { // not indented: a certificate has several lines
			fmt.Fprintln(p.To, display.Harmless(line))
		}
	}
	for _, note := range part.Notes {
		fmt.Fprintf(p.To, "  %s\n", display.Harmless(note))
	}
}

// alike is how many steps that say the same of different objects of one kind are printed one by one; more are printed as one.
const alike = 4

// Together puts steps that follow one another and say the same of objects of one kind into one.
func Together(steps []policy.Step) (out []policy.Step) {
	kind := func(s policy.Step) string { before, _, _ := strings.Cut(s.Object, `"`); return before }
	for len(steps) > 0 {
		first := steps[0]
		n := slices.IndexFunc(steps, func(s policy.Step) bool {
			return s.Action != first.Action || s.Written != first.Written || s.Detail != first.Detail || s.Foreign != first.Foreign || kind(s) != kind(first)
		})
		if n < 0 {
			n = len(steps)
		}
		if n > alike {
			first.Object = fmt.Sprintf("%s and %d more, to %s", first.Object, n-1, strings.TrimPrefix(steps[n-1].Object, kind(first)))
			out = append(out, first)
		} else {
			out = append(out, steps[:n]...)
		}
		steps = steps[n:]
	}
	return out
}

func (p *Plans) printStep(s policy.Step) {
	sign := map[string]string{"create": "+", "change": "~", "move": "^", "delete": "-", "person": "!"}[s.Action]
	note := ""
	switch {
	case s.Written:
		note = "\n        (done on Panorama; it needs its commit there and a push to this firewall)"
	case !s.Foreign || p.Options.Adopt:
	case s.Action == policy.ActionPerson:
		note = "\n        (not ours: not among the commands without --adopt)"
	default:
		note = "\n        (not ours: not changed without --adopt)"
	}
	fmt.Fprintf(p.To, "  %s %s\n        %s%s\n", sign, display.Harmless(s.Object), display.Harmless(p.Advice(s.Detail)), note)
}
