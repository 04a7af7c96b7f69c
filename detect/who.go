package detect

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
)

// known is what a record is judged by beside itself: the settings, and what is known of our networks.
type known struct {
	settings *Settings
	ours     *Ours
	proxies  prefixSet
	proxied  bool                  // there are any
	threats  []uint32              // sorted
	crowded  map[[16]byte]struct{} // IPv6 networks that hold something protected: their addresses are counted singly
}

func newKnown(s *Settings) known {
	k := known{settings: s, threats: slices.Sorted(slices.Values(s.Vulnerability.ThreatIDs))}
	for _, p := range s.Proxies {
		if p = plainPrefix(p); p.IsValid() {
			k.proxies.add(p)
			k.proxied = true
		}
	}
	return k
}

// party is the end of a record that it would be held against, and the end that it was done to.
type party struct {
	addr     netip.Addr // who did it; unmapped, may be invalid
	port     uint16     // from which port
	dst      netip.Addr // to whom; the zero Addr if the record does not say
	dstPort  uint16
	proxied  bool // addr is what a proxy of ours named
	refusal  bool // the record is of our server's refusal of a login, in direction from server to client
	reversed bool // who did it is the record's destination
}

// who finds the parties of a record; p is new.
func (k *known) who(ev *Event, p *party) {
	p.addr, p.port, p.dst, p.dstPort = plain(ev.Src), ev.SrcPort, ev.Dst, ev.DstPort
	if ev.Type == TypeThreat && ev.Direction == ServerToClient && refusesLogins(ev) {
		if p.refusal, p.reversed = k.refusal(ev); p.reversed {
			p.addr, p.dst, p.port, p.dstPort = plain(ev.Dst), ev.Src, ev.DstPort, ev.SrcPort
		}
	}
	if k.proxied && p.addr.IsValid() && k.isProxy(p.addr) {
		p.addr, p.proxied = plain(ev.Client), true
	}
}

// zone is that of who did it.
func (p *party) zone(ev *Event) string {
	if p.reversed {
		return ev.DstZone
	}
	return ev.SrcZone
}

// refusal tells whether a record in direction from server to client, of a login that was refused, is of a server of ours, and
// whether it names that server as its source: many such records name the ends as the packet has them, others as the session
// has. The other way about, a stranger's server refused one of ours, who attacks nobody. So an end must be known to be ours, or
// to be nobody's on the internet: by the ports alone, the stranger could as well be we.
func (k *known) refusal(ev *Event) (ofOurs, reversed bool) {
	serves, served := isService(ev.SrcPort), isService(ev.DstPort)
	switch src, dst := k.inside(ev.Src), k.inside(ev.Dst); {
	case src == dst:
		return false, false
	case src: // the server, but where the ports say that it is the client
		reversed = serves || !served
		return reversed, reversed
	}
	return served && !serves, false // the server, where the ports say so
}

// isService tells whether a server listens on a port: those below 1024, from which no client is given one, and that of RDP.
func isService(port uint16) bool { return port != 0 && port < 1024 || port == 3389 }

// inside tells whether an address is ours, or nobody's on the internet.
func (k *known) inside(addr netip.Addr) bool {
	addr = plain(addr)
	return addr.IsValid() && (k.ours.Contains(addr) || !isPublic(addr))
}

// refusesLogins tells whether a threat record is of the brute-force signatures, which match a server's refusal of a login. They
// have a category of their own; where it is not logged, their ids are 40001 to 40034.
func refusesLogins(ev *Event) bool {
	if ev.Category != "" {
		return strings.EqualFold(ev.Category, "brute-force")
	}
	id := threatID(ev)
	return id >= 40001 && id <= 40034
}

// tellsOfScan tells whether a threat record is the firewall's own finding of a scan: of TCP ports, of hosts, of UDP ports, of
// IP protocols. Their source is the scanner, whatever direction they carry (seen in published samples).
func tellsOfScan(ev *Event) bool {
	if ev.Type != TypeThreat {
		return false
	}
	if strings.EqualFold(ev.Subtype, "scan") {
		return true
	}
	switch threatID(ev) {
	case 8001, 8002, 8003, 8006:
		return true
	}
	return false
}

// threatID is the number of a threat, which stands alone or behind its name, as in "Name(40015)"; 0 if there is none.
func threatID(ev *Event) (id uint32) {
	text := ev.ThreatID
	if end := strings.TrimSuffix(text, ")"); end != text {
		text = end[strings.LastIndexByte(end, '(')+1:]
	}
	if text == "" || len(text) > 9 {
		return 0
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0
		}
		id = id*10 + uint32(text[i]-'0')
	}
	return id
}

// GradeOf says how well the source of an event is known, whether a rule counts it or not.
func GradeOf(ev *Event) Grade { return grade(ev) }

// grade says how well the source of a record is known: a failed login, a TCP session whose application was identified, or a
// threat inside one, needs a source that was really there, and so does a line of which its pattern says so.
func grade(ev *Event) Grade {
	switch {
	case isLogin(ev), ev.Type == TypeLog && ev.Proven:
		return Proven
	case ev.Type == TypeLog:
	case ev.Protocol == TCP && identified(ev.Application) && !tellsOfScan(ev):
		return Proven
	}
	return Forgeable
}

// identified tells whether the firewall found out what a session carried. The other words are those by which it says that it
// did not (PAN-OS documentation, "Not-applicable, Incomplete, Insufficient Data in the Application Field").
func identified(application string) bool {
	if unidentified(application) {
		return false
	}
	lower := strings.ToLower(application) // nearly always what it is
	return lower == application || !unidentified(lower)
}

func unidentified(application string) bool {
	switch application {
	case "", "incomplete", "insufficient-data", "not-applicable", "unknown", "unknown-tcp", "unknown-udp", "unknown-p2p", "non-syn-tcp", "any":
		return true
	}
	return false
}

// networkOf is the network as which an address is counted and blocked: itself, or of IPv6 the one around it, unless something
// protected is in there, or it relays for many.
func (k *known) networkOf(addr netip.Addr) netip.Prefix {
	p := k.around(addr)
	if _, ok := k.crowded[p.Addr().As16()]; ok {
		return single(addr)
	}
	return p
}

// around is the network that would be blocked if nothing in it were protected.
func (k *known) around(addr netip.Addr) netip.Prefix {
	bits := k.settings.IPv6Prefix
	if addr.Is4() || bits <= 0 || bits >= addr.BitLen() || teredo.Contains(addr) {
		return single(addr)
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return single(addr)
	}
	return p
}

// peerBits is the length of the IPv6 networks by which whom ours speak to is remembered, however sources are counted: what is
// protected, and with it how they are counted, may change.
const peerBits = 64

// peerKey is the address under which it is remembered that ours spoke to one.
func peerKey(addr netip.Addr) [16]byte {
	if addr.Is6() {
		if p, err := addr.Prefix(peerBits); err == nil {
			return p.Addr().As16()
		}
	}
	return addr.As16()
}

// The networks in which IPv6 carries the address of an IPv4 host.
var (
	sixToFour = netip.MustParsePrefix("2002::/16")
	teredo    = netip.MustParsePrefix("2001::/32")
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
)

// Carried is the IPv4 address that an IPv6 address of 6to4, Teredo or NAT64 stands for, or a network of one 6to4 host; the zero
// Prefix for all others.
func Carried(p netip.Prefix) netip.Prefix {
	v4 := carried(p.Addr())
	if !v4.IsValid() || !p.IsSingleIP() && (!sixToFour.Contains(p.Addr()) || p.Bits() < sixToFour.Bits()+32) {
		return netip.Prefix{}
	}
	return single(v4)
}

// carried is the IPv4 address that an IPv6 address of 6to4, Teredo or NAT64 stands for; the zero Addr for all others. Other
// forms are no public IPv6 addresses (IPv4-compatible, IPv4-translated, the local NAT64 prefix of RFC 8215), or leave it to
// the host what it puts in (ISATAP): that one would choose by it not to be blocked.
func carried(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return netip.Addr{}
	}
	b := addr.As16()
	switch {
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6]))
	case teredo.Contains(addr): // of the client, its bits turned over (RFC 4380)
		n := binary.BigEndian.Uint32(b[12:]) ^ 0xffffffff
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
	case nat64.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return netip.Addr{}
}
