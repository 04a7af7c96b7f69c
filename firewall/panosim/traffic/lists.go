package traffic

import "slices"

// ListID names an External Dynamic List of type ip. Where is a virtual system, "" for shared, or what Panorama
// pushed to a virtual system.
type ListID struct{ Where, Name string }

const pushedList = "panorama:"

// String writes the list as the system log names it.
func (id ListID) String() string {
	if id.Where == "" {
		return "shared/" + id.Name
	}
	return id.Where + "/" + id.Name
}

// ListPlace is listID.where for the place of a root in a scope.
func ListPlace(i int, vsys string) string {
	switch i {
	case 0:
		return vsys
	case 1:
		return ""
	}
	return pushedList + vsys
}

// From is where an object of the nth root finds others: all but those of a virtual system in what is shared, and in what Panorama
// pushed, where a device group names what is in a template.
func (c Scope) From(n int) Scope {
	if n == 0 {
		return c
	}
	return append(Scope{c[n]}, c[1:]...)
}

// ListNamed finds a list of type ip as a rule names it.
func (p *Policy) ListNamed(name string) (ListID, bool) {
	for i, root := range p.Scope {
		if e := root.Child("external-list").Entry(name); e != nil {
			return ListID{ListPlace(i, p.VSys), name}, e.Down("type", "ip") != nil
		}
	}
	return ListID{}, false
}

// ListNames gives the names of the External Dynamic Lists of IP addresses that rules can name, sorted.
func (p *Policy) ListNames() []string {
	var out []string
	for _, root := range p.Scope {
		for _, e := range root.Child("external-list").Entries() {
			if e.Down("type", "ip") != nil {
				out = append(out, e.ID())
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
