package xmlapi

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Node is one element of a configuration or of an answer. All reading methods may be called on nil, which is an
// element that is not there.
type Node struct {
	Name     string
	Attrs    []xml.Attr
	Text     string // character data of the element itself, without the spaces around it
	Children []*Node
}

// maxNodes bounds what is read of one document; a configuration with 50,000 address objects has about 200,000.
const maxNodes = 4 << 20

// openNode is an element whose end has not been read. Its text may come in many pieces, between comments for example.
type openNode struct {
	*Node
	text strings.Builder
}

// Parse reads a whole document. Namespaces are taken off names; comments and processing instructions are passed
// over.
func Parse(body []byte) (*Node, error) { return parse(bytes.NewReader(body)) }

// parse is Parse of what need not be held in memory beside the tree.
func parse(r io.Reader) (*Node, error) {
	dec := xml.NewDecoder(r)
	var top Node
	open := []*openNode{{Node: &top}}
	for count := 0; ; {
		tok, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if count++; count > maxNodes || len(open) > maxDepth {
				return nil, fmt.Errorf("more than %d elements, or nested more than %d deep", maxNodes, maxDepth)
			}
			child := &Node{Name: t.Name.Local}
			if len(t.Attr) > 0 {
				child.Attrs = slices.Clone(t.Attr)
			}
			parent := open[len(open)-1]
			parent.Children = append(parent.Children, child)
			open = append(open, &openNode{Node: child})
		case xml.EndElement:
			last := len(open) - 1
			open[last].Node.Text = strings.TrimSpace(open[last].text.String())
			open = open[:last]
		case xml.Directive:
			return nil, errors.New("it contains a directive")
		case xml.CharData:
			// Between elements stand only spaces, which are not kept.
			if n := open[len(open)-1]; n.text.Len() > 0 || len(bytes.TrimSpace(t)) > 0 {
				n.text.Write(t)
			}
		}
	}
	if open[0].text.Len() > 0 {
		return nil, errors.New("text outside the root element")
	}
	if len(top.Children) != 1 {
		return nil, fmt.Errorf("expected one root element, got %d", len(top.Children))
	}
	return top.Children[0], nil
}

// Attr gives an attribute; "" if there is none.
func (n *Node) Attr(name string) string {
	if n == nil {
		return ""
	}
	for _, a := range n.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// At follows a path of element names, each the first of its name; nil: it ends early.
func (n *Node) At(path ...string) *Node {
	for _, name := range path {
		n = n.Child(name)
	}
	return n
}

// Child gives the first child of that name; nil: there is none.
func (n *Node) Child(name string) *Node {
	if n == nil {
		return nil
	}
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Entries gives the children called entry, in their order.
func (n *Node) Entries() []*Node {
	if n == nil {
		return nil
	}
	var out []*Node
	for _, c := range n.Children {
		if c.Name == "entry" {
			out = append(out, c)
		}
	}
	return out
}

// FirstEntry gives the first child entry, for lists of one; nil: there is none.
func (n *Node) FirstEntry() *Node {
	if all := n.Entries(); len(all) > 0 {
		return all[0]
	}
	return nil
}

// Entry gives the child entry with that name; nil: there is none.
func (n *Node) Entry(name string) *Node {
	if n == nil {
		return nil
	}
	for _, c := range n.Children {
		if c.Name == "entry" && c.Attr("name") == name {
			return c
		}
	}
	return nil
}

// Members gives the texts of the children called member, in their order.
func (n *Node) Members() []string {
	if n == nil {
		return nil
	}
	var out []string
	for _, c := range n.Children {
		if c.Name == "member" {
			out = append(out, c.Text)
		}
	}
	return out
}

// Value gives the text of the element at path; "" if it is not there.
func (n *Node) Value(path ...string) string {
	if at := n.At(path...); at != nil {
		return at.Text
	}
	return ""
}

// Texts gives all texts below the element, in their order.
func (n *Node) Texts() []string {
	if n == nil {
		return nil
	}
	var out []string
	if n.Text != "" {
		out = append(out, n.Text)
	}
	for _, c := range n.Children {
		out = append(out, c.Texts()...)
	}
	return out
}

// Yes tells whether the element at path says yes. What is absent does not, though PAN-OS takes it for
// a yes in a few places, such as log-end of a rule.
func (n *Node) Yes(path ...string) bool { return n.Value(path...) == "yes" }

// Element makes a node to be written.
func Element(name string, children ...*Node) *Node { return &Node{Name: name, Children: children} }

// Leaf makes an element that holds text.
func Leaf(name, text string) *Node { return &Node{Name: name, Text: text} }

// NamedEntry makes an entry of that name.
func NamedEntry(name string, children ...*Node) *Node {
	return &Node{Name: "entry", Attrs: []xml.Attr{{Name: xml.Name{Local: "name"}, Value: name}}, Children: children}
}

// MemberList makes an element of members.
func MemberList(name string, members ...string) *Node {
	n := &Node{Name: name}
	for _, m := range members {
		n.Children = append(n.Children, Leaf("member", m))
	}
	return n
}

// With gives a copy that has an attribute.
func (n *Node) With(attribute, value string) *Node {
	c := *n
	c.Attrs = append(slices.Clone(n.Attrs), xml.Attr{Name: xml.Name{Local: attribute}, Value: value})
	return &c
}

// Clean gives a copy without what PAN-OS adds to elements that are not committed, or that it numbers: attributes
// other than name. (pango strips admin, dirtyId and time in the same way.)
func (n *Node) Clean() *Node {
	if n == nil {
		return nil
	}
	c := &Node{Name: n.Name, Text: n.Text}
	for _, a := range n.Attrs {
		if a.Name.Local == "name" {
			c.Attrs = append(c.Attrs, a)
		}
	}
	for _, child := range n.Children {
		c.Children = append(c.Children, child.Clean())
	}
	return c
}

// XML writes the element in one line.
func (n *Node) XML() string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *Node) write(b *strings.Builder) {
	b.WriteString("<" + n.Name)
	for _, a := range n.Attrs {
		b.WriteString(" " + a.Name.Local + `="`)
		_ = xml.EscapeText(b, []byte(a.Value)) // a strings.Builder does not fail
		b.WriteString(`"`)
	}
	if n.Text == "" && len(n.Children) == 0 {
		b.WriteString("/>")
		return
	}
	b.WriteString(">")
	_ = xml.EscapeText(b, []byte(n.Text))
	for _, c := range n.Children {
		c.write(b)
	}
	b.WriteString("</" + n.Name + ">")
}
