package edl

import (
	"strings"
	"testing"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/iprange"
)

func TestParseList(t *testing.T) {
	f := parse([]byte("192.0.2.1\n"+
		"198.51.100.0/24 a scanner # seen today\n"+
		"198.51.100.77/24\ttab\n"+
		"203.0.113.5-203.0.113.9 range\n"+
		"2001:db8::1\n2001:db8:1::/48\n192.0.2.9/32\n"+
		"\n# all comment\n   192.0.2.10  \n"+
		"not-an-address\n203.0.113.9-203.0.113.5\n192.0.2.0/33\n::ffff:192.0.2.1\n192.0.2.1-2001:db8::1\n192.0.2.11"), dialect.ListLineTrimmed)
	same := func(what, got, want string) {
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", what, got, want)
		}
	}
	var got []string
	for _, e := range f.entries {
		got = append(got, e.Text)
	}
	same("entries", strings.Join(got, " "), "192.0.2.1 198.51.100.0/24 198.51.100.0/24 203.0.113.5-203.0.113.9 "+
		"2001:db8::1 2001:db8:1::/48 192.0.2.9 192.0.2.10 192.0.2.11")
	same("invalid", strings.Join(f.invalid, " "), "not-an-address 203.0.113.9-203.0.113.5 192.0.2.0/33 ::ffff:192.0.2.1 192.0.2.1-2001:db8::1")
	same("shown", shown(f.entries[0], dialect.ListHostPrefix)+" "+shown(f.entries[1], dialect.ListHostPrefix), "192.0.2.1/32 198.51.100.0/24")
}

func TestLineEndsOfLists(t *testing.T) {
	body := []byte("192.0.2.1\r\n192.0.2.2 why\r\n")
	if f := parse(body, dialect.ListLineTrimmed); len(f.entries) != 2 || f.wrong != 0 {
		t.Errorf("trimmed: %+v", f)
	}
	if f := parse(body, dialect.ListLineInvalid); len(f.entries) != 1 || f.wrong != 1 {
		t.Errorf("not trimmed: %+v", f)
	}
	if f := parse([]byte(strings.Repeat("x\n", maxInvalid+5)), dialect.ListLineTrimmed); f.wrong != maxInvalid+5 || len(f.invalid) != maxInvalid {
		t.Errorf("%d of %d invalid lines are kept", len(f.invalid), f.wrong)
	}
}

func FuzzParseList(f *testing.F) {
	f.Add([]byte("192.0.2.1\n10.0.0.0/8 x\r\n1.1.1.1-2.2.2.2"))
	f.Fuzz(func(t *testing.T, body []byte) {
		file := parse(body, dialect.ListLineTrimmed)
		list := make([]iprange.Range, len(file.entries))
		for i, e := range file.entries {
			list[i] = e.Range
			if again, ok := iprange.Parse(e.Text); !ok || again != e {
				t.Errorf("%q is read back as %+v", e.Text, again)
			}
		}
		set := iprange.NewSet(list)
		for _, e := range file.entries {
			if !set.Has(e.First) || !set.Has(e.Last) {
				t.Errorf("%s is not in its own set", e.Text)
			}
		}
	})
}
