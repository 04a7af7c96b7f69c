package ours

import (
	"net/netip"
	"slices"
	"strings"

	"activedefense/firewall/xmlapi"
)

// unproven finds what is set at the interfaces of zones, and is not on a list of what is known to have the firewall neither take nor send
// anything there. A list of what does would be one of what somebody thought of.
type unproven struct {
	services
	zone       string
	interfaces []string
	names      map[string]bool // what stands for one of them: names, addresses as written, address objects
	networks   []netip.Prefix  // of their addresses
}

// Unproven gives what no list of the harmless has at the interfaces of a zone of the virtual system, by interface, each once: their own
// elements and the zone's, and those of the rest of the configuration that name the zone, one of them, or an address of their networks, or
// that name none of these and may serve on any. What Services has by its own name is not among them.
func (f *Facts) Unproven(zone string) []Service {
	s := services{f.reader(), map[Service]bool{}}
	u := unproven{services: s, zone: zone, interfaces: interfacesOf(s.r, zone), names: map[string]bool{zone: true}}
	u.identify()
	u.itself()
	for _, part := range []struct {
		at     string
		layers []*xmlapi.Node
	}{{"network", s.r.networks}, {"deviceconfig", s.r.systems}, {"vsys", s.r.objects}} {
		for _, n := range part.layers {
			u.search(n, part.at, part.at, 0)
		}
	}
	for _, n := range s.r.systems {
		u.search(n.At("system", "route"), "deviceconfig/system/route", "deviceconfig/system/route", 0)
	}
	for _, router := range s.r.routers() {
		u.router(router)
	}
	return s.sorted()
}

// note has an element at an interface of the zone; "": at any of them.
func (u unproven) note(at, what string) {
	u.seen[Service{Zone: u.zone, Interface: at, What: what}] = true
}

func (u unproven) everywhere(what string) {
	for _, at := range u.interfaces {
		u.note(at, what)
	}
}

// identify collects what stands for the interfaces.
func (u *unproven) identify() {
	for _, name := range u.interfaces {
		u.names[name] = true
		if i := u.r.byName[name]; i != nil {
			for _, text := range i.unread {
				u.names[text] = true
			}
			for _, p := range i.addresses {
				u.networks = append(u.networks, p.Masked())
			}
		}
	}
	for _, layer := range u.r.objects {
		for _, o := range layer.Child("address").Entries() {
			if u.near(o.Value("ip-netmask")) || u.near(o.Value("ip-range")) {
				u.names[o.Attr("name")] = true
			}
		}
	}
}

// near tells whether a text is an address or the first or last of a range in a network of the interfaces.
func (u unproven) near(text string) bool {
	for _, end := range strings.SplitN(text, "-", 2) {
		host, ok := parseHost(strings.TrimSpace(end))
		if ok && slices.ContainsFunc(u.networks, func(p netip.Prefix) bool { return p.Contains(host.Addr().Unmap()) }) {
			return true
		}
	}
	return false
}

// words makes a set of paths or names.
func words(text string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(text) {
		set[word] = true
	}
	return set
}

// ofInterface are elements of an interface by which it neither takes nor sends anything of its own that a security rule decides over:
// its addresses, what is below IP, and what a session that passes is subject to. PPPoE is no IP. What Services looks at, where it has an
// address, is beside ofPort in ofInterface.
var (
	ofPort      = words(portSettings)
	ofInterface = words(portSettings + ` ipv6/enabled ipv6/address ipv6/interface-id ipv6/neighbor-discovery ipv6/dhcp-client ipv6/inherited dhcp-client interface-management-profile vrrp ddns-config`)
)

const portSettings = `ip mtu comment tag arp adjust-tcp-mss df-ignore netflow-profile untagged-sub-interface units lldp lacp link-speed link-duplex link-state poe
aggregate-group pppoe`

// ofZone are those of a zone.
var ofZone = words(`network/layer3 network/virtual-wire network/zone-protection-profile network/enable-packet-buffer-protection network/log-setting network/net-inspection
enable-user-identification enable-device-identification user-acl device-acl`)

// itself looks at the zone and at its interfaces. One of which there is no configuration may be anything; of one without an address Services
// knows nothing.
func (u unproven) itself() {
	for _, e := range entriesOf(u.r.vsys, "zone") {
		if e.Attr("name") == u.zone {
			u.children(e, "", ofZone, func(what string, _ *xmlapi.Node) { u.everywhere("zone setting " + what) })
		}
	}
	for _, name := range u.interfaces {
		nodes, known := u.configured(name), ofInterface
		if i := u.r.byName[name]; i == nil || len(i.nodes) == 0 {
			known = ofPort
		}
		if len(nodes) == 0 {
			u.note(name, "interface, whose configuration is not known")
		}
		each := func(what string, n *xmlapi.Node) {
			switch n.Name {
			case "layer3", "layer2", "virtual-wire":
				u.children(n, "", known, func(what string, _ *xmlapi.Node) { u.note(name, "interface setting "+what) })
			default:
				u.note(name, "interface setting "+what)
			}
		}
		for _, n := range nodes {
			u.children(n, "", known, each)
		}
	}
}

// configured gives the entries of an interface.
func (u unproven) configured(name string) (out []*xmlapi.Node) {
	for _, network := range u.r.networks {
		for _, kind := range childrenOf(network.Child("interface")) {
			entries := append(kind.Entries(), kind.Child("units").Entries()...)
			for _, e := range kind.Entries() {
				entries = append(entries, e.At("layer3", "units").Entries()...)
				entries = append(entries, e.At("layer2", "units").Entries()...)
				entries = append(entries, e.At("virtual-wire", "units").Entries()...)
			}
			for _, e := range entries {
				if e.Attr("name") == name {
					out = append(out, e)
				}
			}
		}
	}
	for _, network := range u.r.networks { // loopback, tunnel and vlan without a unit are their kind itself
		if n := network.At("interface", name); n != nil {
			out = append(out, n)
		}
	}
	return out
}

// children calls each for the elements below one that are set, and neither off nor known; a path of two is known by both names.
func (u unproven) children(n *xmlapi.Node, before string, known map[string]bool, each func(what string, n *xmlapi.Node)) {
	for _, c := range childrenOf(n) {
		switch path := before + c.Name; {
		case known[path] || off(c):
		case before == "" && hasPrefix(known, path+"/"):
			u.children(c, path+"/", known, each)
		default:
			each(path, c)
		}
	}
}

func hasPrefix(known map[string]bool, prefix string) bool {
	for path := range known {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// off tells whether an element says nothing, or that it is switched off.
func off(n *xmlapi.Node) bool {
	text := strings.TrimSpace(n.Text)
	if len(n.Children) == 0 {
		return text == "" && n.Attr("name") == "" || text == "no" || text == "None" || text == "none"
	}
	return n.Value("enable") == "no" || n.Value("enabled") == "no" || n.Yes("disabled") || n.Name == "bfd" && n.Value("profile") == "None"
}

// harmless are places that may name an interface, a zone or an address without anything of the firewall's own being taken or sent there,
// as paths without the names of entries: what a passing session is subject to; objects, which count where they are used; and servers that
// the firewall asks, which it does from the management interface, or by a service route, which is looked at. Those that Services or router
// looks at stand among them.
var harmless = words(`
network/interface/ethernet/aggregate-group network/vlan network/virtual-wire network/qos network/lldp network/profiles network/ike/crypto-profiles
network/dhcp/interface network/dns-proxy network/virtual-router network/logical-router network/routing-profile/filters
deviceconfig/setting deviceconfig/system deviceconfig/high-availability/group/monitoring
vsys/address vsys/address-group vsys/region vsys/tag vsys/service vsys/service-group vsys/application vsys/application-group vsys/application-filter vsys/application-tag
vsys/application-status vsys/external-list vsys/schedule vsys/profiles vsys/profile-group vsys/threats vsys/log-settings vsys/certificate vsys/certificate-profile
vsys/ssl-tls-service-profile vsys/ssl-decrypt vsys/ocsp-responder vsys/scep vsys/server-profile vsys/authentication-profile vsys/authentication-sequence vsys/authentication-object
vsys/local-user-database vsys/admin-role vsys/reports vsys/report-group vsys/email-scheduler vsys/pdf-summary-report vsys/botnet vsys/content-preview vsys/alg-override
vsys/dynamic-user-group vsys/devices vsys/user-id-agent vsys/user-id-collector vsys/ts-agent vsys/redistribution-agent vsys/group-mapping vsys/vm-info-source
vsys/display-name vsys/import vsys/zone vsys/captive-portal vsys/response-page vsys/password-complexity
vsys/rulebase/security vsys/rulebase/default-security-rules vsys/rulebase/nat vsys/rulebase/pbf vsys/rulebase/qos vsys/rulebase/dos vsys/rulebase/decryption
vsys/rulebase/application-override vsys/rulebase/authentication vsys/rulebase/captive-portal vsys/rulebase/tunnel-inspect`)

// elsewhere are places where what serves names where it does: it is somewhere else where it names nothing of ours.
var elsewhere = words(`network/interface network/ike/gateway network/tunnel/ipsec network/tunnel/gre network/tunnel/global-protect-gateway
network/tunnel/global-protect-site-to-site deviceconfig/high-availability/enabled deviceconfig/high-availability/interface deviceconfig/high-availability/group/group-id
deviceconfig/high-availability/group/description deviceconfig/high-availability/group/peer-ip deviceconfig/high-availability/group/peer-ip-backup
deviceconfig/high-availability/group/election-option deviceconfig/high-availability/group/state-synchronization deviceconfig/high-availability/group/configuration-synchronization
deviceconfig/high-availability/group/mode/active-passive vsys/setting vsys/global-protect vsys/dns-proxy`)

// closed are those of which every element stands in harmless or in elsewhere, or serves perhaps anywhere.
var closed = words(`network network/ike network/tunnel network/dhcp network/routing-profile deviceconfig deviceconfig/high-availability deviceconfig/high-availability/group
deviceconfig/high-availability/group/mode vsys vsys/rulebase`)

// deepest is how deeply elements are looked at; the vendor's schema has none that deep.
const deepest = 40

// search looks below an element for what may serve at the interfaces. path is without the names of entries, label with them.
func (u unproven) search(n *xmlapi.Node, path, label string, depth int) {
	if depth > deepest {
		u.everywhere(label)
		return
	}
	for _, c := range childrenOf(n) {
		at, shown := path, label
		if c.Name != "entry" && c.Name != "member" {
			at, shown = path+"/"+strings.TrimPrefix(strings.TrimPrefix(c.Name, "pre-"), "post-"), label+"/"+c.Name
		}
		if name := c.Attr("name"); name != "" {
			shown += "/" + name
		}
		by, found := u.named(c, strings.HasPrefix(at, "network/interface"))
		switch {
		case harmless[at] || off(c) || u.handled(c, at):
		case at != path && closed[path] && !elsewhere[at] && !hasPrefix(harmless, at+"/") && !hasPrefix(elsewhere, at+"/"):
			u.everywhere(shown)
		case found && by == "":
			u.everywhere(shown)
		case found:
			u.note(by, shown)
		default:
			u.search(c, at, shown, depth+1)
		}
	}
}

// handled tells whether Services or itself looks at an element.
func (u unproven) handled(n *xmlapi.Node, path string) bool {
	listens := n.Name == "local-address" && (strings.HasPrefix(path, "network/") || strings.HasPrefix(path, "vsys/global-protect/"))
	switch {
	case listens, n.Name == "source" && strings.HasPrefix(path, "deviceconfig/system/route"):
		by := n.Value("interface")
		return by == "MGT" || u.r.byName[by] != nil || slices.Contains(u.interfaces, by)
	case n.Name == "entry" && strings.HasPrefix(path, "network/interface"):
		return slices.Contains(u.interfaces, n.Attr("name"))
	}
	return false
}

// named tells whether an element names the zone or one of the interfaces, and which; "": any. An interface's address says nothing of another.
func (u unproven) named(n *xmlapi.Node, interfacesAlone bool) (by string, found bool) {
	text, name := strings.TrimSpace(n.Text), n.Attr("name")
	for _, i := range u.interfaces {
		if text == i || name == i {
			return i, true
		}
	}
	return "", !interfacesAlone && (u.names[text] || u.near(text) || u.near(name))
}

// ofRouter are elements of a router, and ofRoute those of its static routes, by which it speaks to nobody.
var (
	ofRouter = words(`interface routing-table admin-dists vr-admin-dists rib-filter ecmp global-id type protocol/redist-profile protocol/redist-profile-ipv6 protocol/redist-rules`)
	ofRoute  = words(`destination interface nexthop metric admin-dist route-table option`)
)

// router looks at what runs on a router of the interfaces, or on one that may be theirs. What is switched on by name Services looks at,
// where the interface is known to be of the router.
func (u unproven) router(r router) {
	each := func(what string, n *xmlapi.Node) {
		protocol := slices.Contains([]string{"bgp", "ospf", "ospfv3", "rip", "multicast"}, n.Name) && n.Yes("enable") || slices.Contains([]string{"vrrp", "bfd", "path-monitor"}, n.Name)
		for _, name := range u.interfaces {
			switch i := u.r.byName[name]; {
			case i != nil && i.router == r.name && protocol:
			case i == nil || i.router == "" || i.router == r.name:
				u.note(name, what+" of "+r.name)
			}
		}
	}
	u.children(r.node, "", ofRouter, each)
	for _, family := range childrenOf(r.node.Child("routing-table")) {
		for _, e := range family.Child("static-route").Entries() {
			u.children(e, "", ofRoute, func(what string, n *xmlapi.Node) { each("static route setting "+what, n) })
		}
	}
}
