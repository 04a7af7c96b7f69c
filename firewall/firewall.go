// Package firewall keeps a PAN-OS firewall's registered addresses level with a blacklist: every address that shall
// be blocked bears one tag, which a dynamic address group of the firewall's policy matches. Registering needs no
// commit. Each registration carries a timeout, so that the firewall lets go by itself when nobody renews it.
//
// Firewall.Reconcile makes one pass; NewPlan, the decision what to change, is pure. Only what bears the tag is ever
// read as ours, renewed or removed; other tags on the same address stay. Nothing the firewall says is believed
// without need: every answer is checked, and a full pass reads back what it wrote.
//
// The package does not decide what is to be blocked, runs no loop, keeps nothing on disk, and does not see to it
// that a policy uses the tag.
package firewall

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/PaloAltoNetworks/pango"
)

// Info is what a firewall says about itself. The zero value: it was not reached yet.
type Info struct {
	Model, Serial, Version, Hostname string
	MultiVSys                        bool
}

// Firewall is one firewall. Its methods may be called from any goroutine; passes wait for one another.
type Firewall struct {
	opts      Options
	secrets   secrets
	transport *transport
	base      *http.Transport
	api       *pango.Firewall
	info      atomic.Pointer[Info]
	closed    atomic.Bool

	calling sync.Mutex // held during one call of pango's

	mu       sync.Mutex // held during a pass; guards what follows
	key      string     // "": to be made from user name and password
	lockout  lockout
	booted   time.Time // when the firewall started; zero: unknown
	version  version
	held     map[netip.Prefix]Registration // what the firewall holds as far as we know
	saved    map[netip.Prefix]time.Time    // given to Restore, until the first read
	stale    bool                          // held is in doubt: the next pass reads first
	refused  map[netip.Prefix]string       // not sent again before the next full pass
	replaces bool                          // renewing takes removing: registering again did not help
	batch    int                           // addresses in a message now: less than BatchSize after a timeout
}

// New checks the options. It opens no connection.
func New(opts Options) (*Firewall, error) {
	host, port, err := opts.complete()
	if err != nil {
		return nil, fmt.Errorf("firewall %q: %w", opts.Name, err)
	}
	var roots *x509.CertPool
	if opts.CA != nil {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(opts.CA) {
			return nil, fmt.Errorf("firewall %q: the CA holds no PEM certificate", opts.Name)
		}
	}
	f := &Firewall{
		opts: opts, key: opts.APIKey, stale: true, batch: opts.BatchSize,
		held: map[netip.Prefix]Registration{}, refused: map[netip.Prefix]string{},
	}
	f.secrets.add(opts.APIKey)
	f.secrets.add(opts.Password)
	f.base = dialer(roots, opts.InsecureSkipVerify)
	f.transport = newTransport(f.base, opts.Timeout, opts.UserAgent)
	f.transport.setKey(f.key)
	if err := f.prime(host, port); err != nil {
		return nil, fmt.Errorf("firewall %q: %w", opts.Name, err)
	}
	return f, nil
}

// prime makes pango's client usable. It can only be done by Initialize, which wants an answer to "show system info"
// and panics on versions that it does not know; so it is given one of ours, and nothing is sent.
func (f *Firewall) prime(host string, port uint) error {
	// Without the empty map net/http would set up HTTP/2 for the carrier, find "https" taken, and complain on the
	// global log.
	carrier := &http.Transport{TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	carrier.RegisterProtocol("https", f.transport)
	f.api = &pango.Firewall{Client: pango.Client{
		Hostname: host, Port: port, Protocol: "https",
		ApiKey:    "in-the-header", // pango insists on one in the form; the transport takes it out
		Timeout:   int((365 * 24 * time.Hour).Seconds()),
		Transport: carrier,
		Logging:   pango.LogQuiet,
	}}
	f.transport.setCanned([]byte(`<response status="success"><result>` +
		`<system><sw-version>8.1.0</sw-version></system></result></response>`))
	defer f.transport.setCanned(nil)
	return f.api.Initialize()
}

// call makes one call through pango and gives the answer, which is a complete PAN-OS document that reports success
// or per-address results. Every error is an *Error.
func (f *Firewall) call(ctx context.Context, kind, op string, do func() ([]byte, error)) (body []byte, err error) {
	began := time.Now()
	defer func() {
		if f.opts.OnCall != nil {
			f.opts.OnCall(kind, time.Since(began), err)
		}
	}()
	if f.closed.Load() {
		return nil, f.fail(op, &Error{Kind: KindCanceled, Text: "closed", Err: net.ErrClosed})
	}
	f.calling.Lock()
	defer f.calling.Unlock()
	body, err = f.transport.during(ctx, func() (body []byte, err error) {
		// pango slices foreign text without looking. What reaches it was checked, but one firewall must not end the
		// program.
		defer func() {
			if r := recover(); r != nil {
				err = &Error{Kind: KindMalformed, Text: fmt.Sprintf("the answer was more than pango can read: %v", r)}
			}
		}()
		return do()
	})
	if body == nil {
		if err == nil {
			err = &Error{Kind: KindMalformed, Text: "no answer"}
		}
		return nil, f.fail(op, err)
	}
	// pango's own reading of the answer is not used: it loses the per-address texts, and takes some successes for
	// errors.
	h, err := inspect(body)
	if err != nil {
		return nil, f.fail(op, &Error{Kind: KindMalformed, Text: err.Error(), Err: err})
	}
	if h.UID && (kind == kindRegister || kind == kindUnregister) && h.Status != "unauth" {
		return body, nil
	}
	if e := h.err(); e != nil {
		return nil, f.fail(op, e)
	}
	return body, nil
}

// fail gives err a name, and its text a shape that can be logged.
func (f *Firewall) fail(op string, err error) *Error {
	e := &Error{}
	var known *Error
	if errors.As(err, &known) {
		*e = *known
	} else {
		*e = *failed(context.Background(), context.Background(), err)
	}
	e.Firewall, e.Op, e.Text = f.opts.Name, op, tidy(e.Text, &f.secrets)
	return e
}

// Info gives what the firewall last said about itself.
func (f *Firewall) Info() Info {
	if i := f.info.Load(); i != nil {
		return *i
	}
	return Info{}
}

// Restore tells until when the firewall holds what, as reported by an earlier run. It spares renewing everything
// after a restart; what is not told is renewed.
func (f *Firewall) Restore(until map[netip.Prefix]time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.saved == nil {
		f.saved = make(map[netip.Prefix]time.Time, len(until))
	}
	for p, t := range until {
		if p, ok := normal(p); ok {
			f.saved[p] = t
		}
	}
}

// Close ends the connections. A pass that is running ends when its context does; later ones fail.
func (f *Firewall) Close() {
	f.closed.Store(true)
	f.base.CloseIdleConnections()
}
