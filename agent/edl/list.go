package edl

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"time"

	"activedefense/firewall/room"
)

// Entry is one blocked address (as /32 or /128) or network.
type Entry struct {
	Prefix   netip.Prefix
	LastSeen time.Time // of the source's last record; with Rank it decides who is left out of a list that is too long
	Rank     room.Rank
}

func (e *Entry) claim() room.Claim { return room.Claim{Rank: e.Rank, LastSeen: e.LastSeen} }

// arrange makes of entries what is served: canonical, each once, in the order of the list, at most limit (0: no limit). What
// the limit left out comes second, in the order of the list too. Invalid prefixes are dropped.
func arrange(entries []Entry, limit int) (list, left []Entry) {
	list = inOrder(entries)
	if limit <= 0 || len(list) <= limit {
		return list, nil
	}
	stays := room.Keep(len(list), limit, func(i int) room.Claim { return list[i].claim() })
	kept := make([]Entry, 0, limit)
	for i, e := range list {
		if stays[i] {
			kept = append(kept, e)
		} else {
			left = append(left, e)
		}
	}
	return kept, left
}

// inOrder puts IPv4 before IPv6, then lower addresses first, then wider networks first. Of a prefix given twice the
// one with the better claim stays.
//
// IPv4 is sorted as numbers that hold address, mask and place: for 50,000 entries that takes a quarter of the time of
// comparing prefixes. The place has 26 bits, good for 67 million entries, which would be gigabytes.
func inOrder(entries []Entry) []Entry {
	const placeBits = 26
	four := make([]uint64, 0, len(entries))
	var six []Entry
	for i := range entries {
		p := canonical(entries[i].Prefix)
		if p != entries[i].Prefix {
			entries[i].Prefix = p
		}
		switch a := p.Addr(); {
		case a.Is4():
			b := a.As4()
			four = append(four, uint64(binary.BigEndian.Uint32(b[:]))<<32|uint64(p.Bits())<<placeBits|uint64(i))
		case a.Is6():
			six = append(six, entries[i])
		}
	}
	slices.Sort(four)
	slices.SortFunc(six, func(a, b Entry) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
	})
	list := make([]Entry, 0, len(four)+len(six))
	for _, key := range four {
		list = appendOnce(list, entries[key&(1<<placeBits-1)])
	}
	for _, e := range six {
		list = appendOnce(list, e)
	}
	return list
}

func appendOnce(list []Entry, e Entry) []Entry {
	if n := len(list) - 1; n >= 0 && list[n].Prefix == e.Prefix {
		if e.claim().Compare(list[n].claim()) > 0 {
			list[n] = e
		}
		return list
	}
	return append(list, e)
}

// canonical clears the bits behind the mask and writes an IPv4 address in IPv6 clothes (::ffff:192.0.2.1) as IPv4, so
// that one address has one line.
func canonical(p netip.Prefix) netip.Prefix {
	if !p.IsValid() {
		return netip.Prefix{}
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// appendPrefix writes a single address without its /32 or /128.
func appendPrefix(b []byte, p netip.Prefix) []byte {
	if p.IsSingleIP() {
		return p.Addr().AppendTo(b)
	}
	return p.AppendTo(b)
}

// emptyRemark follows the only address of an empty list. PAN-OS ("Formatting Guidelines for an External Dynamic List")
// takes what comes after the entry and a space for a comment, "#" allowed in it, and wants comments on the line of an
// entry: a line that is all comment is not documented, so there is none.
const emptyRemark = " # the blacklist is empty: this address stands in, nothing else is blocked\n"

// render writes the list, one entry a line. An empty list gets one harmless line, because no document says what a firewall
// makes of a file without any: it might drop the list or keep the old one.
func render(list []Entry, empty netip.Addr) []byte {
	if len(list) == 0 {
		return append(empty.Unmap().AppendTo(nil), emptyRemark...)
	}
	b := make([]byte, 0, len(list)*16)
	for i := range list {
		b = append(appendPrefix(b, list[i].Prefix), '\n')
	}
	return b
}

// entityTag is strong: it depends on every byte of the body and on nothing else.
func entityTag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// samePrefixes tells whether two lists, both in order, are served alike.
func samePrefixes(a, b []Entry) bool {
	return slices.EqualFunc(a, b, func(x, y Entry) bool { return x.Prefix == y.Prefix })
}
