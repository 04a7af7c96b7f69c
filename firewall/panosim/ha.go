package panosim

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"activedefense/firewall/panosim/dialect"
)

// HAState is the state of a member of a high-availability pair, as the firewall writes it.
type HAState string

// The states of an active/passive pair.
const (
	HAActive        HAState = "active"
	HAPassive       HAState = "passive"
	HAInitial       HAState = "initial"        // started, and not yet agreed with its peer
	HASuspended     HAState = "suspended"      // by an administrator
	HANonFunctional HAState = "non-functional" // a monitored link or path is down
)

// ConfigSync is whether the active member hands its committed configuration to its peer.
type ConfigSync uint8

// The settings.
const (
	SyncOn    ConfigSync = iota // after each commit, and when the peer comes back
	SyncOff                     // switched off: "running-sync-enabled" is "no"
	SyncStuck                   // begun and not finished: "synchronization in progress" until another setting
)

// PairOptions says how two firewalls work together. The zero value is group 1, with configurations synchronised.
// Whether registered addresses are synchronised is unsettled: see Dialect.PairTags, of which that of the active
// member counts.
type PairOptions struct {
	Group int // identifier of the pair; 0 is 1
	Sync  ConfigSync
}

// HA is an active/passive pair of firewalls: one forwards traffic and takes configuration, the other stands by.
// Each keeps its address, its key and its registered addresses. Its methods may be called from any goroutine, but
// not from Options.OnChange.
type HA struct {
	mu      sync.Mutex // taken before the lock of a member
	group   int
	members [2]*seat

	sync   atomic.Uint32 // ConfigSync
	queued atomic.Int32  // synchronisations that have not ended
}

// seat is one firewall's place in a pair.
type seat struct {
	pair   *HA
	sim    *Sim
	active atomic.Bool // state is HAActive, for those who hold the firewall's lock

	// Guarded by the pair's lock.
	state      HAState
	since      time.Time // by the member's clock
	down       bool
	errorState HAState // the last state but active and passive; "": none yet
	reason     string  // for it
}

// Pair makes two firewalls a high-availability pair, of which a is active. If configurations are synchronised, b
// takes over that of a at once. Neither may be in a pair yet.
func Pair(a, b *Sim, o PairOptions) *HA {
	h := &HA{group: max(o.Group, 1)}
	h.sync.Store(uint32(o.Sync))
	for i, s := range []*Sim{a, b} {
		h.members[i] = &seat{pair: h, sim: s, since: s.opts.Now()}
		s.seat.Store(h.members[i])
		s.mu.Lock()
		s.config.OnCommit(func() { h.committedLocked(h.members[i]) })
		s.mu.Unlock()
	}
	h.mu.Lock()
	h.enterLocked(h.members[0], HAActive, "")
	h.enterLocked(h.members[1], HAPassive, "")
	changes := h.levelLocked()
	h.mu.Unlock()
	changes.tell()
	h.check()
	return h
}

// State gives that of a member; "" for a firewall that is none. A member that is down has its last state.
func (h *HA) State(s *Sim) HAState {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m := h.seatOf(s); m != nil {
		return m.state
	}
	return ""
}

// Active gives the member that forwards traffic, or nil.
func (h *HA) Active() *Sim {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m := h.activeLocked(); m != nil {
		return m.sim
	}
	return nil
}

// Failover makes the passive member the active one, and the other way round. The error says that none can take over.
func (h *HA) Failover() error {
	h.mu.Lock()
	var next *seat
	for _, m := range h.members {
		if m.state == HAPassive && !m.down {
			next = m
		}
	}
	if next == nil {
		defer h.mu.Unlock()
		return fmt.Errorf("fail over: no member is passive and up (%s, %s)", h.members[0].state, h.members[1].state)
	}
	changes := h.setLocked(next, HAActive, "")
	h.mu.Unlock()
	changes.tell()
	return nil
}

// Suspend takes a member out of the pair, as an administrator does; its peer takes over if it can.
func (h *HA) Suspend(s *Sim) error { return h.set(s, HASuspended, "User requested") }

// Resume brings back a member that was suspended or that is not functional: as passive if its peer is active, else
// as active.
func (h *HA) Resume(s *Sim) error { return h.set(s, HAPassive, "") }

// Set puts a member into a state. When the active member leaves it, a passive peer takes over; when a member
// becomes active, an active peer becomes passive; and one that would be passive beside nobody becomes active. The
// error says that the firewall is not a member, or that it is down.
func (h *HA) Set(s *Sim, state HAState) error {
	reason := map[HAState]string{HASuspended: "User requested", HANonFunctional: "path monitoring failure"}[state]
	return h.set(s, state, reason)
}

func (h *HA) set(s *Sim, state HAState, reason string) error {
	h.mu.Lock()
	m := h.seatOf(s)
	if m == nil || m.down {
		h.mu.Unlock()
		return fmt.Errorf("set HA state %s: the firewall is not in this pair, or down", state)
	}
	changes := h.setLocked(m, state, reason)
	h.mu.Unlock()
	changes.tell()
	return nil
}

// SetSync changes how configurations are synchronised, and brings the peer level if that is to be.
func (h *HA) SetSync(sync ConfigSync) {
	h.sync.Store(uint32(sync))
	h.mu.Lock()
	changes := h.levelLocked()
	h.mu.Unlock()
	changes.tell()
}

func (h *HA) seatOf(s *Sim) *seat {
	i := slices.IndexFunc(h.members[:], func(m *seat) bool { return m.sim == s })
	if i < 0 {
		return nil
	}
	return h.members[i]
}

// peer gives the other member.
func (m *seat) peer() *seat {
	if m.pair.members[0] == m {
		return m.pair.members[1]
	}
	return m.pair.members[0]
}

// activeLocked gives the active member, or nil.
func (h *HA) activeLocked() *seat {
	for _, m := range h.members {
		if m.state == HAActive && !m.down {
			return m
		}
	}
	return nil
}

// enterLocked notes a state.
func (h *HA) enterLocked(m *seat, state HAState, reason string) {
	if m.state == state {
		return
	}
	s := m.sim
	if m.state != "" {
		s.syslog.Write("critical", "ha", fmt.Sprintf("HA Group %d: Moved from state %s to state %s", h.group, capital(m.state), capital(state)))
	}
	m.state, m.since = state, s.opts.Now()
	m.active.Store(state == HAActive)
	if state != HAActive && state != HAPassive {
		m.errorState, m.reason = state, reason
	}
}

func capital(state HAState) string { return strings.ToUpper(string(state[:1])) + string(state[1:]) }

// setLocked puts a member into a state, and its peer into the one that follows from it.
func (h *HA) setLocked(m *seat, state HAState, reason string) told {
	peer := m.peer()
	served := !peer.down && peer.state == HAActive
	if state == HAPassive && !served && peer.state != HAPassive {
		state = HAActive
	}
	switch {
	case state == HAActive && served:
		h.enterLocked(peer, HAPassive, "")
	case state != HAActive && !peer.down && peer.state == HAPassive:
		h.enterLocked(peer, HAActive, "")
	}
	h.enterLocked(m, state, reason)
	return h.levelLocked()
}

// check has the pair notice that a member went down or came up. It may be called on nil.
func (m *seat) check() {
	if m != nil {
		m.pair.check()
	}
}

// check compares what is known of the members with what they are.
func (h *HA) check() {
	h.mu.Lock()
	var changes told
	for _, m := range h.members {
		switch up := m.sim.server.listening() && m.sim.boot.up(); {
		case !up && !m.down:
			// The peer must see a member that is down before it decides whether to take over.
			m.down = true
			changes = append(changes, h.setLocked(m, HAInitial, "peer down")...)
		case up && m.down:
			m.down = false
			changes = append(changes, h.setLocked(m, HAPassive, "")...)
		}
	}
	h.mu.Unlock()
	changes.tell()
}

// textPassive is the refusal of what a passive member does not allow. The code and what it is for are
// documented; the text is ours.
const textPassive = "Operation denied: this command is not allowed on a passive device"

// refuses says whether the call is one that the member, being passive, does not allow by its dialect. It may be called on
// nil.
func (m *seat) refuses(c *call) bool {
	if m == nil {
		return false
	}
	m.sim.mu.Lock()
	d := m.sim.dialect
	m.sim.mu.Unlock()
	forbidden := c.writes() && d.PassiveWrites == dialect.PassiveWritesRefused ||
		c.form.Get("type") == "user-id" && d.PassiveTags == dialect.PassiveTagsRefused
	if !forbidden {
		return false
	}
	m.pair.mu.Lock()
	defer m.pair.mu.Unlock()
	return m.state == HAPassive
}

// writes says whether the call changes the configuration, committed or not.
func (c *call) writes() bool {
	switch c.form.Get("type") {
	case "commit", "import":
		return true
	case "config":
		return !slices.Contains([]string{"get", "show", "complete"}, c.form.Get("action"))
	}
	return false
}
