package panosim

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"activedefense/firewall/panosim/archive"
	"activedefense/firewall/panosim/candidate"
	"activedefense/firewall/panosim/dataplane"
	"activedefense/firewall/panosim/devicegroup"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/edl"
	"activedefense/firewall/panosim/jobs"
	"activedefense/firewall/panosim/logs"
	"activedefense/firewall/panosim/network"
	"activedefense/firewall/panosim/traffic"
	"activedefense/firewall/panosim/userid"
)

// Sim is one running firewall. Its methods, and those of what it gives, may be called from any goroutine.
//
// It is a house of halls: what the firewall holds is owned by the configuration, the jobs, the registry, the policies,
// the lists, the data plane, the network and what Panorama pushed. They know nothing of calls and connections, and of one another what
// they are given when they are made. One lock, that of the Sim, guards them all, for a commit or a call touches several.
type Sim struct {
	opts    Options
	version dialect.Version
	life    *lifetime
	server  *server
	cert    *certificate
	shown   atomic.Pointer[tls.Certificate] // what handshakes present
	url     string

	meter     meter
	faults    faults
	keys      keyring
	boot      boot
	syslog    *logs.System
	forwarder *logs.Forwarder
	panorama  *Panorama            // nil: this is a firewall
	seat      atomic.Pointer[seat] // in a HA pair; nil: alone

	mu       sync.Mutex // guards what follows
	dialect  dialect.Dialect
	latency  time.Duration
	denied   map[string]bool // types of call that the administrator's role forbids
	booted   time.Time
	onPage   func(userid.Page)
	jobs     *jobs.List
	pushed   *devicegroup.Pushed
	config   *candidate.Config
	registry *userid.Registry
	policies *traffic.Policies
	lists    *edl.Lists
	plane    *dataplane.Plane
	network  *network.Network
	archive  *archive.Archive
}

// Start begins to serve at Options.Listen, with a certificate of an authority made for this instance. The caller
// ends it with Close.
func Start(o Options) (*Sim, error) { return startAs(o, nil) }

// startAs begins to serve, as a Panorama if one is given.
func startAs(o Options, p *Panorama) (*Sim, error) {
	s, err := newSim(o)
	if err != nil {
		return nil, fmt.Errorf("start simulated firewall: %w", err)
	}
	listener, names, err := listen(s.opts.Listen)
	if err != nil {
		s.life.close()
		return nil, fmt.Errorf("start simulated firewall: %w", err)
	}
	if s.cert, err = newCertificate(time.Now(), names...); err != nil {
		s.life.close()
		return nil, fmt.Errorf("start simulated firewall: %w", errors.Join(err, listener.Close()))
	}
	s.shown.Store(s.cert.leaf)
	s.url = "https://" + reachable(listener.Addr())
	s.server = &server{handler: s, certificate: &s.shown, address: listener.Addr().String(), life: s.life, failed: func(err error) {
		s.syslog.Write("critical", "general", "management server ended: "+err.Error())
	}}
	if s.panorama = p; p != nil {
		p.Sim = s
	}
	if err := s.server.serve(listener); err != nil {
		return nil, fmt.Errorf("start simulated firewall: %w", err)
	}
	return s, nil
}

// newSim makes a firewall that runs its configuration, without a network.
func newSim(o Options) (*Sim, error) {
	o = o.withDefaults()
	v, err := dialect.ParseVersion(o.Version)
	if err != nil {
		return nil, err
	}
	s := &Sim{
		opts: o, version: v, life: newLifetime(), dialect: o.Dialect, latency: o.Latency, booted: o.Now(), denied: map[string]bool{},
		syslog: logs.NewSystem(o.Now), pushed: devicegroup.NewPushed(o.Serial, o.VSys),
	}
	s.keys.init(o)
	if err := s.furnish(); err != nil {
		s.life.close()
		return nil, fmt.Errorf("Options.Config: %w", err)
	}
	return s, nil
}

// furnish makes the halls, each with what it needs of the others.
func (s *Sim) furnish() error {
	o, v := s.opts, s.version
	s.jobs = jobs.New(jobs.Options{Now: o.Now, Version: v, Dialect: &s.dialect, Lock: &s.mu, Go: s.life.run, Last: o.LastJob})
	running := o.Config
	if running == "" {
		running = candidate.Factory(v, o.Admin, o.Hostname, o.VSys)
	}
	device := logs.Device{Serial: o.Serial, Hostname: o.Hostname, Version: o.Version, Release: v}
	s.archive = archive.New(archive.Options{Now: o.Now, Device: device, System: s.syslog})
	var err error
	if s.config, err = candidate.New(running, candidate.Options{
		Now: o.Now, Version: v, Dialect: &s.dialect, VSys: o.VSys, CommitTime: o.CommitTime, Jobs: s.jobs, Pushed: s.pushed, Done: s.archive.Edited,
	}); err != nil {
		return err
	}
	s.registry = userid.New(userid.Options{
		Now: o.Now, Version: v, Dialect: &s.dialect, VSys: o.VSys, MaxRegistered: o.MaxRegistered, GroupLag: o.GroupLag, Log: s.syslog.Write,
	})
	s.network = network.New(s.config.Running)
	s.policies = traffic.NewPolicies(o.VSys, s.config.Running, s.pushed)
	s.lists = edl.New(edl.Options{
		Now: o.Now, Dialect: &s.dialect, Admin: o.Admin, VSys: o.VSys, MaxEntries: o.MaxListEntries, FetchTimeout: o.FetchTimeout,
		Policies: s.policies, Jobs: s.jobs, Lock: &s.mu, Log: s.syslog.Write,
	})
	roots := func() *x509.CertPool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return traffic.Imported(s.config.Running(), o.Now())
	}
	s.forwarder = logs.NewForwarder(logs.ForwarderOptions{
		Now: o.Now, Roots: roots, OnLog: o.OnLog, Count: s.meter.logged, Log: s.syslog.Write, Go: s.life.run,
	})
	s.plane = dataplane.New(dataplane.Options{
		Now: o.Now, Device: device, Dialect: &s.dialect, Keep: s.archive.Keep,
		Policies: s.policies, Registry: s.registry, Lists: s.lists, Log: s.syslog.Write,
		Running:  s.config.Running,
		HostName: func() string { return logs.HostName(s.config.Running(), o.Hostname) },
	})
	s.config.OnCommit(s.policyChangedLocked)
	return nil
}

// policyChangedLocked takes in another running configuration or another push of Panorama's: the policy is compiled
// anew when it is next needed, and the External Dynamic Lists are fetched.
func (s *Sim) policyChangedLocked() {
	s.policies.Forget()
	s.lists.Refresh()
}

// Down cuts every connection and refuses new ones until Up. What is registered stays, and timers go on.
func (s *Sim) Down() {
	s.server.down()
	s.seat.Load().check()
}

// Up listens again at the same address after Down. The error says that another process has taken the port, or that the
// firewall is closed.
func (s *Sim) Up() error {
	if err := s.server.up(); err != nil {
		return fmt.Errorf("bring simulated firewall up: %w", err)
	}
	s.seat.Load().check()
	return nil
}

// URL is the firewall's management address, without a path.
func (s *Sim) URL() string { return s.url }

// CA is the certificate of the authority that signed the firewall's certificate, in PEM.
func (s *Sim) CA() []byte { return slices.Clone(s.cert.authority) }

// Transport gives a new HTTP transport that trusts the firewall's authority and nothing else.
func (s *Sim) Transport() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.cert.pool(), MinVersion: tls.VersionTLS12}}
}

// Close ends every call in progress and stops serving. It may be called more than once.
func (s *Sim) Close() {
	if s.life.close() {
		s.Down()
		s.life.done()
	}
}

// SetDialect changes how the firewall behaves from the next call on.
func (s *Sim) SetDialect(d dialect.Dialect) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dialect = d
}

// SetLatency changes how long every call takes at least.
func (s *Sim) SetLatency(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = d
}

// SystemLog gives the lines of the system log, oldest first; at most the last thousand.
func (s *Sim) SystemLog() []logs.SystemLine { return s.syslog.Lines() }

// Jobs gives the list of jobs, oldest first; at most the last two hundred.
func (s *Sim) Jobs() []jobs.Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jobs.All()
}

// AddJob puts a job into the list that has nothing to do with the client (an Install keeps commits out), and gives
// the function that ends it, with the lines of its details.
func (s *Sim) AddJob(kind, user string) (end func(ok bool, details ...string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	finish := s.jobs.Hold(kind, user)
	return func(ok bool, details ...string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		finish(jobs.Result{OK: ok, Details: details})
	}
}

// tell reports changes, and has the HA peer follow them. The caller holds no lock: who is told may call the firewall.
func (s *Sim) tell(changes []userid.Change) {
	s.seat.Load().mirror(changes)
	if s.opts.OnChange == nil {
		return
	}
	for _, c := range changes {
		s.opts.OnChange(c)
	}
}
