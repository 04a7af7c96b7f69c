package candidate

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/schema"
	"activedefense/firewall/panosim/xmltree"
)

// edit is one change of the candidate.
type edit struct {
	action     string // set, edit, delete, rename, move
	path       xmltree.Path
	element    *xmltree.Element // of edit: what is to stand there; of set: its children and text are to be merged in
	where, dst string           // of move
	newName    string           // of rename
	admin      string
	id         int
	mark       *xmltree.Mark

	base   int  // so many steps of the path led to an entry that was there, on which the edit builds
	queued bool // a commit that publishes it runs or waits
	// How the firewall behaved when it was made.
	choice  dialect.Choice
	renamed dialect.Renamed
	uuids   bool // rules have them
}

// apply carries the edit out. It changes nothing if it is refused.
func (e *edit) apply(t *xmltree.Tree) (changed bool, refused *refusal) {
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
func (e *edit) set(t *xmltree.Tree) (bool, *refusal) {
	if !e.path.Single() {
		return false, refuse(12, "Invalid Object")
	}
	if e.path.Steps[0].Name != t.Root.Name {
		return false, refuse(6, "Bad XPath")
	}
	at, made := e.reach(t)
	s, _, _ := schema.Firewall.At(e.path)
	return e.merge(t, at.Last(), e.element, s) || made, nil
}

// reach gives what the path means, modifiable, and makes what is missing of it.
func (e *edit) reach(t *xmltree.Tree) (at xmltree.Chain, made bool) {
	at = t.Own(xmltree.Chain{t.Root})
	s, _ := schema.Firewall.Below(t.Root.Name)
	for _, step := range e.path.Steps[1:] {
		k := step.Key()
		s, _ = s.Below(k.Element)
		next := t.Lookup(at.Last(), k)
		if next == nil {
			next = e.plant(t, k.New(), s)
			t.Add(at.Last(), next)
			made = true
		} else {
			next = t.OwnChild(at.Last(), next)
		}
		at = append(at, next)
	}
	return at, made
}

// replace puts the element where the path means, which is made if it is not there.
func (e *edit) replace(t *xmltree.Tree) (bool, *refusal) {
	if !e.path.Single() || len(e.path.Steps) < 2 {
		return false, refuse(12, "Invalid Object")
	}
	k := e.path.Last().Key()
	if e.element.Key() != k {
		return false, refuse(12, "Edit breaks config validity") // a text that is known
	}
	if e.path.Steps[0].Name != t.Root.Name {
		return false, refuse(6, "Bad XPath")
	}
	if found := e.path.Find(t.Root); len(found) > 0 && sameButID(found[0].Last(), e.element) {
		return false, nil
	}
	up := *e
	up.path = e.path.Parent()
	parent, _ := up.reach(t)
	s, _, _ := schema.Firewall.At(e.path)
	old := t.Lookup(parent.Last(), k)
	fresh := e.plant(t, e.element, s)
	if old != nil {
		keepID(fresh, old)
		t.Replace(parent.Last(), old, fresh)
		return true, nil
	}
	t.Add(parent.Last(), fresh)
	return true, nil
}

// delete takes away everything that the path means.
func (e *edit) delete(t *xmltree.Tree) (bool, *refusal) {
	found := e.path.Find(t.Root)
	if len(found) == 0 || len(e.path.Steps) < 2 {
		return false, missing()
	}
	for _, c := range found {
		parent := t.Own(c[:len(c)-1])
		t.Remove(parent.Last(), parent.Last().Find(c.Last().Key()))
		parent.Last().Mark = e.mark
	}
	return true, nil
}

// move puts an entry elsewhere in its list.
func (e *edit) move(t *xmltree.Tree) (bool, *refusal) {
	found := e.path.Find(t.Root)
	if len(found) == 0 || len(e.path.Steps) < 2 {
		return false, missing()
	}
	if len(found) > 1 {
		return false, refuse(8, "Object not unique")
	}
	what := found[0].Last()
	list := found[0][len(found[0])-2]
	from := slices.Index(list.Children, what)
	var to int
	switch e.where {
	case "top":
		if from == 0 {
			return false, refuse(14, "already at the top")
		}
	case "bottom":
		if to = len(list.Children) - 1; from == to {
			return false, refuse(14, "already at the bottom")
		}
	case "before", "after":
		dst := list.Entry(e.dst)
		if dst == nil {
			return false, missing()
		}
		if dst == what {
			return false, refuse(14, fmt.Sprintf("cannot move %s %s itself", e.dst, e.where))
		}
		to = slices.Index(list.Children, dst)
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
	own := t.Own(found[0])
	list, what = own[len(own)-2], own.Last()
	what.Mark = e.mark
	t.Move(list, from, to)
	return true, nil
}

// rename gives an entry another name, in its place.
func (e *edit) rename(t *xmltree.Tree) (bool, *refusal) {
	found := e.path.Find(t.Root)
	if len(found) == 0 || e.path.Last().Name != "entry" {
		return false, missing()
	}
	if len(found) > 1 {
		return false, refuse(8, "Object not unique")
	}
	list := found[0][len(found[0])-2]
	if list.Entry(e.newName) != nil {
		return false, refuse(8, fmt.Sprintf("%s already exists", e.newName))
	}
	if e.renamed == dialect.RenamedFollows {
		e.follow(t, found[0])
	}
	t.Rename(t.Own(found[0]), e.newName, e.mark)
	return true, nil
}

// follow renames what an entry is called where others refer to it.
func (e *edit) follow(t *xmltree.Tree, entry xmltree.Chain) {
	objects := map[schema.Object]bool{}
	if o := schema.Defined(entry); len(o) > 0 {
		objects[o[0]] = true
	}
	var uses []xmltree.Chain
	r := schema.NewReferrers(objects)
	r.Visit = func(at xmltree.Chain, _ schema.Object) { uses = append(uses, slices.Clone(at)) }
	r.Walk(t.Root)
	for _, use := range uses {
		t.Rename(t.Own(use), e.newName, e.mark)
	}
}

// plant copies an element into the tree.
func (e *edit) plant(t *xmltree.Tree, from *xmltree.Element, s *schema.Schema) *xmltree.Element {
	out := t.Copy(from, e.mark)
	if e.uuids && s != nil && s.Rule && out.Attributes["uuid"] == "" {
		out.Attributes["uuid"] = ruleID(e.id, out.ID())
	}
	if len(from.Children) > 0 {
		out.Children = make([]*xmltree.Element, len(from.Children))
		for i, c := range from.Children {
			below, _ := s.Below(c.Name)
			out.Children[i] = e.plant(t, c, below)
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
func keepID(e, old *xmltree.Element) {
	if id := old.Attributes["uuid"]; id != "" {
		e.Attributes["uuid"] = id
	}
}

// sameButID says whether both are equal, but for the identifier of a rule.
func sameButID(e, other *xmltree.Element) bool {
	if other.Attributes["uuid"] == "" && e.Attributes["uuid"] != "" {
		other = &xmltree.Element{Name: other.Name, Attributes: maps.Clone(other.Attributes), Text: other.Text, Children: other.Children}
		other.Attributes["uuid"] = e.Attributes["uuid"]
	}
	return e.Equal(other)
}

// merge adds to an element that the tree owns what another of its kind has in addition, or differently.
func (e *edit) merge(t *xmltree.Tree, into, from *xmltree.Element, s *schema.Schema) (changed bool) {
	for name, value := range from.Attributes {
		if into.Attributes[name] != value {
			if into.Attributes == nil {
				into.Attributes = map[string]string{}
			}
			into.Attributes[name], changed = value, true
		}
	}
	if len(from.Children) == 0 && len(into.Children) == 0 && into.Text != from.Text && (from.Text != "" || s != nil && s.Leaf) {
		into.Text, changed = from.Text, true
	}
	for _, c := range from.Children {
		below, _ := s.Below(c.Name)
		if e.choice == dialect.ChoiceReplaces {
			changed = clearExcluded(t, into, s, c.Name) || changed
		}
		if old := t.Lookup(into, c.Key()); old != nil {
			changed = e.merge(t, t.OwnChild(into, old), c, below) || changed
			continue
		}
		t.Add(into, e.plant(t, c, below))
		changed = true
	}
	if changed {
		into.Mark = e.mark
	}
	return changed
}

// clearExcluded removes what excludes the child that is about to be set.
func clearExcluded(t *xmltree.Tree, into *xmltree.Element, s *schema.Schema, name string) (changed bool) {
	if s == nil || !slices.Contains(s.Exclusive, name) {
		return false
	}
	for _, other := range s.Exclusive {
		if old := into.Child(other); old != nil && other != name {
			t.Remove(into, old)
			changed = true
		}
	}
	return changed
}
