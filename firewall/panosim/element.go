package panosim

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// element is one element of a command or of a configuration.
//
// The elements of a configuration that is running, or was, are never modified: readers may keep them without the
// lock. Only a tree (see there) modifies elements, and only those that it made itself.
type element struct {
	name       string
	attributes map[string]string
	text       string // character data of the element itself; "" when it has children
	children   []*element

	mark  *mark            // in a candidate: the edit that touched the element last
	era   *era             // in a tree: when the element was made
	index map[key]*element // in a tree: the children by key, once there are many
}

// maxDepth bounds how deep a command may nest; real commands stay below twenty.
const maxDepth = 100

// parseElement reads a document of exactly one element. White space around text is dropped.
func parseElement(document string) (*element, error) {
	return readElement(document, strings.TrimSpace)
}

// parseConfig reads a configuration, or a part of one, as a document of exactly one element. Text keeps its white
// space, which may matter (in a syslog format, in a certificate), unless it is nothing else.
func parseConfig(document string) (*element, error) {
	return readElement(document, func(text string) string {
		if strings.TrimSpace(text) == "" {
			return ""
		}
		return text
	})
}

// openElement is one whose end has not been read. Its text may come in very many pieces, between children or comments.
type openElement struct {
	*element
	pieces strings.Builder
}

// readElement reads a document of exactly one element; tidy prepares the text of each.
func readElement(document string, tidy func(string) string) (*element, error) {
	decoder := xml.NewDecoder(strings.NewReader(document))
	root := &openElement{element: &element{}}
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
			top.children = append(top.children, child)
			open = append(open, &openElement{element: child})
		case xml.EndElement:
			top.text = tidy(top.pieces.String())
			if len(top.children) > 0 {
				top.text = strings.TrimSpace(top.text)
			}
			open = open[:len(open)-1]
		case xml.CharData:
			top.pieces.Write(t) // never fails
		}
	}
	if len(root.children) != 1 || strings.TrimSpace(root.pieces.String()) != "" {
		return nil, fmt.Errorf("read XML: expected one element, found %d", len(root.children))
	}
	return root.children[0], nil
}

func newElement(t xml.StartElement) *element {
	e := &element{name: t.Name.Local}
	if len(t.Attr) > 0 {
		e.attributes = make(map[string]string, len(t.Attr))
		for _, a := range t.Attr {
			e.attributes[a.Name.Local] = a.Value
		}
	}
	return e
}

// child gives the first child of that name, or nil. It may be called on nil.
func (e *element) child(name string) *element {
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// down follows names of children; a name in the form "entry=x" is the entry of that name. Nil if one is missing.
// It may be called on nil.
func (e *element) down(path ...string) *element {
	for _, name := range path {
		if entry, ok := strings.CutPrefix(name, "entry="); ok {
			e = e.entry(entry)
		} else {
			e = e.child(name)
		}
	}
	return e
}

// entry gives the child <entry name="..."> of that name, or nil. It may be called on nil.
func (e *element) entry(name string) *element {
	return e.find(key{"entry", name})
}

// entries gives the children that are entries, in order. It may be called on nil.
func (e *element) entries() []*element {
	if e == nil {
		return nil
	}
	var out []*element
	for _, c := range e.children {
		if c.name == "entry" {
			out = append(out, c)
		}
	}
	return out
}

// all gives the children. It may be called on nil.
func (e *element) all() []*element {
	if e == nil {
		return nil
	}
	return e.children
}

// members gives the texts of the children <member>, in order. It may be called on nil.
func (e *element) members() []string {
	if e == nil {
		return nil
	}
	var out []string
	for _, c := range e.children {
		if c.name == "member" {
			out = append(out, c.text)
		}
	}
	return out
}

// value gives the text of the child of that name, or "". It may be called on nil.
func (e *element) value(name string) string {
	if c := e.child(name); c != nil {
		return c.text
	}
	return ""
}

// attribute gives its value, or "". It may be called on nil.
func (e *element) attribute(name string) string {
	if e == nil {
		return ""
	}
	return e.attributes[name]
}

// id is the attribute name, or "". It may be called on nil.
func (e *element) id() string { return e.attribute("name") }

// at follows the path; nil if the element, or one on the way, has another name.
func (e *element) at(path []string) *element {
	if e.name != path[0] {
		return nil
	}
	for _, name := range path[1:] {
		e = e.child(name)
	}
	return e
}

// key tells an element from its siblings: an entry by its name, a member by its text, all others by what they are.
type key struct{ element, id string }

func (e *element) key() key {
	switch e.name {
	case "entry":
		return key{e.name, e.attributes["name"]}
	case "member":
		return key{e.name, e.text}
	}
	return key{element: e.name}
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

// find gives the first child with the key, or nil. It may be called on nil.
func (e *element) find(k key) *element {
	switch {
	case e == nil:
		return nil
	case e.index != nil:
		return e.index[k]
	}
	for _, c := range e.children {
		if c.name == k.element && c.key() == k {
			return c
		}
	}
	return nil
}

// clone copies the element with everything below it, without marks.
func (e *element) clone() *element {
	out := &element{name: e.name, attributes: maps.Clone(e.attributes), text: e.text}
	if len(e.children) > 0 {
		out.children = make([]*element, len(e.children))
		for i, c := range e.children {
			out.children[i] = c.clone()
		}
	}
	return out
}

// equal says whether both are the same, marks aside. Elements that two trees share are recognised at once.
func (e *element) equal(other *element) bool {
	return e == other || e.name == other.name && e.text == other.text && maps.Equal(e.attributes, other.attributes) &&
		slices.EqualFunc(e.children, other.children, (*element).equal)
}

// alike is equal, but for the order of entries, members and other children.
func (e *element) alike(other *element) bool {
	if e == other {
		return true
	}
	if e.name != other.name || e.text != other.text || len(e.children) != len(other.children) || !maps.Equal(e.attributes, other.attributes) {
		return false
	}
	byKey := map[key]*element{}
	for i, c := range e.children {
		if o := other.children[i]; c != o && c.key() != o.key() {
			for _, c := range other.children {
				byKey[c.key()] = c
			}
			break
		}
	}
	for i, c := range e.children {
		o := other.children[i]
		if len(byKey) > 0 {
			o = byKey[c.key()]
		}
		if o == nil || !c.alike(o) {
			return false
		}
	}
	return true
}

// String writes the element without marks.
func (e *element) String() string {
	var b strings.Builder
	e.write(&b, nil)
	return b.String()
}

// write appends the canonical form: no white space between elements, attributes in a fixed order, as a firewall
// sends them. shows chooses the elements that show their marks; nil: none does.
func (e *element) write(b *strings.Builder, shows func(*element) bool) {
	b.WriteByte('<')
	b.WriteString(e.name)
	for _, name := range e.attributeNames() {
		b.WriteByte(' ')
		b.WriteString(name)
		b.WriteString(`="`)
		_, _ = attributeEscapes.WriteString(b, e.attributes[name])
		b.WriteByte('"')
	}
	if m := e.mark; m != nil && shows != nil && !m.gone.Load() && shows(e) {
		b.WriteString(m.attributes)
	}
	if e.text == "" && len(e.children) == 0 {
		b.WriteString("/>")
		return
	}
	b.WriteByte('>')
	_, _ = textEscapes.WriteString(b, e.text)
	for _, c := range e.children {
		c.write(b, shows)
	}
	b.WriteString("</")
	b.WriteString(e.name)
	b.WriteByte('>')
}

// attributeNames gives name first, as firewalls do, and the others in alphabetical order.
func (e *element) attributeNames() []string {
	switch len(e.attributes) {
	case 0:
		return nil
	case 1:
		for name := range e.attributes {
			return []string{name}
		}
	}
	names := slices.Sorted(maps.Keys(e.attributes))
	if i := slices.Index(names, "name"); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, "name")
	}
	return names
}

// escapeText makes text fit for an element, in the form in which firewalls send it.
func escapeText(text string) string { return textEscapes.Replace(text) }

// escapeAttribute makes text fit for an attribute in double quotes.
func escapeAttribute(text string) string { return attributeEscapes.Replace(text) }

// What must not stand in text and in quoted attributes.
var (
	textEscapes      = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#13;")
	attributeEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\r", "&#13;", "\n", "&#10;", "\t", "&#9;")
)
