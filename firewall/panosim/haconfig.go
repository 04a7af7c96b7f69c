package panosim

import (
	"context"
	"slices"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/jobs"
	"activedefense/firewall/panosim/xmltree"
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
	m.sim.jobs.Run("HA-Sync", "", func(context.Context) jobs.Result {
		defer h.queued.Add(-1)
		return h.syncConfig(m)
	})
}

// syncConfig hands the configuration of a member over to its peer, unless roles have changed meanwhile.
func (h *HA) syncConfig(m *seat) jobs.Result {
	h.mu.Lock()
	defer h.mu.Unlock()
	peer := m.peer()
	if h.activeLocked() != m || peer.down || peer.state != HAPassive || h.syncing() == SyncStuck {
		return jobs.Result{Details: []string{"Failed to synchronize running configuration with HA peer"}}
	}
	h.syncConfigLocked(m, peer)
	return jobs.Result{OK: true, Details: []string{"Configuration synchronized with HA peer"}}
}

// syncConfigLocked hands the running configuration over. On the peer it replaces the running configuration and what
// was being edited: "will overwrite the candidate configuration on the peer and trigger a commit on the peer".
func (h *HA) syncConfigLocked(from, to *seat) {
	running := from.running()
	s := to.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.Overwrite(withOwn(running, s.config.Running()))
}

// withOwn is a configuration with the part that a member does not share: its own name, addresses and services.
func withOwn(running, own *xmltree.Element) *xmltree.Element {
	const part = "deviceconfig"
	mine := own.Child("devices").Entry(dialect.Localhost).Child(part)
	device := running.Child("devices").Entry(dialect.Localhost)
	if device == nil || mine == nil && device.Child(part) == nil {
		return running
	}
	changed := without(device, part)
	if mine != nil {
		changed.Children = append([]*xmltree.Element{mine}, changed.Children...)
	}
	return replaced(running, []*xmltree.Element{running.Child("devices"), device}, changed)
}

// without copies an element and leaves out the children of that name.
func without(e *xmltree.Element, name string) *xmltree.Element {
	out := &xmltree.Element{Name: e.Name, Attributes: e.Attributes, Text: e.Text}
	for _, c := range e.Children {
		if c.Name != name {
			out.Children = append(out.Children, c)
		}
	}
	return out
}

// replaced copies root with the last of a path of descendants replaced. What is not on the path is shared.
func replaced(root *xmltree.Element, path []*xmltree.Element, by *xmltree.Element) *xmltree.Element {
	out := &xmltree.Element{Name: root.Name, Attributes: root.Attributes, Text: root.Text, Children: slices.Clone(root.Children)}
	at := slices.Index(out.Children, path[0])
	if len(path) > 1 {
		by = replaced(path[0], path[1:], by)
	}
	out.Children[at] = by
	return out
}

// configLevelLocked says whether both members run the same configuration.
func (h *HA) configLevelLocked() bool {
	first, second := h.members[0].running(), h.members[1].running()
	return withOwn(first, second).Equal(second)
}

// running is the member's running configuration, with the commits that are due.
func (m *seat) running() *xmltree.Element {
	m.sim.mu.Lock()
	defer m.sim.mu.Unlock()
	return m.sim.config.Running()
}
