package panosim

import (
	"cmp"
	"net/netip"
	"slices"
)

// span is a run of addresses of one family, both ends belonging to it.
type span struct{ first, last netip.Addr }

// prefixSpan gives the addresses of a network.
func prefixSpan(p netip.Prefix) span {
	p = p.Masked()
	last := p.Addr().AsSlice()
	for i := range last {
		if bits := p.Bits() - 8*i; bits < 8 {
			last[i] |= 0xff >> max(bits, 0)
		}
	}
	// As long as the address it was made from.
	end, _ := netip.AddrFromSlice(last)
	return span{p.Addr(), end}
}

// contains says whether all of other lies in s. Addresses of different families compare as IPv4 before IPv6, so
// both ends must be of one family: s's are.
func (s span) contains(other span) bool {
	return s.first.BitLen() == other.first.BitLen() && s.first.Compare(other.first) <= 0 && other.last.Compare(s.last) <= 0
}

// single is the span of one address.
func single(a netip.Addr) span { return span{a, a} }

// spans is a set of addresses: sorted, without overlaps. The zero value is empty.
type spans []span

// newSpans sorts and merges; list is changed. IPv6 sorts behind IPv4, so the two never merge.
func newSpans(list []span) spans {
	slices.SortFunc(list, func(a, b span) int {
		return cmp.Or(a.first.Compare(b.first), a.last.Compare(b.last))
	})
	var out spans
	for _, s := range list {
		if n := len(out); n > 0 && s.first.Compare(out[n-1].last) <= 0 {
			if s.last.Compare(out[n-1].last) > 0 {
				out[n-1].last = s.last
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// has says whether the address belongs to the set.
func (l spans) has(a netip.Addr) bool {
	i, found := slices.BinarySearchFunc(l, a, func(s span, a netip.Addr) int { return s.first.Compare(a) })
	if found {
		return true
	}
	return i > 0 && l[i-1].contains(single(a))
}
