package enforce

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/loop"
	"activedefense/config"
	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/traffic"
	"activedefense/firewall/xmlapi"
	"activedefense/store"
)

// What is noted of a firewall is found again by its name.
func TestFirewallNamesAreThoseThatHoldBlocks(t *testing.T) {
	for _, mode := range []string{firewall.ModeTag, firewall.ModeGroup, firewall.ModeList} {
		cfg := &config.Config{Firewalls: []config.Firewall{
			{Name: "alone", URL: "https://192.0.2.1", APIKey: "k", Mode: mode, Tag: "active-defense"},
			{Name: "pair", URL: "https://192.0.2.2", PeerURL: "https://192.0.2.3", APIKey: "k", Mode: mode, Tag: "active-defense"},
		}}
		cfg.EDL.URL = "https://192.0.2.9:8443/files/blacklist.txt"
		fleet, err := New(Options{Config: cfg, Calls: NewCalls(), Now: time.Now})
		if err != nil {
			t.Fatal(mode, err)
		}
		var held []string
		for _, e := range fleet.Enforcers {
			held = append(held, e.name)
		}
		if names := Names(cfg); fmt.Sprint(names) != fmt.Sprint(held) {
			t.Errorf("%s: %q instead of %q", mode, names, held)
		}
	}
}

// A fleetTest is a fleet over simulated firewalls, with a list that they can fetch.
type fleetTest struct {
	*policyLab
	clock   *testClock
	log     lockedBuffer
	blocked atomic.Pointer[Snapshot]
	served  atomic.Pointer[Snapshot]
	store   *store.Store
}

func newFleetTest(t *testing.T) *fleetTest {
	t.Helper()
	f := &fleetTest{policyLab: newPolicyLab(t), clock: newTestClock(), store: newTestStore(t)}
	f.block(1)
	return f
}

// block sets the blacklist and the list.
func (f *fleetTest) block(version int64, addresses ...string) {
	s := &Snapshot{Version: version, Entries: blockedSince(f.clock.now(), addresses...)}
	f.blocked.Store(s)
	f.served.Store(s)
	f.list.serve(addresses...)
}

func (f *fleetTest) options() Options {
	return Options{Config: f.cfg, Expected: f.opts.Expected, Version: "test", Blocked: f.blocked.Load, Served: f.served.Load,
		Store: func() *store.Store { return f.store }, Calls: NewCalls(), Logger: zerolog.New(&f.log), Now: f.clock.now, Started: f.clock.now()}
}

// new makes the fleet.
func (f *fleetTest) new() *Fleet {
	f.t.Helper()
	fleet, err := New(f.options())
	if err != nil {
		f.t.Fatal(err)
	}
	for _, e := range fleet.Enforcers {
		if err := e.Restore(f.t.Context(), f.store); err != nil {
			f.t.Fatal(err)
		}
		f.t.Cleanup(e.close)
	}
	return fleet
}

// Tags and lists are each member's own, a group is the pair's; what stands in is a list, where one is served and is not the mode
// itself; sessions are ended on each member, and each is looked at.
func TestAFleetHasWhatEachModeNeeds(t *testing.T) {
	alone := []string{"alone"}
	both, together := []string{"pair", "pair (peer)"}, []string{"pair"}
	for _, c := range []struct {
		mode     string
		paired   bool
		listen   string
		sessions bool
		names    []string // of the enforcers
		keeper   string
		fallback bool
	}{
		{firewall.ModeTag, false, ":8443", false, alone, "*firewall.RuleTags", true},
		{firewall.ModeTag, false, "", true, alone, "*firewall.RuleTags", false},
		{firewall.ModeTag, true, ":8443", true, both, "*firewall.RuleTags", true},
		{firewall.ModeGroup, false, ":8443", true, alone, "*firewall.Group", true},
		{firewall.ModeGroup, true, "", true, together, "*firewall.Group", false},
		{firewall.ModeGroup, true, ":8443", false, together, "*firewall.Group", true},
		{firewall.ModeList, false, ":8443", true, alone, "*firewall.List", false},
		{firewall.ModeList, true, ":8443", false, both, "*firewall.List", false},
	} {
		t.Run(fmt.Sprintf("%s %v %s %v", c.mode, c.paired, c.listen, c.sessions), func(t *testing.T) {
			f := newFleetTest(t)
			f.served.Store(&Snapshot{Version: 7})
			f.cfg.EDL.Listen = c.listen
			fw := config.Firewall{Name: "alone", URL: "https://192.0.2.1", APIKey: "k", Mode: c.mode, Tag: testTag, KillSessions: c.sessions}
			members := 1
			if c.paired {
				fw.Name, fw.PeerURL, members = "pair", "https://192.0.2.2", 2
			}
			f.cfg.Firewalls = []config.Firewall{fw}
			fleet := f.new()
			var names, looked []string
			for _, e := range fleet.Enforcers {
				names = append(names, e.name)
				each := members / len(fleet.Enforcers)
				sessions := 0
				if c.sessions {
					sessions = each
				}
				if got := fmt.Sprintf("%T", e.keeper); got != c.keeper || (e.fallback != nil) != c.fallback || len(e.sessions) != sessions ||
					len(e.devices) != each || len(e.back) != each || e.paired != c.paired {
					t.Errorf("%s: %s, stands in %v, %d enders of sessions, %d devices, %d to tell, paired %v", e.name, got, e.fallback != nil,
						len(e.sessions), len(e.devices), len(e.back), e.paired)
				}
				if want := map[bool]int64{true: 7, false: 1}[c.mode == firewall.ModeList]; e.desired().Version != want {
					t.Errorf("%s is kept in sync with version %d", e.name, e.desired().Version)
				}
				if st := e.Status(); st.Name != e.name || st.Mode != c.mode {
					t.Errorf("status %+v", st)
				}
			}
			for _, w := range fleet.Watchers {
				looked = append(looked, w.name)
			}
			if !slices.Equal(names, c.names) || len(looked) != members || looked[0] != fw.Name || looked[members-1] != names[len(names)-1] && c.mode != firewall.ModeGroup {
				t.Errorf("kept in sync are %q, looked at %q", names, looked)
			}
		})
	}
}

// In each mode a pass puts a block into force on a firewall that lacks nothing, notes it, and a release is undone.
func TestAFleetBlocksInEachMode(t *testing.T) {
	const source = "203.0.113.1"
	for _, mode := range []string{firewall.ModeTag, firewall.ModeGroup, firewall.ModeList} {
		t.Run(mode, func(t *testing.T) {
			f := newFleetTest(t)
			sim := f.add("fw1", mode, panosim.Options{Now: f.clock.now})
			if _, _, err := f.provision(applyAndCommit); err != nil {
				t.Fatal(err)
			}
			f.cfg.Firewalls[0].CommitInterval = time.Second
			f.cfg.Firewalls[0].RefreshInterval = time.Second
			e := f.new().Enforcers[0]
			pass := func(version int64, addresses ...string) firewall.Report {
				t.Helper()
				f.clock.add(time.Minute)
				f.block(version, addresses...)
				report, err := e.passOnce(t.Context(), false)
				if err != nil {
					t.Fatal(err)
				}
				return report
			}
			dropped := func() bool {
				return !sim.Traffic().Packet(traffic.Packet{From: "untrust", To: "trust", Source: netip.MustParseAddr(source), Destination: netip.MustParseAddr("198.51.100.7"),
					DestinationPort: 443, Short: true}).Allowed
			}
			if r := pass(2, source+"/32", "203.0.113.2/32"); len(r.Registered) != 2 || !dropped() {
				t.Fatalf("blocked: %+v", r)
			}
			if held, err := f.store.Enforced(t.Context(), "fw1"); err != nil || len(held) != 2 {
				t.Errorf("noted: %v, %v", held, err)
			}
			if r := pass(3, "203.0.113.2/32"); len(r.Unregistered) != 1 {
				t.Errorf("released: %+v", r)
			}
			if held, err := f.store.Enforced(t.Context(), "fw1"); err != nil || len(held) != 1 {
				t.Errorf("noted: %v, %v", held, err)
			}
			if e.fallback != nil && e.fallback.without.Load() != 3 {
				t.Errorf("the list is to be fetched after version %d", e.fallback.without.Load())
			}
		})
	}
}

func TestAFleetSaysWhatOfItsConfigurationCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.Config, *config.Firewall)
		text   string
	}{
		"a URL":                      {func(_ *config.Config, fw *config.Firewall) { fw.URL = "http://192.0.2.1" }, "must be https"},
		"a tag":                      {func(_ *config.Config, fw *config.Firewall) { fw.Tag = "it's" }, "tag: must not contain quotes"},
		"a group's tag":              {func(_ *config.Config, fw *config.Firewall) { fw.Mode, fw.Tag = firewall.ModeGroup, "it's" }, "tag: must not contain quotes"},
		"a share":                    {func(_ *config.Config, fw *config.Firewall) { fw.MaxRemovalPercent = 101 }, "max_removal_percent"},
		"a group's share":            {func(_ *config.Config, fw *config.Firewall) { fw.Mode, fw.MaxRemovalPercent = firewall.ModeGroup, 101 }, "max_removal_percent"},
		"a commit interval":          {func(_ *config.Config, fw *config.Firewall) { fw.Mode, fw.CommitInterval = firewall.ModeGroup, -1 }, "commit interval"},
		"a refresh interval":         {func(_ *config.Config, fw *config.Firewall) { fw.Mode, fw.RefreshInterval = firewall.ModeList, -1 }, "refresh interval"},
		"a number that can stand in": {func(cfg *config.Config, _ *config.Firewall) { cfg.EDL.MaxEntries = -1 }, "number of entries"},
	} {
		f := newFleetTest(t)
		fw := config.Firewall{Name: "fw1", URL: "https://192.0.2.1", APIKey: "k", Mode: firewall.ModeTag, Tag: testTag}
		c.change(f.cfg, &fw)
		f.cfg.Firewalls = []config.Firewall{fw}
		if fleet, err := New(f.options()); err == nil || fleet != nil || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), `firewall "fw1"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A test that lets time pass must find every loop waiting by its timer.
func TestEveryLoopOfAFleetWaitsByTheTimerOfTheOptions(t *testing.T) {
	f := newFleetTest(t)
	f.cfg.Firewalls = []config.Firewall{{Name: "fw1", URL: "https://192.0.2.1", APIKey: "k", Mode: firewall.ModeTag, Tag: testTag}}
	o := f.options()
	var asked []time.Duration
	o.Timer = func(d time.Duration) loop.Timer { asked = append(asked, d); return loop.Timer{} }
	fleet, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for i, timer := range []func(time.Duration) loop.Timer{fleet.Enforcers[0].timer, fleet.Enforcers[0].fallback.timer, fleet.Watchers[0].timer} {
		if timer(time.Duration(i)); len(asked) != i+1 {
			t.Fatalf("loop %d has a timer of its own", i)
		}
	}
}

func TestWakingAFleetWakesAllOfIt(t *testing.T) {
	f := newFleetTest(t)
	for _, mode := range []string{firewall.ModeTag, firewall.ModeGroup, firewall.ModeList} {
		f.cfg.Firewalls = append(f.cfg.Firewalls, config.Firewall{Name: mode, URL: "https://192.0.2.1", APIKey: "k", Mode: mode, Tag: testTag})
	}
	fleet := f.new()
	fleet.Wake()
	for i, e := range fleet.Enforcers {
		if len(e.wakeup) != 1 || e.fallback != nil && len(e.fallback.wakeup) != 1 {
			t.Errorf("%s is not woken, or its list is not", e.name)
		}
		if w := fleet.Watchers[i]; len(w.wakeup) != 0 {
			t.Errorf("%s is looked at for every block", w.name)
		}
		for _, tell := range e.back {
			tell()
		}
		if w := fleet.Watchers[i]; len(w.wakeup) != 1 {
			t.Errorf("%s is not looked at when it is back", w.name)
		}
		e.pulse.changed()
		if w := fleet.Watchers[i]; len(w.commit) != 1 {
			t.Errorf("%s is not looked at after a commit", w.name)
		}
	}
}

// A watcher compares with what its firewall was told: what was blocked before the start counts from then, and what was
// released a while ago may still be held.
func TestAWatcherKnowsWhatItsFirewallWasTold(t *testing.T) {
	for _, mode := range []string{firewall.ModeTag, firewall.ModeList} {
		f := newFleetTest(t)
		f.cfg.Firewalls = []config.Firewall{{Name: "fw1", URL: "https://192.0.2.1", APIKey: "k", Mode: mode, Tag: testTag}}
		o := f.options()
		fleet, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		before, after := f.clock.now().Add(-time.Hour), f.clock.now().Add(time.Hour)
		f.blocked.Store(&Snapshot{Entries: slices.Concat(blockedSince(before, "203.0.113.1/32"), blockedSince(after, "203.0.113.2/32"))})
		f.served.Store(&Snapshot{Entries: blockedSince(before, "203.0.113.3/32")})
		for _, address := range []string{"203.0.113.8/32", "203.0.113.9/32"} {
			block(t, f.store, address, 0)
		}
		f.clock.add(2 * time.Hour)
		for address, ago := range map[string]time.Duration{"203.0.113.8/32": lately + time.Minute, "203.0.113.9/32": time.Minute} {
			if _, err := f.store.Release(t.Context(), netip.MustParsePrefix(address), store.ByOperator, "test", f.clock.now().Add(-ago)); err != nil {
				t.Fatal(err)
			}
		}
		want := fleet.Watchers[0].want(t.Context())
		told := map[string][]string{
			firewall.ModeTag:  {"203.0.113.1/32 " + o.Started.String(), "203.0.113.2/32 " + after.String()},
			firewall.ModeList: {"203.0.113.3/32 " + o.Started.String()},
		}[mode]
		var got []string
		for _, e := range want.Entries {
			got = append(got, e.Prefix.String()+" "+e.Since.String())
		}
		if !slices.Equal(got, told) || want.Mode != mode || !want.Now.Equal(f.clock.now()) || want.ListURL != f.list.url {
			t.Errorf("%s: it was told %q: %+v", mode, got, want)
		}
		if len(want.Released) != 1 || want.Released[0].Prefix.String() != "203.0.113.9/32" || !want.Released[0].Until.Equal(f.clock.now().Add(-time.Minute)) {
			t.Errorf("%s: released are %v", mode, want.Released)
		}
		if err := f.store.Close(); err != nil {
			t.Fatal(err)
		}
		if want := fleet.Watchers[0].want(t.Context()); len(want.Released) != 0 || len(want.Entries) != len(told) {
			t.Errorf("%s: without the store, %+v", mode, want)
		}
		f.store = nil
		if want := fleet.Watchers[0].want(t.Context()); len(want.Released) != 0 || len(want.Entries) != len(told) {
			t.Errorf("%s: before there is a store, %+v", mode, want)
		}
	}
}

// A whole enforcer, as the agent runs it: the block reaches the firewall, the established sessions of its source end, what cannot
// be tagged comes by the list, and the policies are looked at when the firewall is in sync.
func TestAnEnforcerDoesAllOfItUntilItsContextEnds(t *testing.T) {
	f := newFleetTest(t)
	sim := f.add("fw1", firewall.ModeTag, panosim.Options{Now: f.clock.now, Config: f.list.listConfig()})
	f.cfg.Firewalls[0].KillSessions = true
	if err := sim.Config().Edit("somebody", "set", "/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='vsys1']/rulebase/security/rules/entry[@name='let in']",
		`<from><member>any</member></from><to><member>any</member></to><source><member>any</member></source><destination><member>any</member></destination>`+
			`<application><member>any</member></application><service><member>any</member></service><action>allow</action>`); err != nil {
		t.Fatal(err)
	}
	if err := sim.Config().Commit("somebody"); err != nil {
		t.Fatal(err)
	}
	visit(t, sim, "203.0.113.1") // before the firewall can have it from the list
	f.block(2, "203.0.113.1/32", "2001:db8::/48")
	fleet := f.new()
	e := fleet.Enforcers[0]
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	until(t, "the block is in force", func() bool { return len(sim.Addresses().Tagged("", testTag)) == 1 })
	until(t, "the session has ended", func() bool { return len(sim.Traffic().Sessions()) == 0 })
	until(t, "the list stands in", func() bool {
		state, ok := sim.Lists().State("", firewall.NamesFor(testTag).List)
		return ok && state.Entries == 2
	})
	until(t, "status says so", func() bool { return e.Status().Fallback })
	until(t, "the policies are to be looked at", func() bool { return len(fleet.Watchers[0].wakeup) == 1 })
	stop()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if err := e.devices[0].Identify(t.Context()); xmlapi.Kind(err) != xmlapi.KindCanceled {
		t.Errorf("its device can still be used: %v", err)
	}
}

// The tags of the configuration's rules are put beside the one of all, and what the firewall does with them is told.
func TestTheTagsOfRulesReachAFirewall(t *testing.T) {
	f := newFleetTest(t)
	sim := f.add("fw1", firewall.ModeTag, panosim.Options{})
	f.cfg.Detect.Login.Tag, f.cfg.Detect.Probe.Tag = "guessing", "slow"
	f.block(2, "203.0.113.1/32", "203.0.113.2/32")
	f.blocked.Load().Entries[1].Tag = "guessing"
	e := f.new().Enforcers[0]
	pass := func() {
		t.Helper()
		if _, err := e.passOnce(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	standing := func(tag string, want string) {
		t.Helper()
		var all []string
		for p := range sim.Addresses().Tagged("", tag) {
			all = append(all, p.String())
		}
		slices.Sort(all)
		if got := strings.Join(all, " "); got != want {
			t.Errorf("%s is on %q", tag, got)
		}
	}
	pass()
	standing("guessing", "203.0.113.2/32")
	standing("slow", "")
	if held, err := f.store.Enforced(t.Context(), "fw1"); err != nil || len(held) != 2 {
		t.Errorf("held are %+v: %v", held, err)
	}
	// It goes with its source, which is no longer held then.
	f.block(3, "203.0.113.1/32")
	pass()
	standing("guessing", "")
	if held, err := f.store.Enforced(t.Context(), "fw1"); err != nil || len(held) != 1 {
		t.Errorf("held are %+v: %v", held, err)
	}
}

// An address object that cannot be deleted is none that is refused: the address is released, and no list has to stand in for it.
func TestAnObjectThatStaysIsTold(t *testing.T) {
	e := newEnforceTest(t)
	stays := []firewall.Refused{{Prefix: netip.MustParsePrefix("203.0.113.1/32"), Message: "in use"}}
	for _, full := range []bool{true, false, true} {
		e.show(firewall.Report{Full: full, Undeleted: stays}, 1, nil)
	}
	if st := e.Status(); !slices.Equal(st.Undeleted, []string{"203.0.113.1: in use"}) || st.RefusedCount != 0 || st.Fallback {
		t.Errorf("status %+v", st)
	}
	if n := e.log.count("does not delete address objects"); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
	e.show(firewall.Report{Full: true}, 1, nil)
	if st := e.Status(); len(st.Undeleted) != 0 {
		t.Errorf("status %+v", st)
	}
}

func TestATagOfARuleThatIsRefusedIsTold(t *testing.T) {
	e := newEnforceTest(t)
	refused := firewall.Report{Full: true, Untagged: []firewall.Refused{{Prefix: netip.MustParsePrefix("203.0.113.1/32"), Message: "guessing: no"}}}
	for range 2 {
		e.show(refused, 1, nil)
	}
	if st := e.Status(); !slices.Equal(st.Untagged, []string{"203.0.113.1: guessing: no"}) || !st.Up || st.RefusedCount != 0 {
		t.Errorf("status %+v", st)
	}
	if n := e.log.count("refused tags of rules"); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
	e.show(firewall.Report{}, 1, nil) // only a full pass tries it anew
	if len(e.Status().Untagged) != 1 {
		t.Error("it is forgotten")
	}
	e.show(firewall.Report{Full: true}, 1, nil)
	if st := e.Status(); len(st.Untagged) != 0 {
		t.Errorf("afterwards %+v", st)
	}
}
