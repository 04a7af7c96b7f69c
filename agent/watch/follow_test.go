package watch

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/rs/zerolog"

	"activedefense/agent"
	"activedefense/agent/api"
	"activedefense/agent/labels"
	"activedefense/agent/own"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// place is where a daemon can be.
type place struct {
	t      *testing.T
	store  *store.Store
	socket string
}

func newPlace(t *testing.T) *place {
	dir, err := os.MkdirTemp("", "w") // a socket's name has an end
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return &place{t, st, filepath.Join(dir, "s")}
}

// serve has the API there until stop is called.
func (p *place) serve() (stop func()) {
	p.t.Helper()
	cfg := &config.Config{Blacklist: config.Blacklist{ReleaseAfter: 24 * time.Hour}}
	known := own.New(cfg, nil).Known()
	served := api.New(api.Options{
		Config: cfg, Version: "test", Store: func() (*store.Store, error) { return p.store, nil }, Settings: detect.Settings{}, Log: zerolog.Nop(),
		Known:  func(context.Context) (*own.Known, error) { return known, nil },
		Labels: func(context.Context) (*labels.Set, error) { return labels.New(labels.Options{Now: time.Now}), nil },
		Status: func() any { return agent.Status{Version: "served"} }, Rate: func() float64 { return 7 },
		Enforced: func() int64 {
			version, err := p.store.Version(context.Background())
			if err != nil {
				p.t.Error(err)
			}
			return version
		},
	})
	server, err := served.Listen(api.ServerOptions{Socket: p.socket, NotReady: func() []string { return nil }, Metrics: http.NotFoundHandler()})
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			p.t.Error(err)
		}
	}
}

func (p *place) block(address string) {
	p.t.Helper()
	b := store.Block{Address: netip.MustParsePrefix(address), Rule: "port-scan", Reason: "11 ports", By: store.ByDetector, Country: "Norway", Port: 22}
	if _, err := p.store.Commit(p.t.Context(), &store.Batch{Blocks: []store.Block{b}}); err != nil {
		p.t.Fatal(err)
	}
}

// What happens at a daemon comes, what was before it is asked for, and one that went away is said to and asked again.
func TestFollowingADaemon(t *testing.T) {
	p := newPlace(t)
	p.block("203.0.113.1/32")
	stop := p.serve()
	messages := make(chan tea.Msg, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); Follow(ctx, api.Dial(p.socket), func(m tea.Msg) { messages <- m }) }()
	patience := time.NewTimer(30 * time.Second)
	until := func(what string, is func(tea.Msg) bool) {
		t.Helper()
		for {
			select {
			case m := <-messages:
				if is(m) {
					return
				}
			case <-patience.C:
				t.Fatalf("there is no %s", what)
			}
		}
	}
	connected := func(n int) func(tea.Msg) bool {
		return func(m tea.Msg) bool {
			c, is := m.(Connected)
			return is && len(c.Entries) == n && c.Entries[n-1].Country == "Norway" && c.Entries[n-1].Port == 22
		}
	}
	until("list", connected(1))
	until("state", func(m tea.Msg) bool { s, is := m.(State); return is && s.Status.Version == "served" })
	until("rate", func(m tea.Msg) bool { return m == Rate(7) })
	p.block("203.0.113.2/32")
	until("block", func(m tea.Msg) bool {
		e, is := m.(Event)
		return is && e.Name == "block" && e.Entry.Address == "203.0.113.2"
	})
	stop()
	until("loss", func(m tea.Msg) bool { _, is := m.(Lost); return is })
	until("loss that lasts", func(m tea.Msg) bool {
		l, is := m.(Lost)
		return is && (strings.Contains(l.Err.Error(), "no such file") || strings.Contains(l.Err.Error(), "refused"))
	})
	defer p.serve()()
	until("daemon that is back", connected(2))
	cancel()
	<-done
}

// A daemon that goes on telling is there, however long.
func TestADaemonThatGoesOnTelling(t *testing.T) {
	listener, err := net.Listen("unix", newPlace(t).socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.TrimPrefix(r.URL.Path, api.Prefix) != "events" {
			_, _ = io.WriteString(w, `{"entries": []}`)
			return
		}
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for range 9 {
			_, _ = io.WriteString(w, "event: rate\ndata: {}\n\n")
			_ = http.NewResponseController(w).Flush()
			<-tick.C
		}
	})}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	if err := followOnce(t.Context(), api.Dial(listener.Addr().String()), func(tea.Msg) {}, 600*time.Millisecond); err == nil || !strings.Contains(err.Error(), "did not answer to the end") {
		t.Error(err)
	}
}

// A daemon that tells nothing, or what is no event, is away.
func TestADaemonThatTellsNothing(t *testing.T) {
	for what, c := range map[string]struct{ tells, want string }{
		"nothing":          {"", "nothing was heard for 200ms"},
		"a broken rate":    {"event: rate\ndata: {\n\n", "a rate that cannot be read"},
		"a broken address": {"event: block\ndata: []\n\n", "tells block of what cannot be read"},
		"one without end":  {"data: " + strings.Repeat("x", 2<<20), "did not answer to the end"},
	} {
		dir := filepath.Dir(newPlace(t).socket)
		listener, err := net.Listen("unix", filepath.Join(dir, "quiet"))
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch strings.TrimPrefix(r.URL.Path, api.Prefix) {
			case "events":
				_, _ = io.WriteString(w, c.tells)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			case "blacklist":
				_, _ = io.WriteString(w, `{"entries": []}`)
			default:
				_, _ = io.WriteString(w, `{}`)
			}
		})}
		go func() { _ = server.Serve(listener) }()
		err = followOnce(t.Context(), api.Dial(listener.Addr().String()), func(tea.Msg) {}, 200*time.Millisecond)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What comes in a flood is passed on together, in its order, and nothing is lost.
func TestAFloodIsPassedOnTogether(t *testing.T) {
	happened := make(chan tea.Msg, 100)
	for i := range 100 {
		happened <- Rate(i)
	}
	close(happened)
	m, sent := screenOf(80, 24), 0
	pass(happened, func(all tea.Msg) { sent++; m.happens(all) })
	if sent != 1 || len(m.live.rates) != 100 || m.live.rates[99] != 99 {
		t.Errorf("sent %d times: %v", sent, m.live.rates)
	}
}
