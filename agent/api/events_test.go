package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"activedefense/agent/explain"
	"activedefense/store"
)

// newLive is a stage whose agent enforces what its store has.
func newLive(t *testing.T) *stage {
	var s *stage
	s = newStage(t, func(o *Options) {
		o.Rate = func() float64 { return 42 }
		o.Enforced = func() int64 { n, _ := s.store.Version(t.Context()); return n }
	})
	return s
}

// follow opens the events over admin.listen.
func (s *stage) follow() *http.Response {
	s.t.Helper()
	response, err := http.Get("http://" + s.addr + Prefix + "events")
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

// So many follow, and no more; who follows takes no place of the others, and gives back his own.
func TestFollowersAreBounded(t *testing.T) {
	s := newLive(t)
	var open []io.Closer
	for range mostLive {
		open = append(open, s.follow().Body)
	}
	if r := s.over("GET", Prefix+"events", ""); r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
		t.Errorf("one more is answered %d %s", r.status, r.body)
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
	open[0].Close()
	deadline := time.Now().Add(30 * time.Second)
	for response := s.follow(); response.StatusCode != http.StatusOK; response = s.follow() {
		if time.Now().After(deadline) {
			t.Fatal(fmt.Sprint("the place is not given back: ", response.Status))
		}
	}
}
