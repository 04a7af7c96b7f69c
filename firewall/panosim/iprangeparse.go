package panosim

import (
	"errors"
	"net/netip"
	"strings"
)

// errBadAddress refuses what is no address. The text is ours: no source shows the firewall's.
var errBadAddress = errors.New("is not a valid ip address")

// parseHost reads an address. One with a zone, and an IPv4 address in IPv6 notation, are refused.
func parseHost(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return netip.Addr{}, errBadAddress
	}
	return a, nil
}

// listEntry is one valid line of a list.
type listEntry struct {
	span
	text string // canonical: an address, a network, or a range
	host bool   // a single address, which some versions show with its length
}

// parseListEntry reads what stands at the beginning of a line.
func parseListEntry(text string) (listEntry, bool) {
	if first, last, isRange := strings.Cut(text, "-"); isRange {
		from, err1 := parseHost(first)
		to, err2 := parseHost(last)
		if err1 != nil || err2 != nil || from.BitLen() != to.BitLen() || to.Less(from) {
			return listEntry{}, false
		}
		return listEntry{span: span{from, to}, text: from.String() + "-" + to.String()}, true
	}
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Addr().Is4In6() {
			return listEntry{}, false
		}
		p = p.Masked()
		if p.IsSingleIP() {
			return listEntry{span: single(p.Addr()), text: p.Addr().String(), host: true}, true
		}
		return listEntry{span: prefixSpan(p), text: p.String()}, true
	}
	a, err := parseHost(text)
	if err != nil {
		return listEntry{}, false
	}
	return listEntry{span: single(a), text: a.String(), host: true}, true
}
