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

// widest is the length of the narrowest network that is still a large part of the internet: 2000::/3 is all of it.
const widest = 3

// wideRoute is a default route, or one of those that stand for it together, as 0.0.0.0/1 and 128.0.0.0/1 do.
type wideRoute struct {
	route
	to netip.Prefix
}

// wide gives the network to which a route leads, if that is the internet or a large part of it.
func wide(r *reader, route route) (wideRoute, bool) {
	text := route.Value("destination")
	if object := r.object("address", text); object != nil {
		text = object.Value("ip-netmask")
	}
	p, err := netip.ParsePrefix(text)
	return wideRoute{route, p.Masked()}, err == nil && p.Bits() <= widest
}

// wideRoutes gives those that anything leaves by: the more specific wins, so that one of which others take every part is never used.
func wideRoutes(r *reader) []wideRoute {
	var all []wideRoute
	for _, route := range r.routes() {
		if w, ok := wide(r, route); ok {
			all = append(all, w)
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(w wideRoute) bool {
		var narrower []netip.Prefix
		for _, other := range all {
			if other.router == w.router && other.to.Bits() > w.to.Bits() && w.to.Contains(other.to.Addr()) {
				narrower = append(narrower, other.to)
			}
		}
		return covered(w.to, narrower)
	})
}

// covered tells whether networks hold all of a network in which the addresses of hosts on the internet are.
func covered(p netip.Prefix, by []netip.Prefix) bool {
	if p.Addr().Is6() && !p.Overlaps(globalUnicast) || p == multicast {
		return true
	}
	if slices.ContainsFunc(by, func(q netip.Prefix) bool { return q.Bits() <= p.Bits() && q.Contains(p.Addr()) }) {
		return true
	}
	if p.Bits() >= widest {
		return false
	}
	lower, upper := netip.PrefixFrom(p.Addr(), p.Bits()+1), netip.PrefixFrom(lastOf(p), p.Bits()+1).Masked()
	return covered(lower, by) && covered(upper, by)
}

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")    // RFC 4291, 2.4, and the registry of IANA
	multicast     = netip.MustParsePrefix("224.0.0.0/3") // and what is reserved (RFC 1112)
)

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
		_, isWide := wide(r, route)
		switch i := r.leavesBy(route); {
		case i == nil || isWide:
		case r.inside(i):
			r.take(route.Value("destination"), Network, what)
		case r.internet.pending[i.router]:
			r.Pending = append(r.Pending, Source{Network, what})
		}
	}
}
