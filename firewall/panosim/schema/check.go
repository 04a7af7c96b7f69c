package schema

import (
	"fmt"
	"slices"
	"strings"

	"activedefense/firewall/panosim/xmltree"
)

// Checker holds a configuration, or a part of one, against its schema, and collects what is wrong in the lines that
// a firewall answers: the fault itself, and then for each element around it that it is invalid.
type Checker struct {
	commit bool       // what may not be committed is a fault, too
	Names  *Inventory // where names are looked up; nil: any name will do
	Scope  string     // of the objects that can be named: a virtual system, or shared
	Empty  bool       // an element without text is one without a value: no condition is asked of it
	Lines  []string
}

// maxFaults bounds the lines; a firewall that is asked to take a thousand wrong addresses says so of some.
const maxFaults = 50

func (c *Checker) fault(path []string, text string) {
	if len(c.Lines) < maxFaults {
		c.Lines = append(c.Lines, strings.TrimPrefix(strings.Join(path, " -> ")+" "+text, " "))
	}
}

// Check holds an element against its schema; path names it and what is around it.
func (c *Checker) Check(s *Schema, e *xmltree.Element, path []string) {
	if s == nil {
		return
	}
	before := len(c.Lines)
	switch {
	case s.Leaf:
		c.checkLeaf(s, e, path)
	case s.List:
		c.checkList(s, e, path)
	case s.Entry != nil:
		c.checkTable(s, e, path)
	default:
		c.checkFields(s, e, path)
	}
	if len(c.Lines) > before && len(c.Lines) < maxFaults && len(path) > 0 {
		c.fault(path, "is invalid")
	}
}

func (c *Checker) checkLeaf(s *Schema, e *xmltree.Element, path []string) {
	for _, child := range e.Children {
		c.fault(append(path, child.Name), "unexpected here")
	}
	if e.Text != "" || !c.Empty {
		c.checkText(s, e.Text, path)
	}
}

func (c *Checker) checkList(s *Schema, e *xmltree.Element, path []string) {
	if len(e.Children) == 0 && c.commit && s.full != "" {
		c.fault(path, s.full)
	}
	if s.most > 0 && len(e.Children) > s.most {
		c.fault(path, fmt.Sprintf("can have at most %d members", s.most))
	}
	seen := make(map[string]bool, len(e.Children))
	for _, child := range e.Children {
		switch {
		case child.Name != "member":
			c.fault(append(path, child.Name), "unexpected here")
		case seen[child.Text]:
			c.fault(path, "'"+child.Text+"' is a duplicate node")
		default:
			c.checkText(s, child.Text, path)
		}
		seen[child.Text] = true
	}
}

// checkText checks a value, or the name of an object.
func (c *Checker) checkText(s *Schema, text string, path []string) {
	if s.value != nil {
		if wrong := s.value(text); wrong != "" {
			c.fault(path, "'"+text+"' "+wrong)
		}
	}
	if len(s.refers) > 0 && c.Names != nil && !s.isFree(text) && !c.Names.has(c.Scope, s.refers, text) {
		c.fault(path, "'"+text+"' is not a valid reference")
	}
}

func (s *Schema) isFree(text string) bool { return s.free != nil && s.free(text) }

func (c *Checker) checkTable(s *Schema, e *xmltree.Element, path []string) {
	seen := make(map[string]bool, len(e.Children))
	for _, child := range e.Children {
		name := child.ID()
		switch {
		case child.Name != "entry":
			c.fault(append(path, child.Name), "unexpected here")
			continue
		case seen[name]:
			c.fault(path, "'"+name+"' is a duplicate node")
			continue
		}
		seen[name] = true
		if wrong := s.BadName(name); wrong != "" {
			c.fault(append(path, name), wrong)
		}
		outside := c.Scope
		if isScope(last(path)) {
			c.Scope = name
		}
		if len(s.refers) > 0 {
			c.checkText(s, name, path)
		}
		c.Check(s.Entry, child, append(path, name))
		c.Scope = outside
	}
}

func (c *Checker) checkFields(s *Schema, e *xmltree.Element, path []string) {
	for _, child := range e.Children {
		below, ok := s.Below(child.Name)
		if !ok {
			c.fault(append(path, child.Name), "unexpected here")
			continue
		}
		c.Check(below, child, append(path, child.Name))
	}
	if c.commit {
		c.checkComplete(s, e, path)
	}
}

// checkComplete checks what only a commit demands.
func (c *Checker) checkComplete(s *Schema, e *xmltree.Element, path []string) {
	var chosen []string
	for _, name := range s.Exclusive {
		if e.Child(name) != nil {
			chosen = append(chosen, name)
		}
	}
	for _, other := range chosen[min(1, len(chosen)):] {
		c.fault(path, fmt.Sprintf("Node %s and %s are mutually exclusive", chosen[0], other))
	}
	for _, name := range s.required {
		if e.Child(name) == nil {
			c.fault(path, "is missing '"+name+"'")
		}
	}
	if len(s.oneOf) > 0 && !slices.ContainsFunc(s.oneOf, func(name string) bool { return e.Child(name) != nil }) {
		c.fault(path, "is missing one of '"+strings.Join(s.oneOf, "', '")+"'")
	}
}

func last(path []string) string {
	if len(path) == 0 {
		return ""
	}
	return path[len(path)-1]
}

// Invalid gives what a commit would find wrong with a whole configuration; empty is as Checker.Empty.
func Invalid(root *xmltree.Element, names *Inventory, empty bool) []string {
	c := Checker{commit: true, Names: names, Scope: SharedScope, Empty: empty}
	config, _ := Firewall.Below(root.Name)
	for _, child := range root.Children {
		below, _ := config.Below(child.Name)
		if child.Name == "devices" {
			c.checkDevices(below, child)
			continue
		}
		c.checkParts(below, child, nil)
	}
	return c.Lines
}

// checkDevices leaves out of the paths what comes before the objects, as recorded.
func (c *Checker) checkDevices(s *Schema, devices *xmltree.Element) {
	before := len(c.Lines)
	for _, device := range devices.Entries() {
		for _, part := range device.Children {
			below, _ := s.Entry.Below(part.Name)
			if below == nil || below.Entry == nil {
				c.Check(below, part, []string{part.Name})
				continue
			}
			inside := len(c.Lines)
			for _, e := range part.Entries() {
				c.Scope = e.ID()
				c.checkParts(below.Entry, e, nil)
			}
			c.Scope = SharedScope
			if len(c.Lines) > inside {
				c.fault([]string{part.Name}, "is invalid")
			}
		}
	}
	if len(c.Lines) > before {
		c.fault([]string{devices.Name}, "is invalid")
	}
}

// checkParts checks the children of an element whose own name the paths leave out.
func (c *Checker) checkParts(s *Schema, e *xmltree.Element, path []string) {
	if s == nil {
		return
	}
	for _, child := range e.Children {
		if below, ok := s.Below(child.Name); ok {
			c.Check(below, child, append(path, child.Name))
		}
	}
}

// At follows the path; false: nothing can stand there. scope is that of the objects that can
// be named there.
func (s *Schema) At(x xmltree.Path) (at *Schema, scope string, ok bool) {
	scope = SharedScope
	var before string
	for _, step := range x.Steps {
		if s, ok = s.Below(step.Name); !ok {
			return nil, "", false
		}
		if isScope(before) && len(step.Chosen) == 1 {
			scope = step.Chosen[0].ID
		}
		before = step.Name
	}
	return s, scope, true
}
