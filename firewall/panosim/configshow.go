package panosim

import (
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/xmltree"
)

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
func (s *Sim) fullCommitRequired(*call, *xmltree.Element) answer.Answer {
	return answer.Success("<result>no</result>")
}

// showRunning answers "show config running": the whole configuration, whatever the command adds to filter it.
// Anything below the element is refused with the text recorded for an xpath there.
func (s *Sim) showRunning(_ *call, what *xmltree.Element) answer.Answer {
	if len(what.Children) > 0 {
		return answer.Failure(0, "No such node")
	}
	s.mu.Lock()
	root := s.runningLocked()
	s.mu.Unlock()
	return answer.Success("<result>" + root.String() + "</result>")
}

// showCandidate answers "show config candidate".
func (s *Sim) showCandidate(_ *call, what *xmltree.Element) answer.Answer {
	if len(what.Children) > 0 {
		return answer.Failure(0, "No such node")
	}
	s.mu.Lock()
	s.runJobsLocked()
	root, shows := s.candidateLocked(), marked(s.dialect.Marking)
	var b strings.Builder
	root.Write(&b, shows)
	s.mu.Unlock()
	return answer.Success("<result>" + b.String() + "</result>")
}

// showEffective answers "show config effective-running", for superusers alone: the running configuration with what
// Panorama pushed folded in, its rules before and after the firewall's own.
func (s *Sim) showEffective(c *call, _ *xmltree.Element) answer.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.superuserLocked(c.admin) {
		return refuseRole(s.dialect.Denied, "op")
	}
	root := s.runningLocked().Clone()
	for _, device := range root.Child("devices").Entries() {
		for _, vsys := range device.Child("vsys").Entries() {
			pre, post, objects := s.pushedLocked(vsys.ID())
			for _, scope := range objects {
				fold(vsys, scope)
			}
			if rules := vsys.Down("rulebase", "security", "rules"); rules != nil {
				rules.Children = append(append(clones(pre), rules.Children...), clones(post)...)
			}
		}
	}
	return answer.Success("<result>" + root.String() + "</result>")
}

// fold adds to a scope the objects of another one that it does not have. Both are lists of lists.
func fold(e, scope *xmltree.Element) {
	for _, list := range scope.Children {
		if strings.HasSuffix(list.Name, "-rulebase") {
			continue
		}
		own := e.Child(list.Name)
		if own == nil {
			e.Children = append(e.Children, list.Clone())
			continue
		}
		for _, c := range list.Children {
			if own.Find(c.Key()) == nil {
				own.Children = append(own.Children, c.Clone())
			}
		}
	}
}

func clones(list []*xmltree.Element) []*xmltree.Element {
	var out []*xmltree.Element
	for _, e := range list {
		out = append(out, e.Clone())
	}
	return out
}
