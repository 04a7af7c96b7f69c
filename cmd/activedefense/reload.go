package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent/api"
	"activedefense/agent/display"
)

const (
	// reloadWithin is how long a new configuration may take until it is in use: what is read is stored first, and the list loaded anew.
	reloadWithin = 80 * time.Second
	// reloadLook is how often it is asked whether it is.
	reloadLook = 200 * time.Millisecond
)

func newReloadCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Have the daemon read its configuration again",
		Long: `Has the running daemon read its configuration again, and waits for the outcome. A faulty one, and one that cannot work on this host, is
refused with the reasons and exit status 1, and the daemon goes on with the one that it has.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.reload(c.Context()) },
	}
}

var errNoDaemon = errors.New("no daemon responds on its socket (admin.socket, " + api.ServiceSocket + ", or " + api.SocketName + " in state_dir); is it running? see systemctl status activedefense")

func (a *app) reload(ctx context.Context) error {
	daemon, err := a.running(ctx)
	if err != nil {
		return err
	}
	if daemon == nil {
		return errNoDaemon
	}
	ctx, cancel := context.WithTimeout(ctx, reloadWithin)
	defer cancel()
	var begun api.Reloading
	err = daemon.Post(ctx, "reload", nil, &begun)
	if f, ok := errors.AsType[*api.Fault](err); ok && f.Status == http.StatusUnprocessableEntity {
		return a.refused(f.Faults)
	}
	if err != nil {
		return asked(err)
	}
	tick := time.NewTicker(reloadLook)
	defer tick.Stop()
	for {
		// Between the two agents nobody answers; the new one may do so at another socket.
		if daemon, err := a.running(ctx); err == nil && daemon != nil {
			now := &daemon.status.Configuration
			if now.LoadedAt.After(begun.LoadedAt) {
				return a.reloaded(now.Path, now.LoadedAt)
			}
			if now.RefusedAt != nil && now.RefusedAt.After(begun.Now) {
				return a.refused(now.Faults)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("there was no fault in the configuration, but no daemon has it in use after %s; activedefense status and its log say what it does", span(reloadWithin))
		case <-tick.C:
		}
	}
}

func (a *app) reloaded(path string, at time.Time) error {
	if a.json {
		return a.printJSON(map[string]any{"reloaded": true, "path": path, "loaded_at": at})
	}
	if path == "" {
		path = "the built-in defaults"
	}
	_, err := fmt.Fprintf(a.stdout, "the daemon runs with %s as it is now\n", display.Harmless(path))
	return err
}

// refused says why a configuration was refused.
func (a *app) refused(faults []string) error {
	for _, fault := range faults {
		fmt.Fprintln(a.stderr, display.Harmless(fault))
	}
	if a.json {
		if err := a.printJSON(map[string]any{"reloaded": false, "faults": faults}); err != nil {
			return err
		}
	}
	return &statusError{exitFailed, fmt.Errorf("the daemon refuses the new configuration, which has %s, and goes on with the one that it has", plural(len(faults), "fault"))}
}
