package panorama

import (
	"slices"
	"strings"

	"activedefense/firewall/xmlapi"
)

// View is what a firewall has of its Panorama: rules and objects as it tells them of the virtual system, and as it tells them without
// one, of which only what is shared counts; and the config of its template, nil for none.
type View struct {
	VSys, Bare []xmlapi.Pushed
	Template   *xmlapi.Node
	Ours       func(xpath string, n *xmlapi.Node) bool // what is ours by what it says, and no Conflict; nil: nothing
}

// After is the view once a change was committed and pushed. v stays as it is. The error is an xpath of the change that cannot be read.
func (v View) After(at Place, c Change) (View, error) {
	v.VSys, v.Bare = slices.Clone(v.VSys), slices.Clone(v.Bare)
	for _, e := range c.Edits {
		if err := v.edit(at, e); err != nil {
			return v, err
		}
	}
	if c.Top == "" || !v.Has(at, c.Top) { // it is for another virtual system
		return v, nil
	}
	return v, v.top(c.Top)
}

// Conflict names an entry that a change would make and that stands there with something else in it; "": there is none. What a change
// takes away before it makes it anew does not count, nor what is Ours. standing is what the Panorama has besides, by xpath; a nil map: it was not asked.
func (v View) Conflict(at Place, c Change, standing map[string]*xmlapi.Node) string {
	v.VSys, v.Bare = slices.Clone(v.VSys), slices.Clone(v.Bare)
	for _, e := range c.Edits {
		want := e.Element()
		if e.Deletes() || want.Name != "entry" {
			continue
		}
		xpath := e.XPath()
		if !e.Imports() {
			xpath += xmlapi.EntryNamed(want.Attr("name"))
		}
		if slices.ContainsFunc(c.Edits, func(d xmlapi.Edit) bool { return d.Deletes() && d.XPath() == xpath }) {
			continue
		}
		base, root := at.TemplatePath(), v.Template
		if !strings.HasPrefix(xpath, base+"/") {
			level := LevelOf(xpath)
			base, root = LevelPath(level), otherLevels(v.part(level).Node, level, true)
		}
		for _, have := range []*xmlapi.Node{below(root, strings.TrimPrefix(xpath, base)), standing[xpath]} {
			if have != nil && !contains(have, want) && (v.Ours == nil || !v.Ours(xpath, have)) {
				return want.Attr("name")
			}
		}
	}
	return ""
}

// Has tells whether something stands at an xpath.
func (v View) Has(at Place, xpath string) bool {
	v.VSys, v.Bare = slices.Clone(v.VSys), slices.Clone(v.Bare)
	base, root := at.TemplatePath(), v.Template
	if !strings.HasPrefix(xpath, base+"/") {
		level := LevelOf(xpath)
		base, root = LevelPath(level), otherLevels(v.part(level).Node, level, true)
	}
	return below(root, strings.TrimPrefix(xpath, base)) != nil
}

// below is what stands at an xpath below an element; nil: nothing does.
func below(n *xmlapi.Node, xpath string) *xmlapi.Node {
	steps, err := xmlapi.ParseXPath(xpath)
	if err != nil {
		return nil // which no xpath of ours is
	}
	for _, s := range steps {
		if s.Name == "entry" {
			n = n.Entry(s.Attr("name"))
		} else {
			n = n.Child(s.Name)
		}
	}
	return n
}

func (v *View) edit(at Place, e xmlapi.Edit) (err error) {
	if t := at.TemplatePath(); strings.HasPrefix(e.XPath(), t+"/") {
		v.Template, err = e.Apply(t, v.Template)
		return err
	}
	level := LevelOf(e.XPath())
	part := v.part(level)
	if n := e.Element(); n != nil && n.Name == "entry" {
		e = e.With(n.With("loc", level))
	}
	part.Node = otherLevels(part.Node, level, true)
	part.Node, err = e.Apply(LevelPath(level), part.Node)
	part.Node = otherLevels(part.Node, level, false)
	return err
}

// hidden marks the names of rules that come from other levels while one is changed: they may bear its name.
const hidden = "\x00"

// otherLevels hides the Pre Rules of a part that come from other levels, or shows them again.
func otherLevels(part *xmlapi.Node, level string, hide bool) *xmlapi.Node {
	at := []string{"pre-rulebase", "security", "rules"}
	if !slices.ContainsFunc(part.At(at...).Entries(), func(n *xmlapi.Node) bool { return isOfAnother(n, level) }) {
		return part
	}
	var walk func(n *xmlapi.Node, path []string) *xmlapi.Node
	walk = func(n *xmlapi.Node, path []string) *xmlapi.Node {
		c := *n
		c.Children = slices.Clone(n.Children)
		for i, child := range c.Children {
			switch {
			case len(path) > 0 && child.Name == path[0]:
				c.Children[i] = walk(child, path[1:])
			case len(path) == 0 && isOfAnother(child, level):
				c.Children[i] = named(child, hide)
			}
		}
		return &c
	}
	return walk(part, at)
}

// named gives a rule with its name hidden, or shown.
func named(rule *xmlapi.Node, hide bool) *xmlapi.Node {
	c := *rule
	c.Attrs = slices.Clone(rule.Attrs)
	for i, a := range c.Attrs {
		if a.Name.Local != "name" {
			continue
		}
		if c.Attrs[i].Value = strings.TrimPrefix(a.Value, hidden); hide {
			c.Attrs[i].Value = hidden + a.Value
		}
	}
	return &c
}

// isOfAnother tells whether a rule is marked as one of another level.
func isOfAnother(n *xmlapi.Node, level string) bool {
	loc := n.Attr("loc")
	return loc != "" && !strings.EqualFold(loc, level)
}

// part is what comes from a level, as far as the firewall tells it apart; it is made if there is none.
func (v *View) part(level string) *xmlapi.Pushed {
	marked := func(p *xmlapi.Pushed) bool {
		return slices.ContainsFunc(p.Node.At("pre-rulebase", "security", "rules").Entries(), func(n *xmlapi.Node) bool {
			return strings.EqualFold(n.Attr("loc"), level)
		})
	}
	var known []*xmlapi.Pushed
	for i := range v.VSys {
		known = append(known, &v.VSys[i])
	}
	for i := range v.Bare {
		if v.Bare[i].Shared {
			known = append(known, &v.Bare[i])
		}
	}
	for _, is := range []func(*xmlapi.Pushed) bool{marked, func(p *xmlapi.Pushed) bool { return p.Shared == IsShared(level) }} {
		if i := slices.IndexFunc(known, is); i >= 0 {
			return known[i]
		}
	}
	v.VSys = append(v.VSys, xmlapi.Pushed{Node: xmlapi.Element("pushed"), Shared: IsShared(level)})
	return &v.VSys[len(v.VSys)-1]
}

// top puts a rule first among those of its level; what comes from the levels above stays above it.
func (v *View) top(xpath string) (err error) {
	level := LevelOf(xpath)
	part, at := v.part(level), LevelPath(level)
	part.Node = otherLevels(part.Node, level, true)
	part.Node, err = xmlapi.Moved(at, part.Node, xpath, xmlapi.MoveTop)
	if part.Node = otherLevels(part.Node, level, false); err != nil {
		return err
	}
	entries := part.Node.At("pre-rulebase", "security", "rules").Entries()
	if len(entries) < 2 {
		return nil
	}
	i := slices.IndexFunc(entries[1:], func(n *xmlapi.Node) bool { return strings.EqualFold(n.Attr("loc"), level) })
	if i > 0 {
		moved := slices.Concat(entries[1:i+1], entries[:1], entries[i+1:])
		part.Node, err = xmlapi.Replace(at+"/pre-rulebase/security/rules", xmlapi.Element("rules", moved...)).Apply(at, part.Node)
	}
	return err
}
