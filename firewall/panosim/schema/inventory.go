package schema

import (
	"strings"

	"activedefense/firewall/panosim/devicegroup"
	"activedefense/firewall/panosim/xmltree"
)

// SharedScope is the scope of /config/shared; every other one is a virtual system or a device group.
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
	places := append(n.more(scope), n.root.Child("shared"))
	if scope != SharedScope {
		places = append(places, scopesOf(n.root, scope)...)
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

// scopesOf gives where a virtual system or a device group finds objects by name, but for what is shared: in itself, and
// in the groups above a device group; nil: there is none of that name.
func scopesOf(root *xmltree.Element, name string) []*xmltree.Element {
	for _, device := range root.Child("devices").Entries() {
		if e := device.Child("vsys").Entry(name); e != nil {
			return []*xmltree.Element{e}
		}
	}
	return devicegroup.Lineage(root, name)
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
