package enforce

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/loop"
	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/panosim"
)

// askedConfig is a firewall with a line by DHCP, a DMZ, a NAT pool, and servers by address and by name.
const askedConfig = `<config version="10.2.0"><shared><log-settings><syslog><entry name="s"><server><entry name="a"><server>logs.example.net</server></entry></server></entry></syslog></log-settings></shared>
<devices><entry name="localhost.localdomain"><deviceconfig><system><dns-setting><servers><primary>192.0.2.53</primary></servers></dns-setting></system></deviceconfig>
<network><interface><ethernet><entry name="ethernet1/1"><layer3><dhcp-client/></layer3></entry>
<entry name="ethernet1/2"><layer3><ip><entry name="198.51.100.1/27"/></ip></layer3></entry></ethernet></interface></network>
<vsys><entry name="vsys1"><zone><entry name="untrust"><network><layer3><member>ethernet1/1</member></layer3></network></entry>
<entry name="dmz"><network><layer3><member>ethernet1/2</member></layer3></network></entry></zone><rulebase><security><rules/></security><nat><rules/></nat></rulebase></entry></vsys></entry></devices></config>`

// An askTest asks a simulated firewall, and keeps what it says in a real database.
type askTest struct {
	*Asker
	t       *testing.T
	sim     *panosim.Sim
	clock   *testClock
	log     lockedBuffer
	blocks  atomic.Pointer[Snapshot]
	taken   atomic.Int64 // how often an answer was taken over
	names   map[string][]netip.Addr
	refuses error // of taking an answer over
	waits   chan time.Duration
	elapsed chan time.Time
}

func newAskTest(t *testing.T) *askTest {
	t.Helper()
	a := &askTest{t: t, clock: newTestClock(), names: map[string][]netip.Addr{"logs.example.net": {netip.MustParseAddr("192.0.2.61")}},
		waits: make(chan time.Duration, 10), elapsed: make(chan time.Time)}
	a.sim = startSim(t, panosim.Options{Now: a.clock.now, Config: askedConfig})
	a.sim.Lease("ethernet1/1", netip.MustParsePrefix("203.0.113.77/22"))
	a.blocks.Store(&Snapshot{})
	o := &Options{Config: &config.Config{}, Calls: NewCalls(), Logger: zerolog.New(&a.log), Now: a.clock.now, Blocked: a.blocks.Load,
		Protected: func(context.Context) error { a.taken.Add(1); return a.refuses },
		Lookup: func(_ context.Context, _, host string) ([]netip.Addr, error) {
			if addrs := a.names[host]; len(addrs) > 0 {
				return addrs, nil
			}
			return nil, errors.New("no such host")
		},
		Timer: func(d time.Duration) loop.Timer {
			return loop.Timer{C: a.elapsed, Reset: func(d time.Duration) bool { a.waits <- d; return true }, Stop: func() bool { return true }}
		},
	}
	members, err := newDevices("test", o.Calls, o.Now).pair(entryFor("fw1", firewall.ModeTag, a.sim))
	if err != nil {
		t.Fatal(err)
	}
	if a.Asker, err = o.newAsker(entryFor("fw1", firewall.ModeTag, a.sim), members); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	if err := a.Restore(t.Context(), newTestStore(t)); err != nil {
		t.Fatal(err)
	}
	return a
}

// ask asks once, and fails the test if there is no answer.
func (a *askTest) ask(when string) {
	a.t.Helper()
	if err := a.askOnce(a.t.Context()); err != nil {
		a.t.Fatalf("%s: %v", when, err)
	}
}

// saved is what the store holds, in order.
func (a *askTest) saved() (all []string) {
	a.t.Helper()
	entries, _, err := a.store.Protected(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	for _, p := range entries {
		all = append(all, p.Kind+" "+p.Address.String()+" "+p.What)
	}
	return all
}

func (a *askTest) expect(when string, want ...string) {
	a.t.Helper()
	if got := a.saved(); !slices.Equal(got, want) {
		a.t.Errorf("%s: %s", when, strings.Join(got, "\n"))
	}
}

// pools puts these translation pools into the running configuration, in place of those before.
func (a *askTest) pools(networks ...string) {
	a.t.Helper()
	rules := ""
	for i, n := range networks {
		rules += fmt.Sprintf("<entry name='r%d'><from><member>dmz</member></from><to><member>untrust</member></to><source-translation><dynamic-ip><translated-address><member>%s"+
			"</member></translated-address></dynamic-ip></source-translation></entry>", i, n)
	}
	const path = "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']/rulebase/nat/rules"
	if err := a.sim.Config().Edit("somebody", "edit", path, "<rules>"+rules+"</rules>"); err != nil {
		a.t.Fatal(err)
	}
	if err := a.sim.Config().Commit("somebody"); err != nil {
		a.t.Fatal(err)
	}
}

var firstAnswer = []string{
	"management 127.0.0.1/32 management address",
	"network 198.51.100.0/27 network of interface ethernet1/2",
	"network 198.51.100.1/32 interface ethernet1/2",
	"network 203.0.113.77/32 interface ethernet1/1",
	"peer 192.0.2.53/32 DNS server",
	"peer 192.0.2.61/32 syslog server logs.example.net",
}

func TestWhatAFirewallNamesIsSavedAndChangesAreTold(t *testing.T) {
	a := newAskTest(t)
	if st := a.Status(); st.AskedAt != nil || st.Firewall != "fw1" {
		t.Errorf("before the first answer: %+v", st)
	}
	a.ask("the first time")
	a.expect("the first time", firstAnswer...)
	if st := a.Status(); st.AskedAt == nil || !st.AskedAt.Equal(a.clock.now()) || len(st.Troubles)+len(st.Waiting) > 0 {
		t.Errorf("after it: %+v", st)
	}
	if n := a.log.count(`"ours":4,"peers":2,"message":"the firewall said which addresses are ours, and whom it talks to"`); n != 1 {
		t.Errorf("the first answer is told %d times: %s", n, a.log.text())
	}
	a.ask("again")
	if n := a.taken.Load(); n != 2 || a.log.count("message") != 1 {
		t.Errorf("an answer that is the same is taken over %d times and told: %s", n, a.log.text())
	}
	a.pools("203.0.113.128/28", "20.0.0.0/8")
	a.ask("with a pool")
	a.expect("with a pool", slices.Insert(slices.Clone(firstAnswer), 4, "network 203.0.113.128/28 NAT rule r0 source translation")...)
	if n := a.log.count(`"message":"the firewall names 1 more: 203.0.113.128/28 (NAT rule r0 source translation)"`); n != 1 {
		t.Errorf("what is new is told %d times: %s", n, a.log.text())
	}
	if n := a.log.count("not taken over from the firewall: NAT rule r1 source translation names 20.0.0.0/8, which is wider than /16"); n != 1 || len(a.Status().Troubles) != 1 {
		t.Errorf("what is too wide is told %d times: %s, %v", n, a.log.text(), a.Status().Troubles)
	}
	a.pools()
	a.ask("without")
	a.expect("without", firstAnswer...)
	if n := a.log.count(`"message":"the firewall no longer names 1: 203.0.113.128/28 (NAT rule r0 source translation)"`); n != 1 {
		t.Errorf("what has gone is told %d times: %s", n, a.log.text())
	}
}

// A line that waits for its lease, and a name server that is away, leave nobody unprotected.
func TestWhatHasNoAddressNowStaysAsItWas(t *testing.T) {
	a := newAskTest(t)
	a.ask("the first time")
	a.sim.Lease("ethernet1/1", netip.Prefix{})
	a.names = nil
	a.ask("without lease and names")
	a.expect("without lease and names", firstAnswer...)
	if w := a.Status().Waiting; !slices.Equal(w, []string{"interface ethernet1/1", "syslog server logs.example.net"}) {
		t.Errorf("it waits for %q", w)
	}
	a.sim.Lease("ethernet1/1", netip.MustParsePrefix("203.0.113.78/22"))
	a.names = map[string][]netip.Addr{"logs.example.net": {netip.MustParseAddr("192.0.2.62")}}
	a.ask("with others")
	want := slices.Clone(firstAnswer)
	want[3], want[5] = "network 203.0.113.78/32 interface ethernet1/1", "peer 192.0.2.62/32 syslog server logs.example.net"
	a.expect("with others", want...)
}

// Whatever goes wrong with a question, what was known stays to the letter, and a start without the firewall knows it.
func TestAnAnswerThatFailsTakesNothingAway(t *testing.T) {
	a := newAskTest(t)
	a.ask("the first time")
	before := a.taken.Load()
	for _, kind := range []string{panosim.KindConfigRead, panosim.KindNetwork, panosim.KindPushed, panosim.KindSystemInfo} {
		for _, effect := range []panosim.Effect{panosim.Truncate, panosim.InternalError, panosim.Forbidden} {
			a.sim.SetFault(panosim.Fault{Kind: kind, Effect: effect, Applied: true})
			if effect == panosim.InternalError && kind != panosim.KindConfigRead {
				continue // repeated with waits; the others say the same
			}
			if err := a.askOnce(t.Context()); err == nil {
				t.Errorf("%s, %s: an answer", kind, effect)
			}
			a.expect(kind+" "+effect.String(), firstAnswer...)
		}
	}
	a.sim.Down()
	if err := a.askOnce(t.Context()); err == nil {
		t.Error("an answer of a firewall that is away")
	}
	a.expect("away", firstAnswer...)
	if n := a.taken.Load(); n != before {
		t.Errorf("%d failures were taken over", n-before)
	}
	next := newAskTest(t)
	if err := next.Restore(t.Context(), a.store); err != nil {
		t.Fatal(err)
	}
	select {
	case <-next.answered:
	default:
		t.Error("after a start, it is not known that the firewall has answered")
	}
}

// An answer that would let many attackers in at once is a mistake until a person says the same.
func TestAnAnswerThatLiftsManyBlocksIsNotTakenOver(t *testing.T) {
	a := newAskTest(t)
	a.ask("the first time")
	block := func(n int) {
		var addresses []string
		for i := range n {
			addresses = append(addresses, fmt.Sprintf("8.8.%d.%d/32", i>>8, i&255))
		}
		a.blocks.Store(&Snapshot{Entries: blockedSince(a.clock.now(), addresses...)})
	}
	block(51)
	a.pools("8.8.0.0/24", "203.0.113.128/28")
	a.ask("it would lift 51")
	harmless := slices.Insert(slices.Clone(firstAnswer), 4, "network 203.0.113.128/28 NAT rule r1 source translation")
	a.expect("it would lift 51", harmless...)
	if tr := a.Status().Troubles; len(tr) != 1 || tr[0].What != "it would lift 51 blocks at once, so it is left out: 8.8.0.0/24 (NAT rule r0 source translation)" || !strings.Contains(tr[0].Remedy, "networks.own") {
		t.Errorf("troubles %+v", tr)
	}
	a.ask("again")
	if n := a.log.count("it would lift 51 blocks at once"); n != 1 {
		t.Errorf("it is told %d times", n)
	}
	block(50)
	a.ask("it lifts 50")
	a.expect("it lifts 50", slices.Insert(slices.Clone(harmless), 1, "network 8.8.0.0/24 NAT rule r0 source translation")...)
	if tr := a.Status().Troubles; len(tr) != 0 {
		t.Errorf("troubles %+v", tr)
	}
}

// A firewall that was reset answers as well as any other: what it no longer names stays protected, over restarts too, until a person
// says that it is right.
func TestAnAnswerThatLosesMuchTakesNothingAway(t *testing.T) {
	a := newAskTest(t)
	edit := func(path, element string) {
		t.Helper()
		if err := a.sim.Config().Edit("somebody", "edit", "/config/devices/entry[@name='localhost.localdomain']"+path, element); err != nil {
			t.Fatal(err)
		}
		if err := a.sim.Config().Commit("somebody"); err != nil {
			t.Fatal(err)
		}
	}
	a.ask("the first time")
	edit("/network", "<network/>")
	edit("/deviceconfig", "<deviceconfig><system><dns-setting><servers><primary>192.0.2.54</primary></servers></dns-setting></system></deviceconfig>")
	a.names = map[string][]netip.Addr{"logs.example.net": {netip.MustParseAddr("192.0.2.61")}}
	with := slices.Insert(slices.Clone(firstAnswer), 5, "peer 192.0.2.54/32 DNS server")
	trouble := func(when string, lost, of int) {
		t.Helper()
		tr := a.Status().Troubles
		if len(tr) != 1 || !strings.HasPrefix(tr[0].What, fmt.Sprintf("it no longer names %d of %d addresses and networks, so all of them stay protected: ", lost, of)) ||
			!strings.Contains(tr[0].What, "198.51.100.0/27 (network of interface ethernet1/2)") || !strings.Contains(tr[0].Remedy, "max_removal_percent") {
			t.Errorf("%s: troubles %+v", when, tr)
		}
	}
	a.ask("after a reset")
	a.expect("after a reset", with...)
	trouble("after a reset", 3, 6)
	if n := a.log.count(`"level":"warn","firewall":"fw1","remedy":"if that is right, set max_removal_percent`); n != 1 || a.log.count("no longer names 3: ") != 0 {
		t.Errorf("it is told %d times: %s", n, a.log.text())
	}
	a.state, a.answered, a.once = AskStatus{Firewall: "fw1"}, make(chan struct{}), sync.Once{} // as after a start
	if err := a.Restore(t.Context(), a.store); err != nil {
		t.Fatal(err)
	}
	a.ask("after a restart")
	a.expect("after a restart", with...)
	trouble("after a restart", 4, 7) // and the DNS server of before, in whose place there is another
	a.removal = 100
	a.ask("when it is right")
	a.expect("when it is right", "management 127.0.0.1/32 management address", "peer 192.0.2.54/32 DNS server", "peer 192.0.2.61/32 syslog server logs.example.net")
	if tr := a.Status().Troubles; len(tr) != 0 {
		t.Errorf("troubles %+v", tr)
	}
}

func TestAStoreThatIsAwayFailsTheAnswer(t *testing.T) {
	a := newAskTest(t)
	a.refuses = errors.New("the store is away")
	if err := a.askOnce(t.Context()); !errors.Is(err, a.refuses) {
		t.Errorf("%v", err)
	}
	if a.Status().AskedAt != nil {
		t.Error("an answer that was not taken over counts as one")
	}
	a.refuses = nil
	a.ask("when it is back")
}

// waited gives how long the loop is going to wait.
func (a *askTest) waited() time.Duration {
	a.t.Helper()
	select {
	case d := <-a.waits:
		return d
	case <-time.After(patience):
		a.t.Fatal("no question ends")
		return 0
	}
}

func TestAFirewallIsAskedAtTheStartHourlyAndWhenItIsBack(t *testing.T) {
	a := newAskTest(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	a.sim.Down()
	for i, want := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second} {
		if a.elapsed <- (time.Time{}); a.waited() != want {
			t.Errorf("after failure %d it does not wait %s", i+1, want)
		}
	}
	if n := a.log.count("it has never said"); n != 1 || a.Status().Error == "" {
		t.Errorf("that it never said is told %d times: %s", n, a.log.text())
	}
	if err := a.sim.Up(); err != nil {
		t.Fatal(err)
	}
	a.wakeup.Wake()
	if d := a.waited(); d != askEvery {
		t.Errorf("after an answer it waits %s", d)
	}
	if a.Status().Error != "" {
		t.Errorf("an answer leaves the error %s", a.Status().Error)
	}
	a.wakeup.Wake() // its first pass is over just now
	until(t, "the loop looks", func() bool { return len(a.wakeup) == 0 })
	a.clock.add(2 * time.Minute)
	a.wakeup.Wake()
	if a.waited() != askEvery || a.taken.Load() != 2 {
		t.Errorf("it was asked %d times", a.taken.Load())
	}
	a.sim.Down()
	if a.elapsed <- (time.Time{}); a.waited() != 5*time.Second {
		t.Error("after a failure it does not wait 5s")
	}
	if n := a.log.count("what it said last stays"); n != 1 {
		t.Errorf("that what it said stays is told %d times", n)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// All firewalls together are waited for no longer than the limit, and one that was waited for before not at all.
func TestAwait(t *testing.T) {
	asker := func(name string, answered bool) *Asker {
		a := &Asker{name: name, answered: make(chan struct{})}
		if answered {
			close(a.answered)
		}
		return a
	}
	f := &Fleet{Askers: []*Asker{asker("a", true), asker("b", false), asker("c", false), asker("d", true), asker("e", false)}}
	if got := f.Await(t.Context(), 20*time.Millisecond, func(name string) bool { return name == "e" }); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("%q never answered", got)
	}
	go close(f.Askers[1].answered)
	f.Askers = f.Askers[:2]
	if got := f.Await(t.Context(), patience, func(string) bool { return false }); got != nil {
		t.Errorf("%q never answered, although they have", got)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	f.Askers = append(f.Askers, asker("f", false))
	if got := f.Await(ctx, time.Hour, func(string) bool { return false }); got != nil {
		t.Errorf("%q", got)
	}
	if got := (&Fleet{}).Await(t.Context(), time.Hour, nil); got != nil {
		t.Errorf("%q", got)
	}
}

// Of a pair the active member is asked: it has the leases. When it is away the other one is.
func TestOfAPairTheActiveMemberIsAsked(t *testing.T) {
	a := newAskTest(t) // its own firewall is the first member
	active := startSim(t, panosim.Options{Now: a.clock.now, Config: askedConfig, APIKey: a.sim.Key()})
	panosim.Pair(active, a.sim, panosim.PairOptions{}) // the first of these is active
	fw := entryFor("fw1", firewall.ModeTag, active)
	open := newDevices("test", NewCalls(), a.clock.now)
	first, err := open.member(fw, "fw1 (peer)", active.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(first.Close)
	a.members = append(a.members, first)
	before := a.sim.Stats().Calls[panosim.KindNetwork]
	a.ask("of the active member")
	if n := active.Stats().Calls[panosim.KindNetwork]; n != 1 || a.sim.Stats().Calls[panosim.KindNetwork] != before {
		t.Errorf("the active member is asked %d times", n)
	}
	active.Down()
	a.ask("when it is away")
	if n := a.sim.Stats().Calls[panosim.KindNetwork]; n != before+1 {
		t.Errorf("the other one is asked %d times", n-before)
	}
}

// A firewall that never answers holds up reading once, not at every start.
func TestAFirewallThatNeverAnswersIsWaitedForOnce(t *testing.T) {
	a := newAskTest(t)
	f := &Fleet{Askers: []*Asker{a.Asker}}
	for start := range 2 {
		_, asked, err := a.store.Protected(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f.AwaitFirst(t.Context(), a.store, asked, time.Millisecond, zerolog.New(&a.log))
		if waited, never := a.log.count("waiting for the firewalls"), a.log.count("have never said"); waited != 1 || never != 1 {
			t.Errorf("after start %d it was waited for %d times, and told %d times", start+1, waited, never)
		}
	}
	a.ask("when it answers at last")
	if _, asked, err := a.store.Protected(t.Context()); err != nil || asked["fw1"].IsZero() {
		t.Errorf("its answer is noted as %v, %v", asked, err)
	}
}
