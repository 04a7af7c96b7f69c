package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"activedefense/agent/allow"
	"activedefense/agent/enforce"
	"activedefense/agent/health"
	"activedefense/agent/line"
	"activedefense/agent/loop"
	"activedefense/agent/release"
	"activedefense/agent/state"
	"activedefense/agent/teardown"
	"activedefense/agent/tell"
	"activedefense/agent/trouble"
	"activedefense/agent/uptime"
	"activedefense/config"
	"activedefense/store"
)

// Run does the agent's work until ctx ends; it then stops cleanly within ten seconds. It returns an
// error when a part cannot go on at all, which a restart with the same configuration may mend, or did not stop cleanly.
//
// The order is that of the promises: the list is served first, from the store or, when that cannot be
// reached, as it was served last; the firewalls are brought in sync when the blacklist is known; lines are
// read when the engine remembers what it had seen before. What starts last is stopped first.
func (a *Agent) Run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	a.failed = func(err error) { fail(&partError{err}) }
	err := a.start(ctx)
	if err == nil {
		<-ctx.Done()
	}
	a.ending.Store(true)
	a.admin.Settle()
	var part *partError
	if errors.As(context.Cause(ctx), &part) {
		err = part.err
	}
	return errors.Join(err, a.Close())
}

// partError tells the failure of a part from a stop that was asked for.
type partError struct{ err error }

func (e *partError) Error() string { return e.err.Error() }

// start starts one part after the other. It returns early, without an error, when ctx ends.
func (a *Agent) start(ctx context.Context) error {
	a.begin("the admin interface", a.admin.Run)
	a.begin("counting lines by the hour", func(ctx context.Context) error { return a.pace.Run(ctx, a.stats.Lines) })
	if a.list != nil {
		a.begin("serving the list", a.runList)
	}
	// These begin without the store, for that it is away is told, too, and end before it does.
	delivering := spawn(a, a.notices.Run)
	telling := spawn(a, (&tell.Teller{Look: func() ([]trouble.Trouble, trouble.Seen) { return look(a) }, Notices: a.notices, Log: a.log}).Run)
	if a.geo != nil {
		a.begin("following geo.file", a.geo.Run)
	}
	listening := spawn(a, a.listeners.Run)
	m, f, err := a.takeStore(ctx)
	a.teardown.Push("delivering notices", delivering)
	a.teardown.Push("telling troubles", telling)
	a.teardown.Push("listening", listening)
	if err != nil || f == nil {
		return err
	}
	st := f.store
	if !a.insist(ctx, health.Start, func() error { return a.notices.Attach(ctx, st) }) {
		return nil
	}
	a.forgetLabels() // here, for a configuration that New refuses does not count
	if a.lookAtLabels() {
		f.recheck()
	}
	if m.Accepted {
		a.fleet.Adopt()
	}
	a.begin("following the blacklist", f.run)
	others := newMembers(a, st)
	a.members.Store(others)
	a.begin("keeping the allow-list", (&allow.Keeper{Store: st, Lookup: net.DefaultResolver.LookupNetIP, Now: a.now, Log: a.log}).Run)
	a.begin("following the other agents", others.Run)
	a.begin("tracking the state of the database", m.Run)
	a.begin("the firewalls", func(ctx context.Context) error { return a.enforce(ctx, st) })
	a.begin("noting how the firewalls are", (&uptime.Recorder{Store: st, Now: a.now, Log: a.log, Look: func() []store.FirewallState {
		firewalls, policies := a.fleet.Status()
		return uptime.StatesOf(firewalls, policies, f.paused.Load())
	}}).Run)
	a.begin("refreshing own addresses", func(ctx context.Context) error { return a.refreshGuard(ctx, f) })
	releasing := &release.Releaser{Store: st, ReleaseAfter: a.cfg.Blacklist.ReleaseAfter, CaughtUp: func() bool { return a.lookout.CaughtUp(a.now()) },
		Others: others.Waits, Standing: f.standing, MayBlock: mayBlock(a.guard.Load), Percent: releasePercent(a.cfg), Wake: f.wakeup.Wake, Log: a.log, Now: a.believed, Brake: &a.brake}
	a.begin("releases", releasing.Run)
	keepRecords(a, st)
	a.awaitFirewalls(ctx, st)
	if ctx.Err() != nil {
		return nil
	}
	a.begin("blocking what label files list", func(ctx context.Context) error { return a.blockListed(ctx, st, f) })
	return a.read(ctx, st, f)
}

// keepRecords begins what looks after the records that are kept.
func keepRecords(a *Agent, st *store.Store) {
	prune := &state.Pruner{Store: st, KeepRecords: a.cfg.Store.KeepRecords, Log: a.log, Now: a.believed, Agreed: a.clock.Agreed}
	a.begin("pruning", prune.Run)
	bound := &state.Bounder{Store: st, MaxSize: a.cfg.Store.MaxSize, Least: looksBack(a.cfg), Log: a.log, Now: a.believed, Disk: state.DiskRoom}
	a.bound.Store(bound)
	a.begin("bounding the database", bound.Run)
	seal := &state.Sealer{Store: st, Log: a.log, Now: a.now}
	a.seal.Store(seal)
	a.begin("writing records to files", seal.Run)
}

// takeStore opens the database and loads the blacklist, trying for ever. A database that is refused is opened anew each time: what is put
// in its place, or accepted, is to be found there. No feed and no error mean that ctx ended first.
func (a *Agent) takeStore(ctx context.Context) (*state.Marker, *feed, error) {
	for try := 0; ; try++ {
		st, err := a.openStore(ctx)
		if err != nil || st == nil {
			return nil, nil, err
		}
		m := state.NewMarker(a.cfg.StateDir, a.instance, st, a.clock, a.log)
		m.Lost = a.health.LostError
		m.Strays, m.Adopt = a.fleet.Strays, a.fleet.Adopt
		f, err := a.loadBlacklist(ctx, st, m)
		if !health.IsLost(err) {
			a.teardown.Push("using the store", func(ctx context.Context) error { return closeStore(ctx, m, a.log) })
			return m, f, err
		}
		if err := closeStore(context.Background(), m, a.log); err != nil {
			a.log.Debug().Err(err).Msg("cannot close the refused database")
		}
		if !loop.Pause(ctx, min(line.Backoff(try), refusedEvery)) {
			return nil, nil, nil
		}
	}
}

// refusedEvery is how soon it is noticed at a start that a database that was refused is the right one again, or was accepted.
const refusedEvery = 5 * time.Second

// openStore opens the database, trying for ever. If it does not open at once, the list is served as it
// was last saved. No store and no error mean that ctx ended first.
func (a *Agent) openStore(ctx context.Context) (*store.Store, error) {
	opts := store.Options{URL: string(a.cfg.Store.URL), Path: filepath.Join(a.cfg.StateDir, DatabaseFile),
		Instance: a.instance, KeepRecords: a.cfg.Store.KeepRecords, Blocks: a.cfg.Store.Blocks}
	opts.Before = func(ctx context.Context, st *store.Store) error {
		err := state.NewMarker(a.cfg.StateDir, a.instance, st, a.clock, a.log).Before(ctx)
		if err != nil {
			a.store.Store(st) // which it is can be told also where it is refused; before that it is Open's alone
		}
		return err
	}
	for try := 0; ; try++ {
		var st *store.Store
		err := a.patiently(func() (err error) { st, err = store.Open(ctx, opts); return err })
		if err == nil {
			a.store.Store(st)
			return st, nil
		}
		if ctx.Err() != nil {
			return nil, nil
		}
		a.health.Failed(a.log, health.Start, err, a.now())
		if try == 0 {
			if err := a.serveLastGood(); err != nil {
				return nil, err
			}
		}
		pause := line.Backoff(try)
		if health.IsLost(err) {
			pause = min(pause, refusedEvery)
		}
		if !loop.Pause(ctx, pause) {
			return nil, nil
		}
	}
}

// looksBack is how far back a restart, or a change of a rule, counts records again: the longest of the windows that are not remembered otherwise, twice.
func looksBack(cfg *config.Config) time.Duration {
	return 2 * cfg.Detect.LongestWindow()
}

// closeStore closes the database. One that does not answer is left behind, which costs nothing: what it has not
// acknowledged is read again.
func closeStore(ctx context.Context, m *state.Marker, log zerolog.Logger) error {
	err := teardown.Within(storeWithin, m.Close)(ctx)
	if errors.Is(err, teardown.ErrAbandoned) {
		log.Warn().Msg("the database does not respond; going on without closing it")
		return nil
	}
	return err
}

// listPatience is how long the list waits for the store at a start. A database that hangs takes its time to be given up.
const listPatience = time.Second

// patiently does something with the store. If that takes longer than the list waits, the list is served meanwhile as it was last saved.
func (a *Agent) patiently(do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(listPatience):
	}
	if err := a.serveLastGood(); err != nil {
		a.failed(err) // which ends what is done
	}
	return <-done
}

// serveLastGood serves the list as it was last saved, if nothing is served yet. Without one, firewalls that ask get 503, and keep
// their own copies.
func (a *Agent) serveLastGood() error {
	if a.list == nil || a.serving() {
		return nil
	}
	switch n, saved, err := a.list.LoadLastGood(); {
	case err == nil:
		a.log.Warn().Int("entries", n).Time("saved", saved).Msg("serving the last saved list until the store is available")
	case errors.Is(err, fs.ErrNotExist):
		a.log.Warn().Msg("there is no saved list: answering 503, so that firewalls keep their copies, until the store is available")
	default:
		a.log.Error().Err(err).Msg("the saved list cannot be used: answering 503, so that firewalls keep their copies, until the store is available")
	}
	return a.serveList()
}

// serving reports whether the list's listener was opened, or its opening tried.
func (a *Agent) serving() bool {
	select {
	case <-a.serve:
		return true
	default:
		return false
	}
}

// serveList opens the list's listener, once. Only the goroutine of Run calls it.
func (a *Agent) serveList() error {
	if a.list == nil || a.serving() {
		return nil
	}
	close(a.serve)
	return <-a.opened
}

// runList serves the list as soon as there is something to serve. It starts before the store is opened, so that it is
// stopped after everything else.
func (a *Agent) runList(ctx context.Context) error {
	select {
	case <-a.serve:
	case <-ctx.Done():
		return nil
	}
	if err := a.list.Listen(); err != nil {
		a.opened <- fmt.Errorf("serve the list: %w", err)
		return nil
	}
	a.log.Info().Stringer("address", a.list.Addr()).Str("path", a.cfg.EDL.Path).Msg("serving the list over HTTPS")
	a.opened <- nil
	return a.list.Run(ctx)
}

// loadBlacklist reads the blacklist for the first time, trying for ever, publishes it, and opens the
// list's listener if it is not open yet. Until it can be read, and while the database is not the one that it was, the
// list is served as it was last saved. A database that is not what it was ends it with an error for which health.IsLost is true. No feed and no
// error mean that ctx ended first.
func (a *Agent) loadBlacklist(ctx context.Context, st *store.Store, m *state.Marker) (*feed, error) {
	f := newFeed(st)
	f.guard, f.releaseAfter, f.list, f.wakeFirewalls = a.guard.Load, a.cfg.Blacklist.ReleaseAfter, a.list, a.fleet.Wake
	f.health, f.log, f.ahead = &a.health, a.log, a.ahead
	f.hear, m.Served = a.takeProtected, func() int64 { return f.current.Load().Version }
	if a.cfg.Blacklist.Neighbourhood.Sources > 0 {
		f.proven = make(map[netip.Prefix]time.Time)
	}
	load := func() error {
		a.health.Began(health.Start, a.now())
		err := m.Check(ctx)
		a.health.Ended(health.Start)
		if err != nil {
			return err
		}
		return f.syncOnce(ctx)
	}
	for try, do := 0, a.patiently; ; try, do = try+1, func(load func() error) error { return load() } {
		err := do(load)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil, nil
		}
		a.health.Failed(a.log, health.Start, err, a.now())
		if err := a.serveLastGood(); err != nil {
			return nil, err
		}
		if health.IsLost(err) {
			return nil, err
		}
		if !loop.Pause(ctx, line.Backoff(try)) {
			return nil, nil
		}
	}
	a.health.Recovered(a.log, health.Start, a.now())
	a.log.Info().Int("addresses", len(f.entries)).Str("store", st.Kind()).Msg("blacklist loaded")
	if a.list != nil {
		f.publish()
	}
	a.feed.Store(f)
	return f, a.serveList()
}

// enforce keeps the firewalls in sync, and looks at their policies, until ctx ends.
func (a *Agent) enforce(ctx context.Context, st *store.Store) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, e := range a.fleet.Enforcers {
		group.Go(func() error {
			if !a.insist(ctx, health.Enforcers, func() error { return e.Restore(ctx, st) }) {
				return nil
			}
			return e.Run(ctx)
		})
	}
	for _, w := range a.fleet.Watchers {
		group.Go(func() error { return w.Run(ctx) })
	}
	for _, k := range a.fleet.Askers {
		group.Go(func() error {
			if !a.insist(ctx, health.Enforcers, func() error { return k.Restore(ctx, st) }) {
				return nil
			}
			return k.Run(ctx)
		})
	}
	group.Go(func() error { a.dropOthers(ctx, st); return nil })
	return group.Wait()
}

// dropOthers removes what is noted of firewalls that were renamed or removed from the configuration: what they hold, and, when
// all others have answered, what they named. What cannot be removed now is at the next start.
func (a *Agent) dropOthers(ctx context.Context, st *store.Store) {
	switch dropped, err := st.DropEnforced(ctx, enforce.Names(a.cfg)); {
	case err != nil && ctx.Err() == nil:
		a.log.Warn().Err(err).Msg("cannot delete enforcement data of firewalls that are not in the configuration")
	case dropped > 0:
		a.log.Info().Int64("addresses", dropped).Msg("deleted enforcement data of firewalls that are not in the configuration")
	}
	if err := a.dropProtected(ctx, st); err != nil && ctx.Err() == nil {
		a.log.Warn().Err(err).Msg("cannot delete what firewalls named that are not in the configuration")
	}
}

// read opens the inputs and reads them.
func (a *Agent) read(ctx context.Context, st *store.Store, f *feed) error {
	l, err := line.Open(ctx, line.Options{
		Store: st, Inputs: allInputs(a), Since: state.FirstStart(a.cfg.StateDir), Settings: Settings(a.cfg), Guard: a.guard.Load, Ours: a.ours, Surge: surge(a.cfg),
		ReleaseAfter: a.cfg.Blacklist.ReleaseAfter, Escalation: escalation(a.cfg), Neighbours: a.cfg.Blacklist.Neighbourhood.Sources, Country: a.geo.Countries(), Stats: a.stats, Attach: f.attach, Wake: f.wakeup.Wake, Logger: a.log, Now: a.now, Ahead: a.ahead, Agreed: a.clock.Agreed, Later: func(anew bool) time.Duration { return a.stats.Later(a.clock, anew) },
		Health: line.Health{
			Insist: func(ctx context.Context, do func() error) bool { return a.insist(ctx, health.Start, do) },
			Begun:  func() { a.health.Began(health.Writer, a.now()) },
			Failed: func(err error) { a.health.Failed(a.log, health.Writer, err, a.now()) },
			Back:   func() { a.health.Recovered(a.log, health.Writer, a.now()) },
		},
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	a.lookout.Remember(l.Known())
	a.reading.Store(true)
	a.log.Info().Int("files", l.Files()).Msg("reading the firewalls' logs")
	a.begin("reading", func(ctx context.Context) error {
		defer l.Close()
		return l.Run(ctx)
	})
	return nil
}

// insist tries something that the store must do until it succeeds; false means that ctx ended first.
func (a *Agent) insist(ctx context.Context, user string, do func() error) bool {
	for try := 0; ; try++ {
		err := do()
		if err == nil {
			a.health.Recovered(a.log, user, a.now())
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		a.health.Failed(a.log, user, err, a.now())
		if !loop.Pause(ctx, line.Backoff(try)) {
			return false
		}
	}
}
