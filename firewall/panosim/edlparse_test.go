package panosim

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParseList(t *testing.T) {
	f := parseList([]byte("192.0.2.1\n"+
		"198.51.100.0/24 a scanner # seen today\n"+
		"198.51.100.77/24\ttab\n"+
		"203.0.113.5-203.0.113.9 range\n"+
		"2001:db8::1\n2001:db8:1::/48\n192.0.2.9/32\n"+
		"\n# all comment\n   192.0.2.10  \n"+
		"not-an-address\n203.0.113.9-203.0.113.5\n192.0.2.0/33\n::ffff:192.0.2.1\n192.0.2.1-2001:db8::1\n192.0.2.11"), ListLineTrimmed)
	var got []string
	for _, e := range f.entries {
		got = append(got, e.text)
	}
	expect(t, "entries", strings.Join(got, " "), "192.0.2.1 198.51.100.0/24 198.51.100.0/24 203.0.113.5-203.0.113.9 "+
		"2001:db8::1 2001:db8:1::/48 192.0.2.9 192.0.2.10 192.0.2.11")
	expect(t, "invalid", strings.Join(f.invalid, " "), "not-an-address 203.0.113.9-203.0.113.5 192.0.2.0/33 ::ffff:192.0.2.1 192.0.2.1-2001:db8::1")
	expect(t, "shown", shown(f.entries[0], ListHostPrefix)+" "+shown(f.entries[1], ListHostPrefix), "192.0.2.1/32 198.51.100.0/24")
}

func TestLineEndsOfLists(t *testing.T) {
	body := []byte("192.0.2.1\r\n192.0.2.2 why\r\n")
	if f := parseList(body, ListLineTrimmed); len(f.entries) != 2 || f.wrong != 0 {
		t.Errorf("trimmed: %+v", f)
	}
	if f := parseList(body, ListLineInvalid); len(f.entries) != 1 || f.wrong != 1 {
		t.Errorf("not trimmed: %+v", f)
	}
	if f := parseList([]byte(strings.Repeat("x\n", maxInvalid+5)), ListLineTrimmed); f.wrong != maxInvalid+5 || len(f.invalid) != maxInvalid {
		t.Errorf("%d of %d invalid lines are kept", len(f.invalid), f.wrong)
	}
}

func TestSpans(t *testing.T) {
	var list []span
	for _, text := range []string{"192.0.2.5", "10.0.0.0/9", "10.64.0.0/10", "2001:db8::/33", "0.0.0.0/32", "203.0.113.7-203.0.113.9", "255.255.255.255", "::"} {
		e, ok := parseListEntry(text)
		if !ok {
			t.Fatal(text)
		}
		list = append(list, e.span)
	}
	set := newSpans(list)
	if len(set) != 7 {
		t.Errorf("%d spans: %v", len(set), set)
	}
	for text, want := range map[string]bool{
		"192.0.2.5": true, "192.0.2.4": false, "192.0.2.6": false, "10.0.0.0": true, "10.127.255.255": true, "10.128.0.0": false,
		"2001:db8:7fff::1": true, "2001:db8:8000::": false, "::": true, "::1": false, "0.0.0.0": true, "0.0.0.1": false,
		"203.0.113.8": true, "203.0.113.10": false, "255.255.255.255": true, "ff::": false,
	} {
		if got := set.has(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if (spans)(nil).has(netip.MustParseAddr("192.0.2.1")) {
		t.Error("the empty set holds an address")
	}
}

func FuzzParseList(f *testing.F) {
	f.Add([]byte("192.0.2.1\n10.0.0.0/8 x\r\n1.1.1.1-2.2.2.2"))
	f.Fuzz(func(t *testing.T, body []byte) {
		file := parseList(body, ListLineTrimmed)
		list := make([]span, len(file.entries))
		for i, e := range file.entries {
			list[i] = e.span
			if again, ok := parseListEntry(e.text); !ok || again != e {
				t.Errorf("%q is read back as %+v", e.text, again)
			}
		}
		set := newSpans(list)
		for _, e := range file.entries {
			if !set.has(e.first) || !set.has(e.last) {
				t.Errorf("%s is not in its own set", e.text)
			}
		}
	})
}
