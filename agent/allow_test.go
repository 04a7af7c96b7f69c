package agent

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/edl"
	"activedefense/agent/release"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/store"
)

// A reload that allows a thousand blocked addresses has them leave firewall, list and store at once, while as many that the
// firewall would lose without an explanation, and as many that have been quiet, are held back and counted.
func TestAReloadThatAllowsAThousandPassesEveryBrake(t *testing.T) {
	const many, active = 1000, 50
	dir := t.TempDir()
	log := filepath.Join(dir, "fw.log")
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sim, err := panosim.Start(panosim.Options{MaxRegistered: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	at := func(first byte, i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{first, 1, byte(i >> 8), byte(i)}), 32)
	}
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, DatabaseFile)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	now := time.Now()
	var b store.Batch
	lost := make(map[netip.Prefix]string, many) // blocked once, and gone from the store with the firewall still holding it
	for i := range many {
		if err := sim.Addresses().Register("vsys1", at(20, i), testTag, time.Hour); err != nil {
			t.Fatal(err)
		}
		lost[at(20, i)] = "test"
		b.Blocks = append(b.Blocks, blockOf(at(20, i).String(), store.Blocked, now), blockOf(at(30, i).String(), store.Blocked, now.Add(time.Hour)), blockOf(at(40, i).String(), store.Blocked, now.Add(-time.Hour)))
	}
	for i := range active {
		b.Blocks = append(b.Blocks, blockOf(at(50, i).String(), store.Blocked, now.Add(time.Hour)))
	}
	if _, err := st.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if _, err := st.ReleaseAll(t.Context(), lost, now); err != nil {
		t.Fatal(err)
	}
	run := func(neverBlock ...netip.Prefix) (a *Agent, stop func()) {
		cfg, _, err := config.Load(config.Options{Environ: []string{
			"ACTIVEDEFENSE_STATE_DIR=" + dir, "ACTIVEDEFENSE_ADMIN__LISTEN=127.0.0.1:0", "ACTIVEDEFENSE_EDL__LISTEN=127.0.0.1:0"}})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Inputs[0].Path, cfg.NeverBlock, cfg.Networks.AskFirewalls, cfg.Blacklist.ReleaseAfter = log, neverBlock, false, 10*time.Second
		cfg.Firewalls = []config.Firewall{{Name: "fw1", URL: sim.URL(), APIKey: config.Secret(sim.Key()), CA: sim.CA(), VSys: "vsys1", Mode: firewall.ModeTag,
			Tag: testTag, MaxRemovalPercent: 30, Timeout: 10 * time.Second}}
		if a, err = New(t.Context(), cfg, Options{Logger: zerolog.Nop()}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		return a, func() {
			t.Helper()
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	count := func(first byte) (onFirewall, stored int) {
		for p := range sim.Addresses().Tagged("vsys1", testTag) {
			if p.Addr().As4()[0] == first {
				onFirewall++
			}
		}
		if err := st.Entries(t.Context(), store.EntryFilter{}, func(e *store.Entry) error {
			if e.Address.Addr().As4()[0] == first {
				stored++
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return onFirewall, stored
	}
	until := func(what string, true func() bool) {
		t.Helper()
		for deadline := time.After(patience); !true(); {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-deadline:
				t.Fatalf("it does not happen: %s", what)
			}
		}
	}
	level := func(a *Agent, standing int) func() bool {
		return func() bool {
			s := a.Status()
			return len(s.Firewalls) == 1 && s.Firewalls[0].Tags == standing && s.Firewalls[0].Braked == many
		}
	}
	release := func(a *Agent) { // which the agent does itself when all lines have been read for a while
		t.Helper()
		r := &release.Releaser{Store: st, ReleaseAfter: a.cfg.Blacklist.ReleaseAfter, CaughtUp: func() bool { return true }, Others: func(context.Context) (string, error) { return "", nil }, Standing: a.feed.Load().standing, MayBlock: mayBlock(a.guard.Load),
			Percent: 30, Wake: func() {}, Log: zerolog.Nop(), Now: a.believed, Brake: &a.brake}
		if err := r.Once(t.Context()); err != nil || a.Status().Braked != many {
			t.Errorf("the list's brake holds %d: %v", a.Status().Braked, err)
		}
	}
	a, stop := run()
	until("all are blocked, and the brake holds", level(a, 3*many+active))
	release(a)
	stop()
	a, stop = run(netip.MustParsePrefix("30.1.0.0/16"))
	defer stop()
	until("the allowed ones leave, and the brake holds", level(a, 2*many+active))
	release(a)
	if got := a.list.Status().Entries; got != many+active {
		t.Errorf("the list has %d entries", got)
	}
	for first, want := range map[byte][2]int{20: {many, 0}, 30: {0, 0}, 40: {many, many}, 50: {active, active}} {
		if onFirewall, stored := count(first); onFirewall != want[0] || stored != want[1] {
			t.Errorf("of %d.1.0.0/16 the firewall holds %d and the store %d, want %v", first, onFirewall, stored, want)
		}
	}
	got := gauges(t, a.Status)
	if got["activedefense_firewall_unenforced brake"] != many || got["activedefense_releases_braked"] != many {
		t.Errorf("the metrics say %v of the firewall, %v of the list", got["activedefense_firewall_unenforced brake"], got["activedefense_releases_braked"])
	}
}

// gauges gives the values of the metrics by their names and, where there is one, the label why.
func gauges(t *testing.T, status func() Status) map[string]float64 {
	t.Helper()
	families, err := newMetrics(status).Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				if l.GetName() == "why" {
					name += " " + l.GetValue()
				}
			}
			got[name] = m.GetGauge().GetValue()
		}
	}
	return got
}

// What the guard does not allow leaves list and firewalls while the store is away, and the store as soon as it is back.
func TestWhatIsAllowedLeavesWhileTheStoreIsAway(t *testing.T) {
	spared, other := netip.MustParsePrefix("203.0.113.1/32"), netip.MustParsePrefix("203.0.113.2/32")
	f, told := newTestFeed(t, spared.String(), other.String())
	var err error
	if f.list, err = edl.New(edl.Options{Listen: "127.0.0.1:0", Path: "/list", StateDir: t.TempDir(), Logger: zerolog.Nop()}); err != nil {
		t.Fatal(err)
	}
	if err := f.syncOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.publish()
	woken := 0
	f.wakeFirewalls = func() {
		if woken++; f.list.Status().Entries != 1 {
			t.Error("the firewalls are woken before the list is without it")
		}
	}
	f.guard = func() *detect.Guard { return detect.NewGuard([]netip.Prefix{spared}, nil) }
	f.recheck()
	away, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.syncOnce(away); err == nil {
		t.Fatal("the store is not away")
	}
	if entries := f.current.Load().Entries; len(entries) != 1 || entries[0].Prefix != other || told[spared] || woken == 0 || f.served.Load() != f.current.Load() {
		t.Errorf("still %v, told of %v, woken %d times", entries, told, woken)
	}
	if err := f.syncOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list, err := f.store.Covering(t.Context(), spared.Addr()); err != nil || len(list) != 1 || list[0].ReleasedAt.IsZero() || list[0].ReleasedBy != store.ByDetector || list[0].ReleaseReason != "203.0.113.1 is in never_block (203.0.113.1)" {
		t.Errorf("in the store: %+v: %v", list, err)
	}
}

// An address that IPv6 carries and that is allowed as IPv4 is neither served nor pushed, and leaves the store, however it came there.
func TestWhatIsAllowedIsServedInNoForm(t *testing.T) {
	forms := []string{"203.0.113.9/32", "2002:cb00:7109::5/128", "2002:cb00:7109:1::/64", "2002:cb00:7109::/48", "2001:0:808:808:0:1234:34ff:8ef6/128", "64:ff9b::cb00:7109/128", "64:ff9b:1::cb00:7109/128", "::cb00:7109/128"}
	f, _ := newTestFeed(t, append(slices.Clone(forms), "2002:cb00:720a::/48")...)
	guard := detect.NewGuard([]netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, nil)
	f.guard = func() *detect.Guard { return guard }
	if err := f.syncOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if entries := f.current.Load().Entries; len(entries) != 1 || entries[0].Prefix.String() != "2002:cb00:720a::/48" {
		t.Errorf("for the firewalls: %v", entries)
	}
	stored := 0
	if err := f.store.Entries(t.Context(), store.EntryFilter{}, func(*store.Entry) error { stored++; return nil }); err != nil || stored != 1 {
		t.Errorf("%d are blocked in the store: %v", stored, err)
	}
	for _, form := range forms {
		if mayBlock(f.guard)(netip.MustParsePrefix(form)) {
			t.Errorf("a firewall may keep %s", form)
		}
	}
}

// What may not be blocked is lifted by the feed, and is nothing for the list's brake to count.
func TestTheListsBrakeDoesNotCountWhatIsAllowed(t *testing.T) {
	r := newReleaseTest(t)
	begun := r.clock.now()
	var b store.Batch
	for i := range 200 {
		b.Blocks = append(b.Blocks, blockOf(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}).String()+"/32", store.Blocked, begun))
	}
	if _, err := r.Store.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if err := r.feed.syncOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.clock.add(testReleaseAfter)
	guard := detect.NewGuard([]netip.Prefix{netip.MustParsePrefix("203.0.113.0/25")}, nil)
	r.feed.guard = func() *detect.Guard { return guard }
	if n, err := r.Due(t.Context(), testReleaseAfter); err != nil || n != 72 {
		t.Errorf("%d are due: %v", n, err)
	}
}
