package traffic

import (
	"slices"
	"strconv"
	"strings"

	"activedefense/firewall/panosim/xmltree"
)

// services is what a rule says about protocol and port. The zero value matches nothing.
type services struct {
	any     bool
	usual   bool // application-default
	objects []service
}

// service is a range of ports of a protocol.
type service struct {
	protocol           string
	source, dest       ports
	hasSource, hasDest bool
}

// ports are ranges, both ends included.
type ports [][2]uint16

func (l ports) has(port uint16) bool {
	return slices.ContainsFunc(l, func(r [2]uint16) bool { return r[0] <= port && port <= r[1] })
}

// parsePorts reads "80,443,8000-8080"; what cannot be read is left out.
func parsePorts(text string) ports {
	var out ports
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 16)
		to, err2 := strconv.ParseUint(last, 10, 16)
		if err1 == nil && err2 == nil {
			out = append(out, [2]uint16{uint16(from), uint16(to)})
		}
	}
	return out
}

// predefined are the two services that every firewall has.
var predefined = map[string]service{
	"service-http":  {protocol: "tcp", dest: ports{{80, 80}, {8080, 8080}}, hasDest: true},
	"service-https": {protocol: "tcp", dest: ports{{443, 443}}, hasDest: true},
}

// newServices finds what the members stand for. A name that no object has matches nothing.
func (p *Policy) newServices(e *xmltree.Element) services {
	var out services
	members := e.Members()
	out.any = len(members) == 0
	for _, name := range members {
		switch name {
		case "any":
			out.any = true
		case "application-default":
			out.usual = true
		default:
			p.addService(&out, name, 0)
		}
	}
	return out
}

func (p *Policy) addService(out *services, name string, depth int) {
	if depth > maxNesting {
		return
	}
	if object := p.Find(name, "service"); object != nil {
		for _, protocol := range []string{"tcp", "udp"} {
			if e := object.Down("protocol", protocol); e != nil {
				port, source := e.Value("port"), e.Value("source-port")
				out.objects = append(out.objects, service{protocol, parsePorts(source), parsePorts(port), source != "", port != ""})
			}
		}
		return
	}
	if group := p.Find(name, "service-group"); group != nil {
		for _, member := range group.Child("members").Members() {
			p.addService(out, member, depth+1)
		}
		return
	}
	if known, ok := predefined[name]; ok {
		out.objects = append(out.objects, known)
	}
}

func (l services) match(p *Packet) bool {
	if l.any || l.usual && usualPort(p) {
		return true
	}
	return slices.ContainsFunc(l.objects, func(s service) bool {
		return s.protocol == p.Protocol && (!s.hasDest || s.dest.has(p.DestinationPort)) && (!s.hasSource || s.source.has(p.SourcePort))
	})
}

// usual are the applications of which the default port is known here; port 0 is that of a protocol without ports. For
// one session on a port the first is guessed.
var usual = []struct {
	application, protocol string
	port                  uint16
}{
	{"ftp", "tcp", 21}, {"ssh", "tcp", 22}, {"telnet", "tcp", 23}, {"smtp-base", "tcp", 25}, {"dns-base", "udp", 53},
	{"dns-base", "tcp", 53}, {"web-browsing", "tcp", 80}, {"ntp-base", "udp", 123}, {"ms-ds-smbv3", "tcp", 445},
	{"ssl", "tcp", 443}, {"ms-rdp", "tcp", 3389}, {"sip", "udp", 5060},
	{"panos-global-protect", "tcp", 443}, {"ike", "udp", 500}, {"ike", "udp", 4500}, {"ipsec-esp-udp", "udp", 4500}, {"ipsec-esp-udp", "udp", 4501},
	{"ipsec-esp", "esp", 0}, {"ipsec-ah", "ah", 0}, {"gre", "gre", 0}, {"bgp", "tcp", 179}, {"ospfigp", "ospf", 0},
	{"pim", "pim", 0}, {"vrrp", "vrrp", 0}, {"igmp", "igmp", 0}, {"dhcp", "udp", 67}, {"dhcp", "udp", 68},
	{"dhcpv6", "udp", 546}, {"dhcpv6", "udp", 547}, {"snmp-base", "udp", 161}, {"syslog", "udp", 514}, {"ldap", "tcp", 389},
	{"ldap", "udp", 389}, {"mysql", "tcp", 3306}, {"ping", "icmp", 0}, {"ping6", "icmp6", 0}, {"ipv6-icmp", "icmp6", 0},
}

// containers are applications by the names of which rules mean others ("application dependency and implicit use": a rule
// that names the container covers its functions). Those with a use here.
var containers = map[string][]string{
	"dns": {"dns-base"}, "ntp": {"ntp-base"}, "smtp": {"smtp-base"}, "snmp": {"snmp-base"}, "ms-ds-smb": {"ms-ds-smbv3"},
	"ipsec": {"ike", "ipsec-esp", "ipsec-esp-udp", "ipsec-ah"},
}

// usualPort says whether the application uses its default port. One of which it is not known passes.
func usualPort(p *Packet) bool {
	known := false
	for _, u := range usual {
		if u.application == p.Application {
			if known = true; u.protocol == p.Protocol && (u.port == 0 || u.port == p.DestinationPort) {
				return true
			}
		}
	}
	return !known
}

// guessApplication is what App-ID is taken to find where the packet does not say.
func guessApplication(p *Packet) string {
	for _, u := range usual {
		if u.protocol == p.Protocol && (u.port == 0 || u.port == p.DestinationPort) {
			return u.application
		}
	}
	switch p.Protocol {
	case "tcp", "udp":
		return "unknown-" + p.Protocol
	}
	return "unknown-p2p"
}

// applications expands groups of applications and containers; nil is any. Filters are not simulated and match nothing.
func (p *Policy) applications(e *xmltree.Element) []string {
	members := unlessAny(e)
	if members == nil {
		return nil
	}
	out := []string{}
	var add func(names []string, depth int)
	add = func(names []string, depth int) {
		for _, name := range names {
			if group := p.Find(name, "application-group"); group != nil && depth < maxNesting {
				add(group.Child("members").Members(), depth+1)
			} else {
				out = append(append(out, name), containers[name]...)
			}
		}
	}
	add(members, 0)
	return out
}
