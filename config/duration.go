package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

var errDuration = errors.New("is not a duration; use one such as 90d, 1d12h, 10m or 30s")

// ParseDuration reads a duration that is not negative: what time.ParseDuration knows, with whole
// days in front if need be (90d, 1d12h), or a bare 0. A day is 24 hours.
func ParseDuration(s string) (time.Duration, error) {
	fail := fmt.Errorf("%q %w", clip(s), errDuration)
	var total time.Duration
	rest := s
	if head, tail, found := strings.Cut(s, "d"); found {
		days, err := strconv.ParseUint(head, 10, 32)
		if err != nil || days > uint64(math.MaxInt64/day) {
			return 0, fail
		}
		total, rest = time.Duration(days)*day, tail
		if rest == "" {
			return total, nil
		}
	}
	if strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
		return 0, fail
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d > math.MaxInt64-total {
		return 0, fail
	}
	return total + d, nil
}

// FormatDuration writes a duration that is not negative as ParseDuration reads it, in the shortest
// usual form: 30d, 1d12h, 10m, 0.
func FormatDuration(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	days, rest := d/day, d%day
	var b strings.Builder
	if days > 0 {
		fmt.Fprintf(&b, "%dd", days)
	}
	if rest > 0 {
		s := rest.String()
		if strings.HasSuffix(s, "m0s") {
			s = strings.TrimSuffix(s, "0s")
		}
		if strings.HasSuffix(s, "h0m") {
			s = strings.TrimSuffix(s, "0m")
		}
		b.WriteString(s)
	}
	return b.String()
}
