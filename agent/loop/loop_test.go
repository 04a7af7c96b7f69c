package loop

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// asked tells whether a loop would look now.
func asked(w Wakeup) bool {
	select {
	case <-w:
		return true
	default:
		return false
	}
}

func TestWakeupsThatComeBeforeTheLoopLooksAreOne(t *testing.T) {
	w := NewWakeup()
	if asked(w) {
		t.Error("a new one asks by itself")
	}
	for range 2 {
		for range 1000 {
			w.Wake() // must not block: nobody looks
		}
		if !asked(w) {
			t.Fatal("it does not ask")
		}
		if asked(w) {
			t.Error("many are more than one")
		}
	}
}

// Whoever changes something and then asks finds it seen, however the asking of others falls in between. A bubble notices
// by itself that a loop waits for ever.
func TestNoWakeupIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const askers, each = 8, 500
		w := NewWakeup()
		var changes atomic.Int64
		var running sync.WaitGroup
		for range askers {
			running.Go(func() {
				for range each {
					changes.Add(1)
					w.Wake()
				}
			})
		}
		for seen := int64(0); seen < askers*each; seen = changes.Load() {
			<-w
		}
		running.Wait()
	})
}

func TestAPauseIsAsLongAsItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !Pause(t.Context(), time.Hour) {
			t.Error("it says that its context has ended")
		}
		if took := time.Since(began); took != time.Hour {
			t.Errorf("it took %s", took)
		}
	})
}

func TestAPauseEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		began := time.Now()
		for range 2 { // the second time it has ended before
			if Pause(ctx, time.Hour) {
				t.Error("it says that its time has passed")
			}
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("both took %s", took)
		}
	})
}

func TestATimerRingsWhenItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		timer := NewTimer(time.Second)
		<-timer.C
		if timer.Reset(time.Minute) {
			t.Error("it was still running")
		}
		if !timer.Reset(time.Hour) {
			t.Error("it was not running")
		}
		<-timer.C
		if took := time.Since(began); took != time.Hour+time.Second {
			t.Errorf("it rang after %s", took)
		}
		timer.Reset(time.Second)
		if !timer.Stop() || timer.Stop() {
			t.Error("it is stopped once")
		}
		select {
		case <-timer.C:
			t.Error("it rings although it was stopped")
		case <-time.After(time.Hour):
		}
	})
}
