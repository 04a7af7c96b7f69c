package transfer

import (
	"net/netip"
	"testing"
	"time"

	"activedefense/store"
)

// What lines said of when a source was last seen, of a time that has not come yet, counts in the copy when it has come, to PostgreSQL and back.
func TestWhatLinesSaidOfTheFutureIsCopied(t *testing.T) {
	t.Parallel()
	at := today.Add(12 * time.Hour)
	seen := map[netip.Prefix]time.Time{
		netip.MustParsePrefix("203.0.113.1/32"):    at.Add(time.Hour + time.Microsecond),
		netip.MustParsePrefix("2001:db8:1::/64"):   at.Add(2 * time.Hour),
		netip.MustParsePrefix("198.51.100.250/32"): at.Add(3 * time.Hour), // has not come yet
	}
	lite, pg, back := newSQLite(t), newPostgres(t), newSQLite(t)
	b := &store.Batch{Seq: 1}
	for p, when := range seen {
		b.Blocks = append(b.Blocks, store.Block{Address: p, By: store.ByDetector, BlockedAt: at, LastSeen: at})
		b.Dated = append(b.Dated, store.Dated{Address: p, Seen: when})
	}
	st := open(t, lite)
	_, err := st.Commit(t.Context(), b)
	must(t, err)
	must(t, st.Close())
	_, err = Copy(t.Context(), lite, pg, Options{})
	must(t, err)
	_, err = Copy(t.Context(), pg, back, Options{})
	must(t, err)
	for _, o := range []store.Options{pg, back} {
		st := open(t, o)
		now := at.Add(2 * time.Hour)
		if n, err := st.Redate(t.Context(), now); err != nil || n != 2 {
			t.Errorf("%s: %d entries were seen later: %v", st.Kind(), n, err)
		}
		n := 0
		must(t, st.Entries(t.Context(), store.EntryFilter{}, func(e *store.Entry) error {
			want := seen[e.Address]
			if n++; want.After(now) {
				want = at
			}
			if !e.LastSeen.Equal(want) {
				t.Errorf("%s: %s was last seen at %s instead of %s", st.Kind(), e.Address, e.LastSeen, want)
			}
			return nil
		}))
		if n != len(seen) {
			t.Errorf("%s: %d entries", st.Kind(), n)
		}
	}
}
