package agent

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/api"
	"activedefense/agent/clock"
	"activedefense/agent/edl"
	"activedefense/agent/enforce"
	"activedefense/agent/geo"
	"activedefense/agent/health"
	"activedefense/agent/labels"
	"activedefense/agent/line"
	"activedefense/agent/listen"
	"activedefense/agent/loop"
	"activedefense/agent/members"
	"activedefense/agent/notify"
	"activedefense/agent/own"
	"activedefense/agent/pace"
	"activedefense/agent/release"
	"activedefense/agent/state"
	"activedefense/agent/teardown"
	"activedefense/agent/trouble"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// DatabaseFile is the name of the SQLite database in the state folder.
const DatabaseFile = state.DatabaseFile

// Options are what an agent needs beside its configuration.
type Options struct {
	Version string
	Logger  zerolog.Logger
	// Config is the file that the configuration was read from, "" for the built-in defaults, and Loaded is when. They are told in the status.
	Config string
	Loaded time.Time
	// RuntimeDir is the folder below /run that the service manager made, in which the socket is; "": there is none.
	RuntimeDir string
	// Reload has the configuration read again, which ends this agent if there is no fault in it; nil: nobody can.
	Reload func(context.Context) (faults []string, err error)
	// Sockets are those that inputs listen on, which outlive an agent; nil: the agent has its own.
	Sockets *listen.Sockets
	// Socket is that of the API, which outlives an agent; nil: the agent has its own.
	Socket *api.Lasting
	// After is the agent, which has stopped, whose place this one takes in the same process: it goes on with its counters, and with since
	// when things are as they are. nil: there was none.
	After *Agent
}

// Agent is one run of the program with one configuration. It is used once: New, Run, Close.
type Agent struct {
	cfg     *config.Config
	version string
	loaded  ConfigurationStatus     // without what was refused
	refused atomic.Pointer[refusal] // the last reload, if it was
	reload  func(context.Context) ([]string, error)
	log     zerolog.Logger
	now     func() time.Time
	started time.Time
	begun   time.Time // when the first of the agents in this process started

	teardown  teardown.Teardown
	failed    context.CancelCauseFunc // ends Run
	instance  string                  // the agent's own name in a database
	list      *edl.Server             // nil when no list is served
	serve     chan struct{}           // closed: the list's listener is to be opened
	opened    chan error              // what came of that
	admin     *api.Server
	listeners *listen.Server
	fleet     *enforce.Fleet
	calls     *enforce.Calls
	stats     *line.Stats
	health    health.Health
	clock     *clock.Clock // what can be believed of now
	brake     release.Brake
	lookout   *line.Lookout
	noticed   trouble.Memory
	notices   *notify.Notifier
	geo       *geo.File // nil when there is none
	pace      *pace.Pace
	labels    *labels.Set                      // refreshed by start, then by refreshGuard alone
	announce  loop.Wakeup                      // what may never be blocked may have changed: the others on the database are told
	members   atomic.Pointer[members.Members]  // nil until the store was reached
	relist    loop.Wakeup                      // what label files list may have changed, or what may be blocked
	leftOut   atomic.Pointer[[]labels.Trouble] // of what they list, and is not blocked; nil before that was looked at
	own       *own.Addresses
	taking    sync.Mutex      // held while what is known is read from the database
	allowed   store.AllowList // as it was read last
	renewing  sync.Mutex      // held while what is known is put together, so that the latest stays
	guard     atomic.Pointer[detect.Guard]
	known     atomic.Pointer[own.Known]     // the guard among it
	store     atomic.Pointer[store.Store]   // nil until it was reached
	feed      atomic.Pointer[feed]          // nil until the blacklist was loaded
	bound     atomic.Pointer[state.Bounder] // nil until the blacklist was loaded
	seal      atomic.Pointer[state.Sealer]  // nil until the blacklist was loaded
	reading   atomic.Bool                   // the inputs are open
	ending    atomic.Bool                   // Run is about to end
}

// New prepares an agent: the state folder with its lock, the certificates, the listeners of the admin
// interface, the firewalls. Nothing is read, served or called before Run. Errors mean that the
// configuration cannot work on this host.
func New(ctx context.Context, cfg *config.Config, opts Options) (*Agent, error) {
	a := &Agent{
		cfg: cfg, version: opts.Version, loaded: ConfigurationStatus{Path: opts.Config, LoadedAt: opts.Loaded}, reload: opts.Reload, log: opts.Logger, now: time.Now, started: time.Now(),
		own: own.New(cfg, nil), stats: line.NewStats(), calls: enforce.NewCalls(),
		serve: make(chan struct{}), opened: make(chan error, 1), relist: loop.NewWakeup(), announce: loop.NewWakeup(),
	}
	a.clock = clock.New(func() (time.Time, time.Duration) { now := a.now(); return now, now.Sub(a.started) })
	a.lookout = line.NewLookout(Inputs(cfg), a.stats, a.log)
	a.begun = a.started
	if opts.After != nil {
		a.begun = opts.After.begun
		a.stats.Continue(opts.After.stats)
		a.noticed.Continue(&opts.After.noticed)
	}
	if err := a.prepare(ctx, &opts); err != nil {
		a.Close()
		return nil, err
	}
	if opts.After != nil {
		a.fleet.Continue(opts.After.fleet.Status())
		a.notices.Continue(opts.After.notices)
	}
	return a, nil
}

// prepare takes what the agent needs on this host. What it took before an error, Close gives back.
func (a *Agent) prepare(ctx context.Context, opts *Options) error {
	cfg := a.cfg
	lock, instance, err := state.Open(ctx, cfg.StateDir, a.log)
	if err != nil {
		return err
	}
	a.instance = instance
	a.teardown.Push("using the state folder", func(context.Context) error { return lock.Close() })
	a.geo, a.pace = geo.Open(cfg.Geo.File, a.now), pace.Open(filepath.Join(cfg.StateDir, pace.FileName), a.log)
	a.labels = a.followLabels()
	a.own.Spare(own.Listed(a.labels.Lists()))
	a.own.Look(ctx)
	a.renew()
	if cfg.EDL.Listen != "" {
		if err := canListen(cfg.EDL.Listen); err != nil {
			return fmt.Errorf("edl.listen: %w", err)
		}
		var former *edl.Server
		if opts.After != nil {
			former = opts.After.list
		}
		if a.list, err = edl.New(edl.Options{
			Listen: cfg.EDL.Listen, Path: cfg.EDL.Path, CertFile: cfg.EDL.TLS.CertFile, KeyFile: cfg.EDL.TLS.KeyFile,
			StateDir: cfg.StateDir, Hosts: listHosts(cfg.EDL.URL), Allow: cfg.EDL.Allow, MaxEntries: cfg.EDL.MaxEntries, EmptyEntry: cfg.EDL.EmptyEntry,
			MayBlock: mayBlock(a.guard.Load), After: former, Logger: a.log.With().Str("part", "list").Logger(),
		}); err != nil {
			return fmt.Errorf("prepare the list: %w", err)
		}
	}
	if a.fleet, err = enforce.New(a.enforceOptions()); err != nil {
		return err
	}
	if a.notices, err = notify.New(notify.Options{Config: &cfg.Notify, Name: cfg.Name, Version: a.version, Logger: a.log, Now: a.now}); err != nil {
		return err
	}
	if err := openAPI(a, opts); err != nil {
		return err
	}
	return listenOn(a, opts) // the last: until nothing can fail any more, the sockets and connections of the agent before stay as they are
}

// mayBlock tells what may be blocked as far as a guard knows when it is asked.
func mayBlock(guard func() *detect.Guard) func(netip.Prefix) bool {
	return func(p netip.Prefix) bool { return guard().Check(p) == nil }
}

// enforceOptions ties the firewalls to the blacklist. Nothing is asked before it was loaded.
func (a *Agent) enforceOptions() enforce.Options {
	return enforce.Options{
		Config: a.cfg, Expected: Expected(a.cfg), Version: a.version,
		Blocked:  func() *enforce.Snapshot { return a.feed.Load().current.Load() },
		Enforced: func() *enforce.Snapshot { return a.feed.Load().enforced.Load() },
		Served:   func() *enforce.Snapshot { return a.feed.Load().served.Load() },
		Store:    a.store.Load, Calls: a.calls, Logger: a.log, Now: a.now, Started: a.started, Protected: a.takeProtected,
		MayBlock: func(p netip.Prefix) bool { return a.feed.Load().mayEnforce(p) },
	}
}

// canListen tries an address whose listener opens later, when there is something to serve: a configuration that
// cannot work is to be refused while there is another.
func canListen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return l.Close()
}

// listHosts gives the host of the list's URL, for its certificate.
func listHosts(listURL string) []string {
	u, err := url.Parse(listURL)
	if err != nil || u.Hostname() == "" {
		return nil // the configuration was validated; there is none
	}
	return []string{u.Hostname()}
}

// Close stops what runs and gives back what New took, the last first, within ten seconds. Run closes by itself.
func (a *Agent) Close() error { return a.teardown.Run(stopWithin) }

// storeWithin is how long closing the store may take, the last look at it included: a database server that hangs must
// leave time to stop serving the list in good order. With what reading (4 s) and the enforcers (1.5 s) may take to store
// their last, it is less than stopWithin.
const storeWithin = 2500 * time.Millisecond

// stopWithin is how long a stop may take, whatever hangs: of the ten seconds that are promised, what leaves the process
// time to end.
const stopWithin = 9 * time.Second

// begin starts a part, and has it stopped in its turn. A part that fails stops the agent; one that ends without an error
// is done.
func (a *Agent) begin(name string, run func(context.Context) error) {
	a.teardown.Push(name, spawn(a, run))
}

// spawn is begin for a part whose turn to be stopped is not that of its start: it gives what stops it.
func spawn(a *Agent, run func(context.Context) error) (stop func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		if err := run(ctx); err != nil {
			a.failed(err)
		}
		done <- nil // its error is what stopped the agent, if it was the first
	}()
	return func(ctx context.Context) error {
		cancel()
		return teardown.Await(ctx, done)
	}
}
