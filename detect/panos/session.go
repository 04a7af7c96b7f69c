package panos

import (
	"bytes"
	"net/netip"

	"activedefense/detect"
)

// protocol reads the protocol of a session, by the word that PAN-OS writes or by its number (IANA, "Protocol Numbers").
func protocol(b []byte) detect.Protocol {
	switch string(b) {
	case "":
		return detect.ProtocolUnknown
	case "tcp", "TCP", "6":
		return detect.TCP
	case "udp", "UDP", "17":
		return detect.UDP
	case "icmp", "ICMP", "1", "icmp6", "ICMP6", "ipv6-icmp", "58":
		return detect.ICMP
	}
	return detect.OtherProtocol
}

// translated reads the address and port that NAT gave one end of a session, whose own are addr and at, as text. PAN-OS
// writes 0.0.0.0 where it translated nothing, or repeats the end's own. Equal addresses with another port are a
// translation: firewalls translate their own sessions so, and what a stranger answers comes to that port.
func translated(addr, at, nat, natAt []byte) (netip.Addr, uint16) {
	if len(nat) == 0 || string(nat) == "0.0.0.0" {
		return netip.Addr{}, 0
	}
	p, ok := port(natAt)
	if !ok {
		p = 0
	}
	if bytes.Equal(nat, addr) && (p == 0 || bytes.Equal(natAt, at)) {
		return netip.Addr{}, 0
	}
	a, ok := parseAddr(nat)
	if !ok || a.IsUnspecified() {
		return netip.Addr{}, 0
	}
	return a, p
}

// counters reads what a session carried. Where one of the two numbers of bytes is missing nothing is known.
func counters(bytesSent, bytesReceived, packetsSent, packetsReceived []byte) (t detect.Traffic) {
	var sent, received bool
	t.BytesSent, sent = counter(bytesSent)
	t.BytesReceived, received = counter(bytesReceived)
	if !sent || !received {
		return detect.Traffic{}
	}
	t.Counted = true
	t.PacketsSent, _ = counter(packetsSent)
	t.PacketsReceived, _ = counter(packetsReceived)
	return t
}

// counter reads a number of at most 19 digits, which is what 64 bits are sure to hold; logs write -1 or nothing for
// what they do not know.
func counter(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// forwardedMark begins the user of a session whose user PAN-OS was told to take from X-Forwarded-For.
const forwardedMark = "x-fwd-for: "

// setUser sets the user, or the client that a proxy named where the field is about that.
func (p *Parser) setUser(ev *detect.Event, b []byte) {
	if len(b) > len(forwardedMark) && b[0] == 'x' && hasPrefix(b, forwardedMark) {
		if ev.Client, _ = forwardedClient(trimLeft(b[len(forwardedMark):])); ev.Client.IsValid() {
			return
		}
	}
	ev.SrcUser = p.names.user.get(b)
}

// lastForwarded gives the last address of a header X-Forwarded-For: that which the proxy itself has added, or put in the place
// of others. What stands ahead of it was in the request, and anyone may have written it. Of a list that was not quoted, the
// next column holds more.
func (p *Parser) lastForwarded(column int) netip.Addr {
	if _, more := forwardedClient(p.column(column + 1)); more {
		return netip.Addr{}
	}
	b := p.column(column)
	a, _ := forwardedClient(trimLeft(b[bytes.LastIndexByte(b, ',')+1:]))
	return a
}

// forwardedClient reads the address of a client; 0.0.0.0 is PAN-OS's for none.
func forwardedClient(b []byte) (netip.Addr, bool) {
	if len(b) == 0 {
		return netip.Addr{}, false
	}
	a, ok := parseAddr(b)
	if !ok || a.IsUnspecified() {
		return netip.Addr{}, false
	}
	return a, true
}
