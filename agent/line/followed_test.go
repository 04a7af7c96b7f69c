package line

import (
	"testing"
	"time"

	"activedefense/store"
)

func TestAFarFutureTimeDoesNotMoveTheRestart(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for last, want := range map[time.Time]time.Time{
		now.Add(-time.Hour):     now.Add(-time.Hour),
		now.Add(23 * time.Hour): now.Add(23 * time.Hour),
		now.AddDate(10, 0, 0):   now,
		now.Add(25 * time.Hour): now,
		time.Time{}:             {},
	} {
		if got := storePosition(tailPositions([]store.Position{{ID: 1}})[0], last, now, true).LastTime; !got.Equal(want) {
			t.Errorf("a last line of %s is kept as %s", last, got)
		}
		if got := storePosition(tailPositions([]store.Position{{ID: 1}})[0], last, now, false).LastTime; !got.Equal(last) {
			t.Errorf("a last line of %s is kept as %s by a clock that may be wrong", last, got)
		}
	}
}
