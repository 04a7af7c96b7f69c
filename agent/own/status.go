package own

import (
	"cmp"
	"net/netip"
	"slices"

	"activedefense/detect"
	"activedefense/store"
)

// shown bounds each list of a Status.
const shown = 1000

// Status is what status says of what is ours.
type Status struct {
	Known    bool      `json:"known"`    // a public address is known to be ours; else every destination counts
	Networks []Network `json:"networks"` // ours, at most 1000
	Peers    []Peer    `json:"peers"`    // never blocked, at most 1000
	NotShown int       `json:"not_shown,omitempty"`
}

// Network is an address or network of ours.
type Network struct {
	Network string `json:"network"`
	From    string `json:"from"` // who says so
}

// Peer is an address of something that a firewall talks to.
type Peer struct {
	Address string `json:"address"`
	From    string `json:"from"`
}

func newStatus(known bool, pieces []piece) Status {
	s := Status{Known: known, Networks: []Network{}, Peers: []Peer{}}
	pieces = slices.Clone(pieces)
	slices.SortStableFunc(pieces, func(a, b piece) int {
		return cmp.Or(cmp.Compare(a.Prefix.Addr().BitLen(), b.Prefix.Addr().BitLen()), a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
	})
	for _, p := range pieces {
		switch {
		case p.kind == guarded:
		case p.kind == store.ProtectedPeer && len(s.Peers) < shown:
			s.Peers = append(s.Peers, Peer{text(p.Prefix), p.from})
		case p.kind != store.ProtectedPeer && len(s.Networks) < shown:
			s.Networks = append(s.Networks, Network{text(p.Prefix), p.from})
		default:
			s.NotShown++
		}
	}
	return s
}

func text(p netip.Prefix) string { return detect.AddressText(p) }
