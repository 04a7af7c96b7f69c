package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"activedefense/agent/labels"
	"activedefense/agent/own"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// A stage is an API that is served, over a store of its own.
type stage struct {
	t      *testing.T
	dir    string // a short one: a socket's name has an end
	cfg    *config.Config
	store  *store.Store
	api    *API
	server *Server
	socket string
	addr   string
	paused atomic.Int64 // wrong tokens that were slowed
}

// The groups of the tests: numbers, for no test makes groups on its host.
const (
	operatorsID = 64001
	viewersID   = 64002
	nobodyID    = 65533
)

// newStage serves an API; change, which may be nil, changes what it is made of.
func newStage(t *testing.T, change func(*Options)) *stage {
	t.Helper()
	dir, err := os.MkdirTemp("", "api")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, dir: dir, socket: filepath.Join(dir, "s")}
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	s.store = st
	s.cfg = &config.Config{StateDir: dir, Blacklist: config.Blacklist{ReleaseAfter: 24 * time.Hour},
		Admin: config.Admin{Operators: []string{"64001"}, Viewers: []string{"no-such-group", "64002"}}}
	known := own.New(s.cfg, nil).Known()
	o := Options{
		Config: s.cfg, Version: "test", Store: func() (*store.Store, error) { return st, nil },
		Known:    func(context.Context) (*own.Known, error) { return known, nil },
		Labels:   func(context.Context) (*labels.Set, error) { return labels.New(labels.Options{Now: time.Now}), nil },
		Settings: detect.Settings{}, Status: func() any { return map[string]bool{"ready": true} }, Log: zerolog.Nop(),
		Pause: func(context.Context, time.Duration) bool { s.paused.Add(1); return true },
	}
	if change != nil {
		change(&o)
	}
	s.api = New(o)
	server, err := s.api.Listen(ServerOptions{Socket: s.socket, Listen: "127.0.0.1:0", NotReady: func() []string { return nil }, Metrics: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	s.addr, s.server = server.Addr().String(), server
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// block puts an address on the blacklist.
func (s *stage) block(address string, state store.State) {
	s.t.Helper()
	now := time.Now()
	b := store.Block{Address: netip.MustParsePrefix(address), Rule: "port-scan", Reason: "11 ports", By: store.ByDetector, State: state, FirstSeen: now, LastSeen: now, BlockedAt: now}
	if state == store.Held {
		b.Hold = "it is a partner"
	}
	if _, err := s.store.Commit(s.t.Context(), &store.Batch{Blocks: []store.Block{b}}); err != nil {
		s.t.Fatal(err)
	}
}

// An identity is a user with groups, of numbers that need not be known to the host.
type identity struct {
	uid    int
	groups []int // the first is the primary one
}

// dial connects as somebody. The kernel notes who the thread that connects is, and a thread can be somebody else than its process where
// that is root's; it ends with its goroutine.
func (s *stage) dial(who identity) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: nobody else gets this thread
		conn, err := dialAs(s.socket, who)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

func dialAs(path string, who identity) (net.Conn, error) {
	groups := make([]uint32, len(who.groups))
	for i, g := range who.groups {
		groups[i] = uint32(g)
	}
	if err := becomeThread(who.uid, groups); err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return nil, err
	}
	return net.FileConn(f)
}

// tokenOf is the token "token of NAME".
func tokenOf(name, role string) *config.Token {
	return &config.Token{Name: name, Role: role, Sum: sha256.Sum256([]byte("token of " + name))}
}

// reply is an answer.
type reply struct {
	status int
	header http.Header
	body   string
}

// as asks over the socket as somebody.
func (s *stage) as(who identity, method, path, body string, header ...string) reply {
	s.t.Helper()
	conn, err := s.dial(who)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}}
	return s.ask(client, "http://activedefense", method, path, body, header)
}

// over asks over admin.listen.
func (s *stage) over(method, path, body string, header ...string) reply {
	s.t.Helper()
	return s.ask(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http://"+s.addr, method, path, body, header)
}

func (s *stage) ask(client *http.Client, base, method, path, body string, header []string) reply {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			request.Host = header[i+1]
		}
		request.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	r := reply{response.StatusCode, response.Header, string(text)}
	if r.status >= 400 {
		var f Fault
		if err := json.NewDecoder(bytes.NewReader(text)).Decode(&f); err != nil || f.Status != r.status || f.Type != "about:blank" || f.Title == "" || f.Detail == "" ||
			r.header.Get("Content-Type") != "application/problem+json" {
			s.t.Errorf("%s %s: %d: %s is no fault of RFC 9457: %v", method, path, r.status, text, err)
		}
	}
	return r
}
