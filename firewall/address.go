package firewall

import (
	"cmp"
	"net/netip"
	"strings"
)

// FormatAddress writes a single address without its length, which every version takes.
func FormatAddress(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// ParseAddress reads an address or network as PAN-OS writes it, in its normal form. Ranges are none.
func ParseAddress(text string) (netip.Prefix, bool) {
	text = strings.TrimSpace(text)
	if a, err := netip.ParseAddr(text); err == nil {
		return Normalize(netip.PrefixFrom(a.WithZone(""), a.BitLen()))
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	return Normalize(p)
}

// Normalize gives p without host bits, and an IPv4 address in IPv6 form as IPv4. False: p is none.
func Normalize(p netip.Prefix) (netip.Prefix, bool) {
	if !p.IsValid() {
		return p, false
	}
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < 96 {
			return p, false
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}

// ComparePrefixes puts IPv4 before IPv6, then goes by address, then by length.
func ComparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(cmp.Compare(a.Addr().BitLen(), b.Addr().BitLen()), a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// PrefixSet gives the entries in the form in which they are read back.
func PrefixSet(entries []Entry) map[netip.Prefix]bool {
	out := make(map[netip.Prefix]bool, len(entries))
	for _, e := range entries {
		if p, ok := Normalize(e.Prefix); ok {
			out[p] = true
		}
	}
	return out
}
