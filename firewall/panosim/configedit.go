package panosim

import (
	"fmt"
	"maps"
	"slices"
)

// edit is one change of the candidate.
type edit struct {
	action     string // set, edit, delete, rename, move
	path       xpath
	element    *element // of set and edit
	where, dst string   // of move
	newName    string   // of rename
	mark       *mark    // who made it, when
}

// apply carries the edit out. It changes nothing if it is refused.
func (e *edit) apply(t *tree) (changed bool, refused *refusal) {
	switch e.action {
	case "set":
		return e.set(t)
	case "edit":
		return e.replace(t)
	case "delete":
		return e.delete(t)
	case "move":
		return e.move(t)
	case "rename":
		return e.rename(t)
	}
	return false, refuse(1, "Unknown command")
}

// set merges the element into what the path means, which is made if it is not there.
func (e *edit) set(t *tree) (bool, *refusal) {
	if !e.path.single() {
		return false, refuse(12, "Invalid Object")
	}
	if e.path.steps[0].name != t.root.name {
		return false, refuse(6, "Bad XPath")
	}
	at, made := e.reach(t)
	return t.merge(at.last(), e.element, e.mark) || made, nil
}

// reach gives what the path means, modifiable, and makes what is missing of it.
func (e *edit) reach(t *tree) (at chain, made bool) {
	at = t.own(chain{t.root})
	for _, s := range e.path.steps[1:] {
		k := s.key()
		next := t.lookup(at.last(), k)
		if next == nil {
			next = k.make()
			next.mark = e.mark
			t.add(at.last(), next)
			made = true
		} else {
			next = t.ownChild(at.last(), next)
		}
		at = append(at, next)
	}
	return at, made
}

// replace puts the element where the path means, which is made if it is not there.
func (e *edit) replace(t *tree) (bool, *refusal) {
	if !e.path.single() || len(e.path.steps) < 2 {
		return false, refuse(12, "Invalid Object")
	}
	k := e.path.last().key()
	if e.element.key() != k {
		return false, refuse(12, "Edit breaks config validity")
	}
	if e.path.steps[0].name != t.root.name {
		return false, refuse(6, "Bad XPath")
	}
	found := e.path.find(t.root)
	if len(found) > 0 && found[0].last().equal(e.element) {
		return false, nil
	}
	up := *e
	up.path = e.path.parent()
	parent, _ := up.reach(t)
	fresh := t.plant(e.element, e.mark)
	if old := t.lookup(parent.last(), k); old != nil {
		parent.last().children[slices.Index(parent.last().children, old)] = fresh
		parent.last().reindex(k, fresh)
		return true, nil
	}
	t.add(parent.last(), fresh)
	return true, nil
}

// delete takes away everything that the path means.
func (e *edit) delete(t *tree) (bool, *refusal) {
	found := e.path.find(t.root)
	if len(found) == 0 || len(e.path.steps) < 2 {
		return false, missing()
	}
	for _, c := range found {
		parent := t.own(c[:len(c)-1])
		t.remove(parent.last(), parent.last().find(c.last().key()))
		parent.last().mark = e.mark
	}
	return true, nil
}

// move puts an entry elsewhere in its list.
func (e *edit) move(t *tree) (bool, *refusal) {
	found := e.path.find(t.root)
	if len(found) == 0 || len(e.path.steps) < 2 {
		return false, missing()
	}
	if len(found) > 1 {
		return false, refuse(8, "Object not unique")
	}
	what := found[0].last()
	list := found[0][len(found[0])-2]
	from := slices.Index(list.children, what)
	var to int
	switch e.where {
	case "top":
		if from == 0 {
			return false, refuse(14, "already at the top")
		}
	case "bottom":
		if to = len(list.children) - 1; from == to {
			return false, refuse(14, "already at the bottom")
		}
	case "before", "after":
		dst := list.entry(e.dst)
		if dst == nil {
			return false, missing()
		}
		if dst == what {
			return false, refuse(14, fmt.Sprintf("cannot move %s %s itself", e.dst, e.where))
		}
		to = slices.Index(list.children, dst)
		if e.where == "after" {
			to++
		}
		if to > from {
			to-- // what goes away from before it
		}
	default:
		return false, refuse(17, `invalid value for "where"`)
	}
	if from == to {
		return false, nil
	}
	own := t.own(found[0])
	list, what = own[len(own)-2], own.last()
	what.mark = e.mark
	list.children = slices.Insert(slices.Delete(list.children, from, from+1), to, what)
	return true, nil
}

// rename gives an entry another name, in its place.
func (e *edit) rename(t *tree) (bool, *refusal) {
	found := e.path.find(t.root)
	if len(found) == 0 || e.path.last().name != "entry" {
		return false, missing()
	}
	if len(found) > 1 {
		return false, refuse(8, "Object not unique")
	}
	list := found[0][len(found[0])-2]
	if list.entry(e.newName) != nil {
		return false, refuse(8, fmt.Sprintf("%s already exists", e.newName))
	}
	own := t.own(found[0])
	list, what := own[len(own)-2], own.last()
	what.attributes = maps.Clone(what.attributes)
	what.attributes["name"] = e.newName
	what.mark = e.mark
	list.index = nil
	return true, nil
}

// single says whether the path means at most one element, whatever is there.
func (x xpath) single() bool {
	for _, s := range x.steps {
		if !s.one() {
			return false
		}
	}
	return x.attribute == ""
}

// key is that of the one element that the step means.
func (s pathStep) key() key {
	if len(s.chosen) == 1 {
		return s.chosen[0]
	}
	return key{element: s.name}
}

// make gives a new element with the key.
func (k key) make() *element {
	e := &element{name: k.element}
	switch k.element {
	case "entry":
		e.attributes = map[string]string{"name": k.id}
	case "member":
		e.text = k.id
	}
	return e
}

// plant copies an element into the tree.
func (t *tree) plant(e *element, m *mark) *element {
	out := &element{name: e.name, attributes: maps.Clone(e.attributes), text: e.text, mark: m, era: t.era}
	if len(e.children) > 0 {
		out.children = make([]*element, len(e.children))
		for i, c := range e.children {
			out.children[i] = t.plant(c, m)
		}
	}
	return out
}

// merge adds to an element that the tree owns what another of its kind has in addition, or differently.
func (t *tree) merge(into, from *element, m *mark) (changed bool) {
	for name, value := range from.attributes {
		if into.attributes[name] != value {
			if into.attributes == nil {
				into.attributes = map[string]string{}
			}
			into.attributes[name], changed = value, true
		}
	}
	if len(from.children) == 0 && len(into.children) == 0 && from.text != "" && into.text != from.text {
		into.text, changed = from.text, true
	}
	for _, c := range from.children {
		old := t.lookup(into, c.key())
		if old == nil {
			t.add(into, t.plant(c, m))
			changed = true
			continue
		}
		changed = t.merge(t.ownChild(into, old), c, m) || changed
	}
	if changed {
		into.mark = m
	}
	return changed
}
