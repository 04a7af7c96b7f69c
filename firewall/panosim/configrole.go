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
	permissions := "<superuser>yes</superuser>"
	profile := admin + "-role"
	t := newTree(s.runningLocked())
	put := func(path []string, content string) {
		x := xpath{}
		for _, name := range path {
			step := pathStep{name: name}
			if id, ok := strings.CutPrefix(name, "entry="); ok {
				step = pathStep{name: "entry", chosen: []key{{"entry", id}}}
			}
			x.steps = append(x.steps, step)
		}
		e, err := parseConfig(content)
		if err != nil {
			panic(err) // written below
		}
		_, _ = (&edit{action: "edit", path: x, element: e, mark: &mark{gone: true}}).apply(&t)
	}
	if len(allowed) > 0 {
		permissions = "<custom><profile>" + escape(profile) + "</profile></custom>"
		var b strings.Builder
		for _, r := range rights() {
			b.WriteString("<" + string(r) + ">" + map[bool]string{true: "enable", false: "disable"}[slices.Contains(allowed, r)] +
				"</" + string(r) + ">")
		}
		put([]string{"config", "shared", "admin-role", "entry=" + profile},
			`<entry name="`+escape(profile)+`"><role><device><xmlapi>`+b.String()+`</xmlapi></device></role></entry>`)
	}
	put([]string{"config", "mgt-config", "users", "entry=" + admin, "permissions"},
		"<permissions><role-based>"+permissions+"</role-based></permissions>")
	s.setRunningLocked(t.state())
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
