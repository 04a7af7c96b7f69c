package panosim

import "slices"

// listID names an External Dynamic List of type ip. Where is a virtual system, "" for shared, or what Panorama
// pushed to a virtual system.
type listID struct{ where, name string }

const pushedList = "panorama:"

func (id listID) String() string {
	if id.where == "" {
		return "shared/" + id.name
	}
	return id.where + "/" + id.name
}

// listPlace is listID.where for the place of a root in a scope.
func listPlace(i int, vsys string) string {
	switch i {
	case 0:
		return vsys
	case 1:
		return ""
	}
	return pushedList + vsys
}

// from is where an object of the nth root finds others: what is shared finds what is shared.
func (c scope) from(n int) scope {
	if n == 0 {
		return c
	}
	return scope{c[n], c[1]}
}

// listNamed finds a list of type ip as a rule names it.
func (p *policy) listNamed(name string) (listID, bool) {
	for i, root := range p.scope {
		if e := root.Child("external-list").Entry(name); e != nil {
			return listID{listPlace(i, p.vsys), name}, e.Down("type", "ip") != nil
		}
	}
	return listID{}, false
}

// ListNames gives the names of the External Dynamic Lists of IP addresses that rules can name, sorted.
func (p *policy) ListNames() []string {
	var out []string
	for _, root := range p.scope {
		for _, e := range root.Child("external-list").Entries() {
			if e.Down("type", "ip") != nil {
				out = append(out, e.ID())
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
