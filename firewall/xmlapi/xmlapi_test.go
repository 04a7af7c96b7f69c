package xmlapi

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"activedefense/firewall/panosim"
)

// clock is a clock that stands still unless it is moved; we and the firewall share it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// pause moves the clock instead of waiting.
func (c *clock) pause(ctx context.Context, d time.Duration) bool {
	c.move(d)
	return ctx.Err() == nil
}

// lab is a simulated firewall and a device of ours that speaks with it.
type lab struct {
	*Device
	t     *testing.T
	clock *clock
	sim   *panosim.Sim
	opts  Options
}

// newLab starts both. The change functions may alter the options of either.
func newLab(t *testing.T, sim func(*panosim.Options), ours func(*Options)) *lab {
	t.Helper()
	l := &lab{t: t, clock: newClock()}
	o := panosim.Options{Now: l.clock.Now, Admin: "svc-activedefense"}
	if sim != nil {
		sim(&o)
	}
	var err error
	if l.sim, err = panosim.Start(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.sim.Close)
	l.opts = Options{
		Name: "LAB-FW-01", URL: l.sim.URL(), APIKey: l.sim.Key(), CA: l.sim.CA(), Now: l.clock.Now, Pause: l.clock.pause,
		Timeout: 10 * time.Second, RetryWait: time.Millisecond,
	}
	if ours != nil {
		ours(&l.opts)
	}
	l.reopen()
	return l
}

// reopen gives a device that remembers nothing.
func (l *lab) reopen() {
	l.t.Helper()
	d, err := Open(l.opts)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(d.Close)
	l.Device = d
}

func (l *lab) identify() {
	l.t.Helper()
	if err := l.Identify(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

// script answers calls in a firewall's place, and keeps them.
type script struct {
	*Device
	clock *clock
	calls []url.Values
}

// newScript opens a device whose every call is answered with HTTP 200 and what answer gives.
func newScript(t *testing.T, answer func(form url.Values) string) *script {
	t.Helper()
	s := &script{clock: newClock()}
	var err error
	s.Device, err = Open(Options{Name: "LAB-FW-01", URL: "https://192.0.2.1", APIKey: "swordfish", Now: s.clock.Now, Pause: s.clock.pause, RetryWait: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.transport.try.base = roundTripper(func(r *http.Request) (*http.Response, error) {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, err
		}
		s.calls = append(s.calls, form)
		return respond(http.StatusOK, answer(form))
	})
	return s
}

// always answers every call the same.
func always(body string) func(url.Values) string { return func(url.Values) string { return body } }

// refused is an answer of PAN-OS that says no.
func refused(text string) string {
	return `<response status="error"><msg><line>` + text + `</line></msg></response>`
}

// infoAnswer is an answer to "show system info".
func infoAnswer(serial, version, uptime string) string {
	return `<response status="success"><result><system><hostname>edge</hostname><model>PA-3220</model><serial>` + serial + `</serial><sw-version>` +
		version + `</sw-version><multi-vsys>on</multi-vsys><uptime>` + uptime + `</uptime></system></result></response>`
}

// wantError wants a kind, the firewall's name, what was being done, and a text.
func wantError(t *testing.T, err error, kind, what, text string) {
	t.Helper()
	if Kind(err) != kind || !strings.HasPrefix(err.Error(), "firewall LAB-FW-01: "+what+": ") || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v (kind %q), want kind %q, %q and %q", err, Kind(err), kind, what, text)
	}
}
