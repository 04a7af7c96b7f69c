package day

import (
	"math/rand/v2"
	"net/netip"
	"time"
)

// A sort is what has to come of a source.
type sort int

const (
	legitimate sort = iota // nothing: it does what it should
	near                   // nothing: it stays one below a threshold, or comes a window too late
	attack                 // it is blocked
)

func (s sort) String() string { return [...]string{"legitimate", "near-miss", "attack"}[s] }

// A kind of source.
type kind struct {
	name     string
	sort     sort
	sources  int
	v6       bool
	rules    string // of an attack, the rules that fit
	grade    string // of an attack's verdict
	observed bool   // it is told, not blocked
	act      func(d *day, src netip.Addr)
}

// A day is a generated one, with its labels.
type day struct {
	dice    *rand.Rand
	entries []entry
	labels  map[netip.Prefix]*kind // of each source, as detection counts it
	of      map[string][]netip.Addr
	kind    *kind // at work
	free    []int // addresses that nobody has
	nets    int   // IPv6 networks given out
}

var (
	// dawn is when the day begins, in summer time; at three the clocks go back to two.
	dawn = time.Date(2026, 10, 24, 22, 0, 0, 0, time.UTC)

	ownIPv4  = netip.MustParsePrefix("198.51.100.0/24")
	ownIPv6  = netip.MustParsePrefix("2001:db8:100::/48")
	natPool  = netip.MustParseAddr("198.51.100.200")
	portal   = netip.MustParseAddr("198.51.100.1")
	webFarm  = 10 // the first of its servers, 198.51.100.10
	webCount = 20
)

// newDay generates a day. The same seed gives the same.
func newDay(seed uint64, kinds []kind) *day {
	d := &day{dice: rand.New(rand.NewPCG(seed, 2)), labels: map[netip.Prefix]*kind{}, of: map[string][]netip.Addr{}}
	d.free = d.dice.Perm(1 << 16)
	for i := range kinds {
		d.kind = &kinds[i]
		for range d.kind.sources {
			d.kind.act(d, d.newcomer())
		}
	}
	return d
}

// newcomer gives an address that nobody has, of the kind at work; of IPv6, the first of a /64.
func (d *day) newcomer() netip.Addr {
	var a netip.Addr
	var as netip.Prefix
	if d.kind.v6 {
		d.nets++
		b := netip.MustParseAddr("2001:db8:8000::").As16()
		b[6], b[7] = byte(d.nets>>8), byte(d.nets)
		a = netip.AddrFrom16(b)
		as = netip.PrefixFrom(a, 64)
	} else {
		n := d.free[0]
		d.free = d.free[1:]
		a = netip.AddrFrom4([4]byte{203, 0, byte(n >> 8), byte(n)})
		as = netip.PrefixFrom(a, 32)
	}
	d.labels[as] = d.kind
	d.of[d.kind.name] = append(d.of[d.kind.name], a)
	return a
}

// host is one of the addresses of an IPv6 network.
func host(network netip.Addr, n int) netip.Addr {
	b := network.As16()
	b[14], b[15] = byte(n>>8), byte(n)
	return netip.AddrFrom16(b)
}

// ours is one of our public addresses, and web a server of the farm.
func ours(n int) netip.Addr {
	b := ownIPv4.Addr().As4()
	b[3] = byte(n)
	return netip.AddrFrom4(b)
}

func web(n int) netip.Addr  { return ours(webFarm + n%webCount) }
func web6(n int) netip.Addr { return host(ownIPv6.Addr(), webFarm+n%webCount) }

// inside is an address of a client of ours.
func inside(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}) }

// hour is a time of the day, so many hours after its beginning.
func hour(h float64) time.Time { return dawn.Add(time.Duration(h * float64(time.Hour))) }

// sometime is a time from which on so many hours of the day are left.
func (d *day) sometime(left float64) time.Time { return hour(d.dice.Float64() * (24 - left)) }

// ephemeral is a client's port.
func (d *day) ephemeral() int { return 32768 + d.dice.IntN(28000) }

// add takes in an entry, which one of the firewalls tells of at once.
func (d *day) add(e entry) *entry {
	e.firewall = d.dice.IntN(2)
	if e.received.IsZero() {
		e.received = e.generated.Add(time.Duration(d.dice.IntN(1500)) * time.Millisecond)
	}
	if e.country == "" {
		e.country = "United States"
	}
	d.entries = append(d.entries, e)
	return &d.entries[len(d.entries)-1]
}

// served is a session from outside that was served.
func (d *day) served(at time.Time, src, dst netip.Addr, port int, app string) *entry {
	e := entry{generated: at, log: "TRAFFIC", subtype: "end", src: src, dst: dst, srcPort: d.ephemeral(), dstPort: port, rule: "public-services",
		app: app, protocol: "tcp", action: "allow", end: "tcp-fin", from: "untrust", to: "dmz",
		sent: 900 + d.dice.IntN(5000), got: 2000 + d.dice.IntN(90000), packetsSent: 9, packetsGot: 20}
	if dst.Is4() {
		e.natDst, e.natDPort = netip.AddrFrom4([4]byte{10, 2, 0, dst.As4()[3]}), port
	}
	switch app {
	case "ping":
		e.protocol, e.srcPort, e.dstPort, e.natDPort, e.end = "icmp", 0, 0, 0, "aged-out"
	case "dns", "quic", "ntp":
		e.protocol, e.end = "udp", "aged-out"
	}
	return d.add(e)
}

// refused is a packet from outside that no rule allows.
func (d *day) refused(at time.Time, src, dst netip.Addr, port int, protocol string) *entry {
	return d.stray(at, src, d.ephemeral(), dst, port, protocol)
}

// stray is such a packet from a port.
func (d *day) stray(at time.Time, src netip.Addr, srcPort int, dst netip.Addr, port int, protocol string) *entry {
	if protocol == "icmp" {
		srcPort, port = 0, 0
	}
	return d.add(entry{generated: at, log: "TRAFFIC", subtype: "drop", src: src, dst: dst, srcPort: srcPort, dstPort: port, rule: "interzone-default",
		app: "not-applicable", protocol: protocol, action: "deny", end: "policy-deny", from: "untrust", to: "dmz", sent: 60, packetsSent: 1})
}

// halfOpen is a session that was allowed and never got beyond the handshake.
func (d *day) halfOpen(at time.Time, src, dst netip.Addr, port int) *entry {
	e := d.served(at, src, dst, port, "incomplete")
	e.sent, e.got, e.packetsSent, e.packetsGot, e.end = 134, 74, 2, 1, "tcp-rst-from-client"
	return e
}

// called is a session that one of ours opened, through the pool of translated addresses; its port there is the result.
func (d *day) called(at time.Time, from, dst netip.Addr, port int, protocol, app string, answered bool) (translated int) {
	translated = d.ephemeral()
	e := entry{generated: at, log: "TRAFFIC", subtype: "end", src: from, dst: dst, srcPort: d.ephemeral(), dstPort: port, natSrc: natPool, natSPort: translated,
		natDst: dst, natDPort: port, rule: "outbound", app: app, protocol: protocol, action: "allow", end: "aged-out", from: "trust", to: "untrust",
		sent: 700, packetsSent: 6}
	if answered {
		e.got, e.packetsGot = 5000, 8
	}
	d.add(e)
	return translated
}

// threatened is a THREAT record.
func (d *day) threatened(at time.Time, src, dst netip.Addr, port int, threat, severity, direction string) *entry {
	return d.add(entry{generated: at, log: "THREAT", subtype: "vulnerability", src: src, dst: dst, srcPort: d.ephemeral(), dstPort: port,
		rule: "public-services", app: "web-browsing", protocol: "tcp", action: "reset-both", from: "untrust", to: "dmz",
		threat: threat, severity: severity, direction: direction, category: "code-execution"})
}

// login is a record of GlobalProtect, and told is the one that the SYSTEM log has of the same.
func (d *day) login(at time.Time, src netip.Addr, event, method, user, reason, status string) *entry {
	return d.add(entry{generated: at, log: "GLOBALPROTECT", src: src, event: event, method: method, user: user, reason: reason, status: status})
}

func (d *day) told(at time.Time, src netip.Addr, user, reason string) *entry {
	return d.add(entry{generated: at, log: "SYSTEM", subtype: "auth", event: "auth-fail", severity: "medium", reason: "failed authentication for user '" + user +
		"'. Reason: " + reason + ". auth profile 'staff', vsys 'vsys1', server profile 'directory', server address '10.2.0.250', auth protocol 'PAP', From: " +
		src.String() + "."})
}
