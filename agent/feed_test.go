package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/edl"
	"activedefense/agent/health"
	"activedefense/agent/line"
	"activedefense/agent/state"
	"activedefense/detect"
	"activedefense/store"
)

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

// newTestFeed makes a feed on a real SQLite file on which these addresses are blocked, and collects what
// it tells the pipeline.
func newTestFeed(t *testing.T, addresses ...string) (f *feed, told map[netip.Prefix]bool) {
	t.Helper()
	st, now := newTestStore(t), time.Now()
	for _, a := range addresses {
		if _, _, err := st.Block(context.Background(), store.Block{Address: netip.MustParsePrefix(a), Rule: "manual", Reason: "test",
			By: store.ByOperator, FirstSeen: now, LastSeen: now, BlockedAt: now}); err != nil {
			t.Fatal(err)
		}
	}
	told = make(map[netip.Prefix]bool)
	f = newFeed(st)
	f.releaseAfter, f.health = time.Hour, &health.Health{}
	f.guard = func() *detect.Guard { return detect.NewGuard(nil, nil) }
	f.attach(func(changes []line.Change) {
		for _, c := range changes {
			told[c.Address] = c.Blocked
		}
	})
	return f, told
}

func TestAReadingThatFailsHalfWayForgetsNoChange(t *testing.T) {
	f, told := newTestFeed(t, "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32")
	ctx, cancel := context.WithCancel(context.Background())
	guard := f.guard
	f.guard = func() *detect.Guard { cancel(); return guard() } // ends the reading at its first entry
	if err := f.syncOnce(ctx); err == nil {
		t.Fatal("the reading did not fail")
	}
	if len(f.entries) == 0 {
		t.Fatal("the reading failed before its first entry")
	}
	f.guard = guard
	if err := f.syncOnce(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(told) != 3 || len(f.current.Load().Entries) != 3 || !f.membership {
		t.Errorf("told of %v, membership changed: %t", told, f.membership)
	}
}

// A start says how many are blocked; what was blocked by hand before is no news.
func TestOnlyNewBlocksByHandAreLogged(t *testing.T) {
	f, _ := newTestFeed(t, "203.0.113.1/32")
	var log lockedBuffer
	f.log = zerolog.New(&log)
	sync := func() {
		t.Helper()
		if err := f.syncOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sync()
	if n := log.count("blocked"); n != 0 {
		t.Errorf("a start logs %d blocks by hand", n)
	}
	if _, _, err := f.store.Block(t.Context(), store.Block{Address: netip.MustParsePrefix("203.0.113.2/32"), Rule: "manual", Reason: "seen it",
		By: store.ByOperator, FirstSeen: time.Now(), LastSeen: time.Now(), BlockedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	sync()
	if n := log.count("blocked: seen it"); n != 1 {
		t.Errorf("a new block by hand is logged %d times", n)
	}
}

func TestALiftThatWaitsOutlivesAChangeOfTheGuard(t *testing.T) {
	waiting, released, other := netip.MustParsePrefix("203.0.113.1/32"), netip.MustParsePrefix("203.0.113.9/32"), netip.MustParsePrefix("203.0.113.2/32")
	f, told := newTestFeed(t, waiting.String(), other.String())
	refusal := detect.NewGuard([]netip.Prefix{waiting}, nil).Check(waiting)
	f.lifts[waiting] = refusal  // as when the store could not note it
	f.lifts[released] = refusal // somebody else has released it meanwhile
	for range 2 {
		if err := f.syncOnce(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.lifts) != 0 || told[waiting] || !told[other] {
		t.Errorf("waiting %v, told of %v", f.lifts, told)
	}
}

func TestNeverBlockLiftsWhatStands(t *testing.T) {
	spared, other := netip.MustParsePrefix("203.0.113.1/32"), netip.MustParsePrefix("203.0.113.2/32")
	f, told := newTestFeed(t, spared.String(), other.String())
	if err := f.syncOnce(context.Background()); err != nil || len(f.current.Load().Entries) != 2 {
		t.Fatal(err, f.current.Load())
	}
	f.guard = func() *detect.Guard { return detect.NewGuard([]netip.Prefix{spared}, nil) }
	f.recheck()
	if err := f.syncOnce(context.Background()); err != nil {
		t.Fatal(err)
	}
	if entries := f.current.Load().Entries; len(entries) != 1 || entries[0].Prefix != other || told[spared] || !told[other] {
		t.Errorf("still %v, told of %v", entries, told)
	}
	if _, err := f.store.Release(context.Background(), spared, store.ByOperator, "", time.Now()); err == nil {
		t.Error("it still stands in the store")
	}
}

// What another agent never blocks is taken over before its blocks are, once for each change, and what stands is lifted with the same look.
func TestWhatOthersNeverBlockIsHeard(t *testing.T) {
	spared, other := netip.MustParsePrefix("203.0.113.1/32"), netip.MustParsePrefix("203.0.113.2/32")
	f, _ := newTestFeed(t, spared.String(), other.String())
	heard, fault := 0, error(nil)
	f.hear = func(context.Context) error { heard++; return fault }
	look := func(what string, want int) {
		t.Helper()
		heard = 0
		if err := f.syncOnce(t.Context()); !errors.Is(err, fault) || heard != want {
			t.Errorf("%s: heard %d times, not %d: %v", what, heard, want, err)
		}
	}
	look("at first", 1)
	look("nothing new", 0)
	if err := f.store.Announce(t.Context(), store.Sign{Name: "south"}, []store.Guarded{{Address: spared, What: "in never_block"}}); err != nil {
		t.Fatal(err)
	}
	fault = errors.New("the database is away")
	look("a change, in vain", 1)
	fault = nil
	f.guard = func() *detect.Guard { return detect.NewGuard([]netip.Prefix{spared}, nil) }
	look("again", 1)
	look("nothing new again", 0)
	if entries := f.current.Load().Entries; len(entries) != 1 || entries[0].Prefix != other {
		t.Errorf("still %v", entries)
	}
}

func TestAttachingAgainTellsEverythingBesideChangesThatCome(t *testing.T) {
	f, _ := newTestFeed(t, "203.0.113.1/32", "203.0.113.2/32")
	var mu sync.Mutex
	var told []line.Change
	notice := func(changes []line.Change) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, changes...)
	}
	f.attach(notice)
	var changing sync.WaitGroup
	changing.Go(func() {
		if err := f.syncOnce(t.Context()); err != nil {
			t.Error(err)
		}
	})
	mu.Lock()
	told = nil // what is told an engine that is given up
	mu.Unlock()
	f.attach(notice) // as at another try to start
	changing.Wait()
	blocked := map[string]bool{}
	for _, c := range told {
		blocked[c.Address.String()] = c.Blocked
	}
	if fmt.Sprint(blocked) != "map[203.0.113.1/32:true 203.0.113.2/32:true]" {
		t.Errorf("the engine is told of %v", blocked)
	}
}

func TestMereActivityIsShownToTheEnforcersNowAndThen(t *testing.T) {
	f, told := newTestFeed(t)
	clock := newTestClock()
	f.now, f.releaseAfter = clock.now, 24*time.Hour
	commit := func(b store.Batch) {
		t.Helper()
		if _, err := f.store.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(when string, entries int, until time.Time) {
		t.Helper()
		if err := f.syncOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		now := f.current.Load().Entries
		if len(now) != entries || len(told) != entries {
			t.Fatalf("%s: %d entries, told of %d", when, len(now), len(told))
		}
		for _, e := range now {
			if e.Prefix.Addr().As4()[3] == 1 && !e.Until.Equal(until) {
				t.Errorf("%s: until %s instead of %s", when, e.Until, until)
			}
		}
	}
	first, second := netip.MustParsePrefix("203.0.113.1/32"), netip.MustParsePrefix("203.0.113.2/32")
	commit(store.Batch{Blocks: []store.Block{{Address: first, By: store.ByDetector, BlockedAt: clock.now()}}})
	begun := clock.now().Add(f.releaseAfter)
	expect("blocked", 1, begun)

	clock.add(snapshotEvery - time.Second)
	commit(store.Batch{Touches: []store.Touch{{Address: first, LastSeen: clock.now(), Hits: 1}}})
	expect("active a moment later", 1, begun)
	clock.add(time.Second)
	expect("when nothing else changes", 1, begun.Add(snapshotEvery-time.Second))

	clock.add(time.Second)
	commit(store.Batch{Touches: []store.Touch{{Address: first, LastSeen: clock.now(), Hits: 1}},
		Blocks: []store.Block{{Address: second, By: store.ByDetector, BlockedAt: clock.now()}}})
	expect("another block is shown at once", 2, begun.Add(snapshotEvery+time.Second))
}

// The engine learns which sources count among their neighbours, and who took what off the blacklist.
func TestTheFeedTellsWhoCountsAmongNeighbours(t *testing.T) {
	st, at := newTestStore(t), time.Now().UTC().Truncate(time.Microsecond)
	commit := func(change func(*store.Block), address string) {
		t.Helper()
		b := store.Block{Address: netip.MustParsePrefix(address), Rule: "login", Reason: "test", By: store.ByDetector, Grade: store.Proven, BlockedAt: at}
		change(&b)
		if _, err := st.Commit(t.Context(), &store.Batch{Blocks: []store.Block{b}}); err != nil {
			t.Fatal(err)
		}
	}
	f := newFeed(st)
	f.releaseAfter, f.health, f.proven = time.Hour, &health.Health{}, make(map[netip.Prefix]time.Time)
	f.guard = func() *detect.Guard { return detect.NewGuard(nil, nil) }
	var told []line.Change
	f.attach(func(changes []line.Change) { told = append(told, changes...) })
	commit(func(*store.Block) {}, "203.0.113.1/32")
	commit(func(b *store.Block) { b.Grade = store.Forgeable }, "203.0.113.2/32")
	commit(func(b *store.Block) { b.By = store.ByLabelFile }, "203.0.113.3/32")
	commit(func(b *store.Block) { b.By = "anna" }, "203.0.113.4/32")
	commit(func(b *store.Block) { b.Rule = store.RuleNeighbourhood }, "203.0.113.0/24")
	expect := func(when string) {
		t.Helper()
		for _, c := range told {
			if counts := c.Address.String() == "203.0.113.1/32"; counts != c.Proven.Equal(at) || !counts && !c.Proven.IsZero() {
				t.Errorf("%s: %+v", when, c)
			}
		}
		if len(told) != 5 {
			t.Errorf("%s: %d changes are told", when, len(told))
		}
	}
	if err := f.syncOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect("as they came")
	told = nil
	f.attach(func(changes []line.Change) { told = append(told, changes...) })
	expect("to whoever comes later")

	for address, by := range map[string]string{"203.0.113.1/32": store.ByDetector, "203.0.113.0/24": "anna"} {
		told = nil
		if _, err := st.Release(t.Context(), netip.MustParsePrefix(address), by, "test", at); err != nil {
			t.Fatal(err)
		}
		if err := f.syncOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(told) != 1 || told[0].Blocked || told[0].ByPerson != (by == "anna") {
			t.Errorf("of a release by %s is told %+v", by, told)
		}
	}
	if len(f.proven) != 0 {
		t.Errorf("%d are kept", len(f.proven))
	}
}

// BenchmarkSnapshot makes the blacklist visible to the enforcers, as every new block does, with 50,000 entries on it.
func BenchmarkSnapshot(b *testing.B) {
	f := newFeed(nil)
	f.guard = func() *detect.Guard { return nil }
	now := time.Now()
	for i := range 50_000 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		f.take(&store.Entry{Address: p, By: store.ByLabelFile, BlockedAt: now, LastSeen: now})
	}
	b.ReportAllocs()
	for b.Loop() {
		f.snapshot()
	}
}

// While the feed waits for the store, health knows since when.
func TestTheFeedsLookIsWatched(t *testing.T) {
	f, _ := newTestFeed(t)
	f.heard = -1 // as if others had said something
	asked := make(chan struct{})
	f.hear = func(ctx context.Context) error { close(asked); <-ctx.Done(); return ctx.Err() }
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.run(ctx) }()
	<-asked
	if s := f.health.Status(time.Now().Add(health.Slow)); s.NoAnswer == 0 {
		t.Errorf("a look that hangs: %+v", s)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A database that lost commits is not followed again because it has come as far: what it was given meanwhile would be missing.
func TestADatabaseThatFellBehindIsNotFollowedWhenItHasComeAsFar(t *testing.T) {
	f, _ := newTestFeed(t, "203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32")
	if err := f.syncOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.store = newTestStore(t)
	others, err := store.Open(t.Context(), store.Options{Path: f.store.Place().Database})
	if err != nil {
		t.Fatal(err)
	}
	defer others.Close()
	for n := range 6 {
		if err := f.syncOnce(t.Context()); !errors.Is(err, state.ErrBehind) {
			t.Errorf("at version %d: %v", n, err)
		}
		if _, _, err := others.Block(t.Context(), store.Block{Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(91 + n)}), 32), Reason: "x", By: store.ByOperator}); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.current.Load().Entries) != 3 {
		t.Errorf("%d are in effect", len(f.current.Load().Entries))
	}
	// Nor is it written to.
	f.lifts[netip.MustParsePrefix("203.0.113.91/32")] = errors.New("it may not be blocked")
	if err := f.syncOnce(t.Context()); !errors.Is(err, state.ErrBehind) || len(f.lifts) != 1 {
		t.Errorf("%v, and %d are left to be lifted", err, len(f.lifts))
	}
}

// A pause that is given another end while it lasts ends then for the list, too.
func TestAPauseThatIsProlongedHoldsForTheList(t *testing.T) {
	f, _ := newTestFeed(t, "203.0.113.1/32")
	now := time.Now()
	f.now = func() time.Time { return now }
	var err error
	if f.list, err = edl.New(edl.Options{Listen: "127.0.0.1:0", Path: "/list", StateDir: t.TempDir(), Logger: zerolog.Nop(), Now: func() time.Time { return now }}); err != nil {
		t.Fatal(err)
	}
	step := func(what string, after time.Duration, until time.Duration, want int) {
		t.Helper()
		if now = now.Add(after); until > 0 {
			if err := f.store.Pause(t.Context(), store.Pause{Since: now, Until: now.Add(until), By: "anna", Reason: "test"}, now); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.syncOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.publishIfDue()
		if s := f.list.Status(); s.Entries != want {
			t.Errorf("%s the list has %d entries, want %d", what, s.Entries, want)
		}
	}
	step("at first", 0, 0, 1)
	step("paused", time.Second, 8*time.Second, 0)
	step("prolonged", time.Second, time.Minute, 0)
	step("at its first end", 10*time.Second, 0, 0)
	step("shortened", time.Second, 5*time.Second, 0)
	step("at its last end", 5*time.Second, 0, 1)
}

// What was over when it was found never reaches the list, a firewall or the engine, and leaves what is in force of its address alone.
func TestWhatIsPastReachesNobody(t *testing.T) {
	f, told := newTestFeed(t, "203.0.113.1/32")
	if err := f.syncOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	clear(told)
	now := time.Now()
	var blocks []store.Block
	for _, address := range []string{"203.0.113.1/32", "203.0.113.2/32"} {
		at := now.Add(-3 * time.Hour)
		blocks = append(blocks, store.Block{Address: netip.MustParsePrefix(address), Rule: "mine", By: store.ByDetector, FirstSeen: at, LastSeen: at, BlockedAt: now, ExpiresAt: at.Add(time.Hour), Late: now})
	}
	result, err := f.store.Commit(t.Context(), &store.Batch{Blocks: blocks})
	if err != nil || len(result.Blocked) > 0 {
		t.Fatalf("blocked are %v: %v", result.Blocked, err)
	}
	if err := f.syncOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(told) > 0 || len(f.entries) != 1 || len(f.current.Load().Entries) != 1 || f.version != result.Version {
		t.Errorf("told of %v, in force are %v", told, f.entries)
	}
	for _, b := range blocks {
		if list, err := f.store.Covering(t.Context(), b.Address.Addr()); err != nil || !list[0].Past() {
			t.Errorf("kept is %+v: %v", list, err)
		}
	}
}
