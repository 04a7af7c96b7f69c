package ours

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall/xmlapi"
)

func parse(t testing.TB, text string) *xmlapi.Node {
	t.Helper()
	n, err := xmlapi.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return n
}

// parts are what a test says of a firewall, as XML below network, deviceconfig, the virtual system and shared.
type parts struct {
	network, system, vsys, shared string
	template                      string // a whole configuration
	pushed                        string // below a device group
	interfaces                    string // entries of ifnet
	zones                         []string
	management                    []string
}

func (p parts) facts(t testing.TB) *Facts {
	t.Helper()
	f := &Facts{Firewall: "fw1", InternetZones: p.zones, templateVSysName: "vsys1", management: p.management}
	f.take(parse(t, "<config><shared>"+p.shared+"</shared><devices><entry name='localhost.localdomain'><network>"+p.network+"</network><deviceconfig>"+
		p.system+"</deviceconfig><vsys><entry name='vsys1'>"+p.vsys+"</entry></vsys></entry></devices></config>"), "vsys1")
	if p.template != "" {
		f.template = parse(t, p.template)
	}
	if p.pushed != "" {
		f.pushed = []xmlapi.Pushed{{Node: parse(t, "<panorama>"+p.pushed+"</panorama>")}}
	}
	f.interfaces = xmlapi.ParseInterfaces(parse(t, "<result><ifnet>"+p.interfaces+"</ifnet></result>"))
	return f
}

// lines gives an answer as a reader would write it down.
func lines(a Answer) (out []string) {
	for _, e := range a.Entries {
		out = append(out, fmt.Sprintf("%s %s: %s", e.Kind, e.Prefix, e.What))
	}
	for _, n := range a.Names {
		out = append(out, fmt.Sprintf("%s by name: %s", n.Kind, n.What))
	}
	for _, p := range a.Pending {
		out = append(out, fmt.Sprintf("%s pending: %s", p.Kind, p.What))
	}
	for _, tr := range a.Troubles {
		out = append(out, "trouble: "+tr.What)
	}
	return out
}

const (
	twoZones = `<zone><entry name="untrust"><network><layer3><member>ethernet1/1</member></layer3></network></entry>
<entry name="dmz"><network><layer3><member>ethernet1/2</member><member>ethernet1/3.100</member></layer3></network></entry></zone>`
	staticLines = `<interface><ethernet><entry name="ethernet1/1"><layer3><ip><entry name="203.0.113.2/29"/></ip>
<ipv6><address><entry name="2001:db8:1::2/64"/></address></ipv6></layer3></entry>
<entry name="ethernet1/2"><layer3><ip><entry name="198.51.100.1/27"/><entry name="10.1.0.1/16"/></ip></layer3></entry>
<entry name="ethernet1/3"><layer3><units><entry name="ethernet1/3.100"><ip><entry name="192.0.2.129/28"/></ip></entry></units></layer3></entry>
</ethernet></interface>`
	defaultRoute = `<virtual-router><entry name="default"><routing-table><ip><static-route><entry name="out"><destination>0.0.0.0/0</destination>
<nexthop><ip-address>203.0.113.1</ip-address></nexthop></entry></static-route></ip></routing-table></entry></virtual-router>`
)

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		parts parts
		want  []string
	}{
		"nothing": {parts{}, nil},
		"networks inside, addresses outside": {parts{network: staticLines + defaultRoute, vsys: twoZones}, []string{
			"network 10.1.0.0/16: network of interface ethernet1/2",
			"network 10.1.0.1/32: interface ethernet1/2",
			"network 192.0.2.128/28: network of interface ethernet1/3.100",
			"network 192.0.2.129/32: interface ethernet1/3.100",
			"network 198.51.100.0/27: network of interface ethernet1/2",
			"network 198.51.100.1/32: interface ethernet1/2",
			"network 203.0.113.2/32: interface ethernet1/1",
			"network 2001:db8:1::2/128: interface ethernet1/1",
			"peer 203.0.113.1/32: next hop of static route out",
		}},
		"without a default route no network is taken whole": {parts{network: staticLines, vsys: twoZones}, []string{
			"network 10.1.0.1/32: interface ethernet1/2",
			"network 192.0.2.129/32: interface ethernet1/3.100",
			"network 198.51.100.1/32: interface ethernet1/2",
			"network 203.0.113.2/32: interface ethernet1/1",
			"network 2001:db8:1::2/128: interface ethernet1/1",
		}},
		"zones that are set": {parts{network: staticLines, vsys: twoZones, zones: []string{"dmz"}}, []string{
			"network 10.1.0.1/32: interface ethernet1/2",
			"network 192.0.2.129/32: interface ethernet1/3.100",
			"network 198.51.100.1/32: interface ethernet1/2",
			"network 203.0.113.0/29: network of interface ethernet1/1",
			"network 203.0.113.2/32: interface ethernet1/1",
			"network 2001:db8:1::/64: network of interface ethernet1/1",
			"network 2001:db8:1::2/128: interface ethernet1/1",
		}},
		"zones that are set and not there": {parts{network: staticLines, vsys: twoZones, zones: []string{"gone"}}, []string{
			"network 10.1.0.1/32: interface ethernet1/2",
			"network 192.0.2.129/32: interface ethernet1/3.100",
			"network 198.51.100.1/32: interface ethernet1/2",
			"network 203.0.113.2/32: interface ethernet1/1",
			"network 2001:db8:1::2/128: interface ethernet1/1",
		}},
		"by DHCP": {parts{network: `<interface><ethernet><entry name="ethernet1/1"><layer3><dhcp-client/></layer3></entry>
<entry name="ethernet1/2"><layer3><ip><entry name="198.51.100.1/27"/></ip></layer3></entry></ethernet></interface>`, vsys: twoZones,
			interfaces: `<entry><name>ethernet1/1</name><zone>untrust</zone><ip>203.0.113.77/22</ip></entry>`}, []string{
			"network 198.51.100.0/27: network of interface ethernet1/2",
			"network 198.51.100.1/32: interface ethernet1/2",
			"network 203.0.113.77/32: interface ethernet1/1",
		}},
		"by DHCP, without an address yet": {parts{network: `<interface><ethernet><entry name="ethernet1/1"><layer3><dhcp-client><enable>yes</enable>
</dhcp-client></layer3></entry></ethernet><vlan><units><entry name="vlan.7"><dhcp-client><enable>no</enable></dhcp-client></entry></units></vlan></interface>`,
			vsys: twoZones, interfaces: `<entry><name>ethernet1/1</name><ip>N/A</ip></entry>`}, []string{
			"network pending: interface ethernet1/1",
		}},
		"loopbacks, tunnels, VLANs, aggregates": {parts{network: `<interface><loopback><units><entry name="loopback.1"><ip><entry name="203.0.113.9"/></ip></entry></units></loopback>
<tunnel><units><entry name="tunnel.1"><ip><entry name="203.0.113.10/32"/></ip></entry></units></tunnel><vlan><units><entry name="vlan.5"><ip><entry name="203.0.113.11/24"/></ip></entry></units></vlan>
<aggregate-ethernet><entry name="ae1"><layer3><units><entry name="ae1.2"><ip><entry name="203.0.113.12/24"/></ip></entry></units></layer3></entry></aggregate-ethernet></interface>`},
			[]string{
				"network 203.0.113.9/32: interface loopback.1", "network 203.0.113.10/32: interface tunnel.1",
				"network 203.0.113.11/32: interface vlan.5", "network 203.0.113.12/32: interface ae1.2",
			}},
		"an address object, a template variable": {parts{network: `<interface><ethernet><entry name="ethernet1/1"><layer3><ip><entry name="wan-ip"/></ip></layer3></entry>
<entry name="ethernet1/2"><layer3><ip><entry name="$lan-ip"/></ip></layer3></entry><entry name="ethernet1/3"><layer3><ip><entry name="$dmz-ip"/></ip></layer3></entry></ethernet></interface>`,
			shared:     `<address><entry name="wan-ip"><ip-netmask>203.0.113.2/29</ip-netmask></entry></address>`,
			interfaces: `<entry><name>ethernet1/3</name><ip>192.0.2.3/29</ip></entry>`}, []string{
			"network 192.0.2.3/32: interface ethernet1/3",
			"network 203.0.113.2/32: interface ethernet1/1",
			`trouble: interface ethernet1/2 is "$lan-ip", a template variable without a value here, and is left out`,
		}},
		"what a template pushed": {parts{vsys: twoZones, template: `<config><devices><entry name="localhost.localdomain"><network>` + staticLines + defaultRoute +
			`</network><deviceconfig><system><dns-setting><servers><primary>192.0.2.53</primary></servers></dns-setting></system></deviceconfig></entry></devices></config>`}, []string{
			"network 10.1.0.0/16: network of interface ethernet1/2",
			"network 10.1.0.1/32: interface ethernet1/2",
			"network 192.0.2.128/28: network of interface ethernet1/3.100",
			"network 192.0.2.129/32: interface ethernet1/3.100",
			"network 198.51.100.0/27: network of interface ethernet1/2",
			"network 198.51.100.1/32: interface ethernet1/2",
			"network 203.0.113.2/32: interface ethernet1/1",
			"network 2001:db8:1::2/128: interface ethernet1/1",
			"peer 192.0.2.53/32: DNS server",
			"peer 203.0.113.1/32: next hop of static route out",
		}},
		"management": {parts{system: `<system><ip-address>203.0.113.250</ip-address><ipv6-address>2001:db8::250/64</ipv6-address></system>
<high-availability><group><entry name="1"><peer-ip>203.0.113.251</peer-ip></entry></group><interface><ha1><ip-address>203.0.113.252</ip-address></ha1></interface></high-availability>`,
			management: []string{"203.0.113.250", "unknown", "203.0.113.253", ""}}, []string{
			"management 203.0.113.250/32: management address",
			"management 203.0.113.251/32: other member of the pair",
			"management 203.0.113.252/32: HA interface ha1",
			"management 203.0.113.253/32: management address",
			"management 2001:db8::250/128: management address",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lines(c.parts.facts(t).Read()); !slices.Equal(got, c.want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// Of which public networks an address alone is taken over is told, where they have room for others.
func TestReadTellsWhatItLeavesToTheProvider(t *testing.T) {
	const inner = "network of interface ethernet1/"
	for name, c := range map[string]struct {
		parts parts
		want  []string
	}{
		"outside":            {parts{network: staticLines + defaultRoute, vsys: twoZones}, []string{"203.0.113.0/29 " + inner + "1, which faces the internet", "2001:db8:1::/64 " + inner + "1, which faces the internet"}},
		"with the neighbour": {parts{network: strings.NewReplacer("/29", "/30", "::2/64", "::2/127").Replace(staticLines) + defaultRoute, vsys: twoZones}, nil},
		"nobody knows": {parts{network: strings.Replace(staticLines, "2001:db8:1::2/64", "fe80::1/64", 1), vsys: twoZones}, []string{
			"203.0.113.0/29 " + inner + "1, of which it is not known whether it faces the internet",
			"198.51.100.0/27 " + inner + "2, of which it is not known whether it faces the internet",
			"192.0.2.128/28 " + inner + "3.100, of which it is not known whether it faces the internet"}},
	} {
		var got []string
		for _, e := range c.parts.facts(t).Read().Partly {
			got = append(got, e.Prefix.String()+" "+e.What)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Without a firewall nothing is read, and the same facts give the same answer.
func TestReadIsDeterministic(t *testing.T) {
	f := parts{network: staticLines + defaultRoute, vsys: twoZones}.facts(t)
	first := fmt.Sprint(f.Read())
	for range 20 {
		if again := fmt.Sprint(f.Read()); again != first {
			t.Fatalf("%s\n%s", first, again)
		}
	}
	if a := (&Facts{}).Read(); len(a.Entries)+len(a.Names)+len(a.Pending)+len(a.Troubles) > 0 {
		t.Errorf("nothing names %+v", a)
	}
}

// The default routes say what faces the internet, of each router for itself; a name only where none does, and then of no network.
func TestWhatFacesTheInternet(t *testing.T) {
	zones := func(second, third string) string {
		return `<zone><entry name="untrust"><network><layer3><member>ethernet1/1</member></layer3></network></entry><entry name="` + second + `"><network><layer3>
<member>ethernet1/2</member></layer3></network></entry><entry name="` + third + `"><network><layer3><member>ethernet1/3.100</member></layer3></network></entry></zone>`
	}
	router := func(name, interfaces, hop string) string {
		members := "<member>" + strings.ReplaceAll(interfaces, " ", "</member><member>") + "</member>"
		return `<entry name="` + name + `"><interface>` + members + `</interface><routing-table><ip><static-route><entry name="out"><destination>0.0.0.0/0</destination><nexthop>` +
			hop + `</nexthop></entry></static-route></ip></routing-table></entry>`
	}
	virtual := func(routers ...string) string {
		return staticLines + "<virtual-router>" + strings.Join(routers, "") + "</virtual-router>"
	}
	logical := func(name, interfaces, hop string) string {
		return `<entry name="` + name + `"><vrf>` + router("default", interfaces, hop) + `</vrf></entry>`
	}
	forward := func(destination, service string) string {
		return `<rulebase><pbf><rules><entry name="second"><destination><member>` + destination + `</member></destination><application><member>any</member></application>
<service><member>` + service + `</member></service><action><forward><egress-interface>ethernet1/3.100</egress-interface></forward></action></entry></rules></pbf></rulebase>`
	}
	const (
		isp, second, third = "<ip-address>203.0.113.1</ip-address>", "ethernet1/2", "ethernet1/3.100"
		all                = "ethernet1/1 " + second + " " + third
	)
	both, first := []string{second, third}, []string{second}
	for name, c := range map[string]struct {
		parts  parts
		inside []string // interfaces whose networks are taken whole
	}{
		"a town and a DMZ":                      {parts{network: virtual(router("default", all, isp)), vsys: zones("Swansea", "internet-dmz")}, both},
		"names, without a default route":        {parts{network: virtual(), vsys: zones("Swansea", "internet-dmz")}, nil},
		"a default route to nowhere known":      {parts{network: virtual(router("default", all, "<ip-address>8.8.8.8</ip-address>")), vsys: zones("a", "b")}, nil},
		"a router that knows no default route":  {parts{network: virtual(router("one", "ethernet1/1 "+second, isp), `<entry name="two"><interface><member>`+third+`</member></interface></entry>`), vsys: zones("a", "b")}, first},
		"a router that leads to another":        {parts{network: virtual(router("one", "ethernet1/1 "+second, isp), router("two", third, "<next-vr>one</next-vr>")), vsys: zones("a", "b")}, both},
		"a router with a line of its own":       {parts{network: virtual(router("one", "ethernet1/1 "+second, isp), router("two", third, "<ip-address>192.0.2.130</ip-address>")), vsys: zones("a", "b")}, first},
		"logical routers":                       {parts{network: staticLines + "<logical-router>" + logical("one", "ethernet1/1 "+second, isp) + logical("two", third, "<next-lr>one</next-lr>") + "</logical-router>", vsys: zones("a", "b")}, both},
		"a logical router without":              {parts{network: staticLines + "<logical-router>" + logical("one", "ethernet1/1 "+second, isp) + logical("two", third, "<discard/>") + "</logical-router>", vsys: zones("a", "b")}, first},
		"a second line by policy":               {parts{network: virtual(router("default", all, isp)), vsys: zones("a", "b") + forward("any", "any")}, first},
		"a proxy by policy":                     {parts{network: virtual(router("default", all, isp)), vsys: zones("a", "b") + forward("any", "service-http")}, both},
		"a branch by policy":                    {parts{network: virtual(router("default", all, isp)), vsys: zones("a", "b") + forward("10.9.0.0/16", "any")}, both},
		"a line of a router elsewhere":          {parts{network: virtual(router("default", all, isp), router("more", "", "<ip-address>192.0.2.130</ip-address>")), vsys: zones("a", "b")}, both}, // the other router has no such interface
		"a zone of the same name next door":     {parts{network: virtual(router("one", "ethernet1/1", isp)), vsys: strings.Replace(zones("a", "b"), "ethernet1/1", "ethernet1/9", 1), interfaces: `<entry><name>ethernet1/1</name><zone>a</zone><vsys>2</vsys></entry>` + `<entry><name>ethernet1/2</name><fwd>vr:one</fwd></entry><entry><name>ethernet1/3.100</name><fwd>vr:one</fwd></entry>`}, both},
		"the router that an interface has now":  {parts{network: virtual(router("one", "ethernet1/1", isp)), vsys: zones("a", "b"), interfaces: `<entry><name>ethernet1/3.100</name><zone>b</zone><fwd>vr:two</fwd><vsys>1</vsys></entry>`}, first},
		"zones that are set against the routes": {parts{network: virtual(router("default", all, isp)), vsys: zones("a", "b"), zones: []string{"untrust", "b"}}, first},
	} {
		var got []string
		for _, e := range c.parts.facts(t).Read().Entries {
			if i, ok := strings.CutPrefix(e.What, "network of interface "); ok && !Private(e.Prefix) && !slices.Contains(got, i) {
				got = append(got, i)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, c.inside) {
			t.Errorf("%s: taken whole are the networks of %q", name, got)
		}
	}
}

// The name of a zone decides about destination NAT alone, and only where no default route is known.
func TestTheNameOfAZoneStandsForADefaultRoute(t *testing.T) {
	rule := func(from string) string {
		return `<rulebase><nat><rules><entry name="r"><from><member>` + from + `</member></from><to><member>elsewhere</member></to><destination><member>198.51.100.25</member></destination>
<destination-translation><translated-address>10.1.0.25</translated-address></destination-translation></entry></rules></nat></rulebase>`
	}
	zones := strings.Replace(twoZones, `"dmz"`, `"internet-dmz"`, 1)
	for name, c := range map[string]struct {
		parts parts
		want  bool
	}{
		"a name, and no route":                {parts{network: staticLines, vsys: zones + rule("untrust")}, true},
		"a name that is none":                 {parts{network: staticLines, vsys: strings.Replace(twoZones, `"dmz"`, `"Swansea"`, 1) + rule("Swansea")}, false},
		"a name against the route":            {parts{network: staticLines + defaultRoute, vsys: zones + rule("internet-dmz")}, false},
		"the zone that the route leaves by":   {parts{network: staticLines + defaultRoute, vsys: strings.Replace(zones, "untrust", "line", 1) + rule("line")}, true},
		"a zone that has no interface":        {parts{network: staticLines + defaultRoute, vsys: zones + rule("wan-wire")}, true},
		"a name against the zones that count": {parts{network: staticLines, vsys: zones + rule("internet-dmz"), zones: []string{"untrust"}}, false},
	} {
		got := slices.ContainsFunc(c.parts.facts(t).Read().Entries, func(e Entry) bool { return e.What == "NAT rule r destination" })
		if got != c.want {
			t.Errorf("%s: what the rule translates is ours: %v", name, got)
		}
	}
}

func TestStaticRoutes(t *testing.T) {
	route := func(name, destination, rest string) string {
		return `<entry name="` + name + `"><destination>` + destination + `</destination>` + rest + `</entry>`
	}
	routes := route("out", "0.0.0.0/0", "<interface>ethernet1/1</interface>") +
		route("branch", "198.51.100.64/26", "<nexthop><ip-address>198.51.100.2</ip-address></nexthop>") +
		route("outside", "198.51.100.128/26", "<nexthop><ip-address>203.0.113.3</ip-address></nexthop>") +
		route("named", "192.0.2.0/25", "<interface>ethernet1/2</interface>") +
		route("discarded", "192.0.2.192/26", "<nexthop><discard/></nexthop>") +
		route("other router", "192.0.2.192/26", "<nexthop><next-vr>two</next-vr></nexthop>") +
		route("lost", "192.0.2.192/26", "<nexthop><ip-address>8.8.8.8</ip-address></nexthop>") +
		route("everything", "32.0.0.0/4", "<interface>ethernet1/2</interface>") +
		route("private", "10.0.0.0/8", "<interface>ethernet1/2</interface>") +
		route("object", "site", "<interface>ethernet1/2</interface>")
	tables := map[string]string{
		"virtual router": `<virtual-router><entry name="default"><routing-table><ip><static-route>` + routes + `</static-route></ip></routing-table></entry></virtual-router>`,
		"logical router": `<logical-router><entry name="default"><vrf><entry name="default"><routing-table><ip><static-route>` + routes +
			`</static-route></ip></routing-table></entry></vrf></entry></logical-router>`,
	}
	want := []string{
		"network 10.0.0.0/8: static route private",
		"network 192.0.2.0/25: static route named",
		"network 198.51.100.64/26: static route branch",
		"network 2001:db8:7::/48: static route object",
		"peer 8.8.8.8/32: next hop of static route lost",
		"peer 198.51.100.2/32: next hop of static route branch",
		"peer 203.0.113.3/32: next hop of static route outside",
		"trouble: static route everything names 32.0.0.0/4, which is wider than /16 and is left out",
	}
	for name, table := range tables {
		p := parts{network: staticLines + table, vsys: twoZones, shared: `<address><entry name="site"><ip-netmask>2001:db8:7::/48</ip-netmask></entry></address>`}
		got := slices.DeleteFunc(lines(p.facts(t).Read()), func(line string) bool { return strings.Contains(line, "interface ethernet") })
		if !slices.Equal(got, want) {
			t.Errorf("%s: got:\n%s", name, strings.Join(got, "\n"))
		}
	}
}

func TestNAT(t *testing.T) {
	rule := func(name, from, to, rest string) string {
		return `<entry name="` + name + `"><from><member>` + from + `</member></from><to><member>` + to + `</member></to>` + rest + `</entry>`
	}
	translated := func(kind, what string) string {
		return "<source-translation><" + kind + "><translated-address>" + what + "</translated-address></" + kind + "></source-translation>"
	}
	destination := func(what, to string) string {
		return "<destination><member>" + what + "</member></destination><destination-translation><translated-address>" + to + "</translated-address></destination-translation>"
	}
	objects := `<address><entry name="pool"><ip-range>198.51.100.8-198.51.100.13</ip-range></entry><entry name="mail"><ip-netmask>198.51.100.25</ip-netmask></entry>
<entry name="wide"><ip-range>20.0.0.0-20.255.255.255</ip-range></entry><entry name="app"><fqdn>App.example.com</fqdn></entry><entry name="odd"><ip-wildcard>10.0.0.0/0.0.0.255</ip-wildcard></entry></address>
<address-group><entry name="both"><static><member>pool</member><member>mail</member></static></entry><entry name="loop"><static><member>loop</member></static></entry>
<entry name="dyn"><dynamic><filter>'x'</filter></dynamic></entry></address-group>`
	for name, c := range map[string]struct {
		rule string
		want []string
	}{
		"an address":    {rule("r", "dmz", "untrust", translated("dynamic-ip-and-port", "<member>203.0.113.5</member>")), []string{"network 203.0.113.5/32: NAT rule r source translation"}},
		"a pool":        {rule("r", "dmz", "untrust", translated("dynamic-ip", "<member>203.0.113.64/28</member>")), []string{"network 203.0.113.64/28: NAT rule r source translation"}},
		"one for one":   {rule("r", "dmz", "untrust", translated("static-ip", "mail")), []string{"network 198.51.100.25/32: NAT rule r source translation"}},
		"an object":     {rule("r", "dmz", "untrust", translated("dynamic-ip", "<member>pool</member>")), []string{"network 198.51.100.8/30: NAT rule r source translation", "network 198.51.100.12/31: NAT rule r source translation"}},
		"a group":       {rule("r", "dmz", "untrust", translated("dynamic-ip", "<member>both</member>")), []string{"network 198.51.100.8/30: NAT rule r source translation", "network 198.51.100.12/31: NAT rule r source translation", "network 198.51.100.25/32: NAT rule r source translation"}},
		"an interface":  {rule("r", "dmz", "untrust", "<source-translation><dynamic-ip-and-port><interface-address><interface>ethernet1/1</interface><ip>203.0.113.6/29</ip></interface-address></dynamic-ip-and-port></source-translation>"), []string{"network 203.0.113.6/32: NAT rule r source translation"}},
		"to a server":   {rule("r", "untrust", "untrust", destination("mail", "10.1.0.25")), []string{"network 10.1.0.25/32: NAT rule r destination translation", "network 198.51.100.25/32: NAT rule r destination"}},
		"to a name":     {rule("r", "untrust", "untrust", strings.ReplaceAll(destination("mail", "app"), "destination-translation", "dynamic-destination-translation")), []string{"network 198.51.100.25/32: NAT rule r destination", "network by name: NAT rule r destination translation app.example.com"}},
		"from anywhere": {rule("r", "any", "untrust", destination("mail", "10.1.0.25")), []string{"network 10.1.0.25/32: NAT rule r destination translation", "network 198.51.100.25/32: NAT rule r destination"}},
		"to anything":   {rule("r", "untrust", "untrust", destination("any", "10.1.0.25")), []string{"network 10.1.0.25/32: NAT rule r destination translation"}},
		"outward, which translates somebody else's": {rule("r", "dmz", "untrust", destination("8.8.8.8", "10.1.0.53")), nil},
		"disabled":          {rule("r", "dmz", "untrust", translated("static-ip", "mail")+"<disabled>yes</disabled>"), nil},
		"too wide":          {rule("r", "dmz", "untrust", translated("dynamic-ip", "<member>wide</member>")), []string{"trouble: NAT rule r source translation names the range 20.0.0.0-20.255.255.255, which is wider than /16 and is left out"}},
		"nothing":           {rule("r", "dmz", "untrust", translated("dynamic-ip", "<member>gone</member>")), []string{`trouble: NAT rule r source translation names "gone", which is no address and no address object that could be read, and is left out`}},
		"a wildcard":        {rule("r", "dmz", "untrust", translated("dynamic-ip", "<member>odd</member>")), []string{`trouble: NAT rule r source translation names the address object "odd", which is neither a network, a range nor a name, and is left out`}},
		"a group of tags":   {rule("r", "dmz", "untrust", translated("dynamic-ip", "<member>dyn</member>")), []string{`trouble: NAT rule r source translation names the dynamic address group "dyn", whose members are not read, and it is left out`}},
		"a group in itself": {rule("r", "dmz", "untrust", translated("dynamic-ip", "<member>loop</member>")), []string{`trouble: NAT rule r source translation names the dynamic address group "loop", whose members are not read, and it is left out`}},
	} {
		t.Run(name, func(t *testing.T) {
			for where, p := range map[string]parts{
				"its own": {network: defaultRoute, vsys: "<rulebase><nat><rules>" + c.rule + "</rules></nat></rulebase>", shared: objects},
				"pushed":  {network: defaultRoute, pushed: "<pre-rulebase><nat><rules>" + c.rule + "</rules></nat></pre-rulebase>" + objects},
			} {
				got := slices.DeleteFunc(lines(p.facts(t).Read()), func(line string) bool { return strings.Contains(line, "next hop") })
				if !slices.Equal(got, c.want) {
					t.Errorf("%s: got:\n%s", where, strings.Join(got, "\n"))
				}
			}
		})
	}
}

func TestGlobalProtectAndTunnels(t *testing.T) {
	p := parts{
		vsys: `<global-protect><global-protect-portal><entry name="portal"><portal-config><local-address><interface>loopback.1</interface><ip><ipv4>203.0.113.9</ipv4></ip></local-address>
</portal-config></entry></global-protect-portal><global-protect-gateway><entry name="gw"><local-address><ip><ipv4>203.0.113.10/32</ipv4><ipv6>2001:db8::10</ipv6></ip></local-address>
<remote-user-tunnel-configs><entry name="all"><ip-pool><member>198.51.100.128-198.51.100.131</member><member>10.9.0.0/16</member></ip-pool></entry></remote-user-tunnel-configs>
</entry></global-protect-gateway></global-protect>`,
		network: `<tunnel><global-protect-gateway><entry name="gw-N"><client><ip-pool><member>10.8.0.0/16</member></ip-pool></client></entry></global-protect-gateway>
<gre><entry name="g"><local-address><interface>ethernet1/1</interface><ip>203.0.113.2/29</ip></local-address><peer-address><ip>192.0.2.77</ip></peer-address></entry></gre>
<ipsec><entry name="sat"><global-protect-satellite><portal-address>portal.example.net</portal-address></global-protect-satellite></entry></ipsec></tunnel>
<ike><gateway><entry name="office"><local-address><interface>ethernet1/1</interface><ip>203.0.113.3/29</ip></local-address><peer-address><ip>192.0.2.7</ip></peer-address></entry>
<entry name="cloud"><peer-address><fqdn>VPN.example.net</fqdn></peer-address></entry><entry name="roaming"><peer-address><dynamic/></peer-address></entry></gateway></ike>
<virtual-router><entry name="default"><protocol><bgp><peer-group><entry name="up"><peer><entry name="isp"><peer-address><ip>192.0.2.1/30</ip></peer-address></entry></peer></entry></peer-group></bgp></protocol></entry></virtual-router>
<logical-router><entry name="lr"><vrf><entry name="default"><bgp><peer-group><entry name="up"><peer><entry name="isp-2"><peer-address><ip>isp-two</ip></peer-address></entry></peer></entry></peer-group></bgp></entry></vrf></entry></logical-router>`,
		shared: `<address><entry name="isp-two"><ip-netmask>192.0.2.5/30</ip-netmask></entry></address>`,
	}
	want := []string{
		"network 10.8.0.0/16: GlobalProtect gateway gw-N IP pool",
		"network 10.9.0.0/16: GlobalProtect gateway gw IP pool",
		"network 198.51.100.128/30: GlobalProtect gateway gw IP pool",
		"network 203.0.113.2/32: GRE tunnel g",
		"network 203.0.113.3/32: IKE gateway office",
		"network 203.0.113.9/32: GlobalProtect portal portal",
		"network 203.0.113.10/32: GlobalProtect gateway gw",
		"network 2001:db8::10/128: GlobalProtect gateway gw",
		"peer 192.0.2.1/32: BGP peer isp",
		"peer 192.0.2.5/32: BGP peer isp-2",
		"peer 192.0.2.7/32: peer of IKE gateway office",
		"peer 192.0.2.77/32: peer of GRE tunnel g",
		"peer by name: peer of IKE gateway cloud vpn.example.net",
		"peer by name: portal of GlobalProtect satellite sat portal.example.net",
	}
	if got := lines(p.facts(t).Read()); !slices.Equal(got, want) {
		t.Errorf("got:\n%s", strings.Join(got, "\n"))
	}
}

func TestServers(t *testing.T) {
	server := func(field, at string) string {
		return `<server><entry name="s"><` + field + `>` + at + `</` + field + `></entry></server>`
	}
	p := parts{
		system: `<system><dns-setting><servers><primary>192.0.2.53</primary><secondary>2001:db8::53</secondary></servers></dns-setting><ntp-servers><primary-ntp-server><ntp-server-address>ntp.example.net</ntp-server-address>
</primary-ntp-server></ntp-servers><update-server>updates.example.net</update-server><panorama><local-panorama><panorama-server>192.0.2.60</panorama-server></local-panorama></panorama></system>`,
		network: `<dns-proxy><entry name="p"><default><primary>192.0.2.54</primary><inheritance><source>ethernet1/1</source></inheritance></default></entry></dns-proxy>`,
		shared: `<log-settings><syslog><entry name="a">` + server("server", "192.0.2.61") + `</entry></syslog><email><entry name="a">` + server("gateway", "mail.example.net") + `</entry></email></log-settings>
<server-profile><ldap><entry name="a">` + server("address", "192.0.2.62") + `</entry></ldap><radius><entry name="a">` + server("ip-address", "192.0.2.63") + `</entry></radius>
<tacplus><entry name="a">` + server("address", "192.0.2.64") + `</entry></tacplus><saml-idp><entry name="a"><sso-url>https://login.example.net/sso</sso-url><slo-url>https://login.example.net/slo</slo-url></entry></saml-idp>
<dns><entry name="a"><primary>inherited</primary></entry></dns></server-profile>`,
		vsys: `<external-list><entry name="e"><type><ip><url>https://192.0.2.70:8443/list.txt</url></ip></type></entry><entry name="v6"><type><domain><url>https://[2001:db8::70]/x</url></domain></type></entry>
<entry name="vendor"><type><predefined-ip><url>panw-highrisk-ip-list</url></predefined-ip></type></entry><entry name="n"><type><url><url>http://lists.example.net/u</url></url></type></entry></external-list>`,
	}
	want := []string{
		"peer 192.0.2.53/32: DNS server", "peer 192.0.2.54/32: DNS server", "peer 192.0.2.60/32: Panorama", "peer 192.0.2.61/32: syslog server",
		"peer 192.0.2.62/32: LDAP server", "peer 192.0.2.63/32: RADIUS server", "peer 192.0.2.64/32: TACACS+ server",
		"peer 192.0.2.70/32: server of External Dynamic List e", "peer 2001:db8::53/128: DNS server", "peer 2001:db8::70/128: server of External Dynamic List v6",
		"peer by name: NTP server ntp.example.net", "peer by name: update server updates.example.net", "peer by name: mail server mail.example.net",
		"peer by name: SAML identity provider login.example.net", "peer by name: server of External Dynamic List n lists.example.net",
	}
	if got := lines(p.facts(t).Read()); !slices.Equal(got, want) {
		t.Errorf("got:\n%s", strings.Join(got, "\n"))
	}
}

func TestResolved(t *testing.T) {
	a := Answer{
		Entries: []Entry{{netip.MustParsePrefix("192.0.2.1/32"), Peer, "DNS server"}},
		Names:   []Name{{"a.example.net", Peer, "NTP server a.example.net"}, {"b.example.net", Peer, "mail server b.example.net"}, {"c.example.net", Network, "NAT rule r c.example.net"}},
	}
	many := make([]netip.Addr, 0, 65)
	for i := range 65 {
		many = append(many, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}))
	}
	got := lines(a.Resolved(map[string][]netip.Addr{"a.example.net": {netip.MustParseAddr("::ffff:192.0.2.9"), netip.MustParseAddr("2001:db8::9")}, "b.example.net": many}))
	want := []string{
		"peer 192.0.2.1/32: DNS server", "peer 192.0.2.9/32: NTP server a.example.net", "peer 2001:db8::9/128: NTP server a.example.net",
		"network pending: NAT rule r c.example.net",
		"trouble: mail server b.example.net has more than 64 addresses, and is left out",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s", strings.Join(got, "\n"))
	}
	if len(lines(a)) != 4 {
		t.Errorf("the answer itself was changed: %s", lines(a))
	}
	if b := a.Resolved(map[string][]netip.Addr{"b.example.net": many[:64]}); len(b.Entries) != 65 || len(b.Troubles) != 0 {
		t.Errorf("64 addresses: %d entries, %v", len(b.Entries), b.Troubles)
	}
}
