package xmlapi

import (
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Apply gives what stands at an xpath as it would be after the edit; at, as it is now, is not changed. nil: nothing stands
// there. An edit elsewhere changes nothing. It merges as PAN-OS documents set ("merges the element with what exists"): by
// name, entries by their name and members by their text. The error is an xpath of the edit that it cannot read.
func (e Edit) Apply(xpath string, at *Node) (*Node, error) {
	return along(xpath, at, e.xpath, func(root *Node, steps []*Node) *Node {
		switch e.action {
		case actionSet:
			return reached(root, steps, func(n *Node) *Node { return merged(n, e.element) })
		case actionDelete:
			return removed(root, steps)
		}
		return reached(root, steps, func(*Node) *Node { return e.element })
	})
}

// Moved gives what stands at an xpath as it would be after the entry at entry went to MoveTop or MoveBottom of its list.
// Otherwise it is as Edit.Apply.
func Moved(xpath string, at *Node, entry, where string) (*Node, error) {
	return along(xpath, at, entry, func(root *Node, steps []*Node) *Node {
		if found(root, steps) == nil {
			return root
		}
		last := steps[len(steps)-1]
		return reached(root, steps[:len(steps)-1], func(list *Node) *Node {
			i := list.index(last)
			entry, rest := list.Children[i], slices.Delete(slices.Clone(list.Children), i, i+1)
			if where == MoveTop {
				rest = slices.Insert(rest, 0, entry)
			} else {
				rest = append(rest, entry)
			}
			return list.with(rest)
		})
	})
}

// Carried gives what stands at an xpath with what another version of it has at some xpaths: there it is as in that version, and an entry
// has the same neighbour before it. Where one of the xpaths cannot be read, or is above the whole, it is that version as it is.
func Carried(xpath string, into, from *Node, targets []string) *Node {
	base, err := ParseXPath(xpath)
	if err != nil {
		return from
	}
	lists := map[string][]*Node{}         // paths of lists, below the xpath
	names := map[string]map[string]bool{} // of entries of those: there may be thousands
	for _, target := range targets {
		steps, err := ParseXPath(target)
		if err != nil || within(base, steps) {
			return from
		}
		if !within(steps, base) {
			continue
		}
		below := steps[len(base):]
		if last := below[len(below)-1]; last.Name == "entry" && last.Attr("name") != "" && len(below) > 1 {
			list := target[:len(target)-len(EntryNamed(last.Attr("name")))]
			if lists[list] = below[:len(below)-1]; names[list] == nil {
				names[list] = map[string]bool{}
			}
			names[list][last.Attr("name")] = true
			continue
		}
		change := Delete(target)
		if from != nil && found(from, below) != nil {
			change = Replace(target, found(from, below))
		}
		if into, err = change.Apply(xpath, into); err != nil {
			return from
		}
	}
	for _, list := range slices.Sorted(maps.Keys(lists)) { // one in another behind that
		path := lists[list]
		var have *Node
		if from != nil {
			have = found(from, path)
		}
		stands := into != nil && found(into, path) != nil
		if !stands && !slices.ContainsFunc(have.Entries(), func(e *Node) bool { return names[list][e.Attr("name")] }) {
			continue
		}
		if into == nil {
			into = base[len(base)-1]
		}
		into = reached(into, path, func(n *Node) *Node { return replaced(n, have, names[list]) })
	}
	return into
}

// replaced gives a list with some of its entries as another version of it has them, behind the neighbours that they have there.
func replaced(list, like *Node, names map[string]bool) *Node {
	type key struct{ element, name, text string }
	of := func(n *Node) key {
		k := key{n.Name, n.Attr("name"), ""}
		if n.Name == "member" {
			k.text = n.Text
		}
		return k
	}
	isOne := func(n *Node) bool { return n.Name == "entry" && names[n.Attr("name")] }
	rest := slices.DeleteFunc(slices.Clone(list.Children), isOne)
	stand := map[key]bool{}
	for _, n := range rest {
		stand[of(n)] = true
	}
	behind := map[key][]*Node{} // the zero key: before all others
	var before key
	if like != nil {
		for _, n := range like.Children {
			if isOne(n) {
				behind[before] = append(behind[before], n)
			} else if stand[of(n)] {
				before = of(n)
			}
		}
	}
	children := slices.Clone(behind[key{}])
	for _, n := range rest {
		children = append(append(children, n), behind[of(n)]...)
		delete(behind, of(n)) // the first of several that are the same one
	}
	return list.with(children)
}

// within tells whether a path is another one or leads below it.
func within(path, above []*Node) bool {
	return len(path) >= len(above) && slices.EqualFunc(above, path[:len(above)], (*Node).same)
}

// along does something to what stands at a path below an xpath.
func along(xpath string, at *Node, target string, do func(root *Node, steps []*Node) *Node) (*Node, error) {
	base, err := ParseXPath(xpath)
	if err != nil {
		return nil, err
	}
	steps, err := ParseXPath(target)
	if err != nil {
		return nil, err
	}
	if len(steps) <= len(base) || !slices.EqualFunc(base, steps[:len(base)], (*Node).same) {
		return at, nil
	}
	if at == nil {
		at = base[len(base)-1]
		if at = do(at, steps[len(base):]); len(at.Children) == 0 {
			return nil, nil
		}
		return at, nil
	}
	return do(at, steps[len(base):]), nil
}

// ParseXPath reads an absolute path of names, of which some are entries with a name or members with a text: as VSysPath, EntryNamed and
// MemberNamed write it. The error quotes what it cannot read.
func ParseXPath(text string) ([]*Node, error) {
	var steps []*Node
	for rest := text; rest != ""; {
		after, ok := strings.CutPrefix(rest, "/")
		end := strings.IndexAny(after, "/[")
		if end < 0 {
			end = len(after)
		}
		step := &Node{Name: after[:end]}
		if rest = after[end:]; strings.HasPrefix(rest, "[@name=") && len(rest) > len("[@name=''") {
			quote := rest[len("[@name=") : len("[@name=")+1]
			name, behind, closed := strings.Cut(rest[len("[@name=")+1:], quote+"]")
			ok, rest = ok && closed && strings.Contains(`'"`, quote), behind
			step.Attrs = []xml.Attr{{Name: xml.Name{Local: "name"}, Value: name}}
		} else if strings.HasPrefix(rest, "[text()=") && len(rest) > len("[text()=''") && step.Name == "member" {
			quote := rest[len("[text()=") : len("[text()=")+1]
			name, behind, closed := strings.Cut(rest[len("[text()=")+1:], quote+"]")
			ok, rest = ok && closed && strings.Contains(`'"`, quote), behind
			step.Text = name
		}
		if !ok || step.Name == "" || strings.HasPrefix(rest, "[") {
			return nil, fmt.Errorf("xpath %q: expected /name, /entry[@name='...'] or /member[text()='...'], got %q", text, after)
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// same tells whether two elements are the same one of their list, whatever they hold.
func (n *Node) same(o *Node) bool {
	return n.Name == o.Name && n.Attr("name") == o.Attr("name") && (n.Name != "member" || n.Text == o.Text)
}

func (n *Node) index(child *Node) int {
	return slices.IndexFunc(n.Children, func(c *Node) bool { return c.same(child) })
}

// with is the element with other children.
func (n *Node) with(children []*Node) *Node {
	return &Node{Name: n.Name, Attrs: n.Attrs, Text: n.Text, Children: children}
}

func found(at *Node, steps []*Node) *Node {
	for _, s := range steps {
		i := at.index(s)
		if i < 0 {
			return nil
		}
		at = at.Children[i]
	}
	return at
}

// reached gives the tree with another element at the end of the steps; what is missing on the way is made.
func reached(at *Node, steps []*Node, change func(*Node) *Node) *Node {
	if len(steps) == 0 {
		return change(at)
	}
	children := slices.Clone(at.Children)
	if i := at.index(steps[0]); i >= 0 {
		children[i] = reached(children[i], steps[1:], change)
	} else {
		children = append(children, reached(steps[0], steps[1:], change))
	}
	return at.with(children)
}

func removed(at *Node, steps []*Node) *Node {
	i := at.index(steps[0])
	if i < 0 {
		return at
	}
	children := slices.Clone(at.Children)
	if len(steps) == 1 {
		return at.with(slices.Delete(children, i, i+1))
	}
	children[i] = removed(children[i], steps[1:])
	return at.with(children)
}

// merged puts an element into another.
func merged(into, element *Node) *Node {
	children := slices.Clone(into.Children)
	if i := into.index(element); i < 0 {
		children = append(children, element)
	} else {
		old := children[i]
		for _, c := range element.Children {
			old = merged(old, c)
		}
		if old = old.with(old.Children); element.Text != "" {
			old.Text = element.Text
		}
		children[i] = old
	}
	return into.with(children)
}
