package edl

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// clock is a hand-moved time.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
	return c.t
}

// logText collects what is logged.
type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), part)
}

func testOptions(t *testing.T) (Options, *clock, *logText) {
	t.Helper()
	c, l := newClock(), new(logText)
	return Options{
		Listen: "127.0.0.1:0", Path: "/files/blacklist.txt", StateDir: t.TempDir(),
		Logger: zerolog.New(l), Now: c.now,
	}, c, l
}

// fewNames stands for a machine; the real one is asked in TestMachineNames.
func fewNames() names { return names{hosts: []string{"agent.example"}} }

func mustNew(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := newServer(o, defaultLimits(), fewNames)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run serves until the test ends or stop is called.
func run(t testing.TB, s *Server) (stop func()) {
	t.Helper()
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("Run did not end within 5 seconds")
		}
	})
	t.Cleanup(stop)
	return stop
}

// trusting makes a client as a firewall is one: it trusts the CA in the file and nothing else.
func trusting(t testing.TB, s *Server, caFile string) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in the CA's file")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Time: s.now}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func client(t testing.TB, s *Server) *http.Client {
	t.Helper()
	return trusting(t, s, filepath.Join(s.opts.StateDir, "ca.crt"))
}

func (s *Server) url() string { return "https://" + s.Addr().String() + s.opts.Path }

// answered is an answer that was read to its end.
type answered struct {
	status int
	header http.Header
	body   string
}

func do(t testing.TB, c *http.Client, method, url string, header ...string) answered {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{resp.StatusCode, resp.Header, string(body)}
}

func get(t testing.TB, c *http.Client, s *Server, header ...string) answered {
	t.Helper()
	return do(t, c, http.MethodGet, s.url(), header...)
}

// from makes a client's connections come from another loopback address.
func from(c *http.Client, addr string) *http.Client {
	transport := c.Transport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}).DialContext
	return &http.Client{Transport: transport, Timeout: c.Timeout}
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

func entries(prefixes ...string) []Entry {
	var list []Entry
	for _, p := range prefixes {
		parsed, err := parsePrefix(p)
		if err != nil {
			panic(err)
		}
		list = append(list, Entry{Prefix: parsed, LastSeen: time.Unix(1_770_000_000, 0).UTC()})
	}
	return list
}

// manyEntries gives n different addresses in no order, one in eight of them IPv6.
func manyEntries(n int) []Entry {
	list := make([]Entry, n)
	for i := range list {
		x := uint32(i) * 2654435761 // odd, so a permutation of all 32-bit numbers
		a := netip.AddrFrom4([4]byte{byte(x >> 24), byte(x >> 16), byte(x >> 8), byte(x)})
		if i%8 == 7 {
			a = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(x >> 24), byte(x >> 16), byte(x >> 8), byte(x), 15: 1})
		}
		list[i] = Entry{Prefix: netip.PrefixFrom(a, a.BitLen()), LastSeen: time.Unix(1_770_000_000+int64(x%1_000_000), 0)}
	}
	return list
}

// summed puts the checksum behind a text, as encode does.
func summed(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return fmt.Appendf([]byte(text), "%s%x\n", lastGoodTrailer, sum)
}
