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

// Locks are the locks that administrators hold.
type Locks struct {
	config *Config
	held   []lock
}

// kind is how texts name what is locked.
func (k lock) kind() string {
	if k.commit {
		return "Commit"
	}
	return "Config"
}

// LockConfig has an administrator take the lock on the configuration of a scope ("" is shared).
func (l *Locks) LockConfig(admin, scope string) { l.take(false, admin, scope) }

// LockCommit has an administrator take the lock on commits of a scope ("" is shared).
func (l *Locks) LockCommit(admin, scope string) { l.take(true, admin, scope) }

// UnlockConfig takes the lock on the configuration of a scope ("" is shared) away, whoever holds it.
func (l *Locks) UnlockConfig(scope string) { l.release(false, scope) }

// UnlockCommit takes the locks on commits of a scope ("" is shared) away, whoever holds them.
func (l *Locks) UnlockCommit(scope string) { l.release(true, scope) }

func (l *Locks) take(commit bool, admin, scope string) {
	l.held = append(l.held, lock{commit: commit, admin: admin, scope: cmp.Or(scope, schema.SharedScope), made: l.config.o.Now()})
}

func (l *Locks) release(commit bool, scope string) {
	scope = cmp.Or(scope, schema.SharedScope)
	l.held = slices.DeleteFunc(l.held, func(k lock) bool { return k.commit == commit && k.scope == scope })
}

// refuseEdit refuses an edit while another administrator holds the lock on the configuration.
func (l *Locks) refuseEdit(admin string, path xmltree.Path) *refusal {
	_, scope, _ := schema.Firewall.At(path)
	for _, k := range l.held {
		device := k.scope == schema.SharedScope && l.config.o.Dialect.LockReach == dialect.LockReachDevice
		if !k.commit && k.admin != admin && (k.scope == scope || device) {
			return refuse(13, "Configuration is locked by "+k.admin) // a text that is known
		}
	}
	return nil
}

// ShowConfig answers "show config-locks", with "vsys all" or "vsys NAME" from PAN-OS 9.1.
func (l *Locks) ShowConfig(r answer.Request) answer.Answer {
	return l.show(r, false)
}

// ShowCommit answers "show commit-locks".
func (l *Locks) ShowCommit(r answer.Request) answer.Answer {
	return l.show(r, true)
}

func (l *Locks) show(r answer.Request, commit bool) answer.Answer {
	scope := r.At.Value("vsys")
	if scope == "" {
		scope = r.VSys
	}
	l.config.o.Jobs.Due()
	var b strings.Builder
	for _, k := range l.held {
		if k.commit != commit || scope != "" && scope != "all" && scope != schema.SharedScope && scope != k.scope {
			continue
		}
		kind, comment, made := "vsys", k.comment, k.made.Format(dialect.LocalTime)
		if k.scope == schema.SharedScope {
			kind = schema.SharedScope
		}
		if comment == "" {
			comment = "(null)"
		}
		fmt.Fprintf(&b, `<entry name="%s"><type>%s</type><name>%s</name><created>%s</created><last-activity>%s</last-activity>`+
			`<loggedin>yes</loggedin><comment><![CDATA[%s]]></comment></entry>`,
			xmltree.EscapeAttribute(k.admin), kind, answer.Escape(k.scope), made, made, strings.ReplaceAll(comment, "]]>", ""))
	}
	return answer.Success(fmt.Sprintf("<result><%[1]s>%[2]s</%[1]s></result>", r.At.Name, b.String()))
}

// RequestConfig answers "request config-lock add" and "... remove" for the scope of the call's vsys.
func (l *Locks) RequestConfig(r answer.Request) answer.Answer {
	return l.request(r, false)
}

// RequestCommit answers "request commit-lock add" and "... remove".
func (l *Locks) RequestCommit(r answer.Request) answer.Answer {
	return l.request(r, true)
}

func (l *Locks) request(r answer.Request, commit bool) answer.Answer {
	wanted := lock{commit: commit, admin: r.Admin, scope: r.VSys}
	if wanted.scope == "" {
		wanted.scope = schema.SharedScope
	}
	l.config.o.Jobs.Due()
	if wanted.scope != schema.SharedScope && !slices.Contains(l.config.o.VSys, wanted.scope) {
		return answer.Failure(17, wanted.scope+" is invalid vsys")
	}
	if add := r.At.Child("add"); add != nil {
		wanted.comment = add.Value("comment")
		return l.add(wanted)
	}
	if remove := r.At.Child("remove"); remove != nil {
		// The lock of another administrator is for superusers to take away.
		if owner := remove.Value("admin"); owner != "" && l.config.Superuser(r.Admin) {
			wanted.admin = owner
		}
		return l.remove(wanted)
	}
	return answer.Unexpected(r.Command)
}

// add takes a lock. The texts are recorded, or looked for by clients.
func (l *Locks) add(wanted lock) answer.Answer {
	for _, k := range l.held {
		switch {
		case k.commit != wanted.commit || k.scope != wanted.scope:
		case k.admin == wanted.admin:
			return answer.Failure(0, fmt.Sprintf("You already own a %s lock for scope %s", strings.ToLower(k.kind()), k.scope))
		case k.commit:
			return answer.Failure(0, "Commit lock is already held by "+k.admin)
		default:
			return answer.Failure(0, fmt.Sprintf("Config for scope %s is currently locked by %s", k.scope, k.admin))
		}
	}
	wanted.made = l.config.o.Now()
	l.held = append(l.held, wanted)
	verb := "modify"
	if wanted.commit {
		verb = "commit"
	}
	return answer.Success(fmt.Sprintf("<result>Successfully acquired lock. Other administrators will not be able to %s configuration "+
		"until lock is released by %s.</result>", verb, answer.Escape(wanted.admin)))
}

// remove gives a lock back.
func (l *Locks) remove(wanted lock) answer.Answer {
	holder := ""
	for i, k := range l.held {
		switch {
		case k.commit != wanted.commit || k.scope != wanted.scope:
		case k.admin == wanted.admin:
			l.held = slices.Delete(slices.Clone(l.held), i, i+1)
			return answer.Success(fmt.Sprintf("<result>%s lock released for %s</result>", k.kind(), answer.Escape(k.admin)))
		default:
			holder = k.admin
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

// refuseRevert refuses while another administrator holds a lock on the configuration.
func (l *Locks) refuseRevert(admin string) *refusal {
	for _, k := range l.held {
		if !k.commit && k.admin != admin {
			return refuse(13, "Configuration is locked by "+k.admin)
		}
	}
	return nil
}

// refuseCommit refuses while another administrator holds a lock that keeps commits out; a validation it keeps out never.
func (l *Locks) refuseCommit(admin string, validate bool) *refusal {
	for _, k := range l.held {
		switch {
		case k.admin == admin || validate:
		case k.commit && k.scope == schema.SharedScope:
			return refuse(14, "Other administrators are holding device wide commit locks.")
		case k.commit:
			return refuse(14, "Other administrators are holding commit locks.")
		case l.config.o.Dialect.LockedCommit == dialect.LockedCommitRefused:
			return refuse(14, "Other administrators are holding config locks for scope "+k.scope+".")
		}
	}
	return nil
}

// committed ends the locks on commits of an administrator who has committed (PAN-OS documentation, "Manage Locks for
// Restricting Configuration Changes").
func (l *Locks) committed(admin string) {
	l.held = slices.DeleteFunc(l.held, func(k lock) bool { return k.commit && k.admin == admin })
}
