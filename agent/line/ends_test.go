package line

import (
	"testing"
	"time"
)

func TestQuietSourcesAreReleasedOnlyWhenEverythingWasRead(t *testing.T) {
	var e ends
	now := time.Now()
	if e.settled(now) {
		t.Error("settled before any end was reached")
	}
	e.reached(now)
	if e.settled(now.Add(settledAfter - time.Second)) {
		t.Error("settled at once: what was read last may not be stored yet")
	}
	e.reached(now.Add(settledAfter))
	if !e.settled(now.Add(settledAfter)) {
		t.Error("never settled")
	}
	if late := now.Add(settledAfter + 2*endsMissed); e.settled(late) {
		t.Error("settled although no end was reached for long: the store may be away")
	} else if e.reached(late); e.settled(late) {
		t.Error("settled at once after a long time away")
	}
}
