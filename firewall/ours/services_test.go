package ours

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall/xmlapi"
)

// The zones that face the internet follow from the default routes, whatever they are called.
func TestInternet(t *testing.T) {
	const dhcp = `<interface><ethernet><entry name="ethernet1/1"><layer3><dhcp-client/></layer3></entry></ethernet></interface>`
	named := strings.NewReplacer("untrust", "inside-office", `"dmz"`, `"internet"`).Replace(twoZones)
	vrf := strings.NewReplacer("virtual-router", "logical-router", "<routing-table>", `<vrf><entry name="default"><routing-table>`, "</routing-table>", "</routing-table></entry></vrf>").Replace(defaultRoute)
	bgp := `<virtual-router><entry name="edge"><interface><member>ethernet1/1</member></interface><protocol><bgp><enable>yes</enable></bgp></protocol></entry></virtual-router>`
	for name, c := range map[string]struct {
		parts   parts
		learned []xmlapi.DefaultRoute
		want    string
	}{
		"a static route":        {parts{network: staticLines + defaultRoute, vsys: twoZones}, nil, "[{untrust default route out by ethernet1/1}] "},
		"names are no evidence": {parts{network: staticLines + defaultRoute, vsys: named}, nil, "[{inside-office default route out by ethernet1/1}] "},
		"names alone tell nothing": {parts{network: staticLines, vsys: twoZones}, nil,
			"[] no default route leaves by any interface: neither a static one, nor one by DHCP, PPPoE or a routing protocol"},
		"the zones that are set do not matter": {parts{network: staticLines + defaultRoute, vsys: twoZones, zones: []string{"dmz"}}, nil, "[{untrust default route out by ethernet1/1}] "},
		"DHCP":                                 {parts{network: dhcp, vsys: twoZones}, nil, "[{untrust the default route that ethernet1/1 asks its provider for}] "},
		"PPPoE":                                {parts{network: strings.Replace(dhcp, "dhcp-client", "pppoe", 1), vsys: twoZones}, nil, "[{untrust the default route that ethernet1/1 asks its provider for}] "},
		"DHCP without a default route": {parts{network: strings.Replace(dhcp, "<dhcp-client/>", "<dhcp-client><create-default-route>no</create-default-route></dhcp-client>", 1), vsys: twoZones}, nil,
			"[] no default route leaves by any interface: neither a static one, nor one by DHCP, PPPoE or a routing protocol"},
		"a logical router":       {parts{network: staticLines + vrf, vsys: twoZones}, nil, "[{untrust default route out by ethernet1/1}] "},
		"learned":                {parts{network: staticLines + bgp, vsys: twoZones}, []xmlapi.DefaultRoute{{Router: "vr:edge", Interface: "ethernet1/1"}}, "[{untrust a default route by ethernet1/1, learned by a routing protocol}] "},
		"not learned at present": {parts{network: staticLines + bgp, vsys: twoZones}, nil, "[] vr:edge learns its default route by a routing protocol, and has none at present"},
		"two providers": {parts{network: staticLines + defaultRoute + strings.NewReplacer("ethernet1/1", "ethernet1/3", "edge", "second").Replace(bgp), vsys: twoZones},
			[]xmlapi.DefaultRoute{{Router: "vr:second", Interface: "ethernet1/3.100"}},
			"[{dmz a default route by ethernet1/3.100, learned by a routing protocol} {untrust default route out by ethernet1/1}] "},
		"a second line by forwarding": {parts{network: staticLines + defaultRoute, vsys: twoZones + `<rulebase><pbf><rules><entry name="backup"><destination><member>any</member></destination>
<application><member>any</member></application><service><member>any</member></service><action><forward><egress-interface>ethernet1/3.100</egress-interface></forward></action></entry></rules></pbf></rulebase>`}, nil,
			"[{untrust default route out by ethernet1/1}] [{dmz policy-based forwarding by ethernet1/3.100}]"},
		"both halves by another interface": {parts{network: staticLines + routesTo("0.0.0.0/1 ethernet1/2", "128.0.0.0/1 ethernet1/2", "0.0.0.0/0 ethernet1/1"), vsys: twoZones}, nil, "[{dmz route to 0.0.0.0/1, r0 by ethernet1/2}] "},
		"the halves by two interfaces": {parts{network: staticLines + routesTo("0.0.0.0/1 ethernet1/1", "128.0.0.0/1 ethernet1/2"), vsys: twoZones}, nil,
			"[{dmz route to 128.0.0.0/1, r1 by ethernet1/2} {untrust route to 0.0.0.0/1, r0 by ethernet1/1}] "},
		"one half by another interface": {parts{network: staticLines + routesTo("0.0.0.0/0 ethernet1/1", "128.0.0.0/1 ethernet1/2"), vsys: twoZones}, nil,
			"[{dmz route to 128.0.0.0/1, r1 by ethernet1/2} {untrust default route r0 by ethernet1/1}] "},
		"halves of IPv6":       {parts{network: staticLines + strings.ReplaceAll(routesTo("::/0 ethernet1/1", "::/1 ethernet1/2", "8000::/1 ethernet1/2"), "ip>", "ipv6>"), vsys: twoZones}, nil, "[{dmz route to ::/1, r1 by ethernet1/2}] "},
		"all of IPv6":          {parts{network: staticLines + strings.ReplaceAll(routesTo("2000::/3 ethernet1/2"), "ip>", "ipv6>"), vsys: twoZones}, nil, "[{dmz route to 2000::/3, r0 by ethernet1/2}] "},
		"multicast is no line": {parts{network: staticLines + routesTo("0.0.0.0/0 ethernet1/1", "224.0.0.0/3 ethernet1/2"), vsys: twoZones}, nil, "[{untrust default route r0 by ethernet1/1}] "},
		"another virtual system's": {parts{network: staticLines + defaultRoute, interfaces: `<entry><name>ethernet1/1</name><zone>outside</zone><vsys>2</vsys><ip>203.0.113.2/29</ip></entry>`}, nil,
			"[] the default route leaves by an interface in no zone of vsys1 (default route out by ethernet1/1)"},
		"virtual wire": {parts{network: `<interface><ethernet><entry name="ethernet1/1"><virtual-wire/></entry></ethernet></interface>`, vsys: strings.ReplaceAll(twoZones, "layer3", "virtual-wire")}, nil,
			"[] no default route leaves by any interface: neither a static one, nor one by DHCP, PPPoE or a routing protocol"},
	} {
		f := c.parts.facts(t)
		f.learned = c.learned
		in := f.Internet()
		got := fmt.Sprintf("%v %s", in.Zones, in.Why)
		if len(in.Perhaps) > 0 {
			got += fmt.Sprint(in.Perhaps)
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// routesTo is a virtual router with static routes, each "destination interface".
func routesTo(routes ...string) string {
	var entries strings.Builder
	for i, route := range routes {
		to, by, _ := strings.Cut(route, " ")
		fmt.Fprintf(&entries, `<entry name="r%d"><destination>%s</destination><interface>%s</interface></entry>`, i, to, by)
	}
	return `<virtual-router><entry name="default"><routing-table><ip><static-route>` + entries.String() + `</static-route></ip></routing-table></entry></virtual-router>`
}

// What the firewall serves is found wherever the configuration has it.
func TestServices(t *testing.T) {
	at := func(name string) string {
		return `<local-address><interface>` + name + `</interface><ip>203.0.113.2/29</ip></local-address>`
	}
	lines := strings.Replace(staticLines, `<entry name="ethernet1/1"><layer3>`, `<entry name="ethernet1/1"><layer3><interface-management-profile>ping</interface-management-profile><vrrp/>`, 1)
	lines = strings.Replace(lines, "<ipv6>", "<ipv6><enabled>yes</enabled>", 1)
	lines = strings.Replace(lines, `<entry name="ethernet1/2"><layer3>`, `<entry name="ethernet1/2"><layer3><interface-management-profile>none</interface-management-profile>`, 1)
	network := lines + `<profiles><interface-management-profile><entry name="ping"><ping>yes</ping></entry><entry name="none"><ping>no</ping></entry></interface-management-profile></profiles>
<ike><gateway><entry name="branch">` + at("ethernet1/1") + `</entry></gateway></ike><tunnel><gre><entry name="g">` + at("ethernet1/1") + `</entry></gre>
<global-protect-gateway><entry name="gw">` + at("loopback.1") + `</entry></global-protect-gateway></tunnel><dhcp><interface><entry name="ethernet1/2"><server/></entry></interface></dhcp>
<dns-proxy><entry name="names"><interface><member>ethernet1/2</member></interface></entry></dns-proxy>
<virtual-router><entry name="default"><interface><member>ethernet1/1</member></interface><protocol><bgp><enable>yes</enable></bgp>
<ospf><enable>yes</enable><area><entry name="0.0.0.0"><interface><entry name="ethernet1/1"/></interface></entry></area></ospf>
<ospfv3><enable>no</enable><area><entry name="0.0.0.0"><interface><entry name="ethernet1/1"/></interface></entry></area></ospfv3></protocol>
<multicast><enable>yes</enable></multicast></entry></virtual-router>`
	zones := strings.Replace(twoZones, "<member>ethernet1/1</member>", "<member>ethernet1/1</member><member>loopback.1</member>", 1)
	f := parts{network: network, vsys: zones + `<global-protect><global-protect-portal><entry name="p"><portal-config>` + at("ethernet1/1") + `</portal-config></entry></global-protect-portal></global-protect>`,
		system: `<system><route><service><entry name="dns"><source><interface>ethernet1/1</interface></source></entry><entry name="ntp"><source><interface>MGT</interface></source></entry></service></route></system>`}.facts(t)
	var got []string
	for _, s := range f.Services() {
		got = append(got, s.Zone+" "+s.Interface+" "+s.What)
	}
	want := []string{
		"dmz ethernet1/2 DHCP server or relay", "dmz ethernet1/2 DNS proxy names",
		"untrust ethernet1/1 BGP of vr:default", "untrust ethernet1/1 GRE tunnel g", "untrust ethernet1/1 GlobalProtect portal p", "untrust ethernet1/1 IKE gateway branch",
		"untrust ethernet1/1 IPv6 neighbour discovery", "untrust ethernet1/1 OSPF", "untrust ethernet1/1 PIM or IGMP of vr:default", "untrust ethernet1/1 VRRP",
		"untrust ethernet1/1 management profile ping", "untrust ethernet1/1 service route dns", "untrust loopback.1 GlobalProtect gateway gw",
	}
	if !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	watching := parts{network: staticLines + strings.NewReplacer("<routing-table>", "<interface><member>ethernet1/1</member></interface><routing-table>", "<nexthop>", "<path-monitor><enable>yes</enable></path-monitor><bfd><profile>None</profile></bfd><nexthop>").Replace(defaultRoute), vsys: twoZones + `<rulebase><pbf><rules><entry name="b"><action><forward><monitor/><egress-interface>ethernet1/2</egress-interface></forward></action></entry></rules></pbf></rulebase>`,
		system: `<high-availability><group><monitoring><path-monitoring><path-group><virtual-router><entry name="default"><destination-ip-group/><destination-ip/></entry></virtual-router></path-group></path-monitoring></monitoring></group></high-availability>`}.facts(t).Services()
	for _, what := range []string{"path monitoring of routes of vr:", "path monitoring of high availability", "path monitoring of policy-based forwarding b"} {
		if !slices.ContainsFunc(watching, func(s Service) bool { return strings.HasPrefix(s.What, what) }) {
			t.Errorf("no %s: %v", what, watching)
		}
	}
	if slices.ContainsFunc(watching, func(s Service) bool { return strings.HasPrefix(s.What, "BFD") }) {
		t.Errorf("BFD that is off: %v", watching)
	}
	counted := parts{network: strings.Replace(staticLines, "</ethernet>", `</ethernet><tunnel><units><entry name="tunnel.1"/></units></tunnel>`, 1),
		vsys: strings.Replace(twoZones, "<member>ethernet1/1</member>", "<member>ethernet1/1</member><member>tunnel.1</member>", 1)}.facts(t)
	if in := counted.InterfacesOf("untrust"); !slices.Equal(in, []string{"ethernet1/1", "tunnel.1"}) {
		t.Errorf("one without an address is a member of the zone: %v", in)
	}
	if in := f.InterfacesOf("dmz"); !slices.Equal(in, []string{"ethernet1/2", "ethernet1/3.100"}) {
		t.Errorf("in the zone: %v", in)
	}
	if quiet := (parts{network: staticLines + defaultRoute, vsys: twoZones}).facts(t).Services(); len(quiet) > 0 {
		t.Errorf("a firewall that serves nothing: %v", quiet)
	}
}

// What comes from a zone may go back into it by a NAT rule, unless what it translates to is known to be elsewhere.
func TestServicesOfNATAndPortal(t *testing.T) {
	nat := func(from, to string) string {
		return `<rulebase><nat><rules><entry name="r"><from><member>` + from + `</member></from><destination-translation><translated-address>` + to + `</translated-address></destination-translation></entry></rules></nat></rulebase>`
	}
	portal := func(host string) string {
		return `<captive-portal><enable-captive-portal>yes</enable-captive-portal><mode><redirect/></mode><redirect-host>` + host + `</redirect-host></captive-portal>`
	}
	const rule, captive = "[{untrust ethernet1/1 destination NAT rule r}]", "[{untrust ethernet1/1 captive portal}]"
	for name, c := range map[string]struct{ vsys, want string }{
		"back behind the same interface":  {nat("untrust", "203.0.113.3"), rule},
		"out by the default route":        {nat("untrust", "8.8.8.8"), rule},
		"to what is not known":            {nat("untrust", "gone"), rule},
		"to the other zone":               {nat("untrust", "10.1.0.9"), "[]"},
		"from any to the other zone":      {nat("any", "203.0.113.3"), rule},
		"portal on the uplink":            {portal("203.0.113.2"), captive},
		"portal on no interface":          {portal("192.0.2.1"), "[]"},
		"portal of the name of somewhere": {portal("auth.example.com"), "[{dmz ethernet1/2 captive portal} {dmz ethernet1/3.100 captive portal} {untrust ethernet1/1 captive portal}]"},
	} {
		if got := fmt.Sprint((parts{network: staticLines + defaultRoute, vsys: twoZones + c.vsys}).facts(t).Services()); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// Groups that hold the same groups over and over are looked into once, not once for each way to them.
func TestGroupsAreLookedIntoOnce(t *testing.T) {
	const levels, width = 14, 6
	var groups strings.Builder
	for i := range levels {
		for k := range width {
			fmt.Fprintf(&groups, `<entry name="g%dx%d"><static>`, i, k)
			for j := range width {
				fmt.Fprintf(&groups, `<member>g%dx%d</member>`, i+1, j)
			}
			groups.WriteString(`</static></entry>`)
		}
	}
	for k := range width {
		fmt.Fprintf(&groups, `<entry name="g%dx%d"><static><member>203.0.113.%d</member></static></entry>`, levels, k, k)
	}
	r := parts{vsys: `<address-group>` + groups.String() + `</address-group>`}.facts(t).reader()
	r.take("g0x0", Network, "what is asked")
	if all := r.sorted().Entries; len(all) != width {
		t.Errorf("%v", all)
	}
}
