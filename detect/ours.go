package detect

import "net/netip"

// Ours are the addresses that belong to us: those of the company's networks and of its firewalls. It is immutable and may
// be shared; a nil one knows nothing.
type Ours struct {
	networks prefixSet
	public   bool
}

// NewOurs takes the networks that are known to be ours, and besides addresses by which our devices are managed: these are ours
// as well, and do not make it known (Known), for nothing else need be behind them. Invalid ones are passed over: whoever read
// them has said so.
func NewOurs(networks []netip.Prefix, management ...netip.Prefix) *Ours {
	o := &Ours{}
	for _, p := range networks {
		if p = plainPrefix(p); p.IsValid() {
			o.networks.add(p)
			o.public = o.public || notPublic(p) == ""
		}
	}
	for _, p := range management {
		if p = plainPrefix(p); p.IsValid() {
			o.networks.add(p)
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
	_, ok := o.networks.covering(addr, addr.As16())
	return ok
}
