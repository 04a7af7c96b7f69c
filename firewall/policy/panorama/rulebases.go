package panorama

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"activedefense/firewall/xmlapi"
)

// OtherRules names the kinds of rules, but for security, that others have committed at a level of the Panorama, in pre-rulebase or
// post-rulebase (base), otherwise than the firewall has them: nat, pbf and so on. committed is that rulebase there, pushed what the firewall
// has; targets tells whether a target is the firewall. perhaps are those of which the firewall names none from any level: it may not tell them.
// Default rules are not among them.
func OtherRules(at Place, level, base string, committed *xmlapi.Node, pushed []xmlapi.Pushed, targets func(*xmlapi.Node) bool) (certain, perhaps []string) {
	kinds := map[string]bool{}
	add := func(rulebase *xmlapi.Node) {
		if rulebase == nil {
			return
		}
		for _, kind := range rulebase.Children {
			kinds[kind.Name] = kinds[kind.Name] || kind.Name != "security" && kind.Name != "default-security-rules"
		}
	}
	add(committed)
	for _, part := range pushed {
		add(part.Node.Child(base))
	}
	for _, kind := range sortedNames(kinds) {
		var there, here []string
		told := false
		for _, e := range committed.At(kind, "rules").Entries() {
			if targets(e.Child("target")) {
				there = append(there, ruleMeaning(e))
			}
		}
		seen := map[string]bool{} // what is shared may stand in several answers
		for _, part := range pushed {
			for _, e := range part.Node.At(base, kind, "rules").Entries() {
				told = true
				if name := e.Attr("name"); at.isFrom(level, e.Attr("loc"), part.Shared) && !seen[name] && targets(e.Child("target")) {
					seen[name] = true
					here = append(here, ruleMeaning(e))
				}
			}
		}
		switch what := kind + " rules in " + base + " of " + level; {
		case slices.Equal(there, here):
		case told:
			certain = append(certain, what)
		default:
			perhaps = append(perhaps, what)
		}
	}
	return certain, perhaps
}

func sortedNames(set map[string]bool) (names []string) {
	for name, in := range set {
		if in {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// isFrom tells whether what the firewall has with a mark of where it is from is from a level.
func (p Place) isFrom(level, loc string, shared bool) bool {
	switch {
	case loc == "" && shared || IsShared(loc):
		return IsShared(level)
	case loc == "":
		return level == p.Group
	}
	return level == loc
}

// ruleMeaning is what a rule decides. Whom it is for, its tags and its logs do not matter.
func ruleMeaning(n *xmlapi.Node) string {
	plain := *n
	plain.Children = slices.DeleteFunc(slices.Clone(n.Children), func(c *xmlapi.Node) bool {
		return slices.Contains([]string{"target", "tag", "group-tag", "log-setting", "log-start", "log-end"}, c.Name)
	})
	return meaning(&plain)
}

// networks are the lists of a template, below the one device, by which it is decided where traffic comes from and leaves: names of the elements,
// * for each.
var networks = [][]string{{"network", "interface", "*"}, {"network", "virtual-router"}, {"network", "logical-router"}, {"network", "virtual-wire"}, {"network", "vlan"}}

// UnpushedNetwork names zones, interfaces and routers that others have committed in the templates of the firewall otherwise than it has them:
// template is what was pushed. A setting of several templates is that of the first; what holds variables is not compared. vsys is the
// firewall's.
func UnpushedNetwork(ctx context.Context, d *xmlapi.Device, at Place, vsys string, template *xmlapi.Node) (out []string, err error) {
	const what = "read what is committed in the templates of Panorama"
	configs := []string{templates + xmlapi.EntryNamed(at.Template)}
	if at.Stack != "" {
		names, err := d.Show(ctx, what, stacks+xmlapi.EntryNamed(at.Stack)+"/templates")
		if err != nil {
			return nil, err
		}
		configs = []string{stacks + xmlapi.EntryNamed(at.Stack)}
		for _, name := range names.Members() {
			configs = append(configs, templates+xmlapi.EntryNamed(name))
		}
	}
	var there *xmlapi.Node
	slices.Reverse(configs) // a later one is put over the earlier ones
	for _, at := range configs {
		for _, part := range []string{"/vsys", "/network"} {
			n, err := d.Show(ctx, what, at+xmlapi.DevicePath+part)
			if err == nil && n != nil {
				there, err = xmlapi.Set(xmlapi.DevicePath, n).Apply("/config", there)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	device, have := there.At("devices").FirstEntry(), template.At("devices").FirstEntry()
	out = otherwise("zone", device.Child("vsys").Entry(vsys).Child("zone"), have.Child("vsys").Entry(vsys).Child("zone"))
	for _, path := range networks {
		kind := strings.TrimSuffix(strings.Join(path[1:], " "), " *")
		if path[len(path)-1] != "*" {
			out = append(out, otherwise(kind, device.At(path...), have.At(path...))...)
			continue
		}
		kinds := map[string]bool{}
		for _, list := range []*xmlapi.Node{device.At(path[:len(path)-1]...), have.At(path[:len(path)-1]...)} {
			if list == nil {
				continue
			}
			for _, c := range list.Children {
				kinds[c.Name] = true
			}
		}
		for _, name := range sortedNames(kinds) {
			list := append(slices.Clone(path[:len(path)-1]), name)
			out = append(out, otherwise(kind, device.At(list...), have.At(list...))...)
		}
	}
	return out, nil
}

// otherwise names the entries that two versions of a list have differently.
func otherwise(kind string, there, here *xmlapi.Node) (out []string) {
	names := map[string]bool{}
	for _, e := range slices.Concat(there.Entries(), here.Entries()) {
		names[e.Attr("name")] = true
	}
	text := func(n *xmlapi.Node) string {
		if n == nil {
			return ""
		}
		return meaning(n)
	}
	for _, name := range sortedNames(names) {
		if one := text(there.Entry(name)); one != text(here.Entry(name)) && !strings.Contains(one, "=$") {
			out = append(out, fmt.Sprintf("%s %q", kind, xmlapi.Tidy(name)))
		}
	}
	return out
}
