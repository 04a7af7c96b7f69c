package firewall_test

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/xmlapi"
)

const tag = "active-defense"

// clock is a clock that stands still unless it is moved; the agent and the firewall share it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// lab is a simulated firewall and one of ours that looks after it.
type lab struct {
	t      *testing.T
	clock  *clock
	sim    *panosim.Sim
	device *xmlapi.Device
	fw     *firewall.Tags
	opts   labOptions
}

// labOptions are those of a device and of the tags on it.
type labOptions struct {
	xmlapi.Options
	firewall.TagOptions
}

// open makes the device and the tags.
func (o labOptions) open() (*xmlapi.Device, *firewall.Tags, error) {
	device, err := xmlapi.Open(o.Options)
	if err != nil {
		return nil, nil, err
	}
	tags, err := firewall.NewTags(device, o.TagOptions)
	return device, tags, err
}

// panosimOptions saves the other test files an import.
type panosimOptions = panosim.Options

// newLab starts both. The change functions may alter the options of either.
func newLab(t *testing.T, sim func(*panosim.Options), fw func(*labOptions)) *lab {
	t.Helper()
	l := &lab{t: t, clock: newClock()}
	so := panosim.Options{Now: l.clock.Now, MaxRegistered: 200_000}
	if sim != nil {
		sim(&so)
	}
	var err error
	if l.sim, err = panosim.Start(so); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.sim.Close)
	l.opts.Options = xmlapi.Options{
		Name: "LAB-FW-01", URL: l.sim.URL(), VSys: "vsys1", APIKey: l.sim.Key(), CA: l.sim.CA(), Now: l.clock.Now, Timeout: 10 * time.Second,
		RetryWait: time.Millisecond,
	}
	l.opts.Tag = tag
	if fw != nil {
		fw(&l.opts)
	}
	l.fw = l.restart()
	return l
}

// restart gives a Firewall that remembers nothing.
func (l *lab) restart() *firewall.Tags {
	l.t.Helper()
	device, fw, err := l.opts.open()
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(device.Close)
	l.device, l.fw = device, fw
	return fw
}

// pass makes one pass that must not fail.
func (l *lab) pass(desired []firewall.Entry, full bool) firewall.Report {
	l.t.Helper()
	r, err := l.fw.Reconcile(l.t.Context(), desired, full)
	if err != nil {
		l.t.Fatalf("reconcile: %v", err)
	}
	return r
}

// level makes passes, the last of which is full, until nothing is left to do.
func (l *lab) level(desired []firewall.Entry) firewall.Report {
	l.t.Helper()
	for range 50 {
		r := l.pass(desired, true)
		if r.Backlog == 0 {
			return r
		}
		for r.Backlog > 0 {
			r = l.pass(desired, false)
		}
	}
	l.t.Fatal("the firewall is not brought level")
	return firewall.Report{}
}

// stands compares what bears our tag with what is desired.
func (l *lab) stands(desired []firewall.Entry) {
	l.t.Helper()
	want := map[netip.Prefix]bool{}
	for _, e := range desired {
		want[e.Prefix] = true
	}
	have := l.sim.Addresses().Tagged("vsys1", tag)
	var extra, missing []netip.Prefix
	for p, got := range have {
		if !want[p] {
			extra = append(extra, p)
		}
		if got.Expires.IsZero() || got.Expires.Sub(l.clock.Now()) > 30*24*time.Hour {
			l.t.Errorf("%s stands until %v: without a dead man's switch", p, got.Expires)
		}
		if !got.Persistent {
			l.t.Errorf("%s would not outlive a reboot", p)
		}
	}
	for p := range want {
		if _, ok := have[p]; !ok {
			missing = append(missing, p)
		}
	}
	if len(extra) > 0 || len(missing) > 0 {
		l.t.Fatalf("%d stand that should not (%v), %d are missing (%v)", len(extra), head(extra), len(missing), head(missing))
	}
}

func head(p []netip.Prefix) []netip.Prefix { return p[:min(len(p), 5)] }

func (l *lab) calls(kind string) int { return l.sim.Stats().Calls[kind] }

// entries gives n single addresses that end in a day; later ones end a second earlier.
func (l *lab) entries(from, n int) []firewall.Entry {
	out := make([]firewall.Entry, n)
	for i := range out {
		out[i] = firewall.Entry{Prefix: host(from + i), Until: l.clock.Now().Add(24*time.Hour - time.Duration(i)*time.Second)}
	}
	return out
}

// host gives the i-th address of a large block for benchmarks (RFC 2544) below 131072.
func host(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, byte(18 + i>>16), byte(i >> 8), byte(i)}), 32)
}

// everyFirewall gives a firewall of each dialect, and one of each line of versions.
func everyFirewall() []panosim.Options {
	var out []panosim.Options
	for _, d := range firewall.EveryDialect() {
		out = append(out, panosim.Options{Version: "10.2.9-h1", Dialect: d})
	}
	for _, version := range []string{"9.0.16", "9.1.16", "10.0.12", "10.1.4", "11.1.4", "11.2.3"} {
		out = append(out, panosim.Options{Version: version})
	}
	return out
}
