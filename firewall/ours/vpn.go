package ours

import (
	"net/netip"
	"strings"

	"activedefense/firewall/xmlapi"
)

// takeGlobalProtect takes over the addresses of portals and gateways, and their pools. Where they stand differs between versions
// and between what serves clients and what serves satellites, so they are looked for by name.
func (r *reader) takeGlobalProtect() {
	for _, vsys := range r.vsys {
		for _, kind := range childrenOf(vsys.Child("global-protect")) {
			r.takeServices(kind)
		}
	}
	for _, network := range r.networks {
		for _, kind := range []string{"global-protect-gateway", "global-protect-site-to-site"} {
			r.takeServices(network.At("tunnel", kind))
		}
	}
}

func (r *reader) takeServices(list *xmlapi.Node) {
	for _, e := range list.Entries() {
		what := strings.ReplaceAll(strings.TrimPrefix(list.Name, "global-protect-"), "-", " ")
		r.takeService(e, "GlobalProtect "+what+" "+e.Attr("name"), 0)
	}
}

func (r *reader) takeService(n *xmlapi.Node, what string, depth int) {
	if depth > maxNesting {
		return
	}
	for _, c := range n.Children {
		switch c.Name {
		case "local-address":
			r.takeLocal(c, what)
		case "ip-pool", "ipv6-pool", "authentication-server-ip-pool", "static-ip-pool":
			for _, member := range c.Members() {
				r.take(member, Network, what+" IP pool")
			}
		default:
			r.takeService(c, what, depth+1)
		}
	}
}

// takeLocal takes over an address at which the firewall itself is reached. It may be written with the length of its network; an
// interface alone is taken over with the interfaces.
func (r *reader) takeLocal(n *xmlapi.Node, what string) {
	for _, c := range n.Children {
		if c.Name == "interface" {
			continue
		}
		for _, text := range c.Texts() {
			r.takeHost(text, Network, what)
		}
	}
}

// takeHost takes over the address of one host, which may be written with the length of its network, or be an address object.
func (r *reader) takeHost(text string, kind Kind, what string) {
	if p, err := netip.ParsePrefix(strings.TrimSpace(text)); err == nil {
		r.host(p, kind, what)
		return
	}
	if object := r.object("address", text); object != nil {
		if p, err := netip.ParsePrefix(object.Value("ip-netmask")); err == nil {
			r.host(p, kind, what)
			return
		}
		r.takeAddress(object, kind, what)
		return
	}
	r.name(text, kind, what)
}

// takeTunnels takes over the ends of IKE gateways and GRE tunnels, and the portals of satellites.
func (r *reader) takeTunnels() {
	for _, e := range entriesOf(r.networks, "ike", "gateway") {
		r.takeEnds(e, "IKE gateway "+e.Attr("name"))
	}
	for _, e := range entriesOf(r.networks, "tunnel", "gre") {
		r.takeEnds(e, "GRE tunnel "+e.Attr("name"))
	}
	for _, e := range entriesOf(r.networks, "tunnel", "ipsec") {
		satellite := e.Child("global-protect-satellite")
		r.takeHost(satellite.Value("portal-address"), Peer, "portal of GlobalProtect satellite "+e.Attr("name"))
		r.takeEnds(satellite, "GlobalProtect satellite "+e.Attr("name"))
	}
}

func (r *reader) takeEnds(n *xmlapi.Node, what string) {
	if n == nil {
		return
	}
	if local := n.Child("local-address"); local != nil {
		r.takeLocal(local, what)
	}
	for _, field := range []string{"ip", "fqdn"} { // neither: it dials in from anywhere
		r.takeHost(n.Value("peer-address", field), Peer, "peer of "+what)
	}
}

// takeRouting takes over BGP peers, and the OSPF neighbours that the configuration names.
func (r *reader) takeRouting() {
	for _, router := range r.routers() {
		for _, protocols := range present(router.node.Child("protocol"), router.node) {
			for _, ospf := range present(protocols.Child("ospf"), protocols.Child("ospfv3")) {
				eachNeighbour(ospf, func(at, remote string) { r.takeHost(remote, Peer, "OSPF neighbour of "+at) })
			}
		}
		for _, bgp := range present(router.node.At("protocol", "bgp"), router.node.Child("bgp")) {
			for _, group := range bgp.Child("peer-group").Entries() {
				for _, peer := range group.Child("peer").Entries() {
					for _, field := range []string{"ip", "fqdn"} {
						r.takeHost(peer.Value("peer-address", field), Peer, "BGP peer "+peer.Attr("name"))
					}
				}
			}
		}
	}
}

// eachNeighbour gives the OSPF neighbours that are named, as in networks without multicast, and the interface of each.
func eachNeighbour(ospf *xmlapi.Node, each func(at, remote string)) {
	for _, area := range ospf.Child("area").Entries() {
		for _, at := range area.Child("interface").Entries() {
			for _, e := range at.Child("neighbor").Entries() {
				each(at.Attr("name"), e.Attr("name"))
			}
		}
	}
}
