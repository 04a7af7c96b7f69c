package block

import (
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"
)

// Clean makes a text storable everywhere: each NUL and each run of bytes that are no UTF-8 becomes U+FFFD. (PostgreSQL refuses both, and
// a text column of Parquet holds UTF-8.)
func Clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// Clamp gives t in UTC, moved into the years 1 to 9999: RFC 3339 knows no others. The last day of 9999 is
// left out, so that no time zone makes it the year 10000.
func Clamp(t time.Time) time.Time {
	if t.Before(time.Time{}) {
		return time.Time{}
	}
	if last := time.Date(9999, 12, 30, 23, 59, 59, 999999000, time.UTC); t.After(last) {
		return last
	}
	return t.UTC()
}

// Address drops a zone and writes an IPv4 address that was mapped into IPv6 as IPv4.
func Address(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// MatchText tells whether a text is a wanted one, without regard to case; with stars, "*" stands for any characters. What is wanted in
// ASCII alone is compared by ASCII's letters, as databases do.
func MatchText(want, got string, stars bool) bool {
	lower := lowerASCII
	if IsNotASCII(want) {
		lower = strings.ToLower
	}
	if stars {
		return MatchStars(lower(want), lower(got))
	}
	return lower(want) == lower(got)
}

// IsNotASCII tells whether a text has other characters than ASCII's.
func IsNotASCII(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r > 127 })
}

// lowerASCII turns ASCII's letters into lower case and leaves all others.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// MatchStars tells whether s matches a pattern in which "*" stands for any characters.
func MatchStars(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return s == pattern
	}
	first, last := parts[0], parts[len(parts)-1]
	s, ok := strings.CutPrefix(s, first)
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		if _, s, ok = strings.Cut(s, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(s, last)
}
