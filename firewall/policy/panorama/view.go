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
}

// After is the view once a change was committed and pushed. v stays as it is. The error is an xpath of the change that cannot be read.
func (v View) After(at Place, c Change) (View, error) {
	v.VSys, v.Bare = slices.Clone(v.VSys), slices.Clone(v.Bare)
	for _, e := range c.Edits {
		if err := v.edit(at, e); err != nil {
			return v, err
		}
	}
	if c.Top == "" {
		return v, nil
	}
	return v, v.top(c.Top)
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
	part.Node, err = e.Apply(LevelPath(level), part.Node)
	return err
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
	if part.Node, err = xmlapi.Moved(at, part.Node, xpath, xmlapi.MoveTop); err != nil {
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
