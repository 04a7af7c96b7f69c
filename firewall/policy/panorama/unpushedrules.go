package panorama

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"activedefense/firewall/xmlapi"
)

// defaultRules are those that Panorama's post-rulebase overrides, with what they do where nothing does.
var defaultRules = map[string]string{"intrazone-default": "allow", "interzone-default": "deny"}

// formerLevels are the device groups from which the firewall has rules of a rulebase and that no longer push to it.
func (p Push) formerLevels(base string) (out []string) {
	for _, part := range p.Have.Parts {
		for kind := range kindsOf(part.Node.Child(base)) {
			for _, e := range part.Node.At(base, kind, "rules").Entries() {
				if loc := e.Attr("loc"); loc != "" && !IsShared(loc) && !slices.Contains(p.At.line(), loc) && !slices.Contains(out, loc) {
					out = append(out, loc)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// kindsOf are the kinds of rules of a rulebase: security, nat and so on, but for the default rules.
func kindsOf(rulebase *xmlapi.Node) map[string]bool {
	kinds := map[string]bool{}
	if rulebase != nil {
		for _, c := range rulebase.Children {
			kinds[c.Name] = c.Name != "default-security-rules"
		}
	}
	maps.DeleteFunc(kinds, func(_ string, is bool) bool { return !is })
	return kinds
}

// rules names what differs in a rulebase of a level: each rule that our changes make, move or take away, and the others as a whole,
// for their order counts.
func (p Push) rules(level, base string, there *xmlapi.Node) (out []string) {
	kinds := kindsOf(there)
	for _, held := range append([]Held{p.Have}, p.Then...) {
		for _, part := range held.Parts {
			maps.Copy(kinds, kindsOf(part.Node.Child(base)))
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		list, what := LevelPath(level)+"/"+base+"/"+kind+"/rules", base+" of "+level
		if kind != "security" {
			what = kind + " rules in " + what
		}
		isOurs := func(name string) bool {
			return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Places(list + xmlapi.EntryNamed(name)) })
		}
		if p.At.tags == nil && slices.ContainsFunc(there.At(kind, "rules").Entries(), func(e *xmlapi.Node) bool { return isByTags(e.Child("target")) }) {
			what += ", where rules for tags count, for our role on Panorama may not read the tags of the firewall"
		}
		is, here := active(there.At(kind, "rules").Entries(), p.reaches(level)), p.from(p.Have, level, base, kind)
		var then []ruleList
		for _, held := range p.Then {
			then = append(then, p.from(held, level, base, kind))
		}
		if !p.sameOthers(is, here, then, isOurs) {
			out = append(out, what)
		}
		for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(is.names, here.names)))) {
			replaced := !p.Last && slices.ContainsFunc(p.Replaced, func(c Change) bool { return c.Replaces(list + xmlapi.EntryNamed(name)) })
			if isOurs(name) && !replaced && is.of[name] != here.of[name] && !slices.ContainsFunc(then, func(t ruleList) bool { return is.of[name] == t.of[name] }) {
				out = append(out, fmt.Sprintf("%s rule %q of %s", kind, xmlapi.Tidy(name), level))
			}
		}
		if p.Last && !slices.ContainsFunc(append(then, here), is.inOrderOf) && !slices.Contains(out, what) {
			out = append(out, "the order of "+kind+" rules in "+base+" of "+level)
		}
	}
	return out
}

// ruleList is the rules of one kind, in their order, and what each says.
type ruleList struct {
	names []string
	of    map[string]string
}

// inOrderOf tells whether another list has all of the rules, in the same order.
func (l ruleList) inOrderOf(o ruleList) bool {
	return slices.Equal(l.names, slices.DeleteFunc(slices.Clone(o.names), func(name string) bool { return l.of[name] == "" }))
}

// sameOthers tells whether the rules that are not ours stand as the firewall has them, or as our changes have them.
func (p Push) sameOthers(is, here ruleList, then []ruleList, isOurs func(string) bool) bool {
	others := func(l ruleList) []string { return slices.DeleteFunc(slices.Clone(l.names), isOurs) }
	return slices.Equal(others(is), others(here)) && !slices.ContainsFunc(others(is), func(name string) bool {
		return is.of[name] != here.of[name] && !slices.ContainsFunc(then, func(t ruleList) bool { return is.of[name] == t.of[name] })
	})
}

// reach tells by a rule's target whether it is for the virtual system, or of Shared for any of the firewall, which has those together, and then for which: a
// firewall does not tell which of its virtual systems bear a tag, and so of a rule for tags that is what the target says.
type reach func(target *xmlapi.Node) (to string, any bool)

// reaches tells of a level to what a rule there would be pushed. One for tags that may not be read counts.
func (p Push) reaches(level string) reach {
	return p.reachOf(level, func(target *xmlapi.Node, system string) bool {
		return p.At.tags == nil && isByTags(target) || p.Targets(target, system, p.At.tagsOf(system))
	})
}

func (p Push) reachOf(level string, is func(target *xmlapi.Node, system string) bool) reach {
	systems := []string{p.Name}
	if IsShared(level) {
		systems = p.systems
	}
	return func(target *xmlapi.Node) (string, bool) {
		to := slices.DeleteFunc(slices.Clone(systems), func(system string) bool { return !is(target, system) })
		if isByTags(target) && len(systems) > 1 {
			return meaning(target), len(to) > 0
		}
		return strings.Join(to, " "), len(to) > 0
	}
}

func isByTags(target *xmlapi.Node) bool { return len(target.Child("tags").Members()) > 0 }

// rulesByTags names the rules of a level that are for tags of firewalls.
func rulesByTags(level *xmlapi.Node) (names []string) {
	for _, base := range []string{"pre-rulebase", "post-rulebase"} {
		for _, kind := range slices.Sorted(maps.Keys(kindsOf(level.Child(base)))) {
			for _, e := range level.At(base, kind, "rules").Entries() {
				if isByTags(e.Child("target")) && !e.Yes("disabled") {
					names = append(names, xmlapi.Tidy(e.Attr("name")))
				}
			}
		}
	}
	return names
}

// active lists rules that are not disabled and by their target for the firewall.
func active(entries []*xmlapi.Node, reach reach) ruleList {
	l := ruleList{of: map[string]string{}}
	for _, e := range entries {
		to, any := reach(e.Child("target"))
		if e.Yes("disabled") || !any {
			continue
		}
		plain := *e
		plain.Children = slices.DeleteFunc(slices.Clone(e.Children), func(c *xmlapi.Node) bool { return c.Name == "target" })
		l.names = append(l.names, e.Attr("name"))
		l.of[e.Attr("name")] = meaning(&plain) + to
	}
	return l
}

// from lists the rules that a firewall has from a level. What is shared may stand in several of its answers.
func (p Push) from(held Held, level, base, kind string) ruleList {
	var all []*xmlapi.Node
	for _, part := range held.Parts {
		for _, e := range part.Node.At(base, kind, "rules").Entries() {
			is := func(o *xmlapi.Node) bool { return o.Attr("name") == e.Attr("name") }
			if p.At.isFrom(level, e.Attr("loc"), part.Shared) && !slices.ContainsFunc(all, is) {
				all = append(all, e)
			}
		}
	}
	return active(all, p.reachOf(level, p.Has))
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

// defaults names the default rules that are otherwise; levels are what is committed, by level. The override that is the nearest to the firewall
// is the one that counts.
func (p Push) defaults(levels map[string]*xmlapi.Node) (out []string) {
	path := []string{"post-rulebase", "default-security-rules", "rules"}
	of := func(name string, from []*xmlapi.Node) string {
		for _, n := range from {
			if e := n.At(path...).Entry(name); e != nil {
				return meaning(e)
			}
		}
		return meaning(xmlapi.NamedEntry(name, xmlapi.Leaf("action", defaultRules[name])))
	}
	parts := func(h Held) (all []*xmlapi.Node) {
		for _, shared := range []bool{false, true} {
			for _, part := range h.Parts {
				if part.Shared == shared {
					all = append(all, part.Node)
				}
			}
		}
		return all
	}
	var line []*xmlapi.Node
	for _, level := range p.At.line() {
		line = append(line, levels[level])
	}
	names := map[string]bool{}
	for _, n := range slices.Concat(line, parts(p.Have)) {
		for _, e := range n.At(path...).Entries() {
			names[e.Attr("name")] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		is := of(name, line)
		if is != of(name, parts(p.Have)) && !slices.ContainsFunc(p.Then, func(h Held) bool { return of(name, parts(h)) == is }) {
			out = append(out, fmt.Sprintf("default rule %q", xmlapi.Tidy(name)))
		}
	}
	return out
}
