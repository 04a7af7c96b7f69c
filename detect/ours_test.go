package detect

import (
	"net/netip"
	"testing"
)

func TestOurs(t *testing.T) {
	prefixes := func(texts ...string) (out []netip.Prefix) {
		for _, text := range texts {
			out = append(out, netip.MustParsePrefix(text))
		}
		return out
	}
	for name, c := range map[string]struct {
		ours  *Ours
		known bool
		in    []string
		out   []string
	}{
		"nil":                 {nil, false, nil, []string{"203.0.113.1", "10.0.0.1"}},
		"nothing":             {NewOurs(nil), false, nil, []string{"203.0.113.1"}},
		"private alone":       {NewOurs(prefixes("10.0.0.0/8", "fd00::/8")), false, []string{"10.1.2.3", "fd00::1"}, []string{"203.0.113.1"}},
		"public":              {NewOurs(prefixes("203.0.113.0/28", "10.0.0.0/8")), true, []string{"203.0.113.15", "::ffff:203.0.113.1", "10.0.0.1"}, []string{"203.0.113.16"}},
		"management":          {NewOurs(nil, prefixes("203.0.113.9/32")...), false, []string{"203.0.113.9"}, []string{"203.0.113.8"}},
		"public, and managed": {NewOurs(prefixes("2001:db8::/48"), prefixes("203.0.113.9/32")...), true, []string{"203.0.113.9", "2001:db8::9%eth0"}, []string{"2001:db8:1::9"}},
		"invalid":             {NewOurs([]netip.Prefix{{}}, netip.Prefix{}), false, nil, []string{"203.0.113.1"}},
		"host bits":           {NewOurs(prefixes("203.0.113.9/24")), true, []string{"203.0.113.200"}, nil},
	} {
		if c.ours.Known() != c.known {
			t.Errorf("%s: known is %v", name, c.ours.Known())
		}
		for _, addr := range c.in {
			if !c.ours.Contains(netip.MustParseAddr(addr)) {
				t.Errorf("%s: %s is not ours", name, addr)
			}
		}
		for _, addr := range c.out {
			if c.ours.Contains(netip.MustParseAddr(addr)) {
				t.Errorf("%s: %s is ours", name, addr)
			}
		}
	}
}
