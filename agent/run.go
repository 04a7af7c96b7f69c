package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"activedefense/agent/tail"
	"activedefense/detect"
	"activedefense/store"
)

// Run does the agent's work until ctx ends; it then stops cleanly within ten seconds. It returns an
// error only when a part cannot go on at all, which a restart with the same configuration may mend.
//
// The order is that of the promises: the list is served first, from the store or, when that cannot be
// reached, as it was served last; the firewalls are brought level when the blacklist is known; lines are
// read when the engine remembers what it had seen before.
func (a *Agent) Run(ctx context.Context) error {
	defer a.Close()
	group, ctx := errgroup.WithContext(ctx)
	if a.admin != nil {
		group.Go(func() error { return a.admin.run(ctx) })
	}
	group.Go(func() error {
		st, err := a.openStore(ctx, group)
		if err != nil || st == nil {
			return err
		}
		defer st.Close()
		m := newMarker(a.cfg.StateDir, a.instance, st, a.log)
		f, err := a.loadBlacklist(ctx, group, st, m)
		if err != nil || f == nil {
			return err
		}
		err = a.work(ctx, st, f, m)
		last := m.last(ctx)
		if st.Close() == nil { // the second Close does nothing
			m.keep(last)
		}
		return err
	})
	return group.Wait()
}

// openStore opens the database, trying for ever. If it does not open at once, the list is served as it
// was last saved. No store and no error mean that ctx ended first.
func (a *Agent) openStore(ctx context.Context, group *errgroup.Group) (*store.Store, error) {
	opts := store.Options{URL: string(a.cfg.Store.URL), Path: filepath.Join(a.cfg.StateDir, DatabaseFile),
		Instance: a.instance, KeepRecords: a.cfg.Store.KeepRecords}
	for try := 0; ; try++ {
		st, err := store.Open(ctx, opts)
		if err == nil {
			a.stats.store.recovered(a.log, userStart, a.now())
			a.store.Store(st)
			return st, nil
		}
		if ctx.Err() != nil {
			return nil, nil
		}
		a.stats.store.failed(a.log, userStart, err, a.now())
		if try == 0 {
			if err := a.serveLastGood(ctx, group); err != nil {
				return nil, err
			}
		}
		if !pause(ctx, backoff(try)) {
			return nil, nil
		}
	}
}

// serveLastGood serves the list as it was last saved, if nothing is served yet. Without one, firewalls that ask get 503, and keep
// their own copies.
func (a *Agent) serveLastGood(ctx context.Context, group *errgroup.Group) error {
	if a.list == nil || a.serving.Load() {
		return nil
	}
	switch n, saved, err := a.list.LoadLastGood(); {
	case err == nil:
		a.log.Warn().Int("entries", n).Time("saved", saved).Msg("serving the list as it was last saved until the store is back")
	case errors.Is(err, fs.ErrNotExist):
		a.log.Warn().Msg("no list was saved before: answering 503, so that firewalls keep their copies, until the store is back")
	default:
		a.log.Error().Err(err).Msg("the saved list cannot be used: answering 503, so that firewalls keep their copies, until the store is back")
	}
	return a.serveList(ctx, group)
}

// serveList opens the list's listener, once.
func (a *Agent) serveList(ctx context.Context, group *errgroup.Group) error {
	if a.list == nil || a.serving.Swap(true) {
		return nil
	}
	if err := a.list.Listen(); err != nil {
		return fmt.Errorf("serve the list: %w", err)
	}
	a.log.Info().Stringer("address", a.list.Addr()).Str("path", a.cfg.EDL.Path).Msg("serving the list over HTTPS")
	group.Go(func() error { return a.list.Run(ctx) })
	return nil
}

// loadBlacklist reads the blacklist for the first time, trying for ever, publishes it, and opens the
// list's listener if it is not open yet. Until it can be read, and while the database is not the one that it was, the
// list is served as it was last saved.
func (a *Agent) loadBlacklist(ctx context.Context, group *errgroup.Group, st *store.Store, m *marker) (*feed, error) {
	f := newFeed(st)
	f.guard, f.releaseAfter, f.list, f.enforcers = a.guard.Load, a.cfg.Blacklist.ReleaseAfter, a.list, a.enforcers
	f.health, f.log = &a.stats.store, a.log
	load := func() error {
		if err := m.check(ctx); err != nil {
			return err
		}
		return f.syncOnce(ctx)
	}
	if err := load(); err != nil && ctx.Err() == nil {
		a.stats.store.failed(a.log, userStart, err, a.now())
		if err := a.serveLastGood(ctx, group); err != nil {
			return nil, err
		}
	}
	if !a.insist(ctx, userStart, load) {
		return nil, nil
	}
	a.log.Info().Int("addresses", len(f.entries)).Str("store", st.Kind()).Msg("blacklist loaded")
	if a.list != nil {
		f.publish()
	}
	a.feed.Store(f)
	return f, a.serveList(ctx, group)
}

// work runs the loops until ctx ends.
func (a *Agent) work(ctx context.Context, st *store.Store, f *feed, m *marker) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, e := range a.enforcers {
		group.Go(func() error {
			if !a.insist(ctx, userEnforcers, func() error { return e.restore(ctx, st) }) {
				return nil
			}
			return e.run(ctx)
		})
	}
	for _, p := range a.policies {
		group.Go(func() error { return p.run(ctx) })
	}
	group.Go(func() error { a.dropOthers(ctx, st); return nil })
	group.Go(func() error { return f.run(ctx) })
	group.Go(func() error { return m.run(ctx) })
	group.Go(func() error { return a.refreshGuard(ctx, f) })
	release := &releaser{store: st, releaseAfter: a.cfg.Blacklist.ReleaseAfter, caughtUp: a.caughtUp, wake: f.wake, log: a.log, now: a.now}
	group.Go(func() error { return release.run(ctx) })
	prune := &pruner{store: st, keepRecords: a.cfg.Store.KeepRecords, log: a.log, now: a.now}
	group.Go(func() error { return prune.run(ctx) })
	group.Go(func() error { return a.read(ctx, st, f) })
	return group.Wait()
}

// dropOthers removes what is noted of firewalls that were renamed or removed from the configuration. What cannot be
// removed now is at the next start.
func (a *Agent) dropOthers(ctx context.Context, st *store.Store) {
	switch dropped, err := st.DropEnforced(ctx, FirewallNames(a.cfg)); {
	case err != nil && ctx.Err() == nil:
		a.log.Warn().Err(err).Msg("cannot drop what is noted of firewalls that are not in the configuration")
	case dropped > 0:
		a.log.Info().Int64("addresses", dropped).Msg("dropped what was noted of firewalls that are not in the configuration")
	}
}

// read wires the pipeline to the writer and runs both. The writer outlives the pipeline by the grace
// of a stop, so that what was read is stored.
func (a *Agent) read(ctx context.Context, st *store.Store, f *feed) error {
	p, err := a.newPipeline(ctx, st, f)
	if err != nil || p == nil {
		return err
	}
	defer p.set.Close()
	batches, free := make(chan *batch, 1), make(chan *batch, 4)
	p.out, p.free = batches, free
	w := &writer{store: st, in: batches, free: free, wake: f.wake, stats: a.stats, log: a.log, now: a.now}

	grace, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopGrace, cancel) })()
	a.reading.Store(true)
	a.log.Info().Int("files", len(p.order)).Msg("reading the firewalls' logs")
	var group errgroup.Group
	group.Go(func() error { return w.run(grace, ctx) })
	group.Go(func() error { return p.run(ctx) })
	return group.Wait()
}

// firstSeq numbers the first batch of a run after the last one of an earlier run, at a distance drawn by lot: an agent with a
// copy of this one's state folder would go on with the same numbers, and the two take each other's batches for their own.
func firstSeq(last int64) int64 { return last + 1 + rand.Int64N(1<<31) }

// newPipeline opens the inputs at the stored positions and makes the engine remember.
func (a *Agent) newPipeline(ctx context.Context, st *store.Store, f *feed) (*pipeline, error) {
	var positions []store.Position
	var seq int64
	if !a.insist(ctx, userStart, func() (err error) {
		if seq, err = st.Resume(ctx); err == nil {
			positions, err = st.Positions(ctx)
		}
		return err
	}) {
		return nil, nil
	}
	set, err := tail.Open(tailOptions(a.cfg, a.log), tailPositions(positions))
	if err != nil {
		return nil, fmt.Errorf("open the inputs: %w", err)
	}
	p := &pipeline{
		set: set, inputs: a.cfg.Inputs, sources: make(map[*tail.Stream]*source), lastTimes: lastTimes(positions),
		guard: a.guard.Load, releaseAfter: a.cfg.Blacklist.ReleaseAfter,
		batch: newBatch(), seq: seq, next: firstSeq(seq), evidence: &evidenceReader{set: set, store: st, files: make(map[int64]*source)},
		stats: a.stats, warner: newClockWarner(a.log, a.now, &a.end), log: a.log, now: a.now,
		refused: make(map[netip.Prefix]time.Time), atEnd: a.end.reached,
	}
	a.lookout.remember(p.lastTimes)
	p.refresh()
	if !a.insist(ctx, userStart, func() error {
		p.engine = detect.New(Settings(a.cfg))
		f.attach(p.notice) // tells all that is blocked, also at another try
		p.apply()
		return p.remember(ctx, st)
	}) {
		set.Close()
		return nil, nil
	}
	return p, nil
}

// refreshGuard looks up the own addresses anew, because names and interfaces change; sooner if one was not
// to be had.
func (a *Agent) refreshGuard(ctx context.Context, f *feed) error {
	wait := guardRetry // the first look was at the start, when the network may not have been up
	for pause(ctx, wait) {
		guard, complete := a.own.guard(ctx)
		a.guard.Store(guard)
		f.recheck()
		if wait = guardEvery; !complete {
			wait = guardRetry
		}
	}
	return nil
}

// insist tries something that the store must do until it succeeds; false means that ctx ended first.
func (a *Agent) insist(ctx context.Context, user string, do func() error) bool {
	for try := 0; ; try++ {
		err := do()
		if err == nil {
			a.stats.store.recovered(a.log, user, a.now())
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		a.stats.store.failed(a.log, user, err, a.now())
		if !pause(ctx, backoff(try)) {
			return false
		}
	}
}

// pause waits; false means that ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// caughtUp reports whether everything that the files hold has been read and stored for a while, and none is hidden.
func (a *Agent) caughtUp() bool {
	now := a.now()
	hidden := a.lookout.look(now) != ""
	return a.end.settled(now) && !hidden
}
