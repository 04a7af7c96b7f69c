package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/api"
	"activedefense/agent/state"
	"activedefense/config"
	"activedefense/store"
)

func newStoreCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "store",
		Short: "Look after the database",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newStoreCopyCommand(a), newStoreBackupCommand(a), &cobra.Command{
		Use:   "accept",
		Short: "Go on with the database that is there now",
		Long: `The daemon stops reading, and leaves the list and the firewalls as they are, when the database is not what it was: emptied, restored from
a backup, replaced by a standby that lacks the last commits, or a file that was deleted or replaced. Put back what was there, or let it go
on with what is there now by this command: the log files are read again from where that database was, and what it does not know is no
longer blocked, unless lines that are still there say so. A running daemon goes on within a minute, also one that refused at its start; it need not be restarted. What is accepted is the
database as it is at that moment, not one that is put in its place later; while the daemon finds nothing wrong, there is nothing to accept.

It is also said by this command that what the firewalls hold under our tag, or in our group, is this database's, although it never blocked it,
such as what is left from a former database: what is not blocked now is removed. Without it, all of that stays, for it may be another agent's
(strays, among the troubles of status).`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return acceptStore(c.Context(), a) },
	})
	return c
}

func acceptStore(ctx context.Context, a *app) error {
	running, err := a.running(ctx)
	if err != nil {
		return err
	}
	if running != nil {
		var out api.AcceptedStore
		if err := running.Post(ctx, "store/accept", nil, &out); err != nil {
			return asked(err)
		}
		return a.sayAccepted(out, running.At)
	}
	cfg, err := a.loadPart(config.PartStore, config.PartAdmin)
	if err != nil {
		return err
	}
	if _, err := os.Stat(cfg.StateDir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("state_dir %s is not there: no daemon has run with this configuration yet, so there is nothing to accept; name the one that it runs with by --config", cfg.StateDir)
	}
	st, err := state.OpenAsIs(ctx, cfg.StateDir, string(cfg.Store.URL))
	kind, at := "sqlite", store.Place{Database: filepath.Join(cfg.StateDir, agent.DatabaseFile)}
	switch {
	case err == nil:
		defer st.Close()
		kind, at = st.Kind(), st.Place()
	case !errors.Is(err, state.ErrNoDatabase): // that there is none is accepted, too
		return fmt.Errorf("accept the database, which has to be read for that: %w", err)
	}
	if daemon, base := a.daemon(ctx, cfg); daemon != nil && daemon.Store.Identity != "" {
		if daemon.Store.Identity != at.Identity && !sameName(daemon, kind, at) {
			return a.otherStore(daemon, base, kind, at)
		}
		if daemon.Sound() && daemon.Store.Identity == at.Identity {
			return a.sayAccepted(api.AcceptedStore{}, base)
		}
	}
	already, err := state.Accept(ctx, cfg.StateDir, st)
	if err != nil {
		return fmt.Errorf("accept the database: %w", err)
	}
	return a.sayAccepted(api.AcceptedStore{Accepted: true, Already: already}, "")
}

// sayAccepted says what came of it; base is where the daemon is that finds nothing wrong.
func (a *app) sayAccepted(out api.AcceptedStore, base string) error {
	switch {
	case a.json:
		return a.printJSON(out)
	case out.Already:
		fmt.Fprintln(a.stdout, "There is nothing left to accept: the database that is there now is taken already. A daemon that had stopped reading goes on within a minute, which status shows.")
	case out.Accepted:
		fmt.Fprintln(a.stdout, "The database that is there now is taken. A daemon that had stopped reading goes on within a minute.\n"+
			"What the firewalls hold under our tag is taken for its own, and removed where it is not blocked.")
	default:
		fmt.Fprintln(a.stdout, "There is nothing to accept: the daemon at "+base+" reads and writes its database, which is what it was, and no firewall is known to hold what it never blocked.")
	}
	return nil
}
