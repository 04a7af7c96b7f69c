package main

import (
	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/enforce"
	"activedefense/config"
	"activedefense/store"
)

// newBlacklistShowCommand is `blacklist show`.
func newBlacklistShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show ADDR",
		Short: "Show why an address is blocked: rule, counts, log lines, history, where enforced",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			prefix, err := parsePrefix(args[0])
			if err != nil {
				return err
			}
			return a.withStore(c.Context(), func(cfg *config.Config, st *store.Store) error {
				x, err := agent.Explain(c.Context(), st, prefix, cfg.Blacklist.ReleaseAfter)
				if err != nil {
					return err
				}
				x.Known(enforce.Names(cfg))
				if a.json {
					return a.printJSON(x)
				}
				return x.WriteText(a.stdout)
			})
		},
	}
}
