package api

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"activedefense/store"
)

// Over the socket and in the process, a list comes as it is made; who stops reading has it ended, and the store can be closed.
func TestAListEndsWhenNobodyReadsOn(t *testing.T) {
	s := newStage(t, nil)
	var b store.Batch
	for range 500 {
		b.Records = append(b.Records, store.Record{Time: time.Now(), Device: "LAB-FW-01", Type: "TRAFFIC", SrcUser: "a<b>\u202e\"&"})
	}
	if _, err := s.store.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	for _, c := range []*Client{Dial(s.socket), s.api.Here(Caller{Role: Viewer})} {
		n := 0
		var rest Searched
		count := func(r *Record) error {
			if n++; r.SrcUser != "a<b>\u202e\"&" {
				t.Errorf("the user is %q", r.SrcUser)
			}
			return nil
		}
		if err := Each(t.Context(), c, "records", url.Values{"limit": {"0"}}, "records", &rest, count); err != nil || n != 500 || rest.Stopped || len(rest.Firewalls) > 0 {
			t.Errorf("%q: %d records, %+v, %v", c.At, n, rest, err)
		}
		if err := Each(t.Context(), c, "records", url.Values{"limit": {"0"}}, "records", &rest, func(*Record) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("%q: %v", c.At, err)
		}
		f, ok := errors.AsType[*Fault](Each(t.Context(), c, "records", url.Values{"src": {"x"}}, "records", &rest, count))
		if !ok || f.Status != 400 {
			t.Errorf("%q: %v", c.At, f)
		}
	}
	if n := len(s.api.seats[seat{true, true, false}].busy); n != 0 {
		t.Errorf("%d are still being answered", n)
	}
}

// What is no daemon of this program, and what ends in the middle, is said.
func TestAnswersThatAreNone(t *testing.T) {
	dir, err := os.MkdirTemp("", "api")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for i, c := range []struct{ answer, says string }{
		{"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{\"entries\": [{}", "did not answer to the end"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "it is no object"},
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone", "which no daemon of this program does"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\n{\"entries\": [], \"error\": \"away\"}\n", "away"},
	} {
		path := filepath.Join(dir, fmt.Sprint(i))
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			conn.Read(make([]byte, 4096))
			conn.Write([]byte(c.answer))
		}()
		err = Each(t.Context(), Dial(path), "blacklist", nil, "entries", &Listed{}, func(*Entry) error { return nil })
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v", c.answer, err)
		}
		l.Close()
	}
}

// counted counts the bytes of answers.
type counted struct {
	http.RoundTripper
	n int
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := c.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = &countedBody{response.Body, c}
	}
	return response, err
}

type countedBody struct {
	io.ReadCloser
	c *counted
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.c.n += n
	return n, err
}

// Within a process what is listed is handed over as it is: encoding and decoding would take longer than the search. Whoever asks for
// another form gets it.
func TestWithinAProcessRecordsAreHandedOver(t *testing.T) {
	s := newStage(t, nil)
	var b store.Batch
	for range 100 {
		b.Records = append(b.Records, store.Record{Time: time.Now(), Device: "LAB-FW-01", Type: "TRAFFIC"})
	}
	if _, err := s.store.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	c := s.api.Here(Caller{Role: Viewer})
	bytes := &counted{RoundTripper: c.http.Transport}
	c.http.Transport = bytes
	n, rest := 0, Searched{}
	if err := Each(t.Context(), c, "records", url.Values{"device": {"LAB-FW-01", "x"}}, "records", &rest, func(r *Record) error {
		if r.Device == "LAB-FW-01" {
			n++
		}
		return nil
	}); err != nil || n != 100 || bytes.n > 300 || len(rest.Unseen) != 1 {
		t.Errorf("%d records, %d bytes of JSON, %+v, %v", n, bytes.n, rest, err)
	}
	var other struct{ Device string }
	n = 0
	if err := Each(t.Context(), c, "records", nil, "records", &rest, func(r *struct{ Device string }) error {
		n, other = n+1, *r
		return nil
	}); err != nil || n != 100 || other.Device != "LAB-FW-01" {
		t.Errorf("%d in another form, the last %+v, %v", n, other, err)
	}
}

// Who reads at a pager and rests holds nobody up: what the daemon answers is taken at once, so that it is through with it, and all of it comes.
func TestAPagerThatRestsHoldsNobodyUp(t *testing.T) {
	s := newStage(t, nil)
	var b store.Batch
	for range 8000 {
		b.Records = append(b.Records, store.Record{Time: time.Now(), Device: "LAB-FW-01", Type: "TRAFFIC"})
	}
	if _, err := s.store.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	busy, n := s.api.seats[seat{true, true, false}].busy, 0
	err := Each(t.Context(), Dial(s.socket), "records", url.Values{"limit": {"0"}}, "records", &Searched{}, func(*Record) error {
		n++
		for deadline := time.Now().Add(20 * time.Second); n == 1 && len(busy) > 0; runtime.Gosched() {
			if time.Now().After(deadline) {
				return errors.New("the daemon still answers")
			}
		}
		return nil
	})
	if err != nil || n != 8000 {
		t.Errorf("%d records, %v", n, err)
	}
}

// An agent that stops for another one does nothing any more, says so, and is asked again; what its store could not give meanwhile is no fault of ours.
func TestAnAgentThatEndsIsAskedAgain(t *testing.T) {
	var asked atomic.Int64
	s := newStage(t, func(o *Options) { o.Ending = func() bool { return asked.Add(1) <= 3 } })
	var out Blocked
	// The last time it is asked again when its body has come.
	if err := Dial(s.socket).Post(t.Context(), "blacklist", Blocking{Address: "203.0.113.9", Reason: "test"}, &out); err != nil || asked.Load() != 5 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
	if changes, err := s.store.Version(t.Context()); changes != 1 || err != nil {
		t.Errorf("%d changes, %v", changes, err)
	}
	there, begins := s.api.opts.Store, 0
	s.api.opts.Store = func() (*store.Store, error) {
		if begins++; begins < 3 {
			return nil, ErrBeginning
		}
		return there()
	}
	if err := Dial(s.socket).Get(t.Context(), "members", nil, &struct{}{}); err != nil || begins != 3 {
		t.Errorf("of one that begins, after %d times: %v", begins, err)
	}
	root := identity{0, []int{0}}
	asked.Store(0)
	if r := s.as(root, "POST", Prefix+"blacklist/pause", `{"for": "1h"}`); r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") != "0" || !strings.Contains(r.body, "nothing was done") {
		t.Errorf("it is answered %d %v %s", r.status, r.header, r.body)
	}
	s.store.Close()
	for when, want := range map[string]int{"later": http.StatusInternalServerError, "meanwhile": http.StatusServiceUnavailable} {
		looks := 0
		s.api.opts.Ending = func() bool { looks++; return when == "meanwhile" && looks > 1 }
		if r := s.as(root, "GET", Prefix+"blacklist/203.0.113.9", ""); r.status != want {
			t.Errorf("of a store that is closed, where the agent ends %s, it is answered %d %s", when, r.status, r.body)
		}
	}
}

// An agent that stops waits for a change that is being made, and for none whose body has yet to come: that one is refused when it has.
func TestNobodyWaitsForABodyThatComesSlowly(t *testing.T) {
	begun, ending := make(chan struct{}, 2), atomic.Bool{}
	var s *stage
	changing := func() bool {
		none := s.api.changes.TryLock()
		if none {
			s.api.changes.Unlock()
		}
		return !none
	}
	s = newStage(t, func(o *Options) {
		o.Ending = func() bool {
			ends := ending.Load()
			begun <- struct{}{}
			return ends
		}
		o.Changed = func() {
			if !changing() {
				t.Error("nobody would wait for a change that is being made")
			}
		}
	})
	for _, end := range []bool{false, true} {
		out, in := io.Pipe()
		status := make(chan int, 1)
		go func() {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://activedefense"+Prefix+"blacklist", out)
			if err != nil {
				t.Error(err)
			}
			request.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			s.api.ServeHTTP(w, request.WithContext(withCaller(t.Context(), Caller{Name: "anna", Role: Operator, Local: true})))
			status <- w.Code
		}()
		<-begun // it was admitted
		if changing() {
			t.Error("who stops would wait for a body")
		}
		ending.Store(end)
		if _, err := io.WriteString(in, `{"address": "203.0.113.9", "reason": "test"}`); err != nil {
			t.Fatal(err)
		}
		in.Close()
		if got := <-status; (got == http.StatusServiceUnavailable) != end {
			t.Errorf("where the agent ends (%t) it is answered %d", end, got)
		}
		<-begun
	}
}

// A connection that a daemon ends unanswered is made again where nothing can come of it twice, and one to a daemon that is known to be there.
func TestWhatADaemonLeavesUnanswered(t *testing.T) {
	dir, err := os.MkdirTemp("", "api")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var taken atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 4096))
			if taken.Add(1)%2 == 0 {
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
			}
			conn.Close()
		}
	}()
	var any struct{}
	if err := Dial(path).Get(t.Context(), "status", nil, &any); err != nil || taken.Load() != 2 {
		t.Errorf("a question is asked %d times: %v", taken.Load(), err)
	}
	if err := Dial(path).Post(t.Context(), "verify", nil, &any); err == nil || taken.Load() != 3 || !strings.Contains(err.Error(), "has done this or not") {
		t.Errorf("a change is asked for %d times: %v", taken.Load()-2, err)
	}
	away := filepath.Join(dir, "away")
	began := time.Now()
	if err := Dial(away).Get(t.Context(), "status", nil, &any); err == nil || time.Since(began) > againFor {
		t.Errorf("where none was seen: %v after %s", err, time.Since(began))
	}
	known := Dial(away)
	known.Known = true
	go func() {
		if err := os.Link(path, away); err != nil {
			t.Error(err)
		}
	}()
	if err := known.Post(t.Context(), "verify", nil, &any); err != nil || taken.Load() != 4 {
		t.Errorf("of one that comes back: %v", err)
	}
}
