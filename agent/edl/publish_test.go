package edl

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestLastModifiedMovesOnlyWithTheContent(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	s.Publish(entries("192.0.2.1", "192.0.2.2"), clk.now())
	first := s.Status()
	later := entries("192.0.2.2", "192.0.2.1")
	later[0].LastSeen = later[0].LastSeen.Add(time.Hour)
	s.Publish(later, clk.move(time.Minute))
	if st := s.Status(); st.ETag != first.ETag || !st.Changed.Equal(first.Changed) || !st.Updated.Equal(clk.now()) {
		t.Errorf("same content: %+v", st)
	}
	s.Publish(entries("192.0.2.1"), clk.move(time.Minute))
	if st := s.Status(); st.ETag == first.ETag || !st.Changed.Equal(clk.now()) {
		t.Errorf("other content: %+v", st)
	}
}

// since asks with the date of the list that is served now.
func (s *Server) since(date string) int {
	r := httptest.NewRequest(http.MethodGet, "https://agent.example"+s.opts.Path, nil)
	r.Header.Set("If-Modified-Since", date)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code
}

// HTTP dates are seconds: who fetched the first of two lists of one second must not be told that it is the second one.
func TestTwoListsInOneSecond(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	s.Publish(entries("192.0.2.1"), clk.now())
	date := s.current.Load().header.Get("Last-Modified")
	if code := s.since(date); code != 304 {
		t.Fatalf("alone in its second: %d", code)
	}
	s.Publish(entries("192.0.2.1", "192.0.2.2"), clk.move(900*time.Millisecond))
	if code := s.since(date); code != 200 {
		t.Fatalf("an outdated copy passes for current: %d", code)
	}
	stop := saved(t, s, entries("192.0.2.1", "192.0.2.2"), clk.now())
	if !strings.Contains(string(stop), "exact=false") {
		t.Error("a restart would forget that the date is shared")
	}
	s.Publish(entries("192.0.2.2"), clk.move(time.Second))
	if code := s.since(date); code != 200 {
		t.Fatalf("an outdated copy passes for current: %d", code)
	}
	if code := s.since(s.current.Load().header.Get("Last-Modified")); code != 304 {
		t.Fatalf("alone in its second: %d", code)
	}
}

// Who fetched the first of two lists just before the second came, and asks with the time of that fetch by a clock that is a
// little ahead of ours, must not be told that it is the second one.
func TestDateOfAClientsOwnClock(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	s.Publish(entries("192.0.2.1"), clk.now())
	fetched := clk.move(time.Minute).Add(30 * time.Second).Format(http.TimeFormat)
	s.Publish(entries("192.0.2.1", "192.0.2.2"), clk.move(10*time.Second))
	clk.move(5 * time.Minute)
	if code := s.since(fetched); code != 200 {
		t.Errorf("an outdated copy passes for current: %d", code)
	}
}

// A clock that is set back must not make new content look older than what clients have, also not across a restart.
func TestClockSetBack(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	saved(t, s, entries("192.0.2.1"), clk.now())
	date := s.current.Load().header.Get("Last-Modified")
	s.Publish(entries("192.0.2.2"), clk.move(-30*time.Minute))
	if code := s.since(date); code != 200 {
		t.Errorf("an outdated copy passes for current: %d", code)
	}
	next := mustNew(t, o)
	next.Publish(entries("192.0.2.3"), clk.now())
	if code := next.since(date); code != 200 {
		t.Errorf("after a restart an outdated copy passes for current: %d", code)
	}
	clk.move(time.Hour)
	for name, server := range map[string]*Server{"first": s, "restarted": next} {
		if code := server.since(date); code != 200 {
			t.Errorf("%s: when the clock comes by again an outdated copy passes for current: %d", name, code)
		}
	}
}

func TestRestartWithTheSameListKeepsItsDate(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	saved(t, s, entries("192.0.2.1"), clk.now())
	next := mustNew(t, o)
	next.Publish(entries("192.0.2.1"), clk.move(time.Hour))
	if got, want := next.Status(), s.Status(); got.ETag != want.ETag || !got.Changed.Equal(want.Changed) {
		t.Errorf("%+v\n%+v", got, want)
	}
}

func TestLeftOutEntriesAreCountedAndNamed(t *testing.T) {
	o, clk, log := testOptions(t)
	o.MaxEntries = 2
	s := mustNew(t, o)
	const text = "exceeds max_entries"
	publish := func(quiet string) {
		list := entries("192.0.2.1", "192.0.2.2", quiet)
		list[2].LastSeen = list[2].LastSeen.Add(-time.Hour)
		s.Publish(list, clk.now())
	}
	publish("198.51.100.1")
	if st := s.Status(); st.Entries != 2 || st.LeftOut != 1 || log.count(text) != 1 || log.count(`"198.51.100.1"`) != 1 {
		t.Fatalf("%+v", st)
	}
	clk.move(time.Hour)
	publish("198.51.100.1")
	if log.count(text) != 1 {
		t.Error("the same set is named again")
	}
	publish("198.51.100.2")
	if log.count(text) != 2 || log.count(`"198.51.100.2"`) != 1 {
		t.Error("another set is not named")
	}
	clk.move(time.Second)
	publish("198.51.100.3")
	if log.count(text) != 2 {
		t.Error("named twice within a minute")
	}
	clk.move(time.Minute)
	publish("198.51.100.3")
	if log.count(text) != 3 {
		t.Error("what changed within the minute is never named")
	}
	s.Publish(manyEntries(500), clk.move(time.Hour))
	if log.count(`"left_out":498`) != 1 || log.count("2001:db8") > 5 {
		t.Error("not a few names and the count")
	}
	s.Publish(entries("192.0.2.1"), clk.now())
	s.Publish(entries("192.0.2.1"), clk.now())
	if st := s.Status(); st.LeftOut != 0 || log.count("the list is within max_entries again") != 1 {
		t.Errorf("%+v", st)
	}
}

// A reader that began before goes on with what it began with.
func TestPublishDoesNotTouchOlderSnapshots(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	s.Publish(entries("192.0.2.1", "192.0.2.2"), clk.now())
	old := s.current.Load()
	s.Publish(entries("198.51.100.1"), clk.now())
	if string(old.body) != "192.0.2.1\n192.0.2.2\n" || entityTag(old.body) != old.etag || old.header.Get("ETag") != old.etag {
		t.Errorf("%q %s", old.body, old.etag)
	}
}
