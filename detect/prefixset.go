package detect

import (
	"net/netip"
	"slices"
)

// prefixSet finds the narrowest of its prefixes that covers an address. It is made
// for many single addresses and few networks: a network lookup costs one map
// access for each prefix length in use.
//
// Prefixes are masked and not mapped (plainPrefix); the zero value is empty.
type prefixSet struct {
	// Keyed by bytes and not by netip.Addr, which holds a pointer: the garbage
	// collector then need not look into a large blacklist.
	singles  map[[16]byte]struct{}
	networks map[netip.Prefix]struct{}
	count    [2][129]int // networks, by family and length
	bits     [2][]int    // lengths in use, by family, longest first
}

func (s *prefixSet) len() int { return len(s.singles) + len(s.networks) }

func (s *prefixSet) add(p netip.Prefix) {
	if p.IsSingleIP() {
		if s.singles == nil {
			s.singles = make(map[[16]byte]struct{})
		}
		s.singles[p.Addr().As16()] = struct{}{}
		return
	}
	if s.networks == nil {
		s.networks = make(map[netip.Prefix]struct{})
	}
	if _, ok := s.networks[p]; !ok {
		s.networks[p] = struct{}{}
		s.measure(p, 1)
	}
}

func (s *prefixSet) remove(p netip.Prefix) {
	if p.IsSingleIP() {
		delete(s.singles, p.Addr().As16())
		return
	}
	if _, ok := s.networks[p]; ok {
		delete(s.networks, p)
		s.measure(p, -1)
	}
}

// measure counts a network in or out, and renews the list of lengths in use.
func (s *prefixSet) measure(p netip.Prefix, by int) {
	f := family(p.Addr())
	s.count[f][p.Bits()] += by
	s.bits[f] = s.bits[f][:0]
	for b := len(s.count[f]) - 1; b >= 0; b-- {
		if s.count[f][b] > 0 {
			s.bits[f] = append(s.bits[f], b)
		}
	}
}

// family is 0 for IPv4, 1 for IPv6.
func family(addr netip.Addr) int {
	if addr.Is4() {
		return 0
	}
	return 1
}

// covering gives the narrowest prefix of the set that holds addr; key is
// addr.As16(), which callers have at hand.
func (s *prefixSet) covering(addr netip.Addr, key [16]byte) (netip.Prefix, bool) {
	if len(s.singles) > 0 {
		if _, ok := s.singles[key]; ok {
			return single(addr), true
		}
	}
	if len(s.networks) == 0 {
		return netip.Prefix{}, false
	}
	return s.network(addr, addr.BitLen())
}

// coveringPrefix gives the narrowest prefix of the set that holds all of p.
func (s *prefixSet) coveringPrefix(p netip.Prefix) (netip.Prefix, bool) {
	if p.IsSingleIP() {
		return s.covering(p.Addr(), p.Addr().As16())
	}
	return s.network(p.Addr(), p.Bits())
}

// network gives the narrowest network of at most so many bits that holds addr.
func (s *prefixSet) network(addr netip.Addr, most int) (netip.Prefix, bool) {
	for _, b := range s.bits[family(addr)] {
		if b > most {
			continue
		}
		p, err := addr.Prefix(b)
		if err != nil {
			continue
		}
		if _, ok := s.networks[p]; ok {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// within gives the prefixes of the set that p contains (p itself included), in
// order of address. It walks the whole set.
func (s *prefixSet) within(p netip.Prefix) []netip.Prefix {
	var found []netip.Prefix
	for key := range s.singles {
		if addr := netip.AddrFrom16(key).Unmap(); p.Contains(addr) {
			found = append(found, single(addr))
		}
	}
	for network := range s.networks {
		if network.Bits() >= p.Bits() && p.Contains(network.Addr()) {
			found = append(found, network)
		}
	}
	slices.SortFunc(found, netip.Prefix.Compare)
	return found
}
