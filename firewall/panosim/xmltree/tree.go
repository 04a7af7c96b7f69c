package xmltree

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
)

// era is the time between two states of a tree that somebody keeps.
type era struct{ _ byte } // not of size zero: eras are told apart by their addresses

// Tree is a configuration that can be edited while earlier states of it are kept and read: an element that is part
// of an earlier state is copied before it is modified, and its ancestors with it, so that a state costs nothing
// until the next edit, and an edit costs the lists on its way at most once a state.
type Tree struct {
	Root *Element
	era  *era
}

// NewTree begins a tree at a state that others may hold.
func NewTree(state *Element) Tree { return Tree{Root: state, era: new(era)} }

// State gives the tree as it is now. It will not change any more.
func (t *Tree) State() *Element {
	t.era = new(era)
	return t.Root
}

// IndexFrom is the number of children from which they are looked up by key rather than one after the other.
const IndexFrom = 32

// Chain is an element with its ancestors, the root of the tree first.
type Chain []*Element

// Last is the element to which the chain leads.
func (c Chain) Last() *Element { return c[len(c)-1] }

// Own makes every element of the chain modifiable, and gives the chain of those that stand in their place now: by
// their keys, for an edit may have replaced them since the chain was found.
func (t *Tree) Own(c Chain) Chain {
	t.Root = t.mine(t.Root)
	out := Chain{t.Root}
	for _, e := range c[1:] {
		out = append(out, t.OwnChild(out.Last(), out.Last().Find(e.Key())))
	}
	return out
}

// mine gives the element itself if the tree made it since its last state, else a copy.
func (t *Tree) mine(e *Element) *Element {
	if e.era == t.era {
		return e
	}
	return &Element{
		Name: e.Name, Attributes: maps.Clone(e.Attributes), Text: e.Text, Children: slices.Clone(e.Children), Mark: e.Mark,
		era: t.era,
	}
}

// OwnChild makes a child of an element that the tree owns modifiable.
func (t *Tree) OwnChild(parent, child *Element) *Element {
	own := t.mine(child)
	if own != child {
		parent.Children[slices.Index(parent.Children, child)] = own
		parent.reindex(child.Key(), own)
	}
	return own
}

// Lookup finds a child by key, with an index when there are many.
func (t *Tree) Lookup(parent *Element, k Key) *Element {
	if parent.index == nil && len(parent.Children) >= IndexFrom {
		parent.index = make(map[Key]*Element, 2*len(parent.Children))
		for _, c := range slices.Backward(parent.Children) {
			parent.index[c.Key()] = c // the first of several stays
		}
	}
	return parent.Find(k)
}

// Add puts a new child at the end.
func (t *Tree) Add(parent, child *Element) {
	child.era = t.era
	parent.Children = append(parent.Children, child)
	parent.Text = ""
	if parent.index != nil && parent.index[child.Key()] == nil {
		parent.index[child.Key()] = child
	}
}

// Remove takes a child away.
func (t *Tree) Remove(parent, child *Element) {
	i := slices.Index(parent.Children, child)
	parent.Children = slices.Delete(parent.Children, i, i+1)
	if parent.index != nil && parent.index[child.Key()] == child {
		delete(parent.index, child.Key())
	}
}

// Copy copies an element into the tree, without its children, as one that the mark's edit made.
func (t *Tree) Copy(from *Element, m *Mark) *Element {
	return &Element{Name: from.Name, Attributes: maps.Clone(from.Attributes), Text: from.Text, Mark: m, era: t.era}
}

// Replace puts another child of the same key where one stands.
func (t *Tree) Replace(parent, old, fresh *Element) {
	parent.Children[slices.Index(parent.Children, old)] = fresh
	parent.reindex(old.Key(), fresh)
}

// Move takes the child at a place to another place, counted without it.
func (t *Tree) Move(parent *Element, from, to int) {
	child := parent.Children[from]
	parent.Children = slices.Insert(slices.Delete(parent.Children, from, from+1), to, child)
}

// Rename changes the name of the entry at the end of the chain, or its text.
func (t *Tree) Rename(c Chain, name string, m *Mark) {
	e := c.Last()
	e.Mark = m
	if e.Name == "entry" {
		e.Attributes = maps.Clone(e.Attributes)
		e.Attributes["name"] = name
	} else {
		e.Text = name
	}
	c[len(c)-2].index = nil
}

func (e *Element) reindex(k Key, child *Element) {
	if e.index != nil {
		e.index[k] = child
	}
}

// Mark is what an edit leaves on the elements that it touched, until it is committed or lost.
type Mark struct {
	attributes string // as they are written, with a space before each
	gone       atomic.Bool
}

// NewMark makes one of attributes in the order in which they are written.
func NewMark(names, values []string) *Mark {
	var b strings.Builder
	for i, name := range names {
		b.WriteString(" " + name + `="`)
		_, _ = attributeEscapes.WriteString(&b, values[i])
		b.WriteByte('"')
	}
	return &Mark{attributes: b.String()}
}

// Lift takes the mark off every element that bears it. Others may be reading them.
func (m *Mark) Lift() { m.gone.Store(true) }
