package enforce

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/loop"
	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/userid"
	"activedefense/firewall/xmlapi"
	"activedefense/store"
)

// An enforceTest is an enforcer with a simulated firewall and a real SQLite file, on a clock that the test sets.
type enforceTest struct {
	*Enforcer
	t       *testing.T
	sim     *panosim.Sim
	clock   *testClock
	log     lockedBuffer
	wanted  atomic.Pointer[Snapshot]
	passes  atomic.Int64        // begun
	during  func()              // called in every pass, before its first call; nil: nothing
	waits   chan time.Duration  // what the loop is going to wait, after each pass
	elapsed chan time.Time      // lets that time be over
	changes chan userid.Change  // what the firewall did
	result  chan error          // of run
	stop    context.CancelFunc  // of run
	options firewall.TagOptions // of the next enforcer on this firewall
	device  xmlapi.Options      // likewise
}

const testTag = "active-defense"

func newEnforceTest(t *testing.T) *enforceTest {
	t.Helper()
	e := &enforceTest{t: t, clock: newTestClock(), changes: make(chan userid.Change, 10_000),
		waits: make(chan time.Duration, 1), elapsed: make(chan time.Time), options: firewall.TagOptions{Tag: testTag}}
	sim, err := panosim.Start(panosim.Options{Now: e.clock.now, OnChange: func(c userid.Change) { e.changes <- c }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	e.sim = sim
	e.device = xmlapi.Options{Name: "fw1", URL: sim.URL(), APIKey: sim.Key(), CA: sim.CA(), Now: e.clock.now}
	e.want()
	e.make(newTestStore(t))
	return e
}

// make begins anew, as a start of the agent does.
func (e *enforceTest) make(st *store.Store) {
	e.t.Helper()
	device, err := xmlapi.Open(e.device)
	if err != nil {
		e.t.Fatal(err)
	}
	tags, err := firewall.NewTags(device, e.options)
	if err != nil {
		e.t.Fatal(err)
	}
	e.Enforcer = newEnforcer("fw1", zerolog.New(&e.log))
	e.devices, e.keeper = []*xmlapi.Device{device}, tags
	e.desired = func() *Snapshot {
		e.passes.Add(1)
		if e.during != nil {
			e.during()
		}
		return e.wanted.Load()
	}
	e.now = e.clock.now
	e.timer = func(time.Duration) loop.Timer {
		go func() { e.elapsed <- time.Time{} }() // the first pass comes at once
		return loop.Timer{C: e.elapsed, Reset: func(d time.Duration) bool { e.waits <- d; return true }, Stop: func() bool { return true }}
	}
	if err := e.Restore(e.t.Context(), st); err != nil {
		e.t.Fatal(err)
	}
}

// start runs the loop until the end of the test or of halt.
func (e *enforceTest) start() {
	ctx, cancel := context.WithCancel(e.t.Context())
	result := make(chan error, 1)
	e.stop, e.result = cancel, result
	go func() { result <- e.Run(ctx) }()
	e.t.Cleanup(e.halt)
}

// halt stops the loop and waits for its end.
func (e *enforceTest) halt() {
	e.t.Helper()
	e.stop()
	select {
	case err := <-e.result:
		e.result <- err
		if err != nil {
			e.t.Errorf("the loop ended with %v", err)
		}
	case <-time.After(patience):
		e.t.Fatal("the loop does not end")
	}
}

// want sets the blacklist: whole addresses, blocked for 30 days from now on.
func (e *enforceTest) want(addresses ...string) {
	s := &Snapshot{}
	for _, a := range addresses {
		s.Entries = append(s.Entries, firewall.Entry{Prefix: netip.MustParsePrefix(a), Since: e.clock.now(), Until: e.clock.now().Add(30 * 24 * time.Hour)})
	}
	e.wanted.Store(s)
}

// passed waits for the end of a pass and gives how long the loop is going to wait.
func (e *enforceTest) passed() time.Duration {
	e.t.Helper()
	select {
	case d := <-e.waits:
		return d
	case <-time.After(patience):
		e.t.Fatal("no pass ends")
		return 0
	}
}

// elapse lets the time go by for which the loop waits.
func (e *enforceTest) elapse(d time.Duration) {
	e.t.Helper()
	e.clock.add(d)
	select {
	case e.elapsed <- time.Time{}:
	case <-time.After(patience):
		e.t.Fatal("the loop does not wait")
	}
}

// standing is what the firewall holds with our tag.
func (e *enforceTest) standing() string {
	var all []string
	for p := range e.sim.Addresses().Tagged("", testTag) {
		all = append(all, p.String())
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func (e *enforceTest) expect(when string, addresses ...string) {
	e.t.Helper()
	if got := e.standing(); got != strings.Join(addresses, " ") {
		e.t.Errorf("%s: the firewall holds %q instead of %q", when, got, addresses)
	}
}

func TestABrokenFirewallIsTriedForEver(t *testing.T) {
	e := newEnforceTest(t)
	e.want("203.0.113.1/32")
	e.sim.SetFault(panosim.Fault{Effect: panosim.Forbidden})
	var back atomic.Int64
	e.back = append(e.back, func() { back.Add(1) })
	e.start()
	var waits []time.Duration
	for range 12 {
		d := e.passed()
		waits = append(waits, d)
		e.Enforcer.wake() // must not shorten the wait
		for len(e.wakeup) > 0 {
			runtime.Gosched()
		}
		e.elapse(d)
	}
	const s = time.Second
	want := []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 60 * s, 60 * s, 60 * s, 60 * s, 60 * s, 60 * s}
	if !slices.Equal(waits, want) {
		t.Errorf("it waited %v instead of %v", waits, want)
	}
	e.passed()
	if n := e.passes.Load(); n != 13 {
		t.Errorf("%d passes after 12 waits: a wake-up shortens the wait of a broken firewall", n)
	}
	if st := e.Status(); st.Up || st.Failures != 13 || st.ErrorKind != xmlapi.KindAuth || st.Error == "" ||
		!st.ErrorSince.Equal(newTestClock().now()) || st.LastSuccess != nil || st.Desired != 1 {
		t.Errorf("status %+v", st)
	}
	if n := e.log.count("cannot synchronize the firewall; retrying; there is no fallback"); n != 1 {
		t.Errorf("the trouble was logged %d times", n)
	}

	e.sim.ClearFaults()
	e.elapse(time.Minute)
	if d := e.passed(); d != renewEvery {
		t.Errorf("level, it waits %s", d)
	}
	e.expect("it is back", "203.0.113.1/32")
	if st := e.Status(); !st.Up || st.Failures != 0 || st.Error != "" || st.ErrorSince != nil || !st.LastSuccess.Equal(e.clock.now()) || st.Tags != 1 {
		t.Errorf("status %+v", st)
	}
	if n := e.log.count("firewall is back"); n != 1 {
		t.Errorf("its return was logged %d times", n)
	}
	if n := back.Load(); n != 1 {
		t.Errorf("its return was told %d times", n)
	}
	e.elapse(renewEvery)
	e.passed()
	if n := back.Load(); n != 1 {
		t.Errorf("that it is still there was told %d times", n-1)
	}
	e.sim.SetFault(panosim.Fault{Effect: panosim.Forbidden})
	e.elapse(reconcileEvery)
	if d := e.passed(); d != retryFirst {
		t.Errorf("the next trouble begins with a wait of %s", d)
	}
}

// standby makes the firewall the passive member of a pair, which takes no tags.
func (e *enforceTest) standby() *panosim.HA {
	e.t.Helper()
	active, err := panosim.Start(panosim.Options{Now: e.clock.now, Serial: "007000000000002"})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(active.Close)
	e.sim.SetDialect(dialect.Dialect{PassiveTags: dialect.PassiveTagsRefused})
	return panosim.Pair(active, e.sim, panosim.PairOptions{})
}

// A passive member of a pair that takes no tags is in no trouble: it waits until it is the active one.
func TestAPassiveMemberThatTakesNoTagsStandsBy(t *testing.T) {
	e := newEnforceTest(t)
	pair := e.standby()
	e.paired = true
	e.want("203.0.113.1/32")
	e.start()
	for range 3 {
		if d := e.passed(); d != standbyEvery {
			t.Fatalf("it waits %s", d)
		}
		e.elapse(standbyEvery)
	}
	if d := e.passed(); d != standbyEvery || e.passes.Load() != 1 {
		t.Errorf("it waits %s, after %d passes", d, e.passes.Load())
	}
	if st := e.Status(); !st.Up || !st.Standby || st.Failures != 0 || st.Error != "" {
		t.Errorf("status %+v", st)
	}
	if n := e.log.count(`"level":"error"`); n != 0 {
		t.Errorf("%d errors are logged", n)
	}
	if err := pair.Failover(); err != nil {
		t.Fatal(err)
	}
	e.elapse(standbyEvery)
	if d := e.passed(); d != renewEvery {
		t.Errorf("active, it waits %s", d)
	}
	e.expect("it is active", "203.0.113.1/32")
	if st := e.Status(); !st.Up || st.Standby || st.Tags != 1 {
		t.Errorf("status %+v", st)
	}
	for _, text := range []string{"does not accept tags", "accepts tags now"} {
		if n := e.log.count(text); n != 1 {
			t.Errorf("%q is logged %d times", text, n)
		}
	}
}

// A firewall whose peer is not in the configuration blocks nothing while it takes no tags; that is trouble.
func TestAPassiveFirewallWithoutItsPeerIsInTrouble(t *testing.T) {
	e := newEnforceTest(t)
	e.standby()
	e.want("203.0.113.1/32")
	e.start()
	if d := e.passed(); d != retryFirst {
		t.Errorf("it waits %s", d)
	}
	if st := e.Status(); st.Up || st.Standby || st.ErrorKind != xmlapi.KindPassive || !strings.Contains(st.Error, "passive device") {
		t.Errorf("status %+v", st)
	}
}

func TestAHangingFirewallDelaysNoOtherAndNoStop(t *testing.T) {
	hanging, other := newEnforceTest(t), newEnforceTest(t)
	hanging.sim.SetFault(panosim.Fault{Effect: panosim.Hang, Delay: time.Hour})
	for _, e := range []*enforceTest{hanging, other} {
		e.want("203.0.113.1/32")
		e.start()
	}
	other.passed()
	other.expect("beside a firewall that hangs", "203.0.113.1/32")
	for i := range 5 {
		address := fmt.Sprintf("203.0.113.%d/32", 2+i)
		for _, e := range []*enforceTest{hanging, other} {
			e.want("203.0.113.1/32", address)
			e.Enforcer.wake()
		}
		other.passed()
		other.expect("a new block", "203.0.113.1/32", address)
	}
	hanging.halt()
	if n := hanging.log.count(`"level":"error"`); n != 0 {
		t.Errorf("a stop in the middle of a call is logged as %d errors", n)
	}
	if hanging.passes.Load() != 1 {
		t.Errorf("%d passes over the firewall that hangs", hanging.passes.Load())
	}
}

func TestEverythingIsReadBackEveryFiveMinutes(t *testing.T) {
	e := newEnforceTest(t)
	e.want("203.0.113.1/32", "203.0.113.2/32")
	e.start()
	e.passed()
	e.expect("the first pass", "203.0.113.1/32", "203.0.113.2/32")
	first := *e.Status().LastFull

	// Behind our back one tag goes, and one of ours comes that is not wanted.
	if err := e.sim.Addresses().Unregister("", netip.MustParsePrefix("203.0.113.1/32"), testTag); err != nil {
		t.Fatal(err)
	}
	if err := e.sim.Addresses().Register("", netip.MustParsePrefix("203.0.113.9/32"), testTag, 0); err != nil {
		t.Fatal(err)
	}
	e.sim.ResetStats()
	for range 4 {
		e.elapse(time.Minute)
		if d := e.passed(); d != renewEvery {
			t.Errorf("it waits %s", d)
		}
	}
	if n := len(e.sim.Stats().Calls); n != 0 || !e.Status().LastFull.Equal(first) {
		t.Errorf("with nothing to do before the five minutes are over, it makes %v", e.sim.Stats().Calls)
	}
	e.elapse(time.Minute)
	e.passed()
	e.expect("after five minutes", "203.0.113.1/32", "203.0.113.2/32")
	if last := *e.Status().LastFull; !last.Equal(first.Add(reconcileEvery)) {
		t.Errorf("the last full pass was at %s", last)
	}

	// Woken all the time, it is read back too.
	if err := e.sim.Addresses().Register("", netip.MustParsePrefix("203.0.113.9/32"), testTag, 0); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		e.clock.add(30 * time.Second)
		e.Enforcer.wake()
		e.passed()
	}
	e.expect("after five minutes of wake-ups", "203.0.113.1/32", "203.0.113.2/32")
}

func TestAfterAnyDoubtEverythingIsReadBack(t *testing.T) {
	e := newEnforceTest(t)
	e.want("203.0.113.1/32")
	e.start()
	e.passed()
	// The command arrives and its answer does not: nobody knows what stands.
	e.sim.SetFault(panosim.Fault{Effect: panosim.Garbage, Kind: panosim.KindUserID, Applied: true})
	if err := e.sim.Addresses().Unregister("", netip.MustParsePrefix("203.0.113.1/32"), testTag); err != nil {
		t.Fatal(err)
	}
	e.want("203.0.113.1/32", "203.0.113.2/32")
	e.Enforcer.wake()
	if d := e.passed(); d != retryFirst {
		t.Errorf("after a broken answer it waits %s", d)
	}
	e.sim.ClearFaults()
	e.sim.ResetStats()
	e.elapse(retryFirst)
	e.passed()
	e.expect("after the doubt", "203.0.113.1/32", "203.0.113.2/32")
	if e.sim.Stats().Calls[panosim.KindRegisteredIP] == 0 || !e.Status().LastFull.Equal(e.clock.now()) {
		t.Errorf("it was not read back: %v", e.sim.Stats().Calls)
	}
}

func TestWakeUpsDuringAPassBecomeOne(t *testing.T) {
	e := newEnforceTest(t)
	begun, goOn := make(chan struct{}), make(chan struct{})
	e.during = func() { begun <- struct{}{}; <-goOn }
	e.start()
	<-begun
	e.want("203.0.113.1/32")
	for range 1000 {
		e.Enforcer.wake()
	}
	e.want("203.0.113.1/32", "203.0.113.2/32")
	e.Enforcer.wake()
	goOn <- struct{}{}
	e.passed()
	<-begun
	goOn <- struct{}{}
	e.passed()
	e.expect("after the wake-ups", "203.0.113.1/32", "203.0.113.2/32")
	select {
	case <-begun:
		t.Error("a third pass begins")
		goOn <- struct{}{}
		e.passed()
	case e.elapsed <- time.Time{}: // only a loop that waits takes it
		<-begun
		goOn <- struct{}{}
		e.passed()
	}
	if n := e.passes.Load(); n != 3 {
		t.Errorf("%d passes", n)
	}
}

func TestTheBrakeHoldsUntilItIsRaised(t *testing.T) {
	e := newEnforceTest(t)
	var all []string
	for i := range 200 {
		all = append(all, fmt.Sprintf("203.0.113.%d/32", i))
	}
	slices.Sort(all)
	e.want(all...)
	e.start()
	e.passed()
	e.expect("at first", all...)

	e.want(all[:100]...)
	for range 3 {
		e.Enforcer.wake()
		e.passed()
	}
	e.expect("with the brake on", all...)
	if st := e.Status(); !st.Up || !strings.Contains(st.Brake, "100 of 200") || !strings.Contains(st.Brake, "max_removal_percent of fw1") {
		t.Errorf("status %+v", st)
	}
	// What is new is blocked all the same, and the brake is not cried out again for each.
	for i := range 3 {
		e.want(append(slices.Clone(all[:100]), fmt.Sprintf("198.51.100.%d/32", i))...)
		e.Enforcer.wake()
		e.passed()
	}
	if !strings.Contains(e.standing(), "198.51.100.2/32") {
		t.Error("the brake holds back new blocks")
	}
	if n := e.log.count("BRAKE"); n != 1 {
		t.Errorf("the brake was logged %d times", n)
	}
	e.halt()

	// An operator raises the share and reloads.
	e.options.MaxRemovalPercent = 100
	e.make(e.store)
	e.want(all[:100]...)
	e.start()
	e.passed()
	e.expect("with the brake off", all[:100]...)
	if st := e.Status(); st.Brake != "" {
		t.Errorf("status still says %q", st.Brake)
	}
}

func TestWhatAFirewallHoldsIsKnownAfterARestart(t *testing.T) {
	e := newEnforceTest(t)
	e.want("203.0.113.1/32", "203.0.113.2/32")
	e.start()
	e.passed()
	e.want("203.0.113.1/32")
	e.Enforcer.wake()
	e.passed()
	held, err := e.store.Enforced(t.Context(), "fw1")
	if err != nil || len(held) != 1 || held[0].Address.String() != "203.0.113.1/32" || !held[0].Until.Equal(e.clock.now().Add(30*24*time.Hour)) {
		t.Fatalf("the store notes %v: %v", held, err)
	}
	e.halt()

	e.make(e.store)
	for len(e.changes) > 0 {
		<-e.changes
	}
	e.start()
	e.passed()
	e.expect("after the restart", "203.0.113.1/32")
	if n := len(e.changes); n != 0 {
		t.Errorf("a restart changed %d tags", n)
	}
}

// What another put on a firewall stays, and is told; a person who takes it for ours is remembered, so that the brake may hold it over a
// restart.
func TestStraysStayUntilAPersonAdoptsThem(t *testing.T) {
	e := newEnforceTest(t)
	e.options.Stray = func(ctx context.Context, standing []netip.Prefix) ([]netip.Prefix, error) {
		return e.stray(ctx, standing)
	}
	e.make(e.store)
	var theirs []string
	for i := range 60 {
		p := fmt.Sprintf("203.0.113.%d/32", i+100)
		theirs = append(theirs, p)
		if err := e.sim.Addresses().Register("vsys1", netip.MustParsePrefix(p), testTag, 10*24*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(theirs)
	fleet := &Fleet{Enforcers: []*Enforcer{e.Enforcer}}
	e.want("198.51.100.1/32")
	e.start()
	e.passed()
	all := append([]string{"198.51.100.1/32"}, theirs...)
	e.expect("at first", all...)
	e.elapse(reconcileEvery)
	e.passed()
	e.expect("in the next full pass", all...)
	if s := e.Status(); s.Strays != 60 || len(s.StraysNamed) != namedRefusals || s.StraysSince == nil || s.Brake != "" || !fleet.Strays() {
		t.Errorf("status %+v", s)
	}
	if n := e.log.count("never blocked"); n != 1 {
		t.Errorf("it was logged %d times", n)
	}

	e.halt()
	former, hour := e.Status(), e.clock.now().Add(-time.Hour)
	former.StraysSince = &hour
	e.make(e.store)
	fleet = &Fleet{Enforcers: []*Enforcer{e.Enforcer}}
	fleet.Continue([]Status{former}, nil)
	e.start()
	e.passed()
	if s := e.Status(); s.Strays != 60 || s.StraysSince == nil || !s.StraysSince.Equal(hour) {
		t.Errorf("after a reload there are %d, since %v", s.Strays, s.StraysSince)
	}

	fleet.Adopt()
	e.passed()
	if s := e.Status(); s.Strays != 0 || !strings.Contains(s.Brake, "60 of 61") || fleet.Strays() {
		t.Errorf("adopted: status %+v", s)
	}
	e.expect("with the brake on", all...)
	e.halt()
	e.options.MaxRemovalPercent = 100
	e.make(e.store)
	e.start()
	e.passed()
	e.expect("without it", "198.51.100.1/32")
}

// An adoption is for what stands then: what another registers later is not ours again.
func TestAnAdoptionIsForOnePass(t *testing.T) {
	e := newEnforceTest(t)
	e.options.Stray = func(ctx context.Context, standing []netip.Prefix) ([]netip.Prefix, error) {
		return e.stray(ctx, standing)
	}
	e.make(e.store)
	(&Fleet{Enforcers: []*Enforcer{e.Enforcer}}).Adopt()
	e.start()
	e.passed() // one for the start, one for the wake-up
	e.passed()
	if err := e.sim.Addresses().Register("vsys1", netip.MustParsePrefix("203.0.113.9/32"), testTag, time.Hour); err != nil {
		t.Fatal(err)
	}
	e.elapse(reconcileEvery)
	e.passed()
	e.expect("later", "203.0.113.9/32")
}
