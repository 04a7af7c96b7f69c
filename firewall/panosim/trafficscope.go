package panosim

// vsysElement gives the configuration of one virtual system, or nil.
func vsysElement(config *element, vsys string) *element {
	return config.down("devices", "entry="+localhost, "vsys", "entry="+vsys)
}

// scope is where a virtual system finds objects by name: first match counts.
type scope []*element

// newScope looks into the virtual system itself, then into what is shared, then into what Panorama pushed.
func newScope(config *element, vsys string, pushed []*element) scope {
	s := scope{vsysElement(config, vsys), config.child("shared")}
	return append(s, pushed...)
}

// find gives the entry of that name below the path, as find("address-group", "x"), or nil.
func (s scope) find(name string, path ...string) *element {
	for _, root := range s {
		if e := root.down(path...).entry(name); e != nil {
			return e
		}
	}
	return nil
}

// all gives the entries below the path; those that are hidden by one of the same name are left out.
func (s scope) all(path ...string) []*element {
	var out []*element
	seen := map[string]bool{}
	for _, root := range s {
		for _, e := range root.down(path...).entries() {
			if !seen[e.id()] {
				seen[e.id()] = true
				out = append(out, e)
			}
		}
	}
	return out
}

// find is that of the policy's scope, quick also among the thousands of addresses of a group.
func (p *policy) find(name string, path ...string) *element {
	for _, root := range p.scope {
		if e := p.entry(root.down(path...), name); e != nil {
			return e
		}
	}
	return nil
}

func (p *policy) entry(list *element, name string) *element {
	if list == nil || len(list.children) < indexFrom {
		return list.entry(name)
	}
	index := p.index[list]
	if index == nil {
		index = make(map[string]*element, len(list.children))
		for _, e := range list.entries() {
			index[e.id()] = e
		}
		p.index[list] = index
	}
	return index[name]
}

// maxNesting bounds groups in groups; PAN-OS refuses circles at the commit, Options.Config may hold one.
const maxNesting = 20
