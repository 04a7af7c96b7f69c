package ours

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"activedefense/firewall"
	"activedefense/firewall/xmlapi"
)

// zone is a zone of one virtual system: another one may have a zone of the same name.
type zone struct {
	vsys string // "": the one that was asked about
	name string // "": none that we know
}

// zoneNow gives the zone that an interface is in now. asked is the virtual system that was asked about.
func zoneNow(i xmlapi.Interface, asked string) zone {
	if i.VSys == "" || "vsys"+i.VSys == asked {
		return zone{name: i.Zone}
	}
	return zone{i.VSys, i.Zone}
}

// internet is what faces the internet.
type internet struct {
	given      bool // internet_zones says which zones, and one of them has an interface
	zones      map[zone]bool
	interfaces map[string]bool
	routers    map[string]bool // whose default route is known
	pending    map[string]bool // and those that learn theirs, and have none now
	routes     []wayOut
}

// wayOut is a default route that leaves by an interface, and how it reads.
type wayOut struct {
	by  *networkInterface
	how string
}

// InternetZone is a zone of the virtual system that faces the internet: a default route leaves by an interface of it.
type InternetZone struct {
	Name string
	Why  string // such as: default route out by ethernet1/1
}

// Internet is which zones of a virtual system face the internet by its default routes, each once and by name, whatever they are called
// and whatever internet_zones says.
type Internet struct {
	Zones []InternetZone
	Why   string // there are none; "": there are
	// Perhaps are zones by which a rule of policy-based forwarding sends whatever is bound for anywhere: a second line to the internet,
	// or the way to a proxy.
	Perhaps []InternetZone
}

// Internet tells it.
func (f *Facts) Internet() Internet {
	asked := *f
	asked.InternetZones = nil
	r := asked.reader()
	var zones []InternetZone
	var elsewhere []string
	for _, route := range r.internet.routes {
		at := route.by.zone
		switch {
		case at.name == "" || at.vsys != "":
			elsewhere = append(elsewhere, route.how)
		case !slices.ContainsFunc(zones, func(z InternetZone) bool { return z.Name == at.name }):
			zones = append(zones, InternetZone{at.name, route.how})
		}
	}
	slices.SortFunc(zones, func(a, b InternetZone) int { return cmp.Compare(a.Name, b.Name) })
	found := Internet{Zones: zones, Perhaps: perhaps(r, zones)}
	switch {
	case len(zones) > 0:
	case len(elsewhere) > 0:
		found.Why = "the default route leaves by an interface in no zone of " + f.templateVSysName + " (" + strings.Join(elsewhere, ", ") + ")"
	case len(r.internet.pending) > 0:
		found.Why = strings.Join(slices.Sorted(maps.Keys(r.internet.pending)), ", ") + " learns its default route by a routing protocol, and has none at present"
	default:
		found.Why = "no default route leaves by any interface: neither a static one, nor one by DHCP, PPPoE or a routing protocol"
	}
	return found
}

// perhaps gives the zones of the interfaces that face the internet by policy-based forwarding alone.
func perhaps(r *reader, zones []InternetZone) (out []InternetZone) {
	for _, i := range r.interfaces {
		known := func(z InternetZone) bool { return z.Name == i.zone.name }
		if r.internet.interfaces[i.name] && i.zone.name != "" && i.zone.vsys == "" && !slices.ContainsFunc(zones, known) && !slices.ContainsFunc(out, known) {
			out = append(out, InternetZone{i.zone.name, "policy-based forwarding by " + i.name})
		}
	}
	return out
}

// needsRoutes tells whether a router may have learned a default route, beside one that the configuration may have.
func (f *Facts) needsRoutes() bool {
	return len(f.InternetZones) == 0 && slices.ContainsFunc(f.reader().routers(), router.learns)
}

// findInternet tells what faces the internet. The zones that are set decide. Else the default routes do: static ones, those by
// DHCP and PPPoE, those that routers learned, and rules of policy-based forwarding that send whatever is bound for anywhere out by an interface. Each router has a
// default route of its own, so one says nothing of the interfaces of another.
func (r *reader) findInternet() {
	r.internet = internet{zones: map[zone]bool{}, interfaces: map[string]bool{}, routers: map[string]bool{}, pending: map[string]bool{}}
	if len(r.f.InternetZones) > 0 {
		for _, i := range r.interfaces {
			if slices.Contains(r.f.InternetZones, i.zone.name) {
				r.internet.given = true
				r.internet.zones[i.zone] = true // of whichever virtual system: none is taken whole by mistake
			}
		}
		for _, name := range r.f.InternetZones {
			r.internet.zones[zone{name: name}] = true
		}
		return
	}
	for _, i := range r.interfaces {
		if i.dynamic && i.leads {
			r.leave(i, "the default route that "+i.name+" asks its provider for")
		}
	}
	for _, route := range wideRoutes(r) {
		how := "default route "
		if route.to.Bits() > 0 {
			how = "route to " + route.to.String() + ", "
		}
		switch i := r.leavesBy(route.route); {
		case i != nil:
			r.leave(i, how+route.Attr("name")+" by "+i.name)
		case route.Value("nexthop", "next-vr") != "" || route.Value("nexthop", "next-lr") != "":
			r.internet.routers[route.router] = true // by none of its own interfaces
		}
	}
	for _, learned := range r.f.learned {
		if i := r.byName[learned.Interface]; i != nil {
			r.leave(i, "a default route by "+i.name+", learned by a routing protocol")
		}
	}
	for _, router := range r.routers() {
		if router.learns() && !r.internet.routers[router.name] {
			r.internet.pending[router.name] = true
		}
	}
	r.findForwarding()
}

// leave notes that a default route leaves by an interface.
func (r *reader) leave(i *networkInterface, how string) {
	r.internet.routes = append(r.internet.routes, wayOut{i, how})
	r.internet.routers[i.router] = true
	r.internet.interfaces[i.name] = true
	if i.zone.name != "" {
		r.internet.zones[i.zone] = true
	}
}

// findForwarding finds second lines, which often have no default route. A rule says nothing of the other interfaces of a zone.
func (r *reader) findForwarding() {
	for _, rule := range forwards(r) {
		if rule.Yes("negate-destination") || slices.Contains(rule.Child("destination").Members(), "any") {
			r.internet.interfaces[rule.Value("action", "forward", "egress-interface")] = true
		}
	}
}

// forwards gives the rules of policy-based forwarding that are on, Panorama's too. One for some applications or services may lead to a
// proxy of ours, says nothing, and is not among them.
func forwards(r *reader) (all []*xmlapi.Node) {
	for _, base := range []string{"pre-rulebase", "rulebase", "post-rulebase"} {
		for _, layer := range r.objects {
			for _, rule := range layer.At(base, "pbf", "rules").Entries() {
				every := func(field string) bool { return slices.Contains(rule.Child(field).Members(), "any") }
				if every("application") && every("service") && !rule.Yes("disabled") {
					all = append(all, rule)
				}
			}
		}
	}
	return all
}

// known tells whether it is known of an interface whether it faces the internet: the zones are set, or its router's default route
// is known; of an interface in no router that we know, any router's.
func (r *reader) known(i *networkInterface) bool {
	switch {
	case len(r.f.InternetZones) > 0:
		return r.internet.given
	case i.router != "":
		return r.internet.routers[i.router] || r.internet.routers[""]
	}
	return len(r.internet.routers) > 0
}

// inside tells whether a network behind an interface is ours: it is known what faces the internet, and the interface does not, and
// no provider gave it its address.
// Where it is not known the address of the interface alone is ours. If that is wrong, scans of the rest of the network do not count
// until networks.own or internet_zones name it; were it wrong the other way round, nobody in a stranger's network could be blocked.
func (r *reader) inside(i *networkInterface) bool {
	return i.zone.name != "" && !i.dynamic && r.known(i) && !r.internet.zones[i.zone] && !r.internet.interfaces[i.name]
}

// fromInternet tells whether a zone, which is one of the virtual system that was asked about, faces the internet, and whether that is
// known. Where no default route is known, the zone's name stands for it. That decides about destination NAT alone: if it is wrong,
// addresses that a rule translates are protected although they are a stranger's, and no network is.
func (r *reader) fromInternet(name string) (faces, known bool) {
	if r.internet.zones[zone{name: name}] {
		return true, true
	}
	for _, i := range r.interfaces {
		if i.zone != (zone{name: name}) {
			continue
		}
		if r.internet.interfaces[i.name] {
			return true, true
		}
		known = known || r.known(i)
	}
	return !known && firewall.NamedLikeInternet(name), known
}
