package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"activedefense/agent/api"
	"activedefense/agent/enforce"
	"activedefense/agent/geo"
	"activedefense/agent/labels"
	"activedefense/agent/members"
	"activedefense/agent/own"
	"activedefense/agent/state"
	"activedefense/agent/web"
	"activedefense/config"
	"activedefense/store"
)

// Served is the API over a store that a command opened, where no agent runs. The store may be nil, which missing then explains.
func Served(cfg *config.Config, version string, st *store.Store, missing error) *api.API {
	return api.New(api.Options{
		Config: cfg, Version: version, Expected: Expected(cfg), Settings: Settings(cfg),
		Store:     func() (*store.Store, error) { return st, missing },
		Known:     func(ctx context.Context) (*own.Known, error) { return Known(ctx, cfg, st) },
		Labels:    func(ctx context.Context) (*labels.Set, error) { return Labels(ctx, cfg, st) },
		Countries: func() func(netip.Addr) string { return geo.Open(cfg.Geo.File, time.Now).Countries() },
	})
}

// Sound tells whether the agent reads and writes its database, which is what it was, and knows of no firewall that holds what it never
// blocked: then there is nothing for a person to accept.
func (s *Status) Sound() bool {
	return s.Store.OK && s.Ready && !slices.ContainsFunc(s.Firewalls, func(f enforce.Status) bool { return f.Strays > 0 })
}

// justBegun is for how long a database that is not reached yet may be in a moment.
const justBegun = 5 * time.Second

// openAPI opens the socket and admin.listen, with the page.
func openAPI(a *Agent, opts *Options) (err error) {
	var former *api.Server
	if opts.After != nil {
		former = opts.After.admin
	}
	served := api.New(api.Options{
		Config: a.cfg, Version: a.version, Expected: Expected(a.cfg), Settings: Settings(a.cfg), Log: a.log, Now: a.now, After: former,
		Store:     func() (*store.Store, error) { return servedStore(a) },
		Known:     func(context.Context) (*own.Known, error) { return a.known.Load(), nil },
		Labels:    func(context.Context) (*labels.Set, error) { return a.labels, nil },
		Countries: func() func(netip.Addr) string { return a.geo.Countries() },
		Status:    func() any { return a.Status() },
		Members:   func() []members.Status { return a.members.Load().Status() },
		Open: func(ctx context.Context) (*store.Store, error) {
			st, err := state.OpenAsIs(ctx, a.cfg.StateDir, string(a.cfg.Store.URL))
			if errors.Is(err, state.ErrNoDatabase) {
				return nil, nil
			}
			return st, err
		},
		Sound:       func() (string, bool) { s := a.Status(); return s.Store.Identity, s.Sound() },
		Registering: func() []string { firewalls, _ := a.fleet.Status(); return enforce.Registering(firewalls) },
		Refused:     a.health.LostError,
		Ending:      a.ending.Load,
		Changed:     func() { a.feed.Load().wakeup.Wake() },
		Enforced:    func() int64 { return a.feed.Load().current.Load().Version },
		Guarded:     a.takeProtected,
		Rate:        func() float64 { return a.stats.Rate(a.now()) },
		Pace:        a.pace.Hours,
		Reload: func(ctx context.Context) ([]string, time.Time, error) {
			if a.reload == nil {
				return nil, time.Time{}, errors.New("this program does not do that")
			}
			faults, err := a.reload(ctx)
			return faults, a.loaded.LoadedAt, err
		},
	})
	o := api.ServerOptions{
		Socket: api.SocketPath(a.cfg, opts.RuntimeDir), Lasting: opts.Socket, Listen: a.cfg.Admin.Listen, NotReady: a.notReady,
		Metrics: promhttp.HandlerFor(newMetrics(a.Status, append(append(a.stats.Collectors(), a.calls.Collectors()...), served.Collectors()...)...), promhttp.HandlerOpts{}),
		Page:    web.New(web.Options{API: served, Name: a.cfg.Name, Tokens: a.cfg.Admin.TokensFile != "", Now: a.now}),
	}
	if a.cfg.Admin.TLS {
		o.Certificate = a.list.Certificate
	}
	if a.admin, err = served.Listen(o); err != nil {
		return err
	}
	a.teardown.Push("listening for the admin interface", func(context.Context) error { return a.admin.Close() })
	return nil
}

// servedStore is the store that the API answers from; the error says why there is none.
func servedStore(a *Agent) (*store.Store, error) {
	if st := a.store.Load(); st != nil && a.feed.Load() != nil {
		return st, nil
	}
	if lost := a.health.LostError(); lost != nil {
		return nil, fmt.Errorf("the daemon refuses its database: %w", lost)
	}
	if a.now().Sub(a.started).Abs() < justBegun {
		return nil, api.ErrBeginning
	}
	return nil, errors.New("the daemon has not reached its database yet; activedefense status says why")
}
