package panosim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"activedefense/firewall/panosim/dialect"
)

// Options says which firewall to simulate. The zero value is a PA-VM with PAN-OS 10.2.9-h1, one virtual system,
// one administrator key and the zero Dialect.
type Options struct {
	Version  string // of PAN-OS, three numbers and an optional hotfix; "" is 10.2.9-h1
	Model    string // "" is PA-VM
	Serial   string // "" is 007000000000001
	Hostname string // "" is lab-fw-01
	Listen   string // management address as host:port; "" is a free port of 127.0.0.1

	Admin       string            // owner of APIKey, and of the edits made with it; "" is "admin"
	APIKey      string            // "" makes one up
	Users       map[string]string // name to password, for keygen; nil refuses every keygen
	KeyLifetime time.Duration     // 0: keys do not expire, and one user always gets the same key

	VSys    []string // virtual systems; nil is vsys1 alone. The first one is meant when a call names none
	Dialect dialect.Dialect

	// Config is the running configuration at the start as XML, <config>...</config>; "" is a factory default: the
	// zones trust and untrust in each virtual system, and no rules.
	Config string
	// CommitTime is how long a commit takes by the firewall's clock; 0: it has ended when it is first asked for.
	CommitTime time.Duration

	// MaxRegistered is the platform's limit of registered addresses over all virtual systems, and MaxListEntries that
	// of entries of External Dynamic Lists that rules name; 0 is what the documentation says of the model.
	MaxRegistered, MaxListEntries int

	MaxRequest   int64         // largest request body in bytes; 0 is 5 MiB (PAN-OS XML API documentation)
	Latency      time.Duration // every call takes at least this long
	GroupLag     time.Duration // dynamic address groups know what is registered so much later, by the firewall's clock
	FetchTimeout time.Duration // of one External Dynamic List, by the wall clock; 0 is 30 s

	Now      func() time.Time  // the firewall's clock; nil is time.Now
	OnChange func(Change)      // called after each change, outside all locks; nil: nobody is told
	OnLog    func(line []byte) // called for each syslog message with its header, outside all locks; to be read only
}

// Defaults of Options, each from the place its comment there names.
const (
	defaultVersion    = "10.2.9-h1"
	defaultMaxRequest = 5 << 20
	maxQuery          = 2048 // bytes of a URL's query: "GET ... less than 2K" in the PAN-OS XML API documentation
)

// withDefaults fills in what the zero value leaves open.
func (o Options) withDefaults() Options {
	def := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	def(&o.Version, defaultVersion)
	def(&o.Model, "PA-VM")
	def(&o.Serial, "007000000000001")
	def(&o.Hostname, "lab-fw-01")
	def(&o.Listen, "127.0.0.1:0")
	def(&o.Admin, "admin")
	if len(o.VSys) == 0 {
		o.VSys = []string{"vsys1"}
	}
	o.VSys = slices.Clone(o.VSys)
	o.limits()
	if o.FetchTimeout == 0 {
		o.FetchTimeout = defaultFetchTimeout
	}
	if o.MaxRequest == 0 {
		o.MaxRequest = defaultMaxRequest
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Sim is one running firewall. Its methods may be called from any goroutine.
type Sim struct {
	opts    Options
	version dialect.Version
	cert    *certificate
	shown   atomic.Pointer[tls.Certificate] // what handshakes present
	addr    string                          // to listen at, with the port
	url     string

	closing chan struct{} // closed by Close: ends hangs and delays
	life    context.Context
	end     context.CancelFunc // of life, with closing
	shut    sync.Once
	running sync.WaitGroup // handlers and accepting

	network  sync.Mutex   // held while the firewall goes down or up
	server   *http.Server // nil: down
	listener net.Listener

	meter    meter
	faults   faults
	keys     keyring
	boot     boot
	panorama *Panorama            // nil: this is a firewall
	seat     atomic.Pointer[seat] // in a HA pair; nil: alone

	mu      sync.Mutex // guards what follows
	closed  bool
	dialect dialect.Dialect
	pushed  pushed
	latency time.Duration
	denied  map[string]bool // types of call that the administrator's role forbids
	tables  map[string]*table
	syslog  []LogLine
	booted  time.Time
	changes uint64
	onPage  func(Page)
	config  configuration
	jobs    jobList
	plane   plane
}

// Start begins to serve at Options.Listen, with a certificate of an authority made for this instance. The caller
// ends it with Close.
func Start(o Options) (*Sim, error) { return startAs(o, nil) }

// startAs begins to serve, as a Panorama if one is given.
func startAs(o Options, p *Panorama) (*Sim, error) {
	o = o.withDefaults()
	v, err := dialect.ParseVersion(o.Version)
	if err != nil {
		return nil, fmt.Errorf("start simulated firewall: %w", err)
	}
	listener, names, err := listen(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("start simulated firewall: %w", err)
	}
	cert, err := newCertificate(time.Now(), names...)
	if err != nil {
		return nil, fmt.Errorf("start simulated firewall: %w", errors.Join(err, listener.Close()))
	}
	life, end := context.WithCancel(context.Background())
	s := &Sim{
		opts: o, version: v, cert: cert, panorama: p, addr: listener.Addr().String(), url: "https://" + reachable(listener.Addr()),
		closing: make(chan struct{}), life: life, end: end,
		dialect: o.Dialect, latency: o.Latency, booted: o.Now(),
		denied: map[string]bool{}, tables: map[string]*table{},
	}
	for _, name := range o.VSys {
		s.tables[name] = newTable()
	}
	s.shown.Store(cert.leaf)
	s.keys.init(o)
	if err := s.config.init(o); err != nil {
		end()
		return nil, fmt.Errorf("start simulated firewall: %w", errors.Join(err, listener.Close()))
	}
	s.startPlane()
	if p != nil {
		p.Sim = s
	}
	s.serve(listener)
	return s, nil
}

// serve begins to accept connections.
func (s *Sim) serve(listener net.Listener) {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 30 * time.Second,
		TLSConfig: &tls.Config{
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.shown.Load(), nil },
			MinVersion:     tls.VersionTLS12,
		},
		// Not HTTP/2: a reset is made by taking over the connection, which only HTTP/1.1 allows.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
		// Refused handshakes are what some tests are about; they are not worth a line on standard error.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	s.server, s.listener = server, listener
	s.running.Go(func() {
		if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.logLocked("critical", "general", "management server ended: "+err.Error())
		}
	})
}

// Down cuts every connection and refuses new ones until Up. What is registered stays, and timers go on.
func (s *Sim) Down() {
	s.network.Lock()
	if s.server != nil {
		// The errors are those of closing the listener, which nobody can act on here. It is closed once more because
		// a server that was only just started may not know it yet, and the port must be free on return.
		_ = s.server.Close()
		_ = s.listener.Close()
		s.server = nil
	}
	s.network.Unlock()
	s.pairCheck()
}

// While the firewall is down another process may get its port, if only for a connection of its own. It is tried again
// every portPause, for portWait, by the wall clock.
const (
	portPause = 20 * time.Millisecond
	portWait  = 10 * time.Second
)

// Up listens again at the same address after Down. The error says that another process has taken the port, or that the
// firewall is closed.
func (s *Sim) Up() error {
	err := s.up()
	for begun := time.Now(); errors.Is(err, syscall.EADDRINUSE) && time.Since(begun) < portWait && s.wait(s.life, portPause); {
		err = s.up()
	}
	if err != nil {
		return fmt.Errorf("bring simulated firewall up: %w", err)
	}
	s.pairCheck()
	return nil
}

func (s *Sim) up() error {
	s.network.Lock()
	defer s.network.Unlock()
	select {
	case <-s.closing:
		return net.ErrClosed
	default:
	}
	if s.server != nil {
		return nil
	}
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.serve(listener)
	return nil
}

// listening says that the firewall is not down.
func (s *Sim) listening() bool {
	s.network.Lock()
	defer s.network.Unlock()
	return s.server != nil
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
	s.shut.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.network.Lock()
		close(s.closing)
		s.end()
		s.network.Unlock()
		s.Down()
		s.running.Wait()
	})
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
