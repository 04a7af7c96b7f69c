package panosim

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// edit is one change of the candidate.
type edit struct {
	action     string // set, edit, delete, rename, move
	path       xpath
	element    *element // of edit: what is to stand there; of set: its children and text are to be merged in
	where, dst string   // of move
	newName    string   // of rename
	admin      string
	id         int
	mark       *mark

	base   int  // so many steps of the path led to an entry that was there, on which the edit builds
	queued bool // a commit that publishes it runs or waits
	// How the firewall behaved when it was made.
	choice  Choice
	renamed Renamed
	uuids   bool // rules have them
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
	s, _, _ := firewallSchema.at(e.path)
	return e.merge(t, at.last(), e.element, s) || made, nil
}

// reach gives what the path means, modifiable, and makes what is missing of it.
func (e *edit) reach(t *tree) (at chain, made bool) {
	at = t.own(chain{t.root})
	s, _ := firewallSchema.below(t.root.name)
	for _, step := range e.path.steps[1:] {
		k := step.key()
		s, _ = s.below(k.element)
		next := t.lookup(at.last(), k)
		if next == nil {
			next = e.plant(t, k.make(), s)
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
		return false, refuse(12, "Edit breaks config validity") // a text that is known
	}
	if e.path.steps[0].name != t.root.name {
		return false, refuse(6, "Bad XPath")
	}
	if found := e.path.find(t.root); len(found) > 0 && sameButID(found[0].last(), e.element) {
		return false, nil
	}
	up := *e
	up.path = e.path.parent()
	parent, _ := up.reach(t)
	s, _, _ := firewallSchema.at(e.path)
	old := t.lookup(parent.last(), k)
	fresh := e.plant(t, e.element, s)
	if old != nil {
		keepID(fresh, old)
		t.replace(parent.last(), old, fresh)
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
	t.move(list, from, to)
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
	if e.renamed == RenamedFollows {
		e.follow(t, found[0])
	}
	t.rename(t.own(found[0]), e.newName, e.mark)
	return true, nil
}

// follow renames what an entry is called where others refer to it.
func (e *edit) follow(t *tree, entry chain) {
	objects := map[object]bool{}
	if o := defined(entry); len(o) > 0 {
		objects[o[0]] = true
	}
	var uses []chain
	r := newReferrers(objects)
	r.visit = func(at chain, _ object) { uses = append(uses, slices.Clone(at)) }
	r.walk(t.root)
	for _, use := range uses {
		t.rename(t.own(use), e.newName, e.mark)
	}
}

// plant copies an element into the tree.
func (e *edit) plant(t *tree, from *element, s *schema) *element {
	out := t.sprout(from, e.mark)
	if e.uuids && s != nil && s.rule && out.attributes["uuid"] == "" {
		out.attributes["uuid"] = ruleID(e.id, out.id())
	}
	if len(from.children) > 0 {
		out.children = make([]*element, len(from.children))
		for i, c := range from.children {
			below, _ := s.below(c.name)
			out.children[i] = e.plant(t, c, below)
		}
	}
	return out
}

// ruleID makes the identifier that a rule keeps for life (PAN-OS 9.0 and later), the same each time the edit that
// made the rule is carried out.
func ruleID(edit int, name string) string {
	sum := sha256.Sum256([]byte(strconv.Itoa(edit) + " " + name))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// keepID takes over from the element that was replaced what an edit does not replace: the identifier of a rule.
func keepID(e, old *element) {
	if id := old.attributes["uuid"]; id != "" {
		e.attributes["uuid"] = id
	}
}

// sameButID says whether both are equal, but for the identifier of a rule.
func sameButID(e, other *element) bool {
	if other.attributes["uuid"] == "" && e.attributes["uuid"] != "" {
		other = &element{name: other.name, attributes: maps.Clone(other.attributes), text: other.text, children: other.children}
		other.attributes["uuid"] = e.attributes["uuid"]
	}
	return e.equal(other)
}

// merge adds to an element that the tree owns what another of its kind has in addition, or differently.
func (e *edit) merge(t *tree, into, from *element, s *schema) (changed bool) {
	for name, value := range from.attributes {
		if into.attributes[name] != value {
			if into.attributes == nil {
				into.attributes = map[string]string{}
			}
			into.attributes[name], changed = value, true
		}
	}
	if len(from.children) == 0 && len(into.children) == 0 && into.text != from.text && (from.text != "" || s != nil && s.leaf) {
		into.text, changed = from.text, true
	}
	for _, c := range from.children {
		below, _ := s.below(c.name)
		if e.choice == ChoiceReplaces {
			changed = clearExcluded(t, into, s, c.name) || changed
		}
		if old := t.lookup(into, c.key()); old != nil {
			changed = e.merge(t, t.ownChild(into, old), c, below) || changed
			continue
		}
		t.add(into, e.plant(t, c, below))
		changed = true
	}
	if changed {
		into.mark = e.mark
	}
	return changed
}

// clearExcluded removes what excludes the child that is about to be set.
func clearExcluded(t *tree, into *element, s *schema, name string) (changed bool) {
	if s == nil || !slices.Contains(s.exclusive, name) {
		return false
	}
	for _, other := range s.exclusive {
		if old := into.child(other); old != nil && other != name {
			t.remove(into, old)
			changed = true
		}
	}
	return changed
}
