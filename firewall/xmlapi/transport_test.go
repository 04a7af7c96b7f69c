package xmlapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const success = `<response status="success"><result/></response>`

func post(ctx context.Context, t *transport, form url.Values) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://192.0.2.1/api", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// roundTripper is a device without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(status int, body string) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
	return w.Result(), nil
}

// testTransport sends everything to base.
func testTransport(base http.RoundTripper) *transport {
	return newTransport(&attempts{base: base, timeout: time.Minute, slots: make(chan struct{}, maxInFlight)}, new(keyring), "", "")
}

func TestFiveInFlight(t *testing.T) {
	var now, most atomic.Int64
	arrived := make(chan struct{}, 20)
	release := make(chan struct{})
	tr := testTransport(roundTripper(func(*http.Request) (*http.Response, error) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		arrived <- struct{}{}
		<-release
		return respond(200, success)
	}))
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			if _, err := post(t.Context(), tr, url.Values{"type": {"op"}, "cmd": {"<show></show>"}}); err != nil {
				t.Error(err)
			}
		})
	}
	for range 5 {
		<-arrived
	}
	// The sixth waits for a slot, and does not wait longer than its caller.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := post(ctx, tr, url.Values{"type": {"op"}}); Kind(err) != KindTimeout {
		t.Errorf("waiting for a slot beyond the deadline gives %v", err)
	}
	close(release)
	calls.Wait()
	if most.Load() != 5 {
		t.Errorf("%d calls in flight, want 5", most.Load())
	}
}

func TestOnlyWhatMayBeRepeatedIs(t *testing.T) {
	tests := []struct {
		name   string
		form   url.Values
		repeat bool
	}{
		{"read", url.Values{"type": {"op"}, "cmd": {"<show><system><info></info></system></show>"}}, true},
		{"tags", url.Values{"type": {"user-id"}, "cmd": {"<uid-message/>"}}, true},
		{"get", url.Values{"type": {"config"}, "action": {"get"}}, true},
		{"show", url.Values{"type": {"config"}, "action": {"show"}}, true},
		{"keygen", url.Values{"type": {"keygen"}}, false},
		{"commit", url.Values{"type": {"commit"}, "cmd": {"<commit></commit>"}}, false},
		{"set", url.Values{"type": {"config"}, "action": {"set"}}, true},
		{"edit", url.Values{"type": {"config"}, "action": {"edit"}}, true},
		{"delete", url.Values{"type": {"config"}, "action": {"delete"}}, true},
		{"several edits", url.Values{"type": {"config"}, "action": {"multi-config"}}, true},
		{"move", url.Values{"type": {"config"}, "action": {"move"}}, false},
		{"rename", url.Values{"type": {"config"}, "action": {"rename"}}, false},
		{"refresh of a list", url.Values{"type": {"op"}, "cmd": {"<request><system><external-list><refresh><type><ip><name>x</name></ip></type></refresh></external-list></system></request>"}}, false},
		{"entries of a list", url.Values{"type": {"op"}, "cmd": {"<request><system><external-list><show><type><ip><name>x</name></ip></type></show></external-list></system></request>"}}, true},
		{"revert", url.Values{"type": {"op"}, "cmd": {"<revert><config/></revert>"}}, false},
		{"request", url.Values{"type": {"op"}, "cmd": {"<request><restart/></request>"}}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			calls := 0
			tr := testTransport(roundTripper(func(*http.Request) (*http.Response, error) {
				calls++
				return respond(502, "<html/>")
			}))
			tr.retry.RetryWaitMin, tr.retry.RetryWaitMax = time.Millisecond, time.Millisecond
			_, err := post(t.Context(), tr, test.form)
			if Kind(err) != KindHTTP {
				t.Fatal(err)
			}
			if want := map[bool]int{true: 3, false: 1}[test.repeat]; calls != want {
				t.Errorf("sent %d times, want %d", calls, want)
			}
		})
	}
}

func TestWhatIsRefusedIsNotRepeated(t *testing.T) {
	for name, answer := range map[string]struct {
		status int
		body   string
	}{
		"bad key":       {403, `<response status='error' code='403'><result><msg>Invalid Credential</msg></result></response>`},
		"malformed":     {200, `<response status="error"><msg><line>uid-message: payload is malformed</line></msg></response>`},
		"not found":     {404, "<html/>"},
		"done":          {200, success},
		"no such thing": {200, `<response status="success" code="7"><result/></response>`},
	} {
		calls := 0
		tr := testTransport(roundTripper(func(*http.Request) (*http.Response, error) {
			calls++
			return respond(answer.status, answer.body)
		}))
		_, _ = post(t.Context(), tr, url.Values{"type": {"user-id"}}) // what comes of it is not the point
		if calls != 1 {
			t.Errorf("%s: sent %d times", name, calls)
		}
	}
}

func TestWaitingBetweenAttemptsEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tr := testTransport(roundTripper(func(*http.Request) (*http.Response, error) {
		time.AfterFunc(10*time.Millisecond, cancel)
		return respond(502, "<html/>")
	}))
	tr.retry.RetryWaitMin, tr.retry.RetryWaitMax = time.Hour, time.Hour
	_, err := tr.during(ctx, func() ([]byte, error) {
		_, err := post(t.Context(), tr, url.Values{"type": {"user-id"}})
		return nil, err
	})
	if Kind(err) != KindCanceled || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestMessageTooLong(t *testing.T) {
	tr := testTransport(roundTripper(func(*http.Request) (*http.Response, error) {
		t.Error("sent")
		return respond(200, success)
	}))
	_, err := post(t.Context(), tr, url.Values{"type": {"user-id"}, "cmd": {strings.Repeat("x", maxRequest)}})
	if Kind(err) != KindUnsupported {
		t.Errorf("got %v", err)
	}
}

func TestPanicsBecomeErrors(t *testing.T) {
	d, err := Open(Options{Name: "LAB-FW-01", URL: "https://192.0.2.1", APIKey: "swordfish"})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, err = d.call(t.Context(), CallConfig, "read", func() ([]byte, error) { panic("slice bounds out of range: swordfish") })
	if Kind(err) != KindMalformed || !strings.Contains(err.Error(), "firewall LAB-FW-01: read: ") || strings.Contains(err.Error(), "swordfish") {
		t.Errorf("got %v", err)
	}
}

// An answer that becomes a tree is asked for again, too, where its code says that this may help.
func TestAStreamedAnswerIsAskedForAgain(t *testing.T) {
	asked := 0
	s := newScript(t, func(url.Values) string {
		if asked++; asked < 3 {
			return `<response status="error" code="22"><msg>Session timed out</msg></response>`
		}
		return `<response status="success"><result><a>1</a></result></response>`
	})
	if n, err := s.Op(t.Context(), "test", "ask", "<show><a></a></show>"); err != nil || n.Value("a") != "1" || asked != 3 {
		t.Errorf("asked %d times: %v, %v", asked, n, err)
	}
}
