package panosim

import (
	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/candidate"
	"activedefense/firewall/panosim/dataplane"
	"activedefense/firewall/panosim/edl"
	"activedefense/firewall/panosim/logs"
	"activedefense/firewall/panosim/userid"
	"activedefense/firewall/panosim/xmltree"
)

// handler answers an operational command.
type handler func(*Sim, answer.Request) answer.Answer

// operation is one operational command that is simulated.
type operation struct {
	path []string // names of elements from the outermost
	kind string
	run  handler
}

// Each of these has a hall answer, with the lock held.

func byConfig(run func(*candidate.Config, answer.Request) answer.Answer) handler {
	return locked(func(s *Sim, r answer.Request) answer.Answer { return run(s.config, r) })
}

func byLocks(run func(*candidate.Locks, answer.Request) answer.Answer) handler {
	return locked(func(s *Sim, r answer.Request) answer.Answer { return run(s.config.Locks(), r) })
}

func byFiles(run func(*candidate.Files, answer.Request) answer.Answer) handler {
	return locked(func(s *Sim, r answer.Request) answer.Answer { return run(s.config.Files(), r) })
}

func byLists(run func(*edl.Lists, answer.Request) answer.Answer) handler {
	return locked(func(s *Sim, r answer.Request) answer.Answer { return run(s.lists, r) })
}

func byPlane(run func(*dataplane.Plane, answer.Request) answer.Answer) handler {
	return locked(func(s *Sim, r answer.Request) answer.Answer { return run(s.plane, r) })
}

func bySeat(run func(*seat, answer.Request) answer.Answer) handler {
	return func(s *Sim, r answer.Request) answer.Answer { return run(s.seat.Load(), r) }
}

// locked has a handler run with the lock held.
func locked(run handler) handler {
	return func(s *Sim, r answer.Request) answer.Answer {
		s.mu.Lock()
		defer s.mu.Unlock()
		return run(s, r)
	}
}

// operations lists them; a later command is one more line here. Those of a longer path come before those of which theirs
// begins with it.
func operations() []operation {
	return []operation{
		{[]string{"show", "jobs"}, KindJobs, locked(func(s *Sim, r answer.Request) answer.Answer { return s.jobs.Show(r) })},
		{[]string{"show", "config-locks"}, KindLocks, byLocks((*candidate.Locks).ShowConfig)},
		{[]string{"show", "commit-locks"}, KindLocks, byLocks((*candidate.Locks).ShowCommit)},
		{[]string{"request", "config-lock"}, KindLocks, byLocks((*candidate.Locks).RequestConfig)},
		{[]string{"request", "commit-lock"}, KindLocks, byLocks((*candidate.Locks).RequestCommit)},
		{[]string{"check", "pending-changes"}, KindChanges, byConfig((*candidate.Config).ShowPending)},
		{[]string{"check", "full-commit-required"}, KindChanges, byConfig((*candidate.Config).FullCommitRequired)},
		{[]string{"show", "config", "list", "changes"}, KindChanges, byConfig((*candidate.Config).ListChanges)},
		{[]string{"show", "config", "list", "admins"}, KindChanges, byConfig((*candidate.Config).ListAdmins)},
		{[]string{"show", "config", "running"}, KindConfigFile, showConfig(false)},
		{[]string{"show", "config", "candidate"}, KindConfigFile, showConfig(true)},
		{[]string{"show", "config", "effective-running"}, KindConfigFile, byConfig((*candidate.Config).ShowEffective)},
		{[]string{"show", "config", "saved"}, KindConfigFile, byFiles((*candidate.Files).ShowSaved)},
		{[]string{"save", "config"}, KindConfigFile, byFiles((*candidate.Files).Save)},
		{[]string{"delete", "config", "saved"}, KindConfigFile, byFiles((*candidate.Files).DeleteSaved)},
		{[]string{"show", "admins"}, KindOther, byConfig((*candidate.Config).ShowAdmins)},
		{[]string{"revert", "config"}, KindRevert, byConfig((*candidate.Config).Revert)},
		{[]string{"load", "config"}, KindRevert, byFiles((*candidate.Files).Load)},
		{[]string{"validate"}, KindValidate, byConfig(func(c *candidate.Config, r answer.Request) answer.Answer { return c.RequestCommit(r.Admin, r.At) })},
		{[]string{"show", "interface"}, KindNetwork, locked(func(s *Sim, r answer.Request) answer.Answer { return s.network.Show(r) })},
		{[]string{"show", "routing", "route"}, KindNetwork, locked(func(s *Sim, r answer.Request) answer.Answer { return s.network.ShowRoutes(r) })},
		{[]string{"show", "system", "info"}, KindSystemInfo, systemInfo},
		{[]string{"show", "system", "state"}, KindCapacity, locked(systemState)},
		{[]string{"request", "password-hash", "password"}, KindOther, passwordHash},
		{[]string{"show", "plugins", "packages"}, KindPlugins, plugins},
		{[]string{"show", "object", "registered-ip"}, KindRegisteredIP, readBack((*userid.Registry).ShowRegisteredIP)},
		{[]string{"show", "object", "registered-address"}, KindRegisteredIP, readBack((*userid.Registry).ShowRegisteredAddress)},
		{[]string{"show", "user", "ip-user-mapping"}, KindOther, locked(func(s *Sim, r answer.Request) answer.Answer { return s.registry.ShowMapping(r) })},
		{[]string{"show", "user", "ip-user-mapping-mp"}, KindOther, locked(func(s *Sim, r answer.Request) answer.Answer { return s.registry.ShowMapping(r) })},
		{[]string{"show", "user", "group"}, KindOther, locked(func(s *Sim, r answer.Request) answer.Answer { return s.registry.ShowGroups(r) })},
		{[]string{"show", "object", "dynamic-address-group"}, KindGroups, showGroups},
		{[]string{"request", "system", "external-list", "refresh"}, KindListRefresh, byLists((*edl.Lists).RefreshOne)},
		{[]string{"request", "system", "external-list", "show"}, KindListShow, byLists((*edl.Lists).Show)},
		{[]string{"request", "system", "external-list", "list-capacities"}, KindCapacity, byLists((*edl.Lists).ListCapacities)},
		{[]string{"set", "system", "setting", "target-vsys"}, KindTargetVSys, byLists((*edl.Lists).SetTarget)},
		{[]string{"show", "session", "all"}, KindSessions, byPlane((*dataplane.Plane).ShowSessions)},
		{[]string{"show", "session", "id"}, KindSessions, byPlane((*dataplane.Plane).ShowSession)},
		{[]string{"clear", "session", "all"}, KindClearSessions, clearing((*dataplane.Plane).ClearSessions)},
		{[]string{"clear", "session", "id"}, KindClearSessions, clearing((*dataplane.Plane).ClearSession)},
		{[]string{"show", "config", "pushed-shared-policy"}, KindPushed, locked(showPushed)},
		{[]string{"show", "config", "pushed-template"}, KindPushed, locked(func(s *Sim, r answer.Request) answer.Answer { return s.pushed.ShowTemplate(r) })},
		{[]string{"show", "devices"}, KindDevices, func(s *Sim, r answer.Request) answer.Answer { return s.panorama.showDevices(r) }},
		{[]string{"show", "high-availability", "state"}, KindHA, bySeat((*seat).show)},
		{[]string{"request", "high-availability", "state", "suspend"}, KindHA, bySeat((*seat).suspend)},
		{[]string{"request", "high-availability", "state", "functional"}, KindHA, bySeat((*seat).resume)},
		{[]string{"request", "high-availability", "sync-to-remote", "running-config"}, KindHA, bySeat((*seat).syncToPeer)},
	}
}

// classifyOp finds the operation that an op call asks for.
func (c *call) classifyOp() {
	text := c.form.Get("cmd")
	if text == "" {
		c.run = func(*Sim, *call) answer.Answer { return answer.BadRequest(`Missing value for parameter "cmd".`) }
		return
	}
	command, err := xmltree.Parse(text)
	if err != nil {
		c.run = func(*Sim, *call) answer.Answer { return answer.Failure(18, "Malformed command") }
		return
	}
	for _, op := range operations() {
		if at := command.At(op.path); at != nil {
			c.kind = op.kind
			c.run = func(s *Sim, c *call) answer.Answer {
				return op.run(s, answer.Request{Admin: c.admin, Key: c.key, VSys: c.form.Get("vsys"), Command: command, At: at})
			}
			return
		}
	}
	c.run = func(*Sim, *call) answer.Answer { return answer.Unexpected(command) }
}

// showConfig answers "show config running" and "show config candidate".
func showConfig(candidate bool) handler {
	return func(s *Sim, r answer.Request) answer.Answer {
		s.mu.Lock()
		view := s.config.View(candidate)
		s.mu.Unlock()
		return view.Show(r)
	}
}

// readBack reads registered addresses, and calls the page hook.
func readBack(show func(*userid.Registry, answer.Request) (answer.Answer, *userid.Page, []userid.Change)) handler {
	return func(s *Sim, r answer.Request) answer.Answer {
		s.mu.Lock()
		a, page, changes := show(s.registry, r)
		hook := s.onPage
		s.mu.Unlock()
		s.tell(changes)
		if hook != nil && page != nil {
			hook(*page)
		}
		return a
	}
}

// showGroups answers "show object dynamic-address-group".
func showGroups(s *Sim, r answer.Request) answer.Answer {
	s.mu.Lock()
	changes := s.registry.Expire()
	vsys := s.registry.Name(r.VSys)
	a := answer.InvalidVSys(vsys)
	if p := s.policies.Of(vsys); p != nil {
		a = p.ShowGroups(r, s.registry.Members(vsys), &s.dialect)
	}
	s.mu.Unlock()
	s.tell(changes)
	return a
}

// clearing ends sessions, and sends what is logged about it.
func clearing(clear func(*dataplane.Plane, answer.Request) (answer.Answer, []logs.Line)) handler {
	return func(s *Sim, r answer.Request) answer.Answer {
		s.mu.Lock()
		a, lines := clear(s.plane, r)
		s.mu.Unlock()
		s.forwarder.Deliver(lines)
		return a
	}
}

// showPushed answers "show config pushed-shared-policy".
func showPushed(s *Sim, r answer.Request) answer.Answer { return s.pushed.Show(r, &s.dialect) }
