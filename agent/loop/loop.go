// Package loop is what the agent's loops wait with. Each loop is a function that does one round and a few lines that
// call it: when it is woken, when its time has come, and until its context ends.
//
// The package runs no loop and starts no goroutine.
package loop

import (
	"context"
	"time"
)

// A Wakeup asks a loop to look again. Several that come before the loop does are one, and none is lost.
type Wakeup chan struct{}

// NewWakeup makes one that nobody has asked yet.
func NewWakeup() Wakeup { return make(Wakeup, 1) }

// Wake asks. It never blocks, and may be called from any goroutine.
func (w Wakeup) Wake() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// A Timer is a time.Timer whose time a test can let pass.
type Timer struct {
	C     <-chan time.Time
	Reset func(time.Duration) bool
	Stop  func() bool
}

// NewTimer makes a real one.
func NewTimer(d time.Duration) Timer {
	t := time.NewTimer(d)
	return Timer{C: t.C, Reset: t.Reset, Stop: t.Stop}
}

// Pause waits; false means that ctx ended first.
func Pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
