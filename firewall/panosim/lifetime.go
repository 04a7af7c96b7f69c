package panosim

import (
	"context"
	"sync"
	"time"
)

// lifetime is the time from Start to Close, and what runs in it.
type lifetime struct {
	ctx     context.Context // ends with Close
	end     context.CancelFunc
	running sync.WaitGroup // handlers and goroutines

	mu     sync.Mutex
	closed bool
}

func newLifetime() *lifetime {
	ctx, end := context.WithCancel(context.Background())
	return &lifetime{ctx: ctx, end: end}
}

// enter counts something in that runs, unless the time is over; leave counts it out.
func (l *lifetime) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.running.Add(1)
	return true
}

func (l *lifetime) leave() { l.running.Done() }

// run runs a function in a goroutine of its own; false: the time is over, and nothing was run.
func (l *lifetime) run(f func(context.Context)) bool {
	if !l.enter() {
		return false
	}
	go func() {
		defer l.leave()
		f(l.ctx)
	}()
	return true
}

// wait passes wall-clock time; false: the context has ended or the firewall is closing.
func (l *lifetime) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-l.ctx.Done():
	}
	return false
}

// close ends the time; false: it had ended.
func (l *lifetime) close() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.closed = true
	l.end()
	return true
}

// done returns when nothing runs any more.
func (l *lifetime) done() { l.running.Wait() }
