package schema

import (
	"strings"

	"activedefense/firewall/panosim/devicegroup"
	"activedefense/firewall/panosim/xmltree"
)

// SharedScope is the scope of /config/shared; every other one is a virtual system, a device group or a template.
const SharedScope = "shared"

// containers says where, below /config/shared, a virtual system or a device group, the objects of a kind stand.
func containers(kind string) []string { return strings.Split(kind, "/") }

// Inventory answers which objects a configuration has. It is built as it is asked.
type Inventory struct {
	root  *xmltree.Element
	more  func(scope string) []*xmltree.Element // further places in which objects stand that a scope can name
	names map[*xmltree.Element]map[string]bool
	asked int

	brought map[Object]bool // by an edit that is looked at
}

// NewInventory looks into a configuration, and into what more gives for a scope.
func NewInventory(root *xmltree.Element, more func(scope string) []*xmltree.Element) *Inventory {
	return &Inventory{root: root, more: more, names: map[*xmltree.Element]map[string]bool{}}
}

// has says whether an object of one of the kinds can be named in the scope: it stands there, is inherited, or is shared.
func (n *Inventory) has(scope string, kinds []string, name string) bool {
	places := n.more(scope)
	for _, p := range placesOf(n.root, scope) {
		places = append(places, p.e)
	}
	for _, kind := range kinds {
		if n.brought[Object{kind, scope, name}] || n.brought[Object{kind, SharedScope, name}] {
			return true
		}
		for _, place := range places {
			if n.in(place.Down(containers(kind)...), name) {
				return true
			}
		}
	}
	return false
}

// in looks the name up among the entries of a container, which may be nil. A set of names is made once so many
// names have been asked for that it pays.
func (n *Inventory) in(container *xmltree.Element, name string) bool {
	if container == nil {
		return false
	}
	names, known := n.names[container]
	if n.asked++; !known && n.asked > fewNames {
		names = make(map[string]bool, len(container.Children))
		for _, e := range container.Children {
			names[e.ID()] = true
		}
		n.names[container] = names
		known = true
	}
	if known {
		return names[name]
	}
	return container.Entry(name) != nil
}

// fewNames is up to where a search through the list is cheaper than a set.
const fewNames = 8

// place is where objects stand, and the scope that they are of.
type place struct {
	scope string
	e     *xmltree.Element
}

// placesOf gives where a scope finds objects by name: a virtual system in itself and in what is shared, a device group also in
// the groups above it, and a template in itself alone. Which templates' objects a device group, or the rules of Shared, may name no
// source says (PAN-OS has "reference templates"): here those of every one.
func placesOf(root *xmltree.Element, scope string) (out []place) {
	shared := place{SharedScope, root.Child("shared")}
	for _, device := range root.Child("devices").Entries() {
		if e := device.Child("vsys").Entry(scope); e != nil {
			return []place{{scope, e}, shared}
		}
		if e := device.Child("template").Entry(scope); e != nil {
			return []place{{scope, e.Down("config", "shared")}}
		}
	}
	for _, e := range devicegroup.Lineage(root, scope) {
		out = append(out, place{e.ID(), e})
	}
	out = append(out, shared)
	for _, device := range root.Child("devices").Entries() {
		for _, e := range device.Child("template").Entries() {
			out = append(out, place{e.ID(), e.Down("config", "shared")})
		}
	}
	return out
}

// isScope tells whether the entries of a list are scopes, of which each has objects of its own.
func isScope(list string) bool {
	return list == "vsys" || list == "device-group" || list == "template"
}

// Bring lets what comes with an edit be named, too: an address and the group that holds it may come together. at is the
// schema of the place, e what is to stand there. parent is that of the
// table of which e is an entry; nil: e is merged into what stands there.
func (n *Inventory) Bring(at *Schema, scope string, e *xmltree.Element, parent *Schema) {
	var brought []Object
	if parent != nil && parent.Entry != nil && parent.kind != "" {
		brought = append(brought, Object{parent.kind, scope, e.ID()})
	}
	n.brought = map[Object]bool{}
	for _, o := range at.define(e, scope, brought) {
		n.brought[o] = true
	}
}
