package panosim

import (
	"slices"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
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
	t := xmltree.NewTree(s.runningLocked())
	role := leafElement("superuser", "yes")
	if len(allowed) > 0 {
		profile := xmltree.Key{Element: "entry", ID: admin + "-role"}
		granted := &xmltree.Element{Name: "xmlapi"}
		for _, r := range rights() {
			setting := "disable"
			if slices.Contains(allowed, r) {
				setting = "enable"
			}
			granted.Children = append(granted.Children, leafElement(string(r), setting))
		}
		putEntry(&t, profile, wrapped(granted, "device", "role"), "config", "shared", "admin-role")
		role = wrapped(leafElement("profile", profile.ID), "custom")
	}
	putEntry(&t, xmltree.Key{Element: "entry", ID: admin}, wrapped(role, "role-based", "permissions"), "config", "mgt-config", "users")
	s.setRunningLocked(t.State())
}

func leafElement(name, text string) *xmltree.Element { return &xmltree.Element{Name: name, Text: text} }

// wrapped puts an element into others, the innermost named first.
func wrapped(e *xmltree.Element, names ...string) *xmltree.Element {
	for _, name := range names {
		e = &xmltree.Element{Name: name, Children: []*xmltree.Element{e}}
	}
	return e
}

// putEntry makes the one child of an entry in a list, in place of the entry that stands there.
func putEntry(t *xmltree.Tree, entry xmltree.Key, child *xmltree.Element, list ...string) {
	e := entry.New()
	e.Children = []*xmltree.Element{child}
	path := xmltree.Path{}
	for _, name := range list {
		path.Steps = append(path.Steps, xmltree.Step{Name: name})
	}
	path.Steps = append(path.Steps, xmltree.Step{Name: entry.Element, Chosen: []xmltree.Key{entry}})
	// It is made where it is missing, so nothing can be wrong. It has no mark: it runs at once.
	_, _ = (&edit{action: "edit", path: path, element: e}).apply(t)
}

// superuserLocked says whether the administrator may do everything.
func (s *Sim) superuserLocked(admin string) bool {
	role := s.config.running.Down("mgt-config", "users").Entry(admin).Down("permissions", "role-based")
	return role == nil || role.Value("superuser") == "yes"
}

// allowedLocked says whether the administrator's role allows calls of this type.
func (s *Sim) allowedLocked(admin, kind string) bool {
	if s.denied[kind] {
		return false
	}
	if kind == "version" || s.superuserLocked(admin) {
		return true
	}
	role := s.config.running.Down("mgt-config", "users").Entry(admin).Down("permissions", "role-based")
	granted := s.config.running.Down("shared", "admin-role").Entry(role.Child("custom").Value("profile")).Child("role")
	for _, scope := range []string{"device", "vsys"} {
		if granted.Down(scope, "xmlapi").Value(kind) == "enable" {
			return true
		}
	}
	return false
}

// refuseRole is the answer to a call that the role forbids.
func refuseRole(how dialect.Denied, kind string) answer.Answer {
	if how == dialect.DeniedForbidden {
		return answer.Forbidden("Type [" + kind + "] not authorized for user role.")
	}
	return answer.Unauthorized()
}

// showAdmins answers "show admins": who is logged in, and "show admins all": who can. The shape is that of the
// command line's columns; no answer over the API was seen.
func (s *Sim) showAdmins(c *call, what *xmltree.Element) answer.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, user := range s.config.running.Down("mgt-config", "users").Entries() {
		if what.Child("all") == nil && user.ID() != c.admin {
			continue
		}
		role := user.Down("permissions", "role-based", "custom").Value("profile")
		if role == "" {
			role = "superuser"
		}
		b.WriteString("<entry><admin>" + answer.Escape(user.ID()) + "</admin><role>" + answer.Escape(role) + "</role></entry>")
	}
	return answer.Success("<result><admins>" + b.String() + "</admins></result>")
}
