package display

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize/english"
)

// LocalTimeOrNone writes a time that may be missing.
func LocalTimeOrNone(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return LocalTime(*t)
}

// Plural writes "1 entry", "2,000 entries".
func Plural[T int | int64 | uint64](n T, what string) string {
	return Grouped(n) + " " + english.PluralWord(int(n), what, "")
}

// Grouped writes a number with separators: 1,234,567.
func Grouped[T int | int64 | uint64](n T) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Bytes writes a size for people.
func Bytes(n int64) string {
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

// Span writes a duration for people: 3d4h, 2h5m, 12s.
func Span(d time.Duration) string {
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

// Place names a database.
func Place(kind, host, database string) string {
	if host == "" {
		return kind + " " + database
	}
	return kind + " " + database + " at " + host
}
