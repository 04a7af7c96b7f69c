package main

import (
	"context"
	"errors"
	"fmt"

	"activedefense/agent"
	"activedefense/agent/enforce"

	"github.com/spf13/cobra"
)

func (a *app) verifyCommand() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "verify [--firewall NAME]",
		Short: "Check that the firewalls' policies enforce the blacklist",
		Long: `Checks the running configuration of each firewall, including what Panorama pushed, and reports what is missing or in
the way, with a remedy for the web interface or the CLI. Nothing is changed. Exit status 1 if a check fails.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.verify(c.Context(), name) },
	}
	c.Flags().StringVar(&name, "firewall", "", "only the firewall of this `NAME`")
	return c
}

func (a *app) verify(ctx context.Context, name string) error {
	cfg, _, err := a.load()
	if err != nil {
		return err
	}
	opts := enforce.VerifyOptions{Firewall: name, Version: version, Expected: agent.Expected(cfg)}
	st, err := a.open(ctx, cfg)
	if err != nil {
		// Policies can be looked at before the agent has run, and while its store is away.
		fmt.Fprintf(a.stderr, "activedefense: without the blacklist (%v): what depends on it is not checked\n", err)
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
	return a.printChecks(checks)
}
