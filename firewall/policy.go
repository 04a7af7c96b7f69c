package firewall

// policy is what decides over the traffic of one virtual system: its rules in their order of evaluation, those of
// Panorama included, and the objects that they name. Disabled rules, and rules that Panorama meant for other
// firewalls, are not among them.
type policy struct {
	rules    []rule
	inactive []rule // disabled, for those who look for them
	zones    []string
	scopes   scopes
}

// scope is one place in which objects stand.
type scope struct {
	node   *node // its children are address, address-group, log-settings and so on
	path   string
	pushed bool // by Panorama; it cannot be edited on the firewall
}

// scopes are all places in which the name of an object is looked for, the one that wins first. That the firewall's own
// goes before what Panorama pushed is its default; for most kinds no source says.
type scopes []scope

// placed is an object with its place.
type placed struct {
	*node
	scope scope
}

// find gives the object of that name; a nil node if there is none.
func (s scopes) find(name string, path ...string) placed {
	for _, sc := range s {
		if n := sc.node.at(path...).entry(name); n != nil {
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
		for _, n := range sc.node.at(path...).entries() {
			if name := n.attr("name"); !seen[name] {
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
	own          *node // the entry of the virtual system, running
	shared       *node // config/shared, running
	groupPushed  *node // what Panorama pushed to the device group of the virtual system
	sharedPushed *node // what Panorama pushed from Shared
	template     *node // the config that Panorama pushed by a template
}

// newPolicy puts them together.
func newPolicy(src sources) *policy {
	templateOwn := src.template.at("devices").anyEntry().child("vsys").entry(src.vsys)
	p := &policy{}
	for _, sc := range []scope{
		{src.own, vsysPath(src.vsys), false}, {src.shared, "/config/shared", false},
		{src.groupPushed, "", true}, {src.sharedPushed, "", true},
		{templateOwn, "", true}, {src.template.child("shared"), "", true},
	} {
		if sc.node != nil {
			p.scopes = append(p.scopes, sc)
		}
	}
	for _, zone := range p.scopes.all("zone") {
		p.zones = append(p.zones, zone.attr("name"))
	}
	p.add(src)
	return p
}

// anyEntry gives the first entry, for lists of which there is one.
func (n *node) anyEntry() *node {
	if all := n.entries(); len(all) > 0 {
		return all[0]
	}
	return nil
}

// add takes the rules in their order of evaluation. A firewall tells of shared rules both in what was pushed to the
// device group, marked with loc, and in what was pushed from Shared; which of them depends on the version.
func (p *policy) add(src sources) {
	type part struct {
		from  *node
		layer layer
		rules func(n *node) bool
	}
	isShared := func(n *node) bool { return n.attr("loc") == "shared" }
	notShared := func(n *node) bool { return !isShared(n) }
	every := func(*node) bool { return true }
	pre := []string{"pre-rulebase", "security", "rules"}
	post := []string{"post-rulebase", "security", "rules"}
	seen := map[string]bool{}
	for _, part := range []part{
		{src.sharedPushed.at(pre...), layerSharedPre, every},
		{src.groupPushed.at(pre...), layerSharedPre, isShared},
		{src.groupPushed.at(pre...), layerGroupPre, notShared},
		{src.own.at("rulebase", "security", "rules"), layerLocal, every},
		{src.groupPushed.at(post...), layerGroupPost, notShared},
		{src.groupPushed.at(post...), layerSharedPost, isShared},
		{src.sharedPushed.at(post...), layerSharedPost, every},
	} {
		for _, n := range part.from.entries() {
			if !part.rules(n) {
				continue
			}
			if id := n.attr("uuid"); part.layer.pushed() && id != "" {
				if seen[id] {
					continue
				}
				seen[id] = true
			}
			p.addRule(readRule(n, part.layer), src)
		}
	}
	defaults := []*node{src.own.at("rulebase", "default-security-rules", "rules")}
	for _, pushed := range []*node{src.groupPushed, src.sharedPushed} {
		defaults = append(defaults, pushed.at("post-rulebase", "default-security-rules", "rules"))
	}
	p.rules = append(p.rules, defaultRules(defaults...)...)
}

func (p *policy) addRule(r rule, src sources) {
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

// between gives the pairs of zones from each of from to every zone, in a fixed order.
func (p *policy) between(from []string) []traffic {
	var out []traffic
	for _, f := range from {
		for _, t := range p.zones {
			out = append(out, traffic{f, t})
		}
	}
	return out
}

// asked gives the indices of the rules that are asked about traffic, in order, up to and with the first that decides
// over all of it.
func (p *policy) asked(t traffic) []int {
	var out []int
	for i, r := range p.rules {
		if !r.matches(t.from, t.to) {
			continue
		}
		out = append(out, i)
		if r.total() {
			break
		}
	}
	return out
}
