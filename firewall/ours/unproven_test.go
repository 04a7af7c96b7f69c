package ours

import (
	"fmt"
	"strings"
	"testing"
)

// What is not known to be harmless on an interface of the zone is named, whatever it is; what is known to be is not, nor what is elsewhere.
func TestUnproven(t *testing.T) {
	on := func(settings string) string {
		return strings.Replace(staticLines, `<entry name="ethernet1/1"><layer3>`, `<entry name="ethernet1/1"><layer3>`+settings, 1) + defaultRoute
	}
	router := func(settings string) string {
		return staticLines + strings.Replace(defaultRoute, "<routing-table>", settings+"<routing-table>", 1)
	}
	ha := func(settings string) string { return `<high-availability>` + settings + `</high-availability>` }
	plain := staticLines + defaultRoute
	for name, c := range map[string]struct{ network, system, vsys, shared, want string }{
		"nothing":                                   {network: plain},
		"what passes is subject to":                 {network: on(`<mtu>1500</mtu><adjust-tcp-mss><enable>yes</enable></adjust-tcp-mss><lldp><enable>yes</enable></lldp><ndp-proxy><enabled>no</enabled></ndp-proxy><sdwan-link-settings><enable>no</enable></sdwan-link-settings>`)},
		"a setting of the interface":                {network: on(`<bonjour><enable>yes</enable></bonjour>`), want: "interface setting bonjour"},
		"one nobody knows":                          {network: on(`<telepathy><to>all</to></telepathy>`), want: "interface setting telepathy"},
		"SD-WAN on the interface":                   {network: on(`<sdwan-link-settings><enable>yes</enable></sdwan-link-settings>`), want: "interface setting sdwan-link-settings"},
		"SD-WAN over it":                            {network: strings.Replace(plain, "</interface>", `<sdwan><units><entry name="sdwan.1"><interface><member>ethernet1/1</member></interface></entry></units></sdwan></interface>`, 1), want: "network/interface/sdwan/units/sdwan.1/interface"},
		"SD-WAN elsewhere":                          {network: strings.Replace(plain, "</interface>", `<sdwan><units><entry name="sdwan.1"><interface><member>ethernet1/2</member></interface></entry></units></sdwan></interface>`, 1)},
		"explicit proxy":                            {network: plain + `<secure-web-gateway><enablement>explicit</enablement></secure-web-gateway>`, want: "network/secure-web-gateway"},
		"a kind of tunnel":                          {network: plain + `<tunnel><l2tp><entry name="a"/></l2tp></tunnel>`, want: "network/tunnel/l2tp"},
		"a tunnel monitor":                          {network: plain + `<tunnel><ipsec><entry name="a"><tunnel-interface>ethernet1/1</tunnel-interface></entry></ipsec></tunnel>`, want: "network/tunnel/ipsec/a/tunnel-interface"},
		"IKE of another interface":                  {network: plain + `<ike><gateway><entry name="b"><local-address><interface>ethernet1/2</interface></local-address></entry></gateway></ike>`},
		"IKE by address alone":                      {network: plain + `<ike><gateway><entry name="b"><local-address><ip>203.0.113.3</ip></local-address></entry></gateway></ike>`, want: "network/ike/gateway/b/local-address/ip"},
		"a protocol nobody knows":                   {network: router(`<protocol><eigrp><enable>yes</enable></eigrp></protocol>`), want: "protocol/eigrp of vr:default"},
		"one that does not say":                     {network: router(`<protocol><rip><interface/><allow>yes</allow></rip></protocol>`), want: "protocol/rip of vr:default"},
		"protocols that are off":                    {network: router(`<protocol><bgp><enable>no</enable><peer-group/></bgp><rip><enable>no</enable></rip></protocol><multicast><enable>no</enable></multicast>`)},
		"a setting of a static route":               {network: strings.Replace(plain, "<nexthop>", "<probe>yes</probe><nexthop>", 1), want: "static route setting probe of vr:default"},
		"path monitoring of what may be its router": {network: strings.Replace(plain, "<nexthop>", "<bfd><profile>None</profile></bfd><path-monitor><enable>yes</enable></path-monitor><nexthop>", 1), want: "static route setting path-monitor of vr:default"},
		"HA1 on it":                                 {network: plain, system: ha(`<enabled>yes</enabled><interface><ha1><port>ethernet1/1</port></ha1></interface>`), want: "deviceconfig/high-availability/interface/ha1/port"},
		"HA1 backup by address":                     {network: plain, system: ha(`<enabled>yes</enabled><group><peer-ip-backup>203.0.113.3</peer-ip-backup></group>`), want: "deviceconfig/high-availability/group/peer-ip-backup"},
		"HA on its own ports":                       {network: plain, system: ha(`<enabled>yes</enabled><interface><ha1><port>ha1-a</port><ip-address>10.255.0.1</ip-address></ha1></interface><group><group-id>1</group-id><peer-ip>10.255.0.2</peer-ip><mode><active-passive><passive-link-state>auto</passive-link-state></active-passive></mode></group>`)},
		"HA that is off":                            {network: plain, system: ha(`<enabled>no</enabled><interface><ha1><port>ethernet1/1</port></ha1></interface>`)},
		"floating addresses":                        {network: plain, system: ha(`<enabled>yes</enabled><group><mode><active-active><virtual-address><entry name="ethernet1/1"><ip><entry name="203.0.113.6"/></ip></entry></virtual-address></active-active></mode></group>`), want: "deviceconfig/high-availability/group/mode/active-active"},
		"a listener nobody knows":                   {network: plain, vsys: `<setting><beacon><local-address><interface>ethernet1/1</interface></local-address></beacon></setting>`, want: "vsys/setting/beacon/local-address/interface"},
		"a plugin":                                  {network: plain, system: `<plugins><vm_series><aws-gwlb><inspect>enable</inspect></aws-gwlb></vm_series></plugins>`, want: "deviceconfig/plugins"},
		"a service route by address":                {network: plain, system: `<system><dns-setting/><route><service><entry name="dns"><source><address>203.0.113.2/29</address></source></entry></service></route></system>`, want: "deviceconfig/system/route/service/dns/source/address"},
		"one by an address object":                  {network: plain, vsys: `<address><entry name="uplink"><ip-netmask>203.0.113.2/29</ip-netmask></entry></address>`, system: `<system><route><destination><entry name="192.0.2.9"><source><address>uplink</address></source></entry></destination></route></system>`, want: "deviceconfig/system/route/destination/192.0.2.9/source/address"},
		"one of the virtual system":                 {network: plain, vsys: `<route><service><entry name="syslog"><source><interface>ethernet1/1</interface></source></entry></service></route>`, want: "vsys/route"},
		"one by another interface":                  {network: plain, system: `<system><route><service><entry name="dns"><source><interface>ethernet1/2</interface><address>10.1.0.1/16</address></source></entry></service></route></system>`},
		"clientless VPN":                            {network: plain, vsys: `<global-protect><global-protect-portal><entry name="p"><clientless-vpn><security-zone>untrust</security-zone></clientless-vpn></entry></global-protect-portal></global-protect>`, want: "vsys/global-protect/global-protect-portal/p/clientless-vpn/security-zone"},
		"a rulebase nobody knows":                   {network: plain, vsys: `<rulebase><network-packet-broker><rules><entry name="r"/></rules></network-packet-broker></rulebase>`, want: "vsys/rulebase/network-packet-broker"},
		"rules that name it":                        {network: plain, vsys: `<rulebase><security><rules><entry name="r"><from><member>untrust</member></from></entry></rules></security><nat><rules><entry name="n"><to-interface>ethernet1/1</to-interface></entry></rules></nat></rulebase>`},
		"an unknown setting in Shared":              {network: plain, shared: `<beacon><target>ethernet1/1</target></beacon>`, want: "vsys/beacon"},
	} {
		var got []string
		for _, s := range (parts{network: c.network, system: c.system, vsys: twoZones + c.vsys, shared: c.shared}).facts(t).Unproven("untrust") {
			if s.Zone != "untrust" || s.Interface != "ethernet1/1" {
				t.Errorf("%s: %+v", name, s)
			}
			got = append(got, s.What)
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, text, c.want)
		}
	}
	for name, c := range map[string]struct{ network, zone, want string }{
		"a zone of a tap":    {plain, `<entry name="a"><network><tap><member>ethernet1/1</member></tap></network></entry>`, "[{a ethernet1/1 zone setting network/tap}]"},
		"an unread one":      {plain, `<entry name="a"><network><layer3><member>ethernet1/9</member></layer3></network></entry>`, "[{a ethernet1/9 interface, whose configuration is not known}]"},
		"without an address": {strings.Replace(plain, `<ethernet>`, `<ethernet><entry name="ethernet1/9"><layer3><interface-management-profile>all</interface-management-profile></layer3></entry>`, 1), `<entry name="a"><network><layer3><member>ethernet1/9</member></layer3></network></entry>`, "[{a ethernet1/9 interface setting interface-management-profile}]"},
		"a virtual wire":     {strings.Replace(plain, `<ethernet>`, `<ethernet><entry name="ethernet1/9"><virtual-wire><lldp><enable>no</enable></lldp></virtual-wire></entry>`, 1), `<entry name="a"><network><virtual-wire><member>ethernet1/9</member></virtual-wire></network></entry>`, "[]"},
	} {
		if got := fmt.Sprint(parts{network: c.network, vsys: `<zone>` + c.zone + `</zone>`}.facts(t).Unproven("a")); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}
