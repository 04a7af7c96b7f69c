package policy

import (
	"slices"
	"strings"

	"activedefense/firewall/ours"
	"activedefense/firewall/xmlapi"
)

// policy is what decides over the traffic of one virtual system: its rules in their order of evaluation, those of
// Panorama included, and the objects that they name. Disabled rules, and rules that Panorama meant for other
// firewalls, are not among them.
type vsysPolicy struct {
	rules    []rule
	inactive []rule // disabled, for those who look for them
	zones    []string
	to       []string // the zones, and multicast where a rule names it: a destination alone, which no configuration makes
	scopes   scopes
}

// multicast is the destination zone of what is sent to a multicast address (PAN-OS documentation, "Configure IP Multicast").
const multicast = "multicast"

// scope is one place in which objects stand.
type scope struct {
	node   *xmlapi.Node // its children are address, address-group, log-settings and so on
	path   string
	pushed bool // by Panorama; it cannot be edited on the firewall
	inVSys bool // nothing in Shared can name what stands here
}

// String tells a reader where it is.
func (s scope) String() string {
	switch {
	case s.pushed:
		return "pushed by Panorama"
	case s.path == xmlapi.SharedPath:
		return "in Shared"
	}
	return "in this virtual system"
}

// scopes are all places in which the name of an object is looked for, the one that wins first. That the firewall's own
// goes before what Panorama pushed is its default; for most kinds no source says.
type scopes []scope

// placed is an object with its place.
type placed struct {
	*xmlapi.Node
	scope scope
}

// find gives the object of that name; a nil node if there is none.
func (s scopes) find(name string, path ...string) placed {
	for _, sc := range s {
		if n := sc.node.At(path...).Entry(name); n != nil {
			return placed{n, sc}
		}
	}
	return placed{}
}

// all gives every object of a kind, without those that another of the same name hides.
func (s scopes) all(path ...string) []placed {
	var out []placed
	seen := map[string]bool{}
	for _, sc := range s {
		for _, n := range sc.node.At(path...).Entries() {
			if name := n.Attr("name"); !seen[name] {
				seen[name] = true
				out = append(out, placed{n, sc})
			}
		}
	}
	return out
}

// sources are the configurations that make up a policy; nil: there is none.
type sources struct {
	serial, vsys string
	own          *xmlapi.Node    // the entry of the virtual system, running
	shared       *xmlapi.Node    // config/shared, running
	pushed       []xmlapi.Pushed // by Panorama
	template     *xmlapi.Node    // the config that Panorama pushed by a template
}

// isShared tells whether a rule of a part comes from Shared. Rules are marked with loc; the mark is believed.
func isShared(p xmlapi.Pushed, rule *xmlapi.Node) bool {
	if loc := rule.Attr("loc"); loc != "" {
		return strings.EqualFold(loc, "shared")
	}
	return p.Shared
}

// newPolicy puts them together.
func newPolicy(src sources) *vsysPolicy {
	templateOwn := src.template.At("devices").FirstEntry().Child("vsys").Entry(src.vsys)
	p := &vsysPolicy{}
	all := []scope{{src.own, xmlapi.VSysPath(src.vsys), false, true}, {src.shared, xmlapi.SharedPath, false, false}}
	for _, part := range src.pushed {
		all = append(all, scope{part.Node, "", true, true})
	}
	all = append(all, scope{templateOwn, "", true, true}, scope{src.template.Child("shared"), "", true, false})
	for _, sc := range all {
		if sc.node != nil {
			p.scopes = append(p.scopes, sc)
		}
	}
	for _, zone := range p.scopes.all("zone") {
		p.zones = append(p.zones, zone.Attr("name"))
	}
	p.add(src)
	p.to = p.zones
	if slices.ContainsFunc(p.rules, func(r rule) bool { return slices.Contains(r.to, multicast) }) {
		p.to = append(slices.Clone(p.zones), multicast)
	}
	return p
}

// add takes the rules in their order of evaluation.
func (p *vsysPolicy) add(src sources) {
	pre, post := []string{"pre-rulebase", "security", "rules"}, []string{"post-rulebase", "security", "rules"}
	p.addPushed(src, layerSharedPre, true, pre)
	p.addPushed(src, layerGroupPre, false, pre)
	for _, n := range src.own.At("rulebase", "security", "rules").Entries() {
		p.addRule(readRule(n, layerLocal), src)
	}
	p.addPushed(src, layerGroupPost, false, post)
	p.addPushed(src, layerSharedPost, true, post)
	defaults := []overrides{{src.own.At("rulebase", "default-security-rules", "rules"), layerLocal}}
	for _, part := range src.pushed {
		at := layerGroupPost
		if part.Shared {
			at = layerSharedPost
		}
		defaults = append(defaults, overrides{part.Node.At("post-rulebase", "default-security-rules", "rules"), at})
	}
	p.rules = append(p.rules, defaultRules(defaults...)...)
}

// addPushed takes the rules of one layer. Those from Shared may stand in several of the firewall's answers, and count
// once.
func (p *vsysPolicy) addPushed(src sources, l layer, shared bool, path []string) {
	seen := map[string]bool{}
	for _, part := range src.pushed {
		for _, n := range part.Node.At(path...).Entries() {
			id := n.Attr("uuid")
			if id == "" {
				id = n.Attr("loc") + "/" + n.Attr("name")
			}
			if isShared(part, n) == shared && !seen[id] {
				seen[id] = true
				p.addRule(readRule(n, l), src)
			}
		}
	}
}

func (p *vsysPolicy) addRule(r rule, src sources) {
	switch {
	case !r.targets(src.serial, src.vsys):
	case r.disabled:
		p.inactive = append(p.inactive, r)
	default:
		p.rules = append(p.rules, r)
	}
}

// traffic is a pair of zones.
type traffic struct{ from, to string }

// between gives the pairs of zones from each of from to every destination, in a fixed order.
func (p *vsysPolicy) between(from []string) []traffic {
	var out []traffic
	for _, f := range from {
		for _, t := range p.to {
			out = append(out, traffic{f, t})
		}
	}
	return out
}

// asked gives for each traffic the indices of the rules that are asked about it, in order, up to and with the first that
// decides over all of it.
func (p *vsysPolicy) asked(pairs []traffic) map[traffic][]int {
	from := map[string][]int{} // rules by zone that they may be from
	out := make(map[traffic][]int, len(pairs))
	for _, t := range pairs {
		rules, known := from[t.from]
		if !known {
			for i, r := range p.rules {
				if r.mayComeFrom(t.from) {
					rules = append(rules, i)
				}
			}
			from[t.from] = rules
		}
		for _, i := range rules {
			if !p.rules[i].matches(t.from, t.to) {
				continue
			}
			out[t] = append(out[t], i)
			if p.rules[i].total() {
				break
			}
		}
	}
	return out
}

// zoneChoice is which zones of a virtual system face the internet.
type zoneChoice struct {
	zones   []string            // of the firewall's, in its order
	unknown []string            // given, but no zones of the firewall's
	perhaps []ours.InternetZone // others, of which only a person can tell
	how     []string            // by which default route each zone is one; none: the zones were given
	why     string              // there is none, although none was given
}

// chooseZones takes the given zones as far as the firewall has them; if none are given, those that the default routes leave by.
// What zones are called is no evidence. lines nil: the network is not known.
func chooseZones(given, known []string, lines *ours.Facts) (c zoneChoice) {
	for _, zone := range given {
		if !slices.Contains(known, zone) {
			c.unknown = append(c.unknown, zone)
		}
	}
	var faces ours.Internet
	switch {
	case len(given) > 0:
	case lines == nil:
		faces.Why = "the network configuration was not read"
	default:
		faces = lines.Internet()
	}
	c.why, c.perhaps = faces.Why, faces.Perhaps
	for _, zone := range known {
		i := slices.IndexFunc(faces.Zones, func(z ours.InternetZone) bool { return z.Name == zone })
		if i >= 0 {
			c.how = append(c.how, faces.Zones[i].Why)
		}
		if i >= 0 || slices.Contains(given, zone) {
			c.zones = append(c.zones, zone)
		}
	}
	return c
}

// String tells which zones were taken, and how.
func (c zoneChoice) String() string {
	switch {
	case len(c.zones) == 0 && c.why != "":
		return "no internet zone can be told: " + c.why
	case len(c.zones) == 0:
		return "no internet zone"
	case len(c.how) > 0:
		return "internet zones " + quoteAll(c.zones) + " (" + strings.Join(c.how, "; ") + ")"
	}
	return "internet zones " + quoteAll(c.zones)
}

// orAny names the zones for a rule.
func (c zoneChoice) orAny() string { return words(c.zones) }
