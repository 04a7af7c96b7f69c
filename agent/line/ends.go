package line

import (
	"sync/atomic"
	"time"
)

// ends follows whether the files have been read to their ends.
type ends struct {
	first, last atomic.Int64 // unix nanoseconds: since when, and when last
}

const (
	// settledAfter is how long the files must have been at their ends before quiet sources are
	// released: after a long stop, what they did meanwhile is still to be read and stored.
	settledAfter = 10 * time.Second
	// endsMissed is how long no end may be reached before that wait begins anew.
	endsMissed = time.Minute
)

// reached is called whenever no file has another line.
func (e *ends) reached(now time.Time) {
	if e.missed(now) {
		e.first.Store(now.UnixNano())
	}
	e.last.Store(now.UnixNano())
}

// missed reports whether no end was reached for a while: what is read now has waited.
func (e *ends) missed(now time.Time) bool { return now.UnixNano()-e.last.Load() >= int64(endsMissed) }

func (e *ends) settled(now time.Time) bool {
	n := now.UnixNano()
	return e.first.Load() != 0 && n-e.first.Load() >= int64(settledAfter) && !e.missed(now)
}
