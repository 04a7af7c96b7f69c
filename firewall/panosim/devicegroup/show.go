package devicegroup

import (
	"cmp"
	"slices"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// nothingPushed is the whole result where nothing was pushed; recorded, of a virtual system without a device group.
const nothingPushed = "No shared policy pushed to device"

// Show answers "show config pushed-shared-policy", bare or with <vsys>. As measured (PA-5220 and PA-VM,
// 11.1 and 11.2): a firewall with one virtual system gives the same for both forms, <policy> with <panorama> and
// <shared>; one with several gives <shared> for the bare form and <policy> with <panorama> for the other. Of which
// virtual system the parameter vsys decides, whatever stands in the command; without it, it is the first.
func (p *Pushed) Show(r answer.Request, d *dialect.Dialect) answer.Answer {
	for _, name := range []string{r.VSys, r.At.Value("vsys")} {
		if name != "" && !slices.Contains(p.vsys, name) {
			return answer.InvalidVSys(name)
		}
	}
	group, shared := p.Of(cmp.Or(r.VSys, p.vsys[0]))
	apart := d.PushedRules == dialect.PushedRulesApart
	switch {
	case group == nil && shared == nil:
	case len(p.vsys) == 1:
		return answer.Success("<result><policy>" + panoramaXML(group, shared, apart) + sharedXML(shared, apart) + "</policy></result>")
	case r.At.Child("vsys") == nil && shared != nil:
		return answer.Success("<result>" + sharedXML(shared, true) + "</result>")
	case r.At.Child("vsys") != nil && group != nil:
		return answer.Success("<result><policy>" + panoramaXML(group, shared, apart) + "</policy></result>")
	}
	return answer.Success("<result>" + nothingPushed + "</result>")
}

// panoramaXML writes what a device group has: with the rules of Shared around its own, unless they are kept apart.
func panoramaXML(group, shared *xmltree.Element, apart bool) string {
	out := &xmltree.Element{Name: "panorama"}
	if group != nil {
		out.Children = group.Children
	}
	if !apart {
		out = enclosed(out, shared)
	}
	return out.String()
}

// sharedXML writes what is shared, with its rules or without.
func sharedXML(shared *xmltree.Element, rules bool) string {
	out := &xmltree.Element{Name: "shared"}
	for _, c := range shared.All() {
		if rules || !isRulebase(c) {
			out.Children = append(out.Children, c)
		}
	}
	return out.String()
}

func isRulebase(e *xmltree.Element) bool {
	return e.Name == "pre-rulebase" || e.Name == "post-rulebase"
}

// enclosed copies a scope with the rules of an outer one (Shared, or a parent device group) before its own in the
// pre-rulebase and behind them in the post-rulebase. Of the default rules, its own overrides hide those of the outer one.
func enclosed(scope, outer *xmltree.Element) *xmltree.Element {
	out := &xmltree.Element{Name: scope.Name, Attributes: scope.Attributes}
	for _, c := range scope.Children {
		if !isRulebase(c) {
			out.Children = append(out.Children, c)
		}
	}
	return withChild(withChild(out, rulebase("pre-rulebase", outer, scope)), rulebase("post-rulebase", scope, outer))
}

// withChild adds a child, unless it is empty.
func withChild(e, child *xmltree.Element) *xmltree.Element {
	if len(child.Children) > 0 {
		e.Children = append(e.Children, child)
	}
	return e
}

// rulebase joins those of two scopes, whatever the rules are for.
func rulebase(name string, first, second *xmltree.Element) *xmltree.Element {
	out := &xmltree.Element{Name: name}
	for _, scope := range []*xmltree.Element{first, second} {
		for _, kind := range scope.Child(name).All() {
			if out.Child(kind.Name) == nil {
				out.Children = append(out.Children, &xmltree.Element{Name: kind.Name, Children: []*xmltree.Element{{Name: "rules"}}})
			}
			rules := out.Down(kind.Name, "rules")
			for _, rule := range kind.Child("rules").Entries() {
				if kind.Name != "default-security-rules" || rules.Entry(rule.ID()) == nil {
					rules.Children = append(rules.Children, rule)
				}
			}
		}
	}
	return out
}
