package detect

import (
	"fmt"
	"net/netip"
)

// The widest networks that may be blocked by hand. Anything wider takes whole
// providers along and is nearly always a slip.
const (
	widestIPv4 = 16
	widestIPv6 = 32
)

// Own is an address or a network that must never be blocked because it is ours, or serves us.
type Own struct {
	Prefix netip.Prefix
	// What it is, as it reads after "is": "this host", "firewall LAB-FW-01", "firewall LAB-FW-01's DNS server".
	What string
}

// Guard says what must never be blocked. It wins over every rule, manual entry and
// import. It is immutable and safe for concurrent use; the zero value and a nil
// Guard know no never_block and nothing of ours, and still refuse what is not
// public.
type Guard struct {
	never prefixSet
	own   prefixSet
	what  map[netip.Prefix]string // each of own
}

// Refusal says why a prefix must not be blocked.
type Refusal struct {
	Prefix netip.Prefix // as asked for
	Reason string       // one plain sentence without a full stop, e.g. "203.0.113.9 is in never_block (203.0.113.0/24)"
}

// Error gives the Reason.
func (r *Refusal) Error() string { return r.Reason }

// NewGuard makes a guard of the configured never_block, and of what is ours or serves
// us; of several with the same prefix the first gives the reason. Invalid entries are
// passed over: whoever read them has said so.
func NewGuard(neverBlock []netip.Prefix, own []Own) *Guard {
	g := &Guard{what: make(map[netip.Prefix]string, len(own))}
	for _, p := range neverBlock {
		if p = plainPrefix(p); p.IsValid() {
			g.never.add(p)
		}
	}
	for _, o := range own {
		p := plainPrefix(o.Prefix)
		if _, known := g.what[p]; !known && p.IsValid() {
			g.own.add(p)
			g.what[p] = o.What
		}
	}
	return g
}

// CheckAddr is Check for a single address.
func (g *Guard) CheckAddr(addr netip.Addr) error {
	addr = plain(addr)
	return g.Check(single(addr))
}

// Check gives nil if all of p may be blocked, else a *Refusal. It refuses what
// overlaps never_block, what is ours or serves us, or non-public ranges; networks wider than
// /16 (IPv4) or /32 (IPv6); and prefixes that are invalid or have host bits set.
// A mapped IPv4 prefix is judged as the IPv4 one.
func (g *Guard) Check(p netip.Prefix) error {
	refuse := func(format string, args ...any) error {
		return &Refusal{Prefix: p, Reason: fmt.Sprintf(format, args...)}
	}
	clean := plainPrefix(p)
	switch {
	case !clean.IsValid():
		return refuse("this is no address or network that could be blocked")
	case !p.Addr().Is4In6() && clean != p:
		return refuse("%s has host bits set: the network is %s", p, clean)
	}
	if why := g.listed(clean); why != "" {
		return refuse("%s", why)
	}
	if why := notPublic(clean); why != "" {
		return refuse("%s is not public (%s)", AddressText(clean), why)
	}
	if why := g.inside(clean); why != "" {
		return refuse("%s", why)
	}
	widest := widestIPv4
	if clean.Addr().Is6() {
		widest = widestIPv6
	}
	if clean.Bits() < widest {
		return refuse("%s is wider than /%d", clean, widest)
	}
	return nil
}

// listed says how p meets never_block or what is ours or serves us; "" if it does not.
func (g *Guard) listed(p netip.Prefix) string {
	if g == nil {
		return ""
	}
	if entry, ok := g.never.coveringPrefix(p); ok {
		return fmt.Sprintf("%s is in never_block (%s)", AddressText(p), AddressText(entry))
	}
	switch own, ok := g.own.coveringPrefix(p); {
	case ok && own == p:
		return fmt.Sprintf("%s is %s", AddressText(p), g.what[own])
	case ok:
		return fmt.Sprintf("%s is in %s, which is %s", AddressText(p), own, g.what[own])
	case p.IsSingleIP():
		return ""
	}
	if inside := g.never.within(p); len(inside) > 0 {
		return fmt.Sprintf("%s contains %s, which is in never_block", p, AddressText(inside[0]))
	}
	if inside := g.own.within(p); len(inside) > 0 { // the lowest, so that the same question has the same answer
		return fmt.Sprintf("%s contains %s, which is %s", p, AddressText(inside[0]), g.what[inside[0]])
	}
	return ""
}

// crowded gives the IPv6 networks of a length in which single addresses or smaller networks are protected.
func (g *Guard) crowded(bits int) map[[16]byte]struct{} {
	if g == nil || bits <= 0 || bits >= 128 {
		return nil
	}
	found := make(map[[16]byte]struct{})
	add := func(p netip.Prefix) {
		if network, err := p.Addr().Prefix(bits); err == nil && p.Addr().Is6() && p.Bits() > bits {
			found[network.Addr().As16()] = struct{}{}
		}
	}
	for _, set := range []*prefixSet{&g.never, &g.own} {
		for key := range set.singles {
			add(single(netip.AddrFrom16(key).Unmap()))
		}
		for p := range set.networks {
			add(p)
		}
	}
	return found
}

// inside says why the IPv4 host that an IPv6 network stands for must not be blocked; "" if it stands for none, or that may be.
func (g *Guard) inside(p netip.Prefix) string {
	addr := p.Addr()
	v4 := carried(addr)
	bits := 32
	switch {
	case !v4.IsValid():
		return ""
	case sixToFour.Contains(addr):
		bits = min(32, p.Bits()-sixToFour.Bits())
	case !p.IsSingleIP():
		return p.String() + " is a network of Teredo or NAT64, which relays for many hosts"
	}
	host := netip.PrefixFrom(v4, bits).Masked()
	if why := g.listed(host); why != "" {
		return AddressText(p) + " stands for an IPv4 address: " + why
	}
	if why := notPublic(host); why != "" {
		return AddressText(p) + " stands for " + AddressText(host) + ", which is not public (" + why + ")"
	}
	return ""
}
