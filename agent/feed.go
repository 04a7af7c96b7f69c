package agent

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/clock"
	"activedefense/agent/edl"
	"activedefense/agent/enforce"
	"activedefense/agent/health"
	"activedefense/agent/line"
	"activedefense/agent/loop"
	"activedefense/agent/state"
	"activedefense/detect"
	"activedefense/firewall"
	"activedefense/store"
)

const (
	// feedEvery is how soon a change by another process (the command line, another agent) is noticed.
	feedEvery = time.Second
	// listEvery bounds how often the list is rendered anew while blocks keep coming.
	listEvery = 250 * time.Millisecond
	// activityEvery is how often mere activity of blocked sources renews the list's order.
	activityEvery = time.Minute
	// snapshotEvery bounds how often mere activity is shown to the enforcers.
	snapshotEvery = 10 * time.Second
)

// The feed keeps the blacklist in memory by following the store's versions, and tells everyone who
// depends on it. It is the only reader of changes: whoever wrote them, this is how they take effect.
type feed struct {
	store        *store.Store
	hear         func(context.Context) error // takes over what others never block
	guard        func() *detect.Guard
	releaseAfter time.Duration
	list         *edl.Server // nil when no list is served
	// wakeFirewalls has the firewalls brought in sync.
	wakeFirewalls func()
	health        *health.Health
	log           zerolog.Logger
	now           func() time.Time
	ahead         func() time.Duration // by how much now is ahead of what can be believed

	mu      sync.Mutex
	engine  func([]line.Change)          // tells the engine; nil until there is one
	waiting map[netip.Prefix]store.State // what is held or observed: nobody enforces it
	// proven is when what counts among its neighbours was blocked; nil: nobody asks.
	proven map[netip.Prefix]time.Time
	// accepted is until when what a person accepted is not held again.
	accepted map[netip.Prefix]time.Time

	checkAll atomic.Bool // the guard has changed
	wakeup   loop.Wakeup // for a look at the store now; a lost one does no harm, for the next tick looks too
	version  int64
	heard    int64                  // the version of what others never block
	entries  []firewall.Entry       // what is blocked, close together: it is copied with every new block
	place    map[netip.Prefix]int   // of each among them
	lifts    map[netip.Prefix]error // why: to be released as soon as the store takes it
	current  atomic.Pointer[enforce.Snapshot]
	served   atomic.Pointer[enforce.Snapshot] // what the list serves; nil: nothing yet
	enforced atomic.Pointer[enforce.Snapshot] // current, or nothing while it is paused
	pause    atomic.Pointer[store.Pause]      // nil: there is none
	paused   atomic.Bool                      // it is in effect

	pausedUntil time.Time // what list and log were told of the pause; zero: there is none

	loaded     bool          // everything was read once: what comes now is news
	untold     []line.Change // came or went; kept until a reading is complete, for it may fail half-way
	decided    bool          // a person may have accepted, or taken that back, since accepted was read
	unshown    bool          // blocked addresses came or went since the snapshot was made
	membership bool          // the same since the list was published
	activity   bool          // times moved since then
	published  time.Time     // when the list was last rendered
	moved      bool          // times moved since the snapshot was made
	snapped    time.Time     // when that was
	shifted    time.Duration // by how much times of release were moved in it
	regrouped  bool          // other addresses of a blocked network were seen since then
}

func newFeed(st *store.Store) *feed {
	f := &feed{
		store: st, wakeup: loop.NewWakeup(), now: time.Now, ahead: func() time.Duration { return 0 }, hear: func(context.Context) error { return nil }, wakeFirewalls: func() {},
		place: make(map[netip.Prefix]int), lifts: make(map[netip.Prefix]error), waiting: make(map[netip.Prefix]store.State),
		decided: true, heard: -1,
	}
	f.current.Store(&enforce.Snapshot{})
	f.enforced.Store(&enforce.Snapshot{})
	return f
}

// run follows the store until ctx ends.
func (f *feed) run(ctx context.Context) error {
	tick := time.NewTicker(feedEvery)
	defer tick.Stop()
	soon := time.NewTimer(time.Hour)
	defer soon.Stop()
	for {
		f.health.Began(health.Feed, f.now())
		if err := f.syncOnce(ctx); err != nil && ctx.Err() == nil {
			f.health.Failed(f.log, health.Feed, err, f.now())
		} else if err == nil {
			f.health.Recovered(f.log, health.Feed, f.now())
		}
		if wait := f.publishIfDue(); wait > 0 {
			soon.Reset(wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.wakeup:
		case <-tick.C:
		case <-soon.C:
		}
	}
}

// syncOnce takes over what changed in the store since the last time.
func (f *feed) syncOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if f.checkAll.Swap(false) {
		f.checkEntries()
		f.showLifted()
	}
	f.showPause()
	f.lift(ctx)
	version, guards, err := f.store.Versions(ctx)
	if err != nil {
		return err
	}
	if version < f.version {
		// An emptied or restored database must not shrink the list by itself, nor when it has come as far again.
		err := fmt.Errorf("%w: the blacklist in it was at version %d, but before at %d; the blacklist already loaded stays in effect", state.ErrBehind, version, f.version)
		f.store.Refuse(err)
		return err
	}
	if guards != f.heard { // first, so that no block of theirs is taken that this forbids
		if err := f.takeGuards(ctx); err != nil {
			return err
		}
		f.heard = guards
	}
	if version == f.version && len(f.untold) == 0 {
		f.loaded = true
		f.snapshotIfDue()
		return nil
	}
	version, err = f.store.Changes(ctx, f.version, func(e *store.Entry) error {
		f.take(e)
		return nil
	})
	if err != nil {
		return err
	}
	if err := f.readAccepted(ctx); err != nil {
		return err
	}
	f.version, f.loaded = version, true
	f.activity, f.moved = true, true
	blocked := f.unshown
	if blocked {
		f.snapshot() // before anyone is told, so that whoever attaches in between misses nothing
		f.membership = true
	} else {
		f.snapshotIfDue()
	}
	f.tell(f.untold)
	f.untold = nil
	if blocked {
		f.wakeFirewalls()
	}
	f.lift(ctx)
	return nil
}

// takeGuards takes over what is never blocked, and whether a person has paused enforcement.
func (f *feed) takeGuards(ctx context.Context) error {
	if err := f.hear(ctx); err != nil {
		return err
	}
	pause, err := f.store.Paused(ctx)
	if err != nil {
		return err
	}
	f.pause.Store(pause)
	f.showPause()
	f.checkEntries()
	f.showLifted()
	f.lift(ctx)
	return nil
}

// showLifted has what the guard does not allow leave the list and the firewalls now: the store, which may be away, notes it
// afterwards. The list goes first, for the version stays, and a firewall that lets go is told to fetch the list of that version.
func (f *feed) showLifted() {
	if !f.loaded || !f.unshown {
		return
	}
	if f.list != nil {
		f.render()
	}
	f.snapshot()
	if f.list != nil {
		f.served.Store(f.enforced.Load())
	}
	f.tell(f.untold)
	f.untold = nil
	f.wakeFirewalls()
}

// attach tells the engine what is blocked, held and observed now, and from now on of every change.
func (f *feed) attach(notice func([]line.Change)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.engine = notice
	var changes []line.Change
	for _, e := range f.current.Load().Entries {
		changes = append(changes, line.Change{Address: e.Prefix, Blocked: true, Proven: f.proven[e.Prefix]})
	}
	for prefix, state := range f.waiting {
		changes = append(changes, line.Change{Address: prefix, Waiting: state})
	}
	for prefix, until := range f.accepted {
		changes = append(changes, line.Change{Address: prefix, NotHeld: until})
	}
	notice(changes)
}

// undecided counts what is held and what is observed.
func (f *feed) undecided() (held, observed int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, state := range f.waiting {
		if state == store.Held {
			held++
		}
	}
	return held, len(f.waiting) - held
}

// tell passes changes on to the engine.
func (f *feed) tell(changes []line.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.engine != nil {
		f.engine(changes)
	}
}

// recheck has every entry held against the guard again.
func (f *feed) recheck() {
	f.checkAll.Store(true)
	f.wakeup.Wake()
}

// snapshotIfDue takes over mere activity. It moves times of release, which the enforcers need not know at
// once, comes with every commit while blocked sources go on, and copying 200,000 entries takes milliseconds.
func (f *feed) snapshotIfDue() {
	if f.shifts(); f.moved && f.now().Sub(f.snapped) >= max(min(snapshotEvery, f.releaseAfter/10), time.Second) {
		regrouped := f.regrouped
		f.snapshot()
		if regrouped {
			f.wakeFirewalls()
		}
	}
}

// snapshot makes the present blacklist visible to the enforcers.
func (f *feed) snapshot() {
	f.snapped, f.moved, f.unshown, f.regrouped = f.now(), false, false, false
	entries := slices.Clone(f.entries)
	// The enforcers tell a firewall for how long it is to hold an address, and go by this host's clock.
	if f.shifted = f.ahead(); f.shifted > 0 {
		for i := range entries {
			if until := &entries[i].Until; !until.IsZero() {
				*until = until.Add(f.shifted)
			}
		}
	}
	now := &enforce.Snapshot{Version: f.version, Entries: entries}
	f.current.Store(now)
	if f.paused.Load() {
		now = &enforce.Snapshot{Version: f.version}
	}
	f.enforced.Store(now)
}

// shifts notes that this host's clock was set: times of release mean something else then.
func (f *feed) shifts() {
	f.moved = f.moved || (f.ahead()-f.shifted).Abs() > clock.Tolerance
}

// standing is how many are blocked.
func (f *feed) standing() int { return len(f.current.Load().Entries) }

// publishIfDue renders the list when something changed, but not for every block of a burst; it
// returns how long to wait when it is too early.
func (f *feed) publishIfDue() time.Duration {
	if f.list == nil {
		return 0
	}
	passed := f.now().Sub(f.published)
	switch {
	case f.membership && passed < listEvery:
		return listEvery - passed
	case !f.membership && (!f.activity || passed < activityEvery):
		return 0
	}
	f.publish()
	return 0
}

func (f *feed) publish() {
	f.render()
	f.served.Store(f.enforced.Load())
	f.wakeFirewalls() // those of firewalls that fetch it
}

// render has the list serve what is blocked; while it is paused, nothing: an empty list, as a person said so.
func (f *feed) render() {
	entries := make([]edl.Entry, 0, len(f.entries))
	for i := range f.entries {
		e := &f.entries[i]
		entries = append(entries, edl.Entry{Prefix: e.Prefix, LastSeen: e.LastSeen, Rank: e.Rank})
	}
	f.published = f.now()
	f.membership, f.activity = false, false
	if f.paused.Load() {
		f.list.PublishPaused(entries, f.published, f.pause.Load().Until)
		return
	}
	f.list.Publish(entries, f.published)
}
