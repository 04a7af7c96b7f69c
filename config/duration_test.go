package config

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"0": 0, "0d": 0, "90d": 90 * day, "1d12h": 36 * time.Hour, "10m": 10 * time.Minute, "1h30m": 90 * time.Minute,
		"1.5h": 90 * time.Minute, "2d0s": 2 * day, "106751d": 106751 * day, "1ns": 1,
	} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "d", "1", "10", "-1d", "+1d", "1d-1h", "1d+1h", "-1h", "1.5d", "1d1d", "12h1d", "1 d", " 1d", "1w", "106752d", "106751d24h", "99999999999d",
		"9999999999999h", "1d ", "NaN", "0x1d",
	} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", s, got)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", 30 * day: "30d", 36 * time.Hour: "1d12h", 10 * time.Minute: "10m", 10 * time.Second: "10s", 90 * time.Minute: "1h30m",
		time.Hour + time.Second: "1h0m1s", 20 * time.Hour: "20h", 1500 * time.Millisecond: "1.5s", day + time.Second: "1d1s",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestDurationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "d"))
		if back, err := ParseDuration(FormatDuration(d)); err != nil || back != d {
			t.Fatalf("%v is written %q and read as %v, %v", d, FormatDuration(d), back, err)
		}
	})
}
