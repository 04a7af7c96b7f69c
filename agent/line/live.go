package line

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"activedefense/agent/clock"
)

const (
	// flushAfter is how long a record may wait for others to share its transaction. A verdict does not wait.
	flushAfter = 200 * time.Millisecond
	// refreshEvery is how often the files are looked at anew while a backlog is read.
	refreshEvery = 250 * time.Millisecond
	// checkEvery is how many lines are taken between two looks at the clock, the context and the blacklist.
	checkEvery = 512
	// forgetAfter is how long the position of a finished file that is gone is kept, forgetEvery how often
	// such are looked for.
	forgetAfter = 7 * 24 * time.Hour
	forgetEvery = time.Hour
	// publishEvery is how often status and metrics learn of the files: with thousands of them it costs milliseconds.
	publishEvery = 250 * time.Millisecond
	// stopGrace is how long a stop waits for the last batch to be committed.
	stopGrace = 4 * time.Second
)

// Run reads and commits until ctx ends. The writer outlives the reading by [stopGrace], so that what was read is stored.
func (l *Live) Run(ctx context.Context) error {
	grace, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopGrace, cancel) })()
	w := &writer{store: l.opts.Store, in: l.out, free: l.free, wake: l.opts.Wake, stats: l.opts.Stats, health: l.opts.Health, log: l.opts.Logger, now: l.opts.Now}
	var group errgroup.Group
	group.Go(func() error { return w.run(grace, ctx) })
	group.Go(func() error { return l.run(ctx) })
	if behind := l.behind; behind != nil {
		group.Go(func() error { behind.read(ctx, &l.opts); return nil })
	}
	return group.Wait()
}

// run reads until ctx ends, then hands over what it has and closes the way to the writer.
func (l *Live) run(ctx context.Context) error {
	defer close(l.out)
	for {
		l.refresh(ctx)
		l.apply()
		l.tellBehind(ctx)
		if err := l.drain(ctx); err != nil {
			break
		}
		l.publish()
		if err := l.wait(ctx); err != nil {
			break
		}
	}
	// The last batch is offered once: what the writer cannot take is read again at the next start.
	if !l.batch.empty() {
		l.seal()
		select {
		case l.out <- l.batch:
		case <-time.After(stopGrace):
		}
	}
	return nil
}

// refresh looks for new, rotated and returned files, and now and then lets go of positions that nothing needs any more.
func (l *Live) refresh(ctx context.Context) {
	before := l.checked
	l.checked = l.opts.Now()
	came, went, done, err := l.files.refresh(ctx)
	l.batch.opened = l.batch.opened || done
	if err != nil && ctx.Err() == nil {
		l.opts.Logger.Warn().Err(err).Msg("cannot scan the log files; retrying")
	}
	for _, lane := range came {
		lane.live.came = before
		lane.live.stats = l.opts.Stats.input(lane.name)
		lane.live.stats.firewall.Store(lane.live.input.Firewall)
		l.batch.opened = true
	}
	for _, lane := range went {
		delete(l.warner.states, lane)
		l.opts.Stats.left(lane.live.stats, l.checked)
	}
	if len(went) > 0 {
		l.opts.Stats.forget(l.checked)
	}
	if l.checked.Sub(l.forgot) >= forgetEvery {
		l.forgot = l.checked
		l.batch.Forget = append(l.batch.Forget, l.files.set.Forget(l.checked.Add(-forgetAfter-l.opts.Ahead()))...)
		l.opts.Stats.forget(l.checked)
	}
}

// drain takes every line that is there now.
func (l *Live) drain(ctx context.Context) error {
	now := l.opts.Now()
	if err := l.merge.gather(ctx, l.files.asked()); err != nil {
		return err
	}
	for n := 1; ; n++ {
		if n%checkEvery == 0 {
			l.show()
			if err := ctx.Err(); err != nil {
				return err
			}
			now = l.opts.Now()
			l.apply()
			l.tellBehind(ctx)
			if now.Sub(l.checked) >= refreshEvery {
				l.refresh(ctx)
				l.publish()
				if err := l.merge.gather(ctx, l.files.asked()); err != nil {
					return err
				}
			}
		}
		more, err := l.step(ctx, now)
		if err != nil {
			return err
		}
		if !more {
			l.show()
			l.opts.Stats.ends.reached(now)
			l.files.caught()
			return l.flushIfDue(ctx)
		}
		if l.batch.full() || n%checkEvery == 0 && now.Sub(l.batch.begun) >= flushAfter {
			if err := l.flush(ctx); err != nil {
				return err
			}
		} else if l.batch.urgent {
			l.offer()
		}
	}
}

// flushIfDue commits a batch that has waited long enough.
func (l *Live) flushIfDue(ctx context.Context) error {
	if !l.batch.empty() && (l.batch.urgent || l.opts.Now().Sub(l.batch.begun) >= flushAfter) {
		return l.flush(ctx)
	}
	return ctx.Err()
}

// offer hands the batch to the writer, unless it is busy: then more verdicts may come to share the next transaction.
func (l *Live) offer() {
	select {
	case next := <-l.free:
		l.hand(next)
	default:
	}
}

// flush hands the batch to the writer. When the writer cannot keep up, or the store is away, this
// waits: nothing is taken meanwhile, the files are the buffer.
func (l *Live) flush(ctx context.Context) error {
	if l.batch.empty() {
		return ctx.Err()
	}
	l.seal()
	for {
		timer := time.NewTimer(time.Second)
		select {
		case next := <-l.free:
			timer.Stop()
			l.hand(next)
			return ctx.Err()
		case <-timer.C:
			l.publish() // so that status shows how far the files are ahead
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// hand gives the writer the batch and goes on with the one that it has given back. There are no others, so that no batch ever
// waits behind another one that waits.
func (l *Live) hand(next *batch) {
	l.seal()
	l.forgetPast()
	l.out <- l.batch
	next.reset()
	l.batch = next
}

// seal completes the batch with the read positions behind its lines, unless that is done; nothing is added to it afterwards.
func (l *Live) seal() {
	if l.batch.Seq != 0 {
		return
	}
	l.batch.Seq, l.batch.After = l.next, l.seq
	l.seq, l.next = l.next, l.next+1
	l.show()
	now := l.opts.Now()
	l.batch.notLater(now, l.opts.Later, max(l.opts.ReleaseAfter/10, clock.Tolerance)) // less makes no difference to who is found quiet, or hardly any
	l.batch.Positions = l.files.positions(l.batch.Positions, now, l.opts.Agreed())
	l.keeper.seal(&l.batch.Batch)
	l.keeper.told.save(&l.batch.Batch, now)
}

// show tells everybody what was counted since it was last called.
func (l *Live) show() {
	l.files.show()
	l.opts.Stats.unstored.Add(int64(l.batch.lines - l.batch.shown))
	l.batch.shown = l.batch.lines
}

// wait blocks until a file grows, the blacklist or the clock asks for attention, there may be more to tell rules that are behind, or ctx ends.
func (l *Live) wait(ctx context.Context) error {
	var until time.Time
	if !l.batch.empty() {
		until = l.batch.begun.Add(flushAfter)
	}
	if soon := time.Now().Add(catchUpPause); l.behind != nil && (until.IsZero() || soon.Before(until)) {
		until = soon
	}
	if until.IsZero() {
		return l.files.set.Wait(ctx)
	}
	due, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	if err := l.files.set.Wait(due); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return ctx.Err()
}

// publish makes the state of the inputs and the engine visible to status and metrics, unless it did just now. It is
// called again within a second, even when nothing happens.
func (l *Live) publish() {
	now := l.opts.Now()
	if passed := now.Sub(l.shown); passed >= 0 && passed < publishEvery {
		return
	}
	l.shown = now
	l.files.publish(now)
	crowds, lost := l.files.set.Crowds()
	l.opts.Stats.publishFiles(crowds, lost, now)
	l.opts.Stats.publishEngine(l.engine.Stats(), l.keeper.since.at)
}
