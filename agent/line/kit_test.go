package line

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/detect"
	"activedefense/detect/panos"
	"activedefense/store"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

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

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newTestStore makes a real SQLite file.
func newTestStore(t testing.TB) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// testInput reads a pattern as the daemon would by default.
func testInput(pattern string) Input {
	return Input{Pattern: pattern, Location: time.UTC,
		NewParser: func() Parser { return panos.New(panos.Options{Location: time.UTC}) }}
}

// testSettings are the rules with their usual thresholds.
var testSettings = detect.Settings{
	PortScan:      detect.PortScan{Ports: 10, Window: 10 * time.Minute},
	HostSweep:     detect.HostSweep{Hosts: 10, Window: 10 * time.Minute},
	Vulnerability: detect.Vulnerability{Severity: detect.VulnerabilityCritical}, MaxSources: 100_000,
}

// nobody is protected by it.
var nobody = detect.NewGuard(nil, nil)

// testOptions follow a pattern into a store.
func testOptions(t testing.TB, st *store.Store, pattern string) Options {
	return Options{
		Store: st, Inputs: []Input{testInput(pattern)}, Settings: testSettings, ReleaseAfter: 100 * 365 * 24 * time.Hour,
		Guard: func() *detect.Guard { return nobody }, Ours: func() *detect.Ours { return nil },
		Stats: NewStats(), Attach: func(func([]Change)) {}, Wake: func() {}, Logger: zerolog.Nop(), Now: time.Now, Ahead: func() time.Duration { return 0 }, Agreed: func() bool { return true }, Later: func(bool) time.Duration { return 0 },
		Health: Health{
			Insist: func(ctx context.Context, do func() error) bool {
				if err := do(); err != nil {
					t.Error(err)
					return false
				}
				return true
			},
			Begun: func() {}, Failed: func(err error) { t.Error(err) }, Back: func() {},
		},
	}
}

// newTestLive opens the inputs of a pattern in a folder as a start does.
func newTestLive(t *testing.T, dir, pattern string) *Live {
	t.Helper()
	return openTestLive(t, testOptions(t, newTestStore(t), filepath.Join(dir, pattern)))
}

func openTestLive(t *testing.T, o Options) *Live {
	t.Helper()
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// look is what happens before lines are read, at some later time.
func (l *Live) look(at time.Time) {
	l.opts.Now = func() time.Time { return at }
	l.refresh(context.Background())
	l.publish()
}

// record is one line of a firewall's log in the key=value format.
type record struct {
	at   time.Time
	src  string
	dst  string
	port int
}

func (r record) String() string {
	return fmt.Sprintf("SrcLocation=; SrcIP=%s; SrcPort=1; SrcUser=; DstLocation=; DstIP=%s; DstPort=%d; Action=deny; RuleName=r; RuleID=; "+
		"TimeReceived=%s; ThreatName=; ThreatID=; Severity=; Subtype=drop; Type=TRAFFIC;", r.src, r.dst, r.port, r.at.UTC().Format("2006/01/02 15:04:05"))
}

// scan is a source's records at so many ports of one address, a second apart.
func scan(src string, begin time.Time, ports int) (lines string) {
	for k := range ports {
		lines += record{at: begin.Add(time.Duration(k) * time.Second), src: src, dst: "198.51.100.1", port: 100 + k}.String() + "\n"
	}
	return lines
}

func prefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }

// attach tells what is blocked in the store, as the reader of the blacklist does.
func attach(t testing.TB, st *store.Store) func(func([]Change)) {
	return func(notice func([]Change)) {
		var changes []Change
		if err := st.Entries(context.Background(), store.EntryFilter{}, func(e *store.Entry) error {
			changes = append(changes, Change{Address: e.Address, Blocked: true})
			return nil
		}); err != nil {
			t.Error(err)
		}
		notice(changes)
	}
}

// write makes or lengthens a file.
func write(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// running is a Live that runs.
type running struct {
	*Live
	t     testing.TB
	stop  context.CancelFunc
	ended chan error
	over  bool
}

// start opens and runs until stop or the end of the test.
func start(t testing.TB, o Options) *running {
	t.Helper()
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{Live: l, t: t, stop: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- l.Run(ctx) }()
	t.Cleanup(func() { r.end() })
	return r
}

// end stops it, if it runs.
func (r *running) end() {
	r.t.Helper()
	if r.over {
		return
	}
	r.over = true
	r.stop()
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Errorf("it ended with %v", err)
		}
		r.Live.Close()
	case <-time.After(patience):
		r.t.Fatal("it does not end")
	}
}

// until waits for something that must happen.
func until(t testing.TB, what string, true func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !true(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// entries are the sources that are blocked, with the rules, sorted.
func entries(t testing.TB, st *store.Store) string {
	t.Helper()
	var all []string
	if err := st.Entries(context.Background(), store.EntryFilter{}, func(e *store.Entry) error {
		all = append(all, detect.AddressText(e.Address)+" "+e.Rule)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// records gives the places of all records, and fails where one stands twice.
func records(t testing.TB, st *store.Store) map[Place]store.Record {
	t.Helper()
	all := map[Place]store.Record{}
	if err := st.Records(context.Background(), store.RecordFilter{}, func(r *store.Record) error {
		at := Place{r.File, r.Offset}
		if _, twice := all[at]; twice {
			t.Fatalf("the line at %v is recorded twice", at)
		}
		all[at] = *r
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// only gives the one entry of an address.
func only(t testing.TB, st *store.Store, address string) store.Entry {
	t.Helper()
	all, err := st.Covering(context.Background(), netip.MustParseAddr(address))
	if err != nil || len(all) != 1 {
		t.Fatalf("%d entries of %s: %v", len(all), address, err)
	}
	return all[0]
}
