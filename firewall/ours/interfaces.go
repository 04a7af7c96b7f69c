package ours

import (
	"cmp"
	"net/netip"
	"slices"

	"activedefense/firewall/xmlapi"
)

// networkInterface is a logical interface of layer 3.
type networkInterface struct {
	name      string
	zone      zone
	router    string         // virtual router, or logical router and routing instance; "": in none that we know
	addresses []netip.Prefix // with host bits
	dynamic   bool           // asks for an address by DHCP or PPPoE
	dhcp      bool           // by DHCP
	leads     bool           // and takes its default route from there
	nodes     []*xmlapi.Node // where the configuration has it
	unread    []string       // addresses of the configuration that are none: names of objects that are not there, template variables
}

// findInterfaces reads them from the configuration, and from what they have now.
func (r *reader) findInterfaces() {
	for _, network := range r.networks {
		for _, kind := range childrenOf(network.Child("interface")) {
			switch kind.Name {
			case "ethernet", "aggregate-ethernet", "cellular":
				for _, e := range kind.Entries() {
					r.findInterface(e.Attr("name"), cmp.Or(e.Child("layer3"), e))
				}
			default: // loopback, tunnel, vlan, sdwan
				r.findInterface(kind.Name, kind)
			}
		}
	}
	for _, now := range r.f.interfaces {
		i := r.interfaceCalled(now.Name)
		if now.Zone != "" {
			i.zone = zoneNow(now, r.f.templateVSysName)
		}
		i.router = cmp.Or(i.router, now.Router)
		i.addresses = append(i.addresses, now.Addresses...)
	}
	for _, e := range entriesOf(r.vsys, "zone") {
		for _, layer := range childrenOf(e.Child("network")) {
			for _, name := range layer.Members() {
				if i := r.byName[name]; i != nil {
					i.zone = zone{name: e.Attr("name")}
				}
			}
		}
	}
	for _, router := range r.routers() {
		for _, name := range router.node.Child("interface").Members() {
			if i := r.byName[name]; i != nil {
				i.router = router.name
			}
		}
	}
	slices.SortFunc(r.interfaces, func(a, b *networkInterface) int { return cmp.Compare(a.name, b.name) })
}

func childrenOf(n *xmlapi.Node) []*xmlapi.Node {
	if n == nil {
		return nil
	}
	return n.Children
}

func (r *reader) interfaceCalled(name string) *networkInterface {
	i := r.byName[name]
	if i == nil {
		i = &networkInterface{name: name}
		r.byName[name], r.interfaces = i, append(r.interfaces, i)
	}
	return i
}

// findInterface reads one interface and its units.
func (r *reader) findInterface(name string, n *xmlapi.Node) {
	var texts []string
	for _, list := range [][]string{{"ip"}, {"ipv6", "address"}} {
		for _, e := range n.At(list...).Entries() {
			texts = append(texts, e.Attr("name"))
		}
	}
	dynamic, leads, dhcp := false, false, false
	for _, path := range [][]string{{"dhcp-client"}, {"pppoe"}, {"ipv6", "dhcp-client"}, {"ipv6", "inherited"}} {
		if client := n.At(path...); client != nil && client.Value("enable") != "no" {
			dynamic, dhcp = true, dhcp || path[0] != "pppoe"
			leads = leads || client.Value("create-default-route") != "no"
		}
	}
	if len(texts) > 0 || dynamic {
		i := r.interfaceCalled(name)
		i.dynamic, i.leads, i.dhcp = i.dynamic || dynamic, i.leads || leads, i.dhcp || dhcp
		i.nodes = append(i.nodes, n)
		for _, text := range texts {
			r.findAddress(i, text)
		}
	}
	for _, unit := range n.Child("units").Entries() {
		r.findInterface(unit.Attr("name"), unit)
	}
}

// findAddress reads an address of an interface, which may be the name of an address object.
func (r *reader) findAddress(i *networkInterface, text string) {
	if object := r.object("address", text); object != nil {
		text = cmp.Or(object.Value("ip-netmask"), text)
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		var a netip.Addr
		if a, err = netip.ParseAddr(text); err == nil {
			p = netip.PrefixFrom(a.WithZone(""), a.BitLen())
		}
	}
	switch {
	case err != nil:
		i.unread = append(i.unread, text)
	case !p.Addr().IsLinkLocalUnicast():
		i.addresses = append(i.addresses, p)
	}
}

// takeInterfaces takes over the addresses of all interfaces, and the networks of those inside.
func (r *reader) takeInterfaces() {
	for _, i := range r.interfaces {
		what := "interface " + i.name
		for _, p := range i.addresses {
			r.host(p, Network, what)
			if p.Bits() > 0 && r.inside(i) {
				r.add(p, Network, "network of interface "+i.name)
			} else {
				leavePartly(r, i, p)
			}
		}
		if r.internet.pending[i.router] && len(i.addresses) > 0 {
			r.Pending = append(r.Pending, Source{Network, "network of interface " + i.name})
		}
		if i.dynamic && len(r.now(i.name)) == 0 {
			r.Pending = append(r.Pending, Source{Network, what})
		}
		if len(i.addresses) == 0 { // else what it has now stands for the name
			for _, text := range i.unread {
				r.unresolved(text, what)
			}
		}
	}
}

// leavePartly notes a public network of an interface that is not taken over, where others than the interface and its neighbour can be in it.
func leavePartly(r *reader, i *networkInterface, p netip.Prefix) {
	if p.Bits() == 0 || p.Addr().BitLen()-p.Bits() <= 2 || Private(p) {
		return
	}
	why := ", of which it is not known whether it faces the internet"
	if r.internet.zones[i.zone] || r.internet.interfaces[i.name] || i.dynamic {
		why = ", which faces the internet"
	}
	e := Entry{p.Masked(), Network, "network of interface " + i.name + why}
	if !slices.Contains(r.Partly, e) {
		r.Partly = append(r.Partly, e)
	}
}

// now gives the addresses that an interface has now.
func (r *reader) now(name string) []netip.Prefix {
	for _, i := range r.f.interfaces {
		if i.Name == name {
			return i.Addresses
		}
	}
	return nil
}
