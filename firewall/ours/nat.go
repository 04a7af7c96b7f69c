package ours

import (
	"slices"

	"activedefense/firewall/xmlapi"
)

// takeNAT takes over the addresses to which NAT rules translate, and those by which the internet reaches what they translate.
func (r *reader) takeNAT() {
	for _, base := range []string{"pre-rulebase", "rulebase", "post-rulebase"} {
		for _, layer := range r.objects {
			for _, rule := range layer.At(base, "nat", "rules").Entries() {
				if !rule.Yes("disabled") {
					r.takeRule(rule)
				}
			}
		}
	}
}

func (r *reader) takeRule(rule *xmlapi.Node) {
	what := "NAT rule " + rule.Attr("name")
	source := rule.Child("source-translation")
	for _, path := range [][]string{{"dynamic-ip-and-port"}, {"dynamic-ip"}, {"dynamic-ip", "fallback"}, {"static-ip"}} {
		translation := source.At(path...)
		r.takeTranslated(translation.Child("translated-address"), what+" source translation")
		for _, field := range []string{"ip", "floating-ip"} {
			r.takeHost(translation.Value("interface-address", field), Network, what+" source translation")
		}
	}
	destination := cmpNode(rule.Child("destination-translation"), rule.Child("dynamic-destination-translation"))
	if destination == nil || !r.inbound(rule) {
		// From inside to the internet: what is translated is somebody else's, as a public name server that is led to our own.
		return
	}
	r.takeTranslated(destination.Child("translated-address"), what+" destination translation")
	for _, member := range rule.Child("destination").Members() {
		r.take(member, Network, what+" destination")
	}
}

func cmpNode(a, b *xmlapi.Node) *xmlapi.Node {
	if a != nil {
		return a
	}
	return b
}

// takeTranslated takes over what stands in translated-address: one name, or members.
func (r *reader) takeTranslated(n *xmlapi.Node, what string) {
	members := n.Members()
	if n != nil && n.Text != "" {
		members = append(members, n.Text)
	}
	for _, member := range members {
		r.take(member, Network, what)
	}
}

// inbound tells whether a rule is for what comes from the internet. Where it is not known of a zone, it is taken for that when it
// stays in the zone: what comes from the internet is, before it is translated, on its way to the zone that it came from.
func (r *reader) inbound(rule *xmlapi.Node) bool {
	from, to := rule.Child("from").Members(), rule.Child("to").Members()
	return slices.ContainsFunc(from, func(zone string) bool {
		faces, known := r.fromInternet(zone)
		return zone == "any" || faces || !known && slices.Contains(to, zone)
	})
}
