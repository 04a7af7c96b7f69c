package agent

import (
	"activedefense/agent/allow"
	"activedefense/agent/enforce"
	"activedefense/agent/line"
	"activedefense/detect"
	"activedefense/firewall"
	"activedefense/store"
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// acceptedFor is how long what a person accepted is not held again.
const acceptedFor = 365 * 24 * time.Hour

// readAccepted takes over what persons accepted and took back, if that can have changed.
func (f *feed) readAccepted(ctx context.Context) error {
	if !f.decided {
		return nil
	}
	list, err := f.store.AcceptedSince(ctx, f.now().Add(-acceptedFor))
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := make(map[netip.Prefix]time.Time, len(list))
	for _, a := range list {
		now[a.Address] = a.At.Add(acceptedFor)
		if f.accepted[a.Address] != now[a.Address] {
			f.untold = append(f.untold, line.Change{Address: a.Address, NotHeld: now[a.Address]})
		}
	}
	for prefix := range f.accepted {
		if _, still := now[prefix]; !still {
			f.untold = append(f.untold, line.Change{Address: prefix, NotHeld: time.Unix(1, 0)})
		}
	}
	f.accepted, f.decided = now, false
	return nil
}

// checkEntries lifts entries that the guard, which has changed, no longer allows.
func (f *feed) checkEntries() {
	all := slices.Collect(maps.Keys(f.place))
	f.mu.Lock()
	all = slices.AppendSeq(all, maps.Keys(f.waiting))
	f.mu.Unlock()
	for _, prefix := range all {
		if err := f.guard().Check(prefix); err != nil {
			f.lifts[prefix] = err
			f.leave(prefix)
			f.untold = append(f.untold, line.Change{Address: prefix})
		}
	}
}

// showPause has everything leave the list and the firewalls when a pause begins, and come back when it is over, also while the store is away.
func (f *feed) showPause() {
	p := f.pause.Load()
	is := p != nil && p.Until.After(f.now())
	var until time.Time
	if is {
		until = p.Until
	}
	if f.paused.Swap(is) == is && until.Equal(f.pausedUntil) {
		return
	}
	if f.pausedUntil = until; is {
		f.log.Warn().Str("by", p.By).Time("until", p.Until).Msg("PAUSED: nothing is enforced on firewalls and list: " + p.Reason)
	} else {
		f.log.Info().Msg("the pause is over: what is blocked is enforced again")
	}
	f.unshown = true
	f.showLifted()
}

// pauseStatus is the pause in effect; nil: there is none.
func (f *feed) pauseStatus() *allow.Pause {
	if p := f.pause.Load(); p != nil && f.paused.Load() {
		return allow.NewPause(p)
	}
	return nil
}

// mayEnforce tells what may be on a firewall at all: what stands there and may not passes every brake.
func (f *feed) mayEnforce(p netip.Prefix) bool { return !f.paused.Load() && f.guard().Check(p) == nil }

// disallowed has the engine forget what was allowed until now has done.
func (f *feed) disallowed(gone []netip.Prefix) {
	changes := make([]line.Change, len(gone))
	for i, p := range gone {
		changes[i] = line.Change{Address: p, Forgotten: true}
	}
	f.tell(changes)
}

// leave forgets an address, and tells whether it was known.
func (f *feed) leave(prefix netip.Prefix) (known bool) {
	blocked := f.drop(prefix)
	f.unshown = f.unshown || blocked
	f.mu.Lock()
	defer f.mu.Unlock()
	_, waiting := f.waiting[prefix]
	delete(f.waiting, prefix)
	delete(f.proven, prefix)
	return blocked || waiting
}

// drop takes an address from what is blocked, and tells whether it was.
func (f *feed) drop(prefix netip.Prefix) (blocked bool) {
	i, blocked := f.place[prefix]
	if !blocked {
		return false
	}
	last := len(f.entries) - 1
	f.entries[i] = f.entries[last]
	f.place[f.entries[i].Prefix] = i
	f.entries[last] = firewall.Entry{}
	f.entries = f.entries[:last]
	delete(f.place, prefix)
	return true
}

// take applies one entry, and notes when an address came, went, or was decided about.
func (f *feed) take(e *store.Entry) {
	if e.Past() {
		return // nobody enforced it, and what its source has done since counts
	}
	if !e.ReleasedAt.IsZero() {
		f.decided = f.decided || store.ByPerson(e.ReleasedBy)
		if f.leave(e.Address) && e.ReleasedBy != store.ByLabelFile { // of a file it is told how many
			f.log.Info().Str("address", detect.AddressText(e.Address)).Str("by", e.ReleasedBy).Str("state", e.State.String()).Msg("released: " + e.ReleaseReason)
		}
		// Told to the engine even if it was not held here: evidence up to the release must not count.
		f.untold = append(f.untold, line.Change{Address: e.Address, ByPerson: store.ByPerson(e.ReleasedBy)})
		return
	}
	if err := f.guard().Check(e.Address); err != nil {
		f.lifts[e.Address] = err
		if f.leave(e.Address) {
			f.untold = append(f.untold, line.Change{Address: e.Address})
		}
		return
	}
	if e.State != store.Blocked {
		f.wait(e)
		return
	}
	i, had := f.place[e.Address]
	if !had {
		if f.leave(e.Address) {
			f.log.Info().Str("address", detect.AddressText(e.Address)).Str("by", e.By).Msg("blocked, and no longer held or observed: " + e.Reason)
		} else if f.loaded && store.ByPerson(e.By) {
			f.log.Info().Str("address", detect.AddressText(e.Address)).Str("by", e.By).Msg("blocked: " + e.Reason)
		}
		f.decided = f.decided || e.Hold != ""
		f.unshown = true
		f.untold = append(f.untold, line.Change{Address: e.Address, Blocked: true, Proven: f.proves(e)})
		i = len(f.entries)
		f.place[e.Address] = i
		f.entries = append(f.entries, firewall.Entry{Members: e.Members})
	}
	f.regrouped = f.regrouped || !slices.Equal(f.entries[i].Members, e.Members)
	f.entries[i] = enforce.EntryOf(e, f.releaseAfter)
}

// proves gives when an entry was blocked that counts among its neighbours; the zero time if it does not.
func (f *feed) proves(e *store.Entry) (at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.proven == nil || !e.Counts() {
		return at
	}
	f.proven[e.Address] = e.BlockedAt
	return e.BlockedAt
}

// wait takes over an entry that is held or observed.
func (f *feed) wait(e *store.Entry) {
	f.mu.Lock()
	known, had := f.waiting[e.Address]
	f.waiting[e.Address] = e.State
	f.mu.Unlock()
	if f.drop(e.Address) {
		// Of another database, for here nothing is lowered: what it says counts.
		f.unshown = true
		f.untold = append(f.untold, line.Change{Address: e.Address})
	}
	if !had || known != e.State {
		f.untold = append(f.untold, line.Change{Address: e.Address, Waiting: e.State})
	}
}

// liftMost is how many entries one transaction lifts.
const liftMost = 250

// lift releases the entries that the guard does not allow: never_block wins over what stands. They are not served or enforced
// any more, also while the store cannot note it.
func (f *feed) lift(ctx context.Context) {
	for part := range slices.Chunk(slices.SortedFunc(maps.Keys(f.lifts), netip.Prefix.Compare), liftMost) {
		reasons := make(map[netip.Prefix]string, len(part))
		for _, prefix := range part {
			reasons[prefix] = f.lifts[prefix].Error()
		}
		released, err := f.store.ReleaseAll(ctx, reasons, f.now())
		if err != nil {
			return // the next look tries again, and says that the store is away
		}
		for _, prefix := range part {
			delete(f.lifts, prefix) // also what somebody else was faster with
		}
		for i := range released {
			f.log.Warn().Str("address", detect.AddressText(released[i].Address)).Msg("released: " + released[i].ReleaseReason)
		}
	}
}
