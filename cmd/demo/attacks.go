package main

import (
	"fmt"
	"net/netip"
	"time"

	"activedefense/firewall/panosim/traffic"
)

// The rules by which the firewall decides.
const (
	blockRule  = "active-defense-block" // first: drops what is blocked
	webRule    = "web"                  // the firewall's own: HTTPS from the internet to the servers
	sensorRule = "interzone-default"    // denies what nothing else allowed, and logs it
)

const (
	friend    = "203.0.113.10" // a customer: many connections, one port
	webServer = "198.51.100.7"
)

// An attack is what one source does.
type attack struct {
	source, country string
	what            string
	packets         int
	pause           time.Duration // between its packets
	packet          func(i int) traffic.Packet
	door            string // the server on which it knocks afterwards
}

// entry is what is blocked: the source, or the network of an IPv6 one.
func (a *attack) entry() string {
	source := netip.MustParseAddr(a.source)
	if source.Is4() {
		return a.source
	}
	return netip.PrefixFrom(source, 64).Masked().String()
}

// The three rules of detection, one attacker each.
var attacks = []attack{
	{source: "203.0.113.66", country: "Netherlands", what: "scans the ports of " + webServer, packets: 11, pause: 100 * time.Millisecond,
		packet: func(i int) traffic.Packet { return to(webServer, 8000+i) }, door: webServer},
	{source: "192.0.2.150", country: "Germany", what: "looks for port 3389 on every public address", packets: 10, pause: 100 * time.Millisecond,
		packet: func(i int) traffic.Packet { return to(fmt.Sprintf("198.51.100.%d", 10+i), 3389) }, door: webServer},
	{source: "2001:db8:bad::7", country: "Canada", what: "attacks the VPN portal", packets: 1,
		packet: func(int) traffic.Packet {
			p := to("2001:db8:1::7", 443)
			p.Threat = &traffic.Threat{Name: "GlobalProtect OS Command Injection Vulnerability", ID: 95187}
			return p
		}, door: "2001:db8:1::7"},
}

// to is a short session with a server.
func to(server string, port int) traffic.Packet {
	return traffic.Packet{From: "untrust", To: "dmz", Destination: netip.MustParseAddr(server), DestinationPort: uint16(port),
		DestinationCountry: "Australia", Short: true}
}
