// Package edl serves the blacklist as an External Dynamic List: a plain text file over HTTPS that firewalls fetch.
//
// Everything here follows from two facts of the PAN-OS documentation ("External Dynamic List", "Authentication for
// External Dynamic Lists"): a firewall that cannot reach the list goes on with the copy it has, and one whose fetch
// fails authentication, because of an expired or unknown certificate or a refused login, stops enforcing the list. So a
// list that is not known to be right is answered with 503, a client that may not read gets its connection closed
// instead of 401 or 403, and an expired certificate is never shown to anybody.
//
// The package decides neither who is blocked nor what may never be blocked; it serves what it is given. It does not
// tell firewalls to fetch.
package edl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/durable"
)

// Files of the state folder without CertFile.
const (
	CAFile          = "ca.crt"     // the authority, in PEM, which the firewalls import
	CertificateFile = "server.pem" // the certificate and its key
)

// Options say what is served where. Listen, Path and StateDir are required.
type Options struct {
	Listen string // address to bind, as for net.Listen: ":8443"; port 0 takes a free one
	Path   string // the only path served, from its slash: "/files/blacklist.txt"

	// CertFile and KeyFile are PEM files, read again when they change. Both empty: an own CA and a certificate made by
	// it, both kept in StateDir.
	CertFile, KeyFile string
	// StateDir holds the last good list and, without CertFile, the CA (CAFile, ca.key) and the certificate (CertificateFile).
	// It is made if it does not exist.
	StateDir string

	Allow      []netip.Prefix // networks that may read; empty: all
	MaxEntries int            // entries served at most; package room says which are left out. 0: no limit
	EmptyEntry netip.Addr     // the one line of an empty list; the zero value is 192.0.2.255
	Hosts      []string       // more host names and addresses for the own certificate: what the firewalls use in the URL

	// MayBlock is asked for each entry of the last good list, which may be older than the allow-list: false leaves it out.
	// nil: all may. Publish does not ask; its caller decides what it passes.
	MayBlock func(netip.Prefix) bool

	// After is the server that ran before in this process, which has been stopped by the time that LoadLastGood is called: what it
	// served is newer than its file where that could not be written. Who fetched it is known on. nil: none did.
	After *Server

	Logger zerolog.Logger
	Now    func() time.Time // nil: time.Now. Tells certificates' validity and the times in Status
}

// Server holds one list and serves it. All methods may be called at the same time, except Listen and Run, which are
// called once each.
type Server struct {
	opts    Options
	log     zerolog.Logger
	now     func() time.Time
	limits  limits
	certs   *certificates
	caFile  string // "" with CertFile
	caEnds  time.Time
	clients clients
	gate    gateCounts
	distrusted,
	unready atomic.Uint64

	current atomic.Pointer[snapshot] // nil: not loaded. What readers see by list; never changed once it is here
	behind  atomic.Pointer[behind]   // nil: there is no pause

	// publishing orders Publish, LoadLastGood and the taking of what is saved.
	publishing sync.Mutex
	keep       kept
	cut        cutLog
	saver      saver

	listener net.Listener
}

// limits are fixed in production; tests make them smaller.
type limits struct {
	connections, perAddress             int
	header, read, write, idle, shutdown time.Duration
	headerBytes                         int
	certificates                        time.Duration // between looks at the certificate's age and files
}

// A fetch is one small request and at most a few megabytes in answer. 128 connections serve a large fleet that fetches on the
// same second (the rest waits in the kernel's queue); 16 for an address leave room for firewalls behind one translated
// address and keep a single one from taking all.
func defaultLimits() limits {
	return limits{
		connections: 128, perAddress: 16, headerBytes: 8 << 10, certificates: 5 * time.Second,
		header: 10 * time.Second, read: 15 * time.Second, write: time.Minute, idle: 30 * time.Second, shutdown: 4 * time.Second,
	}
}

// New checks the options and makes the certificates ready; on the first run that writes the CA. Nothing listens yet.
// Errors are about options, unreadable certificates and a CA that is not whole; the text says what to do.
func New(o Options) (*Server, error) {
	return newServer(o, defaultLimits(), machineNames)
}

func newServer(o Options, l limits, machine func() names) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if !o.EmptyEntry.IsValid() {
		o.EmptyEntry = netip.AddrFrom4([4]byte{192, 0, 2, 255})
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.StateDir, 0o700); err != nil {
		return nil, fmt.Errorf("edl: create the state folder: %w", err)
	}
	s := &Server{opts: o, log: o.Logger, now: o.Now, limits: l}
	source, err := s.certificateSource(machine)
	if err != nil {
		return nil, fmt.Errorf("edl: %w", err)
	}
	s.certs = &certificates{source: source, log: o.Logger}
	if err := s.certs.start(o.Now()); err != nil {
		return nil, fmt.Errorf("edl: %w", err)
	}
	s.saver.wake, s.saver.told = make(chan struct{}, 1), make(chan struct{})
	s.saver.write = func(path string, data []byte) error { return durable.Write(path, data, 0o600, (*os.File).Sync) }
	s.keep.restore(s.lastGoodFile())
	return s, nil
}

func (o *Options) check() error {
	var faults []error
	fault := func(bad bool, text string) {
		if bad {
			faults = append(faults, errors.New("edl: "+text))
		}
	}
	fault(o.Listen == "", "no address to listen on")
	fault(!strings.HasPrefix(o.Path, "/"), fmt.Sprintf("path %q does not begin with a slash", o.Path))
	fault(o.StateDir == "", "no state folder")
	fault((o.CertFile == "") != (o.KeyFile == ""), "a certificate file and a key file must be set together")
	fault(o.MaxEntries < 0, fmt.Sprintf("the largest number of entries is negative (%d)", o.MaxEntries))
	fault(o.EmptyEntry.Zone() != "", fmt.Sprintf("the empty-list entry %s has a zone", o.EmptyEntry))
	for _, p := range o.Allow {
		fault(!p.IsValid(), "an allowed network is not valid")
	}
	return errors.Join(faults...)
}

// Listen binds the address. After it Addr tells the port and connections wait for Run.
func (s *Server) Listen() error {
	l, err := net.Listen("tcp", s.opts.Listen)
	if err != nil {
		return fmt.Errorf("edl: listen: %w", err)
	}
	s.listener = l
	return nil
}

// Addr is where the list is served; nil before Listen.
func (s *Server) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Run serves until ctx ends and returns nil then; it binds first if Listen was not called. It renews or reloads the
// certificate and saves the last good list meanwhile, and once more at the end. Shutting down takes 5 seconds at most:
// fetches that are not done by then are cut off.
func (s *Server) Run(ctx context.Context) error {
	if s.listener == nil {
		if err := s.Listen(); err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	group.Go(func() { s.saveLoop(ctx) })
	group.Go(func() { s.watchClients(ctx) })
	group.Go(func() { s.certs.watch(ctx, s.limits.certificates, s.now) })

	server := s.httpServer()
	closing := make(chan struct{})
	go func() {
		defer close(closing)
		<-ctx.Done()
		// The context that ended cannot bound what comes after it.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limits.shutdown)
		defer cancel()
		if server.Shutdown(last) != nil {
			_ = server.Close() // nothing is lost: the firewall keeps its copy
		}
	}()
	err := server.Serve(s.tlsListener())
	stop()
	<-closing
	group.Wait()
	s.saveOnce() // what was published while the last fetches ended
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("edl: serve: %w", err)
}
