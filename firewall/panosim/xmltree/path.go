package xmltree

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Path is the part of XPath that the API needs: an absolute path of names, each with at most one predicate that
// chooses entries by name, members by text or elements by what they hold, and at the end perhaps an attribute.
type Path struct {
	Steps     []Step
	Attribute string // of "/@name" at the end
}

// Step is one part between slashes.
type Step struct {
	Name string // "*" is any
	// Chosen: only elements with one of these keys; nil: all.
	Chosen []Key
	// Holding: only elements below which these steps lead somewhere; nil: all.
	Holding []Step
}

// Bounds of a path: pango sends up to 25,000 bytes of names when it deletes many.
const (
	maxPath  = 1 << 20
	MaxSteps = 64
)

var errPath = errors.New("bad xpath")

// ParsePath reads a path such as
//
//	/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='a' or @name="b"]/address/@name
//	/config/shared/address-group/entry[@name='g']/static/member[text()='a' or text()='b']
//	/config/devices/entry[@name='localhost.localdomain']/device-group/entry[devices/entry[@name='001']]
func ParsePath(text string) (Path, error) {
	var x Path
	if len(text) > maxPath {
		return x, fmt.Errorf("%w: longer than %d bytes", errPath, maxPath)
	}
	rest := strings.TrimSpace(text)
	for rest != "" {
		if len(x.Steps) == MaxSteps || x.Attribute != "" {
			return Path{}, fmt.Errorf("%w: too many steps", errPath)
		}
		after, ok := strings.CutPrefix(rest, "/")
		if !ok {
			return Path{}, fmt.Errorf("%w: no slash at %.20q", errPath, rest)
		}
		if name, ok := strings.CutPrefix(after, "@"); ok {
			if !isName(name) {
				return Path{}, fmt.Errorf("%w: attribute %.20q", errPath, name)
			}
			x.Attribute, rest = name, ""
			continue
		}
		s, next, err := parseStep(after)
		if err != nil {
			return Path{}, err
		}
		x.Steps, rest = append(x.Steps, s), next
	}
	if len(x.Steps) == 0 {
		return Path{}, fmt.Errorf("%w: empty", errPath)
	}
	return x, nil
}

// parseStep reads up to the next slash that is not in a predicate.
func parseStep(text string) (Step, string, error) {
	end := strings.IndexAny(text, "/[")
	if end < 0 {
		end = len(text)
	}
	s := Step{Name: text[:end]}
	if s.Name != "*" && !isName(s.Name) {
		return Step{}, "", fmt.Errorf("%w: name %.20q", errPath, s.Name)
	}
	rest := text[end:]
	if !strings.HasPrefix(rest, "[") {
		return s, rest, nil
	}
	rest = rest[1:]
	if inner, after, ok := cutHolding(rest); ok {
		held, err := ParsePath("/" + inner)
		if err != nil || held.Attribute != "" || after != "" && after[0] != '/' {
			return Step{}, "", fmt.Errorf("%w: predicate %.20q", errPath, inner)
		}
		s.Holding = held.Steps
		return s, after, nil
	}
	for {
		k, next, err := parseCondition(s.Name, strings.TrimLeft(rest, " "))
		if err != nil {
			return Step{}, "", err
		}
		s.Chosen = append(s.Chosen, k)
		next = strings.TrimLeft(next, " ")
		if after, ok := strings.CutPrefix(next, "]"); ok {
			if after != "" && after[0] != '/' {
				return Step{}, "", fmt.Errorf("%w: %.20q after a predicate", errPath, after)
			}
			return s, after, nil
		}
		after, ok := strings.CutPrefix(next, "or ")
		if !ok {
			return Step{}, "", fmt.Errorf("%w: %.20q in a predicate", errPath, next)
		}
		rest = after
	}
}

// cutHolding cuts a predicate that is a path to something below, such as devices/entry[@name='x'], from what follows it.
func cutHolding(text string) (inner, after string, ok bool) {
	if name, _, _ := strings.Cut(text, "/"); name == text || !isName(name) {
		return "", "", false
	}
	depth, quote := 1, byte(0)
	for i := range len(text) {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			if depth--; depth == 0 {
				return text[:i], text[i+1:], true
			}
		}
	}
	return "", "", false
}

// parseCondition reads @name='x' of an entry, or text()='x' of a member. A quote cannot stand in a name that is
// quoted with it: XPath 1.0 has no escapes, which is why names with quotes break clients that do not look.
func parseCondition(name, text string) (Key, string, error) {
	what, rest, ok := strings.Cut(text, "=")
	if !ok {
		return Key{}, "", fmt.Errorf("%w: no = in a predicate", errPath)
	}
	what, rest = strings.TrimSpace(what), strings.TrimLeft(rest, " ")
	if !(what == "@name" && name == "entry") && !(what == "text()" && name == "member") {
		return Key{}, "", fmt.Errorf("%w: predicate %.20q on %s", errPath, what, name)
	}
	if rest == "" || rest[0] != '\'' && rest[0] != '"' {
		return Key{}, "", fmt.Errorf("%w: no quote in a predicate", errPath)
	}
	value, after, ok := strings.Cut(rest[1:], rest[:1])
	if !ok {
		return Key{}, "", fmt.Errorf("%w: open quote", errPath)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return !IsText(r) }) {
		return Key{}, "", fmt.Errorf("%w: a value that cannot stand in XML", errPath)
	}
	return Key{name, value}, after, nil
}

// isName accepts what stands for an element in configurations.
func isName(name string) bool {
	for i, c := range []byte(name) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c != '-' && c != '.' && (c < '0' || c > '9')) {
			return false
		}
	}
	return name != ""
}

// String writes the path as the firewall does in its list of changes.
func (x Path) String() string {
	var b strings.Builder
	for _, s := range x.Steps {
		b.WriteByte('/')
		b.WriteString(s.Name)
		for i, k := range s.Chosen {
			what, before := "@name", "["
			if k.Element == "member" {
				what = "text()"
			}
			if i > 0 {
				before = " or "
			}
			quote := "'"
			if strings.Contains(k.ID, quote) {
				quote = `"`
			}
			b.WriteString(before + what + "=" + quote + k.ID + quote)
		}
		if len(s.Chosen) > 0 {
			b.WriteByte(']')
		}
		if len(s.Holding) > 0 {
			b.WriteString("[" + strings.TrimPrefix(Path{Steps: s.Holding}.String(), "/") + "]")
		}
	}
	if x.Attribute != "" {
		b.WriteString("/@" + x.Attribute)
	}
	return b.String()
}

// Last is the step that names what is meant.
func (x Path) Last() Step { return x.Steps[len(x.Steps)-1] }

// Parent is the path without its last step.
func (x Path) Parent() Path { return Path{Steps: x.Steps[:len(x.Steps)-1]} }

// one says whether the path cannot mean several elements of a list.
func (s Step) one() bool {
	return s.Name != "*" && s.Holding == nil && len(s.Chosen) <= 1 && (s.Name != "entry" || len(s.Chosen) == 1)
}

// Single says whether the path means at most one element, whatever is there.
func (x Path) Single() bool {
	for _, s := range x.Steps {
		if !s.one() {
			return false
		}
	}
	return x.Attribute == ""
}

// Key is that of the one element that the step means.
func (s Step) Key() Key {
	if len(s.Chosen) == 1 {
		return s.Chosen[0]
	}
	return Key{Element: s.Name}
}

// Find gives the elements that the path means, in the order of the document.
func (x Path) Find(root *Element) []Chain {
	if len(x.Steps) == 0 || !x.Steps[0].matches(root) {
		return nil
	}
	found := []Chain{{root}}
	for _, s := range x.Steps[1:] {
		var next []Chain
		for _, c := range found {
			for _, e := range s.among(c.Last()) {
				next = append(next, append(c[:len(c):len(c)], e))
			}
		}
		found = next
	}
	return found
}

// among gives the children of e that the step means.
func (s Step) among(e *Element) []*Element {
	if len(s.Chosen) == 1 {
		if c := e.Find(s.Chosen[0]); c != nil {
			return []*Element{c}
		}
		return nil
	}
	var wanted map[Key]bool
	if len(s.Chosen) > 0 {
		wanted = make(map[Key]bool, len(s.Chosen))
		for _, k := range s.Chosen {
			wanted[k] = true
		}
	}
	var out []*Element
	for _, c := range e.Children {
		holds := s.Holding == nil || len(Path{Steps: append([]Step{{Name: "*"}}, s.Holding...)}.Find(c)) > 0
		if (s.Name == "*" || s.Name == c.Name) && (wanted == nil || wanted[c.Key()]) && holds {
			out = append(out, c)
		}
	}
	return out
}

func (s Step) matches(e *Element) bool {
	return (s.Name == "*" || s.Name == e.Name) && len(s.Chosen) == 0 && s.Holding == nil
}

// Write appends what the path means, and gives the number of elements: those found, or for an attribute at its
// end, as many elements with that attribute alone.
func (x Path) Write(b *strings.Builder, found []Chain, shows func(*Element) bool) int {
	n := 0
	for _, c := range found {
		e := c.Last()
		if x.Attribute != "" {
			value, ok := e.Attributes[x.Attribute]
			if !ok {
				continue
			}
			e = &Element{Name: e.Name, Attributes: map[string]string{x.Attribute: value}}
		}
		e.Write(b, shows)
		n++
	}
	return n
}

// IsText says whether XML 1.0 can hold the character. utf8.RuneError may stand for a byte that is none.
func IsText(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xd7ff || r >= 0xe000 && r < utf8.RuneError || r >= 0x10000
}
