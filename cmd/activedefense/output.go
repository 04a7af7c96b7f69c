package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/dustin/go-humanize/english"

	"activedefense/agent/display"
)

// printJSON writes one object on one line.
func (a *app) printJSON(v any) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// localPtr writes a time that may be missing.
func localPtr(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return display.LocalTime(*t)
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

// plural writes "1 entry", "2,000 entries".
func plural[T int | int64 | uint64](n T, what string) string {
	return grouped(n) + " " + english.PluralWord(int(n), what, "")
}

// grouped writes a number with separators: 1,234,567.
func grouped[T int | int64 | uint64](n T) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// bytesText writes a size for people.
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, exp := float64(n)/unit, 0
	for value >= unit && exp < 4 {
		value, exp = value/unit, exp+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[exp])
}

// span writes a duration for people: 3d4h, 2h5m, 12s.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
