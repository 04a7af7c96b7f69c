package main

import (
	"encoding/json"
	"net/netip"
	"time"

	"activedefense/agent/display"
)

// printJSON writes one object on one line.
func (a *app) printJSON(v any) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// parsePrefix reads an address or a network.
func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, usageErrorf("%q is neither an address nor a network such as 203.0.113.0/24", s)
	}
	if p != p.Masked() {
		return netip.Prefix{}, usageErrorf("%s has host bits set; the network is %s", p, p.Masked())
	}
	return p, nil
}

// plural, grouped and span are how display writes these.
func plural[T int | int64 | uint64](n T, what string) string { return display.Plural(n, what) }
func grouped[T int | int64 | uint64](n T) string             { return display.Grouped(n) }
func span(d time.Duration) string                            { return display.Span(d) }
