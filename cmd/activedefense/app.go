package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"activedefense/agent"
	"activedefense/agent/display"
	"activedefense/agent/output"
	"activedefense/agent/own"
	"activedefense/agent/state"
	"activedefense/agent/systemd"
	"activedefense/config"
	"activedefense/store"
)

// defaultConfig is read when --config names no other file, if it exists.
const defaultConfig = "/etc/activedefense/activedefense.yaml"

// app is what the subcommands share: the common flags, where to read and write, and how configuration and store are
// had. Each subcommand is a type of its own on top of it, which holds the flags that only it has.
type app struct {
	configPath    string
	defaultConfig string // read when configPath is empty, if it is there; "": nothing is
	serviceSocket string // where the daemon is as a service
	json          bool
	started       bool   // the command line was understood
	warned        string // the last warning that a daemon had said

	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
}

// path is the configuration file to read; "" for the built-in defaults. One that is there and cannot be read is to be read, too: what it
// says must not count for nothing.
func (a *app) path() string {
	if a.configPath != "" || a.defaultConfig == "" {
		return a.configPath
	}
	if _, err := os.Stat(a.defaultConfig); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return a.defaultConfig
}

// load reads the configuration, without the files that it names, and says every fault of a wrong one.
func (a *app) load() (*config.Config, error) {
	cfg, _, err := a.read(config.Options{WithoutFiles: true}, a.sayFault)
	return cfg, err
}

// loadWhole reads the configuration and the keys, passwords and certificates that it names, and says every fault.
func (a *app) loadWhole() (*config.Config, []config.Warning, error) {
	return a.read(config.Options{}, a.sayFault)
}

// loadPart reads the parts of the configuration that a command needs, without the files that it names. A fault elsewhere is said, and
// stops nothing: who has to release an address, or to see what a daemon does that goes on with its former configuration, cannot mend a file first.
func (a *app) loadPart(parts ...config.Part) (*config.Config, error) {
	cfg, elsewhere, err := config.LoadPart(config.Options{Path: a.path(), Environ: a.environ, WithoutFiles: true}, parts...)
	if err != nil {
		return nil, a.refuse(err, a.sayFault)
	}
	if len(elsewhere) > 0 {
		fmt.Fprintf(a.stderr, "warning: the configuration%s has %s; this goes on without what stands there, and a daemon would not begin with it:\n", a.named(), plural(len(elsewhere), "fault"))
	}
	for _, f := range elsewhere {
		a.sayFault(f)
	}
	return cfg, nil
}

func (a *app) sayFault(f config.Fault) { fmt.Fprintf(a.stderr, "%s: %s\n", f.Key, f.Text) }

// read reads the configuration, and has every fault of a wrong one said.
func (a *app) read(o config.Options, say func(config.Fault)) (*config.Config, []config.Warning, error) {
	o.Path, o.Environ = a.path(), a.environ
	cfg, warnings, err := config.Load(o)
	if err == nil {
		return cfg, warnings, nil
	}
	return nil, warnings, a.refuse(err, say)
}

// refuse has every fault of a configuration said, and gives the error that it is wrong.
func (a *app) refuse(err error, say func(config.Fault)) error {
	var faults config.Faults
	if !errors.As(err, &faults) {
		return &statusError{exitUsage, err}
	}
	for _, f := range faults {
		say(f)
	}
	return &statusError{exitUsage, fmt.Errorf("the configuration%s has %s", a.named(), plural(len(faults), "fault"))}
}

// named is " FILE" for messages, "" for the built-in defaults.
func (a *app) named() string {
	if p := a.path(); p != "" {
		return " " + p
	}
	return ""
}

// subcommands are those that texts for an operator name.
const subcommands = "run|check|config|replay|explain|blacklist|allow|records|verify|provision|status|report|watch|reload|token|patterns|members|notify|store|keygen|version"

var ownCommand = regexp.MustCompile(`\bactivedefense (` + subcommands + `)\b`)

// program is how this program is called with the same configuration, in a shell.
func (a *app) program() string {
	switch {
	case a.configPath == "":
		return "activedefense"
	case strings.ContainsAny(a.configPath, " \t\n'\"\\$`&|;<>()*?[]#~!{}"):
		return "activedefense --config '" + strings.ReplaceAll(a.configPath, "'", `'\''`) + "'"
	}
	return "activedefense --config " + a.configPath
}

// advice is a text for an operator in which the commands of this program that it names work as they stand.
func (a *app) advice(text string) string {
	return ownCommand.ReplaceAllString(text, strings.ReplaceAll(a.program(), "$", "$$")+" $1")
}

// A use is what a command does with the store.
type use bool

const reads, changes use = false, true

// open opens the store that the configuration names, beside a running daemon or without one. It refuses another one than that of the
// daemon which answers at admin.listen: what is done there would have no effect, and what is read there is not what is. One that the
// daemon refuses can be read, with a warning, and not changed.
func (a *app) open(ctx context.Context, cfg *config.Config, to use) (*store.Store, error) {
	st, err := state.OpenBeside(ctx, cfg.StateDir, string(cfg.Store.URL))
	if err != nil && !errors.Is(err, state.ErrNoDatabase) {
		return st, err
	}
	daemon, base := a.daemon(ctx, cfg)
	if daemon == nil {
		return a.unlessRefused(ctx, cfg, to, st, err)
	}
	if st == nil {
		if daemon.Store.Identity == "" {
			return nil, err
		}
		return nil, a.otherStore(daemon, base, "sqlite", store.Place{Database: filepath.Join(cfg.StateDir, agent.DatabaseFile)})
	}
	if at := st.Place(); daemon.Store.Identity != "" && daemon.Store.Identity != at.Identity {
		defer st.Close()
		if sameName(daemon, st.Kind(), at) {
			return nil, fmt.Errorf("%s was replaced under the daemon at %s, which still has the former one: see activedefense status for what to do",
				display.Place(st.Kind(), at.Host, at.Database), base)
		}
		return nil, a.otherStore(daemon, base, st.Kind(), at)
	}
	if daemon.Store.Refused == "" {
		return st, nil
	}
	return a.refusedStore(to, st, "the daemon at "+base+" refuses this database, and what it blocks, serves and enforces is what it knew before: "+display.Harmless(daemon.Store.Refused))
}

// unlessRefused gives what [state.OpenBeside] gave, unless the daemon, which does not run, would refuse that database.
func (a *app) unlessRefused(ctx context.Context, cfg *config.Config, to use, st *store.Store, err error) (*store.Store, error) {
	if st == nil || err != nil {
		return st, err
	}
	why := state.Refused(ctx, cfg.StateDir, st)
	switch {
	case errors.Is(why, state.ErrBehind), errors.Is(why, state.ErrUnknown):
		return a.refusedStore(to, st, "the daemon, which does not answer, refuses this database: "+why.Error())
	case why != nil:
		return nil, errors.Join(why, st.Close())
	}
	return st, nil
}

// refusedStore lets a store be read that the daemon refuses, and not changed.
func (a *app) refusedStore(to use, st *store.Store, why string) (*store.Store, error) {
	said := fmt.Sprintf("%s; put the database back as it was, or go on with this one: %s", why, a.advice("activedefense store accept"))
	if to == changes {
		return nil, errors.Join(fmt.Errorf("nothing was changed: %s", said), st.Close())
	}
	fmt.Fprintln(a.stderr, "warning: "+said)
	return st, nil
}

// daemon is what the daemon says that answers on its socket, or else at admin.listen, and where that is; nil: none does.
func (a *app) daemon(ctx context.Context, cfg *config.Config) (*agent.Status, string) {
	if found, err := a.running(ctx); err == nil && found != nil {
		return found.status, found.At
	}
	if cfg.Admin.Listen == "" {
		return nil, ""
	}
	base := adminURL(cfg.Admin.Listen)
	daemon, err := fetchStatus(ctx, base, sameStoreTimeout)
	if err != nil {
		return nil, base
	}
	return daemon, base
}

// sameName tells whether the daemon's store is to be found where this one is.
func sameName(daemon *agent.Status, kind string, at store.Place) bool {
	return daemon.Store.Kind == kind && daemon.Store.Host == at.Host && daemon.Store.Database == at.Database
}

// otherStore says that the daemon uses another store than this one.
func (a *app) otherStore(daemon *agent.Status, base, kind string, at store.Place) error {
	of := "the built-in defaults"
	if path := daemon.Configuration.Path; path != "" {
		of = path
	}
	return &statusError{exitUsage, fmt.Errorf("the daemon at %s uses another store (%s, as %s says) than this configuration%s (%s): run the command with --config %s, or stop that daemon first",
		base, display.Place(daemon.Store.Kind, daemon.Store.Host, daemon.Store.Database), of, a.named(), display.Place(kind, at.Host, at.Database), of)}
}

// sameStoreTimeout bounds the wait for a daemon that may not run.
const sameStoreTimeout = 2 * time.Second

// forStore is what a command needs of the configuration that reads the blacklist or changes it.
var forStore = []config.Part{config.PartStore, config.PartAdmin, config.PartRelease}

// forRelease is what one needs that takes from it.
var forRelease = []config.Part{config.PartStore, config.PartAdmin}

// partsForBlock is what one needs that blocks: what may never be blocked is to be known for certain.
var partsForBlock = []config.Part{config.PartGuard, config.PartStore, config.PartAdmin, config.PartRelease}

// forBlock loads what a command needs that blocks. Where a fault may hide what may never be blocked, it does nothing.
func (a *app) forBlock() (*config.Config, error) {
	cfg, err := a.loadPart(partsForBlock...)
	if err != nil {
		return nil, &statusError{exitUsage, fmt.Errorf("nothing was blocked, for what may never be blocked is not known for certain: %w; mend that first (blacklist remove does not need it)", err)}
	}
	return cfg, nil
}

// beside opens the store, if there is one, for what goes on without; nil: there is none.
func (a *app) beside(ctx context.Context, cfg *config.Config) (*store.Store, error) {
	if _, err := os.Stat(filepath.Join(cfg.StateDir, agent.DatabaseFile)); cfg.Store.URL == "" && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return state.OpenBeside(ctx, cfg.StateDir, string(cfg.Store.URL))
}

// known is what is ours and what may never be blocked, what the firewalls said among it where there is a store. A command that needs
// nothing else of the store goes on without.
func (a *app) known(ctx context.Context, cfg *config.Config) *own.Known {
	st, err := a.beside(ctx, cfg)
	switch {
	case err != nil:
		fmt.Fprintf(a.stderr, "warning: what the firewalls said of themselves is not known here, and counts for nothing: %v\n", err)
	case st != nil:
		defer st.Close()
	}
	known, err := agent.Known(ctx, cfg, st)
	if err != nil {
		fmt.Fprintf(a.stderr, "warning: what the firewalls said of themselves is not known here, and counts for nothing: %v\n", err)
	}
	return known
}

// logger writes to standard error: readable at a terminal, with priorities where systemd's journal reads it, JSON otherwise, unless the
// configuration says which.
func (a *app) logger(cfg *config.Config) zerolog.Logger {
	level, err := zerolog.ParseLevel(cfg.Log.Level)
	if err != nil {
		level = zerolog.InfoLevel // the configuration was validated
	}
	format := cfg.Log.Format
	if format == "auto" {
		switch {
		case isTerminal(a.stderr):
			format = "console"
		case systemd.ReadByJournal(unguarded(a.stderr), a.environ):
			format = "journal"
		}
	}
	var out io.Writer = a.stderr
	switch format {
	case "console":
		// It quotes what a field holds; the colours are its own.
		out = zerolog.ConsoleWriter{Out: unguarded(a.stderr), TimeFormat: time.DateTime, NoColor: !isTerminal(a.stderr), FormatMessage: display.HarmlessMessage}
	case "journal":
		out = zerolog.SyncWriter(systemd.NewJournal(a.stderr))
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger()
}

// printJSON writes one object on one line.
func (a *app) printJSON(v any) error { return output.JSON(a.stdout, v) }

// plural, grouped and span are how display writes these.
func plural[T int | int64 | uint64](n T, what string) string { return display.Plural(n, what) }
func grouped[T int | int64 | uint64](n T) string             { return display.Grouped(n) }
func span(d time.Duration) string                            { return display.Span(d) }

// unguarded is the writer behind a guard, or the writer itself.
func unguarded(w io.Writer) io.Writer {
	if p, ok := w.(*output.BehindProgress); ok {
		w = p.Writer
	}
	if g, ok := w.(*display.Guard); ok {
		return g.Behind()
	}
	return w
}

// isTerminal reports whether a person reads it.
func isTerminal(w io.Writer) bool {
	f, ok := unguarded(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// sizeOf is how many columns and lines a terminal has; 0 if it is none.
func sizeOf(w io.Writer) (width, height int) {
	if f, ok := unguarded(w).(*os.File); ok {
		width, height, _ = term.GetSize(int(f.Fd()))
	}
	return width, height
}
