package ours

import (
	"net/netip"
	"slices"

	"activedefense/firewall/xmlapi"
)

// Protocol is for what a peer sends to the firewall itself.
type Protocol string

// Protocols of peers. Whatever else the firewall talks to, such as a name server, it asks by itself.
const (
	IKE  Protocol = "IKE" // with the IPsec that follows it
	GRE  Protocol = "GRE"
	BGP  Protocol = "BGP"
	OSPF Protocol = "OSPF" // with a neighbour that the configuration names, not one found by multicast
)

// Session is what a peer sends to the firewall itself, as the security policy sees it.
type Session struct {
	Protocol Protocol
	What     string     // as Entry.What: "peer of IKE gateway branch"
	Remote   netip.Addr // of the peer; the zero Addr: the configuration has no literal one
	Host     string     // the name that stands in its place; "": it has none, and calls from anywhere
	Local    netip.Addr // to which it sends; the zero Addr: not known now
	From     []string   // zones of the virtual system by which it arrives: of the connected network or static route to the peer, else of the default routes; empty: not known
	To       string     // zone of Local
	// Perhaps are zones by which it may arrive as well: that of Local, where it is on a line to the internet; those to which policy-based
	// forwarding sends what is bound for Remote, or from which it has answers go back the way they came; and all of a router's, where a
	// route that it may have learned could lead to Remote.
	Perhaps []string
}

// Sessions gives what peers send to the firewall itself, in the order of the configuration, as far as it arrives at an interface of
// the virtual system: that of IKE gateways, GRE tunnels, BGP peers and OSPF neighbours that are not switched off.
func (f *Facts) Sessions() []Session {
	s := &sessions{r: f.reader()}
	for _, list := range []struct {
		path     []string
		protocol Protocol
		title    string
	}{{[]string{"ike", "gateway"}, IKE, "peer of IKE gateway "}, {[]string{"tunnel", "gre"}, GRE, "peer of GRE tunnel "}} {
		for _, e := range entriesOf(s.r.networks, list.path...) {
			if !e.Yes("disabled") {
				s.take(Session{Protocol: list.protocol, What: list.title + e.Attr("name")}, e, "")
			}
		}
	}
	for _, router := range s.r.routers() {
		for _, protocols := range present(router.node.Child("protocol"), router.node) {
			s.takeBGP(protocols.Child("bgp"), router.name)
			s.takeOSPF(protocols.Child("ospf"))
			s.takeOSPF(protocols.Child("ospfv3"))
		}
	}
	return s.all
}

type sessions struct {
	r   *reader
	all []Session
}

func (s *sessions) takeBGP(bgp *xmlapi.Node, router string) {
	if !bgp.Yes("enable") {
		return
	}
	for _, group := range bgp.Child("peer-group").Entries() {
		for _, peer := range group.Child("peer").Entries() {
			if group.Value("enable") != "no" && peer.Value("enable") != "no" {
				s.take(Session{Protocol: BGP, What: "BGP peer " + peer.Attr("name")}, peer, router)
			}
		}
	}
}

func (s *sessions) takeOSPF(ospf *xmlapi.Node) {
	if !ospf.Yes("enable") {
		return
	}
	eachNeighbour(ospf, func(at, text string) {
		if remote, err := netip.ParseAddr(text); err == nil {
			s.add(Session{Protocol: OSPF, What: "OSPF neighbour of " + at, Remote: remote}, s.r.byName[at])
		}
	})
}

// take takes over the ends of one entry. A BGP peer that names no interface is reached by that of its router which leads there.
func (s *sessions) take(one Session, n *xmlapi.Node, router string) {
	one.Remote, one.Host = s.host(n.Value("peer-address", "ip"), n.Value("peer-address", "fqdn"))
	at := s.r.byName[n.Value("local-address", "interface")]
	for _, field := range []string{"ip", "ipv6", "floating-ip"} {
		if local, _ := s.host(n.Value("local-address", field)); !one.Local.IsValid() {
			one.Local = local
		}
	}
	if ways := s.towards(one.Remote, router, 0); at == nil && router != "" && len(ways) > 0 {
		at = ways[0]
	}
	s.add(one, at)
}

// host gives the address of the first text that says one, else the name that one says.
func (s *sessions) host(texts ...string) (addr netip.Addr, name string) {
	for _, text := range texts {
		one := reader{collector: collector{seen: map[Entry]bool{}}, objects: s.r.objects}
		if text != "" {
			one.takeHost(text, Peer, "")
		}
		switch {
		case len(one.Entries) == 1 && one.Entries[0].Prefix.IsSingleIP():
			return one.Entries[0].Prefix.Addr(), ""
		case len(one.Names) == 1:
			return netip.Addr{}, one.Names[0].Host
		}
	}
	return netip.Addr{}, ""
}

func (s *sessions) add(one Session, at *networkInterface) {
	if at != nil {
		if at.zone.vsys != "" || at.zone.name == "" {
			return // another virtual system's policy decides
		}
		one.To = at.zone.name
		for _, p := range at.addresses {
			if a := p.Addr().Unmap(); !one.Local.IsValid() && a.Is4() == (one.Remote.Is4() || !one.Remote.IsValid()) {
				one.Local = a
			}
		}
		for _, way := range s.towards(one.Remote, at.router, 0) {
			if way.zone.vsys == "" && way.zone.name != "" && !slices.Contains(one.From, way.zone.name) {
				one.From = append(one.From, way.zone.name)
			}
		}
		slices.Sort(one.From)
		one.Perhaps = s.perhaps(one, at)
	}
	s.all = append(s.all, one)
}

// perhaps gives the zones by which a session may arrive beside those that the routes of the configuration lead to.
func (s *sessions) perhaps(one Session, at *networkInterface) (zones []string) {
	add := func(i *networkInterface) {
		if i != nil && i.zone.vsys == "" && i.zone.name != "" && !slices.Contains(one.From, i.zone.name) && !slices.Contains(zones, i.zone.name) {
			zones = append(zones, i.zone.name)
		}
	}
	connected := slices.ContainsFunc(s.r.interfaces, func(i *networkInterface) bool {
		return slices.ContainsFunc(i.addresses, func(p netip.Prefix) bool { return !p.IsSingleIP() && p.Masked().Contains(one.Remote) })
	})
	if !one.Remote.IsValid() || connected {
		return nil
	}
	if s.r.internet.interfaces[at.name] {
		add(at)
	}
	for _, rule := range forwards(s.r) {
		if !s.mayLead(rule, one.Remote) {
			continue
		}
		add(s.r.byName[rule.Value("action", "forward", "egress-interface")])
		if rule.Yes("enforce-symmetric-return", "enabled") {
			for _, name := range rule.At("from", "interface").Members() {
				add(s.r.byName[name])
			}
		}
	}
	routers := map[string]bool{at.router: true}
	for _, way := range s.towards(one.Remote, at.router, 0) {
		routers[way.router] = true
	}
	for _, router := range s.r.routers() {
		for _, i := range s.r.interfaces {
			if (routers[router.name] || routers[""]) && router.learns() && i.router == router.name {
				add(i)
			}
		}
	}
	slices.Sort(zones)
	return zones
}

// mayLead tells whether a rule of policy-based forwarding may be for what is bound for an address.
func (s *sessions) mayLead(rule *xmlapi.Node, to netip.Addr) bool {
	one := reader{collector: collector{seen: map[Entry]bool{}}, objects: s.r.objects}
	members := rule.Child("destination").Members()
	for _, member := range members {
		one.take(member, Peer, "")
	}
	holds := slices.Contains(members, "any") || slices.ContainsFunc(one.Entries, func(e Entry) bool { return e.Prefix.Contains(to) })
	if len(one.Names)+len(one.Pending)+len(one.Troubles) > 0 {
		return true // nobody knows
	}
	return holds != rule.Yes("negate-destination")
}

// towards gives the interfaces by which a router sends to an address: those of the narrowest connected network or static route that
// holds it, else those of its default routes, of whichever family. router "": any. nil: none that is known.
func (s *sessions) towards(a netip.Addr, router string, depth int) (ways []*networkInterface) {
	if !a.IsValid() || depth > maxNesting {
		return nil
	}
	bits := -1
	found := func(length int, by ...*networkInterface) {
		if length > bits {
			ways, bits = nil, length
		}
		if length == bits {
			ways = append(ways, by...)
		}
	}
	for _, i := range s.r.interfaces {
		for _, p := range i.addresses {
			if (i.router == router || i.router == "" || router == "") && p.Masked().Contains(a) {
				found(p.Bits(), i)
			}
		}
	}
	for _, route := range s.r.routes() {
		p, err := netip.ParsePrefix(route.Value("destination"))
		if err != nil || router != "" && route.router != router || !p.Contains(a) {
			continue
		}
		if next := route.Value("nexthop", "next-vr"); next != "" {
			found(p.Bits(), s.towards(a, "vr:"+next, depth+1)...)
		} else if i := s.r.leavesBy(route); i != nil {
			found(p.Bits(), i)
		}
	}
	if bits <= 0 { // learned default routes, and those by DHCP and PPPoE
		for _, out := range s.r.internet.routes {
			if out.by.router == router || router == "" {
				found(0, out.by)
			}
		}
	}
	return ways
}
