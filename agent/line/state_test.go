package line

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/detect"
	"activedefense/store"
)

// A verdict is stored with what detection says of it, and said so in the log.
func TestAVerdictIsStoredInItsState(t *testing.T) {
	source := prefix("203.0.113.7/32")
	at := noon
	cases := []struct {
		name    string
		verdict detect.Verdict
		want    string // state, grade, hold, how long
		says    string
		counted bool // the source goes on being counted
	}{
		{"proven", detect.Verdict{Grade: detect.Proven}, "blocked proven  0s", "blocking: 11 ports", false},
		{"forgeable", detect.Verdict{Grade: detect.Forgeable}, "blocked forgeable  0s", "blocking: 11 ports", false},
		{"for a time", detect.Verdict{Grade: detect.Proven, BlockFor: time.Hour}, "blocked proven  1h0m0s", "blocking: 11 ports", false},
		{"held", detect.Verdict{Grade: detect.Forgeable, Hold: "it is a partner"}, "held forgeable it is a partner 0s", "holding: 11 ports; it is a partner", true},
		{"observed", detect.Verdict{Grade: detect.Forgeable, Mode: detect.Observe}, "observed forgeable  0s", "observing: 11 ports", true},
		{"observed, though it would be held", detect.Verdict{Mode: detect.Observe, Hold: "it is a partner"}, "observed  it is a partner 0s", "observing: 11 ports", true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			st := newTestStore(t)
			o := testOptions(t, st, filepath.Join(t.TempDir(), "*.log"))
			var log lockedBuffer
			o.Logger = zerolog.New(&log)
			l := openTestLive(t, o)
			v := c.verdict
			v.Source, v.Rule, v.Reason, v.Time, v.FirstSeen, v.LastSeen, v.Hits = source, "port-scan", "11 ports", at, at, at.Add(time.Minute), 11
			for range 2 { // the second is activity where the first did not block
				l.judge(&v, nil, at)
				if !c.counted {
					break
				}
			}
			if _, err := st.Commit(t.Context(), &l.batch.Batch); err != nil {
				t.Fatal(err)
			}
			e := only(t, st, "203.0.113.7")
			length := time.Duration(0)
			if !e.ExpiresAt.IsZero() {
				length = e.ExpiresAt.Sub(v.Time)
			}
			if got := fmt.Sprintf("%s %s %s %s", e.State, e.Grade, e.Hold, length); got != c.want {
				t.Errorf("stored is %q", got)
			}
			if strings.Count(log.String(), c.says) != 1 {
				t.Errorf("the log says %s", log.String())
			}
			if want := map[bool]int64{false: 11, true: 22}[c.counted]; e.Hits != want {
				t.Errorf("%d hits instead of %d", e.Hits, want)
			}
			result := l.engine.Observe(&detect.Event{Type: detect.TypeTraffic, Subtype: "drop", Time: at, Src: source.Addr(), Dst: netip.MustParseAddr("198.51.100.1"), DstPort: 1})
			if counted := result.Outcome == detect.Counted; counted != c.counted {
				t.Errorf("its next record is %v", result.Outcome)
			}
		})
	}
}

// What is held is known from the blacklist too: its verdicts are activity until one blocks it.
func TestVerdictsOfWhatIsHeldAreActivityUntilOneBlocks(t *testing.T) {
	st := newTestStore(t)
	held := store.Block{Address: prefix("203.0.113.7/32"), Rule: "port-scan", By: store.ByDetector, State: store.Held, Hold: "it is a partner",
		BlockedAt: noon, Hits: 1, Evidence: []store.Evidence{{Time: noon, Line: "the first"}}}
	if _, err := st.Commit(t.Context(), &store.Batch{Blocks: []store.Block{held}}); err != nil {
		t.Fatal(err)
	}
	o := testOptions(t, st, filepath.Join(t.TempDir(), "*.log"))
	o.Attach = func(notice func([]Change)) { notice([]Change{{Address: held.Address, Waiting: store.Held}}) }
	l := openTestLive(t, o)
	judge := func(v detect.Verdict) {
		t.Helper()
		v.Source, v.Rule, v.Time, v.LastSeen, v.Hits = held.Address, "host-sweep", noon, noon.Add(time.Hour), 10
		l.judge(&v, nil, noon)
	}
	judge(detect.Verdict{Hold: "it is a partner"})
	judge(detect.Verdict{Mode: detect.Observe})
	if len(l.batch.Blocks) != 0 || len(l.batch.Touches) != 1 || l.batch.urgent {
		t.Fatalf("the batch is %+v", l.batch.Batch)
	}
	judge(detect.Verdict{Grade: detect.Proven})
	if _, err := st.Commit(context.Background(), &l.batch.Batch); err != nil {
		t.Fatal(err)
	}
	if e := only(t, st, "203.0.113.7"); e.State != store.Blocked || e.Rule != "host-sweep" || e.Hits != 31 || len(l.waiting) != 0 {
		t.Errorf("the entry is %+v, waiting are %v", e, l.waiting)
	}
}

// Activity of a blocked network says which addresses of it were seen.
func TestActivityOfANetworkNamesItsAddresses(t *testing.T) {
	b := newBatch()
	network, at := prefix("2001:db8:1::/64"), noon
	seen := func(last int) netip.Addr {
		return netip.MustParseAddr(fmt.Sprintf("2001:db8:1::%x", last+1))
	}
	for i := range 2 * mostMembers {
		for range 2 {
			b.touch(network, seen(i), at.Add(time.Duration(i)*time.Second), 1)
		}
	}
	b.touch(prefix("203.0.113.7/32"), netip.MustParseAddr("203.0.113.7"), at, 1)
	var hits int64
	for _, touch := range b.Touches {
		hits += touch.Hits
		if touch.Address != network && touch.Member.IsValid() {
			t.Errorf("a single address has a member: %+v", touch)
		}
	}
	if b.Touches[0].Member != seen(0) || b.Touches[0].Hits != 2 || len(b.Touches) != mostMembers+2 || hits != 4*mostMembers+1 {
		t.Errorf("%d rows, %d hits, the first is %+v", len(b.Touches), hits, b.Touches[0])
	}
}

// A restart makes no room for forged sources: what blocked within the window before it counts.
func TestARestartMakesNoRoomForForgedSources(t *testing.T) {
	for _, c := range []struct {
		passed time.Duration
		want   store.State
	}{{5 * time.Minute, store.Held}, {10 * time.Minute, store.Blocked}} {
		st := newTestStore(t)
		b := store.Block{Address: prefix("203.0.113.7/32"), Rule: "port-scan", By: store.ByDetector, Grade: store.Forgeable, BlockedAt: noon,
			Evidence: []store.Evidence{{Time: noon.Add(-time.Minute)}, {Time: noon}}}
		if _, err := st.Commit(t.Context(), &store.Batch{Blocks: []store.Block{b}}); err != nil {
			t.Fatal(err)
		}
		o := testOptions(t, st, filepath.Join(t.TempDir(), "*.log"))
		o.Surge = detect.Surge{Additions: 1, Window: 10 * time.Minute}
		l := openTestLive(t, o)
		at := noon.Add(c.passed)
		l.judge(&detect.Verdict{Source: prefix("203.0.113.8/32"), Rule: "port-scan", Grade: detect.Forgeable, Time: at, FirstSeen: at, LastSeen: at}, nil, at)
		if got := l.batch.Blocks[0].State; got != c.want {
			t.Errorf("%s after a block of an earlier run a forged source is %s", c.passed, got)
		}
	}
}

// A scanner that hops within its /64 is one source, and the addresses that it had are known.
func TestAVerdictOnANetworkNamesItsAddresses(t *testing.T) {
	dir := t.TempDir()
	o := testOptions(t, newTestStore(t), filepath.Join(dir, "*.log"))
	o.Settings.IPv6Prefix = 64
	var text string
	for i := range 11 {
		text += record{at: noon.Add(time.Duration(i) * time.Second), src: fmt.Sprintf("2001:db8:5::%x", 1+i%3), dst: "198.51.100.1", port: 20 + i}.String() + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "fw1.log"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l := openTestLive(t, o)
	readAll(t, l)
	entries := 0
	if _, err := o.Store.Changes(t.Context(), 0, func(e *store.Entry) error {
		entries++
		if want := []netip.Addr{netip.MustParseAddr("2001:db8:5::2"), netip.MustParseAddr("2001:db8:5::1"), netip.MustParseAddr("2001:db8:5::3")}; e.Address != prefix("2001:db8:5::/64") || !slices.Equal(e.Members, want) {
			t.Errorf("%s with %v instead of %v", e.Address, e.Members, want)
		}
		return nil
	}); err != nil || entries != 1 {
		t.Errorf("%d entries: %v", entries, err)
	}
}
