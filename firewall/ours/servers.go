package ours

import (
	"net/url"
	"strings"

	"activedefense/firewall/xmlapi"
)

// service is where a server stands in the configuration. In path, * stands for every entry of a list.
type service struct {
	path string
	what string
}

// systemServices stand below deviceconfig. (pan-os-codegen and the PAN-OS command line, as far as they agree.)
var systemServices = []service{
	{"system/dns-setting/servers/primary", "DNS server"},
	{"system/dns-setting/servers/secondary", "DNS server"},
	{"system/ntp-servers/primary-ntp-server/ntp-server-address", "NTP server"},
	{"system/ntp-servers/secondary-ntp-server/ntp-server-address", "NTP server"},
	{"system/update-server", "update server"},
	{"system/secure-proxy-server", "proxy server"},
	{"system/panorama/local-panorama/panorama-server", "Panorama"},
	{"system/panorama/local-panorama/panorama-server-2", "Panorama"},
	{"system/panorama-server", "Panorama"},
	{"system/panorama-server-2", "Panorama"},
}

// networkServices stand below network.
var networkServices = []service{
	{"dns-proxy/*/default/primary", "DNS server"},
	{"dns-proxy/*/default/secondary", "DNS server"},
	{"dns-proxy/*/domain-servers/*/primary", "DNS server"},
	{"dns-proxy/*/domain-servers/*/secondary", "DNS server"},
}

// profileServices stand in virtual systems and in what they share.
var profileServices = []service{
	{"log-settings/syslog/*/server/*/server", "syslog server"},
	{"log-settings/email/*/server/*/gateway", "mail server"},
	{"log-settings/snmptrap/*/version/v2c/server/*/manager", "SNMP manager"},
	{"log-settings/snmptrap/*/version/v3/server/*/manager", "SNMP manager"},
	{"log-settings/http/*/server/*/address", "HTTP log server"},
	{"server-profile/netflow/*/server/*/host", "NetFlow collector"},
	{"server-profile/ldap/*/server/*/address", "LDAP server"},
	{"server-profile/radius/*/server/*/ip-address", "RADIUS server"},
	{"server-profile/tacplus/*/server/*/address", "TACACS+ server"},
	{"server-profile/kerberos/*/server/*/host", "Kerberos server"},
	{"server-profile/dns/*/primary", "DNS server"},
	{"server-profile/dns/*/secondary", "DNS server"},
	{"server-profile/saml-idp/*/sso-url", "SAML identity provider"},
	{"server-profile/saml-idp/*/slo-url", "SAML identity provider"},
	{"user-id-agent/*/host", "User-ID agent"},
	{"redistribution-agent/*/host-port/host", "redistribution agent"},
}

// follow calls each for the text at every place that the path leads to.
func follow(n *xmlapi.Node, path string, each func(text string)) {
	step, rest, more := strings.Cut(path, "/")
	switch {
	case n == nil:
	case step == "*":
		for _, e := range n.Entries() {
			follow(e, rest, each)
		}
	case more:
		follow(n.Child(step), rest, each)
	case n.Value(step) != "":
		each(n.Value(step))
	}
}

// takeServers takes over the servers that the firewall uses.
func (r *reader) takeServers() {
	for _, part := range []struct {
		layers   []*xmlapi.Node
		services []service
	}{{r.systems, systemServices}, {r.networks, networkServices}, {r.objects, profileServices}} {
		for _, layer := range part.layers {
			for _, s := range part.services {
				follow(layer, s.path, func(text string) { r.takeHost(hostOf(text), Peer, s.what) })
			}
		}
	}
}

// hostOf gives the host of a URL, or of host:port; else the text.
func hostOf(text string) string {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "://") {
		if strings.Count(text, ":") == 1 {
			text, _, _ = strings.Cut(text, ":")
		}
		return text
	}
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// takeLists takes over the hosts from which External Dynamic Lists are fetched.
func (r *reader) takeLists() {
	for _, list := range entriesOf(r.objects, "external-list") {
		for _, kind := range childrenOf(list.Child("type")) {
			if at := kind.Value("url"); strings.Contains(at, "://") {
				r.takeHost(hostOf(at), Peer, "server of External Dynamic List "+list.Attr("name"))
			}
		}
	}
}

// takeSystem takes over the addresses by which the firewall and the other member of its pair are managed, and the floating
// addresses of an active/active pair.
func (r *reader) takeSystem() {
	const what = "management address"
	for _, text := range r.f.management {
		r.takeManaged(text, what)
	}
	for _, layer := range r.systems {
		r.takeManaged(layer.Value("system", "ip-address"), what)
		r.takeManaged(layer.Value("system", "ipv6-address"), what)
		pair := layer.Child("high-availability")
		for _, group := range append(pair.Child("group").Entries(), present(pair.Child("group"))...) {
			for _, field := range []string{"peer-ip", "peer-ip-backup"} {
				r.takeManaged(group.Value(field), "other member of the pair")
			}
			for _, i := range group.At("mode", "active-active", "virtual-address").Entries() {
				for _, family := range []string{"ip", "ipv6"} {
					for _, e := range i.Child(family).Entries() {
						r.takeHost(e.Attr("name"), Network, "floating address of interface "+i.Attr("name"))
					}
				}
			}
		}
		for _, link := range childrenOf(pair.Child("interface")) {
			r.takeManaged(link.Value("ip-address"), "HA interface "+link.Name)
		}
	}
}

// takeManaged takes over a management address. "unknown" and the like stand for none.
func (r *reader) takeManaged(text, what string) {
	if p, ok := parseHost(text); ok {
		r.host(p, Management, what)
	}
}
