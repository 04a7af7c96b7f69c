package userid

import (
	"errors"
	"net/netip"
	"strings"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/iprange"
)

// Why a target is refused. The texts are ours: no source shows the firewall's.
var (
	errOldNetwork = errors.New("is not a single ip address")
	errIPv6Net    = errors.New("is not supported: ipv6 networks and ranges cannot be registered")
)

// parseTarget reads the ip attribute of an entry. A network is masked, a full-length one is the host, an IPv4
// address in IPv6 notation is refused. networks says whether the version takes networks and ranges (10.0).
func parseTarget(text string, networks bool) (target, error) {
	if first, last, ok := strings.Cut(text, "-"); ok {
		return parseRange(first, last, networks)
	}
	if !strings.Contains(text, "/") {
		a, err := iprange.ParseHost(text)
		if err != nil {
			return target{}, err
		}
		return target{prefix: netip.PrefixFrom(a, a.BitLen())}, nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return target{}, iprange.ErrBadAddress
	}
	switch {
	case p.IsSingleIP():
	case p.Addr().Is6():
		return target{}, errIPv6Net
	case !networks:
		return target{}, errOldNetwork
	}
	return target{prefix: p.Masked()}, nil
}

func parseRange(first, last string, networks bool) (target, error) {
	from, err := iprange.ParseHost(first)
	if err != nil {
		return target{}, err
	}
	to, err := iprange.ParseHost(last)
	if err != nil {
		return target{}, err
	}
	switch {
	case from.Is6() || to.Is6():
		return target{}, errIPv6Net
	case to.Less(from):
		return target{}, iprange.ErrBadAddress
	case !networks:
		return target{}, errOldNetwork
	}
	return target{prefix: netip.PrefixFrom(from, from.BitLen()), to: to}, nil
}

// Text writes the target as the dialect reads it back.
func (t target) Text(form dialect.HostForm) string {
	a := t.prefix.Addr()
	switch {
	case t.to.IsValid():
		return a.String() + "-" + t.to.String()
	case !t.prefix.IsSingleIP() || form == dialect.HostPrefix:
		return t.prefix.String()
	case form == dialect.HostExpanded:
		return a.StringExpanded()
	}
	return a.String()
}

// span gives the addresses of a registered target.
func (t target) span() iprange.Range {
	if t.to.IsValid() {
		return iprange.Range{First: t.prefix.Addr(), Last: t.to}
	}
	return iprange.OfPrefix(t.prefix)
}
