package panosim

import (
	"time"

	"activedefense/firewall/panosim/dialect"
)

// told are changes of registered addresses by the firewall on which they were made, to be reported outside all locks.
type told []func()

func (t told) tell() {
	for _, report := range t {
		report()
	}
}

// levelLocked brings the passive member level with the active one, after the pair has changed.
func (h *HA) levelLocked() told {
	active := h.activeLocked()
	if active == nil {
		return nil
	}
	passive := active.peer()
	if passive.down || passive.state != HAPassive {
		return nil
	}
	if h.syncing() == SyncOn {
		h.syncConfigLocked(active, passive)
	}
	return h.syncTagsLocked(active, passive, nil)
}

// mirror hands changes of registered addresses over to the passive peer, if this firewall's dialect has it so.
func (s *Sim) mirror(changes []Change) {
	m := s.seat.Load()
	if m == nil || len(changes) == 0 || !m.active.Load() {
		return
	}
	h := m.pair
	h.mu.Lock()
	var reports told
	if peer := m.peer(); h.activeLocked() == m && !peer.down && peer.state == HAPassive {
		reports = h.syncTagsLocked(m, peer, changes)
	}
	h.mu.Unlock()
	reports.tell()
}

// place is a tag on a target of a virtual system.
type place struct {
	vsys string
	what target
	tag  string
}

// syncTagsLocked copies how things stand: where changes were made, or everywhere if there are none named. It copies
// states rather than repeating changes, so the order in which concurrent calls report theirs does not matter.
func (h *HA) syncTagsLocked(from, to *seat, changes []Change) told {
	a, b := from.sim, to.sim
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dialect.PairTags != dialect.PairTagsSynced {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	places := make([]place, len(changes))
	for i, c := range changes {
		places[i] = place{c.VSys, target{c.Address, c.To}, c.Tag}
	}
	if changes == nil {
		places = append(a.placesLocked(), b.placesLocked()...)
	}
	now := b.opts.Now()
	var made []Change
	for _, p := range places {
		if c, ok := copyLocked(a, b, p, now); ok {
			made = append(made, c)
		}
	}
	if len(made) == 0 {
		return nil
	}
	return told{func() { b.tell(made) }}
}

// placesLocked lists where tags stand.
func (s *Sim) placesLocked() []place {
	var out []place
	for _, vsys := range s.opts.VSys {
		t := s.tables[vsys]
		for _, a := range t.order.from(0, t.order.live) {
			for _, r := range a.tags {
				out = append(out, place{vsys, a.target, r.tag.name})
			}
		}
	}
	return out
}

// copyLocked makes a tag stand on b as it stands on a.
func copyLocked(a, b *Sim, p place, now time.Time) (Change, bool) {
	t := b.tables[p.vsys]
	if t == nil {
		return Change{}, false // the peer has no such virtual system
	}
	have, want := t.registration(p), a.tables[p.vsys].registration(p)
	switch {
	case want == nil && have == nil:
		return Change{}, false
	case want == nil:
		timeout := have.timeout
		t.drop(have)
		return b.changeLocked(Unregistered, p.vsys, p.what, p.tag, timeout, now), true
	case have != nil && have.expires == want.expires && have.persistent == want.persistent:
		return Change{}, false
	}
	action := Renewed
	if t.put(p.what, p.tag, want.timeout, want.persistent, now) {
		action = Registered
	}
	have = t.registration(p)
	if want.expires != 0 {
		// What is left of the time, not the whole of it.
		t.setTimer(have, max(time.Unix(0, want.expires).Sub(now), 1), now)
		have.timeout = want.timeout
	}
	return b.changeLocked(action, p.vsys, p.what, p.tag, want.timeout, now), true
}

// registration gives the tag on a target, or nil. It may be called on nil.
func (t *table) registration(p place) *registration {
	if t == nil {
		return nil
	}
	a := t.addresses[p.what]
	if a == nil {
		return nil
	}
	return a.find(p.tag)
}
