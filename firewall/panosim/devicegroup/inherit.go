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

// receivers is what a rule is pushed to, each a virtual system of a firewall with the tags that Panorama has given it.
type receivers []receiver

type receiver struct {
	serial, vsys string
	tags         []string
}

// inherited copies a device group as a firewall gets it: around its rules are those of its parent, around these those of
// the parent's parent; and it has the objects of both that it does not have itself.
func inherited(line []*xmltree.Element, to receivers) *xmltree.Element {
	out := prepared(line[0], line[0].ID(), to)
	for _, parent := range line[1:] {
		outer := prepared(parent, parent.ID(), to)
		out = enclosed(out, outer)
		Fold(out, outer)
	}
	return out
}

// prepared copies a scope as a firewall gets it: every object and rule marked with where it comes from, and without
// the rules that are for other firewalls.
func prepared(scope *xmltree.Element, location string, to receivers) *xmltree.Element {
	out := &xmltree.Element{Name: scope.Name, Attributes: scope.Attributes}
	for _, list := range scope.Children {
		// What a device group says of itself is no object.
		if !slices.Contains([]string{"devices", "reference-templates", "description", "master-device"}, list.Name) {
			out.Children = append(out.Children, located(list, location, to))
		}
	}
	return out
}

func located(e *xmltree.Element, location string, to receivers) *xmltree.Element {
	out := &xmltree.Element{Name: e.Name, Attributes: e.Attributes, Text: e.Text, Children: e.Children}
	if e.Name == "entry" {
		out.Attributes = maps.Clone(e.Attributes)
		out.Attributes["loc"] = location
		return out
	}
	out.Children = nil
	for _, c := range e.Children {
		if c.Name != "entry" || to.isTarget(c.Child("target")) {
			out.Children = append(out.Children, located(c, location, to))
		}
	}
	return out
}

// isTarget says whether the target of a rule, which may be nil, is one of the virtual systems: it names no firewall and no tag, or this one or one of its
// tags; or any but those it names.
func (all receivers) isTarget(target *xmltree.Element) bool {
	return slices.ContainsFunc(all, func(r receiver) bool { return r.isTarget(target) })
}

func (r receiver) isTarget(target *xmltree.Element) bool {
	devices, tags := target.Child("devices").Entries(), target.Child("tags").Members()
	if len(devices)+len(tags) == 0 {
		return true
	}
	named := slices.ContainsFunc(devices, func(d *xmltree.Element) bool {
		systems := d.Child("vsys").EntryNames()
		return d.ID() == r.serial && (len(systems) == 0 || slices.Contains(systems, r.vsys))
	}) || slices.ContainsFunc(tags, func(tag string) bool { return slices.Contains(r.tags, tag) })
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
