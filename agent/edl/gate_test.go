package edl

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

// closedWithoutAByte connects as the given loopback address and says nothing; a server that wanted to talk would wait.
func closedWithoutAByte(t *testing.T, s *Server, local string) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}
	c, err := d.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n != 0 || (!errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET)) {
		t.Fatalf("read %d bytes, %v; want the connection closed", n, err)
	}
}

func TestClientOutsideAllowIsClosedWithoutAnswer(t *testing.T) {
	o, clk, log := testOptions(t)
	o.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32"), netip.MustParsePrefix("198.51.100.0/24")}
	s := mustNew(t, o)
	run(t, s)
	s.Publish(entries("192.0.2.1"), clk.now())
	c := client(t, s)
	if a := get(t, from(c, "127.0.0.2"), s); a.status != 200 {
		t.Fatalf("an allowed client: %+v", a)
	}
	for range 3 {
		closedWithoutAByte(t, s, "127.0.0.1")
	}
	if r, err := c.Get(s.url()); err == nil {
		t.Fatalf("a refused client got %s", r.Status)
	}
	// What a client says about where it comes from changes nothing, in either direction.
	for _, header := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded"} {
		if a := get(t, from(c, "127.0.0.2"), s, header, "203.0.113.1"); a.status != 200 {
			t.Fatalf("%s: %+v", header, a)
		}
	}
	if clients := s.Status().Clients; len(clients) != 1 || clients[0].Addr.String() != "127.0.0.2" {
		t.Fatalf("clients %+v", clients)
	}
	closedWithoutAByte(t, s, "127.0.0.3")
	const text = "not in a network that may read the list"
	if n := log.count(text); n != 2 {
		t.Errorf("logged %d times for two addresses within an hour", n)
	}
	clk.move(time.Hour)
	closedWithoutAByte(t, s, "127.0.0.1")
	if n := log.count(text); n != 3 {
		t.Errorf("logged %d times, want once more after an hour", n)
	}
	if st := s.Status(); st.Refused < 6 || st.Fetches != 4 {
		t.Errorf("status %+v", st)
	}
}

// A listening socket for both families reports IPv4 clients as IPv6.
func TestAllowKnowsMappedAddresses(t *testing.T) {
	s := &Server{opts: Options{Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("::ffff:198.51.100.7/128"), netip.MustParsePrefix("2001:db8::/32")}}}
	for addr, want := range map[string]bool{
		"::ffff:192.0.2.9": true, "192.0.2.9": true, "192.0.3.9": false, "198.51.100.7": true, "198.51.100.8": false,
		"2001:db8::1%eth0": true, "2001:db9::1": false,
	} {
		if got := s.allowed(plain(netip.MustParseAddr(addr))); got != want {
			t.Errorf("%s: %t", addr, got)
		}
	}
	if s.allowed(netip.Addr{}) {
		t.Error("an unknown address is let in")
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	o, clk, _ := testOptions(t)
	l := defaultLimits()
	l.connections, l.perAddress = 3, 2
	s, err := newServer(o, l, fewNames)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s)
	s.Publish(entries("192.0.2.1"), clk.now())
	c := client(t, s)
	var held []net.Conn
	for range 2 {
		one, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer one.Close()
		held = append(held, one)
	}
	waitFor(t, "two open connections", func() bool { return s.Status().Connections == 2 })
	closedWithoutAByte(t, s, "127.0.0.1")
	if st := s.Status(); st.Crowded != 1 {
		t.Fatalf("status %+v", st)
	}
	if a := get(t, from(c, "127.0.0.2"), s); a.status != 200 {
		t.Fatalf("one address takes the places of another: %+v", a)
	}
	third, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}}).Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	waitFor(t, "all places taken", func() bool { return s.Status().Connections == 3 })
	// The next client waits for a place and is served when one is free.
	answer := make(chan error, 1)
	go func() {
		r, err := from(c, "127.0.0.2").Get(s.url())
		if err == nil {
			err = r.Body.Close()
		}
		answer <- err
	}()
	if n := s.Status().Connections; n != 3 {
		t.Fatalf("%d connections", n)
	}
	_ = held[0].Close()
	if err := <-answer; err != nil {
		t.Fatal(err)
	}
}

// A full gate must not keep Run from ending.
func TestGateClosesWhileItIsFull(t *testing.T) {
	o, _, _ := testOptions(t)
	l := defaultLimits()
	l.connections, l.shutdown = 1, 50*time.Millisecond
	s, err := newServer(o, l, fewNames)
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, s)
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	waitFor(t, "the only place taken", func() bool { return s.Status().Connections == 1 })
	stop()
	if n := s.Status().Connections; n != 0 {
		t.Errorf("%d connections left", n)
	}
}

// A firewall that does not know the CA does not enforce the list; the operator must hear of it.
func TestDistrustedCertificateIsReported(t *testing.T) {
	o, _, log := testOptions(t)
	s := mustNew(t, o)
	run(t, s)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool(), Time: o.Now, MaxVersion: version}}}
		if _, err := c.Get(s.url()); err == nil {
			t.Fatal("an empty pool trusts the server")
		}
	}
	waitFor(t, "two distrusted handshakes", func() bool { return s.Status().Distrusted == 2 })
	if n := log.count("does not seem to accept the list's certificate"); n != 1 {
		t.Errorf("logged %d times, want once an hour", n)
	}
	raw, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := tls.Client(plainAlert{raw}, &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost", Time: o.Now}).Handshake(); err == nil {
		t.Fatal("an empty pool trusts the server")
	}
	waitFor(t, "a third distrusted handshake", func() bool { return s.Status().Distrusted == 3 })
}

// plainAlert sends what OpenSSL sends when it rejects a certificate in TLS 1.3: "unknown CA", unencrypted.
type plainAlert struct{ net.Conn }

func (c plainAlert) Write(p []byte) (int, error) {
	const applicationData = 23
	if p[0] != applicationData {
		return c.Conn.Write(p)
	}
	if _, err := c.Conn.Write([]byte{21, 3, 3, 0, 2, 2, 48}); err != nil {
		return 0, err
	}
	return len(p), nil
}

func TestNameThatTheCertificateLacksIsReported(t *testing.T) {
	o, clk, log := testOptions(t)
	s := mustNew(t, o)
	run(t, s)
	s.Publish(entries("192.0.2.1"), clk.now())
	c := client(t, s)
	for _, name := range []string{"", "agent.example", "other.example", "other.example"} {
		transport := c.Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.ServerName = name
		r, err := (&http.Client{Transport: transport}).Get(s.url())
		if (err == nil) != (name != "other.example") {
			t.Errorf("%q: %v", name, err)
		}
		if err == nil {
			_ = r.Body.Close()
		}
	}
	if n := s.Status().Misnamed; n != 2 || log.count(`"name":"other.example"`) != 1 {
		t.Errorf("%d counted, logged %d times", n, log.count(`"name":"other.example"`))
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	o, clk, _ := testOptions(t)
	s := mustNew(t, o)
	run(t, s)
	s.Publish(entries("192.0.2.1"), clk.now())
	c := client(t, s)
	config := c.Transport.(*http.Transport).TLSClientConfig
	config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, err := c.Get(s.url()); err == nil || !strings.Contains(err.Error(), "version") {
		t.Errorf("TLS 1.1: %v", err)
	}
}

func TestErrorLogIsBounded(t *testing.T) {
	o, clk, log := testOptions(t)
	s := mustNew(t, o)
	e := &errorLog{server: s}
	const text = "a connection to the list server failed"
	for range 1000 {
		if _, err := e.Write([]byte("http: TLS handshake error from 192.0.2.7:1234: EOF\n")); err != nil {
			t.Fatal(err)
		}
	}
	if n := log.count(text); n != errorLinesPerMinute {
		t.Errorf("%d lines within a minute", n)
	}
	clk.move(time.Minute)
	_, _ = e.Write([]byte("x\n"))
	if log.count(text) != errorLinesPerMinute+1 || log.count(`"suppressed":980`) != 1 {
		t.Error("the next minute's line, or the count of suppressed ones, is missing")
	}
	if s.Status().Distrusted != 0 {
		t.Error("an EOF counts as distrust")
	}
}

// A scan from very many addresses neither fills the log nor the memory, and the bound does not last longer than an hour.
func TestHourlyIsBounded(t *testing.T) {
	var h hourly
	now := newClock().now()
	passed := 0
	for _, e := range manyEntries(10_000) {
		if h.first(e.Prefix.Addr(), now) {
			passed++
		}
	}
	if passed != maxHourly || len(h.seen) != maxHourly {
		t.Fatalf("%d passed, %d kept", passed, len(h.seen))
	}
	if !h.first(netip.MustParseAddr("198.51.100.1"), now.Add(time.Hour)) {
		t.Error("nothing passes after an hour")
	}
}

func TestClientsAreBounded(t *testing.T) {
	var c clients
	now := newClock().now()
	first := netip.MustParseAddr("198.51.100.1")
	c.fetched(first, now.Add(time.Hour), false)
	for i, e := range manyEntries(1000) {
		c.fetched(e.Prefix.Addr(), now.Add(time.Duration(i)*time.Second), i%2 == 0)
	}
	total, last, all := c.list(now)
	if total != 1001 || len(all) != maxClients || all[0].Addr != first || !last.Equal(now.Add(999*time.Second)) {
		t.Fatalf("%d fetches, %d clients, first %v, last %v", total, len(all), all[0], last)
	}
}
