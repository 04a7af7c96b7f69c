package detect

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

// Ours are the addresses that belong to us: those of the company's networks and of its firewalls. It is immutable and may
// be shared; a nil one knows nothing.
type Ours struct {
	networks prefixSet // of IPv6
	ranges   []ipv4Range
	public   bool
}

// ipv4Range are the addresses from first to last.
type ipv4Range struct{ first, last uint32 }

// NewOurs takes the networks that are known to be ours, and besides addresses by which our devices are managed: these are ours
// as well, and do not make it known (Known), for nothing else need be behind them. Invalid ones are passed over: whoever read
// them has said so.
func NewOurs(networks []netip.Prefix, management ...netip.Prefix) *Ours {
	o := &Ours{}
	defer o.join()
	for _, p := range networks {
		if p = plainPrefix(p); p.IsValid() {
			o.add(p)
			o.public = o.public || notPublic(p) == ""
		}
	}
	for _, p := range management {
		if p = plainPrefix(p); p.IsValid() {
			o.add(p)
		}
	}
	return o
}

// Known tells whether any public address is known to be ours. Private networks do not make it known, for everybody has them,
// nor do management addresses.
func (o *Ours) Known() bool { return o != nil && o.public }

// Contains tells whether an address is ours. Private addresses are so only where they were named.
func (o *Ours) Contains(addr netip.Addr) bool {
	if o == nil {
		return false
	}
	addr = plain(addr)
	if !addr.Is4() {
		_, ok := o.networks.covering(addr, addr.As16())
		return ok
	}
	four := addr.As4()
	n := binary.BigEndian.Uint32(four[:])
	i, found := slices.BinarySearchFunc(o.ranges, n, func(r ipv4Range, n uint32) int { return cmp.Compare(r.first, n) })
	return found || i > 0 && n <= o.ranges[i-1].last
}

func (o *Ours) add(p netip.Prefix) {
	if !p.Addr().Is4() {
		o.networks.add(p)
		return
	}
	four := p.Addr().As4()
	first := binary.BigEndian.Uint32(four[:])
	o.ranges = append(o.ranges, ipv4Range{first, first | uint32(1<<(32-p.Bits())-1)})
}

// join sorts the ranges and makes one of those that meet: every line is looked up twice.
func (o *Ours) join() {
	slices.SortFunc(o.ranges, func(a, b ipv4Range) int { return cmp.Compare(a.first, b.first) })
	joined := o.ranges[:0]
	for _, r := range o.ranges {
		if n := len(joined); n > 0 && (r.first <= joined[n-1].last || r.first == joined[n-1].last+1) {
			joined[n-1].last = max(joined[n-1].last, r.last)
			continue
		}
		joined = append(joined, r)
	}
	o.ranges = joined
}
