package geo

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
)

// database writes a file in MaxMind's format 2.0 (maxmind.github.io/MaxMind-DB), by networks of which none is in another: a tree of 24-bit
// records over 128 bits, the records, and what is said of them. IPv4 stands in ::/96, as in MaxMind's own.
func database(networks map[netip.Prefix]map[string]any) []byte {
	const leaf = 1 << 23
	nodes := [][2]int{{-1, -1}} // what follows a 0 and a 1: a node; leaf and an offset into the records; or -1, nothing
	var data []byte
	for _, p := range slices.SortedFunc(maps.Keys(networks), func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) }) {
		address, bits := p.Addr().As16(), p.Bits()
		if p.Addr().Is4() {
			address, bits = [16]byte{}, bits+96
			four := p.Addr().As4()
			copy(address[12:], four[:])
		}
		at := 0
		for i := range bits {
			bit := int(address[i/8]>>(7-i%8)) & 1
			switch {
			case i == bits-1:
				nodes[at][bit] = leaf + len(data)
			case nodes[at][bit] < 0:
				nodes[at][bit] = len(nodes)
				nodes = append(nodes, [2]int{-1, -1})
				fallthrough
			default:
				at = nodes[at][bit]
			}
		}
		data = append(data, encode(networks[p])...)
	}
	var out []byte
	for _, n := range nodes {
		for _, next := range n {
			switch {
			case next < 0:
				next = len(nodes)
			case next >= leaf:
				next = len(nodes) + 16 + next - leaf
			}
			out = append(out, byte(next>>16), byte(next>>8), byte(next))
		}
	}
	out = append(append(out, make([]byte, 16)...), data...)
	return append(append(out, "\xab\xcd\xefMaxMind.com"...), encode(map[string]any{
		"binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0), "build_epoch": uint64(1_796_000_000),
		"database_type": "Test-Country", "description": map[string]any{"en": "test"}, "ip_version": uint16(6), "languages": []any{"en"},
		"node_count": uint32(len(nodes)), "record_size": uint16(24),
	})...)
}

// encode writes a value of the format: a byte with type and size, more of either where they are larger, and the value.
func encode(v any) []byte {
	begin := func(kind, size int) []byte {
		first := []byte{byte(min(size, 29))}
		if kind <= 7 {
			first[0] |= byte(kind << 5)
		} else {
			first = append(first, byte(kind-7))
		}
		if size >= 29 {
			first = append(first, byte(size-29)) // at most 284 here
		}
		return first
	}
	number := func(kind int, n uint64) []byte {
		b := binary.BigEndian.AppendUint64(nil, n)
		for len(b) > 0 && b[0] == 0 {
			b = b[1:]
		}
		return append(begin(kind, len(b)), b...)
	}
	switch v := v.(type) {
	case string:
		return append(begin(2, len(v)), v...)
	case uint16:
		return number(5, uint64(v))
	case uint32:
		return number(6, uint64(v))
	case uint64:
		return number(9, v)
	case []any:
		out := begin(11, len(v))
		for _, e := range v {
			out = append(out, encode(e)...)
		}
		return out
	case map[string]any:
		out := begin(7, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out = append(append(out, encode(key)...), encode(v[key])...)
		}
		return out
	}
	panic("no such type")
}
