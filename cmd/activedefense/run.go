package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/config"
)

func (a *app) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: `Runs the daemon until SIGTERM or SIGINT stops it, cleanly and within ten seconds. SIGHUP reloads the
configuration: if it is faulty, the current one stays in use.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.run(c.Context()) },
	}
}

// run runs one agent after the other: a new configuration is a new agent. Nothing is forgotten in
// between, for an agent begins where the one before it stopped.
func (a *app) run(ctx context.Context) error {
	cfg, warnings, err := a.load()
	if err != nil {
		return err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

	log := a.logger(cfg)
	warn(log, warnings)
	current, err := agent.New(ctx, cfg, agent.Options{Version: version, Logger: log})
	if err != nil {
		return err
	}
	log.Info().Str("version", version).Str("config", a.path()).Msg("starting")
	for {
		next, err := a.runUntilChange(ctx, log, current, hangup)
		if err != nil || next == nil {
			log.Info().Err(err).Msg("stopped")
			return err
		}
		if current, err = agent.New(ctx, next, agent.Options{Version: version, Logger: a.logger(next)}); err != nil {
			log.Error().Err(err).Msg("cannot start with the new configuration; continuing with the previous one")
			if current, err = agent.New(ctx, cfg, agent.Options{Version: version, Logger: log}); err != nil {
				return err
			}
			continue
		}
		cfg, log = next, a.logger(next)
		log.Info().Str("config", a.path()).Msg("running with the new configuration")
	}
}

// runUntilChange runs one agent until it is asked to stop (no configuration) or SIGHUP brings a valid
// new configuration.
func (a *app) runUntilChange(ctx context.Context, log zerolog.Logger, current *agent.Agent, hangup <-chan os.Signal) (*config.Config, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- current.Run(ctx) }()
	for {
		select {
		case err := <-done:
			return nil, err
		case <-hangup:
			// Into the log with the faults: what stands beside it may be lost on whoever reads the log only.
			cfg, warnings, err := a.loadSaying(func(f config.Fault) { log.Error().Str("key", f.Key).Msg("fault in the configuration: " + f.Text) })
			if err != nil {
				log.Error().Err(err).Msg("the new configuration is refused; continuing with the current one")
				continue
			}
			warn(log, warnings)
			stop()
			return cfg, <-done
		}
	}
}

func warn(log zerolog.Logger, warnings []config.Warning) {
	for _, w := range warnings {
		log.Warn().Str("key", w.Key).Msg(w.Text)
	}
}
