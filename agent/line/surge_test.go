package line

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"activedefense/detect"
	"activedefense/store"
)

// TestAForgedFlood floods the daemon's end with forged sources, with a restart in the middle. TEST_FLOOD_SOURCES is how many there
// are; in ten minutes of a real flood there may be 60,000, which take a minute or two.
func TestAForgedFlood(t *testing.T) {
	sources := 2000
	if text := os.Getenv("TEST_FLOOD_SOURCES"); text != "" {
		sources, _ = strconv.Atoi(text)
	}
	onEachStore(t, func(t *testing.T, st *store.Store) {
		f := newFlood(time.Now().Add(-15*time.Minute), sources)
		f.stand(t, st)
		path := filepath.Join(t.TempDir(), "fw1.log")
		half := len(f.lines) / 2
		begun := time.Now()
		for _, part := range [][]string{f.lines[:half], f.lines[half:]} {
			writeLines(t, path, part)
			o := f.options(t, st, path)
			stats := f.read(t, o, len(part), func(b *batch) { f.look(t, b) })
			if stats.Evicted == 0 {
				t.Errorf("the flood does not fill the memory: %+v", stats)
			}
			if stats.Sources > o.Settings.MaxSources || stats.Remembered.Probes > 2*o.Settings.MaxProbes || stats.Remembered.Sessions > 32*64 || stats.Remembered.Partners > 32*64 {
				t.Errorf("more is held in memory than may be: %+v", stats)
			}
		}
		slices.Sort(f.took)
		t.Logf("%d lines took %s; a proven block was committed %s after its line, at most %s, with at most %d other verdicts since", len(f.lines),
			time.Since(begun), f.took[len(f.took)/2], f.took[len(f.took)-1], f.ahead)
		if f.behind > 1 {
			t.Errorf("a proven block was behind %d batches, and should be behind the one that is being committed at most", f.behind)
		}
		if f.ahead > floodAhead {
			t.Errorf("%d verdicts were committed between a proven block's line and the block, at most %d should be", f.ahead, floodAhead)
		}
		f.judge(t, standings(t, st))
	})
}

// look holds that no batch is long, and that one with a block is on its way to the store soon.
func (f *flood) look(t testing.TB, b *batch) {
	cost := len(b.Records) + len(b.Touches) + verdictCost*len(b.Blocks)
	if most := maxBatch + verdictCost + 1; cost > most {
		t.Errorf("a batch costs %d, at most should %d: %d records, %d verdicts, %d of activity", cost, most, len(b.Records), len(b.Blocks), len(b.Touches))
	}
	for i := range b.Blocks {
		if b.Blocks[i].State != store.Blocked {
			continue
		}
		last := &b.Records[len(b.Records)-1]
		if full := cost >= maxUrgent+verdictCost+1; full && (i != len(b.Blocks)-1 || last.Src != b.Blocks[i].Address.Addr() || !last.Time.Equal(b.Blocks[i].LastSeen)) {
			t.Errorf("the block of %s waits for others in a batch that costs %d", b.Blocks[i].Address, cost)
		}
		break
	}
}

// judge holds what stands to what should.
func (f *flood) judge(t testing.TB, all map[netip.Addr]store.Entry) {
	t.Helper()
	states := func(list []netip.Addr) (blocked, held, none int) {
		for _, a := range list {
			switch e, ok := all[a]; {
			case !ok:
				none++
			case e.State == store.Blocked:
				blocked++
			case e.State == store.Held:
				held++
			}
		}
		return blocked, held, none
	}
	for _, x := range []struct {
		name                string
		list                []netip.Addr
		blocked, held, none int
	}{
		{"forged sources", f.forged, floodRoom, len(f.forged) - floodRoom, 0},
		{"forged sources of one packet", f.quiet, 0, 0, len(f.quiet)},
		{"proven attackers", f.proven, floodProven, 0, 0},
		{"what stood", f.standing, len(f.standing), 0, 0},
		{"partners", f.partners, 0, len(f.partners), 0},
		{"peers", f.peers, 0, 0, len(f.peers)},
		{"ours", f.ourOwn, 0, 0, len(f.ourOwn)},
	} {
		if blocked, held, none := states(x.list); blocked != x.blocked || held != x.held || none != x.none {
			t.Errorf("%s: %d are blocked, %d held, %d neither; should be %d, %d, %d", x.name, blocked, held, none, x.blocked, x.held, x.none)
		}
	}
	for _, a := range f.partners {
		if e := all[a]; !strings.Contains(e.Hold, "partner") {
			t.Fatalf("a partner is held, since %s", e.Hold)
		}
	}
	for _, a := range f.proven {
		if e := all[a]; e.Grade != store.Proven || e.Rule != detect.RuleHostSweep {
			t.Fatalf("a proven attacker stands as %+v", e)
		}
	}
}

// What was let through before a restart takes its room until the window is over, and no longer.
func TestTheSurgeOutlivesARestart(t *testing.T) {
	onEachStore(t, func(t *testing.T, st *store.Store) {
		begin := time.Now().Add(-15 * time.Minute).Truncate(time.Second)
		at := func(minutes int) time.Time { return begin.Add(time.Duration(minutes) * time.Minute) }
		var b store.Batch
		for i, minute := range []int{0, 9} {
			b.Blocks = append(b.Blocks, store.Block{Address: netip.PrefixFrom(numbered("203.0.113.1", 2)[i], 32), Rule: "port-scan", By: store.ByDetector,
				Grade: store.Forgeable, Evidence: []store.Evidence{{Time: at(minute), Line: "as it was"}}})
		}
		if _, err := st.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		o := testOptions(t, st, filepath.Join(t.TempDir(), "*.log"))
		o.Surge = detect.Surge{Additions: 2, Window: 10 * time.Minute}
		l := openTestLive(t, o)
		var states []string
		for i, minute := range []int{9, 10, 11, 19} {
			v := detect.Verdict{Source: netip.PrefixFrom(numbered("203.0.113.101", 4)[i], 32), Rule: "port-scan", Grade: detect.Forgeable, Time: at(minute)}
			l.judge(&v, nil, time.Now())
			states = append(states, StateOf(&v).String())
		}
		if got := strings.Join(states, " "); got != "held blocked held blocked" {
			t.Errorf("the verdicts are %s", got)
		}
	})
}
