package agent

import "time"

// A timer is a time.Timer whose time a test can let pass.
type timer struct {
	C     <-chan time.Time
	Reset func(time.Duration) bool
	Stop  func() bool
}

func newTimer(d time.Duration) timer {
	t := time.NewTimer(d)
	return timer{C: t.C, Reset: t.Reset, Stop: t.Stop}
}
