package web

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/api"
	"activedefense/agent/labels"
	"activedefense/agent/own"
	"activedefense/agent/pace"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// A stage is a page that is served, over a store of its own.
type stage struct {
	t      *testing.T
	cfg    *config.Config
	store  *store.Store
	status atomic.Pointer[map[string]any] // what the agent says of itself
	api    *api.API
	hours  []pace.Hour // in which lines were read
	url    string
	cut    func() // ends serving
}

// newStage serves a page, with tokens or without.
func newStage(t *testing.T, tokens bool) *stage {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	s := &stage{t: t, store: st, cfg: &config.Config{StateDir: dir, Blacklist: config.Blacklist{ReleaseAfter: 24 * time.Hour}}}
	if tokens {
		s.cfg.Admin.TokensFile = filepath.Join(dir, "tokens")
		var lines strings.Builder
		for name, role := range map[string]string{"reader": config.RoleViewer, "anna": config.RoleOperator} {
			token := config.Token{Name: name, Role: role, Sum: sha256.Sum256([]byte("token of " + name))}
			lines.WriteString(token.Line() + "\n")
		}
		if err := os.WriteFile(s.cfg.Admin.TokensFile, []byte(lines.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.say(map[string]any{})
	known := own.New(s.cfg, nil).Known()
	a := api.New(api.Options{
		Config: s.cfg, Version: "test", Store: func() (*store.Store, error) { return st, nil },
		Known:    func(context.Context) (*own.Known, error) { return known, nil },
		Labels:   func(context.Context) (*labels.Set, error) { return labels.New(labels.Options{Now: time.Now}), nil },
		Settings: detect.Settings{}, Log: zerolog.Nop(), Status: func() any { return *s.status.Load() },
		Enforced: func() int64 { n, _ := st.Version(context.Background()); return n }, Rate: func() float64 { return 1234 },
		Pace:  func() []pace.Hour { return s.hours },
		Pause: func(context.Context, time.Duration) bool { return true },
	})
	s.api = a
	s.serve()
	t.Cleanup(func() { s.cut() })
	return s
}

// quietAddress is one whose port stays free while the page is not served: it is below those that the system gives to connections.
func quietAddress(t *testing.T) string {
	t.Helper()
	first := os.Getpid() * 31
	for i := range 1_000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 7_000+(first+i)%1_000))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return l.Addr().String()
	}
	t.Fatal("no port is free")
	return ""
}

// serve serves the page, where it was served before if it was.
func (s *stage) serve() {
	s.t.Helper()
	at := strings.TrimPrefix(s.url, "http://")
	if at == "" {
		at = quietAddress(s.t)
	}
	server, err := s.api.Listen(api.ServerOptions{Listen: at, NotReady: func() []string { return nil }, Metrics: http.NotFoundHandler(),
		Page: New(Options{API: s.api, Name: "lab", Tokens: s.cfg.Admin.TokensFile != ""})})
	if err != nil {
		s.t.Fatal(err)
	}
	s.url = "http://" + server.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	s.cut = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	})
}

// say has the agent say something of itself; what is not given is well.
func (s *stage) say(fields map[string]any) {
	all := map[string]any{"version": "test", "ready": true, "troubles": []any{}, "blacklist": 1, "held": 0, "observed": 0, "lines_per_second": 1234,
		"store": map[string]any{"kind": "sqlite", "ok": true, "size_bytes": 123456789}, "firewalls": []any{}, "inputs": []any{}, "policies": []any{}}
	for name, value := range fields {
		all[name] = value
	}
	s.status.Store(&all)
}

// put puts an entry on the blacklist.
func (s *stage) put(address string, state store.State, change ...func(*store.Block)) {
	s.t.Helper()
	now := time.Now()
	b := store.Block{Address: netip.MustParsePrefix(address), Rule: "port-scan", Reason: "11 ports of 198.51.100.7 within 10 minutes", By: store.ByDetector, State: state,
		Device: "LAB-FW-01", Hits: 11, FirstSeen: now, LastSeen: now, BlockedAt: now}
	if state == store.Held {
		b.Hold = "it is a partner"
	}
	for _, c := range change {
		c(&b)
	}
	if _, err := s.store.Commit(s.t.Context(), &store.Batch{Blocks: []store.Block{b}}); err != nil {
		s.t.Fatal(err)
	}
}

// A visitor is somebody with a browser that knows no JavaScript.
type visitor struct {
	s      *stage
	client *http.Client
	csrf   string // of the last page
}

func (s *stage) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &visitor{s: s, client: &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}}
}

// signedIn is one who signed in with a token.
func (s *stage) signedIn(name string) *visitor {
	s.t.Helper()
	v := s.visitor()
	if status, text := v.post("/ui/signin", "token", "token of "+name); status != http.StatusOK || !strings.Contains(text, name) {
		s.t.Fatalf("%s is not signed in: %d %s", name, status, text)
	}
	return v
}

var csrfOf = regexp.MustCompile(`name="csrf" value="([^"]*)"`)

// get loads a page.
func (v *visitor) get(path string, header ...string) (int, string) {
	return v.ask("GET", path, nil, header...)
}

// post sends a form: names and values in turn, and what the forms of the last page carried.
func (v *visitor) post(path string, fields ...string) (int, string) {
	form := url.Values{"csrf": {v.csrf}}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return v.ask("POST", path, form)
}

func (v *visitor) ask(method, path string, form url.Values, header ...string) (int, string) {
	t := v.s.t
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, v.s.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := v.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if m := csrfOf.FindSubmatch(text); m != nil {
		v.csrf = string(m[1])
	}
	if got := response.Header.Get("Content-Security-Policy"); got != contentPolicy {
		t.Errorf("%s %s: the policy is %q", method, path, got)
	}
	return response.StatusCode, string(text)
}
