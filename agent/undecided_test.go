package agent

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/edl"
	"activedefense/agent/enforce"
	"activedefense/agent/line"
	"activedefense/detect"
	"activedefense/firewall/panosim"
	"activedefense/store"
)

// blockOf is a detector's block.
func blockOf(address string, state store.State, at time.Time) store.Block {
	b := store.Block{Address: netip.MustParsePrefix(address), Rule: "port-scan", Reason: "test", By: store.ByDetector, State: state,
		FirstSeen: at, LastSeen: at, BlockedAt: at}
	if state == store.Held {
		b.Hold = "too many forgeable verdicts"
	}
	return b
}

// Whoever waits for a decision is counted and told to the engine, and nobody enforces it until it is decided.
func TestWhatIsHeldOrObservedIsNotEnforcedUntilItIsDecided(t *testing.T) {
	f, _ := newTestFeed(t)
	var log lockedBuffer
	f.log = zerolog.New(&log)
	var told []line.Change
	f.attach(func(changes []line.Change) { told = append(told, changes...) })
	woken := 0
	f.wakeFirewalls = func() { woken++ }
	now := time.Now()
	steps := []struct {
		what                     string
		do                       func() error
		held, observed, enforced int
		told                     string
		woken                    bool
	}{
		{"a hold and an observation come", func() error {
			_, err := f.store.Commit(t.Context(), &store.Batch{Blocks: []store.Block{blockOf("203.0.113.1/32", store.Held, now), blockOf("203.0.113.2/32", store.Observed, now)}})
			return err
		}, 1, 1, 0, "203.0.113.1/32 held, 203.0.113.2/32 observed", false},
		{"they go on", func() error {
			_, err := f.store.Commit(t.Context(), &store.Batch{Touches: []store.Touch{{Address: netip.MustParsePrefix("203.0.113.1/32"), LastSeen: now.Add(time.Second), Hits: 1}}})
			return err
		}, 1, 1, 0, "", false},
		{"better evidence blocks what was observed", func() error {
			_, err := f.store.Commit(t.Context(), &store.Batch{Blocks: []store.Block{blockOf("203.0.113.2/32", store.Blocked, now)}})
			return err
		}, 1, 0, 1, "203.0.113.2/32 blocked", true},
		{"a person accepts", func() error {
			_, err := f.store.AcceptAll(t.Context(), "anna", now)
			return err
		}, 0, 0, 2, "203.0.113.1/32 blocked, 203.0.113.1/32 not held for 365 days", true},
		{"another hold comes", func() error {
			_, err := f.store.Commit(t.Context(), &store.Batch{Blocks: []store.Block{blockOf("203.0.113.3/32", store.Held, now)}})
			return err
		}, 1, 0, 2, "203.0.113.3/32 held", false},
		{"another person takes back what was accepted", func() error {
			_, err := f.store.Release(t.Context(), netip.MustParsePrefix("203.0.113.1/32"), "bert", "our partner", now)
			return err
		}, 1, 0, 1, "203.0.113.1/32 gone, 203.0.113.1/32 held again", true},
		{"a hold is accepted before anybody looks", func() error {
			b := blockOf("203.0.113.4/32", store.Held, now)
			if _, err := f.store.Commit(t.Context(), &store.Batch{Blocks: []store.Block{b}}); err != nil {
				return err
			}
			_, err := f.store.Accept(t.Context(), []netip.Prefix{b.Address}, "anna", now)
			return err
		}, 1, 0, 2, "203.0.113.4/32 blocked, 203.0.113.4/32 not held for 365 days", true},
		{"and the other hold is dismissed", func() error {
			_, err := f.store.Release(t.Context(), netip.MustParsePrefix("203.0.113.3/32"), "anna", "ours", now)
			return err
		}, 0, 0, 2, "203.0.113.3/32 gone", false},
	}
	for _, s := range steps {
		told, woken = nil, 0
		if err := s.do(); err != nil {
			t.Fatal(s.what, err)
		}
		if err := f.syncOnce(t.Context()); err != nil {
			t.Fatal(s.what, err)
		}
		var words []string
		for _, c := range told {
			word := "gone"
			if !c.NotHeld.IsZero() {
				word = fmt.Sprintf("not held for %.0f days", c.NotHeld.Sub(now).Hours()/24)
				if c.NotHeld.Before(now) {
					word = "held again"
				}
			} else if c.Blocked || c.Waiting != store.Blocked {
				word = c.Waiting.String()
			}
			words = append(words, c.Address.String()+" "+word)
		}
		held, observed := f.undecided()
		enforced := len(f.current.Load().Entries)
		if got := strings.Join(words, ", "); held != s.held || observed != s.observed || enforced != s.enforced || got != s.told || (woken > 0) != s.woken {
			t.Errorf("%s: %d held, %d observed, %d enforced, told of %q, firewalls woken %d times", s.what, held, observed, enforced, got, woken)
		}
	}
	told = nil
	f.attach(func(changes []line.Change) { told = append(told, changes...) })
	if len(told) != 3 || told[2].Address.String() != "203.0.113.4/32" || told[2].NotHeld.Before(now) || log.count("no longer held or observed") != 2 {
		t.Errorf("an engine that starts is told of %v; the log is %s", told, log.b.String())
	}
}

// What may never be blocked is not held either: accepting it would block it.
func TestTheGuardLiftsHolds(t *testing.T) {
	f, _ := newTestFeed(t)
	spared := netip.MustParsePrefix("203.0.113.1/32")
	if _, err := f.store.Commit(t.Context(), &store.Batch{Blocks: []store.Block{blockOf("203.0.113.1/32", store.Held, time.Now())}}); err != nil {
		t.Fatal(err)
	}
	if err := f.syncOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.guard = func() *detect.Guard { return detect.NewGuard([]netip.Prefix{spared}, nil) }
	f.recheck()
	if err := f.syncOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	held, _ := f.undecided()
	audit, err := f.store.AuditOf(t.Context(), spared)
	if err != nil || held != 0 || len(audit) != 2 || audit[1].Action != "release" {
		t.Errorf("%d held; the history is %+v: %v", held, audit, err)
	}
}

// A flood of forged sources that are held is on no list and on no firewall; who is blocked beside it is on both.
func TestAFloodOfHoldsReachesNeitherListNorFirewall(t *testing.T) {
	const flood = 6_000
	f := &fleet{t: t, clock: &shiftedClock{}, sims: map[string]*panosim.Sim{}, when: map[string]map[netip.Prefix]time.Time{},
		told: make(chan struct{}, 1), begun: map[netip.Prefix]time.Time{}}
	f.entry("fw1", f.start("fw1"), nil)
	f.cfg.EDL.MaxEntries = 1000
	f.run()
	list, err := edl.New(edl.Options{Listen: "127.0.0.1:0", Path: "/list", StateDir: t.TempDir(), MaxEntries: 1000, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	now := f.clock.now()
	before := f.block()
	for i := 0; i < flood; i += 2000 {
		var b store.Batch
		for n := i; n < i+2000; n++ {
			b.Blocks = append(b.Blocks, blockOf(netip.AddrFrom4([4]byte{45, byte(n >> 16), byte(n >> 8), byte(n)}).String()+"/32", store.Held, now.Add(time.Minute)))
		}
		if _, err := f.feed.store.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	after := f.block()
	f.until("both are on the firewall", func() bool { return f.has([]string{"fw1 vsys1"}, before) && f.has([]string{"fw1 vsys1"}, after) })
	f.until("the flood is known", func() bool { held, _ := f.feed.undecided(); return held == flood })
	if got := len(f.sims["fw1"].Addresses().Tagged("", testTag)); got != 2 {
		t.Errorf("the firewall holds %d addresses", got)
	}
	list.Publish(listed(f.feed.current.Load()), now)
	if s := list.Status(); s.Entries != 2 || s.LeftOut != 0 {
		t.Errorf("the list has %d entries, %d are left out", s.Entries, s.LeftOut)
	}
	var expected bytes.Buffer
	if err := f.feed.store.Entries(t.Context(), store.EntryFilter{States: []store.State{store.Blocked}}, func(e *store.Entry) error {
		fmt.Fprintln(&expected, e.Address)
		return nil
	}); err != nil || strings.Count(expected.String(), "\n") != 2 {
		t.Errorf("blocked in the store are %s: %v", expected.String(), err)
	}
}

// listed gives what a snapshot has for the list.
func listed(s *enforce.Snapshot) (entries []edl.Entry) {
	for _, e := range s.Entries {
		entries = append(entries, edl.Entry{Prefix: e.Prefix})
	}
	return entries
}

// A blocked network that is attacked from other addresses of it is brought to the firewalls with the next snapshot.
func TestNewAddressesOfABlockedNetworkReachTheFirewalls(t *testing.T) {
	f, _ := newTestFeed(t)
	clock := newTestClock()
	f.now, f.releaseAfter = clock.now, 24*time.Hour
	woken := 0
	f.wakeFirewalls = func() { woken++ }
	b := blockOf("2001:db8:1::/64", store.Blocked, clock.now())
	first, second := netip.MustParseAddr("2001:db8:1::1"), netip.MustParseAddr("2001:db8:1::2")
	b.Members = []netip.Addr{first}
	step := func(batch store.Batch, wantWoken int, want ...netip.Addr) {
		t.Helper()
		woken = 0
		if _, err := f.store.Commit(t.Context(), &batch); err != nil {
			t.Fatal(err)
		}
		if err := f.syncOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := f.current.Load().Entries; len(got) != 1 || fmt.Sprint(got[0].Members) != fmt.Sprint(want) || woken != wantWoken {
			t.Errorf("the firewalls are to hold %v, and are woken %d times", got, woken)
		}
	}
	step(store.Batch{Blocks: []store.Block{b}}, 1, first)
	clock.add(snapshotEvery)
	step(store.Batch{Touches: []store.Touch{{Address: b.Address, LastSeen: clock.now(), Member: second}}}, 1, second, first)
	clock.add(snapshotEvery)
	step(store.Batch{Touches: []store.Touch{{Address: b.Address, LastSeen: clock.now(), Member: second}}}, 0, second, first)
}
