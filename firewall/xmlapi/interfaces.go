package xmlapi

import (
	"context"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// CallNetwork is the kind of the calls about the state of the network.
const CallNetwork = "network"

// Interface is a logical interface with the addresses that it has now, those by DHCP and PPPoE among them.
type Interface struct {
	Name      string
	Zone      string         // "": it is in none
	VSys      string         // number of its virtual system; "": it was not said
	Router    string         // "vr:NAME" of a virtual router; "": it is in none
	Addresses []netip.Prefix // each the interface's own address with the length of its network; no link-local ones
}

// Interfaces asks for the logical interfaces.
func Interfaces(ctx context.Context, d *Device) ([]Interface, error) {
	result, err := d.OpIn(ctx, CallNetwork, "show interface all", "<show><interface>all</interface></show>", "")
	if err != nil {
		return nil, err
	}
	return ParseInterfaces(result), nil
}

// ParseInterfaces reads the answer to "show interface all". The first address of an interface stands in ip, further ones in addr,
// those of IPv6 in addr6, and one given by DHCP in ip or in dyn-addr; "N/A" stands for none.
func ParseInterfaces(result *Node) []Interface {
	var all []Interface
	for _, e := range result.Child("ifnet").Entries() {
		i := Interface{Name: e.Value("name"), Zone: e.Value("zone"), VSys: e.Value("vsys")}
		if fwd := e.Value("fwd"); strings.HasPrefix(fwd, "vr:") { // else "N/A", "tap", "vlan:NAME"
			i.Router = fwd
		}
		for _, field := range []string{"ip", "addr", "dyn-addr", "addr6"} {
			for _, text := range e.Child(field).Texts() {
				if p, ok := interfaceAddress(text); ok {
					i.Addresses = append(i.Addresses, p)
				}
			}
		}
		if i.Name != "" {
			all = append(all, i)
		}
	}
	return all
}

// DefaultRoute is a default route that a virtual router uses now, wherever it learned it.
type DefaultRoute struct {
	Router    string // as Interface.Router has it
	Interface string // by which it leaves; "": by none, as into another router
}

// DefaultRoutes asks for the default routes of all virtual routers; where there are none, of all logical routers, which the advanced
// routing engine has in their place (PAN-OS 10.2 and later). A firewall that answers otherwise, or that refuses the call, has said
// nothing: that is no error.
func DefaultRoutes(ctx context.Context, d *Device) ([]DefaultRoute, error) {
	var all []DefaultRoute
	for _, destination := range []string{"0.0.0.0/0", "::/0"} {
		result, err := d.OpIn(ctx, CallNetwork, "show routing route", "<show><routing><route><destination>"+destination+"</destination></route></routing></show>", "")
		if kind := Kind(err); kind == KindAPI || kind == KindRole {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range result.Entries() {
			active := slices.Contains(strings.Fields(e.Value("flags")), "A")
			if active && e.Value("destination") == destination && e.Value("virtual-router") != "" {
				all = append(all, DefaultRoute{"vr:" + e.Value("virtual-router"), e.Value("interface")})
			}
		}
	}
	if len(all) > 0 {
		return all, nil
	}
	result, err := d.OpIn(ctx, CallNetwork, "show advanced-routing route", "<show><advanced-routing><route></route></advanced-routing></show>", "")
	if kind := Kind(err); kind == KindAPI || kind == KindRole {
		return nil, nil
	}
	return logicalDefaults(result.Value("json")), err
}

// logicalDefaults reads the routes of logical routers, which come as JSON: by router and prefix a list of routes, each with its next
// hops. No vendor document shows it; public scripts agree on these names.
func logicalDefaults(text string) (all []DefaultRoute) {
	var routers map[string]map[string][]struct {
		NextHops []struct {
			Interface string `json:"interfaceName"`
			Active    *bool  `json:"active"`
		} `json:"nexthops"`
	}
	if json.Unmarshal([]byte(text), &routers) != nil {
		return nil
	}
	for _, router := range slices.Sorted(maps.Keys(routers)) {
		for _, destination := range []string{"0.0.0.0/0", "::/0"} {
			for _, route := range routers[router][destination] {
				for _, hop := range route.NextHops {
					if hop.Interface != "" && (hop.Active == nil || *hop.Active) {
						all = append(all, DefaultRoute{"lr:" + router, hop.Interface})
					}
				}
			}
		}
	}
	return all
}

// interfaceAddress reads "203.0.113.1/24". Host bits stay: they are the interface's own address.
func interfaceAddress(text string) (netip.Prefix, bool) {
	text = strings.TrimSpace(text)
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, false
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	a := p.Addr()
	return p, !a.IsUnspecified() && !a.IsLinkLocalUnicast()
}
