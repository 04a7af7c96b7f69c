package edl

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestServesTheListOverHTTPS(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	run(t, s)
	s.Publish(entries("2001:db8::/32", "203.0.113.9", "198.51.100.0/24"), clk.now())
	a := get(t, client(t, s), s)
	want := "198.51.100.0/24\n203.0.113.9\n2001:db8::/32\n"
	if a.status != 200 || a.body != want {
		t.Fatalf("status %d, body %q", a.status, a.body)
	}
	for key, value := range map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "Content-Length": strconv.Itoa(len(want)), "ETag": entityTag([]byte(want)),
		"Last-Modified": "Sun, 01 Mar 2026 10:00:00 GMT", "Cache-Control": "no-cache",
	} {
		if got := a.header.Get(key); got != value {
			t.Errorf("%s: %q, want %q", key, got, value)
		}
	}
	head := do(t, client(t, s), http.MethodHead, s.url())
	if again := do(t, client(t, s), http.MethodHead, s.url(), "If-None-Match", a.header.Get("ETag")); again.status != 304 {
		t.Errorf("HEAD with a condition: %+v", again)
	}
	if head.status != 200 || head.body != "" || head.header.Get("Content-Length") != strconv.Itoa(len(want)) || head.header.Get("ETag") != a.header.Get("ETag") {
		t.Errorf("HEAD: %+v", head)
	}
	st := s.Status()
	if !st.Loaded || st.Entries != 3 || st.Bytes != len(want) || st.Fetches != 1 || len(st.Clients) != 1 || st.Clients[0].Addr.String() != "127.0.0.1" ||
		!st.Clients[0].LastFetch.Equal(clk.now()) || !st.LastFetch.Equal(clk.now()) {
		t.Errorf("status %+v", st)
	}
}

func TestBeforeTheListIsLoaded503WithoutBody(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	run(t, s)
	c := client(t, s)
	a := get(t, c, s)
	if a.status != 503 || a.body != "" || a.header.Get("Retry-After") == "" || a.header.Get("ETag") != "" || a.header.Get("Content-Length") != "0" {
		t.Fatalf("%+v", a)
	}
	if st := s.Status(); st.Loaded || st.Unready != 1 || st.Fetches != 0 {
		t.Fatalf("status %+v", st)
	}
	s.Publish(nil, clk.now())
	if a := get(t, c, s); a.status != 200 || !strings.HasPrefix(a.body, "192.0.2.255 #") || strings.Count(a.body, "\n") != 1 {
		t.Fatalf("empty list: %+v", a)
	}
}

func TestOtherPathsAndMethods(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	s.Publish(entries("192.0.2.1"), clk.now())
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 404}, {"GET", "/files/", 404}, {"GET", "/files/blacklist.txt/", 404}, {"GET", "//files/blacklist.txt", 404},
		{"GET", "/files/../files/blacklist.txt", 404}, {"POST", "/elsewhere", 404},
		{"POST", "/files/blacklist.txt", 405}, {"DELETE", "/files/blacklist.txt", 405}, {"OPTIONS", "/files/blacklist.txt", 405},
		{"GET", "/files/blacklist.txt?v=1", 200},
	} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(c.method, "https://agent.example"+c.path, nil))
		if w.Code != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, w.Code, c.status)
		}
		if c.status != 200 && w.Body.Len() != 0 {
			t.Errorf("%s %s: a body: %q", c.method, c.path, w.Body)
		}
		if c.status == 405 && w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: Allow %q", c.method, w.Header().Get("Allow"))
		}
	}
}

func TestConditionalRequests(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	s.Publish(entries("192.0.2.1"), clk.now())
	tag, date := s.Status().ETag, clk.now()
	clk.move(time.Hour)
	at := func(d time.Duration) string { return date.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		name, match, since string
		status             int
	}{
		{"no condition", "", "", 200},
		{"same tag", tag, "", 304},
		{"weakened by a proxy", "W/" + tag, "", 304},
		{"one of several", `"x", ` + tag + ` ,"y"`, "", 304},
		{"any", "*", "", 304},
		{"other tag", `"x"`, "", 200},
		{"tag without quotes", strings.Trim(tag, `"`), "", 200},
		{"same date", "", at(0), 304},
		{"later date", "", at(time.Minute), 200},
		{"earlier date", "", at(-time.Second), 200},
		{"date of a clock that is ahead", "", at(2 * time.Hour), 200},
		{"no date", "", "yesterday", 200},
		{"the tag decides over the date", `"x"`, at(0), 200},
		{"the tag decides over the date, too", tag, at(-time.Hour), 304},
	} {
		r := httptest.NewRequest("GET", "https://agent.example"+o.Path, nil)
		if c.match != "" {
			r.Header.Set("If-None-Match", c.match)
		}
		if c.since != "" {
			r.Header.Set("If-Modified-Since", c.since)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != c.status || (c.status == 304) != (w.Body.Len() == 0) || w.Header().Get("ETag") != tag || w.Header().Get("Last-Modified") != at(0) {
			t.Errorf("%s: %d with %d bytes, want %d; %v", c.name, w.Code, w.Body.Len(), c.status, w.Header())
		}
	}
}

func TestConditionalRequestOverTheWire(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	run(t, s)
	c := client(t, s)
	s.Publish(entries("192.0.2.1"), clk.now())
	first := get(t, c, s)
	again := get(t, c, s, "If-None-Match", first.header.Get("ETag"))
	since := get(t, c, s, "If-Modified-Since", first.header.Get("Last-Modified"))
	if again.status != 304 || again.body != "" || since.status != 304 || since.body != "" {
		t.Fatalf("%+v\n%+v", again, since)
	}
	waitFor(t, "three fetches", func() bool { return s.Status().Fetches == 3 })
	if st := s.Status(); st.Clients[0].NotModified != 2 {
		t.Fatalf("%+v", st.Clients)
	}
	clk.move(time.Second)
	s.Publish(entries("192.0.2.2"), clk.now())
	if a := get(t, c, s, "If-None-Match", first.header.Get("ETag")); a.status != 200 || a.body != "192.0.2.2\n" {
		t.Fatalf("%+v", a)
	}
}

// A part of the list would be a shrunk list.
func TestRangeIsIgnored(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	s.Publish(entries("192.0.2.1", "192.0.2.2"), clk.now())
	r := httptest.NewRequest("GET", "https://agent.example"+o.Path, nil)
	r.Header.Set("Range", "bytes=0-3")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 200 || w.Body.String() != "192.0.2.1\n192.0.2.2\n" {
		t.Fatalf("%d %q", w.Code, w.Body)
	}
}

// Whatever is published meanwhile, the body that arrives is the one its ETag stands for, and whole.
func TestConcurrentPublishAndFetch(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	run(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	var publisher sync.WaitGroup
	s.Publish(manyEntries(1), clk.now())
	publisher.Go(func() {
		for n := 1; ctx.Err() == nil; n = n%700 + 1 {
			s.Publish(manyEntries(n), clk.now())
			_ = s.Status()
		}
	})
	var readers sync.WaitGroup
	for range 4 {
		c := client(t, s)
		readers.Go(func() {
			for range 25 {
				r, err := c.Get(s.url())
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(r.Body)
				_ = r.Body.Close()
				if err != nil || r.StatusCode != 200 || entityTag(body) != r.Header.Get("ETag") || r.ContentLength != int64(len(body)) {
					t.Errorf("status %d, %d bytes, %s, %v", r.StatusCode, len(body), r.Header.Get("ETag"), err)
				}
			}
		})
	}
	readers.Wait()
	cancel()
	publisher.Wait()
}

// openSlow sends a request and reads only the first line of the answer.
func openSlow(t *testing.T, s *Server) {
	t.Helper()
	raw, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	_ = raw.(*net.TCPConn).SetReadBuffer(4096) // or the kernel takes the whole list in the client's place
	c := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: agent.example\r\n\r\n", s.opts.Path); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReaderSize(c, 16)
	if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatalf("%q %v", line, err)
	}
}

func TestSlowClientDelaysNobodyAndIsCutOff(t *testing.T) {
	o, clk, _ := testOptions(t)
	l := defaultLimits()
	l.write = 500 * time.Millisecond
	s, err := newServer(o, l, fewNames)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	s.Publish(manyEntries(400_000), clk.now())
	openSlow(t, s)
	s.Publish(entries("192.0.2.1"), clk.now())
	if a := get(t, client(t, s), s); a.body != "192.0.2.1\n" {
		t.Fatalf("%+v", a)
	}
	waitFor(t, "the slow client to be cut off", func() bool { return s.Status().Connections == 0 })
	if st := s.Status(); st.Fetches != 1 {
		t.Errorf("%d fetches, want only the complete one", st.Fetches)
	}
}

func TestRunEndsInTimeWithAClientThatHangs(t *testing.T) {
	o, clk, _ := testOptions(t)
	l := defaultLimits()
	l.shutdown = 50 * time.Millisecond
	s, err := newServer(o, l, fewNames)
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, s)
	s.Publish(manyEntries(400_000), clk.now())
	openSlow(t, s)
	stop()
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("somebody still listens")
	}
	if st := s.Status(); st.Saved.IsZero() || st.SaveError != "" {
		t.Errorf("not saved at the end: %+v", st)
	}
}

// What is published while the last fetches end is saved too.
func TestListPublishedDuringShutdownIsSaved(t *testing.T) {
	o, clk, _ := testOptions(t)
	l := defaultLimits()
	l.shutdown = time.Second
	s, err := newServer(o, l, fewNames)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.Publish(manyEntries(400_000), clk.now())
	waitFor(t, "the first list to be saved", func() bool { return !s.Status().Saved.IsZero() })
	openSlow(t, s)
	s.Publish(manyEntries(10), clk.move(time.Second))
	cancel()
	waitFor(t, "the list to be saved at the end of the context", func() bool { return s.Status().Saved.Equal(clk.now()) })
	s.Publish(entries("192.0.2.77"), clk.now())
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, err := readLastGood(s.lastGoodFile()); err != nil || len(got.entries) != 1 {
		t.Fatalf("%+v %v", got, err)
	}
}

func TestRunWithAnEndedContext(t *testing.T) {
	o, _, _ := testOptions(t)
	s := mustNew(t, o)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestListenErrors(t *testing.T) {
	o, _, _ := testOptions(t)
	s := mustNew(t, o)
	if s.Addr() != nil {
		t.Error("an address before Listen")
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	defer s.listener.Close()
	o.Listen = s.Addr().String()
	if err := mustNew(t, o).Run(context.Background()); err == nil || !strings.Contains(err.Error(), "listen") {
		t.Errorf("a taken port: %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	o, _, _ := testOptions(t)
	_, err := New(Options{Path: "x", CertFile: "c", MaxEntries: -1, Allow: make([]netip.Prefix, 1)})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"listen", "slash", "state folder", "together", "negative", "network"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not named in: %v", part, err)
		}
	}
	o.Hosts = []string{"https://agent.example"}
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "https://agent.example") {
		t.Errorf("a host that is none: %v", err)
	}
}
