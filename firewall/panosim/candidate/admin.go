package candidate

import (
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// SetRole gives an administrator a role of its own with these rights, an element for each with the text enable or
// disable, or, with none named, makes the administrator a superuser. It stands where a firewall shows it: in the running
// configuration, under mgt-config/users and shared/admin-role, at once and without a commit. An administrator of whom the
// configuration says nothing is a superuser.
func (c *Config) SetRole(admin string, rights ...*xmltree.Element) {
	t := xmltree.NewTree(c.Running())
	role := &xmltree.Element{Name: "superuser", Text: "yes"}
	if len(rights) > 0 {
		profile := xmltree.Key{Element: "entry", ID: admin + "-role"}
		granted := &xmltree.Element{Name: "xmlapi", Children: rights}
		putEntry(&t, profile, wrapped(granted, "device", "role"), "config", "shared", "admin-role")
		role = wrapped(&xmltree.Element{Name: "profile", Text: profile.ID}, "custom")
	}
	putEntry(&t, xmltree.Key{Element: "entry", ID: admin}, wrapped(role, "role-based", "permissions"), "config", "mgt-config", "users")
	c.SetRunning(t.State())
}

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

// Superuser says whether the administrator may do everything.
func (c *Config) Superuser(admin string) bool {
	role := c.journal.running.Down("mgt-config", "users").Entry(admin).Down("permissions", "role-based")
	return role == nil || role.Value("superuser") == "yes"
}

// Allows says whether the administrator's role allows calls of this type.
func (c *Config) Allows(admin, kind string) bool {
	if kind == "version" || c.Superuser(admin) {
		return true
	}
	role := c.journal.running.Down("mgt-config", "users").Entry(admin).Down("permissions", "role-based")
	granted := c.journal.running.Down("shared", "admin-role").Entry(role.Child("custom").Value("profile")).Child("role")
	for _, scope := range []string{"device", "vsys"} {
		if granted.Down(scope, "xmlapi").Value(kind) == "enable" {
			return true
		}
	}
	return false
}

// RefuseRole is the answer to a call that the role forbids.
func RefuseRole(how dialect.Denied, kind string) answer.Answer {
	if how == dialect.DeniedForbidden {
		return answer.Forbidden("Type [" + kind + "] not authorized for user role.")
	}
	return answer.Unauthorized()
}

// ShowAdmins answers "show admins": who is logged in, with the elements of a recorded answer, and "show admins all": who can,
// in the shape of the command line's columns, for no answer over the API was seen. Calls are sessions of their own; here
// the one that asks is the only one.
func (c *Config) ShowAdmins(r answer.Request) answer.Answer {
	var b strings.Builder
	if r.At.Child("all") == nil {
		b.WriteString("<entry>")
		if c.o.Dialect.Admins == dialect.AdminsSelf {
			b.WriteString("<self/>")
		}
		answer.WriteFields(&b, []answer.Field{{Name: "admin", Value: r.Admin}, {Name: "from", Value: "192.0.2.10"}, {Name: "type", Value: "Web"},
			{Name: "session-start", Value: c.o.Now().Format("01/02 15:04:05")}, {Name: "idle-for", Value: "00:00:00s"}})
		b.WriteString("</entry>")
	}
	for _, user := range c.journal.running.Down("mgt-config", "users").Entries() {
		if r.At.Child("all") == nil {
			break
		}
		role := user.Down("permissions", "role-based", "custom").Value("profile")
		if role == "" {
			role = "superuser"
		}
		b.WriteString("<entry><admin>" + answer.Escape(user.ID()) + "</admin><role>" + answer.Escape(role) + "</role></entry>")
	}
	return answer.Success("<result><admins>" + b.String() + "</admins></result>")
}
