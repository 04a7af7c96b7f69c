package panosim

import "strings"

// configOperations lists the operational commands about the configuration, its locks, changes and jobs. Those of a
// longer path come before those of which theirs begins with it.
func configOperations() []operation {
	return []operation{
		{[]string{"show", "jobs"}, KindJobs, (*Sim).showJobs},
		{[]string{"show", "config-locks"}, KindLocks, (*Sim).showConfigLocks},
		{[]string{"show", "commit-locks"}, KindLocks, (*Sim).showCommitLocks},
		{[]string{"request", "config-lock"}, KindLocks, (*Sim).configLock},
		{[]string{"request", "commit-lock"}, KindLocks, (*Sim).commitLock},
		{[]string{"check", "pending-changes"}, KindChanges, (*Sim).pendingChanges},
		{[]string{"check", "full-commit-required"}, KindChanges, (*Sim).fullCommitRequired},
		{[]string{"show", "config", "list", "changes"}, KindChanges, (*Sim).listChanges},
		{[]string{"show", "config", "list", "admins"}, KindChanges, (*Sim).listAdmins},
		{[]string{"show", "config", "running"}, KindConfigFile, (*Sim).showRunning},
		{[]string{"show", "config", "candidate"}, KindConfigFile, (*Sim).showCandidate},
		{[]string{"show", "config", "effective-running"}, KindConfigFile, (*Sim).showEffective},
		{[]string{"show", "admins"}, KindOther, (*Sim).showAdmins},
		{[]string{"revert", "config"}, KindRevert, (*Sim).revertConfig},
		{[]string{"load", "config"}, KindRevert, (*Sim).loadConfig},
		{[]string{"validate"}, KindValidate, (*Sim).requestValidate},
	}
}

// fullCommitRequired answers "check full-commit-required".
func (s *Sim) fullCommitRequired(*call, *element) answer { return success("<result>no</result>") }

// showRunning answers "show config running": the whole configuration, whatever the command adds to filter it.
// Anything below the element is refused with the text recorded for an xpath there.
func (s *Sim) showRunning(_ *call, what *element) answer {
	if len(what.children) > 0 {
		return failure(0, "No such node")
	}
	s.mu.Lock()
	root := s.runningLocked()
	s.mu.Unlock()
	return success("<result>" + root.String() + "</result>")
}

// showCandidate answers "show config candidate".
func (s *Sim) showCandidate(_ *call, what *element) answer {
	if len(what.children) > 0 {
		return failure(0, "No such node")
	}
	s.mu.Lock()
	s.runJobsLocked()
	root, shows := s.candidateLocked(), marked(s.dialect.Marking)
	var b strings.Builder
	root.write(&b, shows)
	s.mu.Unlock()
	return success("<result>" + b.String() + "</result>")
}

// showEffective answers "show config effective-running", for superusers alone: the running configuration with what
// Panorama pushed folded in, its rules before and after the firewall's own.
func (s *Sim) showEffective(c *call, _ *element) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.superuserLocked(c.admin) {
		return refuseRole(s.dialect.Denied, "op")
	}
	root := s.runningLocked().clone()
	for _, device := range root.child("devices").entries() {
		for _, vsys := range device.child("vsys").entries() {
			pre, post, objects := s.pushedLocked(vsys.id())
			for _, scope := range objects {
				fold(vsys, scope)
			}
			if rules := vsys.down("rulebase", "security", "rules"); rules != nil {
				rules.children = append(append(clones(pre), rules.children...), clones(post)...)
			}
		}
	}
	return success("<result>" + root.String() + "</result>")
}

// fold adds to a scope the objects of another one that it does not have. Both are lists of lists.
func fold(e, scope *element) {
	for _, list := range scope.children {
		if strings.HasSuffix(list.name, "-rulebase") {
			continue
		}
		own := e.child(list.name)
		if own == nil {
			e.children = append(e.children, list.clone())
			continue
		}
		for _, c := range list.children {
			if own.find(c.key()) == nil {
				own.children = append(own.children, c.clone())
			}
		}
	}
}

func clones(list []*element) []*element {
	var out []*element
	for _, e := range list {
		out = append(out, e.clone())
	}
	return out
}
