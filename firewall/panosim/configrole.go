package panosim

import (
	"slices"
	"strings"
)

// Right is a right of an administrator's role over the XML API, by its name in the configuration
// (admin-role/entry/role/device/xmlapi).
type Right string

// The rights.
const (
	RightReport        Right = "report"
	RightLog           Right = "log"
	RightConfiguration Right = "config"
	RightOperation     Right = "op"
	RightCommit        Right = "commit"
	RightUserID        Right = "user-id"
	RightIoT           Right = "iot"
	RightExport        Right = "export"
	RightImport        Right = "import"
)

// rights lists them in the order of the configuration.
func rights() []Right {
	return []Right{
		RightReport, RightLog, RightConfiguration, RightOperation, RightCommit, RightUserID, RightIoT, RightExport, RightImport,
	}
}

// SetRole gives an administrator a role of its own with these rights, or, with none named, makes the administrator
// a superuser. It stands where a firewall shows it: in the running configuration, under mgt-config/users and
// shared/admin-role, at once and without a commit. An administrator of whom the configuration says nothing is a
// superuser.
func (s *Sim) SetRole(admin string, allowed ...Right) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := newTree(s.runningLocked())
	role := leafElement("superuser", "yes")
	if len(allowed) > 0 {
		profile := key{"entry", admin + "-role"}
		granted := &element{name: "xmlapi"}
		for _, r := range rights() {
			setting := "disable"
			if slices.Contains(allowed, r) {
				setting = "enable"
			}
			granted.children = append(granted.children, leafElement(string(r), setting))
		}
		putEntry(&t, profile, wrapped(granted, "device", "role"), "config", "shared", "admin-role")
		role = wrapped(leafElement("profile", profile.id), "custom")
	}
	putEntry(&t, key{"entry", admin}, wrapped(role, "role-based", "permissions"), "config", "mgt-config", "users")
	s.setRunningLocked(t.state())
}

func leafElement(name, text string) *element { return &element{name: name, text: text} }

// wrapped puts an element into others, the innermost named first.
func wrapped(e *element, names ...string) *element {
	for _, name := range names {
		e = &element{name: name, children: []*element{e}}
	}
	return e
}

// putEntry makes the one child of an entry in a list, in place of the entry that stands there.
func putEntry(t *tree, entry key, child *element, list ...string) {
	e := entry.make()
	e.children = []*element{child}
	path := xpath{}
	for _, name := range list {
		path.steps = append(path.steps, pathStep{name: name})
	}
	path.steps = append(path.steps, pathStep{name: entry.element, chosen: []key{entry}})
	// It is made where it is missing, so nothing can be wrong. It has no mark: it runs at once.
	_, _ = (&edit{action: "edit", path: path, element: e}).apply(t)
}

// superuserLocked says whether the administrator may do everything.
func (s *Sim) superuserLocked(admin string) bool {
	role := s.config.running.down("mgt-config", "users").entry(admin).down("permissions", "role-based")
	return role == nil || role.value("superuser") == "yes"
}

// allowedLocked says whether the administrator's role allows calls of this type.
func (s *Sim) allowedLocked(admin, kind string) bool {
	if s.denied[kind] {
		return false
	}
	if kind == "version" || s.superuserLocked(admin) {
		return true
	}
	role := s.config.running.down("mgt-config", "users").entry(admin).down("permissions", "role-based")
	granted := s.config.running.down("shared", "admin-role").entry(role.child("custom").value("profile")).child("role")
	for _, scope := range []string{"device", "vsys"} {
		if granted.down(scope, "xmlapi").value(kind) == "enable" {
			return true
		}
	}
	return false
}

// refuseRole is the answer to a call that the role forbids.
func refuseRole(how Denied, kind string) answer {
	if how == DeniedForbidden {
		return forbidden("Type [" + kind + "] not authorized for user role.")
	}
	return unauthorized()
}

// showAdmins answers "show admins": who is logged in, and "show admins all": who can. The shape is that of the
// command line's columns; no answer over the API was seen.
func (s *Sim) showAdmins(c *call, what *element) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, user := range s.config.running.down("mgt-config", "users").entries() {
		if what.child("all") == nil && user.id() != c.admin {
			continue
		}
		role := user.down("permissions", "role-based", "custom").value("profile")
		if role == "" {
			role = "superuser"
		}
		b.WriteString("<entry><admin>" + escape(user.id()) + "</admin><role>" + escape(role) + "</role></entry>")
	}
	return success("<result><admins>" + b.String() + "</admins></result>")
}
