package teardown

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatStartedLastIsStoppedFirst(t *testing.T) {
	var down Teardown
	var order []string
	first, second := errors.New("the first"), errors.New("the second")
	down.Push("a", func(context.Context) error { order = append(order, "a"); return nil })
	down.Push("b", func(context.Context) error { order = append(order, "b"); return first })
	down.Push("c", func(context.Context) error { order = append(order, "c"); return second })
	err := down.Run(time.Minute)
	if got := strings.Join(order, ""); got != "cba" {
		t.Errorf("the order is %s", got)
	}
	if !errors.Is(err, first) || !errors.Is(err, second) || !strings.Contains(err.Error(), "stop c: the second\nstop b: the first") {
		t.Errorf("the error is %v", err)
	}
	if err := down.Run(time.Minute); err != nil || len(order) != 3 {
		t.Errorf("a second time: %v, %v", err, order)
	}
}

// One deadline holds for all steps: what hangs is left behind and named, and what comes after it is still done.
func TestAPartThatHangsDelaysAStopByTheDeadlineAtMost(t *testing.T) {
	const stopWithin = 9 * time.Second
	synctest.Test(t, func(t *testing.T) {
		var down Teardown
		var done []string
		hang := make(chan struct{})
		down.Push("closing", Within(time.Second, func() error { done = append(done, "closing"); return nil }))
		for _, name := range []string{"hanging", "hanging too"} {
			down.Push(name, Within(time.Hour, func() error { <-hang; return nil }))
		}
		begun := time.Now()
		err := down.Run(stopWithin)
		if took := time.Since(begun); took != stopWithin {
			t.Errorf("it took %s", took)
		}
		if text := err.Error(); !strings.Contains(text, "stop hanging: not stopped in time") || !strings.Contains(text, "stop hanging too: not stopped in time") {
			t.Errorf("the error is %v", err)
		}
		synctest.Wait()
		if len(done) != 1 {
			t.Error("what came after it was not done")
		}
		close(hang)
	})
}
