package schema

import (
	"maps"
	"slices"
	"strings"
)

// Schema says what an element of a configuration may hold, as schema.txt has it. Under an open element, children that it does
// not list may hold anything.
type Schema struct {
	children map[string]*Schema
	Open     bool
	// table: the children are entries, each with a name of its own; entry is what one holds.
	Entry   *Schema
	longest int      // of a table: characters of a name; 0: any
	names   []string // of a table: the only names; nil: any
	kind    string   // of a table: kind of the objects that the entries are, for references; "" if nothing refers to them

	Rule bool // is a rule: it gets an identifier

	Leaf bool // holds text alone
	List bool // holds members alone

	value func(string) string // of a leaf and a list: what is wrong with a text; "" if nothing is
	// refers: the texts (of a table: the names) are names of objects of one of these kinds, unless free says that a
	// text means something else.
	refers []string
	free   func(string) bool

	Exclusive []string // at most one of these children may stand
	required  []string // a commit demands these children
	oneOf     []string // a commit demands one of these
	full      string   // what a commit says when a list has no member; "" if it may be empty
	most      int      // members of a list; 0: any number
	choose    bool     // a commit demands one of Exclusive

	holds map[string]bool // kinds to which something here may refer
}

// fields are the children of an element, by name.
type fields map[string]*Schema

// finish computes, from the leaves up, what kinds of objects are referred to.
func (s *Schema) finish() *Schema {
	s.holds = map[string]bool{}
	for _, kind := range s.refers {
		s.holds[kind] = true
	}
	for _, c := range s.children {
		maps.Copy(s.holds, c.finish().holds)
	}
	if s.Entry != nil {
		maps.Copy(s.holds, s.Entry.finish().holds)
	}
	return s
}

// Below gives the schema of a child; false: there can be none of that name. Nil: it may hold anything.
func (s *Schema) Below(name string) (*Schema, bool) {
	switch {
	case s == nil:
		return nil, true
	case s.Entry != nil:
		return s.Entry, name == "entry"
	case s.List:
		return nil, name == "member"
	case s.Leaf:
		return nil, false
	}
	c, ok := s.children[name]
	return c, ok || s.Open
}

// BadName says what is wrong with the name of an entry of the table.
func (s *Schema) BadName(name string) string {
	switch {
	case name == "":
		return "is missing a name"
	case s.longest > 0 && atMost(s.longest)(name) != "":
		return atMost(s.longest)(name)
	case s.names != nil && !slices.Contains(s.names, name):
		return "is not an allowed keyword"
	case s.kind == "tag" || s.kind == "":
		if strings.ContainsAny(name, "\x00\r\n\t") {
			return "is an invalid name"
		}
	case !nameForm.MatchString(name):
		return "is an invalid name"
	}
	return ""
}
