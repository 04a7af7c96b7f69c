package line

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"activedefense/detect"
	"activedefense/store"
)

// A flood is what somebody sends who has the addresses of others written into single packets, so that the list is flushed or the wrong
// ones are blocked, and beside it those who really attack.
type flood struct {
	begin                             time.Time
	forged, proven                    []netip.Addr
	quiet                             []netip.Addr // forged too, and too few packets of each: they fill the memory
	standing, partners, peers, ourOwn []netip.Addr // whose addresses are forged too
	lines                             []string

	mu      sync.Mutex
	judged  []time.Time     // of the blocks of proven attackers that are not committed yet
	waiting []cargo         // of the batches on their way that tell of the blacklist
	behind  int             // the most batches on their way when a proven attacker was found
	ahead   int             // the most verdicts that were committed before or with such a block since it was decided
	took    []time.Duration // from the line that completed it to the end of the commit, for the log of the test
}

const (
	floodFor    = 10 * time.Minute // of event time
	floodPorts  = 11               // that each forged source reaches, with as many packets
	floodRoom   = 1000             // blacklist.surge.additions
	floodProven = 100
	floodAhead  = 100 // verdicts that a proven block may have to wait for: two batches of them
)

// numbered gives n addresses from one on.
func numbered(first string, n int) (list []netip.Addr) {
	a := netip.MustParseAddr(first)
	for range n {
		list = append(list, a)
		a = a.Next()
	}
	return list
}

// packet is a record in the default format. An application proves that its source was there.
func (f *flood) packet(at time.Time, src, dst netip.Addr, port int, app string) {
	what := []string{"drop", "deny", "60", "0", "policy-deny"}
	switch app {
	case "ssh":
		what = []string{"deny", "reset-both", "400", "300", "policy-deny"}
	case "ssl":
		what = []string{"end", "allow", "400", "5000", "tcp-fin"}
	}
	c := make([]string, 47)
	text := at.UTC().Format("2006/01/02 15:04:05")
	c[0], c[1], c[3], c[4], c[6], c[7], c[8] = "1", text, "TRAFFIC", what[0], text, src.String(), dst.String()
	c[11], c[14], c[24], c[25], c[29], c[30] = "edge", app, "40000", strconv.Itoa(port), "tcp", what[1]
	c[32], c[33], c[46] = what[2], what[3], what[4]
	f.lines = append(f.lines, strings.Join(c, ","))
}

// newFlood begins with the sessions that make partners. Ten minutes of packets follow: of so many forged sources, of the addresses that
// must not suffer from it, and of a hundred attackers that were really there, at even distances.
func newFlood(begin time.Time, sources int) *flood {
	f := &flood{
		begin: begin.Truncate(time.Second), forged: numbered("20.0.0.1", sources), quiet: numbered("21.0.0.1", sources), proven: numbered("203.0.113.1", floodProven),
		standing: numbered("192.0.2.1", 50), partners: numbered("192.0.2.101", 20), peers: numbered("192.0.2.201", 5), ourOwn: numbered("198.51.100.50", 5),
	}
	for _, hours := range []time.Duration{3, 2} {
		for i, p := range f.partners {
			f.packet(f.begin.Add(-hours*time.Hour+time.Duration(i)*time.Second), netip.MustParseAddr("10.0.0.9"), p, 443, "ssl")
		}
	}
	// Of these the packets come in the middle of the others.
	var victims []netip.Addr
	for _, list := range [][]netip.Addr{f.partners, f.standing, f.peers, f.ourOwn} {
		victims = append(victims, list...)
	}
	const group = 50
	groups := sources / group
	for g := range groups {
		at := f.begin.Add(time.Duration(g) * (floodFor - time.Minute) / time.Duration(groups))
		mixed := append([]netip.Addr(nil), f.forged[g*group:(g+1)*group]...)
		mixed = append(mixed, victims[g*len(victims)/groups:(g+1)*len(victims)/groups]...)
		for k := range floodPorts {
			for _, src := range mixed {
				f.packet(at.Add(time.Duration(k)*time.Second), src, netip.MustParseAddr("198.51.100.7"), 1000+k, "not-applicable")
			}
		}
		for _, src := range f.quiet[g*group : (g+1)*group] {
			f.packet(at, src, netip.MustParseAddr("198.51.100.7"), 80, "not-applicable")
		}
		for _, src := range f.proven[g*floodProven/groups : (g+1)*floodProven/groups] {
			for k := range 10 {
				f.packet(at.Add(floodPorts*time.Second), src, netip.AddrFrom4([4]byte{198, 51, 100, byte(100 + k)}), 22, "ssh")
			}
		}
	}
	return f
}

// options are those of the daemon with its default rules.
func (f *flood) options(t testing.TB, st *store.Store, path string) Options {
	refused := detect.Policy{RefusedOnly: true}
	o := testOptions(t, st, path)
	o.Settings = detect.Settings{
		Vulnerability: detect.Vulnerability{Severity: detect.VulnerabilityCritical, Policy: refused},
		PortScan:      detect.PortScan{Ports: 10, Window: 10 * time.Minute, Policy: refused},
		HostSweep:     detect.HostSweep{Hosts: 10, Window: 10 * time.Minute, Policy: refused},
		Probe:         detect.Probe{Targets: 30, Window: 24 * time.Hour, Policy: refused},
		Login:         detect.Login{Failures: 10, Window: 10 * time.Minute, Policy: refused},
		IPv6Prefix:    64, MaxSources: 1000, MaxSessions: 1000, MaxPartners: 1000, MaxProbes: 32 * 64,
	}
	o.Surge = detect.Surge{Additions: floodRoom, Window: 10 * time.Minute}
	ours := detect.NewOurs([]netip.Prefix{prefix("198.51.100.0/24")})
	own := []detect.Own{{Prefix: prefix("198.51.100.0/24"), What: "ours"}}
	for _, p := range f.peers {
		own = append(own, detect.Own{Prefix: netip.PrefixFrom(p, 32), What: "a firewall's DNS server"})
	}
	guard := detect.NewGuard(nil, own)
	o.Ours, o.Guard = func() *detect.Ours { return ours }, func() *detect.Guard { return guard }
	o.Logger = zerolog.New(f)
	o.ReleaseAfter = 30 * 24 * time.Hour
	o.Attach = func(notice func([]Change)) {
		var changes []Change
		if err := st.Entries(context.Background(), store.EntryFilter{}, func(e *store.Entry) error {
			c := Change{Address: e.Address, Blocked: e.State == store.Blocked}
			if !c.Blocked {
				c.Waiting = e.State
			}
			changes = append(changes, c)
			return nil
		}); err != nil {
			t.Error(err)
		}
		notice(changes)
	}
	return o
}

// stand puts what stood before into the store.
func (f *flood) stand(t testing.TB, st *store.Store) {
	t.Helper()
	var b store.Batch
	for i, a := range f.standing {
		block := store.Block{Address: netip.PrefixFrom(a, 32), Rule: "port-scan", By: store.ByDetector, Grade: store.Forgeable,
			BlockedAt: f.begin.Add(-24 * time.Hour), LastSeen: f.begin.Add(-24 * time.Hour)}
		if i%2 == 0 {
			block.By, block.Grade = store.ByOperator, store.GradeUnknown
		}
		b.Blocks = append(b.Blocks, block)
	}
	if _, err := st.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
}

// read has the daemon's end take so many records of a file, and shows each batch to look before it is committed.
func (f *flood) read(t testing.TB, o Options, records int, look func(*batch)) detect.Stats {
	t.Helper()
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	in := make(chan *batch)
	l.out = make(chan *batch) // the batch that is looked at waits in its stead
	o.Wake = f.committed
	w := &writer{store: o.Store, in: in, free: l.free, wake: o.Wake, stats: o.Stats, health: o.Health, log: o.Logger, now: o.Now}
	var group errgroup.Group
	group.Go(func() error { return w.run(t.Context(), ctx) })
	group.Go(func() error { return l.run(ctx) })
	for b := range l.out {
		look(b)
		f.offered(b)
		if records -= len(b.Records); records <= 0 {
			cancel()
		}
		in <- b
	}
	close(in)
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return l.engine.Stats()
}

// cargo is what a batch carries: verdicts, and those of proven attackers that block.
type cargo struct{ verdicts, proven int }

// Write takes what the daemon logs, and notes when it decided to block a proven attacker.
func (f *flood) Write(log []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if bytes.Contains(log, []byte("blocking: ")) && bytes.Contains(log, []byte(`"grade":"proven"`)) {
		f.judged = append(f.judged, time.Now())
		f.behind = max(f.behind, len(f.waiting))
	}
	return len(log), nil
}

func (f *flood) offered(b *batch) {
	if len(b.Blocks)+len(b.Touches) == 0 {
		return
	}
	c := cargo{verdicts: len(b.Blocks)}
	for i := range b.Blocks {
		if b.Blocks[i].State == store.Blocked && b.Blocks[i].Grade == store.Proven {
			c.proven++
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.proven > 0 {
		before := 0
		for _, w := range f.waiting {
			before += w.verdicts
		}
		f.ahead = max(f.ahead, before+c.verdicts-1)
	}
	f.waiting = append(f.waiting, c)
}

func (f *flood) committed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range f.waiting[0].proven {
		f.took = append(f.took, time.Since(f.judged[0]))
		f.judged = f.judged[1:]
	}
	f.waiting = f.waiting[1:]
}

// standings are what stands in the store, by address.
func standings(t testing.TB, st *store.Store) map[netip.Addr]store.Entry {
	t.Helper()
	all := map[netip.Addr]store.Entry{}
	if err := st.Entries(t.Context(), store.EntryFilter{}, func(e *store.Entry) error {
		all[e.Address.Addr()] = *e
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func writeLines(t testing.TB, path string, lines []string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(file)
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}
