package edl

import (
	"bytes"
	"net/netip"
	"strings"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/iprange"
)

// file is a list as it was read, before the platform's limit.
type file struct {
	entries  []iprange.Entry
	invalid  []string // lines that are none, at most maxInvalid of them
	wrong    int      // how many are invalid in all
	excluded int      // entries that the definition makes exceptions

	tag, modified string // ETag and Last-Modified, as the server gave them; "" for none
}

// maxInvalid bounds the invalid lines that are kept to be shown.
const maxInvalid = 1000

// parse reads lines of "address, network or range, [space] [comment]". An empty line and one that is all
// comment are passed over.
func parse(body []byte, line dialect.ListLine) *file {
	f := &file{}
	for text := range bytes.Lines(body) {
		text = bytes.TrimSuffix(text, []byte("\n"))
		if line == dialect.ListLineTrimmed {
			text = bytes.TrimSuffix(text, []byte("\r"))
		}
		what, _, _ := strings.Cut(strings.Trim(string(text), " \t"), " ")
		what, _, _ = strings.Cut(what, "\t")
		if what == "" || strings.HasPrefix(what, "#") {
			continue
		}
		e, ok := iprange.Parse(what)
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

// shown writes the entry as "request system external-list show" does.
func shown(e iprange.Entry, form dialect.ListHost) string {
	if e.Host && form == dialect.ListHostPrefix {
		return netip.PrefixFrom(e.First, e.First.BitLen()).String()
	}
	return e.Text
}
