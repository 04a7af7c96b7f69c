package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/own"
	"activedefense/agent/state"
	"activedefense/config"
)

func newCheckCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration",
		Long: `Reads the configuration and the files that it names, and reports every fault with its key and how to fix it, and what is
legal and unwise. Nothing is changed or contacted.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return check(c.Context(), a) },
	}
}

func check(ctx context.Context, a *app) error {
	cfg, warnings, err := a.loadWhole()
	if err == nil {
		warnings = append(warnings, labelWarnings(ctx, cfg)...)
	}
	for _, w := range warnings {
		fmt.Fprintf(a.stderr, "%s: warning: %s\n", w.Key, w.Text)
	}
	if err != nil {
		return err
	}
	if err := state.Check(cfg.StateDir); err != nil {
		return err // status 1: the configuration itself is valid
	}
	if a.json {
		return a.printJSON(map[string]any{"valid": true, "config": a.path(), "warnings": len(warnings),
			"inputs": len(cfg.Inputs), "firewalls": len(cfg.Firewalls)})
	}
	from := a.path()
	if from == "" {
		from = "the built-in defaults"
	}
	fmt.Fprintf(a.stdout, "%s: valid, with %s, %s and %s\n", from, plural(len(warnings), "warning"),
		plural(len(cfg.Inputs), "input"), plural(len(cfg.Firewalls), "firewall"))
	return nil
}

// labelWarnings says what is wrong with the label files now: a daemon goes on without them, or with what they had.
func labelWarnings(ctx context.Context, cfg *config.Config) []config.Warning {
	var warnings []config.Warning
	set, _ := agent.Labels(ctx, cfg, nil) // without a store nothing can fail
	known := own.New(cfg, nil)            // by the configuration and the files alone
	known.Spare(own.Listed(set.Lists()))
	for _, t := range slices.Concat(set.Troubles(), set.Remarks(), agent.LeftOut(set.Lists(), known.Known().Guard)) {
		i := slices.IndexFunc(cfg.Labels, func(l config.Label) bool { return l.File == t.File })
		warnings = append(warnings, config.Warning{Key: fmt.Sprintf("labels[%d].file", i), Text: t.What + ". " + t.Remedy})
	}
	return warnings
}
