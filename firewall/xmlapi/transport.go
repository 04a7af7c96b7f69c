package xmlapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	// maxInFlight is how many calls one device is given at a time (PAN-OS documentation, "PAN-OS XML API
	// Components": limit concurrent calls to five).
	maxInFlight = 5
	// maxRequest is the largest message that PAN-OS takes, in bytes (PAN-OS documentation, "Apply User-ID Mapping
	// and Populate Dynamic Address Groups").
	maxRequest = 5 << 20
	// retries is how often a call that may be repeated is sent again after it failed fast. A call that timed out is
	// not: its time is used up.
	retries = 2

	retryWaitMin = 200 * time.Millisecond
	retryWaitMax = 2 * time.Second
)

// transport is the only way from pango to the network. pango ignores the HTTP status, takes any body, knows no
// context and puts the key into the form; all of that is put right here, below it: what reaches pango is a complete
// PAN-OS document with HTTP status 200, or an error.
type transport struct {
	retry *retryablehttp.Client
	try   *attempts
	agent string
	// target is the serial number of the firewall that a Panorama passes the call on to; "": there is no Panorama.
	target string

	keys *keyring // shared by all that call the same device

	mu  sync.Mutex
	ctx context.Context // of the call being made; pango's methods take none, so that it travels beside them. nil: none is
	// canned, if not nil, is the answer to everything, and nothing is sent.
	canned []byte
}

func newTransport(try *attempts, keys *keyring, agent, target string) *transport {
	t := &transport{try: try, keys: keys, agent: agent, target: target}
	t.retry = &retryablehttp.Client{
		HTTPClient:   &http.Client{Transport: try},
		RetryMax:     retries,
		RetryWaitMin: retryWaitMin,
		RetryWaitMax: retryWaitMax,
		CheckRetry:   again,
		Backoff:      retryablehttp.DefaultBackoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
	return t
}

// dialer is the transport to the device itself. No proxy of the environment is used: a management interface is
// reached directly, and HTTPS_PROXY is set for other destinations.
func dialer(roots *x509.CertPool, insecure bool) *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: maxInFlight,
		MaxConnsPerHost:     maxInFlight,
		IdleConnTimeout:     90 * time.Second,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, InsecureSkipVerify: insecure},
	}
}

// during runs one call of pango's under ctx. The caller sees to it that there is one at a time.
func (t *transport) during(ctx context.Context, call func() ([]byte, error)) ([]byte, error) {
	t.mu.Lock()
	t.ctx = ctx
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		t.ctx = nil
		t.mu.Unlock()
	}()
	return call()
}

func (t *transport) setCanned(body []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.canned = body
}

func (t *transport) current() (context.Context, []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ctx, t.canned
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, canned := t.current()
	form, err := takeForm(req)
	if err != nil {
		return nil, err
	}
	if canned != nil {
		return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
			Body: io.NopCloser(bytes.NewReader(canned)), ContentLength: int64(len(canned)), Request: req}, nil
	}
	if ctx == nil {
		ctx = req.Context()
	}
	form.Del("key")
	if t.target != "" && form.Get("type") != "keygen" {
		form.Set("target", t.target)
	}
	body := form.Encode()
	if len(body) > maxRequest {
		return nil, &Error{Kind: KindUnsupported, Text: fmt.Sprintf("a message of %d bytes exceeds the PAN-OS limit", len(body))}
	}
	return t.deliver(ctx, req.URL.String(), "application/x-www-form-urlencoded", []byte(body), form, repeatable(form))
}

// deliver posts a body, with the key in a header unless the call is the one that makes it: in a header it needs no
// escaping of + and =, and stands in no log of addresses. call says which call it is; repeat: it may be sent twice.
func (t *transport) deliver(ctx context.Context, address, contentType string, body []byte, call url.Values, repeat bool) (*http.Response, error) {
	ctx = context.WithValue(ctx, boundKey{}, boundOf(call))
	if repeat {
		ctx = context.WithValue(ctx, repeatKey{}, true)
	}
	if call.Get("type") == "keygen" {
		return t.send(ctx, address, contentType, body, "")
	}
	key := t.keys.current()
	resp, err := t.send(ctx, address, contentType, body, key)
	if refusal(resp, err) {
		if other := t.keys.refused(key); other != "" && other != key { // whatever the call was, it was not carried out
			key = other
			resp, err = t.send(ctx, address, contentType, body, key)
		}
	}
	if k := Kind(err); (err == nil || k == KindRole || k == KindAPI) && !refusal(resp, err) {
		t.keys.took(key)
	}
	return resp, err
}

// refusal tells whether an answer refuses the key.
func refusal(resp *http.Response, err error) bool {
	if err != nil {
		return Kind(err) == KindAuth
	}
	a, ok := resp.Body.(*answer)
	e := (*Error)(nil)
	if ok {
		e = a.head.err()
	}
	return e != nil && e.Kind == KindAuth
}

// send posts a body with a key; "": without one.
func (t *transport) send(ctx context.Context, address, contentType string, body []byte, key string) (*http.Response, error) {
	out, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, address, body)
	if err != nil {
		return nil, err
	}
	out.Header.Set("Content-Type", contentType)
	if t.agent != "" {
		out.Header.Set("User-Agent", t.agent)
	}
	if key != "" {
		out.Header.Set("X-PAN-KEY", key)
	}
	resp, err := t.retry.Do(out)
	var known *Error
	if err != nil && !errors.As(err, &known) {
		return nil, failed(ctx, ctx, err) // ended between two attempts
	}
	return resp, err
}

func takeForm(req *http.Request) (url.Values, error) {
	if req.Body == nil {
		return nil, errors.New("request without a form")
	}
	defer req.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(req.Body, 2*maxRequest))
	if err != nil {
		return nil, fmt.Errorf("read the form: %w", err)
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return nil, errors.New("the form cannot be parsed") // not err, which quotes the form
	}
	return form, nil
}

type (
	repeatKey struct{}
	boundKey  struct{} // of the bound of the answer
	streamKey struct{} // of where the answer is put, if its caller wants a tree
)

// repeatable tells whether a call may be sent twice: reads, and what says what shall be and not what to change. Never a
// commit, a move or a rename; never a fetch of a list, for two at a time hang some versions; and never keygen: repeated failures lock
// an administrator out.
func repeatable(form url.Values) bool {
	switch form.Get("type") {
	case "user-id":
		return true
	case "op":
		cmd := form.Get("cmd")
		return strings.HasPrefix(cmd, "<show>") || strings.HasPrefix(cmd, "<check>") ||
			strings.HasPrefix(cmd, "<request><system><external-list>") && !strings.HasPrefix(cmd, "<request><system><external-list><refresh>")
	case "config":
		switch form.Get("action") {
		case "get", "show", actionSet, actionEdit, actionDelete, "multi-config":
			return true
		}
	}
	return false
}

// again is the retry policy: what failed fast and may be repeated.
func again(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil || ctx.Value(repeatKey{}) == nil {
		return false, nil
	}
	if err != nil {
		return Transient(err) && Kind(err) != KindTimeout, nil
	}
	a, ok := resp.Body.(*answer)
	return ok && !a.head.ok() && transientCode(a.head.Code), nil
}

// answer is a body that was read to its end and found to be a PAN-OS document.
type answer struct {
	*bytes.Reader
	head head
}

// Close implements io.Closer.
func (*answer) Close() error { return nil }

// attempts sends single requests: no more at a time than there are slots, each within its own time, each answer
// checked.
type attempts struct {
	base    http.RoundTripper
	timeout time.Duration
	slots   chan struct{} // shared by all that call the same device
	sent    atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (a *attempts) RoundTrip(req *http.Request) (*http.Response, error) {
	caller := req.Context()
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-caller.Done():
		return nil, failed(caller, caller, caller.Err())
	}
	ctx, cancel := context.WithTimeout(caller, a.timeout)
	defer cancel()
	a.sent.Add(1)
	resp, err := a.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, failed(caller, ctx, err)
	}
	defer resp.Body.Close()
	bound, _ := caller.Value(boundKey{}).(bound)
	body, head, err := take(caller, resp.StatusCode, bound.reader(resp.Body))
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			return nil, e
		}
		return nil, broken(caller, ctx, err)
	}
	resp.Body = &answer{Reader: bytes.NewReader(body), head: head}
	resp.ContentLength = int64(len(body))
	return resp, nil
}

// take reads an answer and checks it. Where the caller wants a tree, it is put together meanwhile, and what goes on to pango is an
// answer without anything.
func take(caller context.Context, status int, from io.Reader) ([]byte, head, error) {
	if s, ok := caller.Value(streamKey{}).(*streamed); ok && status == http.StatusOK {
		err := s.fill(from)
		return []byte(`<response status="success"/>`), s.head, err
	}
	body, err := io.ReadAll(from)
	if err != nil {
		return nil, head{}, err
	}
	h, e := check(status, body)
	if e != nil {
		return nil, h, e
	}
	return body, h, nil
}

// broken is the error of an answer that began and did not end.
func broken(caller, attempt context.Context, err error) *Error {
	if errors.Is(err, io.ErrUnexpectedEOF) && attempt.Err() == nil {
		return &Error{Kind: KindMalformed, Text: "the response was truncated", Err: err}
	}
	return failed(caller, attempt, err)
}

// CloseIdleConnections is called by net/http after a failure, so that the next call begins with a fresh connection.
func (a *attempts) CloseIdleConnections() {
	if c, ok := a.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
