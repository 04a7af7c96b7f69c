package iprange

import (
	"cmp"
	"net/netip"
	"slices"
)

// Range is a run of addresses of one family, both ends belonging to it.
type Range struct{ First, Last netip.Addr }

// OfPrefix gives the addresses of a network.
func OfPrefix(p netip.Prefix) Range {
	p = p.Masked()
	last := p.Addr().AsSlice()
	for i := range last {
		if bits := p.Bits() - 8*i; bits < 8 {
			last[i] |= 0xff >> max(bits, 0)
		}
	}
	// As long as the address it was made from.
	end, _ := netip.AddrFromSlice(last)
	return Range{p.Addr(), end}
}

// Contains says whether all of other lies in s. Addresses of different families compare as IPv4 before IPv6, so
// both ends must be of one family: s's are.
func (s Range) Contains(other Range) bool {
	return s.First.BitLen() == other.First.BitLen() && s.First.Compare(other.First) <= 0 && other.Last.Compare(s.Last) <= 0
}

// Single is the span of one address.
func Single(a netip.Addr) Range { return Range{a, a} }

// Set is a set of addresses: sorted, without overlaps. The zero value is empty.
type Set []Range

// NewSet sorts and merges; list is changed. IPv6 sorts behind IPv4, so the two never merge.
func NewSet(list []Range) Set {
	slices.SortFunc(list, func(a, b Range) int {
		return cmp.Or(a.First.Compare(b.First), a.Last.Compare(b.Last))
	})
	var out Set
	for _, s := range list {
		if n := len(out); n > 0 && s.First.Compare(out[n-1].Last) <= 0 {
			if s.Last.Compare(out[n-1].Last) > 0 {
				out[n-1].Last = s.Last
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// Has says whether the address belongs to the set.
func (l Set) Has(a netip.Addr) bool {
	i, found := slices.BinarySearchFunc(l, a, func(s Range, a netip.Addr) int { return s.First.Compare(a) })
	if found {
		return true
	}
	return i > 0 && l[i-1].Contains(Single(a))
}
