package main

import (
	"time"

	"activedefense/config"
)

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
