package candidate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/schema"
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
func (c *Config) LockConfig(admin, scope string) { c.take(false, admin, scope) }

// LockCommit has an administrator take the lock on commits of a scope ("" is shared).
func (c *Config) LockCommit(admin, scope string) { c.take(true, admin, scope) }

// UnlockConfig takes the lock on the configuration of a scope ("" is shared) away, whoever holds it.
func (c *Config) UnlockConfig(scope string) { c.release(false, scope) }

// UnlockCommit takes the locks on commits of a scope ("" is shared) away, whoever holds them.
func (c *Config) UnlockCommit(scope string) { c.release(true, scope) }

func (c *Config) take(commit bool, admin, scope string) {
	c.locks = append(c.locks, lock{commit: commit, admin: admin, scope: cmp.Or(scope, schema.SharedScope), made: c.o.Now()})
}

func (c *Config) release(commit bool, scope string) {
	scope = cmp.Or(scope, schema.SharedScope)
	c.locks = slices.DeleteFunc(c.locks, func(l lock) bool { return l.commit == commit && l.scope == scope })
}

// locked refuses an edit while another administrator holds the lock on the configuration.
func (c *Config) locked(admin string, path xmltree.Path) *refusal {
	_, scope, _ := schema.Firewall.At(path)
	for _, l := range c.locks {
		device := l.scope == schema.SharedScope && c.o.Dialect.LockReach == dialect.LockReachDevice
		if !l.commit && l.admin != admin && (l.scope == scope || device) {
			return refuse(13, "Configuration is locked by "+l.admin) // a text that is known
		}
	}
	return nil
}

// ShowConfigLocks answers "show config-locks", with "vsys all" or "vsys NAME" from PAN-OS 9.1.
func (c *Config) ShowConfigLocks(r answer.Request) answer.Answer {
	return c.showLocks(r, false)
}

// ShowCommitLocks answers "show commit-locks".
func (c *Config) ShowCommitLocks(r answer.Request) answer.Answer {
	return c.showLocks(r, true)
}

func (c *Config) showLocks(r answer.Request, commit bool) answer.Answer {
	scope := r.At.Value("vsys")
	if scope == "" {
		scope = r.VSys
	}
	c.o.Jobs.Due()
	var b strings.Builder
	for _, l := range c.locks {
		if l.commit != commit || scope != "" && scope != "all" && scope != schema.SharedScope && scope != l.scope {
			continue
		}
		kind, comment, made := "vsys", l.comment, l.made.Format(dialect.LocalTime)
		if l.scope == schema.SharedScope {
			kind = schema.SharedScope
		}
		if comment == "" {
			comment = "(null)"
		}
		fmt.Fprintf(&b, `<entry name="%s"><type>%s</type><name>%s</name><created>%s</created><last-activity>%s</last-activity>`+
			`<loggedin>yes</loggedin><comment><![CDATA[%s]]></comment></entry>`,
			xmltree.EscapeAttribute(l.admin), kind, answer.Escape(l.scope), made, made, strings.ReplaceAll(comment, "]]>", ""))
	}
	return answer.Success(fmt.Sprintf("<result><%[1]s>%[2]s</%[1]s></result>", r.At.Name, b.String()))
}

// ConfigLock answers "request config-lock add" and "... remove" for the scope of the call's vsys.
func (c *Config) ConfigLock(r answer.Request) answer.Answer {
	return c.requestLock(r, false)
}

// CommitLock answers "request commit-lock add" and "... remove".
func (c *Config) CommitLock(r answer.Request) answer.Answer {
	return c.requestLock(r, true)
}

func (c *Config) requestLock(r answer.Request, commit bool) answer.Answer {
	wanted := lock{commit: commit, admin: r.Admin, scope: r.VSys}
	if wanted.scope == "" {
		wanted.scope = schema.SharedScope
	}
	c.o.Jobs.Due()
	if wanted.scope != schema.SharedScope && !slices.Contains(c.o.VSys, wanted.scope) {
		return answer.Failure(17, wanted.scope+" is invalid vsys")
	}
	if add := r.At.Child("add"); add != nil {
		wanted.comment = add.Value("comment")
		return c.addLock(wanted)
	}
	if remove := r.At.Child("remove"); remove != nil {
		// The lock of another administrator is for superusers to take away.
		if owner := remove.Value("admin"); owner != "" && c.Superuser(r.Admin) {
			wanted.admin = owner
		}
		return c.removeLock(wanted)
	}
	return answer.Unexpected(r.Command)
}

// addLock takes a lock. The texts are recorded, or looked for by clients.
func (c *Config) addLock(wanted lock) answer.Answer {
	for _, l := range c.locks {
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
	wanted.made = c.o.Now()
	c.locks = append(c.locks, wanted)
	verb := "modify"
	if wanted.commit {
		verb = "commit"
	}
	return answer.Success(fmt.Sprintf("<result>Successfully acquired lock. Other administrators will not be able to %s configuration "+
		"until lock is released by %s.</result>", verb, answer.Escape(wanted.admin)))
}

// removeLock gives a lock back.
func (c *Config) removeLock(wanted lock) answer.Answer {
	holder := ""
	for i, l := range c.locks {
		switch {
		case l.commit != wanted.commit || l.scope != wanted.scope:
		case l.admin == wanted.admin:
			c.locks = slices.Delete(slices.Clone(c.locks), i, i+1)
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
