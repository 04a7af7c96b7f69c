package panosim

import (
	"fmt"
	"slices"
	"strings"

	"activedefense/firewall/panosim/xmltree"
)

// checker holds a configuration, or a part of one, against its schema, and collects what is wrong in the lines that
// a firewall answers: the fault itself, and then for each element around it that it is invalid.
type checker struct {
	commit bool       // what may not be committed is a fault, too
	names  *inventory // where names are looked up; nil: any name will do
	scope  string     // of the objects that can be named: a virtual system, or shared
	lines  []string
}

// maxFaults bounds the lines; a firewall that is asked to take a thousand wrong addresses says so of some.
const maxFaults = 50

func (c *checker) fault(path []string, text string) {
	if len(c.lines) < maxFaults {
		c.lines = append(c.lines, strings.TrimPrefix(strings.Join(path, " -> ")+" "+text, " "))
	}
}

// check holds an element against its schema; path names it and what is around it.
func (c *checker) check(s *schema, e *xmltree.Element, path []string) {
	if s == nil {
		return
	}
	before := len(c.lines)
	switch {
	case s.leaf:
		c.checkLeaf(s, e, path)
	case s.list:
		c.checkList(s, e, path)
	case s.entry != nil:
		c.checkTable(s, e, path)
	default:
		c.checkFields(s, e, path)
	}
	if len(c.lines) > before && len(c.lines) < maxFaults && len(path) > 0 {
		c.fault(path, "is invalid")
	}
}

func (c *checker) checkLeaf(s *schema, e *xmltree.Element, path []string) {
	for _, child := range e.Children {
		c.fault(append(path, child.Name), "unexpected here")
	}
	c.checkText(s, e.Text, path)
}

func (c *checker) checkList(s *schema, e *xmltree.Element, path []string) {
	if len(e.Children) == 0 && c.commit && s.full != "" {
		c.fault(path, s.full)
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
func (c *checker) checkText(s *schema, text string, path []string) {
	if s.value != nil {
		if wrong := s.value(text); wrong != "" {
			c.fault(path, "'"+text+"' "+wrong)
		}
	}
	if len(s.refers) > 0 && c.names != nil && !s.isFree(text) && !c.names.has(c.scope, s.refers, text) {
		c.fault(path, "'"+text+"' is not a valid reference")
	}
}

func (s *schema) isFree(text string) bool { return s.free != nil && s.free(text) }

func (c *checker) checkTable(s *schema, e *xmltree.Element, path []string) {
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
		if wrong := s.badName(name); wrong != "" {
			c.fault(append(path, name), wrong)
		}
		outside := c.scope
		if last(path) == "vsys" || last(path) == "device-group" {
			c.scope = name
		}
		if len(s.refers) > 0 {
			c.checkText(s, name, path)
		}
		c.check(s.entry, child, append(path, name))
		c.scope = outside
	}
}

func (c *checker) checkFields(s *schema, e *xmltree.Element, path []string) {
	for _, child := range e.Children {
		below, ok := s.below(child.Name)
		if !ok {
			c.fault(append(path, child.Name), "unexpected here")
			continue
		}
		c.check(below, child, append(path, child.Name))
	}
	if c.commit {
		c.checkComplete(s, e, path)
	}
}

// checkComplete checks what only a commit demands.
func (c *checker) checkComplete(s *schema, e *xmltree.Element, path []string) {
	var chosen []string
	for _, name := range s.exclusive {
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

// invalid gives what a commit would find wrong with a whole configuration.
func invalid(root *xmltree.Element, names *inventory) []string {
	c := checker{commit: true, names: names, scope: sharedScope}
	config, _ := firewallSchema.below(root.Name)
	for _, child := range root.Children {
		below, _ := config.below(child.Name)
		if child.Name == "devices" {
			c.checkDevices(below, child)
			continue
		}
		c.checkParts(below, child, nil)
	}
	return c.lines
}

// checkDevices leaves out of the paths what comes before the objects, as recorded.
func (c *checker) checkDevices(s *schema, devices *xmltree.Element) {
	before := len(c.lines)
	for _, device := range devices.Entries() {
		for _, part := range device.Children {
			below, _ := s.entry.below(part.Name)
			if below == nil || below.entry == nil {
				c.check(below, part, []string{part.Name})
				continue
			}
			inside := len(c.lines)
			for _, e := range part.Entries() {
				c.scope = e.ID()
				c.checkParts(below.entry, e, nil)
			}
			c.scope = sharedScope
			if len(c.lines) > inside {
				c.fault([]string{part.Name}, "is invalid")
			}
		}
	}
	if len(c.lines) > before {
		c.fault([]string{devices.Name}, "is invalid")
	}
}

// checkParts checks the children of an element whose own name the paths leave out.
func (c *checker) checkParts(s *schema, e *xmltree.Element, path []string) {
	if s == nil {
		return
	}
	for _, child := range e.Children {
		if below, ok := s.below(child.Name); ok {
			c.check(below, child, append(path, child.Name))
		}
	}
}

// at follows the path; false: nothing can stand there. scope is that of the objects that can
// be named there.
func (s *schema) at(x xmltree.Path) (at *schema, scope string, ok bool) {
	scope = sharedScope
	var before string
	for _, step := range x.Steps {
		if s, ok = s.below(step.Name); !ok {
			return nil, "", false
		}
		if (before == "vsys" || before == "device-group") && len(step.Chosen) == 1 {
			scope = step.Chosen[0].ID
		}
		before = step.Name
	}
	return s, scope, true
}
