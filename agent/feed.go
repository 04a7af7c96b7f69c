package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/edl"
	"activedefense/agent/enforce"
	"activedefense/agent/line"
	"activedefense/agent/loop"
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
	guard        func() *detect.Guard
	releaseAfter time.Duration
	list         *edl.Server // nil when no list is served
	// wakeFirewalls has the firewalls brought in sync.
	wakeFirewalls func()
	health        *health
	log           zerolog.Logger
	now           func() time.Time

	mu      sync.Mutex
	engine  func([]line.Change)          // tells the engine; nil until there is one
	waiting map[netip.Prefix]store.State // what is held or observed: nobody enforces it

	checkAll atomic.Bool // the guard has changed
	wakeup   loop.Wakeup // for a look at the store now; a lost one does no harm, for the next tick looks too
	version  int64
	entries  map[netip.Prefix]firewall.Entry
	lifts    map[netip.Prefix]error // why: to be released as soon as the store takes it
	current  atomic.Pointer[enforce.Snapshot]
	served   atomic.Pointer[enforce.Snapshot] // what the list serves; nil: nothing yet

	loaded     bool          // everything was read once: what comes now is news
	untold     []line.Change // came or went; kept until a reading is complete, for it may fail half-way
	unshown    bool          // blocked addresses came or went since the snapshot was made
	membership bool          // the same since the list was published
	activity   bool          // times moved since then
	published  time.Time     // when the list was last rendered
	moved      bool          // times moved since the snapshot was made
	snapped    time.Time     // when that was
}

func newFeed(st *store.Store) *feed {
	f := &feed{
		store: st, wakeup: loop.NewWakeup(), now: time.Now, wakeFirewalls: func() {},
		entries: make(map[netip.Prefix]firewall.Entry), lifts: make(map[netip.Prefix]error), waiting: make(map[netip.Prefix]store.State),
	}
	f.current.Store(&enforce.Snapshot{})
	return f
}

// run follows the store until ctx ends.
func (f *feed) run(ctx context.Context) error {
	tick := time.NewTicker(feedEvery)
	defer tick.Stop()
	soon := time.NewTimer(time.Hour)
	defer soon.Stop()
	for {
		if err := f.syncOnce(ctx); err != nil && ctx.Err() == nil {
			f.health.failed(f.log, userFeed, err, f.now())
		} else if err == nil {
			f.health.recovered(f.log, userFeed, f.now())
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
	for prefix, refusal := range f.lifts {
		f.lift(ctx, prefix, refusal)
	}
	if f.checkAll.Swap(false) {
		f.checkEntries(ctx)
	}
	version, err := f.store.Version(ctx)
	if err != nil {
		return err
	}
	if version < f.version {
		// An emptied or restored database must not shrink the list by itself.
		return fmt.Errorf("the blacklist in the store is at version %d, but was at %d: was the database replaced? the blacklist already loaded stays in effect; "+
			"restore the previous database, or delete %s in state_dir and restart the agent to continue with this one", version, f.version, markFile)
	}
	if version == f.version && len(f.untold) == 0 {
		f.loaded = true
		f.snapshotIfDue()
		return nil
	}
	version, err = f.store.Changes(ctx, f.version, func(e *store.Entry) error {
		f.take(ctx, e)
		return nil
	})
	if err != nil {
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
	return nil
}

// attach tells the engine what is blocked, held and observed now, and from now on of every change.
func (f *feed) attach(notice func([]line.Change)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.engine = notice
	var changes []line.Change
	for _, e := range f.current.Load().Entries {
		changes = append(changes, line.Change{Address: e.Prefix, Blocked: true})
	}
	for prefix, state := range f.waiting {
		changes = append(changes, line.Change{Address: prefix, Waiting: state})
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

// checkEntries lifts entries that the guard, which has changed, no longer allows.
func (f *feed) checkEntries(ctx context.Context) {
	all := slices.Collect(maps.Keys(f.entries))
	f.mu.Lock()
	all = slices.AppendSeq(all, maps.Keys(f.waiting))
	f.mu.Unlock()
	for _, prefix := range all {
		if err := f.guard().Check(prefix); err != nil {
			f.lift(ctx, prefix, err)
			f.leave(prefix)
			f.untold = append(f.untold, line.Change{Address: prefix})
		}
	}
}

// leave forgets an address, and tells whether it was known.
func (f *feed) leave(prefix netip.Prefix) (known bool) {
	_, blocked := f.entries[prefix]
	f.unshown = f.unshown || blocked
	delete(f.entries, prefix)
	f.mu.Lock()
	defer f.mu.Unlock()
	_, waiting := f.waiting[prefix]
	delete(f.waiting, prefix)
	return blocked || waiting
}

// take applies one entry, and notes when an address came, went, or was decided about.
func (f *feed) take(ctx context.Context, e *store.Entry) {
	if !e.ReleasedAt.IsZero() {
		if f.leave(e.Address) {
			f.log.Info().Str("address", detect.AddressText(e.Address)).Str("by", e.ReleasedBy).Str("state", e.State.String()).Msg("released: " + e.ReleaseReason)
		}
		// Told to the engine even if it was not held here: evidence up to the release must not count.
		f.untold = append(f.untold, line.Change{Address: e.Address})
		return
	}
	if err := f.guard().Check(e.Address); err != nil {
		f.lift(ctx, e.Address, err)
		if f.leave(e.Address) {
			f.untold = append(f.untold, line.Change{Address: e.Address})
		}
		return
	}
	if e.State != store.Blocked {
		f.wait(e)
		return
	}
	_, had := f.entries[e.Address]
	if !had {
		if f.leave(e.Address) {
			f.log.Info().Str("address", detect.AddressText(e.Address)).Str("by", e.By).Msg("blocked, and no longer held or observed: " + e.Reason)
		} else if f.loaded && e.By != store.ByDetector {
			f.log.Info().Str("address", detect.AddressText(e.Address)).Str("by", e.By).Msg("blocked: " + e.Reason)
		}
		f.unshown = true
		f.untold = append(f.untold, line.Change{Address: e.Address, Blocked: true})
	}
	f.entries[e.Address] = enforce.EntryOf(e, f.releaseAfter)
}

// wait takes over an entry that is held or observed.
func (f *feed) wait(e *store.Entry) {
	f.mu.Lock()
	known, had := f.waiting[e.Address]
	f.waiting[e.Address] = e.State
	f.mu.Unlock()
	if _, blocked := f.entries[e.Address]; blocked {
		// Of another database, for here nothing is lowered: what it says counts.
		delete(f.entries, e.Address)
		f.unshown = true
		f.untold = append(f.untold, line.Change{Address: e.Address})
	}
	if !had || known != e.State {
		f.untold = append(f.untold, line.Change{Address: e.Address, Waiting: e.State})
	}
}

// lift releases an entry that the guard does not allow: never_block wins over what stands. It is not
// served or enforced from now on, also when the store cannot note it yet.
func (f *feed) lift(ctx context.Context, prefix netip.Prefix, refusal error) {
	_, err := f.store.Release(ctx, prefix, store.ByDetector, refusal.Error(), f.now())
	switch {
	case errors.Is(err, store.ErrNotBlocked): // somebody else was faster
		delete(f.lifts, prefix)
	case err != nil:
		f.lifts[prefix] = refusal
	default:
		delete(f.lifts, prefix)
		f.log.Warn().Str("address", detect.AddressText(prefix)).Msg("released: " + refusal.Error())
	}
}

// snapshotIfDue takes over mere activity. It moves times of release, which the enforcers need not know at
// once, comes with every commit while blocked sources go on, and copying 200,000 entries takes 60 ms.
func (f *feed) snapshotIfDue() {
	if f.moved && f.now().Sub(f.snapped) >= max(min(snapshotEvery, f.releaseAfter/10), time.Second) {
		f.snapshot()
	}
}

// snapshot makes the present blacklist visible to the enforcers.
func (f *feed) snapshot() {
	f.snapped, f.moved, f.unshown = f.now(), false, false
	f.current.Store(&enforce.Snapshot{Version: f.version, Entries: slices.Collect(maps.Values(f.entries))})
}

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
	entries := make([]edl.Entry, 0, len(f.entries))
	for prefix, e := range f.entries {
		entries = append(entries, edl.Entry{Prefix: prefix, LastSeen: e.LastSeen, Rank: e.Rank})
	}
	f.published = f.now()
	f.membership, f.activity = false, false
	f.list.Publish(entries, f.published)
	f.served.Store(f.current.Load())
	f.wakeFirewalls() // those of firewalls that fetch it
}
