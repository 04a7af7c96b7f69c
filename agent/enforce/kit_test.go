package enforce

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/store"
)

// A testClock shows the time that a test sets.
type testClock struct {
	mu sync.Mutex
	at time.Time
}

func newTestClock() *testClock { return &testClock{at: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)} }

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *testClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// newTestStore makes a real SQLite file.
func newTestStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// A lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// text is the log, a line an entry.
func (l *lockedBuffer) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// count tells how often the log says something.
func (l *lockedBuffer) count(text string) int { return strings.Count(l.text(), text) }

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// until waits for something that must happen.
func until(t *testing.T, what string, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !happened(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("it does not happen: %s", what)
		}
	}
}

// startSim starts a simulated firewall for the length of the test.
func startSim(t *testing.T, o panosim.Options) *panosim.Sim {
	t.Helper()
	sim, err := panosim.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return sim
}

// entryFor is a configuration's entry for a simulated firewall.
func entryFor(name, mode string, sim *panosim.Sim) config.Firewall {
	return config.Firewall{Name: name, URL: sim.URL(), APIKey: config.Secret(sim.Key()), CA: sim.CA(), VSys: "vsys1", Mode: mode, Tag: testTag,
		Timeout: 10 * time.Second, MaxRemovalPercent: 30}
}

// blockedSince are entries that have been blocked since then, for 30 days.
func blockedSince(since time.Time, addresses ...string) []firewall.Entry {
	var all []firewall.Entry
	for _, a := range addresses {
		all = append(all, firewall.Entry{Prefix: netip.MustParsePrefix(a), Since: since, Until: since.Add(30 * 24 * time.Hour)})
	}
	return all
}

// A listServer serves a list over HTTPS, as the agent does.
type listServer struct {
	url       string
	authority []byte // PEM of what verifies it
	lines     atomic.Pointer[string]
	status    atomic.Int64 // what it answers instead; 0: the list
}

func newListServer(t *testing.T) *listServer {
	t.Helper()
	s := &listServer{}
	s.serve()
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	s.url = server.URL + "/files/blacklist.txt"
	s.authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return s
}

// ServeHTTP answers a firewall that fetches.
func (s *listServer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if status := s.status.Load(); status != 0 {
		w.WriteHeader(int(status))
		return
	}
	_, _ = io.WriteString(w, *s.lines.Load())
}

// serve changes the list.
func (s *listServer) serve(addresses ...string) {
	text := strings.Join(addresses, "\n") + "\n"
	s.lines.Store(&text)
}

// listConfig is a configuration whose firewall fetches that list under our name, and drops what is on it.
func (s *listServer) listConfig() string {
	const text = `<config version="10.2.0"><shared><certificate><entry name="ca"><public-key>%[1]s</public-key></entry></certificate>
<certificate-profile><entry name="cp"><CA><entry name="ca"/></CA></entry></certificate-profile></shared>
<devices><entry name="localhost.localdomain"><vsys><entry name="vsys1"><zone><entry name="untrust"/><entry name="dmz"/></zone>
<external-list><entry name="%[2]s"><type><ip><url>%[3]s</url><certificate-profile>cp</certificate-profile>
<recurring><five-minute/></recurring></ip></type></entry></external-list>
<rulebase><security><rules><entry name="block"><from><member>any</member></from><to><member>any</member></to><source><member>%[2]s</member></source>
<destination><member>any</member></destination><application><member>any</member></application><service><member>any</member></service><action>drop</action></entry>
</rules></security></rulebase></entry></vsys></entry></devices></config>`
	return fmt.Sprintf(text, s.authority, firewall.NamesFor(testTag).List, s.url)
}
