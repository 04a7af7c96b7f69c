// Package teardown stops what was started: the last first, all of it in bounded time whatever hangs.
package teardown

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrAbandoned is what comes of a part that does not end in time.
var ErrAbandoned = errors.New("not stopped in time; abandoned")

// A Teardown is what a stop has to do: named steps, each registered where its part starts, and taken in the reverse
// order, so that nothing is stopped before what needs it.
type Teardown struct {
	mu    sync.Mutex
	steps []step
}

type step struct {
	name string
	do   func(ctx context.Context) error
}

// Push registers a step. do is called once; when its context ends, it returns without having done everything.
func (t *Teardown) Push(name string, do func(ctx context.Context) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps = append(t.steps, step{name, do})
}

// Run takes all steps, also when some fail, with one deadline for all of them. A second call does nothing.
func (t *Teardown) Run(within time.Duration) error {
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

// Within takes a step that knows no context, and goes on without it after the time given, or when ctx ends.
func Within(limit time.Duration, do func() error) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- do() }()
		return Await(ctx, done)
	}
}

// Await gives what comes of a part that was told to end. Even where no time is left, one that has ended has.
func Await(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	default:
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ErrAbandoned
	}
}
