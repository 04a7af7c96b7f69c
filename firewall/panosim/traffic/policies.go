package traffic

import (
	"cmp"
	"slices"

	"activedefense/firewall/panosim/devicegroup"
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

// Policies holds the policy of each virtual system that runs, compiled when it is first needed. The caller of its methods
// holds the lock that guards the configuration and what was pushed.
type Policies struct {
	vsys     []string
	running  func() *xmltree.Element
	pushed   *devicegroup.Pushed
	compiled map[string]*Policy
}

// NewPolicies makes those of the virtual systems, from what running gives and from what was pushed.
func NewPolicies(vsys []string, running func() *xmltree.Element, pushed *devicegroup.Pushed) *Policies {
	return &Policies{vsys: vsys, running: running, pushed: pushed, compiled: map[string]*Policy{}}
}

// Of gives the policy of a virtual system that runs; nil: there is no such system.
func (l *Policies) Of(vsys string) *Policy {
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
func (l *Policies) All() []*Policy {
	out := make([]*Policy, len(l.vsys))
	for i, vsys := range l.vsys {
		out[i] = l.Of(vsys)
	}
	return out
}

// Forget drops what was compiled, after a change of what it was compiled from.
func (l *Policies) Forget() { clear(l.compiled) }

// Rules gives the security rules of a virtual system that run, in the order in which they are tried, with those that
// Panorama pushed; the default rules at the end are left out. An unknown one has none.
func (l *Policies) Rules(vsys string) []Rule {
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
			Action: cmp.Or(e.Value("action"), "allow"), Disabled: e.Value("disabled") == "yes",
		})
	}
	return out
}
