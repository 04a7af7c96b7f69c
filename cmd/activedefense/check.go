package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newCheckCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration",
		Long:  `Reads the configuration and reports every fault with its key and how to fix it. Nothing is changed or contacted.`,
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return check(a) },
	}
}

func check(a *app) error {
	cfg, warnings, err := a.load()
	for _, w := range warnings {
		fmt.Fprintf(a.stderr, "%s: warning: %s\n", w.Key, w.Text)
	}
	if err != nil {
		return err
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
