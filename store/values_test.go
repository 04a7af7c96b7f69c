package store

import (
	"net/netip"
	"testing"
	"time"
)

func TestCanonical(t *testing.T) {
	for in, want := range map[string]string{
		"203.0.113.9/32":         "203.0.113.9/32",
		"203.0.113.9/24":         "203.0.113.0/24",
		"::ffff:203.0.113.9/128": "203.0.113.9/32",
		"::ffff:203.0.113.9/120": "203.0.113.0/24",
		"::ffff:203.0.113.9/90":  "::ffc0:0:0/90", // wider than all of IPv4: stays what it is
		"2001:db8::1/64":         "2001:db8::/64",
	} {
		got, err := canonical(netip.MustParsePrefix(in))
		if err != nil || got.String() != want {
			t.Errorf("%s became %s (%v), not %s", in, got, err, want)
		}
	}
	if got, err := canonical(netip.Prefix{}); err == nil {
		t.Errorf("nothing became %s", got)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{"": "", "plain": "plain", "m\u00fcller": "m\u00fcller", "a\x00b": "a\uFFFDb", "a\xff\xfeb": "a\uFFFDb", "\x00\xff": "\uFFFD\uFFFD"} {
		if got := clean(in); got != want {
			t.Errorf("%q became %q, not %q", in, got, want)
		}
	}
}

// Days are counted towards the past as well, and their numbers lead back.
func TestDays(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), "records_19700101"},
		{time.Date(1969, 12, 31, 23, 59, 59, 999, time.UTC), "records_19691231"},
		{time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), "records_19691231"},
		{time.Date(2026, 3, 1, 1, 0, 0, 0, time.FixedZone("east", 2*3600)), "records_20260228"},
	} {
		day := dayOf(c.at)
		if partitionName(day) != c.want || startOf(day).After(c.at) || !startOf(day+1).After(c.at) {
			t.Errorf("%v lies in %s from %v", c.at, partitionName(day), startOf(day))
		}
	}
}
