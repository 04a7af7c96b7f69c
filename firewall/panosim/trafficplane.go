package panosim

import (
	"sync"

	"activedefense/firewall/panosim/xmltree"
)

// Kinds of call about the data plane.
const (
	KindGroups        = "dynamic-address-groups"
	KindListRefresh   = "list-refresh"
	KindListShow      = "list-show"
	KindTargetVSys    = "target-vsys"
	KindSessions      = "sessions" // reading them
	KindClearSessions = "clear-sessions"
)

// plane is the state of the data plane: what decides over traffic, and what traffic leaves behind. It is guarded
// by Sim.mu.
type plane struct {
	policies map[string]*policy     // by virtual system, made when first needed
	groups   map[string]*membership // by virtual system
	lists    map[listID]*list
	targets  map[string]string // the virtual system that a key chose with target-vsys
	sessions sessionTable
	logged   uint64 // sequence number of the last log entry
	senders  map[syslogServer]*sender

	fetching sync.Mutex // held while lists are fetched, without Sim.mu
}

// startPlane prepares the data plane; the configuration runs and the tables are there.
func (s *Sim) startPlane() {
	p := &s.plane
	p.policies, p.groups = map[string]*policy{}, map[string]*membership{}
	p.lists, p.targets, p.senders = map[listID]*list{}, map[string]string{}, map[syslogServer]*sender{}
	for name, t := range s.tables {
		m := newMembership()
		p.groups[name] = m
		t.watch = func(r *registration, stands bool) { m.note(r, stands, s.opts.Now(), s.opts.GroupLag) }
	}
	s.onCommitLocked(func(_, _ *xmltree.Element) { s.policyChangedLocked() })
}

// policyChangedLocked takes in another running configuration or another push of Panorama's: the policy is compiled
// anew when it is next needed, and the External Dynamic Lists are fetched.
func (s *Sim) policyChangedLocked() {
	clear(s.plane.policies)
	s.refreshListsLocked()
}

// restartLocked is what a restart does to the data plane: sessions are gone, and so is what keys have set. Lists are
// kept ("you reboot the firewall, management plane, or data plane").
func (p *plane) restartLocked() {
	p.sessions = sessionTable{last: p.sessions.last}
	clear(p.targets)
}

// policySource is what a policy is made from. What it points to is never modified, so the same pointers are the
// same policy.
type policySource struct{ running, group, shared *xmltree.Element }

// policyLocked gives the policy of a virtual system that runs; nil: there is no such system.
func (s *Sim) policyLocked(vsys string) *policy {
	if _, ok := s.tables[vsys]; !ok {
		return nil
	}
	source := policySource{s.runningLocked(), s.pushed.groups[vsys], s.pushed.shared}
	p := s.plane.policies[vsys]
	if p == nil || p.source != source {
		pre, post, objects := s.pushedLocked(vsys)
		p = newPolicy(vsys, source, pre, post, objects)
		s.plane.policies[vsys] = p
	}
	return p
}
