package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

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
longer blocked, unless lines that are still there say so. A running daemon goes on within a minute; it need not be restarted.

It is also said by this command that what the firewalls hold under our tag, or in our group, is this database's, although it never blocked it,
such as what is left from a former database: what is not blocked now is removed. Without it, all of that stays, for it may be another agent's
(strays, among the troubles of status).`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return acceptStore(c.Context(), a) },
	})
	return c
}

func acceptStore(ctx context.Context, a *app) error {
	cfg, err := a.loadPart(config.PartStore)
	if err != nil {
		return err
	}
	if _, err := os.Stat(cfg.StateDir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("state_dir %s is not there: no daemon has run with this configuration yet, so there is nothing to accept; name the one that it runs with by --config", cfg.StateDir)
	}
	st, err := a.openAny(ctx, cfg)
	switch {
	case err == nil:
		defer st.Close()
	case !errors.Is(err, errNoDatabase): // that there is none is accepted, too
		return fmt.Errorf("accept the database, which has to be read for that: %w", err)
	}
	if err := state.Accept(ctx, cfg.StateDir, st); err != nil {
		return fmt.Errorf("accept the database: %w", err)
	}
	if a.json {
		return a.printJSON(map[string]any{"accepted": true})
	}
	fmt.Fprintln(a.stdout, "The database that is there now is taken. A daemon that had stopped reading goes on within a minute.\n"+
		"What the firewalls hold under our tag is taken for its own, and removed where it is not blocked.")
	return nil
}
