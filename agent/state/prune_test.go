package state

import (
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/clock"
	"activedefense/store"
)

// A host that starts without a battery in its clock is years behind, and all records look as if they were of the future.
func TestAClockThatIsBehindRemovesNoRecords(t *testing.T) {
	st, now, wall := newTestStore(t), time.Now(), time.Unix(0, 0)
	begun := now
	c := clock.New(func() (time.Time, time.Duration) { return wall, now.Sub(begun) })
	p := &Pruner{Store: st, KeepRecords: 24 * time.Hour, Log: zerolog.Nop(), Now: c.Time, Agreed: c.Agreed}
	for _, at := range []time.Time{now, now.AddDate(1, 0, 0)} { // what was committed together goes together
		if _, err := st.Commit(t.Context(), &store.Batch{Records: []store.Record{{Time: at, Type: "TRAFFIC"}}}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(when string, want int) {
		t.Helper()
		left := 0
		if err := p.PruneOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := st.Records(t.Context(), store.RecordFilter{}, func(*store.Record) error { left++; return nil }); err != nil {
			t.Fatal(err)
		}
		if left != want {
			t.Errorf("%s, %d records are left, want %d", when, left, want)
		}
	}
	expect("before a firewall was heard", 2)
	c.Heard(map[string]time.Time{"fw1": now}, nil)
	expect("when the firewall says another time", 2)
	for range 13 {
		now = now.Add(time.Minute)
		wall = now
		c.Heard(map[string]time.Time{"fw1": now.Add(-time.Minute)}, nil)
	}
	wall = wall.AddDate(-1, 0, 0)
	expect("when the clock was set back", 2)
	wall = now
	expect("when the firewall says the same", 1)
}
