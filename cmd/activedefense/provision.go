package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/display"
	"activedefense/agent/enforce"
	"activedefense/firewall/policy"
)

// provisionCommand is `provision`; what it may do is in opts.
type provisionCommand struct {
	*app
	opts enforce.ProvisionOptions
}

func newProvisionCommand(a *app) *cobra.Command {
	p := &provisionCommand{app: a}
	c := &cobra.Command{
		Use:   "provision [--firewall NAME] [--apply] [--commit] [--adopt]",
		Short: "Show what is missing in the firewalls' policies, and create it",
		Long: `Compares each firewall's configuration with what is required to enforce the blacklist, and prints a plan of what is
missing. Nothing is changed without --apply, which writes to the candidate configuration; --commit then commits our
changes only. Objects created by others are changed only with --adopt. The checks of verify are run at the end.

In a plan, + is created, ~ is changed, ^ is moved, and ! is a manual step.

Exit status 1 if it cannot be told which zones face the internet, if manual steps are left after --apply, or a check fails
after --commit.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if p.opts.Adopt && !p.opts.Apply {
				return usageErrorf("--adopt requires --apply")
			}
			p.opts.Version, p.opts.Progress = version, p.progress
			return p.provision(c.Context())
		},
	}
	c.Flags().StringVar(&p.opts.Firewall, "firewall", "", "only the firewall of this `NAME`")
	c.Flags().BoolVar(&p.opts.Apply, "apply", false, "write the plan to the candidate configuration")
	c.Flags().BoolVar(&p.opts.Commit, "commit", false, "commit what was written, now or earlier")
	c.Flags().BoolVar(&p.opts.Adopt, "adopt", false, "also change objects created by others")
	return c
}

func (p *provisionCommand) provision(ctx context.Context) error {
	cfg, _, err := p.load()
	if err != nil {
		return err
	}
	p.opts.Expected = agent.Expected(cfg)
	left, err := enforce.Provision(ctx, cfg, p.opts)
	if errors.Is(err, enforce.ErrUnknownFirewall) {
		return &statusError{exitUsage, err}
	}
	if err != nil {
		return err
	}
	if !p.json {
		if p.opts.Apply && !p.opts.Commit {
			fmt.Fprintln(p.stdout, "The changes written have no effect until they are committed: activedefense provision --commit.")
		}
		fmt.Fprintln(p.stdout, "\nThe running configuration now:")
	}
	err = (&verifyCommand{p.app, p.opts.Firewall}).verify(ctx)
	var failed *statusError
	if errors.As(err, &failed) && failed.err == nil && !p.opts.Commit {
		err = nil // a plan, or one that is not committed, has not changed the running configuration
	}
	for _, s := range left {
		if err == nil && (s.Object == policy.ObjectZones || p.opts.Apply && (s.Action == "person" || s.Foreign)) {
			return &statusError{code: exitFailed}
		}
	}
	return err
}

// progress prints plans and what was done.
func (p *provisionCommand) progress(name string, steps []policy.Step, done string) {
	switch {
	case p.json:
		for _, s := range steps {
			_ = p.printJSON(s) // what follows fails the same way, and is looked at
		}
	case done != "":
		fmt.Fprintf(p.stdout, "%s: %s\n", display.Harmless(name), done)
	case len(steps) == 0:
		fmt.Fprintf(p.stdout, "%s: nothing is missing\n", display.Harmless(name))
	default:
		fmt.Fprintf(p.stdout, "%s: %s missing\n", display.Harmless(name), plural(len(steps), "thing"))
		for _, s := range steps {
			p.printStep(s)
		}
		if !p.opts.Apply {
			fmt.Fprintln(p.stdout, "Nothing was changed; --apply writes this to the candidate configuration.")
		}
	}
}

func (p *provisionCommand) printStep(s policy.Step) {
	sign := map[string]string{"create": "+", "change": "~", "move": "^", "person": "!"}[s.Action]
	note := ""
	if s.Foreign && !p.opts.Adopt {
		note = "\n" + "        (not ours: not changed without --adopt)"
	}
	fmt.Fprintf(p.stdout, "  %s %s\n        %s%s\n", sign, display.Harmless(s.Object), display.Harmless(s.Detail), note)
}
