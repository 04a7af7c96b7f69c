package line

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/detect"
	"activedefense/store"
)

// A neighbourhoodTest judges verdicts on sources of networks, three of which block the whole.
type neighbourhoodTest struct {
	*Live
	t   *testing.T
	st  *store.Store
	log lockedBuffer
	o   Options
}

func newNeighbourhoodTest(t *testing.T, change func(*Options)) *neighbourhoodTest {
	t.Helper()
	n := &neighbourhoodTest{t: t, st: newTestStore(t)}
	n.o = testOptions(t, n.st, filepath.Join(t.TempDir(), "*.log"))
	n.o.Neighbours, n.o.Logger = 3, zerolog.New(&n.log)
	if change != nil {
		change(&n.o)
	}
	n.Live = openTestLive(t, n.o)
	return n
}

// judge judges a proven verdict on each of the sources.
func (n *neighbourhoodTest) judge(sources ...string) {
	for _, s := range sources {
		n.Live.judge(n.verdict(s), nil, noon)
	}
}

func (n *neighbourhoodTest) verdict(source string) *detect.Verdict {
	return &detect.Verdict{Source: netip.MustParsePrefix(source), Rule: "login", Reason: "11 failed logins", Grade: detect.Proven, Time: noon, FirstSeen: noon, LastSeen: noon}
}

// networks are what the batch blocks by the rule of neighbourhoods.
func (n *neighbourhoodTest) networks() (list []string) {
	for _, b := range n.batch.Blocks {
		if b.Rule == store.RuleNeighbourhood {
			list = append(list, b.Address.String())
		}
	}
	return list
}

func (n *neighbourhoodTest) expect(when string, want ...string) {
	n.t.Helper()
	if got := n.networks(); !slices.Equal(got, want) {
		n.t.Errorf("%s: blocked are the networks %q, want %q", when, got, want)
	}
}

func TestEnoughSourcesBlockTheirNeighbourhood(t *testing.T) {
	n := newNeighbourhoodTest(t, nil)
	n.judge("203.0.113.1/32", "203.0.113.9/32", "203.0.113.1/32", "203.0.112.7/32", "2001:db8:1:1::/64", "2001:db8:1:2::/64", "2001:db8:2:1::/64")
	for what, change := range map[string]func(*detect.Verdict){
		"forgeable": func(v *detect.Verdict) { v.Grade = detect.Forgeable },
		"observed":  func(v *detect.Verdict) { v.Mode = detect.Observe },
		"held":      func(v *detect.Verdict) { v.Hold = "it is a partner" },
	} {
		v := n.verdict("203.0.113.50/32")
		change(v)
		n.Live.judge(v, nil, noon)
		n.expect(what)
	}
	n.judge("203.0.113.7/32")
	n.expect("with the third of one", "203.0.113.0/24")
	n.judge("203.0.113.8/32") // what came while it was being blocked
	n.judge("2001:db8:1:3::/64")
	n.expect("with the third of another", "203.0.113.0/24", "2001:db8:1::/48")
	if _, err := n.st.Commit(t.Context(), &n.batch.Batch); err != nil {
		t.Fatal(err)
	}
	var all []store.Entry
	if err := n.st.Entries(t.Context(), store.EntryFilter{Rule: store.RuleNeighbourhood}, func(e *store.Entry) error {
		all = append(all, *e)
		return nil
	}); err != nil || len(all) != 2 {
		t.Fatalf("%d entries: %v", len(all), err)
	}
	e := all[1]
	if want := "3 sources of 203.0.113.0/24 are blocked for proven attacks: 203.0.113.1, 203.0.113.7, 203.0.113.9 (at least 3)"; e.Reason != want ||
		e.Grade != store.Proven || e.State != store.Blocked || e.By != store.ByDetector || !e.ExpiresAt.IsZero() {
		t.Errorf("the entry is %+v", e)
	}
	// Others of the network are blocked, too.
	ev := detect.Event{Time: noon, Src: netip.MustParseAddr("203.0.113.200"), Dst: netip.MustParseAddr("198.51.100.1"), DstPort: 1, Type: detect.TypeTraffic}
	if r := n.engine.Observe(&ev); r.Outcome != detect.Blocked || r.Entry.String() != "203.0.113.0/24" {
		t.Errorf("another of the network is %v by %s", r.Outcome, r.Entry)
	}
}

func TestNeighbourhoodsAreOffByDefault(t *testing.T) {
	n := newNeighbourhoodTest(t, func(o *Options) { o.Neighbours = 0 })
	for i := range 250 {
		n.judge(fmt.Sprintf("203.0.113.%d/32", i))
	}
	n.expect("off")
	n.neighbours.change(&Change{Address: prefix("203.0.113.1/32"), Blocked: true, Proven: noon}, noon)
}

// No network is blocked in which anything protected lies, or a partner, whose sessions are in the log.
func TestANeighbourhoodWithSomebodyToSpareIsNotBlocked(t *testing.T) {
	three := []string{"203.0.113.1/32", "203.0.113.2/32", "203.0.113.3/32"}
	t.Run("protected", func(t *testing.T) {
		n := newNeighbourhoodTest(t, func(o *Options) {
			guard := detect.NewGuard([]netip.Prefix{prefix("203.0.113.77/32")}, nil)
			o.Guard = func() *detect.Guard { return guard }
		})
		n.judge(three...)
		n.expect("with somebody protected")
		if !strings.Contains(n.log.String(), "203.0.113.0/24 contains 203.0.113.77, which is in never_block") || len(n.batch.Blocks) != 3 {
			t.Errorf("%d blocks; the log says %s", len(n.batch.Blocks), n.log.String())
		}
	})
	sixToFour := []string{"2002:cb00:714d:1::/64", "2002:cb00:714d:2::/64", "2002:cb00:714d:3::/64"}
	for name, c := range map[string]struct {
		partner string
		sources []string
		want    []string
	}{"partner": {"203.0.113.77", three, nil}, "partner elsewhere": {"203.0.114.77", three, []string{"203.0.113.0/24"}},
		"partner by 6to4": {"203.0.113.77", sixToFour, nil}, "partner elsewhere, by 6to4": {"203.0.114.77", sixToFour, []string{"2002:cb00:714d::/48"}}} {
		t.Run(name, func(t *testing.T) {
			ours := detect.NewOurs([]netip.Prefix{prefix("198.51.100.0/24")})
			n := newNeighbourhoodTest(t, func(o *Options) {
				o.Settings.PortScan.RefusedOnly = true
				o.Ours = func() *detect.Ours { return ours }
			})
			n.know()
			for _, hours := range []int{5, 3} {
				n.engine.Observe(&detect.Event{Time: noon.Add(-time.Duration(hours) * time.Hour), Type: detect.TypeTraffic, Subtype: "end", Action: "allow", Application: "ssl",
					Src: netip.MustParseAddr("198.51.100.1"), SrcPort: 40000, Dst: netip.MustParseAddr(c.partner), DstPort: 443})
			}
			n.judge(c.sources...)
			n.expect(name, c.want...)
			if said := strings.Contains(n.log.String(), "it holds a partner"); said != (c.want == nil) {
				t.Errorf("the log says %s", n.log.String())
			}
		})
	}
}

// A restart goes on with what is blocked; what a person released is blocked again for others only.
func TestWhatIsReleasedCountsNoMore(t *testing.T) {
	n := newNeighbourhoodTest(t, nil)
	tell := func(changes ...Change) {
		n.notice(changes)
		n.apply()
	}
	n.o.Now = func() time.Time { return noon }
	n.opts.Now = n.o.Now
	before := noon.Add(-time.Hour)
	tell(Change{Address: prefix("203.0.113.1/32"), Blocked: true, Proven: before}, Change{Address: prefix("203.0.113.2/32"), Blocked: true, Proven: before},
		Change{Address: prefix("203.0.113.3/32"), Blocked: true})
	tell(Change{Address: prefix("203.0.113.2/32")})
	n.judge("203.0.113.4/32")
	n.expect("one of an earlier run, and a new one")
	n.judge("203.0.113.5/32")
	n.expect("and another", "203.0.113.0/24")
	if _, err := n.st.Commit(t.Context(), &n.batch.Batch); err != nil {
		t.Fatal(err)
	}
	n.batch.reset()
	network := prefix("203.0.113.0/24")
	if _, err := n.st.Release(t.Context(), network, "anna", "our landlord", noon); err != nil {
		t.Fatal(err)
	}
	tell(Change{Address: network, ByPerson: true})
	later := noon.Add(time.Minute)
	for _, s := range []string{"203.0.113.6/32", "203.0.113.7/32"} {
		n.Live.judge(n.verdict(s), nil, later)
	}
	n.expect("two since")

	// The next run knows as much.
	n.Live = openTestLive(t, n.o)
	for i, at := range []time.Time{before, before, before, later} {
		tell(Change{Address: prefix(fmt.Sprintf("203.0.113.%d/32", i+10)), Blocked: true, Proven: at})
	}
	n.Live.judge(n.verdict("203.0.113.30/32"), nil, later)
	n.expect("after a restart, with a second since")
	n.Live.judge(n.verdict("203.0.113.31/32"), nil, later)
	n.expect("with a third", "203.0.113.0/24")
}

// Whatever comes and goes: what is counted is what is there, and nothing is kept of what is not.
func TestNeighboursForgetWhoIsGone(t *testing.T) {
	n := newNeighbours(3)
	for i := range 1000 {
		c := Change{Address: prefix(fmt.Sprintf("203.0.%d.%d/32", i%7, i%250)), Blocked: true, Proven: noon}
		n.change(&c, noon)
	}
	for i := range 1000 {
		n.change(&Change{Address: prefix(fmt.Sprintf("203.0.%d.%d/32", i%7, i%250))}, noon)
	}
	if len(n.sources) != 0 || len(n.blocked) != 0 {
		t.Errorf("%d networks are left, %d blocked", len(n.sources), len(n.blocked))
	}
	network := prefix("2001:db8:1::/48")
	n.refuse(network, noon)
	if n.due(network, 9, noon.Add(59*time.Minute)) || !n.due(network, 9, noon.Add(time.Hour)) || n.due(network, 2, noon.Add(time.Hour)) {
		t.Error("it is asked at the wrong time")
	}
}

func TestAReasonNamesAFewNeighbours(t *testing.T) {
	sources := make(map[netip.Prefix]struct{})
	for i := range 12 {
		sources[prefix(fmt.Sprintf("203.0.113.%d/32", i))] = struct{}{}
	}
	want := "12 sources of 203.0.113.0/24 are blocked for proven attacks: 203.0.113.0, 203.0.113.1, 203.0.113.2, 203.0.113.3, 203.0.113.4 and 7 more (at least 10)"
	if got := neighbourhoodReason(prefix("203.0.113.0/24"), sources, 10); got != want {
		t.Errorf("the reason is %q", got)
	}
}

// What a replay says of lines is what a run makes of them: the sources, and then their network.
func TestARunAndAReplayBlockTheSameNeighbourhood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fw1.log")
	for i := range 3 {
		for k := range 11 {
			write(t, path, fmt.Sprintf("1,2026/11/21 12:%02d:%02d,007000000000001,SYSTEM,auth,2562,2026/11/21 12:%02d:%02d,,auth-fail,LDAP,0,0,general,medium,\"failed authentication for user 'user%d'. "+
				"Reason: Invalid username/password. auth profile 'LDAP', vsys 'vsys1', From: 203.0.113.%d.\",1,0x0\n", i, k, i, k, k, i+1))
		}
	}
	settings := testSettings
	settings.Login = detect.Login{Failures: 10, Window: 10 * time.Minute}
	want := []string{"203.0.113.1/32 login", "203.0.113.2/32 login", "203.0.113.3/32 login", "203.0.113.0/24 neighbourhood"}
	var told []string
	if _, err := Replay(t.Context(), ReplayOptions{Files: []string{path}, Input: testInput, Settings: settings, Guard: detect.NewGuard(nil, nil), Neighbours: 3,
		Verdict: func(v *detect.Verdict) { told = append(told, v.Source.String()+" "+v.Rule) }}); err != nil || !slices.Equal(told, want) {
		t.Errorf("a replay tells %q: %v", told, err)
	}
	st := newTestStore(t)
	o := testOptions(t, st, path)
	o.Settings, o.Neighbours = settings, 3
	l := openTestLive(t, o)
	readAll(t, l)
	var stored []string
	if _, err := st.Changes(t.Context(), 0, func(e *store.Entry) error {
		stored = append(stored, e.Address.String()+" "+e.Rule)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(stored)
	slices.Sort(want)
	if !slices.Equal(stored, want) {
		t.Errorf("a run stores %q", stored)
	}
}
