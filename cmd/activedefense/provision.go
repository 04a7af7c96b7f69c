package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/enforce"
	"activedefense/firewall/policy"
)

func (a *app) provisionCommand() *cobra.Command {
	var opts enforce.ProvisionOptions
	c := &cobra.Command{
		Use:   "provision [--firewall NAME] [--apply] [--commit] [--adopt]",
		Short: "Show what is missing in the firewalls' policies, and create it",
		Long: `Compares each firewall's configuration with what is required to enforce the blacklist, and prints a plan of what is
missing. Nothing is changed without --apply, which writes to the candidate configuration; --commit then commits our
changes only. Objects created by others are changed only with --adopt. The checks of verify are run at the end.

In a plan, + is created, ~ is changed, ^ is moved, and ! is a manual step.

Exit status 1 if manual steps are left after --apply, or a check fails after --commit.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if opts.Adopt && !opts.Apply {
				return usageErrorf("--adopt requires --apply")
			}
			opts.Version, opts.Progress = version, a.provisionProgress(opts)
			return a.provision(c.Context(), opts)
		},
	}
	c.Flags().StringVar(&opts.Firewall, "firewall", "", "only the firewall of this `NAME`")
	c.Flags().BoolVar(&opts.Apply, "apply", false, "write the plan to the candidate configuration")
	c.Flags().BoolVar(&opts.Commit, "commit", false, "commit what was written, now or earlier")
	c.Flags().BoolVar(&opts.Adopt, "adopt", false, "also change objects created by others")
	return c
}

func (a *app) provision(ctx context.Context, opts enforce.ProvisionOptions) error {
	cfg, _, err := a.load()
	if err != nil {
		return err
	}
	opts.Expected = agent.Expected(cfg)
	left, err := enforce.Provision(ctx, cfg, opts)
	if errors.Is(err, enforce.ErrUnknownFirewall) {
		return &statusError{exitUsage, err}
	}
	if err != nil {
		return err
	}
	if !a.json {
		if opts.Apply && !opts.Commit {
			fmt.Fprintln(a.stdout, "The changes written have no effect until they are committed: activedefense provision --commit.")
		}
		fmt.Fprintln(a.stdout, "\nThe running configuration now:")
	}
	err = a.verify(ctx, opts.Firewall)
	var failed *statusError
	if errors.As(err, &failed) && failed.err == nil && !opts.Commit {
		err = nil // a plan, or one that is not committed, has not changed the running configuration
	}
	for _, s := range left {
		if err == nil && opts.Apply && (s.Action == "person" || s.Foreign) {
			return &statusError{code: exitFailed}
		}
	}
	return err
}

// provisionProgress prints plans and what was done.
func (a *app) provisionProgress(opts enforce.ProvisionOptions) func(string, []policy.Step, string) {
	return func(name string, steps []policy.Step, done string) {
		switch {
		case a.json:
			for _, s := range steps {
				_ = a.printJSON(s) // what follows fails the same way, and is looked at
			}
		case done != "":
			fmt.Fprintf(a.stdout, "%s: %s\n", agent.Harmless(name), done)
		case len(steps) == 0:
			fmt.Fprintf(a.stdout, "%s: nothing is missing\n", agent.Harmless(name))
		default:
			fmt.Fprintf(a.stdout, "%s: %s missing\n", agent.Harmless(name), plural(len(steps), "thing"))
			for _, s := range steps {
				a.printStep(s, opts.Adopt)
			}
			if !opts.Apply {
				fmt.Fprintln(a.stdout, "Nothing was changed; --apply writes this to the candidate configuration.")
			}
		}
	}
}

func (a *app) printStep(s policy.Step, adopt bool) {
	sign := map[string]string{"create": "+", "change": "~", "move": "^", "person": "!"}[s.Action]
	note := ""
	if s.Foreign && !adopt {
		note = "\n" + "        (not ours: not changed without --adopt)"
	}
	fmt.Fprintf(a.stdout, "  %s %s\n        %s%s\n", sign, agent.Harmless(s.Object), agent.Harmless(s.Detail), note)
}
