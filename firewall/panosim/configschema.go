package panosim

import (
	"fmt"
	"maps"
	"strings"
)

// schema says what an element of a configuration may hold. It knows what this package has a use for, in the form
// in which clients of real firewalls write and read it, and takes everything else as it comes: under an open
// element, children that it does not list may hold anything.
type schema struct {
	children map[string]*schema
	open     bool
	// table: the children are entries, each with a name of its own; entry is what one holds.
	entry   *schema
	longest int    // of a table: bytes of a name
	kind    string // of a table: kind of the objects that the entries are, for references; "" if nothing refers to them

	rule bool // is a rule: it gets an identifier

	leaf bool // holds text alone
	list bool // holds members alone

	value func(string) string // of a leaf and a list: what is wrong with a text; "" if nothing is
	// refers: the texts (of a table: the names) are names of objects of one of these kinds, unless free says that a
	// text means something else.
	refers []string
	free   func(string) bool

	exclusive []string // at most one of these children may stand
	required  []string // a commit demands these children
	oneOf     []string // a commit demands one of these
	full      string   // what a commit says when a list has no member; "" if it may be empty

	holds map[string]bool // kinds to which something here may refer
}

// fields are the children of an element, by name.
type fields map[string]*schema

func groupSchema(f fields) *schema                { return &schema{children: f} }
func openSchema(f fields) *schema                 { return &schema{children: f, open: true} }
func anySchema() *schema                          { return &schema{open: true} }
func textSchema() *schema                         { return &schema{leaf: true} }
func listSchema() *schema                         { return &schema{list: true} }
func checkedSchema(f func(string) string) *schema { return &schema{leaf: true, value: f} }

// tableSchema is a list of entries with names of at most so many bytes.
func tableSchema(kind string, longest int, entry *schema) *schema {
	return &schema{kind: kind, longest: longest, entry: entry}
}

// refersTo makes the texts names of objects.
func (s *schema) refersTo(free func(string) bool, kinds ...string) *schema {
	s.refers, s.free = kinds, free
	return s
}

// finish computes, from the leaves up, what kinds of objects are referred to.
func (s *schema) finish() *schema {
	s.holds = map[string]bool{}
	for _, kind := range s.refers {
		s.holds[kind] = true
	}
	for _, c := range s.children {
		maps.Copy(s.holds, c.finish().holds)
	}
	if s.entry != nil {
		maps.Copy(s.holds, s.entry.finish().holds)
	}
	return s
}

// below gives the schema of a child; false: there can be none of that name. Nil: it may hold anything.
func (s *schema) below(name string) (*schema, bool) {
	switch {
	case s == nil:
		return nil, true
	case s.entry != nil:
		return s.entry, name == "entry"
	case s.list:
		return nil, name == "member"
	case s.leaf:
		return nil, false
	}
	c, ok := s.children[name]
	return c, ok || s.open
}

// badName says what is wrong with the name of an entry of the table.
func (s *schema) badName(name string) string {
	switch {
	case name == "":
		return "is missing a name"
	case len(name) > s.longest:
		return fmt.Sprintf("name is longer than %d characters", s.longest)
	case s.kind == kindTag || s.kind == "":
		if strings.ContainsAny(name, "\x00\r\n\t") {
			return "is an invalid name"
		}
	case !nameForm.MatchString(name):
		return "is an invalid name"
	}
	return ""
}
