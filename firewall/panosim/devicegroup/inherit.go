package devicegroup

import (
	"maps"
	"slices"
	"strings"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// sharedLocation is how the scope Shared is called where it marks what comes from it.
const sharedLocation = "Shared"

// maxLevels is how deep device groups can be nested (PAN-OS web interface help, "nest device groups in a tree hierarchy
// of up to four levels").
const maxLevels = 4

// Lineage gives a device group, its parent and so on; nil: there is no such group. Panorama keeps which is whose parent
// apart from what the groups hold, under /config/readonly.
func Lineage(root *xmltree.Element, group string) []*xmltree.Element {
	localhost := "entry=" + dialect.Localhost
	groups := root.Down("devices", localhost, "device-group")
	parents := root.Down("readonly", "devices", localhost, "device-group")
	var out []*xmltree.Element
	for len(out) < maxLevels {
		e := groups.Entry(group)
		if e == nil {
			break
		}
		out = append(out, e)
		group = parents.Entry(group).Value("parent-dg")
	}
	return out
}

// inherited copies a device group as a firewall gets it: around its rules are those of its parent, around these those of
// the parent's parent; and it has the objects of both that it does not have itself.
func inherited(line []*xmltree.Element, serial, vsys string) *xmltree.Element {
	out := prepared(line[0], line[0].ID(), serial, vsys)
	for _, parent := range line[1:] {
		outer := prepared(parent, parent.ID(), serial, vsys)
		out = enclosed(out, outer)
		Fold(out, outer)
	}
	return out
}

// prepared copies a scope as a firewall gets it: every object and rule marked with where it comes from, and without
// the rules that are for other firewalls.
func prepared(scope *xmltree.Element, location, serial, vsys string) *xmltree.Element {
	out := &xmltree.Element{Name: scope.Name, Attributes: scope.Attributes}
	for _, list := range scope.Children {
		// What a device group says of itself is no object.
		if !slices.Contains([]string{"devices", "reference-templates", "description", "master-device"}, list.Name) {
			out.Children = append(out.Children, located(list, location, serial, vsys))
		}
	}
	return out
}

func located(e *xmltree.Element, location, serial, vsys string) *xmltree.Element {
	out := &xmltree.Element{Name: e.Name, Attributes: e.Attributes, Text: e.Text, Children: e.Children}
	if e.Name == "entry" {
		out.Attributes = maps.Clone(e.Attributes)
		out.Attributes["loc"] = location
		return out
	}
	out.Children = nil
	for _, c := range e.Children {
		if c.Name != "entry" || means(c.Child("target"), serial, vsys) {
			out.Children = append(out.Children, located(c, location, serial, vsys))
		}
	}
	return out
}

// means says whether the target of a rule, which may be nil, is the firewall: it names none, or this one; or any but
// those it names.
func means(target *xmltree.Element, serial, vsys string) bool {
	devices := target.Child("devices").Entries()
	if len(devices) == 0 {
		return true
	}
	named := slices.ContainsFunc(devices, func(d *xmltree.Element) bool {
		systems := d.Child("vsys").EntryNames()
		return d.ID() == serial && (len(systems) == 0 || vsys == "" || slices.Contains(systems, vsys))
	})
	return named != (target.Value("negate") == "yes")
}

// Fold adds to a scope the objects of another one that it does not have.
func Fold(e, scope *xmltree.Element) {
	for _, list := range scope.Children {
		if !strings.HasSuffix(list.Name, "-rulebase") {
			fold(e, list)
		}
	}
}

// fold adds a list, or lists of lists such as log-settings, to an element.
func fold(e, list *xmltree.Element) {
	own := e.Find(list.Key())
	switch {
	case own == nil:
		e.Children = append(e.Children, list.Clone())
	case list.Name != "entry" && list.Name != "member":
		for _, c := range list.Children {
			fold(own, c)
		}
	}
}
