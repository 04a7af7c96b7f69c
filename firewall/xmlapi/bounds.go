package xmlapi

import (
	"fmt"
	"io"
	"net/url"
	"strings"
)

// bound is how long an answer may be.
type bound struct {
	bytes int64
	what  string // whose bound it is, for people
}

// Bounds by what is asked, each several times what the largest platform should answer. The first whose text the command holds
// counts.
var bounds = []struct {
	in string
	bound
}{
	{"<registered-ip>", bound{8 << 20, "a page of registered addresses"}},                 // 500 entries, each with all of its tags: 2 MiB
	{"<show><config>", bound{64 << 20, "a configuration"}},                                // tens of MiB on the largest
	{"<external-list><show>", bound{64 << 20, "the entries of an external dynamic list"}}, // 500,000 are 22 MiB
	{"<dynamic-address-group>", bound{64 << 20, "the members of dynamic address groups"}}, // 500,000 are 30 MiB
	{"<routing>", bound{64 << 20, "the routing table"}},                                   // of the internet: as much as is used of it
	{"", bound{16 << 20, "an answer of this kind"}},
}

// boundOf gives the bound of the answer to a call.
func boundOf(form url.Values) bound {
	cmd := form.Get("cmd")
	if form.Get("type") == "config" {
		cmd = "<show><config>"
	}
	for _, b := range bounds {
		if strings.Contains(cmd, b.in) {
			return b.bound
		}
	}
	return bound{} // not reached: the last fits all
}

// reader ends with an error where an answer is longer than its bound.
func (b bound) reader(r io.Reader) io.Reader { return &boundedReader{from: r, bound: b, left: b.bytes} }

type boundedReader struct {
	bound
	from io.Reader
	left int64
}

// Read implements io.Reader.
func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.from.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return 0, &Error{Kind: KindOversize, Text: fmt.Sprintf("the response is longer than %d MiB, the bound for %s, and was not read to its end", b.bytes>>20, b.what)}
	}
	return n, err
}
