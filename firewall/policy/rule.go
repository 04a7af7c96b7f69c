package policy

import (
	"slices"
	"strconv"
	"strings"

	"activedefense/firewall/xmlapi"
)

// layer is where a rule stands. Layers are evaluated in the order of the constants, within one in the order of the
// configuration; the first rule that matches decides (PAN-OS documentation, "Security Policy"; "Panorama: Device
// Group Policies").
type layer int

const (
	layerSharedPre  layer = iota // pushed by Panorama to all firewalls
	layerGroupPre                // pushed by Panorama to a device group
	layerLocal                   // of the firewall itself
	layerGroupPost               // as layerGroupPre, behind the firewall's own
	layerSharedPost              // as layerSharedPre, behind the firewall's own
	layerDefault                 // intrazone-default and interzone-default
)

func (l layer) pushed() bool { return l != layerLocal && l != layerDefault }

// Actions of rules that let traffic pass; all others (deny, drop, reset-client, reset-server, reset-both) do not.
const (
	actionAllow = "allow"
	actionDrop  = "drop" // what rules of ours do
)

// Kinds of rules.
const (
	kindUniversal = "universal"
	kindIntrazone = "intrazone" // within each of the from zones
	kindInterzone = "interzone" // between different zones
)

const anything = "any"

// rule is one security rule as the firewall evaluates it: what is absent in the configuration says what it means
// by default.
type rule struct {
	name  string
	layer layer
	group string // that Panorama pushed it from; "": unknown, or not pushed

	kind                      string // universal, intrazone or interzone
	from, to                  []string
	source, destination       []string
	notSource, notDestination bool // the lists are negated
	action                    string
	disabled                  bool
	description               string

	narrow []string // what else the traffic must be, each as "application ssl, web-browsing"
	// The same as lists, which hold any where it does not matter; and in other what no list here is for, as narrow has it.
	application, service, user, category []string
	other                                []string

	logStart, logEnd bool
	logProfile       string   // log forwarding profile; "": none
	vulnerability    []string // vulnerability protection profiles named by the rule itself
	profileGroup     []string // security profile groups

	// Of a default rule, where it is overridden: on the firewall, or by Panorama in a device group or in Shared; layerDefault:
	// nowhere. Of other rules it says nothing.
	overridden layer

	target *xmlapi.Node // the firewalls that Panorama pushed it for; nil: all
}

// narrowing are the elements that restrict a rule to some of the traffic between its zones, besides its addresses.
var narrowing = []struct{ element, label string }{
	{"application", "application"}, {"service", "service"}, {"source-user", "user"}, {"category", "URL category"},
	{"hip-profiles", "HIP profile"}, {"source-hip", "source device"}, {"destination-hip", "destination device"},
	{"source-imsi", "IMSI"}, {"source-imei", "IMEI"}, {"source-nw-slice", "network slice"},
	{"saas-user-list", "SaaS user"}, {"saas-tenant-list", "SaaS tenant"},
}

// listedNarrowing is how many of narrowing a rule has lists for.
const listedNarrowing = 4

// readRule takes one entry of a rulebase.
//
// The element service cannot be absent in a committed rule, except in the default rules; log-end is on when absent
// and log-start off.
func readRule(n *xmlapi.Node, l layer) rule {
	r := rule{
		name: n.Attr("name"), layer: l,
		kind: n.Value("rule-type"),
		from: listed(n, "from"), to: listed(n, "to"),
		source: listed(n, "source"), destination: listed(n, "destination"),
		notSource: n.Yes("negate-source"), notDestination: n.Yes("negate-destination"),
		action: n.Value("action"), disabled: n.Yes("disabled"), description: n.Value("description"),
		logStart: n.Yes("log-start"), logEnd: n.Value("log-end") != "no", logProfile: n.Value("log-setting"),
		vulnerability: real(n.At("profile-setting", "profiles", "vulnerability").Members()),
		profileGroup:  real(n.At("profile-setting", "group").Members()),
		target:        n.Child("target"),
	}
	if l.pushed() {
		r.group = n.Attr("loc")
	}
	if r.kind == "" {
		r.kind = kindUniversal
	}
	if r.action == "" {
		r.action = actionAllow // the default of the vendor's schema
	}
	if r.notDestination {
		r.narrow = append(r.narrow, "destination not "+quoteAll(r.destination))
	} else if !isAny(r.destination) {
		r.narrow = append(r.narrow, "destination "+quoteAll(r.destination))
	}
	r.application, r.service, r.user, r.category = listed(n, "application"), listed(n, "service"), listed(n, "source-user"), listed(n, "category")
	for i, f := range narrowing {
		if members := listed(n, f.element); !isAny(members) {
			text := f.label + " " + quoteAll(members)
			if r.narrow = append(r.narrow, text); i >= listedNarrowing {
				r.other = append(r.other, text)
			}
		}
	}
	if schedule := n.Value("schedule"); schedule != "" {
		r.other = append(r.other, "schedule "+quoteAll([]string{schedule}))
		r.narrow = append(r.narrow, r.other[len(r.other)-1])
	}
	return r
}

// listed gives the members below the element of that name; any if there are none.
func listed(n *xmlapi.Node, name string) []string {
	members := n.Child(name).Members()
	if len(members) == 0 {
		return []string{anything}
	}
	return members
}

// real leaves out what stands for no profile at all.
func real(members []string) []string {
	return slices.DeleteFunc(slices.Clone(members), func(m string) bool { return m == "" || m == "none" })
}

func isAny(members []string) bool { return slices.Contains(members, anything) }

// The default rules.
const (
	intrazoneDefault = "intrazone-default"
	interzoneDefault = "interzone-default"
)

// overrides are entries for the default rules, and where they stand.
type overrides struct {
	rules *xmlapi.Node
	at    layer
}

// defaultRules gives the two rules that end every policy, with what the configuration overrides of them; the first override
// counts. As they come, the one for traffic within a zone allows, the other denies, and neither logs.
func defaultRules(all ...overrides) []rule {
	out := []rule{
		{name: intrazoneDefault, kind: kindIntrazone, action: actionAllow},
		{name: interzoneDefault, kind: kindInterzone, action: "deny"},
	}
	for i := range out {
		r := &out[i]
		r.layer, r.overridden = layerDefault, layerDefault
		r.from, r.to = []string{anything}, []string{anything}
		r.source, r.destination = []string{anything}, []string{anything}
		for _, o := range all {
			if n := o.rules.Entry(r.name); n != nil {
				r.override(n)
				if r.overridden = o.at; o.at.pushed() {
					r.group = n.Attr("loc")
				}
				if strings.EqualFold(r.group, "shared") {
					r.overridden = layerSharedPost
				}
				break
			}
		}
	}
	return out
}

func (r *rule) override(n *xmlapi.Node) {
	if a := n.Value("action"); a != "" {
		r.action = a
	}
	r.logStart, r.logEnd, r.logProfile = n.Yes("log-start"), n.Yes("log-end"), n.Value("log-setting")
	r.vulnerability = real(n.At("profile-setting", "profiles", "vulnerability").Members())
	r.profileGroup = real(n.At("profile-setting", "group").Members())
}

func (r rule) allows() bool { return r.action == actionAllow }

// mayComeFrom tells whether the rule is asked about any traffic from a zone.
func (r rule) mayComeFrom(zone string) bool { return isAny(r.from) || slices.Contains(r.from, zone) }

// matches tells whether the rule is asked about traffic from one zone to another.
func (r rule) matches(from, to string) bool {
	if !r.mayComeFrom(from) {
		return false
	}
	switch r.kind {
	case kindIntrazone:
		return from == to
	case kindInterzone:
		if from == to {
			return false
		}
	}
	return isAny(r.to) || slices.Contains(r.to, to)
}

// everySource tells whether the rule matches whatever the source is.
func (r rule) everySource() bool { return isAny(r.source) && !r.notSource }

// total tells whether the rule decides over all traffic between zones that it matches, so that no rule behind it
// is asked.
func (r rule) total() bool { return r.everySource() && len(r.narrow) == 0 }

// targets tells whether a rule that Panorama pushed is meant for this virtual system of the firewall with that serial number. What is meant
// for tags of firewalls was pushed because it has one.
func (r rule) targets(serial, vsys string) bool {
	return serial == "" || len(r.target.Child("tags").Members()) > 0 || r.wouldTarget(serial, vsys, nil)
}

// wouldTarget tells whether Panorama pushes a rule of its own there; tags are those that it has given the firewall.
func (r rule) wouldTarget(serial, vsys string, tags []string) bool {
	devices, wanted := r.target.Child("devices"), r.target.Child("tags").Members()
	if len(devices.Entries()) == 0 && len(wanted) == 0 {
		return true
	}
	device := devices.Entry(serial)
	named := device != nil
	if systems := device.Child("vsys"); len(systems.Entries()) > 0 {
		named = systems.Entry(vsys) != nil
	}
	named = named || slices.ContainsFunc(wanted, func(tag string) bool { return slices.Contains(tags, tag) })
	return named != r.target.Yes("negate")
}

// String gives the name, and where the rule stands if it is not the firewall's own.
func (r rule) String() string {
	name := quoteAll([]string{r.name})
	at := r.layer
	if at == layerDefault && r.overridden != layerSharedPre { // which no default rule is
		at = r.overridden
	}
	switch {
	case at == layerSharedPre || at == layerSharedPost:
		return name + " (pushed by Panorama, Shared)"
	case at.pushed() && r.group != "":
		return name + " (pushed by Panorama, device group " + r.group + ")"
	case at.pushed():
		return name + " (pushed by Panorama)"
	}
	return name
}

// quoteAll writes names for a reader, at most ten.
func quoteAll(names []string) string {
	const most = 10
	shown := names[:min(len(names), most)]
	var b strings.Builder
	for i, name := range shown {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(`"` + xmlapi.Tidy(name) + `"`)
	}
	if more := len(names) - len(shown); more > 0 {
		b.WriteString(" and " + strconv.Itoa(more) + " more")
	}
	return b.String()
}
