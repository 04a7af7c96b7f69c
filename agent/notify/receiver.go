package notify

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"activedefense/agent/loop"
	"activedefense/config"
	"activedefense/store"
)

// A receiver is one of those who are told. Its goroutine alone uses what is not guarded by mu.
type receiver struct {
	name  string // as operators call it
	key   string // in the store; its first word is its kind
	lanes []lane // what it wants; the first has nothing left before there is any of the next
	load  int    // how many notices are read at once
	each  int    // and how many go in one call
	pace  *pace  // nil: a call may follow another at once
	// send delivers notices, and gives how many of them, from the first on, are done with, also with an error.
	send func(ctx context.Context, notices []store.Notice) (done int, err error)
	test func(ctx context.Context, notice store.Notice) error
	// state is what else is to be remembered over a restart, and restore takes it in; nil: nothing is, but the pace, or how far each of several lanes is.
	state   func() string
	restore func(string)

	notifier  *Notifier
	wake      loop.Wakeup
	restored  bool
	unnoted   bool // the store does not know yet how far it is
	counted   time.Time
	tries     int             // in a row that failed
	notBefore time.Time       // of the next call
	told      map[string]bool // what it got without the store
	care      care

	mu     sync.Mutex
	direct []store.Notice // that cannot be stored
	status Status
}

// A lane is some of the events that a receiver wants, which it gets in their order.
type lane struct {
	events  []string  // none: all
	upto    int64     // it has everything up to this notice
	waiting int64     // how many were not delivered when it was last looked
	oldest  time.Time // when the first of them was written
}

// split parts the events of a list (none: all) into these and the others.
func split(events []string, these ...string) (some, others []string) {
	for _, e := range config.Events() {
		switch wanted := len(events) == 0 || slices.Contains(events, e); {
		case wanted && slices.Contains(these, e):
			some = append(some, e)
		case wanted:
			others = append(others, e)
		}
	}
	return some, others
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
	for i := range r.lanes { // of which nothing else may be read here
		if events := r.lanes[i].events; len(events) == 0 || slices.Contains(events, event) {
			return true
		}
	}
	return false
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
	for i := range r.lanes {
		wait, empty := r.deliver(ctx, &r.lanes[i])
		if !empty {
			return wait
		}
	}
	return idle
}

// deliver delivers what a lane has, and gives when to look again. empty: it had nothing.
func (r *receiver) deliver(ctx context.Context, l *lane) (wait time.Duration, empty bool) {
	q, ok := r.look(ctx, l, r.load)
	if !ok || len(q.Notices) == 0 {
		return idle, ok
	}
	if r.pace != nil {
		if wait := r.pace.wait(r.notifier.now()); wait > 0 { // as an earlier run left it
			return min(wait, idle), false
		}
		if r.pace.gather() { // what comes in the same moment goes along
			r.notBefore = r.notifier.now().Add(r.pace.hold)
			return r.pace.hold, false
		}
	}
	for list := q.Notices; len(list) > 0; {
		done, wait := r.call(ctx, list)
		upto := q.Upto
		if done < len(list) && done > 0 {
			upto = list[done-1].Number
		}
		if list = list[done:]; done > 0 {
			r.have(ctx, l, upto)
		}
		if wait > 0 || ctx.Err() != nil {
			return wait, false
		}
		if r.pace != nil || len(r.lanes) > 1 && r.woken() {
			break // the next one has to wait, or another lane may go first
		}
	}
	return 0, false
}

// woken tells whether there may be new notices.
func (r *receiver) woken() bool {
	select {
	case <-r.wake:
		return true
	default:
		return false
	}
}

// deliverDirect delivers what is not stored. done: nothing is left of it.
func (r *receiver) deliverDirect(ctx context.Context) (wait time.Duration, done bool) {
	for {
		r.mu.Lock()
		list := slices.Clone(r.direct)
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
		for i := range r.lanes {
			r.look(ctx, &r.lanes[i], 1)
		}
	}
}

// look reads what the store has for a lane, at most so many, and notes how many there are. What it had without the store, or what could not be noted, is left out.
func (r *receiver) look(ctx context.Context, l *lane, most int) (q store.Queue, ok bool) {
	read := func(ctx context.Context, st *store.Store) (err error) {
		q, err = st.Undelivered(ctx, r.key, l.events, l.upto, most)
		return err
	}
	if r.notifier.within(ctx, read) != nil {
		return q, false // the store is away, which is told elsewhere
	}
	if !r.restored {
		r.restored = true
		switch {
		case r.pace != nil:
			r.pace.restore(q.State)
		case r.restore != nil:
			r.restore(q.State)
		case len(r.lanes) > 1:
			r.restoreLanes(q.State)
			if l.upto > 0 && r.notifier.within(ctx, read) != nil {
				return q, false
			}
		}
	}
	known := len(q.Notices)
	q.Notices = slices.DeleteFunc(q.Notices, func(n store.Notice) bool { return r.told[n.ID] })
	q.Waiting -= int64(known - len(q.Notices))
	l.waiting, l.oldest = q.Waiting, q.Oldest
	r.mu.Lock()
	r.status.Waiting, r.status.Oldest = 0, nil
	for i := range r.lanes {
		if l := r.lanes[i]; l.waiting > 0 {
			r.status.Waiting += l.waiting
			if r.status.Oldest == nil || l.oldest.Before(*r.status.Oldest) {
				oldest := l.oldest // which the next look changes, while somebody reads the status
				r.status.Oldest = &oldest
			}
		}
	}
	r.mu.Unlock()
	if len(q.Notices) == 0 && (q.Upto > l.upto || known > 0 || r.unnoted) { // none of them is for it, or what it has could not be noted
		r.have(ctx, l, max(q.Upto, l.upto))
	}
	return q, true
}

// have notes that a lane has everything up to a notice.
func (r *receiver) have(ctx context.Context, l *lane, upto int64) {
	l.upto = max(l.upto, upto)
	least := l.upto
	var each []int64
	for i := range r.lanes {
		least, each = min(least, r.lanes[i].upto), append(each, r.lanes[i].upto)
	}
	state := ""
	switch {
	case r.pace != nil:
		state = r.pace.state()
	case r.state != nil:
		state = r.state()
	case len(each) > 1:
		text, _ := json.Marshal(each) // numbers can always be written
		state = string(text)
	}
	// A stop does not keep that from being noted: it would be delivered once more. Neither does it wait for a store that hangs.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	// What cannot be noted now is with the next one, or it is delivered once more after a restart.
	r.unnoted = r.notifier.within(ctx, func(ctx context.Context, st *store.Store) error { return st.Delivered(ctx, r.key, least, state) }) != nil
}

// restoreLanes takes in how far each lane was. What cannot be read is as if none had been further than all.
func (r *receiver) restoreLanes(state string) {
	var each []int64
	if json.Unmarshal([]byte(state), &each) != nil || len(each) != len(r.lanes) {
		return
	}
	for i := range r.lanes {
		r.lanes[i].upto = max(r.lanes[i].upto, each[i])
	}
}

// call delivers the first of these notices, notes what came of it, and gives how long to wait if it failed.
func (r *receiver) call(ctx context.Context, notices []store.Notice) (done int, wait time.Duration) {
	limited, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	attempt := r.care.attempt(notices, r.each)
	done, err := r.send(limited, attempt.notices)
	now := r.notifier.now()
	if ctx.Err() != nil && err != nil {
		return done, 0 // it stops, which is no failure of the receiver
	}
	if attempt.proof {
		done = 0 // no notice, but what is told instead
	}
	if done > 0 && r.pace != nil {
		r.pace.sent(now)
	}
	again, lost := r.care.came(&attempt, done, r.each, err)
	switch {
	case lost: // it is done with, and not delivered
		r.giveUp(&attempt.notices[0], err)
		return 1, 0
	case attempt.proof && err == nil:
		r.tries = 0
		return 0, 0
	}
	r.tellBare(attempt.notices[:done], attempt.bare)
	r.note(done, err, now)
	if err == nil {
		r.tries = 0
		return done, 0
	}
	wait = firstTry
	if !again {
		wait = min(firstTry<<min(r.tries, 20), lastTry)
		r.tries++
	}
	var later *laterError
	if errors.As(err, &later) && later.at.Sub(now) > wait {
		wait = later.at.Sub(now)
	}
	r.notBefore = now.Add(wait)
	return done, min(wait, idle)
}

// giveUp notes that a notice is not delivered, for the receiver refuses it for good and takes others.
func (r *receiver) giveUp(n *store.Notice, err error) {
	now := r.notifier.now()
	r.notifier.log.Error().Str("receiver", r.name).Str("id", n.ID).Str("event", n.Event).Str("address", n.Address).Str("error", said(err)).
		Msg("a notice is given up: the receiver refuses it for good")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries = 0
	s := &r.status
	s.GivenUp++
	s.GivenUpAt, s.Waiting, s.Failing, s.Since = &now, max(s.Waiting-1, 0), false, nil
}

// tellBare logs which notices were delivered without the text of others.
func (r *receiver) tellBare(notices []store.Notice, bare func(i int) bool) {
	for i := range notices {
		if bare(i) {
			r.notifier.log.Warn().Str("receiver", r.name).Str("id", notices[i].ID).Str("event", notices[i].Event).Str("address", notices[i].Address).
				Msg("a notice was delivered without what strangers wrote, with which it was refused")
		}
	}
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
