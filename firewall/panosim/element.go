package panosim

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// element is one element of a command. The virtual root of a document is its only element.
type element struct {
	name       string
	attributes map[string]string
	text       string // character data of the element itself, trimmed
	children   []*element
}

// maxDepth bounds how deep a command may nest; real commands stay below twenty.
const maxDepth = 100

// parseElement reads a document of exactly one element.
func parseElement(document string) (*element, error) {
	decoder := xml.NewDecoder(strings.NewReader(document))
	root := &element{}
	open := []*element{root}
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read command: %w", err)
		}
		top := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if len(open) > maxDepth {
				return nil, fmt.Errorf("read command: nested deeper than %d", maxDepth)
			}
			child := newElement(t)
			top.children = append(top.children, child)
			open = append(open, child)
		case xml.EndElement:
			top.text = strings.TrimSpace(top.text)
			open = open[:len(open)-1]
		case xml.CharData:
			top.text += string(t)
		}
	}
	if len(root.children) != 1 || strings.TrimSpace(root.text) != "" {
		return nil, fmt.Errorf("read command: expected one element, found %d", len(root.children))
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
