package xmltree

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Element is one element of a command or of a configuration.
//
// The elements of a configuration that is running, or was, are never modified: readers may keep them without the
// lock. Only a Tree modifies elements, and only those that it made itself.
type Element struct {
	Name       string
	Attributes map[string]string
	Text       string // character data of the element itself; "" when it has children
	Children   []*Element

	Mark  *Mark            // in a candidate: the edit that touched the element last
	era   *era             // in a tree: when the element was made
	index map[Key]*Element // in a tree: the children by key, once there are many
}

// maxDepth bounds how deep a command may nest; real commands stay below twenty.
const maxDepth = 100

// Parse reads a document of exactly one element. White space around text is dropped.
func Parse(document string) (*Element, error) {
	return readElement(document, strings.TrimSpace)
}

// ParseConfig reads a configuration, or a part of one, as a document of exactly one element. Text keeps its white
// space, which may matter (in a syslog format, in a certificate), unless it is nothing else.
func ParseConfig(document string) (*Element, error) {
	return readElement(document, func(text string) string {
		if strings.TrimSpace(text) == "" {
			return ""
		}
		return text
	})
}

// openElement is one whose end has not been read. Its text may come in very many pieces, between children or comments.
type openElement struct {
	*Element
	pieces strings.Builder
}

// readElement reads a document of exactly one element; tidy prepares the text of each.
func readElement(document string, tidy func(string) string) (*Element, error) {
	decoder := xml.NewDecoder(strings.NewReader(document))
	root := &openElement{Element: &Element{}}
	open := []*openElement{root}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read XML: %w", err)
		}
		top := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if len(open) > maxDepth {
				return nil, fmt.Errorf("read XML: nested deeper than %d", maxDepth)
			}
			child := newElement(t)
			top.Children = append(top.Children, child)
			open = append(open, &openElement{Element: child})
		case xml.EndElement:
			top.Text = tidy(top.pieces.String())
			if len(top.Children) > 0 {
				top.Text = strings.TrimSpace(top.Text)
			}
			open = open[:len(open)-1]
		case xml.CharData:
			top.pieces.Write(t) // never fails
		}
	}
	if len(root.Children) != 1 || strings.TrimSpace(root.pieces.String()) != "" {
		return nil, fmt.Errorf("read XML: expected one element, found %d", len(root.Children))
	}
	return root.Children[0], nil
}

func newElement(t xml.StartElement) *Element {
	e := &Element{Name: t.Name.Local}
	if len(t.Attr) > 0 {
		e.Attributes = make(map[string]string, len(t.Attr))
		for _, a := range t.Attr {
			e.Attributes[a.Name.Local] = a.Value
		}
	}
	return e
}

// Child gives the first child of that name, or nil. It may be called on nil.
func (e *Element) Child(name string) *Element {
	if e == nil {
		return nil
	}
	for _, c := range e.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Down follows names of children; a name in the form "entry=x" is the entry of that name. Nil if one is missing.
// It may be called on nil.
func (e *Element) Down(path ...string) *Element {
	for _, name := range path {
		if entry, ok := strings.CutPrefix(name, "entry="); ok {
			e = e.Entry(entry)
		} else {
			e = e.Child(name)
		}
	}
	return e
}

// Entry gives the child <entry name="..."> of that name, or nil. It may be called on nil.
func (e *Element) Entry(name string) *Element {
	return e.Find(Key{"entry", name})
}

// Entries gives the children that are entries, in order. It may be called on nil.
func (e *Element) Entries() []*Element {
	if e == nil {
		return nil
	}
	var out []*Element
	for _, c := range e.Children {
		if c.Name == "entry" {
			out = append(out, c)
		}
	}
	return out
}

// EntryNames gives the names of the children that are entries, in order. It may be called on nil.
func (e *Element) EntryNames() []string {
	var out []string
	for _, c := range e.Entries() {
		out = append(out, c.ID())
	}
	return out
}

// All gives the children. It may be called on nil.
func (e *Element) All() []*Element {
	if e == nil {
		return nil
	}
	return e.Children
}

// Members gives the texts of the children <member>, in order. It may be called on nil.
func (e *Element) Members() []string {
	if e == nil {
		return nil
	}
	var out []string
	for _, c := range e.Children {
		if c.Name == "member" {
			out = append(out, c.Text)
		}
	}
	return out
}

// Value gives the text of the child of that name, or "". It may be called on nil.
func (e *Element) Value(name string) string {
	if c := e.Child(name); c != nil {
		return c.Text
	}
	return ""
}

// Attribute gives its value, or "". It may be called on nil.
func (e *Element) Attribute(name string) string {
	if e == nil {
		return ""
	}
	return e.Attributes[name]
}

// ID is the attribute name, or "". It may be called on nil.
func (e *Element) ID() string { return e.Attribute("name") }

// At follows the path; nil if the element, or one on the way, has another name.
func (e *Element) At(path []string) *Element {
	if e.Name != path[0] {
		return nil
	}
	for _, name := range path[1:] {
		e = e.Child(name)
	}
	return e
}

// Key tells an element from its siblings: an entry by its name, a member by its text, all others by what they are.
type Key struct{ Element, ID string }

// Key tells the element from its siblings.
func (e *Element) Key() Key {
	switch e.Name {
	case "entry":
		return Key{e.Name, e.Attributes["name"]}
	case "member":
		return Key{e.Name, e.Text}
	}
	return Key{Element: e.Name}
}

// New gives a new element with the key.
func (k Key) New() *Element {
	e := &Element{Name: k.Element}
	switch k.Element {
	case "entry":
		e.Attributes = map[string]string{"name": k.ID}
	case "member":
		e.Text = k.ID
	}
	return e
}

// Find gives the first child with the key, or nil. It may be called on nil.
func (e *Element) Find(k Key) *Element {
	switch {
	case e == nil:
		return nil
	case e.index != nil:
		return e.index[k]
	}
	for _, c := range e.Children {
		if c.Name == k.Element && c.Key() == k {
			return c
		}
	}
	return nil
}

// Clone copies the element with everything below it, without marks.
func (e *Element) Clone() *Element {
	out := &Element{Name: e.Name, Attributes: maps.Clone(e.Attributes), Text: e.Text}
	if len(e.Children) > 0 {
		out.Children = make([]*Element, len(e.Children))
		for i, c := range e.Children {
			out.Children[i] = c.Clone()
		}
	}
	return out
}

// Equal says whether both are the same, marks aside. Elements that two trees share are recognised at once.
func (e *Element) Equal(other *Element) bool {
	return e == other || e.Name == other.Name && e.Text == other.Text && maps.Equal(e.Attributes, other.Attributes) &&
		slices.EqualFunc(e.Children, other.Children, (*Element).Equal)
}

// Alike is equal, but for the order of entries, members and other children.
func (e *Element) Alike(other *Element) bool {
	if e == other {
		return true
	}
	if e.Name != other.Name || e.Text != other.Text || len(e.Children) != len(other.Children) || !maps.Equal(e.Attributes, other.Attributes) {
		return false
	}
	children := other.Children
	for i, c := range e.Children {
		if o := children[i]; c != o && c.Key() != o.Key() {
			children = inOrderOf(e.Children, children)
			break
		}
	}
	return slices.EqualFunc(e.Children, children, (*Element).Alike)
}

// inOrderOf gives elements in the order of those with the same key; each stands for one alone, as a member can come
// twice. Where they do not pair up, the elements as they are: nothing is alike then.
func inOrderOf(wanted, elements []*Element) []*Element {
	byKey := map[Key][]*Element{}
	for _, c := range elements {
		byKey[c.Key()] = append(byKey[c.Key()], c)
	}
	out := make([]*Element, 0, len(elements))
	for _, c := range wanted {
		same := byKey[c.Key()]
		if len(same) == 0 {
			return elements
		}
		out, byKey[c.Key()] = append(out, same[0]), same[1:]
	}
	return out
}
