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

// Own is an address that belongs to ourselves.
type Own struct {
	Addr netip.Addr
	// What it is, as it reads after "is": "this host", "firewall LAB-FW-01".
	What string
}

// Guard says what must never be blocked. It wins over every rule, manual entry and
// import. It is immutable and safe for concurrent use; the zero value and a nil
// Guard have no never_block and no own addresses, and still refuse what is not
// public.
type Guard struct {
	never prefixSet
	own   map[netip.Addr]string
}

// Refusal says why a prefix must not be blocked.
type Refusal struct {
	Prefix netip.Prefix // as asked for
	Reason string       // one plain sentence without a full stop, e.g. "203.0.113.9 is in never_block (203.0.113.0/24)"
}

// Error gives the Reason.
func (r *Refusal) Error() string { return r.Reason }

// NewGuard makes a guard of the configured never_block and of our own addresses.
// Invalid entries are passed over: the configuration has refused them before.
func NewGuard(neverBlock []netip.Prefix, own []Own) *Guard {
	g := &Guard{own: make(map[netip.Addr]string, len(own))}
	for _, p := range neverBlock {
		if p = plainPrefix(p); p.IsValid() {
			g.never.add(p)
		}
	}
	for _, o := range own {
		if o.Addr.IsValid() {
			g.own[plain(o.Addr)] = o.What
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
// overlaps never_block, our own addresses or non-public ranges; networks wider than
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
	widest := widestIPv4
	if clean.Addr().Is6() {
		widest = widestIPv6
	}
	if clean.Bits() < widest {
		return refuse("%s is wider than /%d", clean, widest)
	}
	return nil
}

// listed says how p meets never_block or one of our own addresses; "" if it does not.
func (g *Guard) listed(p netip.Prefix) string {
	if g == nil {
		return ""
	}
	if entry, ok := g.never.coveringPrefix(p); ok {
		return fmt.Sprintf("%s is in never_block (%s)", AddressText(p), AddressText(entry))
	}
	if p.IsSingleIP() {
		if what, ok := g.own[p.Addr()]; ok {
			return fmt.Sprintf("%s is %s", p.Addr(), what)
		}
		return ""
	}
	if inside := g.never.within(p); len(inside) > 0 {
		return fmt.Sprintf("%s contains %s, which is in never_block", p, AddressText(inside[0]))
	}
	// The lowest of several, so that the same question has the same answer.
	var found netip.Addr
	for addr := range g.own {
		if p.Contains(addr) && (!found.IsValid() || addr.Less(found)) {
			found = addr
		}
	}
	if found.IsValid() {
		return fmt.Sprintf("%s contains %s, which is %s", p, found, g.own[found])
	}
	return ""
}
