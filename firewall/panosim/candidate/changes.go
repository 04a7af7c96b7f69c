package candidate

import (
	"slices"
	"strings"

	"activedefense/firewall/panosim/schema"
	"activedefense/firewall/panosim/xmltree"
)

// changed is what became of one place of the configuration since the last commit.
type changed struct {
	path      string
	action    string
	admins    []string // who touched it, the last one last
	component component
}

// changes sums the journal up.
func (j *journal) changes(chosen func(*edit) bool) []changed {
	var out []changed
	at := map[string]int{}
	for _, e := range j.edits {
		if !chosen(e) {
			continue
		}
		for _, path := range e.touches() {
			text := path.String()
			i, known := at[text]
			if !known {
				i = len(out)
				at[text] = i
				out = append(out, changed{path: text, component: componentOf(path)})
			}
			if found := &out[i]; found.action != "CREATE" || e.action == "delete" {
				found.action = e.verb(path, j.running)
			}
			out[i].admins = append(slices.DeleteFunc(out[i].admins, func(a string) bool { return a == e.admin }), e.admin)
		}
	}
	return out
}

// verb names what the edit did to a place.
func (e *edit) verb(path xmltree.Path, running *xmltree.Element) string {
	switch {
	case e.action == "delete" || e.action == "move" || e.action == "rename":
		return strings.ToUpper(e.action)
	case len(path.Find(running)) == 0:
		return "CREATE"
	}
	return "EDIT"
}

// touches gives the places that an edit changed: of a set, the objects it brought, not the list in which they stand.
func (e *edit) touches() []xmltree.Path {
	if e.action != "set" {
		return []xmltree.Path{e.path}
	}
	at, _, _ := schema.Firewall.At(e.path)
	return objectsBelow(e.path, at, e.element)
}

// objectsBelow gives the path of every object in the element, which stands at the path.
func objectsBelow(x xmltree.Path, at *schema.Schema, e *xmltree.Element) []xmltree.Path {
	if at == nil || at.Leaf || at.List || at.Rule || len(e.Children) == 0 || x.Last().Name == "entry" && !at.Open {
		return []xmltree.Path{x}
	}
	var out []xmltree.Path
	for _, child := range e.Children {
		below, _ := at.Below(child.Name)
		step := xmltree.Step{Name: child.Name}
		if child.Name == "entry" {
			step.Chosen = []xmltree.Key{child.Key()}
		}
		next := xmltree.Path{Steps: append(slices.Clip(x.Steps), step)}
		if at.Entry != nil {
			out = append(out, next)
			continue
		}
		out = append(out, objectsBelow(next, below, child)...)
	}
	return out
}
