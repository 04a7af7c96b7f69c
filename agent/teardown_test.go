package agent

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatStartedLastIsStoppedFirst(t *testing.T) {
	var down teardown
	var order []string
	first, second := errors.New("the first"), errors.New("the second")
	down.push("a", func(context.Context) error { order = append(order, "a"); return nil })
	down.push("b", func(context.Context) error { order = append(order, "b"); return first })
	down.push("c", func(context.Context) error { order = append(order, "c"); return second })
	err := down.run(time.Minute)
	if got := strings.Join(order, ""); got != "cba" {
		t.Errorf("the order is %s", got)
	}
	if !errors.Is(err, first) || !errors.Is(err, second) || !strings.Contains(err.Error(), "stop c: the second\nstop b: the first") {
		t.Errorf("the error is %v", err)
	}
	if err := down.run(time.Minute); err != nil || len(order) != 3 {
		t.Errorf("a second time: %v, %v", err, order)
	}
}

// One deadline holds for all steps: what hangs is left behind and named, and what comes after it is still done.
func TestAPartThatHangsDelaysAStopByTheDeadlineAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down teardown
		var done []string
		hang := make(chan struct{})
		down.push("closing", within(time.Second, func() error { done = append(done, "closing"); return nil }))
		for _, name := range []string{"hanging", "hanging too"} {
			down.push(name, within(time.Hour, func() error { <-hang; return nil }))
		}
		begun := time.Now()
		err := down.run(stopWithin)
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

// A part that fails ends the agent with its error; one that ends by itself does not.
func TestAPartThatFailsStopsTheAgent(t *testing.T) {
	broken := errors.New("broken")
	ctx, fail := context.WithCancelCause(t.Context())
	a := &Agent{failed: fail}
	stopped := make(chan string, 3)
	a.begin("the one that goes on", func(ctx context.Context) error { <-ctx.Done(); stopped <- "goes on"; return nil })
	a.begin("the one that is done", func(context.Context) error { return nil })
	if ctx.Err() != nil {
		t.Error("a part that is done ends the agent")
	}
	a.begin("the one that fails", func(context.Context) error { return broken })
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, broken) {
		t.Errorf("it ends with %v", err)
	}
	if err := a.Close(); err != nil || len(stopped) != 1 {
		t.Errorf("the stop: %v, %d parts ended", err, len(stopped))
	}
}
