package panosim

import "slices"

// Rule is a security rule as an operator sees it in the list.
type Rule struct {
	Name     string
	Location string // "": the firewall's own; else where Panorama has it: Shared, or a device group

	From, To, Source, Destination []string
	Action                        string
	Disabled                      bool
}

// Rules gives the security rules of a virtual system ("" is the first) that run, in the order in which they are
// tried, with those that Panorama pushed; the default rules at the end are left out. An unknown one has none.
func (s *Sim) Rules(vsys string) []Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	vsys = s.name(vsys)
	if s.tables[vsys] == nil {
		return nil
	}
	pre, post, _ := s.pushedLocked(vsys)
	own := s.runningLocked().Child("devices").Entry(localhost).Child("vsys").Entry(vsys).Down("rulebase", "security", "rules").Entries()
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

// Lists gives the names of the External Dynamic Lists of IP addresses that a virtual system ("" is the first) can
// name in its rules, sorted; List tells what the firewall holds of each.
func (s *Sim) Lists(vsys string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.policyLocked(s.name(vsys))
	if p == nil {
		return nil
	}
	var out []string
	for _, root := range p.scope {
		for _, e := range root.Child("external-list").Entries() {
			if e.Down("type", "ip") != nil {
				out = append(out, e.ID())
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
