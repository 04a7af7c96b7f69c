package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"activedefense/agent/display"
	"activedefense/agent/notify"
)

func newNotifyCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "notify",
		Short: "See that notices reach those who are to be told",
		Args:  ofSubcommands,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(&cobra.Command{
		Use:   "test [RECEIVER]",
		Short: "Send a test notice to each receiver of the configuration, and say what came of it",
		Long: `Sends a notice that says that it is a test to each receiver that the configuration names (mail, webhook-HOST, syslog), or
to one of them, and says what came of it. AbuseIPDB is asked whether it takes the key; nothing is reported. Exit status 1 if one fails.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return notifyTest(c.Context(), a, name)
		},
	})
	return c
}

func notifyTest(ctx context.Context, a *app, name string) error {
	cfg, _, err := a.loadWhole()
	if err != nil {
		return err
	}
	if !cfg.Notify.Any() {
		return fmt.Errorf("the configuration%s names nobody to tell: set notify.mail, notify.webhooks or notify.syslog", a.named())
	}
	results, err := notify.Test(ctx, notify.Options{Config: &cfg.Notify, Name: cfg.Name, Version: version, Logger: zerolog.Nop(), Now: time.Now}, name)
	if errors.Is(err, notify.ErrUnknownReceiver) {
		return &statusError{exitUsage, err}
	}
	if err != nil {
		return err
	}
	failed := 0
	for _, r := range results {
		said := "taken"
		if r.Error != "" {
			failed++
			said = "FAILED: " + r.Error
		}
		if a.json {
			if err := a.printJSON(r); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(a.stdout, "%s: %s\n", r.Receiver, display.Harmless(said))
	}
	if failed > 0 {
		return fmt.Errorf("%d of %s did not take it", failed, plural(len(results), "receiver"))
	}
	return nil
}
