package notify

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"activedefense/agent/loop"
	"activedefense/store"
)

// A receiver is one of those who are told. Its goroutine alone uses what is not guarded by mu.
type receiver struct {
	name   string   // as operators call it
	key    string   // in the store
	events []string // that it wants; none: all
	load   int      // how many notices are read at once
	each   int      // and how many go in one call
	pace   *pace    // nil: a call may follow another at once
	// send delivers notices, and gives how many of them, from the first on, are done with, also with an error.
	send func(ctx context.Context, notices []store.Notice) (done int, err error)
	test func(ctx context.Context, notice store.Notice) error // nil: another receiver's test is of it, too
	// state is what else is to be remembered over a restart, and restore takes it in; nil: nothing is, but the pace.
	state   func() string
	restore func(string)

	notifier  *Notifier
	wake      loop.Wakeup
	restored  bool
	counted   time.Time
	tries     int             // in a row that failed
	notBefore time.Time       // of the next call
	upto      int64           // it has everything up to this notice, stored or not
	told      map[string]bool // what it got without the store

	mu     sync.Mutex
	direct []store.Notice // that cannot be stored
	status Status
}

// laterError says when to try again, which another program told.
type laterError struct {
	error
	at   time.Time
	ours bool // it is not the receiver that refuses
}

func (e *laterError) Unwrap() error { return e.error }

// mostDirect bounds what waits for a receiver without the store: troubles, of which there are few.
const mostDirect = 100

// wants tells whether a receiver is to hear of an event.
func (r *receiver) wants(event string) bool {
	return len(r.events) == 0 || slices.Contains(r.events, event)
}

// tell has a notice delivered before those of the store.
func (r *receiver) tell(n store.Notice) {
	if !r.wants(n.Event) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.direct) < mostDirect {
		r.direct = append(r.direct, n)
	}
	r.wake.Wake()
}

// countEach is how often it is looked how much waits while nothing may be delivered.
const countEach = 2 * time.Second

// idle is how often it is looked without being woken.
const idle = 10 * time.Second

// run delivers until ctx ends.
func (r *receiver) run(ctx context.Context) error {
	for {
		wait := r.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-r.wake:
		}
		timer.Stop()
	}
}

// once delivers what there is, and gives when to look again.
func (r *receiver) once(ctx context.Context) time.Duration {
	if wait := r.notBefore.Sub(r.notifier.now()); wait > 0 {
		r.count(ctx)
		return min(wait, idle) // a clock that is set back keeps nobody waiting for long
	}
	if wait, done := r.deliverDirect(ctx); !done {
		return wait
	}
	if r.restored && r.pace != nil {
		if wait := r.pace.wait(r.notifier.now()); wait > 0 {
			r.count(ctx)
			return min(wait, idle)
		}
	}
	q, ok := r.look(ctx, r.load)
	if !ok || len(q.Notices) == 0 {
		return idle
	}
	if r.pace != nil {
		if wait := r.pace.wait(r.notifier.now()); wait > 0 { // as an earlier run left it
			return min(wait, idle)
		}
		if r.pace.gather() { // what comes in the same moment goes along
			r.notBefore = r.notifier.now().Add(r.pace.hold)
			return r.pace.hold
		}
	}
	for list := q.Notices; len(list) > 0; {
		done, wait := r.call(ctx, list[:min(len(list), r.each)])
		upto := q.Upto
		if done < len(list) && done > 0 {
			upto = list[done-1].Number
		}
		if list = list[done:]; done > 0 {
			r.have(ctx, upto)
		}
		if wait > 0 || ctx.Err() != nil {
			return wait
		}
		if r.pace != nil {
			break // the next one has to wait
		}
	}
	return 0
}

// deliverDirect delivers what is not stored. done: nothing is left of it.
func (r *receiver) deliverDirect(ctx context.Context) (wait time.Duration, done bool) {
	for {
		r.mu.Lock()
		list := slices.Clone(r.direct[:min(len(r.direct), r.each)])
		r.mu.Unlock()
		if len(list) == 0 {
			return 0, true
		}
		n, wait := r.call(ctx, list)
		r.mu.Lock()
		r.direct = slices.Delete(r.direct, 0, n)
		r.mu.Unlock()
		for _, one := range list[:n] {
			if r.told == nil || len(r.told) > 10*mostDirect {
				r.told = make(map[string]bool)
			}
			r.told[one.ID] = true
		}
		if wait > 0 || ctx.Err() != nil {
			return wait, false
		}
	}
}

// count notes how much waits, now and then, while nothing may be delivered.
func (r *receiver) count(ctx context.Context) {
	if now := r.notifier.now(); now.Sub(r.counted).Abs() >= countEach {
		r.counted = now
		r.look(ctx, 1)
	}
}

// look reads what the store has for it, at most so many, and notes how many there are. What it had without the store, or what could not be noted, is left out.
func (r *receiver) look(ctx context.Context, most int) (q store.Queue, ok bool) {
	err := r.notifier.within(ctx, func(ctx context.Context, st *store.Store) (err error) {
		q, err = st.Undelivered(ctx, r.key, r.events, 0, most)
		return err
	})
	if err != nil {
		return q, false // the store is away, which is told elsewhere
	}
	if !r.restored {
		r.restored = true
		if r.pace != nil {
			r.pace.restore(q.State)
		}
		if r.restore != nil {
			r.restore(q.State)
		}
	}
	known := len(q.Notices)
	q.Notices = slices.DeleteFunc(q.Notices, func(n store.Notice) bool { return n.Number <= r.upto || r.told[n.ID] })
	q.Waiting -= int64(known - len(q.Notices))
	r.mu.Lock()
	r.status.Waiting, r.status.Oldest = q.Waiting, nil
	if q.Waiting > 0 {
		r.status.Oldest = &q.Oldest
	}
	r.mu.Unlock()
	if len(q.Notices) == 0 && (q.Upto > r.upto || known > 0) { // none of them is for it, or what it has could not be noted
		r.have(ctx, max(q.Upto, r.upto))
	}
	return q, true
}

// have notes that it has everything up to a notice.
func (r *receiver) have(ctx context.Context, upto int64) {
	r.upto = max(r.upto, upto)
	state := ""
	switch {
	case r.pace != nil:
		state = r.pace.state()
	case r.state != nil:
		state = r.state()
	}
	// A stop does not keep that from being noted: it would be delivered once more. Neither does it wait for a store that hangs.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	// What cannot be noted now is with the next one, or it is delivered once more after a restart.
	_ = r.notifier.within(ctx, func(ctx context.Context, st *store.Store) error { return st.Delivered(ctx, r.key, upto, state) })
}

// call delivers notices, notes what came of it, and gives how long to wait if it failed.
func (r *receiver) call(ctx context.Context, notices []store.Notice) (done int, wait time.Duration) {
	limited, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	done, err := r.send(limited, notices)
	now := r.notifier.now()
	if ctx.Err() != nil && err != nil {
		return done, 0 // it stops, which is no failure of the receiver
	}
	if done > 0 && r.pace != nil {
		r.pace.sent(now)
	}
	r.note(done, err, now)
	if err == nil {
		r.tries = 0
		return done, 0
	}
	wait = min(firstTry<<min(r.tries, 20), lastTry)
	var later *laterError
	if errors.As(err, &later) && later.at.Sub(now) > wait {
		wait = later.at.Sub(now)
	}
	r.tries++
	r.notBefore = now.Add(wait)
	return done, min(wait, idle)
}

// note keeps the state for people, and logs when a receiver begins to fail, and when it is over.
func (r *receiver) note(done int, err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.status
	s.Delivered += uint64(done)
	s.Waiting = max(s.Waiting-int64(done), 0)
	if done > 0 {
		s.LastAt = &now
	}
	var later *laterError
	if errors.As(err, &later) && later.ours {
		s.Error, s.FailedAt = said(err), &now
		return
	}
	if err != nil {
		s.Failures++
		s.Error, s.FailedAt = said(err), &now
		if !s.Failing {
			s.Since = &now
			r.notifier.log.Warn().Str("receiver", r.name).Str("error", s.Error).Msg("cannot deliver a notice; trying until it is taken")
		}
	} else if s.Failing {
		s.Since = nil
		r.notifier.log.Info().Str("receiver", r.name).Int64("waiting", s.Waiting).Msg("notices are taken again")
	}
	s.Failing = err != nil
}
