package panosim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// lock is a lock that an administrator holds on a scope: "shared", or the name of a virtual system.
type lock struct {
	commit  bool // on commits, not on the configuration
	admin   string
	scope   string
	comment string
	made    time.Time
}

// kind is how texts name what is locked.
func (l lock) kind() string {
	if l.commit {
		return "Commit"
	}
	return "Config"
}

// LockConfig has an administrator take the lock on the configuration of a scope ("" is shared).
func (s *Sim) LockConfig(admin, scope string) { s.lock(lock{admin: admin, scope: scope}) }

// LockCommit has an administrator take the lock on commits of a scope ("" is shared).
func (s *Sim) LockCommit(admin, scope string) { s.lock(lock{commit: true, admin: admin, scope: scope}) }

// UnlockConfig takes the lock on the configuration of a scope ("" is shared) away, whoever holds it.
func (s *Sim) UnlockConfig(scope string) { s.unlock(lock{scope: scope}) }

// UnlockCommit takes the locks on commits of a scope ("" is shared) away, whoever holds them.
func (s *Sim) UnlockCommit(scope string) { s.unlock(lock{commit: true, scope: scope}) }

func (s *Sim) lock(l lock) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.scope == "" {
		l.scope = sharedScope
	}
	l.made = s.opts.Now()
	s.config.locks = append(s.config.locks, l)
}

func (s *Sim) unlock(what lock) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if what.scope == "" {
		what.scope = sharedScope
	}
	s.config.locks = slices.DeleteFunc(s.config.locks, func(l lock) bool {
		return l.commit == what.commit && l.scope == what.scope
	})
}

// lockedLocked refuses an edit while another administrator holds the lock on the configuration.
func (s *Sim) lockedLocked(admin string, path xmltree.Path) *refusal {
	_, scope, _ := firewallSchema.at(path)
	for _, l := range s.config.locks {
		device := l.scope == sharedScope && s.dialect.LockReach == dialect.LockReachDevice
		if !l.commit && l.admin != admin && (l.scope == scope || device) {
			return refuse(13, "Configuration is locked by "+l.admin) // a text that is known
		}
	}
	return nil
}

// showConfigLocks answers "show config-locks", with "vsys all" or "vsys NAME" from PAN-OS 9.1.
func (s *Sim) showConfigLocks(c *call, what *xmltree.Element) answer.Answer {
	return s.showLocks(c, what, false)
}

// showCommitLocks answers "show commit-locks".
func (s *Sim) showCommitLocks(c *call, what *xmltree.Element) answer.Answer {
	return s.showLocks(c, what, true)
}

func (s *Sim) showLocks(c *call, what *xmltree.Element, commit bool) answer.Answer {
	scope := what.Value("vsys")
	if scope == "" {
		scope = c.form.Get("vsys")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	var b strings.Builder
	for _, l := range s.config.locks {
		if l.commit != commit || scope != "" && scope != "all" && scope != sharedScope && scope != l.scope {
			continue
		}
		kind, comment, made := "vsys", l.comment, l.made.Format(dialect.LocalTime)
		if l.scope == sharedScope {
			kind = sharedScope
		}
		if comment == "" {
			comment = "(null)"
		}
		fmt.Fprintf(&b, `<entry name="%s"><type>%s</type><name>%s</name><created>%s</created><last-activity>%s</last-activity>`+
			`<loggedin>yes</loggedin><comment><![CDATA[%s]]></comment></entry>`,
			xmltree.EscapeAttribute(l.admin), kind, answer.Escape(l.scope), made, made, strings.ReplaceAll(comment, "]]>", ""))
	}
	return answer.Success(fmt.Sprintf("<result><%[1]s>%[2]s</%[1]s></result>", what.Name, b.String()))
}

// configLock answers "request config-lock add" and "... remove" for the scope of the call's vsys.
func (s *Sim) configLock(c *call, what *xmltree.Element) answer.Answer {
	return s.requestLock(c, what, false)
}

// commitLock answers "request commit-lock add" and "... remove".
func (s *Sim) commitLock(c *call, what *xmltree.Element) answer.Answer {
	return s.requestLock(c, what, true)
}

func (s *Sim) requestLock(c *call, what *xmltree.Element, commit bool) answer.Answer {
	wanted := lock{commit: commit, admin: c.admin, scope: c.form.Get("vsys")}
	if wanted.scope == "" {
		wanted.scope = sharedScope
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	if wanted.scope != sharedScope && s.tables[wanted.scope] == nil {
		return answer.Failure(17, wanted.scope+" is invalid vsys")
	}
	if add := what.Child("add"); add != nil {
		wanted.comment = add.Value("comment")
		return s.addLockLocked(wanted)
	}
	if remove := what.Child("remove"); remove != nil {
		// The lock of another administrator is for superusers to take away.
		if owner := remove.Value("admin"); owner != "" && s.superuserLocked(c.admin) {
			wanted.admin = owner
		}
		return s.removeLockLocked(wanted)
	}
	return answer.Unexpected(c.command)
}

// addLockLocked takes a lock. The texts are recorded, or looked for by clients.
func (s *Sim) addLockLocked(wanted lock) answer.Answer {
	for _, l := range s.config.locks {
		switch {
		case l.commit != wanted.commit || l.scope != wanted.scope:
		case l.admin == wanted.admin:
			return answer.Failure(0, fmt.Sprintf("You already own a %s lock for scope %s", strings.ToLower(l.kind()), l.scope))
		case l.commit:
			return answer.Failure(0, "Commit lock is already held by "+l.admin)
		default:
			return answer.Failure(0, fmt.Sprintf("Config for scope %s is currently locked by %s", l.scope, l.admin))
		}
	}
	wanted.made = s.opts.Now()
	s.config.locks = append(s.config.locks, wanted)
	verb := "modify"
	if wanted.commit {
		verb = "commit"
	}
	return answer.Success(fmt.Sprintf("<result>Successfully acquired lock. Other administrators will not be able to %s configuration "+
		"until lock is released by %s.</result>", verb, answer.Escape(wanted.admin)))
}

// removeLockLocked gives a lock back.
func (s *Sim) removeLockLocked(wanted lock) answer.Answer {
	holder := ""
	for i, l := range s.config.locks {
		switch {
		case l.commit != wanted.commit || l.scope != wanted.scope:
		case l.admin == wanted.admin:
			s.config.locks = slices.Delete(slices.Clone(s.config.locks), i, i+1)
			return answer.Success(fmt.Sprintf("<result>%s lock released for %s</result>", l.kind(), answer.Escape(l.admin)))
		default:
			holder = l.admin
		}
	}
	switch {
	case holder == "":
		return answer.Failure(0, fmt.Sprintf("%s is not currently locked for scope %s", wanted.kind(), wanted.scope))
	case wanted.commit:
		return answer.Failure(0, "Commit lock is not currently held by "+wanted.admin)
	}
	return answer.Failure(0, fmt.Sprintf("Config for scope %s is currently locked by %s", wanted.scope, holder))
}
