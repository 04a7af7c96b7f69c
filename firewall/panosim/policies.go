package panosim

import (
	"slices"

	"activedefense/firewall/panosim/xmltree"
)

// Rule is a security rule as an operator sees it in the list.
type Rule struct {
	Name     string
	Location string // "": the firewall's own; else where Panorama has it: Shared, or a device group

	From, To, Source, Destination []string
	Action                        string
	Disabled                      bool
}

// policySource is what a policy is made from. What it points to is never modified, so the same pointers are the
// same policy.
type policySource struct{ running, group, shared *xmltree.Element }

// policies holds the policy of each virtual system that runs, compiled when it is first needed. The caller of its methods
// holds the lock that guards the configuration and what was pushed.
type policies struct {
	vsys     []string
	running  func() *xmltree.Element
	pushed   *pushed
	compiled map[string]*policy
}

// newPolicies makes those of the virtual systems, from what running gives and from what was pushed.
func newPolicies(vsys []string, running func() *xmltree.Element, pushed *pushed) *policies {
	return &policies{vsys: vsys, running: running, pushed: pushed, compiled: map[string]*policy{}}
}

// Of gives the policy of a virtual system that runs; nil: there is no such system.
func (l *policies) Of(vsys string) *policy {
	if !slices.Contains(l.vsys, vsys) {
		return nil
	}
	group, shared := l.pushed.Of(vsys)
	source := policySource{l.running(), group, shared}
	p := l.compiled[vsys]
	if p == nil || p.source != source {
		pre, post, objects := l.pushed.Rules(vsys)
		p = newPolicy(vsys, source, pre, post, objects)
		l.compiled[vsys] = p
	}
	return p
}

// All gives that of every virtual system, in their order.
func (l *policies) All() []*policy {
	out := make([]*policy, len(l.vsys))
	for i, vsys := range l.vsys {
		out[i] = l.Of(vsys)
	}
	return out
}

// Forget drops what was compiled, after a change of what it was compiled from.
func (l *policies) Forget() { clear(l.compiled) }

// Rules gives the security rules of a virtual system that run, in the order in which they are tried, with those that
// Panorama pushed; the default rules at the end are left out. An unknown one has none.
func (l *policies) Rules(vsys string) []Rule {
	if !slices.Contains(l.vsys, vsys) {
		return nil
	}
	pre, post, _ := l.pushed.Rules(vsys)
	own := vsysElement(l.running(), vsys).Down("rulebase", "security", "rules").Entries()
	var out []Rule
	for _, e := range slices.Concat(pre, own, post) {
		out = append(out, Rule{
			Name: e.ID(), Location: e.Attributes["loc"],
			From: e.Child("from").Members(), To: e.Child("to").Members(),
			Source: e.Child("source").Members(), Destination: e.Child("destination").Members(),
			Action: e.Value("action"), Disabled: e.Value("disabled") == "yes",
		})
	}
	return out
}
