package xmltree

import (
	"maps"
	"slices"
	"strings"
)

// String writes the element without marks.
func (e *Element) String() string {
	var b strings.Builder
	e.Write(&b, nil)
	return b.String()
}

// Write appends the canonical form: no white space between elements, attributes in a fixed order, as a firewall
// sends them. shows chooses the elements that show their marks; nil: none does.
func (e *Element) Write(b *strings.Builder, shows func(*Element) bool) {
	b.WriteByte('<')
	b.WriteString(e.Name)
	for _, name := range e.attributeNames() {
		b.WriteByte(' ')
		b.WriteString(name)
		b.WriteString(`="`)
		_, _ = attributeEscapes.WriteString(b, e.Attributes[name])
		b.WriteByte('"')
	}
	if m := e.Mark; m != nil && shows != nil && !m.gone.Load() && shows(e) {
		b.WriteString(m.attributes)
	}
	if e.Text == "" && len(e.Children) == 0 {
		b.WriteString("/>")
		return
	}
	b.WriteByte('>')
	_, _ = textEscapes.WriteString(b, e.Text)
	for _, c := range e.Children {
		c.Write(b, shows)
	}
	b.WriteString("</")
	b.WriteString(e.Name)
	b.WriteByte('>')
}

// attributeNames gives name first, as firewalls do, and the others in alphabetical order.
func (e *Element) attributeNames() []string {
	switch len(e.Attributes) {
	case 0:
		return nil
	case 1:
		for name := range e.Attributes {
			return []string{name}
		}
	}
	names := slices.Sorted(maps.Keys(e.Attributes))
	if i := slices.Index(names, "name"); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, "name")
	}
	return names
}

// EscapeText makes text fit for an element, in the form in which firewalls send it.
func EscapeText(text string) string { return textEscapes.Replace(text) }

// EscapeAttribute makes text fit for an attribute in double quotes.
func EscapeAttribute(text string) string { return attributeEscapes.Replace(text) }

// What must not stand in text and in quoted attributes.
var (
	textEscapes      = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#13;")
	attributeEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\r", "&#13;", "\n", "&#10;", "\t", "&#9;")
)
