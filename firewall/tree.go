package firewall

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

// node is one element of a configuration or of an answer. All reading methods may be called on nil, which is an
// element that is not there.
type node struct {
	name     string
	attrs    []xml.Attr
	text     string // character data of the element itself, without the spaces around it
	children []*node
}

// maxNodes bounds what is read of one document; a configuration with 50,000 address objects has about 200,000.
const maxNodes = 4 << 20

// openNode is an element whose end has not been read. Its text may come in many pieces, between comments for example.
type openNode struct {
	*node
	text strings.Builder
}

// parseTree reads a whole document. Namespaces are taken off names; comments and processing instructions are passed
// over.
func parseTree(body []byte) (*node, error) {
	dec := xml.NewDecoder(bytes.NewReader(body))
	var top node
	open := []*openNode{{node: &top}}
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
				return nil, fmt.Errorf("more than %d elements, or nested deeper than %d", maxNodes, maxDepth)
			}
			child := &node{name: t.Name.Local}
			if len(t.Attr) > 0 {
				child.attrs = slices.Clone(t.Attr)
			}
			parent := open[len(open)-1]
			parent.children = append(parent.children, child)
			open = append(open, &openNode{node: child})
		case xml.EndElement:
			last := len(open) - 1
			open[last].node.text = strings.TrimSpace(open[last].text.String())
			open = open[:last]
		case xml.CharData:
			// Between elements stand only spaces, which are not kept.
			if n := open[len(open)-1]; n.text.Len() > 0 || len(bytes.TrimSpace(t)) > 0 {
				n.text.Write(t)
			}
		}
	}
	if len(top.children) != 1 {
		return nil, fmt.Errorf("%d elements at the top, want 1", len(top.children))
	}
	return top.children[0], nil
}

// attr gives an attribute; "" if there is none.
func (n *node) attr(name string) string {
	if n == nil {
		return ""
	}
	for _, a := range n.attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// at follows a path of element names, each the first of its name.
func (n *node) at(path ...string) *node {
	for _, name := range path {
		n = n.child(name)
	}
	return n
}

func (n *node) child(name string) *node {
	if n == nil {
		return nil
	}
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// entries gives the children called entry, in their order.
func (n *node) entries() []*node {
	if n == nil {
		return nil
	}
	var out []*node
	for _, c := range n.children {
		if c.name == "entry" {
			out = append(out, c)
		}
	}
	return out
}

// entry gives the child entry with that name.
func (n *node) entry(name string) *node {
	if n == nil {
		return nil
	}
	for _, c := range n.children {
		if c.name == "entry" && c.attr("name") == name {
			return c
		}
	}
	return nil
}

// members gives the texts of the children called member, in their order.
func (n *node) members() []string {
	if n == nil {
		return nil
	}
	var out []string
	for _, c := range n.children {
		if c.name == "member" {
			out = append(out, c.text)
		}
	}
	return out
}

// value gives the text of the element at path; "" if it is not there.
func (n *node) value(path ...string) string {
	if at := n.at(path...); at != nil {
		return at.text
	}
	return ""
}

// texts gives all texts below the element, in their order.
func (n *node) texts() []string {
	if n == nil {
		return nil
	}
	var out []string
	if n.text != "" {
		out = append(out, n.text)
	}
	for _, c := range n.children {
		out = append(out, c.texts()...)
	}
	return out
}

// is tells whether the element at path says yes. What is absent says what it says by default, which for all that is
// asked here is no, except log-end (see log forwarding).
func (n *node) is(path ...string) bool { return n.value(path...) == "yes" }

// element makes a node to be written.
func element(name string, children ...*node) *node { return &node{name: name, children: children} }

// leaf makes an element that holds text.
func leaf(name, text string) *node { return &node{name: name, text: text} }

// entryOf makes an entry of that name.
func entryOf(name string, children ...*node) *node {
	return &node{name: "entry", attrs: []xml.Attr{{Name: xml.Name{Local: "name"}, Value: name}}, children: children}
}

// memberList makes an element of members.
func memberList(name string, members ...string) *node {
	n := &node{name: name}
	for _, m := range members {
		n.children = append(n.children, leaf("member", m))
	}
	return n
}

// clean gives a copy without what PAN-OS adds to elements that are not committed, or that it numbers: attributes
// other than name. (pango strips admin, dirtyId and time in the same way.)
func (n *node) clean() *node {
	if n == nil {
		return nil
	}
	c := &node{name: n.name, text: n.text}
	for _, a := range n.attrs {
		if a.Name.Local == "name" {
			c.attrs = append(c.attrs, a)
		}
	}
	for _, child := range n.children {
		c.children = append(c.children, child.clean())
	}
	return c
}

// xml writes the element in one line.
func (n *node) xml() string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *node) write(b *strings.Builder) {
	b.WriteString("<" + n.name)
	for _, a := range n.attrs {
		b.WriteString(" " + a.Name.Local + `="`)
		_ = xml.EscapeText(b, []byte(a.Value)) // a strings.Builder does not fail
		b.WriteString(`"`)
	}
	if n.text == "" && len(n.children) == 0 {
		b.WriteString("/>")
		return
	}
	b.WriteString(">")
	_ = xml.EscapeText(b, []byte(n.text))
	for _, c := range n.children {
		c.write(b)
	}
	b.WriteString("</" + n.name + ">")
}
