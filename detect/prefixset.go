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
	bits4    []int // lengths in use, longest first
	bits6    []int
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
	s.networks[p] = struct{}{}
	s.measure()
}

func (s *prefixSet) remove(p netip.Prefix) {
	if p.IsSingleIP() {
		delete(s.singles, p.Addr().As16())
		return
	}
	delete(s.networks, p)
	s.measure()
}

// measure renews the lists of lengths in use.
func (s *prefixSet) measure() {
	var used [2][129]bool
	for p := range s.networks {
		used[family(p.Addr())][p.Bits()] = true
	}
	list := func(used *[129]bool, bits []int) []int {
		bits = bits[:0]
		for b := len(used) - 1; b >= 0; b-- {
			if used[b] {
				bits = append(bits, b)
			}
		}
		return bits
	}
	s.bits4, s.bits6 = list(&used[0], s.bits4), list(&used[1], s.bits6)
}

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
	bits := s.bits6
	if addr.Is4() {
		bits = s.bits4
	}
	for _, b := range bits {
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
