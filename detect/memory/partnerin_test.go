package memory

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// A partner is found in a network, small or large, where one of the addresses asked about by itself is one.
func TestAPartnerIsFoundInItsNetworks(t *testing.T) {
	const at = 100 * hours
	rapid.Check(t, func(t *rapid.T) {
		m := New(roomy, Day, 30)
		var all []netip.Addr
		for range rapid.IntRange(0, 20).Draw(t, "addresses") {
			addr := netip.AddrFrom4([4]byte{203, 0, byte(rapid.IntRange(0, 3).Draw(t, "network")), byte(rapid.IntRange(0, 255).Draw(t, "host"))})
			if rapid.Bool().Draw(t, "six") {
				addr = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, byte(rapid.IntRange(0, 3).Draw(t, "site")), 0, byte(rapid.IntRange(0, 3).Draw(t, "subnet"))})
			}
			all = append(all, addr)
			for _, when := range rapid.SliceOfN(rapid.Int64Range(70, 101), 0, 3).Draw(t, "hours") {
				m.Open(&Session{Key: addr.As16(), Peer: addr.As16(), PeerPort: 443, Served: true, Time: when * hours})
			}
		}
		for _, addr := range all {
			for _, bits := range []int{16, 24, 25, 32, 46, 48, 64} {
				network, err := addr.Prefix(bits)
				if err != nil {
					continue
				}
				want := false
				for _, other := range all {
					key := Key(other.As16())
					want = want || network.Contains(other) && m.Partner(&key, at, at)
				}
				if found, known := m.PartnerIn(network, at, at); found != want || !known {
					t.Fatalf("in %s: found %t, known %t, want %t", network, found, known, want)
				}
			}
		}
	})
}

// Where partners had to be forgotten, that none is found says nothing, for as long as one might be among them.
func TestAForgottenPartnerIsNotKnownInANetwork(t *testing.T) {
	m := New(Limits{Sessions: 1, Partners: 1, Probes: 1}, Day, 30)
	const at = 100 * hours
	for i := range 64 * Parts * 4 {
		addr := netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
		m.Open(&Session{Key: addr.As16(), Peer: addr.As16(), PeerPort: 443, Served: true, Time: at})
	}
	network := netip.MustParsePrefix("203.0.113.0/24")
	for when, want := range map[int64]bool{at: false, at + 23*hours: false, at + 25*hours: true} {
		if found, known := m.PartnerIn(network, when, when); found || known != want {
			t.Errorf("after %d hours: found %t, known %t", (when-at)/hours, found, known)
		}
	}
}
