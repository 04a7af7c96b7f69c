package main

import (
	"encoding/json"
	"net/netip"
	"time"

	"activedefense/agent/display"
	"activedefense/config"
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

// parseTime reads a span back from now (24h, 7d), a date or time of day in the local zone, or RFC 3339;
// empty is no time.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := config.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageErrorf("%s %q: use a duration such as 24h or 7d, a date such as 2026-01-31, or RFC 3339", flag, text)
}
