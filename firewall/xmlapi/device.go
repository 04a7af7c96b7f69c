package xmlapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/PaloAltoNetworks/pango"
)

// Info is what a firewall says about itself. The zero value: it was not reached yet.
type Info struct {
	Model, Serial, Version, Hostname string
	ThreatVersion                    string // of the threat content; "0": there is none; "": not told
	MultiVSys                        bool
}

// Device is one virtual system of one firewall: what is called, and as whom. Its methods may be called from any
// goroutine. Several devices can share a connection, see Sibling.
type Device struct {
	opts      Options
	conn      *connection
	transport *transport
	address   string // of the API
	api       *pango.Firewall
	info      atomic.Pointer[Info]
	closed    atomic.Bool

	calling sync.Mutex // held during one call of pango's

	mu   sync.Mutex // guards what follows
	past past
}

// connection is what all devices behind one management address share: the bound on calls in flight, and the key.
type connection struct {
	opts    Options
	base    *http.Transport
	slots   chan struct{}
	alone   sync.Map      // of chan struct{} by the target: what one device at a time may do, see Alone
	chosen  chan struct{} // holds one element while the virtual system of the session must stay as it was set
	secrets secrets
	keys    keyring // that calls carry; outlives key while another one is made
	shown   atomic.Pointer[Certificate]

	mu      sync.Mutex // held during a login; guards what follows
	key     string     // "": to be made from user name and password
	lockout lockout
}

// Open checks the options. It makes no call.
func Open(opts Options) (*Device, error) {
	host, port, err := opts.complete()
	if err != nil {
		return nil, fmt.Errorf("firewall %q: %w", opts.Name, err)
	}
	var roots *x509.CertPool
	if opts.CA != nil {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(opts.CA) {
			return nil, fmt.Errorf("firewall %q: the CA contains no PEM certificate", opts.Name)
		}
	}
	conn := &connection{opts: opts, base: dialer(roots, opts.InsecureSkipVerify), slots: make(chan struct{}, maxInFlight),
		chosen: make(chan struct{}, 1), key: opts.APIKey}
	conn.base.TLSClientConfig.VerifyConnection = conn.see
	conn.keys = keyring{secrets: &conn.secrets, held: opts.APIKey}
	conn.keys.set(opts.APIKey)
	conn.secrets.add(opts.Password)
	if opts.APIKey != "" {
		conn.keys.read = opts.ReadKey
	}
	return newDevice(conn, opts, host, port)
}

// Sibling gives another virtual system of the same firewall, or another firewall behind the same Panorama, over the
// same connection: with one key, and with no more calls in flight than one device may be given. Of opts only Name,
// VSys, Target and OnCall matter. Close ends a sibling alone.
func (d *Device) Sibling(opts Options) (*Device, error) {
	own := d.conn.opts
	own.Name, own.VSys, own.Target, own.OnCall = opts.Name, opts.VSys, opts.Target, opts.OnCall
	host, port, err := own.complete()
	if err != nil {
		return nil, fmt.Errorf("firewall %q: %w", opts.Name, err)
	}
	return newDevice(d.conn, own, host, port)
}

// Clone gives the same firewall once more, for calls that shall not wait for those of d, nor d's for them: a Device makes
// one call at a time. The connection is shared, see Sibling.
func (d *Device) Clone() (*Device, error) { return d.Sibling(d.opts) }

func newDevice(conn *connection, opts Options, host string, port uint) (*Device, error) {
	d := &Device{opts: opts, conn: conn, address: "https://" + host + "/api/"}
	if port != 0 {
		d.address = fmt.Sprintf("https://%s:%d/api/", host, port)
	}
	d.transport = newTransport(&attempts{base: conn.base, timeout: opts.Timeout, slots: conn.slots}, &conn.keys, opts.UserAgent, opts.Target)
	if opts.RetryWait > 0 {
		d.transport.retry.RetryWaitMin, d.transport.retry.RetryWaitMax = opts.RetryWait, opts.RetryWait
	}
	var err error
	if d.api, err = newClient(host, port, d.transport); err != nil {
		return nil, fmt.Errorf("firewall %q: %w", opts.Name, err)
	}
	return d, nil
}

// newClient makes pango's client, and makes it usable. It can only be done by Initialize, which wants an answer to "show system info"
// and panics on versions that it does not know; so it is given one of ours, and nothing is sent.
func newClient(host string, port uint, transport *transport) (*pango.Firewall, error) {
	// Without the empty map net/http would set up HTTP/2 for the carrier, find "https" taken, and complain on the
	// global log.
	carrier := &http.Transport{TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	carrier.RegisterProtocol("https", transport)
	api := &pango.Firewall{Client: pango.Client{
		Hostname: host, Port: port, Protocol: "https",
		ApiKey:    "in-the-header", // pango insists on one in the form; the transport takes it out
		Timeout:   int((365 * 24 * time.Hour).Seconds()),
		Transport: carrier,
		Logging:   pango.LogQuiet,
	}}
	transport.setCanned([]byte(`<response status="success"><result>` +
		`<system><sw-version>8.1.0</sw-version></system></result></response>`))
	defer transport.setCanned(nil)
	return api, api.Initialize()
}

// call makes one call through pango and gives the answer, which is a complete PAN-OS document that reports success. Every
// error is an *Error.
func (d *Device) call(ctx context.Context, kind, op string, do func() ([]byte, error)) ([]byte, error) {
	return d.callFor(ctx, kind, op, head.err, do)
}

// callFor is call with a judge of its own over what the answer says of itself.
func (d *Device) callFor(ctx context.Context, kind, op string, judge func(head) *Error, do func() ([]byte, error)) (body []byte, err error) {
	began := time.Now()
	defer func() {
		if d.opts.OnCall != nil {
			told := err
			if absent(err) {
				told = nil // that something is not there is an answer
			}
			d.opts.OnCall(kind, time.Since(began), told)
		}
	}()
	if d.closed.Load() {
		return nil, d.Fail(op, &Error{Kind: KindCanceled, Text: "closed", Err: net.ErrClosed})
	}
	d.calling.Lock()
	defer d.calling.Unlock()
	body, err = d.transport.during(ctx, func() (body []byte, err error) {
		// pango slices foreign text without looking. What reaches it was checked, but one firewall must not end the
		// program.
		defer func() {
			if r := recover(); r != nil {
				err = &Error{Kind: KindMalformed, Text: fmt.Sprintf("internal error while reading the response: %v", r)}
			}
		}()
		return do()
	})
	if body == nil {
		if err == nil {
			err = &Error{Kind: KindMalformed, Text: "no response"}
		}
		return nil, d.Fail(op, err)
	}
	// pango's own reading of the answer is not used: it loses the per-address texts, and takes some successes for
	// errors.
	h, err := inspect(body)
	if err != nil {
		return nil, d.Fail(op, &Error{Kind: KindMalformed, Text: err.Error(), Err: err})
	}
	if s, ok := ctx.Value(streamKey{}).(*streamed); ok {
		h = s.head
	}
	if e := judge(h); e != nil {
		return nil, d.Fail(op, e)
	}
	return body, nil
}

// Fail gives err a name, and its text a shape that can be logged.
func (d *Device) Fail(op string, err error) *Error {
	e := &Error{}
	var known *Error
	switch {
	case errors.As(err, &known):
		*e = *known
	case errors.Is(err, context.Canceled):
		*e = Error{Kind: KindCanceled, Text: "canceled", Err: err}
	default:
		*e = *failed(context.Background(), context.Background(), err)
	}
	e.Firewall, e.Op, e.Text = d.opts.Name, op, d.Tidy(e.Text)
	return e
}

// Tidy makes foreign text fit to print.
func (d *Device) Tidy(text string) string { return tidy(text, &d.conn.secrets) }

// Name is what errors call the firewall.
func (d *Device) Name() string { return d.opts.Name }

// VSys is the virtual system, such as vsys1.
func (d *Device) VSys() string { return d.opts.VSys }

// Username is whom the connection logs in as; "": the options gave only a key, and PAN-OS does not tell whose it is.
func (d *Device) Username() string { return d.conn.opts.Username }

// ThroughPanorama tells whether calls go to a Panorama, which passes them on.
func (d *Device) ThroughPanorama() bool { return d.opts.Target != "" }

// Insecure tells whether the firewall's certificate is not verified.
func (d *Device) Insecure() bool { return d.opts.InsecureSkipVerify }

// Now is the time by the clock of the options.
func (d *Device) Now() time.Time { return d.opts.Now() }

// Requests is how many requests were sent so far, repetitions included, those of siblings not.
func (d *Device) Requests() int64 { return d.transport.try.sent.Load() }

// Info gives what the firewall last said about itself.
func (d *Device) Info() Info {
	if i := d.info.Load(); i != nil {
		return *i
	}
	return Info{}
}

// Close ends the connections. A call that is running ends when its context does; later ones fail.
func (d *Device) Close() {
	d.closed.Store(true)
	d.conn.base.CloseIdleConnections()
}
