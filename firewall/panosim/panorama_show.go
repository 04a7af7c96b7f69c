package panosim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// KindPushed is the kind of call that reads what Panorama pushed to a firewall.
const KindPushed = "pushed-policy"

// KindDevices is the kind of call that asks a Panorama for its firewalls.
const KindDevices = "devices"

// nothingPushed is the whole result where nothing was pushed; recorded, of a virtual system without a device group.
const nothingPushed = "No shared policy pushed to device"

// showPushed answers "show config pushed-shared-policy", bare or with <vsys>. As measured (PA-5220 and PA-VM,
// 11.1 and 11.2): a firewall with one virtual system gives the same for both forms, <policy> with <panorama> and
// <shared>; one with several gives <shared> for the bare form and <policy> with <panorama> for the other. Of which
// virtual system the parameter vsys decides, whatever stands in the command; without it, it is the first.
func (s *Sim) showPushed(c *call, what *xmltree.Element) answer.Answer {
	named := c.form.Get("vsys")
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range []string{named, what.Value("vsys")} {
		if _, ok := s.vsys(name); !ok {
			return answer.InvalidVSys(name)
		}
	}
	group, shared := s.pushed.groups[s.name(named)], s.pushed.shared
	apart := s.dialect.PushedRules == dialect.PushedRulesApart
	switch {
	case group == nil && shared == nil:
	case len(s.opts.VSys) == 1:
		return answer.Success("<result><policy>" + panoramaXML(group, shared, apart) + sharedXML(shared, apart) + "</policy></result>")
	case what.Child("vsys") == nil && shared != nil:
		return answer.Success("<result>" + sharedXML(shared, true) + "</result>")
	case what.Child("vsys") != nil && group != nil:
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

// showDevices answers "show devices all" and "show devices connected" of a Panorama, with the elements of a recorded
// answer that say which firewall is what.
func (s *Sim) showDevices(c *call, what *xmltree.Element) answer.Answer {
	p := s.panorama
	if p == nil {
		return answer.Unexpected(c.command)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	b.WriteString("<result><devices>")
	for _, serial := range slices.Sorted(maps.Keys(p.managed)) {
		m := p.managed[serial]
		if connected := m.connected(); connected || what.Child("all") != nil {
			m.sim.writeDevice(&b, connected)
		}
	}
	b.WriteString("</devices></result>")
	return answer.Success(b.String())
}

// writeDevice writes the firewall as its Panorama lists it.
func (s *Sim) writeDevice(b *strings.Builder, connected bool) {
	yesNo := map[bool]string{true: "yes", false: "no"}
	o := s.opts
	fmt.Fprintf(b, `<entry name="%s"><serial>%[1]s</serial><connected>%s</connected>`, answer.Escape(o.Serial), yesNo[connected])
	answer.WriteFields(b, []answer.Field{{Name: "hostname", Value: o.Hostname}, {Name: "ip-address", Value: "127.0.0.1"}, {Name: "ipv6-address", Value: "unknown"},
		{Name: "model", Value: o.Model}, {Name: "sw-version", Value: o.Version}})
	b.WriteString("<ha>")
	if m := s.seat.Load(); m == nil {
		b.WriteString("<state>no</state>")
	} else {
		fmt.Fprintf(b, "<state>%s</state><peer><serial>%s</serial></peer>", m.pair.State(s), answer.Escape(m.peer().sim.opts.Serial))
	}
	fmt.Fprintf(b, "</ha><operational-mode>normal</operational-mode><multi-vsys>%s</multi-vsys><vsys>", yesNo[len(o.VSys) > 1])
	for _, vsys := range o.VSys {
		fmt.Fprintf(b, `<entry name="%s"><display-name>%[1]s</display-name></entry>`, answer.Escape(vsys))
	}
	b.WriteString("</vsys></entry>")
}
