package ours

import (
	"net/netip"
	"slices"

	"activedefense/firewall/xmlapi"
)

// router is a virtual router, or a routing instance of a logical router.
type router struct {
	name string // as "show interface all" has it
	node *xmlapi.Node
}

// learns tells whether a routing protocol runs on it, from which it may have its default route.
func (r router) learns() bool {
	return slices.ContainsFunc([]string{"bgp", "ospf", "ospfv3", "rip"}, func(protocol string) bool {
		return r.node.At("protocol", protocol).Yes("enable") || r.node.Child(protocol).Yes("enable")
	})
}

// routers gives the virtual routers, and the routing instances of logical routers.
func (r *reader) routers() (all []router) {
	for _, e := range entriesOf(r.networks, "virtual-router") {
		all = append(all, router{"vr:" + e.Attr("name"), e})
	}
	for _, logical := range entriesOf(r.networks, "logical-router") {
		for _, e := range logical.Child("vrf").Entries() {
			all = append(all, router{"lr:" + logical.Attr("name") + "/" + e.Attr("name"), e})
		}
	}
	return all
}

// route is a static route of a router.
type route struct {
	*xmlapi.Node
	router string
}

// routes gives the static routes of all routers.
func (r *reader) routes() (all []route) {
	for _, router := range r.routers() {
		for _, family := range []string{"ip", "ipv6"} {
			for _, e := range router.node.At("routing-table", family, "static-route").Entries() {
				all = append(all, route{e, router.name})
			}
		}
	}
	return all
}

func isDefault(destination string) bool { return destination == "0.0.0.0/0" || destination == "::/0" }

// leavesBy gives the interface by which a route leaves: the one that it names, else the one of its router in whose narrowest network
// its next hop is. nil: it leaves by none that we know.
func (r *reader) leavesBy(route route) *networkInterface {
	if name := route.Value("interface"); name != "" && name != "None" {
		return r.byName[name]
	}
	hop, ok := r.nextHop(route)
	if !ok {
		return nil
	}
	var best *networkInterface
	bits := -1
	for _, i := range r.interfaces {
		if i.router != "" && i.router != route.router {
			continue // another router may know the same network
		}
		for _, p := range i.addresses {
			if p.Bits() > bits && p.Contains(hop.Addr()) {
				best, bits = i, p.Bits()
			}
		}
	}
	return best
}

// nextHop gives the router to which a route leads.
func (r *reader) nextHop(route route) (netip.Prefix, bool) {
	for _, family := range []string{"ip-address", "ipv6-address"} {
		text := route.Value("nexthop", family)
		if object := r.object("address", text); object != nil {
			text = object.Value("ip-netmask")
		}
		if p, err := netip.ParsePrefix(text); err == nil {
			return p, true
		}
		if a, err := netip.ParseAddr(text); err == nil {
			return netip.PrefixFrom(a, a.BitLen()), true
		}
	}
	return netip.Prefix{}, false
}

// takeRoutes takes over where static routes lead, of those that leave by no internet zone, and their next hops. A route that
// discards leads nowhere: it may hold our own network as well as somebody else's.
func (r *reader) takeRoutes() {
	for _, route := range r.routes() {
		what := "static route " + route.Attr("name")
		if hop, ok := r.nextHop(route); ok {
			r.host(hop, Peer, "next hop of "+what)
		}
		switch i := r.leavesBy(route); {
		case i == nil || isDefault(route.Value("destination")):
		case r.inside(i):
			r.take(route.Value("destination"), Network, what)
		case r.internet.pending[i.router]:
			r.Pending = append(r.Pending, Source{Network, what})
		}
	}
}
