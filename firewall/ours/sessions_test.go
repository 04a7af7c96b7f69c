package ours

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"activedefense/firewall/xmlapi"
)

// What peers send to the firewall itself has both ends, and the zones by which it arrives.
func TestSessions(t *testing.T) {
	local := func(at, ip string) string {
		return "<local-address><interface>" + at + "</interface>" + ip + "</local-address>"
	}
	gateway := func(name, inside, peer string) string {
		return `<entry name="` + name + `">` + inside + "<peer-address>" + peer + "</peer-address></entry>"
	}
	loopback := strings.Replace(staticLines, "</interface>", `<loopback><units><entry name="loopback.1"><ip><entry name="203.0.113.9"/></ip></entry><entry name="loopback.9"><ip><entry name="203.0.113.8"/></ip></entry></units></loopback></interface>`, 1)
	const bgp = `<protocol><bgp><enable>yes</enable><peer-group><entry name="up"><peer><entry name="isp"><local-address><interface>ethernet1/1</interface><ip>203.0.113.2/29</ip></local-address><peer-address><ip>isp</ip></peer-address></entry>
<entry name="inner"><peer-address><ip>10.1.7.7</ip></peer-address></entry><entry name="off"><enable>no</enable><peer-address><ip>10.1.7.8</ip></peer-address></entry></peer></entry></peer-group></bgp>
<ospf><enable>yes</enable><area><entry name="0.0.0.0"><interface><entry name="ethernet1/2"><neighbor><entry name="198.51.100.5"/></neighbor></entry><entry name="ethernet1/1"/></interface></entry></area></ospf></protocol>`
	routed := strings.Replace(defaultRoute, "<routing-table>", bgp+"<interface><member>ethernet1/1</member><member>ethernet1/2</member><member>ethernet1/3.100</member><member>loopback.1</member></interface><routing-table>", 1)
	routed = strings.Replace(routed, "<static-route>", `<static-route><entry name="far"><destination>192.0.2.0/26</destination><nexthop><ip-address>198.51.100.3</ip-address></nexthop></entry>`, 1)
	p := parts{
		network: loopback + routed + "<ike><gateway>" + gateway("branch", local("ethernet1/1", "<ip>203.0.113.3/29</ip>"), "<ip>192.0.2.200</ip>") +
			gateway("inside", local("loopback.1", ""), "<ip>192.0.2.7</ip>") + gateway("cloud", local("ethernet1/1", ""), "<fqdn>VPN.example.net</fqdn>") +
			gateway("roaming", local("ethernet1/1", ""), "<dynamic/>") + gateway("six", local("ethernet1/1", ""), "<ip>2001:db8:1::7</ip>") + gateway("far", local("ethernet1/1", ""), "<ip>2001:db8:9::7</ip>") +
			gateway("old", "<disabled>yes</disabled>"+local("ethernet1/1", ""), "<ip>192.0.2.201</ip>") + gateway("elsewhere", local("loopback.9", ""), "<ip>192.0.2.202</ip>") +
			"</gateway></ike><tunnel><gre>" + gateway("g", local("ethernet1/3.100", "<ip>192.0.2.129/28</ip>"), "<ip>192.0.2.130</ip>") + "</gre></tunnel>",
		vsys:   strings.Replace(twoZones, "<member>ethernet1/2</member>", "<member>ethernet1/2</member><member>loopback.1</member>", 1),
		shared: `<address><entry name="isp"><ip-netmask>203.0.113.1/29</ip-netmask></entry></address>`,
	}
	tell := func(f *Facts) (out []string) {
		for _, s := range f.Sessions() {
			out = append(out, fmt.Sprintf("%s %s: %v%s %v %v to %s", s.Protocol, s.What, s.Remote, s.Host, s.Local, s.From, s.To))
		}
		return out
	}
	want := []string{
		"IKE peer of IKE gateway branch: 192.0.2.200 203.0.113.3 [untrust] to untrust",
		"IKE peer of IKE gateway inside: 192.0.2.7 203.0.113.9 [dmz] to dmz", // by a static route
		"IKE peer of IKE gateway cloud: invalid IPvpn.example.net 203.0.113.2 [] to untrust",
		"IKE peer of IKE gateway roaming: invalid IP 203.0.113.2 [] to untrust",
		"IKE peer of IKE gateway six: 2001:db8:1::7 2001:db8:1::2 [untrust] to untrust",
		"IKE peer of IKE gateway far: 2001:db8:9::7 2001:db8:1::2 [untrust] to untrust", // by the default route of IPv4
		"GRE peer of GRE tunnel g: 192.0.2.130 192.0.2.129 [dmz] to dmz",
		"BGP BGP peer isp: 203.0.113.1 203.0.113.2 [untrust] to untrust", // an address object
		"BGP BGP peer inner: 10.1.7.7 198.51.100.1 [dmz] to dmz",         // no interface is named
		"OSPF OSPF neighbour of ethernet1/2: 198.51.100.5 198.51.100.1 [dmz] to dmz",
	}
	if got := tell(p.facts(t)); !slices.Equal(got, want) {
		t.Errorf("got:\n%s", strings.Join(got, "\n"))
	}
	if got := lines(p.facts(t).Read()); !slices.Contains(got, "peer 198.51.100.5/32: OSPF neighbour of ethernet1/2") {
		t.Errorf("the neighbour is no peer:\n%s", strings.Join(got, "\n"))
	}

	p = parts{network: strings.Replace(staticLines, `<ip><entry name="203.0.113.2/29"/></ip>`, "<dhcp-client/>", 1) + "<ike><gateway>" + gateway("branch", local("ethernet1/1", ""), "<ip>192.0.2.200</ip>") + "</gateway></ike>" +
		`<virtual-router><entry name="in"><interface><member>ethernet1/2</member></interface><protocol><bgp><enable>yes</enable><peer-group><entry name="up"><peer><entry name="far"><local-address><interface>ethernet1/2</interface></local-address><peer-address><ip>192.0.2.5</ip></peer-address></entry></peer></entry></peer-group></bgp></protocol>
<routing-table><ip><static-route><entry name="out"><destination>0.0.0.0/0</destination><nexthop><next-vr>edge</next-vr></nexthop></entry></static-route></ip></routing-table></entry><entry name="edge"><interface><member>ethernet1/1</member></interface></entry></virtual-router>`, vsys: twoZones}
	f := p.facts(t)
	if got := tell(f); !slices.Equal(got, []string{"IKE peer of IKE gateway branch: 192.0.2.200 invalid IP [untrust] to untrust", "BGP BGP peer far: 192.0.2.5 198.51.100.1 [untrust] to dmz"}) {
		t.Errorf("a line without a lease:\n%s", strings.Join(got, "\n"))
	}
	f.interfaces = xmlapi.ParseInterfaces(parse(t, "<result><ifnet><entry><name>ethernet1/1</name><ip>203.0.113.77/24</ip></entry></ifnet></result>"))
	if got := tell(f); got[0] != "IKE peer of IKE gateway branch: 192.0.2.200 203.0.113.77 [untrust] to untrust" {
		t.Errorf("with a lease:\n%s", strings.Join(got, "\n"))
	}
}

// A session may arrive by other zones than the routes of the configuration lead to: by a second line, as policy-based forwarding has it, or
// by wherever a learned route leads; not where the peer is in a connected network.
func TestSessionsOfOtherLines(t *testing.T) {
	const zones = `<zone><entry name="isp1"><network><layer3><member>ethernet1/1</member></layer3></network></entry><entry name="isp2"><network><layer3><member>ethernet1/2</member></layer3></network></entry>
<entry name="lan"><network><layer3><member>ethernet1/3.100</member></layer3></network></entry></zone>`
	gateway := func(at, peer string) string {
		return `<ike><gateway><entry name="b"><local-address><interface>` + at + `</interface></local-address><peer-address><ip>` + peer + `</ip></peer-address></entry></gateway></ike>`
	}
	forward := func(destination, more string) string {
		return `<rulebase><pbf><rules><entry name="f">` + more + `<destination><member>` + destination + `</member></destination><application><member>any</member></application><service><member>any</member></service>
<action><forward><egress-interface>ethernet1/2</egress-interface></forward></action></entry></rules></pbf></rulebase>`
	}
	routes := strings.Replace(defaultRoute, "<routing-table>", "<interface><member>ethernet1/1</member><member>ethernet1/2</member><member>ethernet1/3.100</member></interface><routing-table>", 1)
	learning := strings.Replace(routes, "<routing-table>", "<protocol><ospf><enable>yes</enable></ospf></protocol><routing-table>", 1)
	for name, c := range map[string]struct{ network, vsys, want string }{
		"no second line":              {routes + gateway("ethernet1/1", "192.0.2.7"), "", "[isp1] []"},
		"its address on a second one": {routes + gateway("ethernet1/2", "192.0.2.7"), forward("any", ""), "[isp1] [isp2]"},
		"forwarded there":             {routes + gateway("ethernet1/1", "192.0.2.7"), forward("192.0.2.0/28", ""), "[isp1] [isp2]"},
		"forwarded elsewhere":         {routes + gateway("ethernet1/1", "192.0.2.7"), forward("192.0.2.64/28", ""), "[isp1] []"},
		"all but it is forwarded":     {routes + gateway("ethernet1/1", "192.0.2.7"), forward("192.0.2.0/28", "<negate-destination>yes</negate-destination>"), "[isp1] []"},
		"to nobody knows where":       {routes + gateway("ethernet1/1", "192.0.2.7"), forward("gone", ""), "[isp1] [isp2]"},
		"no more":                     {routes + gateway("ethernet1/1", "192.0.2.7"), forward("any", "<disabled>yes</disabled>"), "[isp1] []"},
		"answers go back":             {routes + gateway("ethernet1/1", "192.0.2.7"), forward("any", "<enforce-symmetric-return><enabled>yes</enabled></enforce-symmetric-return><from><interface><member>ethernet1/3.100</member></interface></from>"), "[isp1] [isp2 lan]"},
		"learned":                     {learning + gateway("ethernet1/1", "192.0.2.7"), "", "[isp1] [isp2 lan]"},
		"connected":                   {learning + gateway("ethernet1/1", "203.0.113.1"), forward("any", ""), "[isp1] []"},
	} {
		all := parts{network: staticLines + c.network, vsys: zones + c.vsys}.facts(t).Sessions()
		if got := fmt.Sprint(all[0].From, all[0].Perhaps); len(all) != 1 || got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
