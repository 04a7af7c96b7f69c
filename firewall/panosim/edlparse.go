package panosim

import (
	"bytes"
	"net/netip"
	"strings"
)

// listEntry is one valid line of a list.
type listEntry struct {
	span
	text string // canonical: an address, a network, or a range
	host bool   // a single address, which some versions show with its length
}

// listFile is a list as it was read, before the platform's limit.
type listFile struct {
	entries  []listEntry
	invalid  []string // lines that are none, at most maxInvalid of them
	wrong    int      // how many are invalid in all
	excluded int      // entries that the definition makes exceptions

	tag, modified string // ETag and Last-Modified, as the server gave them; "" for none
}

// maxInvalid bounds the invalid lines that are kept to be shown.
const maxInvalid = 1000

// parseList reads lines of "address, network or range, [space] [comment]". An empty line and one that is all
// comment are passed over.
func parseList(body []byte, line ListLine) *listFile {
	f := &listFile{}
	for text := range bytes.Lines(body) {
		text = bytes.TrimSuffix(text, []byte("\n"))
		if line == ListLineTrimmed {
			text = bytes.TrimSuffix(text, []byte("\r"))
		}
		what, _, _ := strings.Cut(strings.Trim(string(text), " \t"), " ")
		what, _, _ = strings.Cut(what, "\t")
		if what == "" || strings.HasPrefix(what, "#") {
			continue
		}
		e, ok := parseListEntry(what)
		if !ok {
			if f.wrong++; f.wrong <= maxInvalid {
				f.invalid = append(f.invalid, what)
			}
			continue
		}
		f.entries = append(f.entries, e)
	}
	return f
}

// parseListEntry reads what stands at the beginning of a line.
func parseListEntry(text string) (listEntry, bool) {
	if first, last, isRange := strings.Cut(text, "-"); isRange {
		from, err1 := parseHost(first)
		to, err2 := parseHost(last)
		if err1 != nil || err2 != nil || from.BitLen() != to.BitLen() || to.Less(from) {
			return listEntry{}, false
		}
		return listEntry{span: span{from, to}, text: from.String() + "-" + to.String()}, true
	}
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Addr().Is4In6() {
			return listEntry{}, false
		}
		p = p.Masked()
		if p.IsSingleIP() {
			return listEntry{span: single(p.Addr()), text: p.Addr().String(), host: true}, true
		}
		return listEntry{span: prefixSpan(p), text: p.String()}, true
	}
	a, err := parseHost(text)
	if err != nil {
		return listEntry{}, false
	}
	return listEntry{span: single(a), text: a.String(), host: true}, true
}

// shown writes the entry as "request system external-list show" does.
func (e listEntry) shown(form ListHost) string {
	if e.host && form == ListHostPrefix {
		return netip.PrefixFrom(e.first, e.first.BitLen()).String()
	}
	return e.text
}
