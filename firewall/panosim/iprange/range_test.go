package iprange

import (
	"net/netip"
	"testing"
)

func TestSets(t *testing.T) {
	var list []Range
	for _, text := range []string{"192.0.2.5", "10.0.0.0/9", "10.64.0.0/10", "2001:db8::/33", "0.0.0.0/32", "203.0.113.7-203.0.113.9", "255.255.255.255", "::"} {
		e, ok := Parse(text)
		if !ok {
			t.Fatal(text)
		}
		list = append(list, e.Range)
	}
	set := NewSet(list)
	if len(set) != 7 {
		t.Errorf("%d ranges: %v", len(set), set)
	}
	for text, want := range map[string]bool{
		"192.0.2.5": true, "192.0.2.4": false, "192.0.2.6": false, "10.0.0.0": true, "10.127.255.255": true, "10.128.0.0": false,
		"2001:db8:7fff::1": true, "2001:db8:8000::": false, "::": true, "::1": false, "0.0.0.0": true, "0.0.0.1": false,
		"203.0.113.8": true, "203.0.113.10": false, "255.255.255.255": true, "ff::": false,
	} {
		if got := set.Has(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if (Set)(nil).Has(netip.MustParseAddr("192.0.2.1")) {
		t.Error("the empty set holds an address")
	}
}

// What is read is written so that it is read as the same, and lies in the set that is made of it.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"192.0.2.1", "10.1.2.3/8", "1.1.1.1-2.2.2.2", "2001:db8::/33", "192.0.2.1/32", "::ffff:192.0.2.1", "fe80::1%eth0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, ok := Parse(text)
		if !ok {
			return
		}
		if again, ok := Parse(e.Text); !ok || again != e {
			t.Errorf("%q is read back as %+v", e.Text, again)
		}
		set := NewSet([]Range{e.Range})
		if !set.Has(e.First) || !set.Has(e.Last) || !e.Contains(Single(e.First)) {
			t.Errorf("%s is not in its own set", e.Text)
		}
	})
}
