package main

import (
	"context"
	"errors"
	"fmt"

	"activedefense/agent"
	"activedefense/agent/enforce"

	"github.com/spf13/cobra"
)

// verifyCommand is `verify`; provision ends with it.
type verifyCommand struct {
	*app
	firewall string // empty: all
	heading  string // before what people read
}

func newVerifyCommand(a *app) *cobra.Command {
	v := &verifyCommand{app: a}
	c := &cobra.Command{
		Use:   "verify [--firewall NAME]",
		Short: "Check that the firewalls' policies enforce the blacklist",
		Long: `Checks the running configuration of each firewall, including what Panorama pushed, and reports what is missing or in
the way, with a remedy for the web interface or the CLI. Nothing is changed. Exit status 1 if a check fails.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return v.verify(c.Context()) },
	}
	c.Flags().StringVar(&v.firewall, "firewall", "", "only the firewall of this `NAME`")
	return c
}

func (v *verifyCommand) verify(ctx context.Context) error {
	cfg, _, err := v.loadWhole()
	if err != nil {
		return err
	}
	opts := enforce.VerifyOptions{Firewall: v.firewall, Version: version, Expected: agent.Expected(cfg)}
	st, err := v.open(ctx, cfg, reads)
	if err != nil {
		// Policies can be looked at before the agent has run, and while its store is away.
		fmt.Fprintf(v.stderr, "activedefense: without the blacklist (%v): what depends on it is not checked\n", err)
	} else {
		defer st.Close()
		opts.Store = st
	}
	checks, err := enforce.Verify(ctx, cfg, opts)
	if errors.Is(err, enforce.ErrUnknownFirewall) {
		return &statusError{exitUsage, err}
	}
	if err != nil {
		return err
	}
	if !v.json {
		fmt.Fprint(v.stdout, v.heading)
	}
	return v.printChecks(checks)
}
