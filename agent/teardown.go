package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// storeWithin is how long closing the store may take, the last look at it included: a database server that hangs must
// leave time to stop serving the list in good order. With what reading (4 s) and the enforcers (1.5 s) may take to store
// their last, it is less than stopWithin.
const storeWithin = 2500 * time.Millisecond

// stopWithin is how long a stop may take, whatever hangs: of the ten seconds that are promised, what leaves the process
// time to end.
const stopWithin = 9 * time.Second

// errAbandoned is what comes of a part that does not end in time.
var errAbandoned = errors.New("not stopped in time; abandoned")

// A teardown is what a stop has to do: named steps, each registered where its part starts, and taken in the reverse
// order, so that nothing is stopped before what needs it.
type teardown struct {
	mu    sync.Mutex
	steps []step
}

type step struct {
	name string
	do   func(ctx context.Context) error
}

// push registers a step. do is called once; when its context ends, it returns without having done everything.
func (t *teardown) push(name string, do func(ctx context.Context) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps = append(t.steps, step{name, do})
}

// run takes all steps, also when some fail, with one deadline for all of them. A second call does nothing.
func (t *teardown) run(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	t.mu.Lock()
	steps := t.steps
	t.steps = nil
	t.mu.Unlock()
	var errs []error
	for i := len(steps) - 1; i >= 0; i-- {
		if err := steps[i].do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", steps[i].name, err))
		}
	}
	return errors.Join(errs...)
}

// within takes a step that knows no context, and goes on without it after the time given, or when ctx ends.
func within(limit time.Duration, do func() error) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- do() }()
		return await(ctx, done)
	}
}

// await gives what comes of a part that was told to end. Even where no time is left, one that has ended has.
func await(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	default:
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errAbandoned
	}
}

// begin starts a part, and has it stopped in its turn. A part that fails stops the agent; one that ends without an error
// is done.
func (a *Agent) begin(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		if err := run(ctx); err != nil {
			a.failed(err)
		}
		done <- nil // its error is what stopped the agent, if it was the first
	}()
	a.teardown.push(name, func(ctx context.Context) error {
		cancel()
		return await(ctx, done)
	})
}
