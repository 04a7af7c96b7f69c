package panorama

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"activedefense/firewall/xmlapi"
)

// ByHand is what a commit on a Panorama would put in force of edits by which traffic is decided, but for those that are ours. The zero value:
// nothing.
type ByHand struct {
	Names []string // of the objects and rules, with their level, for a reader

	edits  []xmlapi.Edit
	levels map[string]*xmlapi.Node // as the commit makes them, where a security rule is among them
}

// EditsByHand reads it from the Panorama d: xpaths are those of the edits that the commit takes along, of which one above a level stands for all
// in it; ours tells of a rule or an object, by its xpath, whether we made it, or make it with our plan. Of the templates it names the edits
// that are not of log settings or certificates. It reads no level without such edits.
func EditsByHand(ctx context.Context, d *xmlapi.Device, at Place, xpaths []string, ours func(xpath string, e *xmlapi.Node) bool) (ByHand, error) {
	const what = "read what a commit on Panorama takes along"
	b := ByHand{levels: map[string]*xmlapi.Node{}}
	for _, level := range at.Levels() {
		path := LevelPath(level)
		if !slices.ContainsFunc(xpaths, func(x string) bool { return strings.HasPrefix(x+"/", path+"/") || strings.HasPrefix(path, x+"/") }) {
			continue
		}
		running, err := d.Show(ctx, what, path)
		if err != nil {
			return b, err
		}
		candidate, err := d.Get(ctx, what, path)
		if err != nil {
			return b, err
		}
		b.compare(level, running, xmlapi.Carried(path, running, candidate, xpaths), ours)
	}
	for _, x := range xpaths {
		inTemplate := strings.HasPrefix(x, templates+"/") || strings.HasPrefix(x, stacks+"/")
		if inTemplate && !strings.Contains(x, "/log-settings/") && !strings.Contains(x, "/shared/certificate") && !ours(x, nil) {
			b.Names = append(b.Names, cliPath(x))
		}
	}
	slices.Sort(b.Names)
	b.Names = slices.Compact(b.Names)
	return b, nil
}

// compare notes what decides otherwise at a level.
func (b *ByHand) compare(level string, before, after *xmlapi.Node, ours func(xpath string, e *xmlapi.Node) bool) {
	for _, base := range []string{"pre-rulebase", "post-rulebase"} {
		kinds := map[string]bool{}
		for _, n := range []*xmlapi.Node{before.Child(base), after.Child(base)} {
			if n != nil {
				for _, kind := range n.Children {
					kinds[kind.Name] = true
				}
			}
		}
		for _, kind := range sortedNames(kinds) {
			path := []string{base, kind, "rules"}
			changed, order := b.list(level, path, before.At(path...), after.At(path...), ours, ruleMeaning)
			if order && !changed {
				b.Names = append(b.Names, fmt.Sprintf("the order of %s rules in %s of %s", kind, base, level))
			}
			if (changed || order) && kind == "security" {
				b.levels[level] = after
			}
		}
	}
	for _, path := range deciding {
		b.list(level, path, before.At(path...), after.At(path...), ours, meaning)
	}
}

// list notes what decides otherwise in a list: an entry, or the order of those that stand in both.
func (b *ByHand) list(level string, path []string, before, after *xmlapi.Node, ours func(xpath string, e *xmlapi.Node) bool, meaning func(*xmlapi.Node) string) (changed, order bool) {
	at := LevelPath(level) + "/" + strings.Join(path, "/")
	said := func(list *xmlapi.Node) (names []string, texts map[string]string) {
		texts = map[string]string{}
		for _, e := range list.Entries() {
			if name := e.Attr("name"); !ours(at+xmlapi.EntryNamed(name), e) {
				names, texts[name] = append(names, name), meaning(e)
			}
		}
		return names, texts
	}
	one, was := said(before)
	other, is := said(after)
	kind := strings.ReplaceAll(path[len(path)-1], "-", " ")
	if kind == "rules" {
		kind = strings.ReplaceAll(strings.TrimSuffix(path[1], "-rules"), "-", " ") + " rule"
	}
	for _, name := range slices.Concat(one, other) {
		if was[name] == is[name] {
			continue
		}
		changed = true
		b.Names = append(b.Names, fmt.Sprintf("%s %q (on Panorama, %s)", kind, xmlapi.Tidy(name), level))
		if e := after.Entry(name); path[len(path)-1] == "rules" && path[1] == "security" {
		} else if e == nil {
			b.edits = append(b.edits, xmlapi.Delete(at+xmlapi.EntryNamed(name)))
		} else {
			b.edits = append(b.edits, xmlapi.Replace(at+xmlapi.EntryNamed(name), e.Clean()))
		}
	}
	return changed, !slices.Equal(one, other)
}

// With is the view once what was edited by hand was committed and pushed; targets tells whether the target of a rule is the firewall. v stays as it
// is.
func (v View) With(at Place, b ByHand, targets func(*xmlapi.Node) bool) (View, error) {
	v, err := v.After(at, Change{Edits: b.edits})
	for level, there := range b.levels {
		for _, base := range []string{"pre-rulebase", "post-rulebase"} {
			var rules []*xmlapi.Node
			for _, e := range there.At(base, "security", "rules").Entries() {
				if targets(e.Child("target")) {
					rules = append(rules, e.Clean().With("loc", level))
				}
			}
			if err == nil {
				err = v.replaceRules(at, level, base, rules)
			}
		}
	}
	return v, err
}

// replaceRules has other rules from a level in place of those that stand, and where none do, nearest to the firewall's own or, of Shared, farthest.
func (v *View) replaceRules(at Place, level, base string, rules []*xmlapi.Node) (err error) {
	isFrom := func(e *xmlapi.Node) bool { return at.isFrom(level, e.Attr("loc"), false) }
	first := v.part(level)
	for _, parts := range [][]xmlapi.Pushed{v.VSys, v.Bare} {
		for i := range parts {
			part := &parts[i]
			stands := part.Node.At(base, "security", "rules").Entries()
			i, others := slices.IndexFunc(stands, isFrom), slices.DeleteFunc(slices.Clone(stands), isFrom)
			switch {
			case i < 0 && part != first:
				continue
			case i < 0 && IsShared(level) == (base == "pre-rulebase"):
				i = 0
			case i < 0:
				i = len(others)
			}
			list := LevelPath(level) + "/" + base + "/security/rules"
			part.Node, err = xmlapi.Replace(list, xmlapi.Element("rules", slices.Insert(others, min(i, len(others)), rules...)...)).Apply(LevelPath(level), part.Node)
			if err != nil {
				return err
			}
		}
	}
	return nil
}
