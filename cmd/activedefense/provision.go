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
		Short: "Show what the firewalls' policies lack, and make it",
		Long: `Compares each firewall's configuration with what the blacklist needs to have effect, and prints a plan of what is
missing. Nothing is changed without --apply, which writes to the candidate configuration; --commit then publishes our
edits and nobody else's. What somebody else made is changed only with --adopt. It ends with the checks of verify.

In a plan, + is made, ~ is changed, ^ is moved, and ! is left to a person.

Exit status 1 if steps are left that only a person can take, or a check fails after --commit.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if opts.Adopt && !opts.Apply {
				return usageErrorf("--adopt needs --apply")
			}
			opts.Version, opts.Progress = version, a.provisionProgress(opts)
			return a.provision(c.Context(), opts)
		},
	}
	c.Flags().StringVar(&opts.Firewall, "firewall", "", "only the firewall of this `NAME`")
	c.Flags().BoolVar(&opts.Apply, "apply", false, "write the plan to the candidate configuration")
	c.Flags().BoolVar(&opts.Commit, "commit", false, "publish what was written, now or earlier")
	c.Flags().BoolVar(&opts.Adopt, "adopt", false, "also change objects that somebody else made")
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
			fmt.Fprintln(a.stdout, "What was written has no effect before it is committed: activedefense provision --commit publishes it.")
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
		note = "\n" + "        (not ours: left alone without --adopt)"
	}
	fmt.Fprintf(a.stdout, "  %s %s\n        %s%s\n", sign, agent.Harmless(s.Object), agent.Harmless(s.Detail), note)
}
