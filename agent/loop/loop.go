package agent

// A wakeup asks a loop to look again. Several that come before the loop does are one, and none is lost.
type wakeup chan struct{}

func newWakeup() wakeup { return make(wakeup, 1) }

// wake asks. It never blocks.
func (w wakeup) wake() {
	select {
	case w <- struct{}{}:
	default:
	}
}
