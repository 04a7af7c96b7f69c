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

// provisionCommand is `provision`; what it may do is in opts.
type provisionCommand struct {
	*app
	opts enforce.ProvisionOptions
}

func newProvisionCommand(a *app) *cobra.Command {
	p := &provisionCommand{app: a}
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
			if p.opts.Adopt && !p.opts.Apply {
				return usageErrorf("--adopt needs --apply")
			}
			p.opts.Version, p.opts.Progress = version, p.progress
			return p.provision(c.Context())
		},
	}
	c.Flags().StringVar(&p.opts.Firewall, "firewall", "", "only the firewall of this `NAME`")
	c.Flags().BoolVar(&p.opts.Apply, "apply", false, "write the plan to the candidate configuration")
	c.Flags().BoolVar(&p.opts.Commit, "commit", false, "publish what was written, now or earlier")
	c.Flags().BoolVar(&p.opts.Adopt, "adopt", false, "also change objects that somebody else made")
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
			fmt.Fprintln(p.stdout, "What was written has no effect before it is committed: activedefense provision --commit publishes it.")
		}
		fmt.Fprintln(p.stdout, "\nThe running configuration now:")
	}
	err = (&verifyCommand{p.app, p.opts.Firewall}).verify(ctx)
	var failed *statusError
	if errors.As(err, &failed) && failed.err == nil && !p.opts.Commit {
		err = nil // a plan, or one that is not committed, has not changed the running configuration
	}
	for _, s := range left {
		if err == nil && p.opts.Apply && (s.Action == "person" || s.Foreign) {
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
		fmt.Fprintf(p.stdout, "%s: %s\n", agent.Harmless(name), done)
	case len(steps) == 0:
		fmt.Fprintf(p.stdout, "%s: nothing is missing\n", agent.Harmless(name))
	default:
		fmt.Fprintf(p.stdout, "%s: %s missing\n", agent.Harmless(name), plural(len(steps), "thing"))
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
		note = "\n" + "        (not ours: left alone without --adopt)"
	}
	fmt.Fprintf(p.stdout, "  %s %s\n        %s%s\n", sign, agent.Harmless(s.Object), agent.Harmless(s.Detail), note)
}
