package network

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/xmltree"
)

// Network is the state of the network.
type Network struct {
	running func() *xmltree.Element
	leases  map[string]netip.Prefix
	learned map[string]string // the interface of the default route of a virtual router, by its name
}

// New makes one of the interfaces in the running configuration.
func New(running func() *xmltree.Element) *Network {
	return &Network{running: running, leases: map[string]netip.Prefix{}, learned: map[string]string{}}
}

// Lease gives an interface that asks for it an address by DHCP, with the length of its network; the zero Prefix takes it away.
func (n *Network) Lease(name string, address netip.Prefix) {
	n.leases[name] = address
	if !address.IsValid() {
		delete(n.leases, name)
	}
}

// Learn gives a virtual router a default route by a routing protocol, which leaves by an interface; "" takes it away.
func (n *Network) Learn(router, by string) {
	n.learned[router] = by
	if by == "" {
		delete(n.learned, router)
	}
}

// ShowRoutes answers "show routing route" for a destination with the default routes that were learned, in the form of a recorded answer;
// of other routes it says nothing.
func (n *Network) ShowRoutes(r answer.Request) answer.Answer {
	var b strings.Builder
	b.WriteString("<result><flags>flags: A:active, C:connect, S:static, B:bgp, E:ecmp</flags>")
	for _, router := range slices.Sorted(maps.Keys(n.learned)) {
		if r.At.Value("destination") == "0.0.0.0/0" {
			b.WriteString("<entry>")
			answer.WriteFields(&b, []answer.Field{
				{Name: "virtual-router", Value: router}, {Name: "destination", Value: "0.0.0.0/0"}, {Name: "nexthop", Value: "203.0.113.1"}, {Name: "metric"},
				{Name: "flags", Value: "A B"}, {Name: "age", Value: "77"}, {Name: "interface", Value: n.learned[router]}, {Name: "route-table", Value: "unicast"},
			})
			b.WriteString("</entry>")
		}
	}
	b.WriteString("</result>")
	return answer.Success(b.String())
}

// logical is a logical interface.
type logical struct {
	zone string
	ipv4 []string
	ipv6 []string
}

// Show answers "show interface all", with the elements and the order of a recorded answer; of the hardware it says nothing. Of
// "show interface management" it has those elements that pan-python's live tests look for.
func (n *Network) Show(r answer.Request) answer.Answer {
	if r.At.Text == "management" {
		return answer.Success("<result><info><name>Management Interface</name></info><counters><rx-packets>1</rx-packets><tx-packets>1</tx-packets></counters></result>")
	}
	if r.At.Text != "all" {
		return answer.Unexpected(r.Command)
	}
	all := n.interfaces()
	var b strings.Builder
	b.WriteString("<result><ifnet>")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		i := all[name]
		first, more := "N/A", i.ipv4
		if len(more) > 0 {
			first, more = more[0], more[1:]
		}
		b.WriteString("<entry>")
		answer.WriteFields(&b, []answer.Field{
			{Name: "name", Value: name}, {Name: "zone", Value: i.zone}, {Name: "fwd", Value: "vr:default"}, {Name: "vsys", Value: "1"}, {Name: "dyn-addr"},
		})
		answer.WriteMembers(&b, "addr6", i.ipv6)
		answer.WriteFields(&b, []answer.Field{{Name: "tag", Value: "0"}, {Name: "ip", Value: first}})
		answer.WriteMembers(&b, "addr", more)
		b.WriteString("</entry>")
	}
	b.WriteString("</ifnet><hw/></result>")
	return answer.Success(b.String())
}

// interfaces reads them from the running configuration.
func (n *Network) interfaces() map[string]*logical {
	all := map[string]*logical{}
	device := n.running().Down("devices").Child("entry")
	for _, kind := range device.Down("network", "interface").All() {
		switch kind.Name {
		case "ethernet", "aggregate-ethernet":
			for _, e := range kind.Entries() {
				n.read(all, e.ID(), e.Child("layer3"), device)
			}
		default:
			n.read(all, kind.Name, kind, device)
		}
	}
	for _, vsys := range device.Child("vsys").Entries() {
		for _, zone := range vsys.Child("zone").Entries() {
			for _, name := range zone.Down("network", "layer3").Members() {
				if i := all[name]; i != nil {
					i.zone = zone.ID()
				}
			}
		}
	}
	return all
}

// read reads an interface of layer 3 and its units.
func (n *Network) read(all map[string]*logical, name string, e, device *xmltree.Element) {
	i := &logical{}
	for _, address := range e.Child("ip").EntryNames() {
		i.ipv4 = append(i.ipv4, n.resolve(address, device))
	}
	for _, address := range e.Down("ipv6", "address").EntryNames() {
		i.ipv6 = append(i.ipv6, n.resolve(address, device))
	}
	client := e.Child("dhcp-client")
	if lease, ok := n.leases[name]; ok && client != nil && client.Value("enable") != "no" {
		i.ipv4 = append(i.ipv4, lease.String())
	}
	if len(i.ipv4)+len(i.ipv6) > 0 || client != nil {
		all[name] = i
	}
	for _, unit := range e.Child("units").Entries() {
		n.read(all, unit.ID(), unit, device)
	}
}

// resolve gives the address that the name of an address object stands for.
func (n *Network) resolve(address string, device *xmltree.Element) string {
	places := append(device.Child("vsys").Entries(), n.running().Child("shared"))
	for _, place := range places {
		if object := place.Down("address").Entry(address); object != nil && object.Value("ip-netmask") != "" {
			return object.Value("ip-netmask")
		}
	}
	return address
}
