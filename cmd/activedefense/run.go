package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/api"
	"activedefense/agent/display"
	"activedefense/agent/heap"
	"activedefense/agent/listen"
	"activedefense/agent/state"
	"activedefense/agent/systemd"
	"activedefense/config"
)

// runCommand is `run`: the daemon, one agent after the other.
type runCommand struct {
	*app
	hangup  chan os.Signal       // SIGHUP: the configuration is to be read again
	asked   chan chan<- []string // the same over the API; the faults go back, none if it is taken
	service *systemd.Manager
}

func newRunCommand(a *app) *cobra.Command {
	r := &runCommand{app: a, hangup: make(chan os.Signal, 1), asked: make(chan chan<- []string)}
	return &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: `Runs the daemon until SIGTERM or SIGINT stops it, cleanly and within ten seconds. SIGHUP reloads the
configuration, as the command reload does, which waits for the outcome: if it is faulty, the current one stays in use.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return r.run(c.Context()) },
	}
}

// run runs one agent after the other: a new configuration is a new agent. Nothing is forgotten in
// between, for an agent begins where the one before it stopped.
func (r *runCommand) run(ctx context.Context) error {
	cfg, warnings, err := r.loadWhole()
	if err != nil {
		return err
	}
	signal.Notify(r.hangup, syscall.SIGHUP)
	defer signal.Stop(r.hangup)
	defer heap.Bound()()

	log := r.logger(cfg)
	warn(log, warnings)
	sockets := listen.NewSockets(systemd.Sockets())
	defer sockets.Close()
	var socket api.Lasting
	defer socket.Close()
	used := agent.Options{Sockets: sockets, Socket: &socket, Version: version, Logger: log, Config: absolute(r.path()), Loaded: time.Now(), RuntimeDir: runtimeDir(r.environ), Reload: r.reload}
	current, err := agent.New(ctx, cfg, used)
	if err != nil {
		return err
	}
	log.Info().Str("version", version).Str("config", r.path()).Msg("starting")
	r.service = systemd.New(log)
	for {
		r.service.Ready()
		next, err := r.untilChange(ctx, log, current)
		if errors.Is(err, state.ErrAccepted) || errors.Is(err, state.ErrBack) {
			log.Warn().Msg("starting again with the database: " + err.Error())
			next, err = cfg, nil
		}
		if err != nil || next == nil {
			log.Info().Err(err).Msg("stopped")
			return err
		}
		fresh := agent.Options{Sockets: sockets, Socket: &socket, Version: version, Logger: r.logger(next), Config: absolute(r.path()), Loaded: time.Now(), RuntimeDir: used.RuntimeDir, Reload: r.reload, After: current}
		used.After = current
		if current, err = agent.New(ctx, next, fresh); err != nil {
			log.Error().Err(err).Msg("cannot start with the new configuration; continuing with the previous one")
			refused := err.Error()
			if current, err = agent.New(ctx, cfg, used); err != nil {
				return err
			}
			used.After = nil
			current.Refused([]string{refused}, true)
			continue
		}
		cfg, log, used = next, fresh.Logger, fresh
		used.After = nil
		log.Info().Str("config", r.path()).Msg("running with the new configuration")
	}
}

// untilChange runs one agent until it is asked to stop (no configuration) or SIGHUP brings a valid
// new configuration.
func (r *runCommand) untilChange(ctx context.Context, log zerolog.Logger, current *agent.Agent) (*config.Config, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- current.Run(ctx) }()
	alive := time.NewTicker(r.service.Every())
	defer alive.Stop()
	ending := ctx.Done()
	for {
		var next *config.Config
		select {
		case err := <-done:
			return nil, err
		case <-ending:
			r.service.Stopping()
			ending = nil
		case <-alive.C:
			r.service.Alive(current.Status)
		case <-r.hangup:
			next = r.reread(log, current, nil)
		case answer := <-r.asked:
			next = r.reread(log, current, answer)
		}
		if next == nil {
			continue
		}
		stop()
		if err := <-done; err != nil { // no reason to go without the new one
			log.Error().Err(err).Msg("the previous configuration did not stop cleanly")
		}
		return next, nil
	}
}

// reread reads the configuration again; nil: it has faults, and the one in use stays. Who asked, if anybody did, is told of the faults first:
// the API is the agent's own, and ends with it.
func (r *runCommand) reread(log zerolog.Logger, current *agent.Agent, answer chan<- []string) *config.Config {
	r.service.Reloading()
	var faults []string
	// Into the log with the faults: what stands beside it may be lost on whoever reads the log only.
	cfg, warnings, err := r.read(config.Options{}, func(f config.Fault) {
		faults = append(faults, f.Key+": "+f.Text)
		log.Error().Str("key", f.Key).Msg("fault in the configuration: " + f.Text)
	})
	if err != nil && len(faults) == 0 {
		faults = []string{err.Error()}
	}
	if answer != nil {
		answer <- faults // there is room for it
	}
	if err != nil {
		log.Error().Err(err).Msg("the new configuration is refused; continuing with the current one")
		current.Refused(faults, false)
		r.service.Ready()
		return nil
	}
	warn(log, warnings)
	return cfg
}

// reload has the configuration read again, and gives its faults; none: it is taken. It is called by the agent's API.
func (r *runCommand) reload(ctx context.Context) ([]string, error) {
	answer := make(chan []string, 1)
	select {
	case r.asked <- answer:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case faults := <-answer:
		return faults, nil
	case <-ctx.Done():
	}
	select { // the agent that is asked ends for what it answers
	case faults := <-answer:
		return faults, nil
	default:
		return nil, ctx.Err()
	}
}

// runtimeDir is the folder below /run that the service manager made for the daemon (systemd.exec(5), RUNTIME_DIRECTORY), the first of
// several; "": none.
func runtimeDir(environ []string) string {
	for _, variable := range environ {
		if dirs, ok := strings.CutPrefix(variable, "RUNTIME_DIRECTORY="); ok {
			dir, _, _ := strings.Cut(dirs, ":")
			return dir
		}
	}
	return ""
}

func warn(log zerolog.Logger, warnings []config.Warning) {
	for _, w := range warnings {
		log.Warn().Str("key", w.Key).Msg(w.Text)
	}
}

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
	for seen := (time.Time{}); ; {
		// The new agent may answer at another socket. It is given a moment to reach its database.
		if daemon, err := a.running(ctx); err == nil && daemon != nil {
			now := &daemon.status.Configuration
			loaded := now.LoadedAt.After(begun.LoadedAt)
			if loaded && seen.IsZero() {
				seen = time.Now()
			}
			if loaded && (!daemon.begins() || time.Since(seen) > beginsWithin) {
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
