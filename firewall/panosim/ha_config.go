package panosim

import (
	"context"
	"slices"
)

// syncing is how configurations are synchronised now.
func (h *HA) syncing() ConfigSync { return ConfigSync(h.sync.Load()) }

// committedLocked follows a change of a member's running configuration. The caller holds the member's lock, so what
// needs the pair's is left to a job, as it is on the firewall.
func (h *HA) committedLocked(m *seat) {
	if !m.active.Load() || h.syncing() != SyncOn {
		return
	}
	h.queued.Add(1)
	m.sim.addJobLocked("HA-Sync", "", func(context.Context) jobResult {
		defer h.queued.Add(-1)
		return h.syncConfig(m)
	})
}

// syncConfig hands the configuration of a member over to its peer, unless roles have changed meanwhile.
func (h *HA) syncConfig(m *seat) jobResult {
	h.mu.Lock()
	defer h.mu.Unlock()
	peer := m.peer()
	if h.activeLocked() != m || peer.down || peer.state != HAPassive || h.syncing() == SyncStuck {
		return jobResult{details: []string{"Failed to synchronize running configuration with HA peer"}}
	}
	h.syncConfigLocked(m, peer)
	return jobResult{ok: true, details: []string{"Configuration synchronized with HA peer"}}
}

// syncConfigLocked hands the running configuration over. On the peer it replaces the running configuration and what
// was being edited: "will overwrite the candidate configuration on the peer and trigger a commit on the peer".
func (h *HA) syncConfigLocked(from, to *seat) {
	running := from.running()
	s := to.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	next := withOwn(running, s.runningLocked())
	if next.equal(s.runningLocked()) && len(s.config.journal) == 0 {
		return
	}
	for _, e := range s.config.journal {
		e.mark.lift()
	}
	s.config.journal = nil
	s.setRunningLocked(next)
}

// withOwn is a configuration with the part that a member does not share: its own name, addresses and services.
func withOwn(running, own *element) *element {
	const part = "deviceconfig"
	mine := own.child("devices").entry(localhost).child(part)
	device := running.child("devices").entry(localhost)
	if device == nil || mine == nil && device.child(part) == nil {
		return running
	}
	changed := without(device, part)
	if mine != nil {
		changed.children = append([]*element{mine}, changed.children...)
	}
	return replaced(running, []*element{running.child("devices"), device}, changed)
}

// without copies an element and leaves out the children of that name.
func without(e *element, name string) *element {
	out := &element{name: e.name, attributes: e.attributes, text: e.text}
	for _, c := range e.children {
		if c.name != name {
			out.children = append(out.children, c)
		}
	}
	return out
}

// replaced copies root with the last of a path of descendants replaced. What is not on the path is shared.
func replaced(root *element, path []*element, by *element) *element {
	out := &element{name: root.name, attributes: root.attributes, text: root.text, children: slices.Clone(root.children)}
	at := slices.Index(out.children, path[0])
	if len(path) > 1 {
		by = replaced(path[0], path[1:], by)
	}
	out.children[at] = by
	return out
}

// configLevelLocked says whether both members run the same configuration.
func (h *HA) configLevelLocked() bool {
	first, second := h.members[0].running(), h.members[1].running()
	return withOwn(first, second).equal(second)
}

// running is the member's running configuration, with the commits that are due.
func (m *seat) running() *element {
	m.sim.mu.Lock()
	defer m.sim.mu.Unlock()
	m.sim.runJobsLocked()
	return m.sim.runningLocked()
}
