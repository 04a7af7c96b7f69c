package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/clock"
	"activedefense/agent/release"
	"activedefense/agent/state"
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

// releaseTest is a releaser on a real SQLite file, with the feed that it wakes.
type releaseTest struct {
	*release.Releaser
	t     *testing.T
	clock *testClock
	feed  *feed
	told  map[netip.Prefix]bool // what the pipeline was last told of an address: blocked or not
	ready bool
	wait  string // for which other agent
	woken int
}

const testReleaseAfter = 24 * time.Hour

func newReleaseTest(t *testing.T) *releaseTest {
	r := &releaseTest{t: t, clock: newTestClock(), ready: true}
	r.feed, r.told = newTestFeed(t)
	r.feed.releaseAfter, r.feed.now = testReleaseAfter, r.clock.now
	r.Releaser = &release.Releaser{Store: r.feed.store, ReleaseAfter: testReleaseAfter, Log: zerolog.Nop(), Now: r.clock.now,
		CaughtUp: func() bool { return r.ready }, Standing: r.feed.standing, Percent: 30, Brake: &release.Brake{}, MayBlock: func(p netip.Prefix) bool { return r.feed.guard().Check(p) == nil }, Others: func(context.Context) (string, error) { return r.wait, nil }, Wake: func() { r.woken++; r.feed.wakeup.Wake() }}
	return r
}

// block puts an entry on the blacklist that is last seen now.
func (r *releaseTest) block(address, by string, expires time.Time) netip.Prefix {
	r.t.Helper()
	p, now := netip.MustParsePrefix(address), r.clock.now()
	if _, _, err := r.Store.Block(r.t.Context(), store.Block{Address: p, Rule: "port-scan", Reason: "test", By: by,
		FirstSeen: now, LastSeen: now, BlockedAt: now, ExpiresAt: expires}); err != nil {
		r.t.Fatal(err)
	}
	return p
}

// seen records activity of an entry, as the writer does.
func (r *releaseTest) seen(p netip.Prefix) {
	r.t.Helper()
	if _, err := r.Store.Commit(r.t.Context(), &store.Batch{Touches: []store.Touch{{Address: p, LastSeen: r.clock.now(), Hits: 1}}}); err != nil {
		r.t.Fatal(err)
	}
}

// release looks once, and has the feed take it over.
func (r *releaseTest) release() {
	r.t.Helper()
	if err := r.Once(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	if err := r.feed.syncOnce(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// expect checks what is blocked, in the store, for the firewalls and for the pipeline.
func (r *releaseTest) expect(when string, blocked ...netip.Prefix) {
	r.t.Helper()
	want := fmt.Sprint(blocked)
	var stored []netip.Prefix
	if err := r.Store.Entries(r.t.Context(), store.EntryFilter{}, func(e *store.Entry) error {
		stored = append([]netip.Prefix{e.Address}, stored...)
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
	if got := fmt.Sprint(stored); got != want {
		r.t.Errorf("%s: the store blocks %s instead of %s", when, got, want)
	}
	told := 0
	for _, is := range r.told {
		if is {
			told++
		}
	}
	for _, p := range blocked {
		if !r.told[p] {
			r.t.Errorf("%s: the pipeline was not told that %s is blocked", when, p)
		}
	}
	if held := len(r.feed.current.Load().Entries); held != len(blocked) || told != len(blocked) {
		r.t.Errorf("%s: %d for the firewalls and %d for the pipeline are blocked instead of %d", when, held, told, len(blocked))
	}
}

// Sources that attacked while this host's clock was weeks behind are not quiet when another run finds it right.
func TestAClockThatWasBehindReleasesNobody(t *testing.T) {
	r := newReleaseTest(t)
	const behind = 35 * 24 * time.Hour
	attacker, other := r.block("203.0.113.1/32", store.ByDetector, time.Time{}), r.block("203.0.113.2/32", store.ByDetector, time.Time{})
	r.Percent = 100
	if _, err := r.Store.Commit(t.Context(), &store.Batch{Touches: []store.Touch{{Address: attacker, LastSeen: r.clock.now()}}, Dated: []store.Dated{{Address: attacker, Seen: r.clock.now().Add(behind)}}}); err != nil {
		t.Fatal(err)
	}
	r.release()
	r.expect("while it is behind", attacker, other)
	r.clock.add(behind)
	r.release()
	r.expect("when it is right", attacker)
	r.clock.add(testReleaseAfter)
	r.release()
	r.expect("when that one has been quiet")
}

func TestWhoStaysQuietIsReleasedAndWhoDoesNotIsNot(t *testing.T) {
	r := newReleaseTest(t)
	quiet, active := r.block("203.0.113.1/32", store.ByDetector, time.Time{}), r.block("203.0.113.2/32", store.ByDetector, time.Time{})
	network := r.block("198.51.100.0/24", store.ByOperator, time.Time{})
	long := r.block("203.0.113.3/32", store.ByOperator, r.clock.now().Add(10*testReleaseAfter))
	short := r.block("203.0.113.4/32", store.ByOperator, r.clock.now().Add(time.Hour))
	r.release()
	r.expect("at first", quiet, active, network, long, short)

	r.clock.add(time.Hour - time.Microsecond)
	r.seen(short) // the time of an operator is not moved by activity
	r.release()
	r.expect("just before the operator's time is over", quiet, active, network, long, short)
	r.clock.add(time.Microsecond)
	r.release()
	r.expect("when it is over", quiet, active, network, long)

	r.clock.add(testReleaseAfter - 2*time.Hour)
	r.seen(active)
	r.clock.add(time.Hour - time.Microsecond)
	r.release()
	r.expect("just before the others were quiet for long enough", quiet, active, network, long)
	woken := r.woken
	r.clock.add(time.Microsecond)
	r.release()
	r.expect("then", active, long)
	if r.woken == woken {
		t.Error("the feed was not woken")
	}
	r.clock.add(testReleaseAfter - time.Hour)
	r.release()
	r.expect("when the active one has become quiet too", long)
	woken = r.woken
	r.release()
	if r.woken != woken {
		t.Error("the feed is woken for nothing")
	}
}

func TestAReleaseIsAudited(t *testing.T) {
	r := newReleaseTest(t)
	quiet := r.block("203.0.113.1/32", store.ByDetector, time.Time{})
	timed := r.block("203.0.113.2/32", store.ByOperator, r.clock.now().Add(time.Hour))
	r.clock.add(testReleaseAfter)
	r.release()
	for p, why := range map[netip.Prefix]string{quiet: "no activity for 1d", timed: "the time it was blocked for is over"} {
		trail, err := r.Store.AuditOf(t.Context(), p)
		if err != nil || len(trail) != 2 {
			t.Fatalf("%s: the trail %v: %v", p, trail, err)
		}
		if a := trail[1]; a.Action != "release" || a.By != store.ByDetector || a.Reason != why || !a.Time.Equal(r.clock.now()) {
			t.Errorf("%s: %+v", p, a)
		}
	}
	// Blocked again, it is a new entry with a time of its own.
	r.block("203.0.113.1/32", store.ByDetector, time.Time{})
	r.clock.add(testReleaseAfter - time.Microsecond)
	r.release()
	r.expect("blocked again", quiet)
}

func TestManyAreReleasedInOneLook(t *testing.T) {
	r := newReleaseTest(t)
	var blocks []store.Block
	for i := range release.Most + 1 {
		blocks = append(blocks, store.Block{Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 32),
			Rule: "port-scan", By: store.ByDetector, BlockedAt: r.clock.now(), LastSeen: r.clock.now()})
	}
	if _, err := r.Store.Commit(t.Context(), &store.Batch{Blocks: blocks}); err != nil {
		t.Fatal(err)
	}
	r.clock.add(testReleaseAfter)
	r.Percent = 100 // a person means it
	r.release()
	r.expect("all are due")
}

// Where many would go at once, none goes before a person has looked. What was blocked for a time ends all the same.
func TestTheListHasABrake(t *testing.T) {
	r := newReleaseTest(t)
	begun := r.clock.now()
	var blocks []store.Block
	for i := range 100 {
		b := store.Block{Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 32), Rule: "port-scan", By: store.ByDetector, BlockedAt: begun, LastSeen: begun}
		if i >= 51 {
			b.LastSeen = begun.Add(time.Hour)
		}
		if i == 99 {
			b.ExpiresAt = begun.Add(2 * time.Hour)
		}
		blocks = append(blocks, b)
	}
	if _, err := r.Store.Commit(t.Context(), &store.Batch{Blocks: blocks}); err != nil {
		t.Fatal(err)
	}
	if err := r.feed.syncOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect := func(when string, blocked int, braked bool) {
		t.Helper()
		r.release()
		if _, is := r.Brake.Trouble(); r.feed.standing() != blocked || is != braked {
			t.Errorf("%s: %d are blocked and the brake is %v, want %d and %v", when, r.feed.standing(), is, blocked, braked)
		}
	}
	r.clock.add(testReleaseAfter - time.Microsecond)
	expect("before they are quiet for long enough, and when one's time is over", 99, false)
	r.clock.add(time.Microsecond)
	expect("when 51 are, of 99", 99, true)
	r.seen(blocks[0].Address)
	expect("when 50 are, which is a handful", 49, false)
	trouble, _ := r.Brake.Trouble()
	if trouble.What != "" {
		t.Errorf("without the brake there is %+v", trouble)
	}
}

// A clock that jumps releases nobody, whatever it says; it is believed when log lines say the same.
func TestAClockThatJumpsReleasesNobody(t *testing.T) {
	r := newReleaseTest(t)
	wall, running := r.clock.now(), time.Duration(0)
	believed := clock.New(func() (time.Time, time.Duration) { return wall, running })
	r.Now = believed.Time
	quiet := r.block("203.0.113.1/32", store.ByDetector, time.Time{})
	timed := r.block("203.0.113.2/32", store.ByOperator, wall.Add(2*testReleaseAfter))
	wall = wall.Add(35 * testReleaseAfter)
	r.release()
	r.expect("ahead by 35 days", quiet, timed)
	wall, running = wall.Add(testReleaseAfter), running+testReleaseAfter
	r.release()
	r.expect("when so much time has passed", timed)
	line := func(at time.Time) { believed.Heard(map[string]time.Time{"fw1": at}, nil) }
	line(wall)
	for range 12 {
		wall, running = wall.Add(5*time.Second), running+5*time.Second
		line(wall)
	}
	r.release()
	r.expect("when a few lines say the same", timed)
	for range 10 {
		wall, running = wall.Add(time.Minute), running+time.Minute
		line(wall)
	}
	r.release()
	r.expect("when lines have said the same for ten minutes")
}

func TestNobodyIsFoundQuietWhileLinesAreUnread(t *testing.T) {
	r := newReleaseTest(t)
	r.ready = false
	quiet := r.block("203.0.113.1/32", store.ByDetector, time.Time{})
	r.clock.add(2 * testReleaseAfter)
	r.release()
	r.expect("lines are unread", quiet)
	r.ready = true
	r.release()
	r.expect("all lines are read")
}

func TestNobodyIsFoundQuietWhileAnotherAgentIsBehind(t *testing.T) {
	r := newReleaseTest(t)
	quiet := r.block("203.0.113.1/32", store.ByDetector, time.Time{})
	r.block("203.0.113.2/32", store.ByOperator, r.clock.now().Add(time.Hour))
	r.clock.add(2 * testReleaseAfter)
	r.wait = "agent south on log2 is silent"
	r.release()
	r.expect("another agent is silent", quiet)
	others := r.Others
	r.Others = func(context.Context) (string, error) { return "", errors.New("the database is away") }
	r.release()
	r.expect("it is not known whether one is", quiet)
	r.wait, r.Others = "", others
	r.release()
	r.expect("none is")
}

func TestABlockForATimeEndsThenWhateverIsUnread(t *testing.T) {
	r := newReleaseTest(t)
	r.ready = false
	timed := r.block("203.0.113.1/32", store.ByOperator, r.clock.now().Add(time.Hour))
	r.clock.add(time.Hour - time.Microsecond)
	r.release()
	r.expect("before its time", timed)
	r.clock.add(time.Microsecond)
	r.release()
	r.expect("when its time is over")
}

func TestPruningHoldsUpNoRelease(t *testing.T) {
	r := newReleaseTest(t)
	p := &state.Pruner{Store: r.Store, KeepRecords: time.Hour, Log: zerolog.Nop(), Now: r.clock.now, Agreed: func() bool { return true }}
	oldest := r.clock.now().Add(-2 * time.Hour)
	for i := range 1000 { // many steps of the store's, which takes a batch as a whole
		b := &store.Batch{Records: []store.Record{{Time: oldest.Add(time.Duration(i) * time.Millisecond), Type: "TRAFFIC"}}}
		if _, err := r.Store.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	standing := func(f store.RecordFilter) (n int) {
		if err := r.Store.Records(t.Context(), f, func(*store.Record) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	r.block("203.0.113.1/32", store.ByOperator, r.clock.now())
	done := make(chan error, 1)
	go func() { done <- p.PruneOnce(t.Context()) }()
	for standing(store.RecordFilter{Conditions: store.Conditions{Until: oldest.Add(time.Millisecond)}}) > 0 { // until pruning has begun
	}
	r.release()
	select {
	case err := <-done:
		t.Errorf("the release came only after pruning had ended (%v)", err)
	default:
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	r.expect("its time is over")
	if n := standing(store.RecordFilter{}); n != 0 {
		t.Errorf("%d old records are left", n)
	}
}

func TestLoopsReleaseAndPruneByThemselves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(t.Context(), store.Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		begun, address := time.Now(), netip.MustParsePrefix("203.0.113.1/32")
		if _, err := st.Commit(t.Context(), &store.Batch{
			Records: []store.Record{{Time: begun, Type: "TRAFFIC"}},
			Blocks:  []store.Block{{Address: address, By: store.ByDetector, BlockedAt: begun, LastSeen: begun, Evidence: []store.Evidence{{Line: "x"}}}},
		}); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var loops sync.WaitGroup
		var released time.Time
		r := &release.Releaser{Store: st, ReleaseAfter: 2 * time.Minute, CaughtUp: func() bool { return true }, Log: zerolog.Nop(), Now: time.Now,
			Others: func(context.Context) (string, error) { return "", nil }, Standing: func() int { return 1 }, Percent: 30, MayBlock: func(netip.Prefix) bool { return true }, Brake: &release.Brake{},
			Wake: func() { released = time.Now() }}
		p := &state.Pruner{Store: st, KeepRecords: 90 * time.Minute, Log: zerolog.Nop(), Now: time.Now, Agreed: func() bool { return true }}
		loops.Go(func() { r.Run(ctx) })
		loops.Go(func() { p.Run(ctx) })

		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if late := released.Sub(begun) - 2*time.Minute; late < 0 || late > r.Interval() {
			t.Errorf("released %s after its time", late)
		}
		count := func() (n int) {
			if err := st.Records(t.Context(), store.RecordFilter{}, func(*store.Record) error { n++; return nil }); err != nil {
				t.Fatal(err)
			}
			lines, err := st.EvidenceOf(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			return n + len(lines)
		}
		time.Sleep(80 * time.Minute) // the second look is after 65 minutes, the third after 125
		synctest.Wait()
		if n := count(); n != 2 {
			t.Errorf("%d records and lines of evidence after 83 minutes", n)
		}
		time.Sleep(45 * time.Minute)
		synctest.Wait()
		if n := count(); n != 0 {
			t.Errorf("%d records and lines of evidence after 128 minutes", n)
		}
		stop()
		loops.Wait()
	})
}
