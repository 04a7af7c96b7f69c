package enforce

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/loop"
	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/xmlapi"
)

// A fallbackTest is a firewall that fetches a list which can change, and what has it do so, on a clock that the test sets.
type fallbackTest struct {
	*fallback
	t       *testing.T
	sim     *panosim.Sim
	server  *listServer
	clock   *testClock
	log     lockedBuffer
	serves  atomic.Pointer[Snapshot]
	waits   chan time.Duration // what the loop is going to wait
	elapsed chan time.Time     // lets that time be over
}

func newFallbackTest(t *testing.T) *fallbackTest {
	t.Helper()
	f := &fallbackTest{t: t, server: newListServer(t), clock: newTestClock(), waits: make(chan time.Duration, 100), elapsed: make(chan time.Time)}
	f.sim = startSim(t, panosim.Options{Now: f.clock.now, Config: f.server.listConfig()})
	device, err := xmlapi.Open(xmlapi.Options{Name: "fw1", URL: f.sim.URL(), APIKey: f.sim.Key(), CA: f.sim.CA(), Now: f.clock.now,
		Pause: func(ctx context.Context, _ time.Duration) bool { return loop.Pause(ctx, 2*time.Millisecond) }}) // a fetch is over in no time
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(device.Close)
	list, err := firewall.NewList(device, firewall.ListOptions{Names: firewall.NamesFor(testTag), URL: f.server.url, RefreshInterval: refreshInterval})
	if err != nil {
		t.Fatal(err)
	}
	f.fallback = newFallback(list, f.serves.Load, zerolog.New(&f.log))
	f.timer = func(time.Duration) loop.Timer {
		return loop.Timer{C: f.elapsed, Reset: func(d time.Duration) bool { f.waits <- d; return true }, Stop: func() bool { return true }}
	}
	return f
}

const refreshInterval = 15 * time.Second

// start runs the loop until the end of the test or stop.
func (f *fallbackTest) start() (stop func()) {
	ctx, cancel := context.WithCancel(f.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.run(ctx) }()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			f.t.Errorf("the loop ended with %v", err)
		}
		ended <- nil
	}
	f.t.Cleanup(stop)
	return stop
}

// publish serves these addresses as a version of the blacklist.
func (f *fallbackTest) publish(version int64, addresses ...string) {
	f.server.serve(addresses...)
	f.serves.Store(&Snapshot{Version: version, Entries: blockedSince(f.clock.now(), addresses...)})
}

// fetches is how often the firewall was told to fetch.
func (f *fallbackTest) fetches() int { return f.sim.Stats().Calls[panosim.KindListRefresh] }

// holds waits until the firewall holds so many entries.
func (f *fallbackTest) holds(when string, entries int) {
	f.t.Helper()
	until(f.t, when, func() bool {
		state, ok := f.sim.Lists().State("", firewall.NamesFor(testTag).List)
		return ok && state.Entries == entries
	})
}

// waited gives how long the loop is going to wait.
func (f *fallbackTest) waited() time.Duration {
	f.t.Helper()
	select {
	case d := <-f.waits:
		return d
	case <-time.After(patience):
		f.t.Fatal("the loop does not wait")
		return 0
	}
}

// A list that is fetched before it has lost what was released would keep it for minutes.
func TestAReleaseIsDueWhenTheListServesIt(t *testing.T) {
	f := newFallbackTest(t)
	if v := f.due(); v != 0 {
		t.Errorf("with nothing released and nothing served, version %d is due", v)
	}
	f.released(7)
	if len(f.wakeup) != 1 {
		t.Error("a release does not wake")
	}
	for served, want := range map[int64]int64{0: 0, 6: 0, 7: 7, 8: 7} {
		if f.serves.Store(nil); served != 0 {
			f.publish(served)
		}
		if v := f.due(); v != want {
			t.Errorf("after a release in version 7, while version %d is served, %d is due instead of %d", served, v, want)
		}
	}
}

func TestAReleaseIsFetchedOnce(t *testing.T) {
	f := newFallbackTest(t)
	f.start()
	f.publish(1, "203.0.113.1/32", "203.0.113.2/32")
	f.released(2)
	until(t, "the loop looks", func() bool { return len(f.wakeup) == 0 })
	f.publish(2, "203.0.113.1/32")
	f.wakeup.Wake()
	f.holds("the list is fetched when it serves the release", 1)
	until(t, "the release is settled", func() bool { return f.without.Load() == 0 })
	f.clock.add(time.Minute)
	f.publish(3, "203.0.113.1/32", "203.0.113.3/32")
	f.wakeup.Wake() // a block: the mode's own business
	until(t, "the loop looks", func() bool { return len(f.wakeup) == 0 })
	f.released(3)
	f.holds("the next release", 2)
	until(t, "the next release is settled", func() bool { return f.without.Load() == 0 })
	if n := f.fetches(); n != 2 {
		t.Errorf("two releases have the list fetched %d times", n)
	}
	if n := f.log.count("the firewall has fetched the list"); n != 2 {
		t.Errorf("two changes of what it holds are logged %d times", n)
	}
}

// What the list held when we had it fetched last says nothing: the firewall fetches by itself too, and then it is not known to
// hold what has been released since.
func TestAReleaseIsFetchedAlthoughTheListIsAsItWasFetchedLast(t *testing.T) {
	f := newFallbackTest(t)
	f.start()
	fetched := func(when string, entries int) {
		t.Helper()
		f.wakeup.Wake()
		f.holds(when, entries)
		until(t, when, func() bool { return f.without.Load() == 0 })
	}
	f.publish(1, "203.0.113.1/32")
	f.released(1)
	fetched("the first release", 1)
	f.clock.add(time.Hour)
	f.publish(2, "203.0.113.1/32", "203.0.113.2/32")
	f.sim.Lists().Fetch()
	f.holds("the firewall fetches by itself", 2)
	f.publish(3, "203.0.113.1/32")
	f.released(3)
	fetched("the second release", 1)
	if n := f.log.count("the firewall has fetched the list"); n != 1 {
		t.Errorf("a fetch that changes nothing that is known is logged too: %d times", n)
	}
}

// Between two fetches is the refresh interval; what comes earlier waits for its end, and nothing wakes it then but the loop
// itself.
func TestWhatComesTooEarlyIsFetchedWhenItIsTime(t *testing.T) {
	for _, standsIn := range []bool{true, false} {
		f := newFallbackTest(t)
		f.active.Store(standsIn)
		f.start()
		f.publish(1, "203.0.113.1/32")
		f.released(1)
		f.holds("the first fetch", 1)
		until(t, "the first release is settled", func() bool { return f.without.Load() == 0 })
		f.publish(2, "203.0.113.1/32", "203.0.113.2/32")
		f.released(2)
		if d := f.waited(); d != refreshInterval {
			t.Errorf("it waits %s", d)
		}
		if n := f.fetches(); n != 1 {
			t.Errorf("the list is fetched %d times before it is time", n)
		}
		f.clock.add(refreshInterval)
		f.elapsed <- time.Time{}
		f.holds("when it is time", 2)
	}
}

// A list that stands in is tried for ever. One that is only told of a release is not: the firewall fetches by itself.
func TestAFetchThatFailsIsRepeatedOnlyWhileTheListStandsIn(t *testing.T) {
	f := newFallbackTest(t)
	f.server.status.Store(503)
	stop := f.start()
	f.publish(1, "203.0.113.1/32")
	f.released(1)
	until(t, "the fetch for a release fails", func() bool { return f.without.Load() == 0 })
	f.active.Store(true)
	f.clock.add(refreshInterval)
	f.wakeup.Wake()
	if d := f.waited(); d != renewEvery {
		t.Errorf("standing in, it tries again after %s", d)
	}
	f.clock.add(renewEvery)
	f.elapsed <- time.Time{}
	if d := f.waited(); d != renewEvery {
		t.Errorf("standing in, it tries again after %s", d)
	}
	f.server.status.Store(0)
	f.clock.add(renewEvery)
	f.elapsed <- time.Time{}
	until(t, "the third try while it stands in is over", func() bool { return f.log.count("has fetched the list") > 0 })
	stop()
	if n := len(f.waits); n != 0 {
		t.Errorf("it waits %d times more, for the release or after its success", n)
	}
}

func TestAListThatCannotStandInIsLoggedOnceAKind(t *testing.T) {
	f := newFallbackTest(t)
	f.publish(1, "203.0.113.1/32")
	try := func() (kind string, again time.Duration) {
		f.clock.add(time.Hour)
		again, err := f.refreshOnce(t.Context(), true)
		return xmlapi.Kind(err), again
	}
	f.server.status.Store(503)
	if kind, again := try(); kind != firewall.KindList || again != renewEvery {
		t.Errorf("the error is of kind %q, the next try after %s", kind, again)
	}
	if n := f.log.count("is no fallback now"); n != 0 {
		t.Errorf("while the list need not stand in, it is logged %d times that it cannot", n)
	}
	f.kind = ""
	f.active.Store(true)
	var logged []int
	for _, step := range []func(){
		func() {}, func() {}, // the second time is no news
		func() { f.sim.SetFault(panosim.Fault{Effect: panosim.Forbidden}) },
		func() {},
		func() { f.sim.ClearFaults(); f.server.status.Store(0) },
		func() { f.publish(2, "203.0.113.2/32"); f.server.status.Store(503) },
	} {
		step()
		try()
		logged = append(logged, f.log.count("is no fallback now"))
	}
	if want := []int{1, 1, 2, 2, 2, 3}; !slices.Equal(logged, want) {
		t.Errorf("logged %v times instead of %v", logged, want)
	}
	for _, text := range []string{`"kind":"list"`, `"kind":"auth"`} {
		if f.log.count(text) == 0 {
			t.Errorf("the log does not have %s", text)
		}
	}
}

func TestAStopInAFetchIsNotLogged(t *testing.T) {
	f := newFallbackTest(t)
	f.publish(1, "203.0.113.1/32")
	f.active.Store(true)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := f.refreshOnce(ctx, true); xmlapi.Kind(err) != xmlapi.KindCanceled {
		t.Errorf("the error is %v", err)
	}
	if n := f.log.count("is no fallback now"); n != 0 {
		t.Errorf("it is logged %d times", n)
	}
}

// While nothing is served, as at a start whose store is away, the firewall keeps the list that it has.
func TestNothingIsFetchedWhileNothingIsServed(t *testing.T) {
	f := newFallbackTest(t)
	if again, err := f.refreshOnce(t.Context(), true); again != 0 || err != nil {
		t.Errorf("%s, %v", again, err)
	}
	if calls := f.sim.Stats().Calls; len(calls) != 0 {
		t.Errorf("the firewall is asked: %v", calls)
	}
}
