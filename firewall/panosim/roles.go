package panosim

import (
	"slices"

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
func (c Configuration) SetRole(admin string, allowed ...Right) {
	var granted []*xmltree.Element
	if len(allowed) > 0 {
		for _, r := range rights() {
			setting := "disable"
			if slices.Contains(allowed, r) {
				setting = "enable"
			}
			granted = append(granted, &xmltree.Element{Name: string(r), Text: setting})
		}
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.config.SetRole(admin, granted...)
}
