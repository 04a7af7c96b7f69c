package panosim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"activedefense/firewall/panosim/answer"
)

// registerForm sets one tag on an example address.
func registerForm(s *Sim) url.Values {
	return url.Values{"type": {"user-id"}, "key": {s.Key()}, "cmd": {uidMessage(`<register>` + tags("192.0.2.1", "a") + `</register>`)}}
}

// until waits for a state with a deadline.
func until(t *testing.T, what string, reached func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !reached() {
		if time.Now().After(deadline) {
			t.Fatalf("not reached in time: %s", what)
		}
		// Yields the processor to the firewall without a fixed sleep.
		<-time.After(time.Millisecond)
	}
}

func TestFaults(t *testing.T) {
	html := func(status string) string { return "<center><h1>" + status + "</h1></center>" }
	for _, c := range []struct {
		fault   Fault
		status  int
		kind    string
		body    string // part of it
		size    int    // of the body; 0: any
		applied bool
	}{
		{Fault{}, 200, answer.ContentType, emptyRegister, 0, true},
		{Fault{Delay: 1}, 200, answer.ContentType, emptyRegister, 0, true},
		{Fault{Effect: HTML}, 503, "text/html", html("503 Service Unavailable"), 0, false},
		{Fault{Effect: HTML, Status: 502}, 502, "text/html", html("502 Bad Gateway"), 0, false},
		{Fault{Effect: HTML, Status: 504, Applied: true}, 504, "text/html", html("504 Gateway Timeout"), 0, true},
		{Fault{Effect: HTML, Status: 200}, 200, "text/html", html("200 OK"), 0, false},
		{Fault{Effect: Empty}, 200, answer.ContentType, "", 0, false},
		{Fault{Effect: Empty, Applied: true}, 200, answer.ContentType, "", 0, true},
		{Fault{Effect: Truncate}, 200, answer.ContentType, emptyRegister[:len(emptyRegister)/2], len(emptyRegister) / 2, true},
		{Fault{Effect: WrongType}, 200, "text/html; charset=UTF-8", emptyRegister, 0, true},
		{Fault{Effect: Garbage, Size: 3 << 20}, 200, answer.ContentType, "not XML", 3 << 20, false},
		{Fault{Effect: Pad}, 200, answer.ContentType, emptyRegister + "   ", 1 << 20, true},
		{Fault{Effect: SessionTimeout}, 200, answer.ContentType, `<response status="error" code="22"><msg><line>Session timed out</line></msg></response>`, 0, false},
		{Fault{Effect: InternalError, Applied: true}, 200, answer.ContentType, `<response status="error" code="11">`, 0, true},
		{Fault{Effect: Forbidden}, 403, answer.ContentType, invalidCredential, 0, false},
	} {
		s := start(t, Options{})
		s.SetFault(c.fault)
		got := newPeer(t, s).post(registerForm(s))
		if got.status != c.status || got.kind != c.kind || !strings.Contains(got.body, c.body) || c.size > 0 && len(got.body) != c.size {
			t.Errorf("%+v: %d %s, %d bytes: %.200s", c.fault, got.status, got.kind, len(got.body), got.body)
		}
		if c.body == "" && got.body != "" {
			t.Errorf("%+v: body %s, want none", c.fault, got.body)
		}
		if applied := s.Addresses().Count() == 1; applied != c.applied {
			t.Errorf("%+v: applied %v", c.fault, applied)
		}
		if faulted := s.Stats().Faulted == 1; faulted != (c.fault != Fault{}) {
			t.Errorf("%+v: faulted %v", c.fault, faulted)
		}
	}
}

func TestBrokenConnections(t *testing.T) {
	for _, c := range []struct {
		fault   Fault
		want    error
		applied bool
	}{
		{Fault{Effect: Reset}, syscall.ECONNRESET, false},
		{Fault{Effect: Reset, Applied: true}, syscall.ECONNRESET, true},
		{Fault{Effect: Hang, Delay: time.Millisecond}, syscall.ECONNRESET, false},
		{Fault{Effect: Break}, io.ErrUnexpectedEOF, true},
	} {
		s := start(t, Options{})
		s.SetFault(c.fault)
		if got, err := newPeer(t, s).try(registerForm(s)); !errors.Is(err, c.want) {
			t.Errorf("%+v: answer %+v, error %v; want %v", c.fault, got, err, c.want)
		}
		if applied := s.Addresses().Count() == 1; applied != c.applied {
			t.Errorf("%+v: applied %v", c.fault, applied)
		}
	}
}

// A client that gives up finds, or does not find, what it asked for done.
func TestLateAnswers(t *testing.T) {
	for _, c := range []struct {
		fault   Fault
		applied bool
	}{
		{Fault{Effect: Hang}, false},
		{Fault{Effect: Hang, Applied: true}, true},
		{Fault{Delay: time.Hour}, false},
		{Fault{Delay: time.Hour, Applied: true}, true},
	} {
		s := start(t, Options{})
		s.SetFault(c.fault)
		p := newPeer(t, s)
		ctx, giveUp := context.WithCancel(t.Context())
		request, err := http.NewRequestWithContext(ctx, "POST", s.URL()+"/api/", strings.NewReader(registerForm(s).Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		done := make(chan error)
		go func() {
			response, err := p.http.Do(request)
			if err == nil {
				_ = response.Body.Close()
			}
			done <- err
		}()
		until(t, "the call is met by the fault", func() bool { return s.Stats().Faulted == 1 && (s.Addresses().Count() == 1) == c.applied })
		giveUp()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%+v: error %v", c.fault, err)
		}
		until(t, "the firewall notices", func() bool { return s.Stats().InFlight == 0 })
		if applied := s.Addresses().Count() == 1; applied != c.applied {
			t.Errorf("%+v: applied %v", c.fault, applied)
		}
	}
}

// A slow firewall does what it was asked also for a client that is gone.
func TestSlowFirewallCarriesOut(t *testing.T) {
	s := start(t, Options{Latency: 50 * time.Millisecond})
	p := newPeer(t, s)
	ctx, giveUp := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "POST", s.URL()+"/api/", strings.NewReader(registerForm(s).Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var call sync.WaitGroup
	call.Go(func() {
		if response, err := p.http.Do(request); err == nil {
			_ = response.Body.Close()
		}
	})
	until(t, "the call has arrived", func() bool { return s.Stats().Calls[KindUserID] == 1 })
	giveUp()
	call.Wait()
	until(t, "it is carried out", func() bool { return s.Addresses().Count() == 1 })
}

func TestFaultsQueue(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	s.AddFaults(
		Fault{Effect: HTML, Status: 502, Kind: KindUserID, Skip: 1, Calls: 2},
		Fault{Effect: SessionTimeout, Kind: KindSystemInfo, Calls: 1},
		Fault{Effect: Forbidden, Kind: KindUserID, Calls: 1},
	)
	var got []int
	for range 6 {
		got = append(got, p.post(registerForm(s)).status)
	}
	want := []int{200, 502, 502, 403, 200, 200}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("statuses = %v, want %v", got, want)
		}
	}
	if body := p.op(showInfo); !strings.Contains(body, `code="22"`) {
		t.Errorf("first system info: %s", body)
	}
	if body := p.op(showInfo); !strings.Contains(body, "success") {
		t.Errorf("second system info: %s", body)
	}
	s.SetFault(Fault{Effect: HTML})
	for range 3 {
		if got := p.post(registerForm(s)).status; got != 503 {
			t.Errorf("lasting fault: %d", got)
		}
	}
	s.ClearFaults()
	if got := p.post(registerForm(s)).status; got != 200 {
		t.Errorf("after ClearFaults: %d", got)
	}
}

func TestDownAndUp(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	p.post(registerForm(s))
	s.Down()
	s.Down()
	p.http.CloseIdleConnections()
	if _, err := p.try(registerForm(s)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("while down: %v", err)
	}
	for range 2 {
		if err := s.Up(); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.post(registerForm(s)); got.status != 200 || s.Addresses().Count() != 1 {
		t.Errorf("up again: %+v, %d registered", got, s.Addresses().Count())
	}
	s.Close()
	s.Close()
	if err := s.Up(); err == nil {
		t.Error("a closed firewall comes up")
	}
}

// Close does not wait for hanging calls to be given up, and leaves nothing running.
func TestCloseEndsHangs(t *testing.T) {
	s := start(t, Options{})
	s.SetFault(Fault{Effect: Hang})
	p := newPeer(t, s)
	done := make(chan error)
	go func() {
		_, err := p.try(registerForm(s))
		done <- err
	}()
	until(t, "the call hangs", func() bool { return s.Stats().Faulted == 1 })
	s.Close()
	if err := <-done; err == nil {
		t.Error("the hanging call was answered")
	}
	if n := s.Stats().InFlight; n != 0 {
		t.Errorf("%d calls in flight after Close", n)
	}
}

func TestConcurrencyIsMeasured(t *testing.T) {
	const clients = 7
	s := start(t, Options{})
	p := newPeer(t, s)
	s.SetFault(Fault{Effect: Hang, Kind: KindUserID})
	var calls sync.WaitGroup
	for range clients {
		calls.Go(func() {
			if _, err := p.try(registerForm(s)); err == nil {
				t.Error("a hanging call was answered")
			}
		})
	}
	until(t, "all calls are in flight", func() bool { return s.Stats().InFlight == clients })
	s.Down()
	calls.Wait()
	until(t, "no call is in flight", func() bool { return s.Stats().InFlight == 0 })
	got := s.Stats()
	if got.MaxInFlight != clients || got.Calls[KindUserID] != clients {
		t.Errorf("stats = %+v", got)
	}
	s.ResetStats()
	if got := s.Stats(); got.MaxInFlight != 0 || len(got.Calls) != 0 {
		t.Errorf("after a reset: %+v", got)
	}
}

func TestMessagesAreCounted(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	p.uid(`<register>` + tags("192.0.2.1", "a") + tags("192.0.2.2", "a") + `</register><unregister>` + tags("192.0.2.1", "a") + `</unregister>`)
	p.uid(`<register>` + tags("192.0.2.1", "a") + `</register>`)
	got := s.Stats()
	if got.Messages != 2 || got.Entries != 4 || got.MaxEntries != 3 || len(got.Recent) != 2 || got.Recent[0] != 3 || got.Recent[1] != 1 {
		t.Errorf("stats = %+v", got)
	}
}

func TestLatency(t *testing.T) {
	const latency = 30 * time.Millisecond
	s := start(t, Options{Latency: latency})
	p := newPeer(t, s)
	begin := time.Now()
	p.post(registerForm(s))
	if took := time.Since(begin); took < latency {
		t.Errorf("took %v, want at least %v", took, latency)
	}
	s.SetLatency(time.Hour)
	ctx, giveUp := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		request, err := http.NewRequestWithContext(ctx, "GET", s.URL()+"/api/?type=op", nil)
		if err != nil {
			done <- err
			return
		}
		response, err := p.http.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		done <- err
	}()
	until(t, "the call is in flight", func() bool { return s.Stats().InFlight == 1 })
	giveUp()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("slow call: %v", err)
	}
	// Close must not wait an hour for it.
	s.Close()
}
