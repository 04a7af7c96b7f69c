package line

import (
	"net/netip"
	"path/filepath"
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
