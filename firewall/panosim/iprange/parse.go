package iprange

import (
	"errors"
	"net/netip"
	"strings"
)

// ErrBadAddress refuses what is no address. The text is ours: no source shows the firewall's.
var ErrBadAddress = errors.New("is not a valid ip address")

// ParseHost reads an address. One with a zone, and an IPv4 address in IPv6 notation, are refused.
func ParseHost(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return netip.Addr{}, ErrBadAddress
	}
	return a, nil
}

// Entry is what a list or a rule writes for addresses.
type Entry struct {
	Range
	Text string // canonical: an address, a network, or a range
	Host bool   // a single address, which some versions show with its length
}

// Parse reads an address, a network, of which host bits may be set, or a range of one family; false: it is none.
// IPv4 addresses in IPv6 notation are none.
func Parse(text string) (Entry, bool) {
	if first, last, isRange := strings.Cut(text, "-"); isRange {
		from, err1 := ParseHost(first)
		to, err2 := ParseHost(last)
		if err1 != nil || err2 != nil || from.BitLen() != to.BitLen() || to.Less(from) {
			return Entry{}, false
		}
		return Entry{Range: Range{from, to}, Text: from.String() + "-" + to.String()}, true
	}
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Addr().Is4In6() {
			return Entry{}, false
		}
		p = p.Masked()
		if p.IsSingleIP() {
			return Entry{Range: Single(p.Addr()), Text: p.Addr().String(), Host: true}, true
		}
		return Entry{Range: OfPrefix(p), Text: p.String()}, true
	}
	a, err := ParseHost(text)
	if err != nil {
		return Entry{}, false
	}
	return Entry{Range: Single(a), Text: a.String(), Host: true}, true
}
