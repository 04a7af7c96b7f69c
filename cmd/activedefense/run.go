package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/state"
	"activedefense/config"
)

// runCommand is `run`: the daemon, one agent after the other.
type runCommand struct {
	*app
	hangup  chan os.Signal // SIGHUP: the configuration is to be read again
	service *service
}

func newRunCommand(a *app) *cobra.Command {
	r := &runCommand{app: a, hangup: make(chan os.Signal, 1)}
	return &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: `Runs the daemon until SIGTERM or SIGINT stops it, cleanly and within ten seconds. SIGHUP reloads the
configuration: if it is faulty, the current one stays in use.`,
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

	log := r.logger(cfg)
	warn(log, warnings)
	used := agent.Options{Version: version, Logger: log, Config: absolute(r.path()), Loaded: time.Now(), RuntimeDir: runtimeDir(r.environ)}
	current, err := agent.New(ctx, cfg, used)
	if err != nil {
		return err
	}
	log.Info().Str("version", version).Str("config", r.path()).Msg("starting")
	r.service = newService(log)
	for {
		r.service.ready()
		next, err := r.untilChange(ctx, log, current)
		if errors.Is(err, state.ErrAccepted) || errors.Is(err, state.ErrBack) {
			log.Warn().Msg("starting again with the database: " + err.Error())
			next, err = cfg, nil
		}
		if err != nil || next == nil {
			log.Info().Err(err).Msg("stopped")
			return err
		}
		fresh := agent.Options{Version: version, Logger: r.logger(next), Config: absolute(r.path()), Loaded: time.Now(), RuntimeDir: used.RuntimeDir, After: current}
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
	alive := time.NewTicker(r.service.every())
	defer alive.Stop()
	ending := ctx.Done()
	for {
		select {
		case err := <-done:
			return nil, err
		case <-ending:
			r.service.stopping()
			ending = nil
		case <-alive.C:
			r.service.alive(current.Status)
		case <-r.hangup:
			r.service.reloading()
			var faults []string
			// Into the log with the faults: what stands beside it may be lost on whoever reads the log only.
			cfg, warnings, err := r.read(config.Options{}, func(f config.Fault) {
				faults = append(faults, f.Key+": "+f.Text)
				log.Error().Str("key", f.Key).Msg("fault in the configuration: " + f.Text)
			})
			if err != nil {
				log.Error().Err(err).Msg("the new configuration is refused; continuing with the current one")
				current.Refused(faults, false)
				r.service.ready()
				continue
			}
			warn(log, warnings)
			stop()
			if err := <-done; err != nil { // no reason to go without the new one
				log.Error().Err(err).Msg("the previous configuration did not stop cleanly")
			}
			return cfg, nil
		}
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
