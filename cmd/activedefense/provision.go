package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/api"
	"activedefense/agent/display"
	"activedefense/agent/enforce"
	"activedefense/agent/output"
	"activedefense/config"
	"activedefense/firewall/policy"
)

// provisionCommand is `provision`; what it may do is in opts.
type provisionCommand struct {
	*app
	opts     enforce.ProvisionOptions
	detailed bool
	waiting  bool // of some firewall, what was written, now or before, is not committed, or what its mode does not use is left
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
is, or was written, now or before, and is not committed, or is left of another mode or of a list that is no longer served, 1 if
anything failed, wrong usage included.`,
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
	carry, verify, err := p.ways(ctx)
	if err != nil {
		return nil, err
	}
	left, planned := carry(ctx)
	if usage := (*statusError)(nil); errors.As(planned, &usage) {
		return nil, planned
	}
	if planned != nil && ctx.Err() != nil { // what the firewalls have now cannot be asked: the error says what is known of it
		return left, &statusError{exitFailed, planned}
	}
	if !p.json && p.opts.Apply && !p.opts.Commit {
		fmt.Fprintf(p.stdout, "The changes written have no effect until they are committed: %s --commit.\n", p.command())
	}
	if p.opts.Commit && !p.opts.Remove { // before, the running configuration is as it was: its remedies would be the plan once more
		if err = verify(ctx); err != nil && ctx.Err() != nil {
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

// ways are how plans are made and carried out, and policies checked: in this process by the configuration, or, where this user may not read
// that or the keys that it names, by the daemon that runs.
func (p *provisionCommand) ways(ctx context.Context) (carry func(context.Context) ([]policy.Step, error), verify func(context.Context) error, err error) {
	checks := &verifyCommand{p.app, p.opts.Firewall, "\nThe running configuration now:\n"}
	daemon, err := p.instead(ctx, config.Options{})
	if err != nil {
		return nil, nil, err
	}
	if daemon != nil {
		return func(ctx context.Context) ([]policy.Step, error) { return p.byDaemon(ctx, daemon.Client) },
			func(ctx context.Context) error { return checks.by(ctx, daemon.Client) }, nil
	}
	cfg, _, err := p.loadWhole()
	if err != nil {
		return nil, nil, err
	}
	p.opts.Expected = agent.Expected(cfg)
	if p.opts.Remove {
		p.opts.Registering = p.registering(ctx, cfg)
	}
	return func(ctx context.Context) ([]policy.Step, error) {
		left, err := enforce.Provision(ctx, cfg, p.opts)
		if errors.Is(err, enforce.ErrUnknownFirewall) {
			err = &statusError{exitUsage, err}
		}
		return left, err
	}, func(ctx context.Context) error { return checks.verifyHere(ctx, cfg) }, nil
}

// byDaemon has the daemon plan, and carry out what it is told to, with its own configuration and keys.
func (p *provisionCommand) byDaemon(ctx context.Context, daemon *api.Client) ([]policy.Step, error) {
	ask := api.Provisioning{Firewall: p.opts.Firewall, Apply: p.opts.Apply, Commit: p.opts.Commit, Adopt: p.opts.Adopt, Remove: p.opts.Remove}
	var rest api.Provisioned
	err := api.EachOf(ctx, daemon, http.MethodPost, "provision", nil, ask, "plans", &rest, func(one *api.Planned) error {
		if one.Plan != nil {
			one.Plan.Steps = one.Steps
		}
		p.progress(one.Firewall, one.Plan, one.Done)
		return nil
	})
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: what the daemon had done by then is not known here; its log and provision without --apply say it", ctx.Err())
	}
	return rest.Left, asked(err)
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
	for _, s := range output.Together(left) {
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
	p.waiting = p.waiting || plan != nil && (plan.FormerMode != "" || p.plans().Waits(plan))
	switch {
	case !p.json:
		p.plans().Write(name, plan, done)
	case plan != nil:
		for _, s := range plan.Steps {
			_ = p.printJSON(s) // the writer keeps its errors
		}
		_ = p.printJSON(plan)
	}
}

// plans writes them for people.
func (p *provisionCommand) plans() *output.Plans {
	return &output.Plans{To: p.stdout, Options: p.opts, Command: p.command(), Advice: p.advice}
}
