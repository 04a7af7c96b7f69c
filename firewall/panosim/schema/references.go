package schema

import (
	"slices"
	"strings"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// Object is something that can be referred to.
type Object struct{ kind, scope, name string }

// Defined gives the objects that the element at the end of the chain is, or holds, in the order of the document.
func Defined(c xmltree.Chain) []Object {
	at, scope := Firewall, SharedScope
	var table *Schema
	for i, e := range c {
		table = at
		if at, _ = at.Below(e.Name); at == nil {
			return nil
		}
		if i > 0 && isScope(c[i-1].Name) {
			scope = e.ID()
		}
	}
	var out []Object
	if table.Entry != nil && table.kind != "" {
		out = append(out, Object{table.kind, scope, c.Last().ID()})
	}
	return at.define(c.Last(), scope, out)
}

// define appends the objects below an element.
func (s *Schema) define(e *xmltree.Element, scope string, out []Object) []Object {
	if s == nil || s.Leaf || s.List {
		return out
	}
	for _, child := range e.Children {
		below, _ := s.Below(child.Name)
		if s.Entry != nil && s.kind != "" {
			out = append(out, Object{s.kind, scope, child.ID()})
		}
		inner := scope
		if isScope(e.Name) {
			inner = child.ID()
		}
		out = below.define(child, inner, out)
	}
	return out
}

// Referrers finds who refers to one of the objects.
type Referrers struct {
	root    *xmltree.Element
	objects map[Object]bool
	names   map[string]bool // of the objects
	only    string          // the name, if there is one
	kinds   map[string]bool
	Visit   func(at xmltree.Chain, o Object) // at ends with the leaf, the member or the entry whose text or name it is
	skip    func(*xmltree.Element) bool      // what is not looked into
}

// NewReferrers looks for those of these objects. The caller sets Visit.
func NewReferrers(objects map[Object]bool) *Referrers {
	r := &Referrers{objects: objects, names: map[string]bool{}, kinds: map[string]bool{}}
	for o := range objects {
		r.kinds[o.kind], r.names[o.name] = true, true
		r.only = o.name
	}
	return r
}

// Walk looks through the whole configuration.
func (r *Referrers) Walk(root *xmltree.Element) {
	r.root = root
	if s, ok := Firewall.Below(root.Name); ok && len(r.objects) > 0 {
		r.look(s, append(make(xmltree.Chain, 0, xmltree.MaxSteps), root), SharedScope)
	}
}

func (r *Referrers) look(s *Schema, at xmltree.Chain, scope string) {
	e := at.Last()
	if s == nil || !r.concerns(s) || r.skip != nil && r.skip(e) {
		return
	}
	if s.Leaf {
		r.refer(s, at, scope, e.Text)
		return
	}
	if s.List {
		for _, member := range e.Children {
			if r.named(member.Text) { // lists are long and objects few
				r.refer(s, append(at, member), scope, member.Text)
			}
		}
		return
	}
	for _, child := range e.Children {
		inner := scope
		if isScope(e.Name) {
			inner = child.ID()
		}
		next := append(at, child)
		if s.Entry != nil {
			r.refer(s, next, scope, child.ID())
		}
		below, _ := s.Below(child.Name)
		r.look(below, next, inner)
	}
}

// concerns says whether something below can refer to one of the objects.
func (r *Referrers) concerns(s *Schema) bool {
	for kind := range r.kinds {
		if s.holds[kind] {
			return true
		}
	}
	return false
}

// refer reports a reference if the name means one of the objects: of the same scope, an inherited or a shared one.
func (r *Referrers) refer(s *Schema, at xmltree.Chain, scope, name string) {
	if !r.named(name) {
		return
	}
	for _, kind := range s.refers {
		if o := r.meant(kind, scope, name); r.objects[o] {
			r.Visit(at, o)
			return
		}
	}
}

// named says whether one of the objects has the name.
func (r *Referrers) named(name string) bool {
	if len(r.names) == 1 {
		return name == r.only
	}
	return r.names[name]
}

// meant is the object for which a name stands in a scope: the nearest of those of that name.
func (r *Referrers) meant(kind, scope, name string) Object {
	for _, place := range placesOf(r.root, scope) {
		// One that is to be deleted together with others need not be looked up in a long list.
		if o := (Object{kind, place.scope, name}); r.objects[o] || place.e.Down(containers(kind)...).Entry(name) != nil {
			return o
		}
	}
	return Object{kind, SharedScope, name}
}

// InUse gives the lines that say why what the chains end with cannot be deleted; nil: nothing else refers to it.
func InUse(root *xmltree.Element, doomed []xmltree.Chain) []string {
	gone := map[*xmltree.Element]bool{}
	objects := map[Object]bool{}
	for _, c := range doomed {
		gone[c.Last()] = true
		for _, o := range Defined(c) {
			objects[o] = true
		}
	}
	uses := map[string][]string{}
	r := NewReferrers(objects)
	r.skip = func(e *xmltree.Element) bool { return gone[e] }
	r.Visit = func(at xmltree.Chain, o Object) {
		if !gone[at.Last()] {
			uses[o.name] = append(uses[o.name], labels(at))
		}
	}
	r.Walk(root)
	if len(uses) == 0 {
		return nil
	}
	var lines []string
	for _, c := range doomed {
		for _, o := range Defined(c) {
			if found := uses[o.name]; found != nil && !slices.Contains(lines, o.name+inUseText) {
				lines = append(append(lines, o.name+inUseText), found...)
			}
		}
	}
	return lines
}

// inUseText is how the first line of the refusal ends, as recorded.
const inUseText = " cannot be deleted because of references from:"

// labels writes where a reference stands, as "vsys -> vsys1 -> address-group -> g -> static".
func labels(at xmltree.Chain) string {
	var out []string
	for _, e := range at {
		switch e.Name {
		case "entry":
			out = append(out, e.ID())
		case "member":
		default:
			out = append(out, e.Name)
		}
	}
	if len(out) > 1 {
		out = out[2:] // config, and shared or devices
	}
	if len(out) > 0 && out[0] == dialect.Localhost {
		out = out[1:]
	}
	return strings.Join(out, " -> ")
}
