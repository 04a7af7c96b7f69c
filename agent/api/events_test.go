package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"activedefense/agent/explain"
	"activedefense/config"
	"activedefense/store"
)

// newLive is a stage whose agent enforces what its store has.
func newLive(t *testing.T) *stage {
	return newStage(t, live)
}

// live has an agent enforce at once.
func live(o *Options) {
	o.Rate = func() float64 { return 42 }
	o.Enforced = func() int64 {
		st, _ := o.Store()
		n, _ := st.Version(context.Background())
		return n
	}
}

// follow opens the events over admin.listen; of header are names and values in turn.
func (s *stage) follow(header ...string) *http.Response {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), "GET", "http://"+s.addr+Prefix+"events", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { response.Body.Close() })
	return response
}

// Blocks, holds and releases are told as they come, and what was there before is not.
func TestEventsAreTold(t *testing.T) {
	s := newLive(t)
	s.block("203.0.113.1/32", store.Blocked)
	s.block("203.0.113.2/32", store.Held)
	lines := bufio.NewScanner(s.follow().Body)
	next := func() string {
		t.Helper()
		for lines.Scan() {
			name, found := strings.CutPrefix(lines.Text(), "event: ")
			if !found {
				continue
			}
			lines.Scan()
			data := strings.TrimPrefix(lines.Text(), "data: ")
			if name == "rate" {
				var r Rate
				if err := json.Unmarshal([]byte(data), &r); err != nil || r.Lines != 42 {
					t.Errorf("the rate is %s, %v", data, err)
				}
				return name
			}
			var e explain.BlacklistEntry
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				t.Fatal(err)
			}
			return name + " " + e.Address + " " + e.State
		}
		t.Fatalf("the events have ended: %v", lines.Err())
		return ""
	}
	news := func() string {
		for {
			if e := next(); e != "rate" {
				return e
			}
		}
	}
	if e := next(); e != "rate" {
		t.Fatalf("it begins with %s", e)
	}
	now := time.Now()
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { s.block("203.0.113.3/32", store.Blocked); return nil }, "block 203.0.113.3 blocked"},
		{func() error { s.block("203.0.113.4/32", store.Held); return nil }, "hold 203.0.113.4 held"},
		{func() error {
			_, err := s.store.Commit(t.Context(), &store.Batch{Touches: []store.Touch{{Address: prefix("203.0.113.1"), LastSeen: now, Hits: 1}, {Address: prefix("203.0.113.3"), LastSeen: now, Hits: 1}, {Address: prefix("203.0.113.4"), LastSeen: now, Hits: 1}}})
			if err == nil {
				_, err = s.store.Accept(t.Context(), []netip.Prefix{prefix("203.0.113.2")}, "anna", now)
			}
			return err
		}, "block 203.0.113.2 blocked"},
		{func() error {
			_, err := s.store.Release(t.Context(), prefix("203.0.113.1"), "anna", "x", now)
			return err
		}, "release 203.0.113.1 released"},
		{func() error {
			_, _, err := s.store.Block(t.Context(), store.Block{Address: prefix("203.0.113.5"), Rule: "manual", By: "anna"})
			if err == nil {
				_, err = s.store.Release(t.Context(), prefix("203.0.113.5"), "anna", "x", now)
			}
			return err
		}, "block 203.0.113.5 "},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := news(); !strings.HasPrefix(got, step.want) {
			t.Errorf("%q is told instead of %q", got, step.want)
		}
	}
}

func prefix(address string) netip.Prefix {
	a := netip.MustParseAddr(address)
	return netip.PrefixFrom(a, a.BitLen())
}

// So many follow, and one more takes the place of the oldest: one client that takes them all shuts nobody out. Who follows takes no place of the
// others.
func TestFollowersAreBounded(t *testing.T) {
	s := newLive(t)
	var open []*http.Response
	for range mostLive + 1 {
		r := s.follow()
		if r.StatusCode != http.StatusOK {
			t.Fatal(r.Status)
		}
		open = append(open, r)
	}
	timer := time.AfterFunc(20*time.Second, func() { open[0].Body.Close() })
	defer timer.Stop()
	if _, err := io.Copy(io.Discard, open[0].Body); err != nil {
		t.Errorf("the oldest goes on: %v", err)
	}
	live := &s.api.seats[seat{false, false, false}].live
	live.mu.Lock()
	if n := len(live.taken); n != mostLive {
		t.Errorf("%d follow", n)
	}
	live.mu.Unlock()
	if lines := bufio.NewScanner(open[1].Body); !lines.Scan() || lines.Text() != "event: rate" {
		t.Errorf("another one is told %q", lines.Text())
	}
	if r := s.over("GET", Prefix+"blacklist", ""); r.status != http.StatusOK {
		t.Errorf("another question is answered %d", r.status)
	}
	local, err := s.dial(identity{0, []int{0}})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	fmt.Fprintf(local, "GET %sevents HTTP/1.1\r\nHost: x\r\n\r\n", Prefix)
	if answer, err := bufio.NewReader(local).ReadString('\n'); err != nil || !strings.Contains(answer, "200 OK") {
		t.Errorf("over the socket the answer is %s, %v", answer, err)
	}
}

// Who may read no more is told nothing more: a stream ends with its token or its session, and another's goes on.
func TestEventsEndWithTheRightToThem(t *testing.T) {
	s, file := withTokens(t, live)
	cookie := s.signIn("token of anna")
	session, token, other := s.follow("Cookie", cookie.String()), s.follow("Authorization", "Bearer token of reader"), s.follow("Authorization", "Bearer token of anna")
	ends := func(what string, r *http.Response) {
		t.Helper()
		if r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", what, r.Status)
		}
		timer := time.AfterFunc(20*time.Second, func() { r.Body.Close() })
		defer timer.Stop()
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Errorf("%s does not end the stream: %v", what, err)
		}
	}
	out := httptest.NewRequest("POST", "/ui/signout", nil)
	out.AddCookie(cookie)
	s.api.Sessions.SignOut(httptest.NewRecorder(), out)
	ends("signing out", session)
	writeTokens(t, file, "anna "+config.RoleOperator)
	ends("a token that is taken away", token)
	// The other one is told what comes now, behind the rates.
	s.block("203.0.113.9/32", store.Blocked)
	for lines := bufio.NewScanner(other.Body); ; {
		if !lines.Scan() {
			t.Fatalf("the stream of a token that is still there has ended: %v", lines.Err())
		}
		if lines.Text() == "event: block" {
			return
		}
	}
}
