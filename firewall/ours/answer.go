package ours

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// Kind is what an address is to us.
type Kind string

const (
	Network    Kind = "network"    // ours
	Management Kind = "management" // one by which a device of ours is managed
	Peer       Kind = "peer"       // of something that the firewall talks to
)

// Entry is an address or network, and what it is on the firewall.
type Entry struct {
	Prefix netip.Prefix // masked and unmapped
	Kind   Kind
	What   string // as it reads after "firewall NAME's": "interface ethernet1/1", "DNS server"
}

// Name is a host whose addresses are to be looked up.
type Name struct {
	Host string
	Kind Kind
	What string // ends in the host
}

// Source is where an entry comes from.
type Source struct {
	Kind Kind
	What string
}

// Trouble is what the firewall names and was not taken over.
type Trouble struct {
	What   string `json:"what"`   // a sentence without a full stop
	Remedy string `json:"remedy"` // how a person can say the same
}

// Answer is what a firewall names.
type Answer struct {
	Entries []Entry // by kind, address and what
	Names   []Name  // not looked up yet
	// Pending are sources that have no address now: an interface that waits for DHCP, a name that cannot be resolved. What
	// they named before is to be kept.
	Pending []Source
	// Partly are public networks of which the interface's own address alone is taken over, among Entries: the rest may be the provider's.
	Partly   []Entry
	Troubles []Trouble // the first of them
	LeftOut  int       // troubles beyond those
}

// What is taken over at most.
const (
	widestIPv4    = 16    // bits: nothing wider
	widestIPv6    = 32    // bits
	mostAddresses = 64    // of a name
	mostEntries   = 16384 // of a firewall
	mostNames     = 256   // of a firewall
	mostTroubles  = 50    // that are told
)

const remedy = "if it is yours, add it to networks.own; if it must only never be blocked, to never_block"

func (a *Answer) trouble(what, how string) {
	if len(a.Troubles) >= mostTroubles {
		a.LeftOut++
		return
	}
	a.Troubles = append(a.Troubles, Trouble{what, how})
}

// private are the ranges that nobody is blocked in, and that may be as wide as they like.
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("::1/128"),
}

// Private tells whether all of a network is private, link-local or loopback: everybody has those.
func Private(p netip.Prefix) bool {
	return slices.ContainsFunc(private, func(n netip.Prefix) bool { return n.Bits() <= p.Bits() && n.Contains(p.Addr()) })
}

// tooWide says that a network is wider than is taken over; "" if it is not.
func tooWide(p netip.Prefix) string {
	switch {
	case Private(p):
		return ""
	case p.Addr().Is4() && p.Bits() < widestIPv4:
		return "wider than /16"
	case p.Addr().Is6() && p.Bits() < widestIPv6:
		return "wider than /32"
	}
	return ""
}

// Resolved gives the answer with its names looked up: found holds the addresses of each host; one that is not there or has
// none is pending.
func (a Answer) Resolved(found map[string][]netip.Addr) Answer {
	c := collector{seen: map[Entry]bool{}, Answer: a}
	c.Names, c.Troubles, c.Pending = nil, slices.Clone(a.Troubles), slices.Clone(a.Pending)
	c.Entries = nil
	for _, e := range a.Entries {
		c.put(e)
	}
	for _, n := range a.Names {
		addrs := found[n.Host]
		switch {
		case len(addrs) == 0:
			c.Pending = append(c.Pending, Source{n.Kind, n.What})
		case len(addrs) > mostAddresses:
			c.trouble(n.What+" has more than 64 addresses, and is left out", remedy)
		}
		if len(addrs) > mostAddresses {
			continue
		}
		for _, addr := range addrs {
			addr = addr.Unmap().WithZone("")
			c.put(Entry{netip.PrefixFrom(addr, addr.BitLen()), n.Kind, n.What})
		}
	}
	return c.sorted()
}

// Public tells whether the firewall names a public address or network as ours.
func (a Answer) Public() bool {
	return slices.ContainsFunc(a.Entries, func(e Entry) bool { return e.Kind == Network && !Private(e.Prefix) })
}

// collector puts an answer together, each entry once.
type collector struct {
	Answer
	seen map[Entry]bool
	full bool // there were more entries than are taken over
}

// add takes a network over, unless it is too wide.
func (c *collector) add(p netip.Prefix, kind Kind, what string) {
	p, ok := normalize(p)
	switch wide := tooWide(p); {
	case !ok || p.Addr().IsUnspecified() || p.Addr().IsMulticast():
	case wide != "":
		c.trouble(what+" names "+p.String()+", which is "+wide+" and is left out", remedy)
	default:
		c.put(Entry{p, kind, what})
	}
}

// host takes an address over, without the length of the network that it stands in.
func (c *collector) host(p netip.Prefix, kind Kind, what string) {
	a := p.Addr().Unmap().WithZone("")
	if a.IsValid() {
		c.add(netip.PrefixFrom(a, a.BitLen()), kind, what)
	}
}

func (c *collector) put(e Entry) {
	switch {
	case c.seen[e]:
	case len(c.Entries) >= mostEntries:
		if !c.full { // said once
			c.full = true
			c.trouble(e.What+" is left out, and what follows: the firewall names more than 16384 addresses and networks", "put the networks that hold them into networks.own")
		}
	default:
		c.seen[e] = true
		c.Entries = append(c.Entries, e)
	}
}

// name takes a host over: an address at once, a name to be looked up.
func (c *collector) name(host string, kind Kind, what string) {
	host = strings.TrimSuffix(strings.Trim(strings.TrimSpace(host), "[]"), ".")
	switch addr, err := netip.ParseAddr(host); {
	case err == nil:
		addr = addr.Unmap().WithZone("")
		c.add(netip.PrefixFrom(addr, addr.BitLen()), kind, what)
	case strings.HasPrefix(host, "$"):
		c.trouble(what+" is "+quote(host)+", a template variable without a value here, and is left out", remedy)
	case !isHostName(host):
	case len(c.Names) >= mostNames:
		c.trouble(what+" "+host+" is left out: the firewall names more than 256 hosts by name", remedy)
	default:
		n := Name{strings.ToLower(host), kind, what + " " + strings.ToLower(host)}
		if !slices.Contains(c.Names, n) {
			c.Names = append(c.Names, n)
		}
	}
}

// isHostName tells whether a text is a name that can be looked up: one of a domain, since a single word such as "inherited" or
// "None" may be a value of PAN-OS's.
func isHostName(text string) bool {
	if len(text) > 253 || !strings.Contains(text, ".") {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r != '.' && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

func (c *collector) sorted() Answer {
	slices.SortFunc(c.Entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), comparePrefixes(a.Prefix, b.Prefix), cmp.Compare(a.What, b.What))
	})
	return c.Answer
}
