package enforce

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"activedefense/agent/loop"
	"activedefense/firewall"
	"activedefense/firewall/xmlapi"
	"activedefense/store"
)

const (
	// reconcileEvery is how often everything on a firewall is read back and compared.
	reconcileEvery = 5 * time.Minute
	// renewEvery is how often registrations are looked over for their timeouts in between.
	renewEvery = time.Minute
	// passTime is after how long a pass leaves the rest of a long backlog to the next one, so that a new
	// block does not wait behind the first 50,000.
	passTime = 2 * time.Second
	// retryFirst and retryMost bound the wait after a failed pass.
	retryFirst = time.Second
	retryMost  = time.Minute
	// standbyEvery is how often the passive member of a pair is tried that takes no tags: it may have become the active one.
	standbyEvery = 5 * time.Second
	// saveTimeout bounds noting in the store what a firewall holds; a stop waits for it no longer than stopGrace.
	saveTimeout = 5 * time.Second
	stopGrace   = 1500 * time.Millisecond
	// strayTimeout bounds asking the store whose an address is.
	strayTimeout = 5 * time.Second
	// namedRefusals is how many addresses are named in one log message.
	namedRefusals = 5
)

// A keeper brings one firewall level with the blacklist in one of the modes.
type keeper interface {
	Reconcile(ctx context.Context, desired []firewall.Entry, full bool) (firewall.Report, error)
	Restore(until map[netip.Prefix]time.Time)
}

// An Enforcer brings one firewall level with the blacklist, and keeps it so. Each has a goroutine and a
// connection of its own: a broken firewall delays no other.
type Enforcer struct {
	name     string
	devices  []*xmlapi.Device
	paired   bool // devices are of a pair of high availability
	ways     []*access
	resting  bool // in maintenance: there are no devices, and nothing else either
	keeper   keeper
	fallback *fallback       // nil: no list is served, or it is the mode itself
	sessions []*sessionEnder // one for each member; empty: sessions are left alone
	pulse    *pulse          // nil: it is asked nothing between passes
	calls    *Calls          // nil: they are not counted
	desired  func() *Snapshot
	store    *store.Store
	log      zerolog.Logger
	now      func() time.Time
	timer    func(time.Duration) loop.Timer // loop.NewTimer
	wakeup   loop.Wakeup
	returned loop.Wakeup // it answers again
	back     []func()    // called when the first pass has succeeded, and the first after any that failed; they do not block
	watched  []func()    // called when a commit has ended on it; they do not block

	put  map[netip.Prefix]store.Enforcement // to be noted in the store
	drop map[netip.Prefix]bool
	left map[netip.Prefix]bool // what is noted as left out for want of room

	unread map[netip.Prefix]bool // what was written and not read back since
	before Status                // what an earlier one was in, until this one has been in any
	readAt time.Time             // when all that the firewall holds was last read; zero: not by us
	toNote bool                  // readAt is to be noted in the store

	// Since when an earlier one saw that the firewall runs out of room, and that it holds strays, until this one has looked; nil: it did not.
	fullBefore, straysBefore *time.Time

	adopt    atomic.Bool // what stands and was never ours is to be taken for ours, in the next full pass
	adopting bool        // in this pass

	mu     sync.Mutex
	state  Status
	silent bool // it did not answer when it was last asked between passes
}

func newEnforcer(name string, log zerolog.Logger) *Enforcer {
	return &Enforcer{
		name: name, log: log, now: time.Now, timer: loop.NewTimer, wakeup: loop.NewWakeup(), returned: loop.NewWakeup(),
		put: make(map[netip.Prefix]store.Enforcement), drop: make(map[netip.Prefix]bool), left: make(map[netip.Prefix]bool),
		unread: make(map[netip.Prefix]bool),
		state:  Status{Name: name, State: StateUnknown},
	}
}

func (e *Enforcer) wake() {
	e.wakeup.Wake()
	if e.fallback != nil {
		e.fallback.wakeup.Wake()
	}
}

// Restore tells the firewall what an earlier run noted, so that timeouts are not renewed all at once.
func (e *Enforcer) Restore(ctx context.Context, st *store.Store) error {
	e.store = st
	if e.resting {
		return nil
	}
	held, err := e.store.Enforced(ctx, e.name)
	if err != nil {
		return fmt.Errorf("load the enforcement state of firewall %s: %w", e.name, err)
	}
	until := make(map[netip.Prefix]time.Time, len(held))
	for _, h := range held {
		if h.LeftOut {
			e.left[h.Address] = true
			continue
		}
		until[h.Address] = h.Until
	}
	e.keeper.Restore(until)
	return nil
}

// Run keeps the firewall level until ctx ends, and does beside it what must hold up no pass: ending sessions, and having
// the list fetched.
func (e *Enforcer) Run(ctx context.Context) error {
	if e.resting {
		<-ctx.Done()
		return nil
	}
	defer e.close()
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range e.sessions {
		group.Go(func() error { return s.run(ctx) })
	}
	if e.fallback != nil {
		group.Go(func() error { return e.fallback.run(ctx) })
	}
	if e.pulse != nil {
		group.Go(func() error { return e.pulse.run(ctx) })
	}
	group.Go(func() error { return e.passes(ctx) })
	return group.Wait()
}

// passes makes passes until ctx ends: at once when woken, a full one every reconcileEvery, and after a
// failure with a growing wait, for ever.
func (e *Enforcer) passes(ctx context.Context) error {
	full, level, standby := true, false, false
	var lastFull time.Time
	failures := 0
	timer := e.timer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.wakeup:
			if !level { // a wake-up does not shorten the wait of a broken firewall
				continue
			}
		case <-e.returned:
			full, failures = true, 0 // it may have lost all
		case <-timer.C:
		}
		if standby && e.stillPassive(ctx) { // one call, where a pass may read everything
			timer.Reset(standbyEvery)
			continue
		}
		if e.now().Sub(lastFull) >= reconcileEvery {
			full = true
		}
		report, err := e.passOnce(ctx, full)
		standby = e.standsBy(err)
		switch {
		case ctx.Err() != nil:
			return nil
		case standby:
			full, level, failures = true, false, 0
			timer.Reset(standbyEvery)
		case err != nil:
			failures++
			full, level = true, false // what stands is in doubt
			timer.Reset(min(retryFirst<<min(failures-1, 6), retryMost))
		default:
			if !level {
				for _, tell := range e.back {
					tell()
				}
			}
			level, failures = true, 0
			if full {
				lastFull, full = e.now(), false
			}
			timer.Reset(nextPass(report))
		}
	}
}

// standsBy tells whether a pass ended because the firewall is the passive member of a pair and takes no tags. That is no
// trouble: the active one does, and it blocks.
func (e *Enforcer) standsBy(err error) bool {
	return e.paired && len(e.devices) == 1 && xmlapi.Kind(err) == xmlapi.KindPassive
}

// stillPassive asks a firewall that stands by; trouble in asking is for a pass to find.
func (e *Enforcer) stillPassive(ctx context.Context) bool {
	passive, err := xmlapi.Passive(ctx, e.devices[0])
	return passive && err == nil
}

// nextPass is when the next pass comes if nobody wakes the enforcer.
func nextPass(r firewall.Report) time.Duration {
	if r.Backlog > 0 {
		return 0
	}
	next := renewEvery
	for _, due := range []time.Duration{r.Waiting, r.LookAgain} {
		if due > 0 {
			next = min(next, due)
		}
	}
	return next
}

func (e *Enforcer) close() {
	for _, d := range e.devices {
		d.Close()
	}
}

// stray tells which addresses this database never blocked; of a person who adopts them it is told that they are ours. It is a
// firewall.Stray, called within a pass.
func (e *Enforcer) stray(ctx context.Context, standing []netip.Prefix) ([]netip.Prefix, error) {
	if e.adopting {
		for _, prefix := range standing { // for good: a brake may hold them
			e.put[prefix] = store.Enforcement{Firewall: e.name, Address: prefix, Since: e.now()}
			delete(e.drop, prefix)
		}
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, strayTimeout)
	defer cancel()
	strays, err := e.store.NeverBlocked(ctx, e.name, standing)
	if err != nil {
		e.log.Debug().Err(err).Msg("it is not known whose some of the addresses on the firewall are; none of them is removed now")
	}
	return strays, err
}

// passOnce brings the firewall level with the blacklist as it is now, as far as one pass can.
func (e *Enforcer) passOnce(ctx context.Context, full bool) (firewall.Report, error) {
	desired := e.desired()
	e.adopting = e.adopt.Swap(false)
	defer func() { e.adopting = false }()
	report, err := e.keeper.Reconcile(ctx, desired.Entries, full)
	e.note(report)
	if e.adopting && (err != nil || !report.Sorted) {
		e.adopt.Store(true) // it may not have been asked
	}
	if err == nil {
		e.noteLeftOut(report.LeftOut)
	}
	e.save(ctx)
	if e.fallback != nil {
		e.fallback.judge(report, err)
		if len(report.Unregistered) > 0 {
			e.fallback.released(desired.Version)
		}
	}
	if ctx.Err() == nil { // a pass that a stop breaks off says nothing about the firewall
		e.show(report, len(desired.Entries), err)
	}
	e.calls.committed(e.devices)
	for _, s := range e.sessions {
		s.end(report.Registered)
	}
	return report, err
}

// note keeps what the pass changed, also of one that failed half-way.
func (e *Enforcer) note(r firewall.Report) {
	for _, prefix := range r.Gone {
		e.drop[prefix] = true
		delete(e.put, prefix)
		delete(e.unread, prefix)
	}
	if !r.ReadAt.IsZero() {
		e.readAt, e.toNote = r.ReadAt, true
	}
	for _, entry := range r.Registered {
		e.unread[entry.Prefix] = true
	}
	for _, entry := range r.Seen {
		delete(e.unread, entry.Prefix)
	}
	for _, list := range [][]firewall.Entry{r.Registered, r.Renewed} {
		for _, entry := range list {
			noted := store.Enforcement{Firewall: e.name, Address: entry.Prefix, Since: e.now(), Until: entry.Until}
			if !e.unread[entry.Prefix] {
				noted.Seen = e.readAt
			}
			e.put[entry.Prefix] = noted
			delete(e.drop, entry.Prefix)
		}
	}
	for _, entry := range r.Seen {
		e.put[entry.Prefix] = store.Enforcement{Firewall: e.name, Address: entry.Prefix, Since: e.now(), Until: entry.Until, Seen: r.SeenAt}
		delete(e.drop, entry.Prefix)
	}
	for _, prefix := range r.Unregistered {
		e.drop[prefix] = true
		delete(e.put, prefix)
		delete(e.unread, prefix)
	}
}

// noteLeftOut keeps what the firewall has no room for: only what came to it or ended with this pass is written.
func (e *Enforcer) noteLeftOut(list []netip.Prefix) {
	now := make(map[netip.Prefix]bool, len(list))
	for _, prefix := range list {
		now[prefix] = true
		if !e.left[prefix] {
			e.put[prefix] = store.Enforcement{Firewall: e.name, Address: prefix, Since: e.now(), LeftOut: true}
			delete(e.drop, prefix)
		}
	}
	for prefix := range e.left {
		if noted, put := e.put[prefix]; !now[prefix] && (!put || noted.LeftOut) {
			e.drop[prefix] = true
			delete(e.put, prefix)
		}
	}
	e.left = now
}

// save writes it to the store, for `blacklist show` and the next start. It is repeated with the next
// pass if the store is away: the firewall itself is the truth about what it holds.
func (e *Enforcer) save(ctx context.Context) {
	if len(e.put) == 0 && len(e.drop) == 0 && !e.toNote {
		return
	}
	var read time.Time
	if e.toNote {
		read = e.readAt
	}
	put := make([]store.Enforcement, 0, len(e.put))
	for _, p := range e.put {
		put = append(put, p)
	}
	drop := make([]netip.Prefix, 0, len(e.drop))
	for p := range e.drop {
		drop = append(drop, p)
	}
	saving, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopGrace, cancel) })()
	if err := e.store.SaveRead(saving, e.name, read, put, drop); err != nil {
		e.log.Debug().Err(err).Msg("cannot save the enforcement state; retrying with the next pass")
		return
	}
	clear(e.put)
	clear(e.drop)
	e.toNote = false
}
