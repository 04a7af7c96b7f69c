package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"activedefense/agent/state"
	"activedefense/config"
)

func newStoreCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "store",
		Short: "Look after the database",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(&cobra.Command{
		Use:   "accept",
		Short: "Go on with the database that is there now",
		Long: `The daemon stops reading, and leaves the list and the firewalls as they are, when the database is not what it was: emptied, restored from
a backup, replaced by a standby that lacks the last commits, or a file that was deleted or replaced. Put back what was there, or let it go
on with what is there now by this command: the log files are read again from where that database was, and what it does not know is no
longer blocked, unless lines that are still there say so. A running daemon goes on within a minute; it need not be restarted.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return acceptStore(a) },
	})
	return c
}

func acceptStore(a *app) error {
	cfg, err := a.loadPart(config.PartStore)
	if err != nil {
		return err
	}
	if err := state.Accept(cfg.StateDir); err != nil {
		return fmt.Errorf("accept the database: %w", err)
	}
	if a.json {
		return a.printJSON(map[string]any{"accepted": true})
	}
	fmt.Fprintln(a.stdout, "The database that is there now is taken. A daemon that had stopped reading goes on within a minute.")
	return nil
}
