package ours

import (
	"cmp"
	"net/netip"
	"slices"

	"activedefense/firewall/xmlapi"
)

// Service is something for which the firewall itself sends or takes traffic on an interface, so that a rule which drops within the
// interface's zone would cut it.
type Service struct {
	Zone      string // of the virtual system; "": none of it
	Interface string
	What      string // such as: IKE gateway branch
}

// Services gives what the configuration has the firewall serve, by zone, interface and what it is, each once: what listens at an
// address of an interface (IKE, GRE, GlobalProtect), routing protocols, PIM, VRRP, DHCP, DNS proxies, management profiles, neighbour
// discovery, the redirects of a captive portal, and the service routes by which the firewall itself goes out. A NAT rule is among them that may
// send what comes from a zone back into it, which the firewall does not serve and a rule that drops within the zone would cut as well.
func (f *Facts) Services() []Service {
	s := services{f.reader(), map[Service]bool{}}
	s.interfaces()
	for _, network := range s.r.networks {
		s.listeners(network, "", 0)
		s.lists(network)
	}
	for _, vsys := range s.r.vsys {
		s.listeners(vsys, "", 0)
	}
	for _, router := range s.r.routers() {
		s.router(router)
	}
	s.serviceRoutes()
	s.monitors()
	s.redirects()
	s.hairpins()
	return s.sorted()
}

func (s services) sorted() (out []Service) {
	for service := range s.seen {
		out = append(out, service)
	}
	slices.SortFunc(out, func(a, b Service) int {
		return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Interface, b.Interface), cmp.Compare(a.What, b.What))
	})
	return out
}

// InterfacesOf gives the interfaces in a zone of the virtual system, sorted: the members of the zone, with an address or none (a tunnel
// needs none to forward), and those that are in it now.
func (f *Facts) InterfacesOf(name string) []string { return interfacesOf(f.reader(), name) }

func interfacesOf(r *reader, name string) (out []string) {
	for _, i := range r.interfaces {
		if i.zone == (zone{name: name}) {
			out = append(out, i.name)
		}
	}
	for _, layer := range r.vsys {
		for _, kind := range childrenOf(layer.Child("zone").Entry(name).Child("network")) {
			out = append(out, kind.Members()...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// services gathers them.
type services struct {
	r    *reader
	seen map[Service]bool
}

func (s services) add(at, what string) {
	service := Service{Interface: at, What: what}
	if i := s.r.byName[at]; i != nil && i.zone.vsys == "" {
		service.Zone = i.zone.name
	}
	for _, e := range entriesOf(s.r.vsys, "zone") { // one without an address may stand in a zone, too
		for _, layer := range childrenOf(e.Child("network")) {
			if slices.Contains(layer.Members(), at) {
				service.Zone = e.Attr("name")
			}
		}
	}
	s.seen[service] = true
}

// interfaces looks at what is set on the interfaces themselves.
func (s services) interfaces() {
	for _, i := range s.r.interfaces {
		if i.dhcp { // PPPoE is no IP, and so nothing that a rule decides over
			s.add(i.name, "DHCP client")
		}
		for _, n := range i.nodes {
			if profile := n.Value("interface-management-profile"); profile != "" && s.manages(profile) {
				s.add(i.name, "management profile "+profile)
			}
			if n.Child("ipv6").Yes("enabled") {
				s.add(i.name, "IPv6 neighbour discovery")
			}
			if n.Child("vrrp") != nil {
				s.add(i.name, "VRRP")
			}
			if n.Child("ddns-config").Yes("ddns-enabled") || n.Child("ddns-config").Yes("enabled") {
				s.add(i.name, "dynamic DNS")
			}
		}
	}
}

// manages tells whether a management profile lets anything in; one that is not found may.
func (s services) manages(name string) bool {
	for _, profile := range entriesOf(s.r.networks, "profiles", "interface-management-profile") {
		if profile.Attr("name") == name {
			return slices.ContainsFunc(profile.Children, func(n *xmlapi.Node) bool { return profile.Yes(n.Name) })
		}
	}
	return true
}

// titles are what lists of listeners are called.
var titles = map[string]string{
	"gateway": "IKE gateway", "gre": "GRE tunnel", "peer": "BGP peer", "global-protect-portal": "GlobalProtect portal",
	"global-protect-gateway": "GlobalProtect gateway", "global-protect-site-to-site": "GlobalProtect satellite gateway", "ipsec": "IPsec tunnel",
}

// listeners finds what listens at an interface, wherever it stands: below local-address.
func (s services) listeners(n *xmlapi.Node, what string, depth int) {
	if depth > maxNesting || n == nil {
		return
	}
	for _, c := range n.Children {
		title := what
		if c.Name == "entry" && titles[n.Name] != "" {
			title = titles[n.Name] + " " + c.Attr("name")
		}
		if by := c.Child("local-address").Value("interface"); by != "" {
			s.add(by, cmp.Or(title, "service "+c.Attr("name")))
		}
		s.listeners(c, title, depth+1)
	}
}

// lists looks at what names its interfaces in a list.
func (s services) lists(network *xmlapi.Node) {
	for _, e := range network.At("dhcp", "interface").Entries() {
		s.add(e.Attr("name"), "DHCP server or relay")
	}
	for _, e := range network.Child("dns-proxy").Entries() {
		for _, name := range e.Child("interface").Members() {
			s.add(name, "DNS proxy "+e.Attr("name"))
		}
	}
}

// router looks at the protocols that run on a router. A BGP that names no address of its own may use any interface.
func (s services) router(router router) {
	for _, watch := range []struct{ element, title string }{{"path-monitor", "path monitoring of routes"}, {"bfd", "BFD"}} {
		if holds(router.node, watch.element, 0) {
			for _, name := range s.on(router) {
				s.add(name, watch.title+" of "+router.name)
			}
		}
	}
	for _, protocols := range present(router.node.Child("protocol"), router.node) {
		if bgp := protocols.Child("bgp"); bgp.Yes("enable") {
			for _, name := range s.on(router) {
				s.add(name, "BGP of "+router.name)
			}
		}
		for _, protocol := range []struct{ element, title string }{{"ospf", "OSPF"}, {"ospfv3", "OSPFv3"}, {"rip", "RIP"}} {
			n := protocols.Child(protocol.element)
			if !n.Yes("enable") {
				continue
			}
			areas := append(n.Child("area").Entries(), n)
			for _, area := range areas {
				for _, e := range area.Child("interface").Entries() {
					s.add(e.Attr("name"), protocol.title)
				}
			}
		}
		if pim := protocols.Child("multicast"); pim.Yes("enable") {
			for _, name := range s.on(router) {
				s.add(name, "PIM or IGMP of "+router.name)
			}
		}
		for _, e := range protocols.Child("vrrp").Entries() {
			s.add(cmp.Or(e.Value("interface"), e.Attr("name")), "VRRP")
		}
	}
}

// holds tells whether an element stands anywhere below another, and is not switched off.
func holds(n *xmlapi.Node, name string, depth int) bool {
	if depth > maxNesting || n == nil {
		return false
	}
	return slices.ContainsFunc(n.Children, func(c *xmlapi.Node) bool {
		return c.Name == name && c.Value("enable") != "no" && c.Value("profile") != "None" || holds(c, name, depth+1)
	})
}

// monitors looks at whom the firewall asks whether a way is open: by high availability from any interface, for policy-based forwarding
// from that of the rule.
func (s services) monitors() {
	for _, system := range s.r.systems {
		if holds(system.Child("high-availability"), "path-group", 0) && holds(system.Child("high-availability"), "destination-ip", 0) {
			for _, i := range s.r.interfaces {
				s.add(i.name, "path monitoring of high availability")
			}
		}
	}
	for _, base := range []string{"pre-rulebase", "rulebase", "post-rulebase"} {
		for _, layer := range s.r.objects {
			for _, rule := range layer.At(base, "pbf", "rules").Entries() {
				if forward := rule.At("action", "forward"); forward.Child("monitor") != nil && !rule.Yes("disabled") {
					s.add(forward.Value("egress-interface"), "path monitoring of policy-based forwarding "+rule.Attr("name"))
				}
			}
		}
	}
}

// redirects looks at captive portals (Authentication Portal) that send users to an address of the firewall's own; one that has a name may
// be at any interface.
func (s services) redirects() {
	for _, vsys := range s.r.vsys {
		portal := vsys.Child("captive-portal")
		to := portal.Value("redirect-host")
		if !portal.Yes("enable-captive-portal") || to == "" {
			continue
		}
		host, literal := parseHost(to)
		for _, i := range s.r.interfaces {
			if !literal || len(i.addresses) == 0 || slices.ContainsFunc(i.addresses, func(p netip.Prefix) bool { return p.Addr() == host.Addr() }) {
				s.add(i.name, "captive portal")
			}
		}
	}
}

// hairpins looks for NAT rules by which what comes from a zone may go back into it: those that translate the destination, unless all to
// which they do is known to be elsewhere.
func (s services) hairpins() {
	for _, base := range []string{"pre-rulebase", "rulebase", "post-rulebase"} {
		for _, layer := range s.r.objects {
			for _, rule := range layer.At(base, "nat", "rules").Entries() {
				translation := cmpNode(rule.Child("destination-translation"), rule.Child("dynamic-destination-translation"))
				if translation == nil || rule.Yes("disabled") {
					continue
				}
				from := rule.Child("from").Members()
				for _, zone := range entriesOf(s.r.vsys, "zone") {
					name := zone.Attr("name")
					if !slices.Contains(from, name) && !slices.Contains(from, "any") || s.elsewhere(translation.Child("translated-address"), name) {
						continue
					}
					for _, member := range interfacesOf(s.r, name) {
						s.add(member, "destination NAT rule "+rule.Attr("name"))
					}
				}
			}
		}
	}
}

// elsewhere tells whether what a rule translates to is known to be outside a zone.
func (s services) elsewhere(translated *xmlapi.Node, name string) bool {
	one := reader{collector: collector{seen: map[Entry]bool{}}, objects: s.r.objects}
	one.takeTranslated(translated, "")
	if len(one.Entries) == 0 || len(one.Names)+len(one.Pending)+len(one.Troubles) > 0 {
		return false
	}
	return !slices.ContainsFunc(one.Entries, func(e Entry) bool {
		to := sessions{r: s.r}
		ways := append(to.towards(e.Prefix.Addr(), "", 0), to.towards(lastOf(e.Prefix), "", 0)...)
		return len(ways) == 0 || slices.ContainsFunc(ways, func(i *networkInterface) bool { return i.zone.name == "" || i.zone == (zone{name: name}) })
	})
}

// on gives the interfaces of a router.
func (s services) on(router router) (out []string) {
	for _, i := range s.r.interfaces {
		if i.router == router.name {
			out = append(out, i.name)
		}
	}
	return out
}

// serviceRoutes looks at what the firewall itself asks for by an interface: names, time, updates, logs.
func (s services) serviceRoutes() {
	for _, system := range s.r.systems {
		for _, kind := range []string{"service", "destination"} {
			for _, e := range system.At("system", "route", kind).Entries() {
				if by := e.Value("source", "interface"); by != "" && by != "MGT" {
					s.add(by, "service route "+e.Attr("name"))
				}
			}
		}
	}
}
