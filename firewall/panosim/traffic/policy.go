package traffic

import (
	"cmp"
	"slices"

	"activedefense/firewall/panosim/userid"
	"activedefense/firewall/panosim/xmltree"
)

// Policy is the running security policy of one virtual system, ready to be matched.
type Policy struct {
	VSys   string
	source policySource
	Scope  Scope
	rules  []*SecurityRule // pushed pre-rules, local rules, pushed post-rules, without the disabled ones
	intra  *SecurityRule   // intrazone-default
	inter  *SecurityRule   // interzone-default
	groups map[string]*userid.Group
	tagged []userid.TaggedObject
	Used   map[ListID]bool                                  // lists that a rule names
	index  map[*xmltree.Element]map[string]*xmltree.Element // of long lists of objects, see find
	said   map[string]bool                                  // see Once
}

// SecurityRule is one security rule.
type SecurityRule struct {
	Name, UUID, kind    string // kind is universal, intrazone or interzone
	from, to            []string
	source, destination addresses
	users, Applications []string // nil: any
	services            services
	beyond              bool // has a condition that is not simulated, so it matches nothing

	Action           string
	LogStart, LogEnd bool
	Setting          string // log forwarding profile; "": none
	Vulnerability    bool   // has a vulnerability protection profile
}

// newPolicy compiles the policy of a virtual system from its own configuration and from what Panorama pushed: rules
// before and after its own, and places in which objects stand.
func newPolicy(vsys string, source policySource, pre, post, objects []*xmltree.Element) *Policy {
	p := &Policy{
		VSys: vsys, source: source, Scope: newScope(source.running, vsys, objects),
		index:  map[*xmltree.Element]map[string]*xmltree.Element{},
		groups: map[string]*userid.Group{}, Used: map[ListID]bool{}, said: map[string]bool{},
	}
	p.tagged = p.Scope.taggedObjects()
	rulebase := vsysElement(source.running, vsys).Child("rulebase")
	for _, e := range slices.Concat(pre, rulebase.Down("security", "rules").Entries(), post) {
		if e.Value("disabled") != "yes" {
			p.rules = append(p.rules, p.newRule(e))
		}
	}
	// What the firewall itself overrides goes first, then what its device group does.
	overrides := rulebase.Down("default-security-rules", "rules").Entries()
	for _, place := range objects {
		overrides = append(overrides, place.Down("post-rulebase", "default-security-rules", "rules").Entries()...)
	}
	p.intra = p.defaultRule("intrazone-default", "allow", overrides)
	p.inter = p.defaultRule("interzone-default", "deny", overrides)
	return p
}

// Once says whether it is asked about the text for the first time: what is wrong with a policy is said once.
func (p *Policy) Once(text string) bool {
	if p.said[text] {
		return false
	}
	p.said[text] = true
	return true
}

// newRule compiles one rule. Elements that are absent mean their defaults, among them log-end, which is yes.
func (p *Policy) newRule(e *xmltree.Element) *SecurityRule {
	r := &SecurityRule{
		Name: e.ID(), UUID: e.Attributes["uuid"], kind: e.Value("rule-type"),
		from: unlessAny(e.Child("from")), to: unlessAny(e.Child("to")),
		source: p.newAddresses(e, "source"), destination: p.newAddresses(e, "destination"),
		users: unlessAny(e.Child("source-user")), Applications: p.applications(e.Child("application")),
		services: p.newServices(e.Child("service")),
		Action:   cmp.Or(e.Value("action"), "allow"), // the default of the vendor's schema
		LogStart: e.Value("log-start") == "yes", LogEnd: e.Value("log-end") != "no",
		Setting: e.Value("log-setting"), Vulnerability: p.vulnerability(e),
	}
	for _, field := range []string{"category", "hip-profiles", "source-hip", "destination-hip"} {
		r.beyond = r.beyond || unlessAny(e.Child(field)) != nil
	}
	for _, l := range []addresses{r.source, r.destination} {
		for _, id := range l.lists {
			p.Used[id] = true
		}
	}
	return r
}

// defaultRule is one of the two that stand behind all others. They log nothing unless they are overridden; the first
// override counts.
func (p *Policy) defaultRule(name, action string, overrides []*xmltree.Element) *SecurityRule {
	r := &SecurityRule{Name: name, Action: action}
	for _, e := range overrides {
		if e.ID() != name {
			continue
		}
		if a := e.Value("action"); a != "" {
			r.Action = a
		}
		r.UUID = e.Attributes["uuid"]
		r.LogStart, r.LogEnd = e.Value("log-start") == "yes", e.Value("log-end") == "yes"
		r.Setting, r.Vulnerability = e.Value("log-setting"), p.vulnerability(e)
		break
	}
	return r
}

// unlessAny gives the members, or nil if there are none or one of them is any.
func unlessAny(e *xmltree.Element) []string {
	members := e.Members()
	if slices.Contains(members, "any") {
		return nil
	}
	return members
}

// vulnerability says whether the rule has a vulnerability protection profile, itself or by a group of profiles.
func (p *Policy) vulnerability(e *xmltree.Element) bool {
	setting := e.Child("profile-setting")
	if len(setting.Down("profiles", "vulnerability").Members()) > 0 {
		return true
	}
	for _, name := range setting.Child("group").Members() {
		if len(p.Find(name, "profile-group").Child("vulnerability").Members()) > 0 {
			return true
		}
	}
	return false
}

// match says whether the rule is about the packet.
func (r *SecurityRule) match(p *Policy, packet *Packet, lists Lists, members *userid.Membership) bool {
	switch {
	case r.beyond,
		r.kind == "intrazone" && packet.From != packet.To,
		r.kind == "interzone" && packet.From == packet.To,
		r.from != nil && !slices.Contains(r.from, packet.From),
		r.to != nil && r.kind != "intrazone" && !slices.Contains(r.to, packet.To),
		!matchUser(r.users, packet.User),
		r.Applications != nil && !slices.Contains(r.Applications, packet.Application),
		!r.services.match(packet):
		return false
	}
	return r.source.match(p, packet.Source, lists, members) && r.destination.match(p, packet.Destination, lists, members)
}

// matchUser knows names and the words for any name and none; groups of a directory are not simulated.
func matchUser(users []string, user string) bool {
	if users == nil {
		return true
	}
	for _, u := range users {
		if u == user && user != "" || u == "known-user" && user != "" || u == "unknown" && user == "" {
			return true
		}
	}
	return false
}

// Decide gives the first rule that is about the packet, else the default rule. lists and members are as they are now.
func (p *Policy) Decide(packet *Packet, lists Lists, members *userid.Membership) *SecurityRule {
	for _, r := range p.rules {
		if r.match(p, packet, lists, members) {
			return r
		}
	}
	if packet.From == packet.To {
		return p.intra
	}
	return p.inter
}
