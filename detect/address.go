package detect

import (
	"net/netip"
	"slices"
)

// reserved is a range whose addresses are never blocked, whoever sends from them.
type reserved struct {
	prefix netip.Prefix
	kind   string
}

// reservedRanges are the ranges of the IANA special-purpose registries (RFC 6890)
// that can be on our own side of the firewall or on nobody's. Documentation ranges
// are left out on purpose: nobody owns them, and examples need addresses. The
// benchmarking range is in, because networks do use it as one more private range.
var reservedRanges = []reserved{
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("255.255.255.255/32"), "broadcast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fc00::/7"), "unique local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

// reservedOctets are the first octets of IPv4 with which any reserved range begins. Nearly all
// public addresses have another, and need not be held against each range.
var reservedOctets = func() (table [256]bool) {
	for i := range table {
		octet := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(i)}), 8)
		table[i] = slices.ContainsFunc(reservedRanges, func(r reserved) bool { return r.prefix.Overlaps(octet) })
	}
	return table
}()

// globalIPv6 is all of IPv6 that has been given out for the public internet.
var globalIPv6 = netip.MustParsePrefix("2000::/3")

// canBeSource says whether an address may be counted and blocked: a public one.
// Mapped IPv4 addresses are judged as IPv4; the zero Addr is none. Documentation
// ranges count as public.
func canBeSource(addr netip.Addr) bool { return isPublic(plain(addr)) }

// isPublic is canBeSource for an address that is plain.
func isPublic(addr netip.Addr) bool {
	if !addr.Is4() {
		return globalIPv6.Contains(addr)
	}
	if !reservedOctets[addr.As4()[0]] {
		return true
	}
	for i := range reservedRanges {
		if reservedRanges[i].prefix.Contains(addr) {
			return false
		}
	}
	return true
}

// notPublic describes the non-public range that p overlaps, as in "private,
// 10.0.0.0/8"; "" if all of p is public. p is masked and not mapped.
func notPublic(p netip.Prefix) string {
	for i := range reservedRanges {
		if r := &reservedRanges[i]; r.prefix.Overlaps(p) {
			return r.kind + ", " + AddressText(r.prefix)
		}
	}
	if p.Addr().Is6() && (p.Bits() < globalIPv6.Bits() || !globalIPv6.Contains(p.Addr())) {
		return "outside " + globalIPv6.String()
	}
	return ""
}

// plain strips what does not tell hosts apart: the mapping of IPv4 into IPv6, and
// the zone.
func plain(addr netip.Addr) netip.Addr {
	if addr.Is4() {
		return addr // nearly always
	}
	return addr.Unmap().WithZone("")
}

// plainPrefixes gives the valid ones of a list, plain.
func plainPrefixes(list []netip.Prefix) []netip.Prefix {
	valid := make([]netip.Prefix, 0, len(list))
	for _, p := range list {
		if p = plainPrefix(p); p.IsValid() {
			valid = append(valid, p)
		}
	}
	return valid
}

// plainPrefix masks p and turns a mapped IPv4 network into an IPv4 one. Invalid
// prefixes, and mapped ones that reach beyond IPv4, give the zero Prefix.
func plainPrefix(p netip.Prefix) netip.Prefix {
	if !p.IsValid() {
		return netip.Prefix{}
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// single is the prefix that covers exactly one address.
func single(addr netip.Addr) netip.Prefix {
	return netip.PrefixFrom(addr, addr.BitLen())
}

// AddressText writes a prefix as people do: a single address without its /32 or /128.
func AddressText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
