package panosim

import (
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/userid"
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

// mirror hands changes of a member's registered addresses over to the passive peer, if the member's dialect has it so. It
// may be called on nil.
func (m *seat) mirror(changes []userid.Change) {
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

// syncTagsLocked copies how things stand: where changes were made, or everywhere if there are none named. It copies
// states rather than repeating changes, so the order in which concurrent calls report theirs does not matter.
func (h *HA) syncTagsLocked(from, to *seat, changes []userid.Change) told {
	a, b := from.sim, to.sim
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dialect.PairTags != dialect.PairTagsSynced {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	made := b.registry.Follow(a.registry, changes)
	if len(made) == 0 {
		return nil
	}
	return told{func() { b.tell(made) }}
}
