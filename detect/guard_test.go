package detect

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	neverBlock = []netip.Prefix{
		netip.MustParsePrefix("203.0.113.0/25"),
		netip.MustParsePrefix("203.0.113.7/32"),
		netip.MustParsePrefix("198.51.100.9/32"),
		netip.MustParsePrefix("2001:db8:5::/48"),
		netip.MustParsePrefix("::ffff:192.0.2.0/124"), // mapped: 192.0.2.0/28
		netip.MustParsePrefix("8.8.8.99/24"),          // host bits: 8.8.8.0/24
		{},
	}
	ownAddresses = []Own{
		{netip.MustParsePrefix("198.51.100.1/32"), "this host"},
		{netip.MustParsePrefix("198.51.100.1/32"), "another name of it"},
		{netip.MustParsePrefix("::ffff:198.51.100.2/128"), "firewall LAB-FW-01"},
		{netip.MustParsePrefix("2001:db8::1/128"), "firewall LAB-FW-02"},
		{netip.MustParsePrefix("192.0.2.77/26"), "firewall LAB-FW-01's NAT pool"},
		{netip.MustParsePrefix("192.0.2.80/32"), "firewall LAB-FW-01's DNS server"},
		{},
	}
)

func TestGuard(t *testing.T) {
	g := NewGuard(neverBlock, ownAddresses)
	for prefix, want := range map[string]string{
		"203.0.113.200/32":       "",
		"203.0.113.128/25":       "",
		"198.51.0.0/18":          "",
		"2001:db8:6::/48":        "",
		"2001:db8:ffff::9/128":   "",
		"::ffff:20.1.2.3/128":    "",
		"172.32.0.0/16":          "",
		"203.0.113.9/32":         "203.0.113.9 is in never_block (203.0.113.0/25)",
		"203.0.113.7/32":         "203.0.113.7 is in never_block (203.0.113.7)",
		"203.0.113.64/26":        "203.0.113.64/26 is in never_block (203.0.113.0/25)",
		"203.0.113.0/24":         "203.0.113.0/24 contains 203.0.113.0/25, which is in never_block",
		"198.51.100.8/30":        "198.51.100.8/30 contains 198.51.100.9, which is in never_block",
		"::ffff:203.0.113.9/128": "203.0.113.9 is in never_block (203.0.113.0/25)",
		"192.0.2.15/32":          "192.0.2.15 is in never_block (192.0.2.0/28)",
		"8.8.8.8/32":             "8.8.8.8 is in never_block (8.8.8.0/24)",
		"2001:db8:5:1::/64":      "2001:db8:5:1::/64 is in never_block (2001:db8:5::/48)",
		"198.51.100.1/32":        "198.51.100.1 is this host",
		"198.51.100.2/32":        "198.51.100.2 is firewall LAB-FW-01",
		"2001:db8::1/128":        "2001:db8::1 is firewall LAB-FW-02",
		"198.51.100.0/29":        "198.51.100.0/29 contains 198.51.100.1, which is this host",
		"192.0.2.70/32":          "192.0.2.70 is in 192.0.2.64/26, which is firewall LAB-FW-01's NAT pool",
		"192.0.2.80/32":          "192.0.2.80 is firewall LAB-FW-01's DNS server",
		"192.0.2.64/26":          "192.0.2.64/26 is firewall LAB-FW-01's NAT pool",
		"192.0.2.96/27":          "192.0.2.96/27 is in 192.0.2.64/26, which is firewall LAB-FW-01's NAT pool",
		"192.0.2.64/25":          "192.0.2.64/25 has host bits set: the network is 192.0.2.0/25",
		"192.0.2.0/25":           "192.0.2.0/25 contains 192.0.2.0/28, which is in never_block",
		"192.0.2.32/27":          "",
		"2001:db8::/64":          "2001:db8::/64 contains 2001:db8::1, which is firewall LAB-FW-02",
		"10.1.2.3/32":            "10.1.2.3 is not public (private, 10.0.0.0/8)",
		"100.100.0.0/16":         "100.100.0.0/16 is not public (carrier-grade NAT, 100.64.0.0/10)",
		"172.0.0.0/8":            "172.0.0.0/8 is not public (private, 172.16.0.0/12)",
		"255.255.255.255/32":     "255.255.255.255 is not public (broadcast, 255.255.255.255)",
		"240.0.0.1/32":           "240.0.0.1 is not public (reserved, 240.0.0.0/4)",
		"198.19.0.1/32":          "198.19.0.1 is not public (benchmarking, 198.18.0.0/15)",
		"fe80::1/128":            "fe80::1 is not public (link-local, fe80::/10)",
		"::1/128":                "::1 is not public (loopback, ::1)",
		"64:ff9b::1/128":         "64:ff9b::1 is not public (outside 2000::/3)",
		"2000::/2":               "2000::/2 has host bits set: the network is ::/2",
		"4000::/2":               "4000::/2 is not public (outside 2000::/3)",
		"20.0.0.0/15":            "20.0.0.0/15 is wider than /16",
		"2a00::/31":              "2a00::/31 is wider than /32",
		"203.0.113.9/24":         "203.0.113.9/24 has host bits set: the network is 203.0.113.0/24",
		"::ffff:0:0/90":          "this is no address or network that could be blocked",
	} {
		p := netip.MustParsePrefix(prefix)
		err := g.Check(p)
		if want == "" {
			if err != nil {
				t.Errorf("%s refused: %v", p, err)
			}
			continue
		}
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Prefix != p || refusal.Reason != want || err.Error() != want {
			t.Errorf("%s: got %v, want %s", p, err, want)
		}
	}
	if err := g.Check(netip.Prefix{}); err == nil {
		t.Error("the zero prefix may be blocked")
	}
	if err := g.CheckAddr(netip.Addr{}); err == nil {
		t.Error("the zero address may be blocked")
	}
	if err := g.CheckAddr(netip.MustParseAddr("::ffff:203.0.113.9")); err == nil || !strings.Contains(err.Error(), "never_block") {
		t.Errorf("mapped address: %v", err)
	}
	var none *Guard
	if none.Check(netip.MustParsePrefix("203.0.113.9/32")) != nil || none.Check(netip.MustParsePrefix("10.0.0.1/32")) == nil {
		t.Error("a nil guard must refuse what is not public, and nothing else")
	}
}

// embedded writes an IPv4 address in each form in which IPv6 carries one.
func embedded(v4 string) map[string]string {
	b := netip.MustParseAddr(v4).As4()
	hex := func(x, y byte) string { return fmt.Sprintf("%x", uint16(x)<<8|uint16(y)) }
	plain, turned := hex(b[0], b[1])+":"+hex(b[2], b[3]), hex(^b[0], ^b[1])+":"+hex(^b[2], ^b[3])
	return map[string]string{
		"mapped": "::ffff:" + v4 + "/128", "6to4": "2002:" + plain + "::5/128", "6to4 as it is counted": "2002:" + plain + ":1::/64", "6to4 as a host": "2002:" + plain + "::/48",
		"Teredo": "2001:0:808:808:0:1234:" + turned + "/128", "NAT64": "64:ff9b::" + plain + "/128", "NAT64, a network": "64:ff9b::" + plain + "/124",
		"local NAT64": "64:ff9b:1::" + plain + "/128", "compatible": "::" + plain + "/128", "translated": "::ffff:0:" + plain + "/128",
	}
}

// An IPv4 address that IPv6 carries is guarded as itself, in whatever form: a public one may be blocked where the form is a public
// address of that host alone.
func TestAnIPv4AddressInIPv6IsGuardedAsItself(t *testing.T) {
	g := NewGuard(neverBlock, ownAddresses)
	for v4, why := range map[string]string{
		"203.0.113.9": "in never_block", "192.0.2.15": "in never_block", "198.51.100.1": "this host", "198.51.100.2": "firewall LAB-FW-01", "192.0.2.70": "NAT pool",
		"192.0.2.80": "DNS server", "10.1.2.3": "not public", "192.168.1.1": "not public", "100.64.0.1": "not public", "127.0.0.1": "not public", "20.1.2.3": "",
	} {
		for form, text := range embedded(v4) {
			p := netip.MustParsePrefix(text).Masked()
			err := g.Check(p)
			public := form == "mapped" || form == "Teredo" || strings.HasPrefix(form, "6to4")
			switch {
			case public && why == "" && err != nil:
				t.Errorf("%s, %s: %v", form, v4, err)
			case (!public || why != "") && err == nil:
				t.Errorf("%s, %s: %s may be blocked", form, v4, p)
			case public && err != nil && !strings.Contains(err.Error(), why):
				t.Errorf("%s, %s: %v, want %s", form, v4, err, why)
			}
		}
	}
	// What a host chooses for itself saves it from nothing.
	if err := g.Check(netip.MustParsePrefix("2001:db8:6::200:5efe:203.0.113.9/128")); err != nil {
		t.Errorf("ISATAP: %v", err)
	}
	for text, want := range map[string]string{"2002:cb00:7109::5/128": "203.0.113.9/32", "2002:cb00:7109::/48": "203.0.113.9/32", "2002:cb00:7100::/40": "invalid Prefix", "2001:0:808:808:0:1234:34ff:8ef6/128": "203.0.113.9/32",
		"2001::/64": "invalid Prefix", "2001:db8::1/128": "invalid Prefix", "203.0.113.9/32": "invalid Prefix"} {
		if got := Carried(netip.MustParsePrefix(text)); got.String() != want {
			t.Errorf("%s stands for %s", text, got)
		}
	}
}

// A prefix passes only if every address that matters in it passes: brute force over a
// small world.
func TestGuardAgreesWithItsAddresses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) netip.Prefix {
			b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 255}), 2, 2).Draw(t, label)
			p, err := netip.AddrFrom4([4]byte{20, 0, b[0], b[1]}).Prefix(rapid.IntRange(22, 32).Draw(t, label+" bits"))
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		var never []netip.Prefix
		for range rapid.IntRange(0, 4).Draw(t, "entries") {
			never = append(never, draw("entry"))
		}
		own := []Own{{draw("own"), "a network of ours"}}
		g := NewGuard(never, own)
		p := draw("asked")
		allowed := true
		for a := p.Addr(); p.Contains(a); a = a.Next() {
			inside := own[0].Prefix.Contains(a)
			for _, n := range never {
				inside = inside || n.Contains(a)
			}
			if inside == (g.CheckAddr(a) == nil) {
				t.Fatalf("%s: %v", a, g.CheckAddr(a))
			}
			allowed = allowed && !inside
		}
		if allowed != (g.Check(p) == nil) {
			t.Fatalf("%s: allowed %v, got %v", p, allowed, g.Check(p))
		}
	})
}

func TestPrefixSetFindsTheNarrowest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set prefixSet
		held := map[netip.Prefix]bool{}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 128, 255}), 4, 4).Draw(t, "bytes")
			addr := netip.AddrFrom4([4]byte(b))
			if rapid.Bool().Draw(t, "six") {
				addr = netip.AddrFrom16([16]byte{0x20, 1, b[0], b[1], 14: b[2], 15: b[3]})
			}
			p, err := addr.Prefix(rapid.IntRange(0, addr.BitLen()).Draw(t, "bits"))
			if err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 2).Draw(t, "remove") == 0 {
				set.remove(p)
				delete(held, p)
			} else {
				set.add(p)
				held[p] = true
			}
			want, found := netip.Prefix{}, false
			for h := range held {
				if h.Contains(addr) && (!found || h.Bits() > want.Bits()) {
					want, found = h, true
				}
			}
			if got, ok := set.covering(addr, addr.As16()); got != want || ok != found {
				t.Fatalf("%s: got %s %v, want %s %v", addr, got, ok, want, found)
			}
			if set.len() != len(held) {
				t.Fatalf("%d entries, want %d", set.len(), len(held))
			}
		}
	})
}

func TestCanBeSource(t *testing.T) {
	for addr, want := range map[string]bool{
		"1.0.0.0": true, "9.255.255.255": true, "10.0.0.0": false, "11.0.0.0": true,
		"100.63.255.255": true, "100.127.255.255": false, "100.128.0.0": true,
		"126.255.255.255": true, "128.0.0.0": true, "169.253.255.255": true, "169.255.0.0": true,
		"172.15.255.255": true, "172.16.0.0": false, "172.32.0.0": true,
		"192.0.2.1": true, "198.51.100.1": true, "203.0.113.1": true,
		"198.17.255.255": true, "198.18.0.0": false, "198.19.255.255": false, "198.20.0.0": true,
		"223.255.255.255": true, "224.0.0.0": false, "239.255.255.255": false, "240.0.0.0": false, "255.255.255.255": false,
		"0.0.0.0": false, "0.255.255.255": false, "127.0.0.1": false, "192.168.255.255": false, "192.169.0.0": true,
		"::": false, "::1": false, "2001:db8::1": true, "2000::": true, "3fff:ffff::1": true, "4000::": false,
		"1fff::1": false, "fd00::1": false, "fe80::1": false, "ff02::1": false,
		"::ffff:10.0.0.1": false, "::ffff:203.0.113.1": true,
	} {
		if got := canBeSource(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if canBeSource(netip.Addr{}) {
		t.Error("the zero address can be a source")
	}
}

// The short way for most IPv4 addresses leads to the same answer as the ranges do.
func TestCanBeSourceAgreesWithTheRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		octet := rapid.Byte()
		for first := range 256 {
			addr := netip.AddrFrom4([4]byte{byte(first), octet.Draw(t, "second"), octet.Draw(t, "third"), octet.Draw(t, "fourth")})
			if got, why := canBeSource(addr), notPublic(single(addr)); got != (why == "") {
				t.Fatalf("%s: %v, but %q", addr, got, why)
			}
		}
	})
}

// Thousands of networks, as a list of a country's are, are taken in at once.
func TestManyNetworks(t *testing.T) {
	var set prefixSet
	begun := cpuTime()
	for i := range 1 << 16 {
		set.add(netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i)}), 24))
	}
	for i := range 1 << 15 {
		set.remove(netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i)}), 24))
	}
	if took := cpuTime() - begun; took > 2*time.Second {
		t.Errorf("%s of the processor's time", took)
	}
	if p, ok := set.covering(netip.MustParseAddr("20.200.1.2"), [16]byte{}); !ok || p.String() != "20.200.1.0/24" || set.len() != 1<<15 {
		t.Errorf("%v %v, %d held", p, ok, set.len())
	}
}
