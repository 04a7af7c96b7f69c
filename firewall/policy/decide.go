package policy

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"activedefense/firewall"
	"activedefense/firewall/decision"
	"activedefense/firewall/xmlapi"
)

// decisions gives the policy with the names of its objects resolved. What stands for the blocked sources (the group of the
// mode, and the list) is the set decision.Blocked; every other dynamic address group and external dynamic list is a set of
// which the members are not known.
// emptied: no address bears our tag any more, so that dynamic address groups hold none.
func (p *vsysPolicy) decisions(want Expectation, emptied bool) *decision.Policy {
	r := p.resolver(want)
	r.emptied = emptied
	out := &decision.Policy{Zones: p.zones, Ports: r.defaultPorts()}
	for _, x := range p.rules {
		out.Rules = append(out.Rules, decision.Rule{
			ID: strconv.Itoa(int(x.layer)) + " " + x.group + " " + x.name, Name: x.String(), Action: x.action, Kind: x.kind,
			From: unlessAny(x.from), To: unlessAny(x.to), Source: r.addresses(x.source, x.notSource), Destination: r.addresses(x.destination, x.notDestination),
			Applications: r.applications(x.application, false), Filters: r.applications(x.application, true), Services: r.services(x.service),
			Users: unlessAny(x.user), Categories: unlessAny(x.category), Conditions: x.other,
		})
	}
	return out
}

// unlessAny gives nil for any; the default rules have no lists at all.
func unlessAny(members []string) []string {
	if isAny(members) || len(members) == 0 {
		return nil
	}
	return members
}

// resolver finds what names stand for.
type resolver struct {
	p       *vsysPolicy
	objects map[string]map[string]placed // by kind and name
	names   firewall.Names
	blocked map[string]bool // groups and lists of the blocked sources
	wider   map[string]bool // those of them that match what does not bear our tag, too
	emptied bool            // no address bears our tag any more
	known   map[string]decision.Addresses
}

// resolver gives one that knows what stands for the blocked sources.
func (p *vsysPolicy) resolver(want Expectation) *resolver {
	r := &resolver{p: p, names: want.Names, objects: map[string]map[string]placed{}, blocked: map[string]bool{}, wider: map[string]bool{}, known: map[string]decision.Addresses{}}
	for _, s := range p.blockSources(want.Mode, want.Names, want.ListURL) {
		r.blocked[s.name] = true
	}
	for _, l := range p.lists(want.ListURL) {
		r.blocked[l.Attr("name")] = true
	}
	if want.Mode == firewall.ModeTag {
		_, wider := p.tagGroups(want.Names.Tag)
		for _, g := range wider {
			r.blocked[g.Attr("name")], r.wider[g.Attr("name")] = true, true
		}
	}
	return r
}

// find is that of the policy's scopes, quick among many thousands.
func (r *resolver) find(kind, name string) *xmlapi.Node {
	if r.objects[kind] == nil {
		r.objects[kind] = map[string]placed{}
		for _, o := range r.p.scopes.all(kind) {
			r.objects[kind][o.Attr("name")] = o
		}
	}
	return r.objects[kind][name].Node
}

// addresses gives what the source or destination of a rule stands for.
func (r *resolver) addresses(members []string, negate bool) decision.Addresses {
	if isAny(members) {
		return decision.Addresses{}
	}
	out := decision.Addresses{Listed: true, Negate: negate}
	for _, m := range members {
		one := r.address(m)
		out.Ranges, out.Sets = append(out.Ranges, one.Ranges...), append(out.Sets, one.Sets...)
	}
	return out
}

// address gives what one name stands for. An object goes before a group, and a group before a list, and a list before what
// the name says by itself; one that says nothing, as the name of a region, is a set.
func (r *resolver) address(name string) decision.Addresses {
	if out, ok := r.known[name]; ok {
		return out
	}
	r.known[name] = decision.Addresses{Sets: []string{"address group " + quoteAll([]string{name})}} // for a group that holds itself
	var out decision.Addresses
	object, group := r.find("address", name), r.find("address-group", name)
	switch {
	case object != nil:
		text := cmp.Or(object.Value("ip-netmask"), object.Value("ip-range"))
		if one, ok := parseRange(text); ok {
			out.Ranges = []decision.Range{one}
		} else {
			out.Sets = []string{"address " + quoteAll([]string{name}) + " (" + cmp.Or(object.Value("fqdn"), object.Value("ip-wildcard"), text, "empty") + ")"}
		}
	case r.blocked[name]:
		out = r.blockedBy(group)
		if r.wider[name] {
			out.Sets = append(out.Sets, dynamicGroup(name)) // of other tags, too
		}
	case group != nil && group.Child("dynamic") != nil:
		out.Sets = []string{dynamicGroup(name)}
	case group != nil:
		for _, m := range group.Child("static").Members() {
			one := r.address(m)
			out.Ranges, out.Sets = append(out.Ranges, one.Ranges...), append(out.Sets, one.Sets...)
		}
	case r.find("external-list", name) != nil:
		out.Sets = []string{externalList(name)}
	default:
		if one, ok := parseRange(name); ok {
			out.Ranges = []decision.Range{one}
		} else {
			out.Sets = []string{quoteAll([]string{name})}
		}
	}
	out.Ranges, out.Sets = distinct(out.Ranges), distinct(out.Sets) // groups may hold the same ones over and over
	r.known[name] = out
	return out
}

// distinct gives each once, in the order in which they come.
func distinct[T comparable](all []T) []T {
	seen := make(map[T]bool, len(all))
	return slices.DeleteFunc(all, func(v T) bool {
		before := seen[v]
		seen[v] = true
		return before
	})
}

// dynamicGroup and externalList are the sets that these are in a policy.
func dynamicGroup(name string) string { return "dynamic address group " + quoteAll([]string{name}) }
func externalList(name string) string { return "external dynamic list " + quoteAll([]string{name}) }

// blockedBy gives what an object that blocks stands for: the blocked sources, and whatever somebody else put into it.
func (r *resolver) blockedBy(group *xmlapi.Node) decision.Addresses {
	var out decision.Addresses
	if !r.emptied || group.Child("dynamic") == nil {
		out.Sets = []string{decision.Blocked}
	}
	add := func(name string) {
		one := r.address(name)
		out.Ranges, out.Sets = append(out.Ranges, one.Ranges...), append(out.Sets, one.Sets...)
	}
	if group.Child("dynamic") != nil {
		for _, name := range r.p.tagged(r.names, group.Value("dynamic", "filter")) {
			add(name)
		}
	}
	for _, m := range group.Child("static").Members() {
		if !isMember(r.names, r.find("address", m)) {
			add(m)
		}
	}
	return out
}

// isMember tells whether an address object is one of those with which we fill a group in ModeGroup, by what its name follows from.
func isMember(n firewall.Names, a *xmlapi.Node) bool {
	value := a.Value("ip-netmask")
	if a.Attr("name") == n.Nobody {
		return value == n.NobodyEntry().Value("ip-netmask")
	}
	return a.Attr("name") == n.Group+"-"+strings.NewReplacer(":", "_", "/", "-").Replace(value) && slices.Contains(a.Child("tag").Members(), n.Tag)
}

// memberEntry is an address object of those for which isMember is true as the daemon writes it.
func memberEntry(n firewall.Names, a *xmlapi.Node) *xmlapi.Node {
	if a.Attr("name") == n.Nobody {
		return n.NobodyEntry()
	}
	p, _ := firewall.ParseAddress(a.Value("ip-netmask"))
	return n.MemberEntry(p)
}

// parseRange reads an address, a network, of which host bits may be set, or a range.
func parseRange(text string) (decision.Range, bool) {
	first, last, isRange := strings.Cut(strings.TrimSpace(text), "-")
	if isRange {
		a, errA := netip.ParseAddr(first)
		b, errB := netip.ParseAddr(last)
		return decision.Range{First: a, Last: b}, errA == nil && errB == nil && a.BitLen() == b.BitLen() && a.Compare(b) <= 0
	}
	p, ok := firewall.ParseAddress(first)
	if !ok {
		return decision.Range{}, false
	}
	p = p.Masked()
	bytes := p.Addr().AsSlice()
	for i := p.Bits(); i < p.Addr().BitLen(); i++ {
		bytes[i/8] |= 0x80 >> (i % 8)
	}
	end, _ := netip.AddrFromSlice(bytes)
	return decision.Range{First: p.Addr(), Last: end}, true
}

// applications gives those that a rule names, or the filters by which it chooses more; groups are resolved. nil: any.
func (r *resolver) applications(members []string, filters bool) []string {
	if unlessAny(members) == nil {
		return nil
	}
	var out []string
	for _, m := range r.flat("application-group", members) {
		if isFilter := r.find("application-filter", m) != nil; isFilter == filters {
			out = append(out, m)
		}
	}
	if out == nil && !filters {
		out = []string{}
	}
	return out
}

// predefinedServices are those that every firewall has (PAN-OS web interface help, "Objects > Services").
var predefinedServices = map[string]decision.Service{
	"service-http":  {Protocol: decision.TCP, Ports: []decision.Ports{{First: 80, Last: 80}, {First: 8080, Last: 8080}}},
	"service-https": {Protocol: decision.TCP, Ports: []decision.Ports{{First: 443, Last: 443}}},
}

// services gives what the services of a rule stand for.
func (r *resolver) services(members []string) decision.Services {
	var out decision.Services
	if unlessAny(members) == nil {
		return out
	}
	out.Listed = true
	for _, m := range r.flat("service-group", members) {
		object := r.find("service", m)
		predefined, isOne := predefinedServices[m]
		switch {
		case m == "application-default":
			out.Default = true
		case object != nil:
			out.Objects = append(out.Objects, servicesOf(object.Child("protocol"))...)
		case isOne:
			out.Objects = append(out.Objects, predefined)
		default:
			out.Unknown = append(out.Unknown, m)
		}
	}
	return out
}

// flat replaces groups by their members; a group that holds itself adds nothing.
func (r *resolver) flat(groups string, members []string) (out []string) {
	seen := map[string]bool{}
	var add func(members []string)
	add = func(members []string) {
		for _, m := range members {
			switch group := r.find(groups, m); {
			case group == nil:
				out = append(out, m)
			case !seen[m]:
				seen[m] = true
				add(group.Child("members").Members())
			}
		}
	}
	add(members)
	return out
}

var protocols = map[string]uint8{"tcp": decision.TCP, "udp": decision.UDP, "sctp": decision.SCTP}

func servicesOf(protocol *xmlapi.Node) (out []decision.Service) {
	for _, name := range []string{"tcp", "udp", "sctp"} {
		if e := protocol.Child(name); e != nil {
			out = append(out, decision.Service{Protocol: protocols[name], Ports: parsePorts(e.Value("port")), SourcePorts: parsePorts(e.Value("source-port"))})
		}
	}
	return out
}

// parsePorts reads "80,443,8000-8080"; nil: all. What it cannot read is left out.
func parsePorts(text string) []decision.Ports {
	if text == "" {
		return nil
	}
	out := []decision.Ports{}
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		a, errA := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
		b, errB := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
		if errA == nil && errB == nil && a <= b {
			out = append(out, decision.Ports{First: uint16(a), Last: uint16(b)})
		}
	}
	return out
}

// defaultPorts gives the default ports of the applications that the configuration defines, where all of them are ports.
func (r *resolver) defaultPorts() map[string][]decision.Service {
	out := map[string][]decision.Service{}
	for _, a := range r.p.scopes.all("application") {
		var services []decision.Service
		members := a.At("default", "port").Members()
		known := len(members) > 0
		for _, m := range members { // such as tcp/80,8080 or udp/dynamic
			name, ports, _ := strings.Cut(m, "/")
			number, isProtocol := protocols[name]
			list := parsePorts(ports)
			known = known && isProtocol && len(list) > 0 && len(list) == strings.Count(ports, ",")+1
			services = append(services, decision.Service{Protocol: number, Ports: list})
		}
		if known {
			out[a.Attr("name")] = services
		}
	}
	return out
}
