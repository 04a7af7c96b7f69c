package api

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"activedefense/agent/ahead"
	"activedefense/agent/loop"
)

// A Client asks an API: that of a daemon over its socket, or one in this process.
type Client struct {
	http *http.Client
	// At is where it asks: the socket's path, or "" for this process.
	At string
	// Known: a daemon has answered there, so that one that cannot be reached is asked again for a second.
	Known bool
	// Warn hears what is wrong with what an answer is made of; nil: nobody does.
	Warn func(text string)
}

// dialWithin bounds the wait for a daemon's socket.
const dialWithin = 2 * time.Second

// Dial gives the client of the daemon at a socket. Whether one is there, the first request says.
func Dial(socket string) *Client {
	dialer := net.Dialer{Timeout: dialWithin}
	return &Client{At: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}}}
}

// Here gives a client of an API in this process.
func (a *API) Here(caller Caller) *Client {
	caller.Local = true
	return &Client{http: &http.Client{Transport: &here{a, caller}}}
}

// Get asks for an object.
func (c *Client) Get(ctx context.Context, path string, query url.Values, v any) error {
	return c.do(ctx, http.MethodGet, path, query, nil, v)
}

// Post has something done.
func (c *Client) Post(ctx context.Context, path string, body, v any) error {
	return c.do(ctx, http.MethodPost, path, nil, body, v)
}

// Delete has something removed.
func (c *Client) Delete(ctx context.Context, path string, query url.Values, v any) error {
	return c.do(ctx, http.MethodDelete, path, query, nil, v)
}

// DeleteOf has what a body names removed.
func (c *Client) DeleteOf(ctx context.Context, path string, body, v any) error {
	return c.do(ctx, http.MethodDelete, path, nil, body, v)
}

func (c *Client) do(ctx context.Context, method, path string, query url.Values, body, v any) error {
	response, err := c.ask(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(v); err != nil {
		return c.broken(err)
	}
	return nil
}

// broken says that an answer did not come whole.
func (c *Client) broken(err error) error {
	if c.At == "" {
		return err
	}
	return fmt.Errorf("the daemon at %s did not answer to the end: %w", c.At, err)
}

// mostFault bounds the answer of a request that was refused.
const mostFault = 1 << 20

const (
	// againFor is how long a daemon is asked again that ends a connection or, known to be there, is not reached; endingFor how long one that says
	// that it stops or takes up a new configuration, which a stop takes; againEach is how often.
	againFor  = time.Second
	endingFor = 10 * time.Second
	againEach = 30 * time.Millisecond
)

// ask makes a request, and gives a fault as the error that it is. Over a reload it is made again, as long as nothing can have come of it.
func (c *Client) ask(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	for begun := time.Now(); ; {
		response, err := c.askOnce(ctx, method, path, query, body)
		if err == nil || time.Since(begun) > c.again(method, err) || !loop.Pause(ctx, againEach) {
			return response, err
		}
	}
}

// again is for how long a request may be made again that ended with an error.
func (c *Client) again(method string, err error) time.Duration {
	if f, ok := errors.AsType[*Fault](err); ok {
		switch {
		case f.passing && c.At != "":
			return endingFor
		case f.passing: // for a page
			return againFor
		}
		return -1
	}
	dialled, _ := errors.AsType[*net.OpError](err)
	switch unreached := dialled != nil && dialled.Op == "dial"; {
	case unreached && c.Known, !unreached && c.At != "" && method == http.MethodGet && cut(err):
		return againFor
	}
	return -1
}

// cut tells whether a daemon ended a connection that it had taken, or that waited for it.
func cut(err error) bool {
	for _, is := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, is) {
			return true
		}
	}
	return false
}

// askOnce makes it once.
func (c *Client) askOnce(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	var send io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		send = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://activedefense"+Prefix+path, send)
	if err != nil {
		return nil, err
	}
	request.URL.RawQuery = query.Encode()
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err // the method and the address are ours
		}
		if c.At != "" && method != http.MethodGet && cut(err) {
			err = fmt.Errorf("the daemon at %s ended the connection before it answered, and has done this or not; look before you repeat it: %w", c.At, err)
		}
		return nil, err
	}
	if response.StatusCode < 300 {
		if text := response.Header.Get(WarningHeader); text != "" && c.Warn != nil {
			c.Warn(text)
		}
		return response, nil
	}
	defer response.Body.Close()
	f := &Fault{Status: response.StatusCode, passing: response.StatusCode == http.StatusServiceUnavailable && response.Header.Get("Retry-After") == retryAtOnce}
	if err := json.NewDecoder(io.LimitReader(response.Body, mostFault)).Decode(f); err != nil || f.Detail == "" {
		return nil, fmt.Errorf("%s answers %s, which no daemon of this program does", c.At, response.Status)
	}
	return nil, f
}

// A handed takes an object of a list within this process, without JSON, which for hundreds of thousands of records takes longer than
// their search; false: it is of another type, and goes the way of the others. It is called before the answer begins.
type handed func(v any) (bool, error)

type handedKey struct{}

// Each asks for a list, whose objects are in this field, and gives each as it comes. The other fields go into rest.
func Each[T any](ctx context.Context, c *Client, path string, query url.Values, field string, rest any, each func(*T) error) error {
	return EachOf(ctx, c, http.MethodGet, path, query, nil, field, rest, each)
}

// EachOf is Each of what is done by any method, with a body.
func EachOf[T any](ctx context.Context, c *Client, method, path string, query url.Values, body any, field string, rest any, each func(*T) error) error {
	asking := ctx
	var stopped error // of each
	if c.At == "" {
		asking = context.WithValue(ctx, handedKey{}, handed(func(v any) (bool, error) {
			t, is := v.(T)
			if is {
				stopped = each(&t)
			}
			return is, stopped
		}))
	}
	response, err := c.ask(asking, method, path, query, body)
	if err == nil {
		if c.At != "" { // a daemon waits for nobody for long who reads at a pager, and others wait for it
			response.Body = ahead.Take(response.Body)
		}
		defer response.Body.Close()
	}
	if err := cmp.Or(stopped, err); err != nil {
		return err
	}
	return readList(ctx, c, response.Body, field, rest, each)
}

// readList reads the answer of a list.
func readList[T any](ctx context.Context, c *Client, body io.Reader, field string, rest any, each func(*T) error) error {
	decoder := json.NewDecoder(body)
	others := map[string]json.RawMessage{}
	if begin, err := decoder.Token(); err != nil || begin != json.Delim('{') {
		return c.broken(cmp.Or(err, errors.New("it is no object")))
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return c.broken(err)
		}
		if name != field {
			var value json.RawMessage
			if err := decoder.Decode(&value); err != nil {
				return c.broken(err)
			}
			others[fmt.Sprint(name)] = value
			continue
		}
		if _, err := decoder.Token(); err != nil {
			return c.broken(err)
		}
		for decoder.More() {
			var v T
			if err := decoder.Decode(&v); err != nil {
				return c.broken(err)
			}
			if err := each(&v); err != nil {
				return err
			}
		}
		if _, err := decoder.Token(); err != nil {
			return c.broken(err)
		}
	}
	if _, err := decoder.Token(); err != nil {
		return c.broken(err)
	}
	var why struct {
		Error string `json:"error"`
	}
	text, err := json.Marshal(others)
	if err == nil {
		err = errors.Join(json.Unmarshal(text, &why), json.Unmarshal(text, rest))
	}
	if err == nil && why.Error != "" {
		if err = ctx.Err(); err == nil {
			err = errors.New(why.Error)
		}
	}
	return err
}

// mostEvent bounds one event.
const mostEvent = 1 << 20

// Events gives what happens from now on, each with its name and its JSON, until ctx ends, the daemon does, or each gives an error.
func (c *Client) Events(ctx context.Context, each func(name string, data []byte) error) error {
	response, err := c.ask(ctx, http.MethodGet, "events", nil, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, mostEvent)
	name := ""
	for lines.Scan() {
		if text, is := bytes.CutPrefix(lines.Bytes(), []byte("event: ")); is {
			name = string(text)
		} else if data, is := bytes.CutPrefix(lines.Bytes(), []byte("data: ")); is {
			if err := each(name, data); err != nil {
				return err
			}
		}
	}
	return c.broken(cmp.Or(lines.Err(), io.ErrUnexpectedEOF))
}

// Escape is an address or a name as it stands in a path.
func Escape(s string) string { return strings.ReplaceAll(url.PathEscape(s), "+", "%2B") }

// here has an API in this process answer.
type here struct {
	api    *API
	caller Caller
}

// RoundTrip answers one request. What answers it has ended when the body of the answer was closed.
func (h *here) RoundTrip(r *http.Request) (*http.Response, error) {
	body, in := io.Pipe()
	w := &piped{header: http.Header{}, to: in, begun: make(chan struct{})}
	ctx, cancel := context.WithCancel(r.Context())
	request := r.WithContext(withCaller(ctx, h.caller))
	request.Host = r.URL.Host
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.api.ServeHTTP(w, request)
		w.WriteHeader(http.StatusOK)
		in.Close()
	}()
	<-w.begun
	return &http.Response{StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header, Body: &ending{body, cancel, done}, Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

// ending ends what answers, which has more to say where the answer is not read to its end.
type ending struct {
	io.ReadCloser
	cancel context.CancelFunc
	done   <-chan struct{}
}

func (e *ending) Close() error {
	e.cancel()
	err := e.ReadCloser.Close()
	<-e.done
	return err
}

// piped is an answer within this process. Its methods are called by one goroutine.
type piped struct {
	header http.Header
	status int // 0: not begun
	to     *io.PipeWriter
	begun  chan struct{}
}

func (p *piped) Header() http.Header { return p.header }

func (p *piped) WriteHeader(status int) {
	if p.status == 0 {
		p.status = status
		close(p.begun)
	}
}

func (p *piped) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.to.Write(b)
}

func (p *piped) Flush() {}
