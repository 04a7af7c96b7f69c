package line

import (
	"cmp"
	"math"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
	"activedefense/store"
)

// A source that returns is blocked for longer: of what its rule says, or else of what the blacklist does.
func TestASourceThatReturnsIsBlockedForLonger(t *testing.T) {
	const after = 30 * 24 * time.Hour
	for name, c := range map[string]struct{ blockFor, first, second time.Duration }{
		"until quiet": {0, after, 3 * after},
		"for a time":  {time.Hour, time.Hour, 3 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			st, at := newTestStore(t), noon
			o := testOptions(t, st, filepath.Join(t.TempDir(), "*.log"))
			o.ReleaseAfter, o.Escalation = after, store.Escalation{Factor: 3, Max: 365 * 24 * time.Hour}
			for _, want := range []time.Duration{c.first, c.second} {
				l := openTestLive(t, o)
				l.judge(&detect.Verdict{Source: prefix("203.0.113.7/32"), Rule: "port-scan", Grade: detect.Proven, Time: at, FirstSeen: at, LastSeen: at,
					BlockFor: c.blockFor, Tag: "slow"}, nil, at)
				if _, err := st.Commit(t.Context(), &l.batch.Batch); err != nil {
					t.Fatal(err)
				}
				if all, err := st.Covering(t.Context(), netip.MustParseAddr("203.0.113.7")); err != nil || all[0].Tag != "slow" {
					t.Errorf("the entries are %+v: %v", all, err)
				}
				ends := at.Add(want)
				for n, when := range []time.Time{ends.Add(-time.Second), ends} {
					if list, err := st.ReleaseQuiet(t.Context(), when, after, 0); err != nil || len(list) != n {
						t.Fatalf("%s after the verdict %d are released: %v", when.Sub(at), len(list), err)
					}
				}
				at = ends.Add(time.Hour)
			}
		})
	}
}

// What a new rule finds of before, whose time to be blocked is over, blocks nobody and is told nobody, but counts: the next block is as long as if each had been made in time.
// That the rule is told again after a restart counts nothing twice.
func TestWhatIsFoundTooLateCountsAsAReturn(t *testing.T) {
	const hour, minute = time.Hour, time.Minute
	attack := func(ago time.Duration) []time.Duration {
		return []time.Duration{ago, ago - time.Second, ago - 2*time.Second}
	}
	for name, c := range map[string]struct {
		records []time.Duration // ago; three of them fire the rule
		now     string          // why what is in force once all was told again lasts longer; "-": nothing is in force
		then    string          // why a block of now does
	}{
		"nothing":                {nil, "-", ""},
		"one":                    {attack(5 * hour), "-", "second block within a year: 2 times the time"},
		"two":                    {slices.Concat(attack(5*hour), attack(3*hour)), "-", "third block within a year: 4 times the time"},
		"while it was blocked":   {slices.Concat(attack(5*hour), attack(5*hour-2*minute), attack(5*hour-8*minute)), "-", "second block within a year: 2 times the time"},
		"then and after":         {slices.Concat(attack(5*hour), attack(5*hour - 8*minute)[1:], attack(5*hour-20*minute)), "-", "third block within a year: 4 times the time"},
		"while it was, longer":   {slices.Concat(attack(5*hour), attack(3*hour), attack(3*hour-15*minute)), "-", "third block within a year: 4 times the time"},
		"after what is longer":   {slices.Concat(attack(5*hour), attack(3*hour), attack(3*hour-15*minute), attack(3*hour-21*minute)), "-", "fourth block within a year: 8 times the time"},
		"across its longer end":  {slices.Concat(attack(5*hour), attack(3*hour), attack(3*hour - 19*minute)[:2], attack(3*hour-21*minute)), "-", "fourth block within a year: 8 times the time"},
		"one is longer than now": {slices.Concat(attack(5*hour), attack(15*minute)), "second block within a year: 2 times the time", "second block within a year: 2 times the time"},
	} {
		t.Run(name, func(t *testing.T) {
			onEachStore(t, func(t *testing.T, st *store.Store) {
				if _, err := st.SetReceivers(t.Context(), []string{"test"}); err != nil {
					t.Fatal(err)
				}
				source := netip.MustParseAddr("203.0.113.7")
				path := filepath.Join(t.TempDir(), "fw1.log")
				before := store.Batch{Positions: []store.Position{{ID: 1, Path: path, LastTime: noon.Add(-minute), Updated: noon}}}
				for _, ago := range c.records {
					before.Records = append(before.Records, store.Record{Time: noon.Add(-ago), Type: "TRAFFIC", Device: "fw1", Src: source, Dst: netip.MustParseAddr("198.51.100.1"), DstPort: 100})
				}
				if _, err := st.Commit(t.Context(), &before); err != nil {
					t.Fatal(err)
				}
				rule := longRules(2)[0]
				rule.Window, rule.BlockFor, rule.Escalate = 10*hour, 10*minute, &detect.Escalate{Factor: 2, Max: 30 * 24 * hour}
				o := testOptions(t, st, path)
				o.Now, o.Attach, o.ReleaseAfter, o.Settings = func() time.Time { return noon }, attach(t, st), 30*24*hour, detect.Settings{Custom: []detect.CustomRule{rule}}
				commit := func(l *Live) {
					l.seal()
					if _, err := st.Commit(t.Context(), &l.batch.Batch); err != nil {
						t.Fatal(err)
					}
				}
				var l *Live
				for range 2 {
					l = openTestLive(t, o)
					l.behind.read(t.Context(), &l.opts)
					for l.behind != nil {
						l.tellBehind(t.Context())
					}
					commit(l)
					if got := escalations(t, st); got != c.now {
						t.Fatalf("in force is %q, want %q", got, c.now)
					}
				}
				if told := notices(t, st); c.now == "-" && len(told) > 0 {
					t.Errorf("told are %+v", told)
				}
				l.batch.reset()
				for i := range 3 {
					ev := detect.Event{Type: detect.TypeTraffic, Time: noon.Add(time.Duration(i) * time.Second), Src: source, Dst: netip.MustParseAddr("198.51.100.1"), DstPort: 100}
					if result := l.engine.Observe(&ev); result.Outcome == detect.Fired {
						l.judge(result.Verdict, nil, ev.Time)
					}
				}
				commit(l)
				if got := escalations(t, st); got != c.then {
					t.Errorf("blocked now is %q, want %q", got, c.then)
				}
			})
		})
	}
}

// Of many sources, two rules that are new find the blocks that each rule would have made in time: no return is lost in the time by which a block is longer.
func TestWhatIsFoundTooLateIsWhatWouldHaveBeenMade(t *testing.T) {
	type block struct {
		rule            string
		first, at, ends int64 // seconds since noon
	}
	rules := longRules(2, 5)
	for i, length := range []time.Duration{10 * time.Minute, time.Hour} {
		r := &rules[i]
		r.Where, r.Window, r.BlockFor, r.Escalate = nil, []time.Duration{5 * time.Minute, 24 * time.Hour}[i], length, &detect.Escalate{Factor: i + 2, Max: 30 * 24 * time.Hour}
	}
	dice := rand.New(rand.NewPCG(1, 2))
	seen, want := make(map[netip.Addr][]int64), make(map[netip.Addr][]block)
	for i := range 60 {
		source, at := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), int64(-20*3600)
		for range 6 {
			at += dice.Int64N(2 * 3600)
			for range 1 + dice.IntN(8) {
				at += 1 + dice.Int64N(150)
				seen[source] = append(seen[source], at)
			}
		}
		var until int64 = math.MinInt64
		held := make([][]int64, len(rules))
		for _, at := range seen[source] {
			for n := 0; at >= until && n < len(rules); n++ {
				r := &rules[n]
				held[n] = append(slices.DeleteFunc(held[n], func(t int64) bool { return at-t >= int64(r.Window/time.Second) }), at)
				if len(held[n]) <= r.MoreThan {
					continue
				}
				length := int64(r.BlockFor / time.Second)
				for _, b := range want[source] {
					if b.ends <= held[n][0] {
						length *= int64(r.Escalate.Factor)
					}
				}
				until = at + length
				want[source] = append(want[source], block{r.Name, held[n][0], at, until})
				clear(held)
			}
		}
	}
	onEachStore(t, func(t *testing.T, st *store.Store) {
		path := filepath.Join(t.TempDir(), "fw1.log")
		before := store.Batch{Positions: []store.Position{{ID: 1, Path: path, LastTime: noon.Add(-time.Minute), Updated: noon}}}
		for source, list := range seen {
			for _, at := range list {
				before.Records = append(before.Records, store.Record{Time: noon.Add(time.Duration(at) * time.Second), Type: "TRAFFIC", Device: "fw1", Src: source, Dst: netip.MustParseAddr("198.51.100.1"), DstPort: 100})
			}
		}
		slices.SortFunc(before.Records, func(a, b store.Record) int { return a.Time.Compare(b.Time) })
		if _, err := st.Commit(t.Context(), &before); err != nil {
			t.Fatal(err)
		}
		o := testOptions(t, st, path)
		o.Now, o.ReleaseAfter, o.Settings = func() time.Time { return noon }, 30*24*time.Hour, detect.Settings{Custom: rules}
		l := openTestLive(t, o)
		l.behind.read(t.Context(), &l.opts)
		for l.behind != nil {
			l.tellBehind(t.Context())
		}
		l.seal()
		if _, err := st.Commit(t.Context(), &l.batch.Batch); err != nil {
			t.Fatal(err)
		}
		got, since := make(map[netip.Addr][]block), func(t time.Time) int64 { return int64(t.Sub(noon) / time.Second) }
		if err := st.Entries(t.Context(), store.EntryFilter{All: true}, func(e *store.Entry) error {
			source := e.Address.Addr()
			got[source] = append(got[source], block{e.Rule, since(e.FirstSeen), since(e.LastSeen), since(e.ExpiresAt)})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for source := range seen {
			slices.SortFunc(got[source], func(a, b block) int { return cmp.Compare(a.at, b.at) })
			if !slices.Equal(got[source], want[source]) {
				t.Errorf("%s has %v, want %v", source, got[source], want[source])
			}
		}
	})
}

// A verdict whose block is over takes no evidence from after that block: a live attack goes on being counted by the rules beside the one that is new.
func TestAVerdictThatIsOverLeavesTheEvidenceSince(t *testing.T) {
	for name, escalate := range map[string]*detect.Escalate{"too old": nil, "a return": {Factor: 2, Max: 30 * 24 * time.Hour}} {
		t.Run(name, func(t *testing.T) {
			st, source, path := newTestStore(t), netip.MustParseAddr("203.0.113.7"), filepath.Join(t.TempDir(), "fw1.log")
			before := store.Batch{Positions: []store.Position{{ID: 1, Path: path, LastTime: noon.Add(-time.Minute), Updated: noon}}}
			for i := range 3 {
				before.Records = append(before.Records, store.Record{Time: noon.Add(time.Duration(i)*time.Second - 20*time.Hour), Type: "TRAFFIC", Device: "fw1", Src: source, Dst: netip.MustParseAddr("198.51.100.1"), DstPort: 101})
			}
			if _, err := st.Commit(t.Context(), &before); err != nil {
				t.Fatal(err)
			}
			o := testOptions(t, st, path)
			o.Settings.Custom = longRules(4, 2)
			o.Settings.Custom[1].BlockFor, o.Settings.Custom[1].Escalate = 10*time.Minute, escalate
			o.Now = func() time.Time { return noon }
			l := openTestLive(t, o)
			observe := func(n int) detect.Result {
				at := noon.Add(time.Duration(n-10) * time.Second)
				return l.engine.Observe(&detect.Event{Type: detect.TypeTraffic, Time: at, Src: source, Dst: netip.MustParseAddr("198.51.100.1"), DstPort: 100})
			}
			for n := range 4 {
				observe(n)
			}
			l.behind.read(t.Context(), &l.opts)
			for l.behind != nil {
				l.tellBehind(t.Context())
			}
			if too, late := verdicts(t, o.Stats, "too-old"), verdicts(t, o.Stats, "late"); too+late != 1 {
				t.Fatalf("%v verdicts are too old, %v late", too, late)
			}
			if r := observe(4); r.Verdict == nil || r.Verdict.Rule != "long 0" || r.Verdict.Hits != 5 {
				t.Errorf("the fifth of more than four is %+v", r)
			}
		})
	}
}

// escalations are why what is in force lasts longer; "-": nothing is in force.
func escalations(t *testing.T, st *store.Store) string {
	t.Helper()
	text := "-"
	if err := st.Entries(t.Context(), store.EntryFilter{}, func(e *store.Entry) error {
		text = strings.TrimPrefix(text, "-") + e.Escalation
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return text
}

// How long a late block would have been goes by the blocks of its source that ended within the year before, those included that are not stored yet.
func TestWhenALateBlockWouldHaveEnded(t *testing.T) {
	const hour = time.Hour
	source, length := prefix("203.0.113.7/32"), 10*time.Minute
	for name, c := range map[string]struct {
		past [][2]time.Duration // from and to, ago
		want time.Duration      // after the verdict of an hour ago
		part bool
	}{
		"a first one":             {nil, length, false},
		"a return":                {[][2]time.Duration{{4 * hour, 3 * hour}}, 2 * length, false},
		"after more than a year":  {[][2]time.Duration{{367 * 24 * hour, 366 * 24 * hour}, {4 * hour, 3 * hour}}, 2 * length, false},
		"before what came later":  {[][2]time.Duration{{30 * time.Minute, 0}}, length, false},
		"in the later one of two": {[][2]time.Duration{{4 * hour, 58 * time.Minute}, {61 * time.Minute, 20 * time.Minute}}, 40 * time.Minute, true},
	} {
		l := openTestLive(t, testOptions(t, newTestStore(t), filepath.Join(t.TempDir(), "*.log")))
		at := noon.Add(-hour)
		v := &detect.Verdict{Source: source, Time: at, FirstSeen: at.Add(-time.Minute), LastSeen: at, BlockFor: length, Escalate: &detect.Escalate{Factor: 2, Max: 30 * 24 * hour}}
		known := pastOf{noted: l.next}
		for _, b := range c.past {
			known.blocks = append(known.blocks, store.Interval{From: noon.Add(-b[0]), To: noon.Add(-b[1])})
		}
		l.past[source] = known
		if got, part := l.ended(v); got.Sub(at) != c.want || part != c.part {
			t.Errorf("%s: it ends after %s, part of another %v", name, got.Sub(at), part)
		}
		for i := range mostPast {
			l.past[netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), 32)] = pastOf{}
		}
		l.seal()
		l.forgetPast()
		if _, there := l.past[source]; !there || len(l.past) != 1 {
			t.Errorf("%s: of %d sources something is known, of the one that is not stored %v", name, len(l.past), there)
		}
	}
}
