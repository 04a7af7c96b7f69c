package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/api"
	"activedefense/agent/display"
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
to one of them, and says what came of it. A daemon that runs does it, with the configuration that it has in use. AbuseIPDB is asked whether it takes the key; nothing is reported. Exit status 1 if one fails.`,
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

// notifyTest has the daemon do it, with the configuration in use; where none runs, it does it itself.
func notifyTest(ctx context.Context, a *app, name string) error {
	daemon, err := a.running(ctx)
	if err != nil {
		return err
	}
	var client *api.Client
	if daemon != nil {
		client = daemon.Client
	} else {
		cfg, _, err := a.loadWhole()
		if err != nil {
			return err
		}
		client = here(agent.Served(cfg, version, nil, nil))
	}
	var out api.NotifyTested
	if err := client.Post(ctx, "notify/test", api.NotifyTesting{Receiver: name}, &out); err != nil {
		return asked(err)
	}
	failed := 0
	for _, r := range out.Results {
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
		return fmt.Errorf("%d of %s did not take it", failed, plural(len(out.Results), "receiver"))
	}
	return nil
}
