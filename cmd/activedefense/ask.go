package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os/user"
	"path/filepath"
	"slices"
	"time"

	"activedefense/agent"
	"activedefense/agent/api"
	"activedefense/agent/display"
	"activedefense/config"
	"activedefense/store"
)

// A running daemon is one that answers on its socket.
type running struct {
	*api.Client
	status *agent.Status
}

// running finds the daemon that runs with this configuration: at admin.socket, else below /run, else in state_dir. nil: none answers. An
// error says that it answers, and not this user. Of the configuration nothing else is needed, so a fault elsewhere is none here.
func (a *app) running(ctx context.Context) (*running, error) {
	cfg, elsewhere, err := config.LoadPart(config.Options{Path: a.path(), Environ: a.environ, WithoutFiles: true}, config.PartSocket)
	ours := err == nil && !slices.ContainsFunc(elsewhere, func(f config.Fault) bool { return f.Key == "state_dir" })
	if err != nil {
		// A file that cannot be read, or is none, does not say where the daemon is; it is where it is by default.
		if cfg, _, err = config.LoadPart(config.Options{Environ: a.environ, WithoutFiles: true}, config.PartSocket); err != nil {
			return nil, nil
		}
	}
	for _, at := range []struct {
		path string
		sure bool // it is the one of this configuration
	}{{cfg.Admin.Socket, true}, {a.serviceSocket, a.configPath == ""}, {filepath.Join(cfg.StateDir, api.SocketName), ours}} {
		if found, err := a.answering(ctx, at.path, at.sure); found != nil || err != nil {
			return found, err
		}
	}
	return nil, nil
}

// answering asks the daemon at a socket for its status. One that began with another file counts only if it is sure to be the one that is
// meant: two may run on one host, and --config says which.
func (a *app) answering(ctx context.Context, socket string, sure bool) (*running, error) {
	if socket == "" || len(socket) > config.MaxSocket {
		return nil, nil // no daemon can be there
	}
	asking, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	r := &running{Client: api.Dial(socket)}
	r.Warn = func(text string) { warnOnce(a, text) }
	var s agent.Status
	err := r.Get(asking, "status", nil, &s)
	if f, ok := errors.AsType[*api.Fault](err); ok && f.Status == http.StatusForbidden {
		return nil, f
	}
	if err != nil || !sure && !sameFile(s.Configuration.Path, absolute(a.path())) {
		return nil, nil
	}
	r.status, r.Known = &s, true
	return r, nil
}

// usable tells whether the daemon can answer for the database: it has reached it, and takes it for what it was.
func (r *running) usable() bool {
	return r != nil && !r.refuses() && r.status.Blacklist != nil
}

// beginsWithin is how long a command waits for a daemon that has just taken up its configuration to reach its database, and justNow how long
// that is just now.
const (
	beginsWithin = time.Second
	justNow      = 10 * time.Second
)

// begins tells whether the daemon will be usable in a moment, unless its database is away.
func (r *running) begins() bool {
	return r != nil && !r.usable() && !r.refuses() && time.Since(r.status.Configuration.LoadedAt).Abs() < justNow
}

// refuses tells whether a daemon refuses its database: then it changes nothing and says why, and reads what is there.
func (r *running) refuses() bool { return r != nil && r.status.Store.Refused != "" }

// also says beside a fault of this command why the daemon that runs could not answer it, which is all there is to say to one who needs it.
func (r *running) also(err error) error {
	if r == nil {
		return err
	}
	why := "it has not reached its database yet"
	if text := r.status.Store.Refused; text != "" {
		why = "it refuses its database: " + display.Harmless(text)
	}
	if b, ok := errors.AsType[*barred](err); ok {
		return fmt.Errorf("the daemon at %s cannot answer: %s; without it this needs %s: see activedefense status, or run this as root", r.At, why, b.needs())
	}
	return fmt.Errorf("%w; and the daemon at %s cannot answer: %s", err, r.At, why)
}

// ask gives what answers a command: the daemon that runs, else, over the store of the configuration that load gives, this process. done
// ends it.
func (a *app) ask(ctx context.Context, to use, load func() (*config.Config, error)) (c *api.Client, done func(), err error) {
	daemon, err := a.running(ctx)
	for until := time.Now().Add(beginsWithin); err == nil && daemon.begins() && time.Now().Before(until) && ctx.Err() == nil; daemon, err = a.running(ctx) {
		<-time.After(beginsWithin / 20)
	}
	if err != nil {
		return nil, nil, err
	}
	if daemon.usable() {
		return daemon.Client, func() {}, nil
	}
	if err := whyBarred(a, config.Options{WithoutFiles: true}); err != nil {
		if daemon.refuses() {
			return daemon.Client, func() {}, nil
		}
		return nil, nil, daemon.also(err)
	}
	cfg, err := load()
	if err != nil {
		return nil, nil, daemon.also(err)
	}
	st, err := a.open(ctx, cfg, to)
	if err != nil {
		return nil, nil, err
	}
	return here(agent.Served(cfg, version, st, nil)), func() { st.Close() }, nil
}

// whyBarred says, where no daemon answers a command, that this user may not read the configuration to do it without one, nor, unless it is read
// without them, the files that it names; nil: he may, or it is otherwise faulty.
func whyBarred(a *app, o config.Options) error {
	o.Path, o.Environ = a.path(), a.environ
	_, _, err := config.Load(o)
	if files := config.Denied(err); len(files) > 0 {
		return &barred{files}
	}
	return nil
}

// barred is the error of one whom a daemon would answer, and who may not read the configuration or what it names.
type barred struct{ files []string }

func (b *barred) Error() string {
	return errNoDaemon.Error() + "; without one this needs " + b.needs() + ": start the daemon, or run this as root"
}

// needs names the first of the files.
func (b *barred) needs() string {
	text := b.files[0]
	if more := len(b.files) - 1; more > 0 {
		text += fmt.Sprintf(" and %s", plural(more, "more file"))
	}
	return text + ", which you may not read"
}

// instead gives the daemon to be asked where this user may not read the configuration, or the files that it names unless it is read without
// them; nil: he may, or it is otherwise faulty. Where no daemon runs, the error says what he may not read.
func (a *app) instead(ctx context.Context, o config.Options) (*running, error) {
	why := whyBarred(a, o)
	if why == nil {
		return nil, nil
	}
	daemon, err := a.running(ctx)
	if daemon == nil && err == nil {
		err = why
	}
	return daemon, err
}

// here asks the API in this process, as who is at the keyboard.
func here(served *api.API) *api.Client {
	return served.Here(api.Caller{Name: operator(), Role: api.Operator})
}

// warnOnce says what is wrong with what is printed, once.
func warnOnce(a *app, text string) {
	if a.warned != text {
		a.warned = text
		fmt.Fprintln(a.stderr, "warning: "+a.advice(display.Harmless(text)))
	}
}

// needing loads these parts of the configuration.
func (a *app) needing(parts ...config.Part) func() (*config.Config, error) {
	return func() (*config.Config, error) { return a.loadPart(parts...) }
}

// asked makes of what the API says is wrong with a command what the command line says of it.
func asked(err error) error {
	if f, ok := errors.AsType[*api.Fault](err); ok && f.Status == http.StatusBadRequest {
		return &statusError{exitUsage, err}
	}
	return err
}

// operator is who is at the keyboard, as the history names him; a person cannot be taken for the detector.
func operator() string {
	u, err := user.Current()
	if err != nil || u.Username == "" || !store.ByPerson(u.Username) {
		return store.ByOperator
	}
	return u.Username
}

// parsePrefix reads an address or a network.
func parsePrefix(s string) (netip.Prefix, error) {
	p, err := api.ParsePrefix(s)
	return p, asked(err)
}

// parsePrefixes reads several.
func parsePrefixes(args []string) ([]netip.Prefix, error) {
	prefixes, err := api.ParsePrefixes(args)
	return prefixes, asked(err)
}

// parseTime reads the time of a flag; see [api.ParseTime].
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	t, err := api.ParseTime(flag, text, now)
	return t, asked(err)
}

// eachOf does something with each; what fails keeps no other from it.
func eachOf(args []string, do func(string) error) error {
	var faults []error
	for _, arg := range args {
		if err := do(arg); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}
