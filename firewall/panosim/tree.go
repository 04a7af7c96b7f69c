package panosim

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
)

// era is the time between two states of a tree that somebody keeps.
type era struct{ _ byte } // not of size zero: eras are told apart by their addresses

// tree is a configuration that can be edited while earlier states of it are kept and read: an element that is part
// of an earlier state is copied before it is modified, and its ancestors with it, so that a state costs nothing
// until the next edit, and an edit costs the lists on its way at most once a state.
type tree struct {
	root *element
	era  *era
}

// newTree begins a tree at a state that others may hold.
func newTree(state *element) tree { return tree{root: state, era: new(era)} }

// state gives the tree as it is now. It will not change any more.
func (t *tree) state() *element {
	t.era = new(era)
	return t.root
}

// indexFrom is the number of children from which they are looked up by key rather than one after the other.
const indexFrom = 32

// chain is an element with its ancestors, the root of the tree first.
type chain []*element

func (c chain) last() *element { return c[len(c)-1] }

// own makes every element of the chain modifiable, and gives the chain of those that stand in their place now: by
// their keys, for an edit may have replaced them since the chain was found.
func (t *tree) own(c chain) chain {
	t.root = t.mine(t.root)
	out := chain{t.root}
	for _, e := range c[1:] {
		out = append(out, t.ownChild(out.last(), out.last().find(e.key())))
	}
	return out
}

// mine gives the element itself if the tree made it since its last state, else a copy.
func (t *tree) mine(e *element) *element {
	if e.era == t.era {
		return e
	}
	return &element{
		name: e.name, attributes: maps.Clone(e.attributes), text: e.text, children: slices.Clone(e.children), mark: e.mark,
		era: t.era,
	}
}

// ownChild makes a child of an element that the tree owns modifiable.
func (t *tree) ownChild(parent, child *element) *element {
	own := t.mine(child)
	if own != child {
		parent.children[slices.Index(parent.children, child)] = own
		parent.reindex(child.key(), own)
	}
	return own
}

// lookup finds a child by key, with an index when there are many.
func (t *tree) lookup(parent *element, k key) *element {
	if parent.index == nil && len(parent.children) >= indexFrom {
		parent.index = make(map[key]*element, 2*len(parent.children))
		for _, c := range slices.Backward(parent.children) {
			parent.index[c.key()] = c // the first of several stays
		}
	}
	return parent.find(k)
}

// add puts a new child at the end.
func (t *tree) add(parent, child *element) {
	child.era = t.era
	parent.children = append(parent.children, child)
	parent.text = ""
	if parent.index != nil && parent.index[child.key()] == nil {
		parent.index[child.key()] = child
	}
}

// remove takes a child away.
func (t *tree) remove(parent, child *element) {
	i := slices.Index(parent.children, child)
	parent.children = slices.Delete(parent.children, i, i+1)
	if parent.index != nil && parent.index[child.key()] == child {
		delete(parent.index, child.key())
	}
}

// sprout copies an element into the tree, without its children, as one that the mark's edit made.
func (t *tree) sprout(from *element, m *mark) *element {
	return &element{name: from.name, attributes: maps.Clone(from.attributes), text: from.text, mark: m, era: t.era}
}

// replace puts another child of the same key where one stands.
func (t *tree) replace(parent, old, fresh *element) {
	parent.children[slices.Index(parent.children, old)] = fresh
	parent.reindex(old.key(), fresh)
}

// move takes the child at a place to another place, counted without it.
func (t *tree) move(parent *element, from, to int) {
	child := parent.children[from]
	parent.children = slices.Insert(slices.Delete(parent.children, from, from+1), to, child)
}

// rename changes the name of the entry at the end of the chain, or its text.
func (t *tree) rename(c chain, name string, m *mark) {
	e := c.last()
	e.mark = m
	if e.name == "entry" {
		e.attributes = maps.Clone(e.attributes)
		e.attributes["name"] = name
	} else {
		e.text = name
	}
	c[len(c)-2].index = nil
}

func (e *element) reindex(k key, child *element) {
	if e.index != nil {
		e.index[k] = child
	}
}

// mark is what an edit leaves on the elements that it touched, until it is committed or lost.
type mark struct {
	attributes string // as they are written, with a space before each
	gone       atomic.Bool
}

// newMark makes one of attributes in the order in which they are written.
func newMark(names, values []string) *mark {
	var b strings.Builder
	for i, name := range names {
		b.WriteString(" " + name + `="`)
		_, _ = attributeEscapes.WriteString(&b, values[i])
		b.WriteByte('"')
	}
	return &mark{attributes: b.String()}
}

// lift takes the mark off every element that bears it. Others may be reading them.
func (m *mark) lift() { m.gone.Store(true) }
