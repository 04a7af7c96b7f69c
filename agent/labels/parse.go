package labels

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
)

const (
	// mostLines and mostBytes bound one file, comments included: the largest public lists have some hundred thousand entries.
	mostLines = 1_000_000
	mostBytes = 64 << 20
	// mostLine bounds one line; the rest of a longer one is passed over, with what stands in front of it.
	mostLine = 4096
	// widestV4 and widestV6 are the widest networks that an entry may name: a whole provider is nobody's list.
	widestV4, widestV6 = 16, 32
)

var (
	errLines = fmt.Errorf("it has more than %d lines", mostLines)
	errBytes = fmt.Errorf("it is larger than %d MiB", mostBytes>>20)
)

// content is what a file says.
type content struct {
	entries []netip.Prefix // in order of address; none lies within another
	wide    lapses         // entries that are too wide
	bad     lapses         // lines that hold no address
	hosts   lapses         // networks that are written as an address of them; they are entries
	private lapses         // entries that are not public, or not all of them
}

// lapses are lines that were left out: how many, and the first of them.
type lapses struct {
	lines int
	first int    // its number, from 1
	text  string // its beginning
}

func (l *lapses) add(line int, text []byte) {
	const shown = 60
	if l.lines++; l.lines == 1 {
		l.first, l.text = line, string(text[:min(len(text), shown)])
	}
}

// parse reads a list: one address, network or range in each line, whatever stands behind it. The error says why it cannot be
// used as a whole.
func parse(from io.Reader) (content, error) {
	var c content
	in := bufio.NewReaderSize(io.LimitReader(from, mostBytes+1), mostLine)
	read := 0
	for n := 1; ; n++ {
		text, err := in.ReadSlice('\n')
		read += len(text)
		for errors.Is(err, bufio.ErrBufferFull) { // what is asked for stands at the beginning
			head := slices.Clone(text)
			var rest []byte
			rest, err = in.ReadSlice('\n')
			read, text = read+len(rest), head[:min(len(head), mostLine)]
		}
		switch {
		case read > mostBytes:
			return content{}, errBytes
		case err != nil && err != io.EOF:
			return content{}, err
		case err == io.EOF && len(text) == 0:
			c.entries = apart(c.entries)
			return c, nil
		case n > mostLines:
			return content{}, errLines
		}
		if n == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff"))
		}
		c.line(n, text)
		if len(c.entries) > mostLines { // ranges are several networks each
			return content{}, fmt.Errorf("its ranges are more than %d networks", mostLines)
		}
	}
}

// line reads one line.
func (c *content) line(n int, text []byte) {
	if i := bytes.IndexAny(text, "#;"); i >= 0 {
		text = text[:i]
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 || bytes.HasPrefix(text, []byte("//")) {
		return
	}
	first, last, ok := span(text)
	switch {
	case !ok:
		c.bad.add(n, text)
	case wide(first, last):
		c.wide.add(n, text)
	default:
		c.odd(n, text, first, last)
		c.entries = appendRange(c.entries, first, last)
	}
}

// odd notes what is odd in an entry.
func (c *content) odd(n int, text []byte, first, last netip.Addr) {
	word, _ := field(text)
	if address, _, network := bytes.Cut(word, []byte("/")); network {
		if a, err := netip.ParseAddr(string(address)); err == nil && a.Unmap() != first {
			c.hosts.add(n, text)
		}
	}
	if notPublic(first) || notPublic(last) {
		c.private.add(n, text)
	}
}

// notPublic tells whether an address is private, or for another reason nobody's on the internet.
func notPublic(a netip.Addr) bool {
	if a.Is6() {
		return !globalV6.Contains(a)
	}
	return a.IsPrivate() || !a.IsGlobalUnicast() || carrierNAT.Contains(a) || a.As4()[0] == 0 || a.As4()[0] >= 240
}

var (
	globalV6   = netip.MustParsePrefix("2000::/3")
	carrierNAT = netip.MustParsePrefix("100.64.0.0/10")
)

// span reads the addresses that a line begins with: an address, a network, a range "first-last", or the three columns first,
// last and length of the network, with spaces, tabs or commas between.
func span(text []byte) (first, last netip.Addr, ok bool) {
	word, rest := field(text)
	if from, to, ranged := bytes.Cut(word, []byte("-")); ranged {
		return ends(from, to)
	}
	if bytes.IndexByte(word, '/') >= 0 {
		p, err := netip.ParsePrefix(string(word))
		if err != nil {
			return first, last, false
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		p = p.Masked() // some lists write an address of the network
		return p.Addr(), lastOf(p), true
	}
	second, rest := field(rest)
	if string(second) == "-" {
		to, _ := field(rest)
		return ends(word, to)
	}
	if length, _ := field(rest); len(second) > 0 && isLength(length) {
		if first, last, ok = ends(word, second); ok {
			return first, last, true
		}
	}
	return ends(word, word)
}

// field cuts off the first word.
func field(text []byte) (word, rest []byte) {
	const between = " \t,|"
	text = bytes.TrimLeft(text, between)
	end := bytes.IndexAny(text, between)
	if end < 0 {
		end = len(text)
	}
	return bytes.Trim(text[:end], `"'`), text[end:]
}

// ends reads the two ends of a range.
func ends(from, to []byte) (first, last netip.Addr, ok bool) {
	first, err := netip.ParseAddr(string(from))
	last, err2 := netip.ParseAddr(string(to))
	if err != nil || err2 != nil || first.Zone() != "" || last.Zone() != "" {
		return first, last, false
	}
	first, last = first.Unmap(), last.Unmap()
	return first, last, first.Is4() == last.Is4() && first.Compare(last) <= 0
}

func isLength(text []byte) bool {
	n, err := strconv.Atoi(string(text))
	return err == nil && n >= 0 && n <= 128
}

// lastOf is the last address of a masked network.
func lastOf(p netip.Prefix) netip.Addr {
	raw := p.Addr().AsSlice()
	for i := range raw {
		if host := (i+1)*8 - p.Bits(); host > 0 {
			raw[i] |= 0xff >> (8 - min(host, 8))
		}
	}
	last, _ := netip.AddrFromSlice(raw) // of the same length
	return last
}

// wide tells whether a range has more addresses than the widest network that an entry may name.
func wide(first, last netip.Addr) bool {
	if first.Is4() {
		a, b := first.As4(), last.As4()
		return binary.BigEndian.Uint32(b[:])-binary.BigEndian.Uint32(a[:]) >= 1<<(32-widestV4)
	}
	a, b := first.As16(), last.As16()
	const head = widestV6 / 8
	ahead := binary.BigEndian.Uint32(b[:head]) - binary.BigEndian.Uint32(a[:head])
	return ahead > 1 || ahead == 1 && bytes.Compare(b[head:], a[head:]) >= 0
}

// appendRange adds the fewest networks that hold exactly the addresses from first to last.
func appendRange(to []netip.Prefix, first, last netip.Addr) []netip.Prefix {
	for {
		p := netip.PrefixFrom(first, first.BitLen())
		for p.Bits() > 0 {
			wider := netip.PrefixFrom(first, p.Bits()-1)
			if wider.Masked().Addr() != first || lastOf(wider).Compare(last) > 0 {
				break
			}
			p = wider
		}
		to = append(to, p)
		end := lastOf(p)
		if end.Compare(last) >= 0 {
			return to
		}
		first = end.Next()
	}
}
