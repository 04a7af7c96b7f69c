package panosim

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// xpath is the part of XPath that the API needs: an absolute path of names, each with at most one predicate that
// chooses entries by name or members by text, and at the end perhaps an attribute.
type xpath struct {
	steps     []pathStep
	attribute string // of "/@name" at the end
}

// pathStep is one part between slashes.
type pathStep struct {
	name string // "*" is any
	// chosen: only elements with one of these keys; nil: all.
	chosen []key
}

// Bounds of a path: pango sends up to 25,000 bytes of names when it deletes many.
const (
	maxXPath = 1 << 20
	maxSteps = 64
)

var errXPath = errors.New("bad xpath")

// parseXPath reads a path such as
//
//	/config/devices/entry[@name='localhost.localdomain']/vsys/entry[@name='a' or @name="b"]/address/@name
//	/config/shared/address-group/entry[@name='g']/static/member[text()='a' or text()='b']
func parseXPath(text string) (xpath, error) {
	var x xpath
	if len(text) > maxXPath {
		return x, fmt.Errorf("%w: longer than %d bytes", errXPath, maxXPath)
	}
	rest := strings.TrimSpace(text)
	for rest != "" {
		if len(x.steps) == maxSteps || x.attribute != "" {
			return xpath{}, fmt.Errorf("%w: too many steps", errXPath)
		}
		after, ok := strings.CutPrefix(rest, "/")
		if !ok {
			return xpath{}, fmt.Errorf("%w: no slash at %.20q", errXPath, rest)
		}
		if name, ok := strings.CutPrefix(after, "@"); ok {
			if !isName(name) {
				return xpath{}, fmt.Errorf("%w: attribute %.20q", errXPath, name)
			}
			x.attribute, rest = name, ""
			continue
		}
		s, next, err := parseStep(after)
		if err != nil {
			return xpath{}, err
		}
		x.steps, rest = append(x.steps, s), next
	}
	if len(x.steps) == 0 {
		return xpath{}, fmt.Errorf("%w: empty", errXPath)
	}
	return x, nil
}

// parseStep reads up to the next slash that is not in a predicate.
func parseStep(text string) (pathStep, string, error) {
	end := strings.IndexAny(text, "/[")
	if end < 0 {
		end = len(text)
	}
	s := pathStep{name: text[:end]}
	if s.name != "*" && !isName(s.name) {
		return pathStep{}, "", fmt.Errorf("%w: name %.20q", errXPath, s.name)
	}
	rest := text[end:]
	if !strings.HasPrefix(rest, "[") {
		return s, rest, nil
	}
	rest = rest[1:]
	for {
		k, next, err := parseCondition(s.name, strings.TrimLeft(rest, " "))
		if err != nil {
			return pathStep{}, "", err
		}
		s.chosen = append(s.chosen, k)
		next = strings.TrimLeft(next, " ")
		if after, ok := strings.CutPrefix(next, "]"); ok {
			if after != "" && after[0] != '/' {
				return pathStep{}, "", fmt.Errorf("%w: %.20q after a predicate", errXPath, after)
			}
			return s, after, nil
		}
		after, ok := strings.CutPrefix(next, "or ")
		if !ok {
			return pathStep{}, "", fmt.Errorf("%w: %.20q in a predicate", errXPath, next)
		}
		rest = after
	}
}

// parseCondition reads @name='x' of an entry, or text()='x' of a member. A quote cannot stand in a name that is
// quoted with it: XPath 1.0 has no escapes, which is why names with quotes break clients that do not look.
func parseCondition(name, text string) (key, string, error) {
	what, rest, ok := strings.Cut(text, "=")
	if !ok {
		return key{}, "", fmt.Errorf("%w: no = in a predicate", errXPath)
	}
	what, rest = strings.TrimSpace(what), strings.TrimLeft(rest, " ")
	if !(what == "@name" && name == "entry") && !(what == "text()" && name == "member") {
		return key{}, "", fmt.Errorf("%w: predicate %.20q on %s", errXPath, what, name)
	}
	if rest == "" || rest[0] != '\'' && rest[0] != '"' {
		return key{}, "", fmt.Errorf("%w: no quote in a predicate", errXPath)
	}
	value, after, ok := strings.Cut(rest[1:], rest[:1])
	if !ok {
		return key{}, "", fmt.Errorf("%w: open quote", errXPath)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return !isText(r) }) {
		return key{}, "", fmt.Errorf("%w: a value that cannot stand in XML", errXPath)
	}
	return key{name, value}, after, nil
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
func (x xpath) String() string {
	var b strings.Builder
	for _, s := range x.steps {
		b.WriteByte('/')
		b.WriteString(s.name)
		for i, k := range s.chosen {
			what, before := "@name", "["
			if k.element == "member" {
				what = "text()"
			}
			if i > 0 {
				before = " or "
			}
			quote := "'"
			if strings.Contains(k.id, quote) {
				quote = `"`
			}
			b.WriteString(before + what + "=" + quote + k.id + quote)
		}
		if len(s.chosen) > 0 {
			b.WriteByte(']')
		}
	}
	if x.attribute != "" {
		b.WriteString("/@" + x.attribute)
	}
	return b.String()
}

// last is the step that names what is meant.
func (x xpath) last() pathStep { return x.steps[len(x.steps)-1] }

// parent is the path without its last step.
func (x xpath) parent() xpath { return xpath{steps: x.steps[:len(x.steps)-1]} }

// one says whether the path cannot mean several elements of a list.
func (s pathStep) one() bool {
	return s.name != "*" && len(s.chosen) <= 1 && (s.name != "entry" || len(s.chosen) == 1)
}

// single says whether the path means at most one element, whatever is there.
func (x xpath) single() bool {
	for _, s := range x.steps {
		if !s.one() {
			return false
		}
	}
	return x.attribute == ""
}

// key is that of the one element that the step means.
func (s pathStep) key() key {
	if len(s.chosen) == 1 {
		return s.chosen[0]
	}
	return key{element: s.name}
}

// find gives the elements that the path means, in the order of the document.
func (x xpath) find(root *element) []chain {
	if len(x.steps) == 0 || !x.steps[0].matches(root) {
		return nil
	}
	found := []chain{{root}}
	for _, s := range x.steps[1:] {
		var next []chain
		for _, c := range found {
			for _, e := range s.among(c.last()) {
				next = append(next, append(c[:len(c):len(c)], e))
			}
		}
		found = next
	}
	return found
}

// among gives the children of e that the step means.
func (s pathStep) among(e *element) []*element {
	if len(s.chosen) == 1 {
		if c := e.find(s.chosen[0]); c != nil {
			return []*element{c}
		}
		return nil
	}
	var wanted map[key]bool
	if len(s.chosen) > 0 {
		wanted = make(map[key]bool, len(s.chosen))
		for _, k := range s.chosen {
			wanted[k] = true
		}
	}
	var out []*element
	for _, c := range e.children {
		if (s.name == "*" || s.name == c.name) && (wanted == nil || wanted[c.key()]) {
			out = append(out, c)
		}
	}
	return out
}

func (s pathStep) matches(e *element) bool {
	return (s.name == "*" || s.name == e.name) && len(s.chosen) == 0
}

// write appends what the path means, and gives the number of elements: those found, or for an attribute at its
// end, as many elements with that attribute alone.
func (x xpath) write(b *strings.Builder, found []chain, shows func(*element) bool) int {
	n := 0
	for _, c := range found {
		e := c.last()
		if x.attribute != "" {
			value, ok := e.attributes[x.attribute]
			if !ok {
				continue
			}
			e = &element{name: e.name, attributes: map[string]string{x.attribute: value}}
		}
		e.write(b, shows)
		n++
	}
	return n
}

// isText says whether XML 1.0 can hold the character. utf8.RuneError may stand for a byte that is none.
func isText(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xd7ff || r >= 0xe000 && r < utf8.RuneError || r >= 0x10000
}
