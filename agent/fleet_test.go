package agent

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/enforce"
	"activedefense/agent/health"
	"activedefense/agent/loop"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/userid"
	"activedefense/store"
)

// fleetHang is how long a call to a firewall that hangs takes: what a delay that is passed on from one firewall to another
// would be, at least.
const fleetHang = 3 * time.Second

// A fleet is an agent's enforcers and feed over a real SQLite file, and the simulated firewalls that they keep level.
type fleet struct {
	t     *testing.T
	fleet *enforce.Fleet
	feed  *feed
	log   lockedBuffer
	clock *shiftedClock // of the agent and of the firewalls
	cfg   config.Config
	sims  map[string]*panosim.Sim

	mu    sync.Mutex
	when  map[string]map[netip.Prefix]time.Time // by table: when it was registered
	told  chan struct{}                         // a change came
	begun map[netip.Prefix]time.Time
}

// A shiftedClock goes as the wall clock does, and can be put forward.
type shiftedClock struct {
	mu    sync.Mutex
	shift time.Duration
}

func (c *shiftedClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.shift)
}

func (c *shiftedClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shift += d
}

// start starts a simulated firewall; each of its virtual systems is a table to be kept level.
func (f *fleet) start(name string, vsys ...string) *panosim.Sim {
	f.t.Helper()
	sim, err := panosim.Start(panosim.Options{
		VSys: vsys, Serial: f.serial(name), Admin: "svc", Users: map[string]string{"svc": "right"}, Now: f.clock.now, MaxRegistered: 100_000,
		OnChange: func(c userid.Change) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.when[name+" "+c.VSys][c.Address] = time.Now()
			select {
			case f.told <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(sim.Close)
	f.sims[name] = sim
	if vsys == nil {
		vsys = []string{"vsys1"}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, v := range vsys {
		f.when[name+" "+v] = map[netip.Prefix]time.Time{}
	}
	return sim
}

// serial makes a serial number of a name.
func (f *fleet) serial(name string) string { return fmt.Sprintf("%032x", name)[:32] }

// entry adds a firewall to the configuration.
func (f *fleet) entry(name string, sim *panosim.Sim, change func(*config.Firewall)) {
	fw := config.Firewall{Name: name, URL: sim.URL(), APIKey: config.Secret(sim.Key()), CA: sim.CA(), VSys: "vsys1", Mode: firewall.ModeTag,
		Tag: testTag, MaxRemovalPercent: 30, Timeout: fleetHang}
	if change != nil {
		change(&fw)
	}
	f.cfg.Firewalls = append(f.cfg.Firewalls, fw)
}

// run starts the feed and the enforcers. Waits between passes are a tenth of what they are.
func (f *fleet) run() {
	f.t.Helper()
	st := newTestStore(f.t)
	f.cfg.Blacklist.ReleaseAfter = 30 * 24 * time.Hour
	log := zerolog.New(&f.log)
	f.feed = newFeed(st)
	var err error
	f.fleet, err = enforce.New(enforce.Options{
		Config: &f.cfg, Version: "test", Blocked: f.feed.current.Load, Served: f.feed.served.Load, Store: func() *store.Store { return st },
		Calls: enforce.NewCalls(), Logger: log, Now: f.clock.now, Started: f.clock.now(),
		Timer: func(d time.Duration) loop.Timer {
			t := time.NewTimer(d / 10)
			return loop.Timer{C: t.C, Reset: func(d time.Duration) bool { return t.Reset(d / 10) }, Stop: t.Stop}
		},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.feed.guard = func() *detect.Guard { return detect.NewGuard(nil, nil) }
	f.feed.releaseAfter, f.feed.wakeFirewalls, f.feed.health, f.feed.log = f.cfg.Blacklist.ReleaseAfter, f.fleet.Wake, &health.Health{}, log
	ctx, stop := context.WithCancel(f.t.Context())
	var loops sync.WaitGroup
	for _, e := range f.fleet.Enforcers {
		if err := e.Restore(ctx, st); err != nil {
			f.t.Fatal(err)
		}
		loops.Go(func() { _ = e.Run(ctx) }) // gives no error
	}
	loops.Go(func() { _ = f.feed.run(ctx) })
	f.t.Cleanup(func() {
		began := time.Now()
		stop()
		loops.Wait()
		if took := time.Since(began); took > 10*time.Second {
			f.t.Errorf("the stop took %s", took)
		}
	})
}

// block blocks one source more, as the pipeline does.
func (f *fleet) block() netip.Prefix {
	f.t.Helper()
	n := len(f.begun)
	p := netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(113 + n>>8), byte(n)}), 32)
	now := f.clock.now()
	f.begun[p] = time.Now()
	if _, _, err := f.feed.store.Block(f.t.Context(), store.Block{Address: p, Rule: "port-scan", Reason: "test", By: store.ByDetector,
		FirstSeen: now, LastSeen: now, BlockedAt: now}); err != nil {
		f.t.Fatal(err)
	}
	f.feed.wakeup.Wake()
	return p
}

// until waits for something that changes when a firewall does, or with the time.
func (f *fleet) until(what string, true func() bool) {
	f.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !true(); {
		select {
		case <-f.told:
		case <-tick.C:
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("it does not happen: %s", what)
		}
	}
}

// has tells whether all these tables hold an address.
func (f *fleet) has(tables []string, p netip.Prefix) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !slices.ContainsFunc(tables, func(t string) bool { return f.when[t][p].IsZero() })
}

// tables gives those of some firewalls.
func (f *fleet) tables(names map[string]bool) (all []string) {
	for table := range f.when {
		if name, _, _ := strings.Cut(table, " "); names[name] {
			all = append(all, table)
		}
	}
	return all
}

// Of twenty firewalls three hang, two refuse the key and one restarts. The others, among them three virtual systems of one,
// a pair, and one behind a Panorama, get every block as if they were alone; the six are level with their first pass that
// comes through.
func TestBrokenFirewallsDelayNoOtherAndRecoverByThemselves(t *testing.T) {
	f := &fleet{t: t, clock: &shiftedClock{}, sims: map[string]*panosim.Sim{}, when: map[string]map[netip.Prefix]time.Time{},
		told: make(chan struct{}, 1), begun: map[netip.Prefix]time.Time{}}
	healthy, broken := map[string]bool{}, map[string]bool{}
	for i := range 10 {
		name := fmt.Sprintf("single-%d", i)
		healthy[name] = true
		f.entry(name, f.start(name), nil)
	}
	several := f.start("several", "vsys1", "vsys2", "vsys3")
	for _, v := range []string{"vsys1", "vsys2", "vsys3"} {
		f.entry("several "+v, several, func(fw *config.Firewall) { fw.VSys = v })
	}
	one, other := f.start("pair-1"), f.start("pair-2")
	panosim.Pair(one, other, panosim.PairOptions{})
	f.entry("pair", one, func(fw *config.Firewall) {
		// One key and one file of authorities serve both.
		fw.APIKey, fw.Username, fw.Password = "", "svc", "right"
		fw.PeerURL, fw.CA = other.URL(), slices.Concat(one.CA(), other.CA())
	})
	behind := f.start("behind")
	panorama, err := panosim.StartPanorama(panosim.PanoramaOptions{Options: panosim.Options{Now: f.clock.now}, Managed: []*panosim.Sim{behind}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(panorama.Close)
	f.entry("behind", panorama.Sim, func(fw *config.Firewall) { fw.Target = f.serial("behind") })
	for _, name := range []string{"several", "pair-1", "pair-2", "behind"} {
		healthy[name] = true
	}
	for _, name := range []string{"hangs-0", "hangs-1", "hangs-2", "refuses-key", "refuses-password", "restarts"} {
		broken[name] = true
		f.entry(name, f.start(name), func(fw *config.Firewall) {
			if name == "refuses-password" {
				fw.APIKey, fw.Username, fw.Password = "", "svc", "right"
			}
		})
	}
	f.run()
	first := f.block()
	f.until("all get the first block", func() bool { return f.has(slices.Collect(maps.Keys(f.when)), first) })

	for i := range 3 {
		f.sims[fmt.Sprintf("hangs-%d", i)].SetFault(panosim.Fault{Effect: panosim.Hang, Delay: time.Hour})
	}
	f.sims["refuses-key"].SetFault(panosim.Fault{Effect: panosim.Forbidden})
	f.sims["refuses-password"].SetPassword("svc", "changed")
	restart := f.sims["restarts"].Restart(panosim.RestartOptions{})
	failed := func() bool {
		return !slices.ContainsFunc(f.fleet.Enforcers, func(e *enforce.Enforcer) bool { return broken[e.Status().Name] && e.Status().Failures == 0 })
	}
	tables := f.tables(healthy)
	var worst time.Duration
	for n := 0; n < 40 || !failed(); n++ {
		if n == 20 || n == 30 { // the pages of its web server, then refusals
			if _, err := restart.Next(); err != nil {
				t.Fatal(err)
			}
		}
		p := f.block()
		f.until("the fourteen get a block", func() bool { return f.has(tables, p) })
		f.mu.Lock()
		for _, table := range tables {
			worst = max(worst, f.when[table][p].Sub(f.begun[p]))
		}
		f.mu.Unlock()
	}
	t.Logf("%d blocks, each on %d tables of 14 firewalls; the worst delay was %s", len(f.begun)-1, len(tables), worst)
	if worst >= fleetHang {
		t.Errorf("a block came %s late: it waited for a firewall that hangs", worst)
	}
	for _, table := range f.tables(broken) {
		f.mu.Lock()
		if n := len(f.when[table]); n != 1 {
			t.Errorf("%s got %d blocks while it was broken", table, n-1)
		}
		f.mu.Unlock()
	}

	for name := range broken {
		f.sims[name].ClearFaults()
	}
	f.sims["refuses-password"].SetPassword("svc", "right")
	if _, err := restart.Next(); err != nil {
		t.Fatal(err)
	}
	f.clock.add(lockoutOver)
	healed := time.Now()
	for _, e := range f.fleet.Enforcers {
		if !broken[e.Status().Name] {
			continue
		}
		f.until(e.Status().Name+" is back", func() bool { return e.Status().Up })
		if got := len(f.sims[e.Status().Name].Addresses().Tagged("", testTag)); got != len(f.begun) {
			t.Errorf("after its first pass %s holds %d of %d", e.Status().Name, got, len(f.begun))
		}
	}
	t.Logf("all are back and in sync after %s", time.Since(healed))
	if n := f.log.count("firewall is back and in sync"); n != len(broken) {
		t.Errorf("%d returns were logged, of %d firewalls", n, len(broken))
	}
	for name, sim := range f.sims {
		if f.log.count(sim.Key()) > 0 {
			t.Errorf("the log holds the key of %s", name)
		}
		if n := sim.Stats().Exposed; n > 0 {
			t.Errorf("the key of %s stood in the URL or body of %d calls", name, n)
		}
	}
}

// lockoutOver is longer than the longest wait between two logins.
const lockoutOver = 31 * time.Minute
