package state

import (
	"path/filepath"
	"testing"
	"time"

	"activedefense/agent/clock"
	"activedefense/store"
)

func newTestStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// A testClock stands still unless a test moves it.
type testClock struct{ at time.Time }

func newTestClock() *testClock { return &testClock{time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)} }

// believed is a clock that goes by it, as far as can be believed: for the time that is set passes.
func (c *testClock) believed() *clock.Clock {
	begun := c.at
	return clock.New(func() (time.Time, time.Duration) { return c.at, c.at.Sub(begun) })
}
