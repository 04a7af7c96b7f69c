package panosim

import "activedefense/firewall/panosim/xmltree"

// pushed is what Panorama has pushed to a firewall. It stands beside the firewall's own configuration, never in it:
// neither reading the running nor the candidate configuration shows anything of it.
type pushed struct {
	shared *xmltree.Element            // of the scope Shared; nil: nothing
	groups map[string]*xmltree.Element // by virtual system: of its device group with what that inherits, an entry with its name
}

// pushedLocked gives what Panorama has pushed for a virtual system: the rules that come before and after the
// firewall's own, in the order in which they are tried (Shared, group, own rules, group, Shared; where groups are
// nested, the group is its parents from the top down before, and from the bottom up behind), and the elements below
// which pushed objects stand (address, address-group, external-list...), the one that wins first.
func (s *Sim) pushedLocked(vsys string) (pre, post, objects []*xmltree.Element) {
	group, shared := s.pushed.groups[vsys], s.pushed.shared
	pre = append(pushedRules(shared, "pre-rulebase"), pushedRules(group, "pre-rulebase")...)
	post = append(pushedRules(group, "post-rulebase"), pushedRules(shared, "post-rulebase")...)
	for _, scope := range []*xmltree.Element{group, shared} {
		if scope != nil {
			objects = append(objects, scope)
		}
	}
	return pre, post, objects
}

// pushedRules gives the security rules of a rulebase, in order; none of a scope that is nil.
func pushedRules(scope *xmltree.Element, rulebase string) []*xmltree.Element {
	return scope.Down(rulebase, "security", "rules").Entries()
}
