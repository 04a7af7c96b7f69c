package traffic

import (
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// vsysElement gives the configuration of one virtual system, or nil.
func vsysElement(config *xmltree.Element, vsys string) *xmltree.Element {
	return config.Down("devices", "entry="+dialect.Localhost, "vsys", "entry="+vsys)
}

// Scope is where a virtual system finds objects by name: first match counts.
type Scope []*xmltree.Element

// newScope looks into the virtual system itself, then into what is shared, then into what Panorama pushed.
func newScope(config *xmltree.Element, vsys string, pushed []*xmltree.Element) Scope {
	s := Scope{vsysElement(config, vsys), config.Child("shared")}
	return append(s, pushed...)
}

// find gives the entry of that name below the path, as find("address-group", "x"), or nil.
func (s Scope) find(name string, path ...string) *xmltree.Element {
	for _, root := range s {
		if e := root.Down(path...).Entry(name); e != nil {
			return e
		}
	}
	return nil
}

// All gives the entries below the path; those that are hidden by one of the same name are left out.
func (s Scope) All(path ...string) []*xmltree.Element {
	var out []*xmltree.Element
	seen := map[string]bool{}
	for _, root := range s {
		for _, e := range root.Down(path...).Entries() {
			if !seen[e.ID()] {
				seen[e.ID()] = true
				out = append(out, e)
			}
		}
	}
	return out
}

// Find is that of the policy's scope, quick also among the thousands of addresses of a group.
func (p *Policy) Find(name string, path ...string) *xmltree.Element {
	for _, root := range p.Scope {
		if e := p.entry(root.Down(path...), name); e != nil {
			return e
		}
	}
	return nil
}

func (p *Policy) entry(list *xmltree.Element, name string) *xmltree.Element {
	if list == nil || len(list.Children) < xmltree.IndexFrom {
		return list.Entry(name)
	}
	index := p.index[list]
	if index == nil {
		index = make(map[string]*xmltree.Element, len(list.Children))
		for _, e := range list.Entries() {
			index[e.ID()] = e
		}
		p.index[list] = index
	}
	return index[name]
}

// maxNesting bounds groups in groups; PAN-OS refuses circles at the commit, Options.Config may hold one.
const maxNesting = 20
