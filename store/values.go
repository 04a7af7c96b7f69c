package store

import (
	"fmt"
	"net/netip"
	"time"

	"activedefense/store/block"
)

// clean makes a text storable in both databases.
func clean(s string) string { return block.Clean(s) }

// clamp gives t in UTC, moved into the years 1 to 9999. (Both databases drop what is below microseconds.)
func clamp(t time.Time) time.Time { return block.Clamp(t) }

// canonicalAddr drops a zone and writes an IPv4 address that was mapped into IPv6 as IPv4.
func canonicalAddr(a netip.Addr) netip.Addr { return block.Address(a) }

// canonical gives the one form in which a network or address is stored.
func canonical(p netip.Prefix) (netip.Prefix, error) {
	if !p.IsValid() {
		return p, fmt.Errorf("%q is neither an address nor a network", p)
	}
	a, bits := p.Addr(), p.Bits()
	if a.Is4In6() {
		if bits < 96 {
			return netip.PrefixFrom(a.WithZone(""), bits).Masked(), nil
		}
		bits -= 96
	}
	return netip.PrefixFrom(canonicalAddr(a), bits).Masked(), nil
}

// lastAddr is the highest address of a network.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b) // 4 or 16 bytes, as they came
	return a
}

// comparePrefix orders by address, then the wider network first.
func comparePrefix(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}

// intoTime scans a time of either database; NULL is the zero time.
type intoTime struct{ to *time.Time }

// Scan implements sql.Scanner.
func (s intoTime) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*s.to = time.Time{}
	case int64:
		*s.to = time.UnixMicro(v).UTC()
	case time.Time:
		*s.to = v.UTC()
	default:
		return fmt.Errorf("a time was stored as %T", v)
	}
	return nil
}

// intoPrefix scans an address or network of either database.
type intoPrefix struct{ to *netip.Prefix }

// Scan implements sql.Scanner.
func (s intoPrefix) Scan(v any) (err error) {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("an address was stored as %T", v)
	}
	*s.to, err = netip.ParsePrefix(text)
	return err
}

// intoMicroseconds scans a number of microseconds.
type intoMicroseconds struct{ to *time.Duration }

// Scan implements sql.Scanner.
func (s intoMicroseconds) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a duration was stored as %T", v)
	}
	*s.to = time.Duration(n) * time.Microsecond
	return nil
}
