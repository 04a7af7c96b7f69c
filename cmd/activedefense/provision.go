package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/display"
	"activedefense/agent/enforce"
	"activedefense/config"
	"activedefense/firewall/decision"
	"activedefense/firewall/policy"
)

// provisionCommand is `provision`; what it may do is in opts.
type provisionCommand struct {
	*app
	opts     enforce.ProvisionOptions
	detailed bool
	waiting  bool // of some firewall, what was written, now or before, is not committed
}

func newProvisionCommand(a *app) *cobra.Command {
	p := &provisionCommand{app: a}
	c := &cobra.Command{
		Use:   "provision [--firewall NAME] [--apply] [--commit] [--adopt] [--remove] [--detailed-exit-code]",
		Short: "Show what is missing in the firewalls' policies, and create it, or take it away",
		Long: `Compares each firewall's configuration with what is required to enforce the blacklist, and prints a plan of what is
missing. Of the plan nothing is written without --apply, which writes to the candidate configuration. --commit commits the edits of
our administrator, those of earlier runs included, nobody else's, and runs the checks of verify; alone it commits what stands there.
It is refused where it would put in force anything that our administrator edited by hand. Objects created by others are changed only
with --adopt.

With --remove the plan takes away all that bears our names, rules first, so that nothing ever refers to what is gone; what
others' objects refer to stays, and with --apply the registered addresses with our tag off the firewall, at once. Stop the daemon
first, or take the firewall out of its configuration: it makes its group again (address-group), and registers addresses again.

What only the Panorama of a firewall can change is part of the plan, with the commands for its CLI. Where the firewall's
configuration has panorama: apply, --apply writes that on Panorama too instead, and --commit commits it there and pushes it to
this firewall alone.

In a plan, + is created, ~ is changed, ^ is moved, - is taken away, and ! is a manual step. Below it stands what traffic the
policy would decide otherwise than the one in force; where commands for Panorama are for a person, what they would decide otherwise has a heading
of its own.

Exit status 1 if a firewall could not be planned or written, it cannot be told which zones face the internet, manual steps
are left after --apply, or a check fails after --commit. With --detailed-exit-code: 0 if nothing is missing, 2 if something
is, or was written, now or before, and is not committed, 1 if anything failed, wrong usage included.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			p.opts.Version, p.opts.Progress = version, p.progress
			out := &printed{to: p.stdout}
			p.stdout = out
			left, err := p.provision(c.Context())
			if err == nil && out.err != nil {
				err = fmt.Errorf("print the plan and what was done: %w", out.err)
			}
			return p.exit(left, err)
		},
	}
	c.Flags().StringVar(&p.opts.Firewall, "firewall", "", "only the firewall of this `NAME`")
	c.Flags().BoolVar(&p.opts.Apply, "apply", false, "write the plan to the candidate configuration")
	c.Flags().BoolVar(&p.opts.Commit, "commit", false, "commit the edits of our administrator, made now or earlier")
	c.Flags().BoolVar(&p.opts.Remove, "remove", false, "take away all that is ours, instead")
	c.Flags().BoolVar(&p.detailed, detailedExitCode, false, "exit status 2 if changes are needed")
	c.Flags().BoolVar(&p.opts.Adopt, "adopt", false, "also change objects created by others")
	return c
}

const detailedExitCode = "detailed-exit-code"

// isDetailed tells whether an argument asks for the exit status of --detailed-exit-code; one that is no boolean is wrong usage of it.
func isDetailed(arg string) bool {
	value, with := strings.CutPrefix(arg, "--"+detailedExitCode+"=")
	is, err := strconv.ParseBool(value)
	return arg == "--"+detailedExitCode || with && (is || err != nil)
}

// printed keeps the first error of what is printed.
type printed struct {
	to  io.Writer
	err error
}

// Write implements io.Writer.
func (w *printed) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	w.err = cmp.Or(w.err, err)
	return n, err
}

// exit gives the error from which the exit status is made; left are the steps that are still missing.
func (p *provisionCommand) exit(left []policy.Step, err error) error {
	if p.detailed && err == nil && (len(left) > 0 || p.waiting) {
		return &statusError{code: exitNeeded}
	}
	return err
}

// provision plans, carries out what it is told to, and verifies. A firewall that fails costs the others nothing.
func (p *provisionCommand) provision(ctx context.Context) ([]policy.Step, error) {
	cfg, _, err := p.loadWhole()
	if err != nil {
		return nil, err
	}
	p.opts.Expected = agent.Expected(cfg)
	if p.opts.Remove {
		p.opts.Registering = p.registering(ctx, cfg)
	}
	left, planned := enforce.Provision(ctx, cfg, p.opts)
	if errors.Is(planned, enforce.ErrUnknownFirewall) {
		return nil, &statusError{exitUsage, planned}
	}
	if planned != nil && ctx.Err() != nil { // what the firewalls have now cannot be asked: the error says what is known of it
		return left, &statusError{exitFailed, planned}
	}
	if !p.json && p.opts.Apply && !p.opts.Commit {
		fmt.Fprintf(p.stdout, "The changes written have no effect until they are committed: %s --commit.\n", p.command())
	}
	if p.opts.Commit && !p.opts.Remove { // before, the running configuration is as it was: its remedies would be the plan once more
		if err = (&verifyCommand{p.app, p.opts.Firewall, "\nThe running configuration now:\n"}).verifyHere(ctx, cfg); err != nil && ctx.Err() != nil {
			err = fmt.Errorf("what is in force was not checked, verify does that: %w", err)
		}
	}
	var failed *statusError
	_ = errors.As(err, &failed)
	if planned != nil {
		if failed != nil {
			err = failed.err
		}
		return left, &statusError{exitFailed, errors.Join(planned, err)}
	}
	undone := p.undone(left)
	zones := slices.ContainsFunc(left, func(s policy.Step) bool { return s.Object == policy.ObjectZones })
	switch {
	case undone != nil && failed != nil && failed.err == nil:
		failed.err = undone
	case err == nil && (zones || undone != nil && !p.detailed):
		return left, &statusError{exitFailed, undone}
	}
	return left, err
}

// registering gives the firewalls on which the daemon that runs here registers addresses; none where none answers.
func (a *app) registering(ctx context.Context, cfg *config.Config) []string {
	if s, _ := a.daemon(ctx, cfg); s != nil {
		return enforce.Registering(s.Firewalls)
	}
	return nil // nobody who would
}

// undone names the steps that are left after --apply and that it would not take the next time either; nil: there are none.
func (p *provisionCommand) undone(left []policy.Step) error {
	left = slices.DeleteFunc(slices.Clone(left), func(s policy.Step) bool { return s.Action != policy.ActionPerson && (!s.Foreign || p.opts.Adopt) })
	if !p.opts.Apply || len(left) == 0 {
		return nil
	}
	is := "are"
	if len(left) == 1 {
		is = "is"
	}
	text := fmt.Sprintf("%s %s left:", plural(len(left), "step"), is)
	for _, s := range together(left) {
		why := "not ours, not changed without --adopt"
		if s.Action == policy.ActionPerson {
			why = "for a person: " + s.Detail
		}
		text += fmt.Sprintf("\n  %s: %s (%s)", display.Harmless(s.Firewall), display.Harmless(s.Object), display.Harmless(why))
	}
	return errors.New(text)
}

// command is what this is, as it works for a reader.
func (p *provisionCommand) command() string {
	text := p.program() + " provision"
	if p.opts.Firewall != "" {
		text += " --firewall " + p.opts.Firewall
	}
	if p.opts.Remove {
		text += " --remove"
	}
	return text
}

// progress prints plans and what was done.
func (p *provisionCommand) progress(name string, plan *policy.Plan, done string) {
	p.waiting = p.waiting || plan != nil && p.waits(plan)
	switch {
	case p.json:
		if plan == nil {
			return
		}
		for _, s := range plan.Steps {
			_ = p.printJSON(s) // the writer keeps its errors
		}
		_ = p.printJSON(plan)
	case plan == nil:
		fmt.Fprintf(p.stdout, "%s: %s\n", display.Harmless(name), done)
	case len(plan.Steps) == 0:
		fmt.Fprintf(p.stdout, "%s: %s\n", display.Harmless(name), p.nothing(plan))
		if plan.DifferencesTotal > 0 { // of what was written before
			p.printDifferences(plan.Differences, plan.DifferencesTotal)
		}
		p.printPending(plan)
	default:
		what := "missing"
		if p.opts.Remove {
			what = "to be taken away"
		}
		fmt.Fprintf(p.stdout, "%s: %s %s%s\n", display.Harmless(name), plural(len(plan.Steps), "thing"), what, writtenText(plan))
		for _, s := range together(plan.Steps) {
			p.printStep(s)
		}
		byHand := plan.Panorama != nil && plan.Panorama.ByHand
		if byHand {
			fmt.Fprintln(p.stdout, "Before the commands on Panorama:")
		}
		p.printDifferences(plan.Differences, plan.DifferencesTotal)
		p.printPanorama(plan.Panorama)
		if byHand {
			fmt.Fprintln(p.stdout, "After the commands on Panorama:")
			p.printDifferences(plan.Panorama.Differences, plan.Panorama.DifferencesTotal)
		}
		p.printPending(plan)
		switch {
		case p.opts.Apply:
		case p.opts.Commit:
			fmt.Fprintln(p.stdout, "Of this nothing is written without --apply; --commit alone commits what our administrator has edited before.")
		default:
			fmt.Fprintf(p.stdout, "Nothing was changed; %s\n", p.writes(plan))
		}
	}
	if !p.json && plan != nil {
		p.printLeft(name, plan)
	}
	if !p.json && plan != nil && plan.Uncommitted && !p.opts.Commit {
		fmt.Fprintf(p.stdout, "%s: what was written before is in the candidate configuration alone; the firewall goes on as it is until it is committed: %s --commit.\n",
			display.Harmless(name), display.Harmless(p.command()))
	}
	if !p.json && plan != nil && plan.Pending {
		fmt.Fprintf(p.stdout, "%s: %s are not committed. The plan is made with them; %s.\n", display.Harmless(name), display.Harmless(editsOf(plan)), display.Harmless(takenAlong(plan)))
	}
}

// printLeft says what a plan has no steps for.
func (p *provisionCommand) printLeft(name string, plan *policy.Plan) {
	for _, said := range []string{plan.LeftOut, plan.FormerMode} {
		if said != "" {
			fmt.Fprintf(p.stdout, "%s: %s.\n", display.Harmless(name), display.Harmless(said))
		}
	}
}

// waits tells whether of a plan something is written, now or before, that this run does not commit.
func (p *provisionCommand) waits(plan *policy.Plan) bool {
	here, onPanorama, _ := plan.Writes(p.opts.Adopt)
	return !p.opts.Commit && (plan.Uncommitted || p.opts.Apply && here+onPanorama > 0)
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
func (p *provisionCommand) printPending(plan *policy.Plan) {
	what := plan.TakesAlong()
	if what == "" {
		return
	}
	whose := editsOf(plan)
	switch there := plan.Panorama; {
	case plan.Ourselves != "":
		whose = "edits of " + plan.Ourselves
	case there != nil && there.Ourselves != "":
		whose = "edits of " + there.Ourselves
	case there != nil && !plan.Pending && len(there.PendingBy) > 0:
		whose = "edits of " + english.WordSeries(there.PendingBy, "and")
	}
	fmt.Fprintf(p.stdout, "Pending %s by hand, committed along with ours:\n", display.Harmless(whose))
	fmt.Fprintf(p.stdout, "  %s\n", display.Harmless(what))
	p.printLines(plan.PendingDifferences)
	fmt.Fprintln(p.stdout, "  --commit is refused until they are committed (Commit > Commit Changes Made By) or taken back (Config > Revert Changes).")
}

// nothing says that there is nothing to be done, and where that is so.
func (p *provisionCommand) nothing(plan *policy.Plan) string {
	where := ""
	if plan.Uncommitted {
		where = " in the candidate configuration"
	}
	if p.opts.Remove {
		return "nothing of ours is" + cmp.Or(where, " there")
	}
	return "nothing is missing" + where
}

// writes says what --apply and --commit do of a plan.
func (p *provisionCommand) writes(plan *policy.Plan) string {
	here, onPanorama, then := plan.Writes(p.opts.Adopt)
	if onPanorama+then == 0 && (written(plan) == 0 || plan.Panorama.ByHand) {
		return fmt.Sprintf("--apply writes %d of %d to the candidate configuration.", here, len(plan.Steps))
	}
	does := fmt.Sprintf("commits on Panorama, pushes %s to this firewall alone", strings.Join(plan.Panorama.Pushes, " and "))
	switch {
	case len(plan.Panorama.Unpushed) > 0:
		does = "is refused, and then nothing is written, before what others committed on Panorama is pushed"
	case p.opts.Remove:
		does = "commits on the firewall, " + does
	case then > 0:
		does += fmt.Sprintf(", writes %d more to the firewall and commits there", then)
	default:
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
func (p *provisionCommand) printDifferences(all []decision.Difference, total int) {
	i := slices.IndexFunc(all, func(d decision.Difference) bool { return d.BlockedSources }) // they come last
	if i < 0 {
		i = len(all)
	}
	if i == 0 {
		fmt.Fprintln(p.stdout, "No flow is decided otherwise, but for blocked sources.")
	} else {
		fmt.Fprintln(p.stdout, "Decided otherwise with this plan:")
		p.printLines(all[:i])
	}
	if i < len(all) {
		fmt.Fprintln(p.stdout, "And of blocked sources:")
		p.printLines(all[i:])
	}
	if total > len(all) {
		fmt.Fprintf(p.stdout, "%d kinds of traffic are decided otherwise; these are of the first %d.\n", total, len(all))
	}
}

// mostDifferences bounds how many lines tell what is decided otherwise.
const mostDifferences = 50

func (p *provisionCommand) printLines(all []decision.Difference) {
	lines, more := decision.Lines(all, mostDifferences)
	for _, line := range lines {
		fmt.Fprintln(p.stdout, "  "+display.Harmless(line))
	}
	if more > 0 {
		fmt.Fprintf(p.stdout, "  and %d more; --json has them\n", more)
	}
}

// printPanorama prints what Panorama's administrator types, where that is not all ours to do.
func (p *provisionCommand) printPanorama(part *policy.OnPanorama) {
	if part == nil {
		return
	}
	if part.ByHand {
		fmt.Fprintln(p.stdout, "On Panorama's CLI that is:")
		for _, line := range strings.Split(strings.Join(part.Commands, "\n"), "\n") { // not indented: a certificate has several lines
			fmt.Fprintln(p.stdout, display.Harmless(line))
		}
	}
	for _, note := range part.Notes {
		fmt.Fprintf(p.stdout, "  %s\n", display.Harmless(note))
	}
}

// alike is how many steps that say the same of different objects of one kind are printed one by one; more are printed as one.
const alike = 4

// together puts steps that follow one another and say the same of objects of one kind into one.
func together(steps []policy.Step) (out []policy.Step) {
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

func (p *provisionCommand) printStep(s policy.Step) {
	sign := map[string]string{"create": "+", "change": "~", "move": "^", "delete": "-", "person": "!"}[s.Action]
	note := ""
	switch {
	case s.Written:
		note = "\n        (done on Panorama; it needs its commit there and a push to this firewall)"
	case !s.Foreign || p.opts.Adopt:
	case s.Action == policy.ActionPerson:
		note = "\n        (not ours: not among the commands without --adopt)"
	default:
		note = "\n        (not ours: not changed without --adopt)"
	}
	fmt.Fprintf(p.stdout, "  %s %s\n        %s%s\n", sign, display.Harmless(s.Object), display.Harmless(p.advice(s.Detail)), note)
}
