package firewall

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"activedefense/firewall/xmlapi"
)

const (
	// pageSize is the most that PAN-OS gives in one page, whatever limit is asked for.
	pageSize = 500
	// maxPages is twice what the largest platform holds (500,000 registered addresses; PAN-OS documentation, "Use
	// Dynamic Address Groups in Policy").
	maxPages = 2000
)

// page is one answer to "show object registered-ip".
type page struct {
	rows    int                           // entries of whatever owner and form: what the next start-point counts
	keys    []string                      // their addresses as written
	ours    map[netip.Prefix]registration // those that bear our tag
	outfile bool                          // the firewall wrote them to a file of its own
}

func pageRequest(tag string, start int) string {
	return fmt.Sprintf(`<show><object><registered-ip><tag><entry name="%s"></entry></tag>`+
		`<limit>%d</limit><start-point>%d</start-point></registered-ip></object></show>`, xmlapi.Escape(tag), pageSize, start)
}

// registeredEntry is one row. Elements and attributes that are not named here are passed over.
type registeredEntry struct {
	IP         string          `xml:"ip,attr"`
	Persistent string          `xml:"persistent,attr"`
	Tags       []registeredTag `xml:"tag>member"`
}

// registeredTag is one tag of a row, and how long it will stand where the version shows that. The vendor's example shows
// nothing; the command line prints "(expire in 2980 seconds)" behind the tag, and what attributes a version may have no source
// tells, so that those are read whose meaning is in their name.
type registeredTag struct {
	Text  string     `xml:",chardata"`
	Attrs []xml.Attr `xml:",any,attr"`
}

// forEver is what is left of a tag that has no end.
const forEver = time.Duration(-1)

var shownEnd = regexp.MustCompile(`^(.*\S)\s*\(expires? in (\d{1,9}) seconds?\)$`)

// is tells whether it is the tag, and what is left of it; 0: that is not shown.
func (t registeredTag) is(tag string) (left time.Duration, ok bool) {
	text := strings.TrimSpace(t.Text)
	if text != tag {
		m := shownEnd.FindStringSubmatch(text)
		if m == nil || m[1] != tag {
			return 0, false
		}
		return secondsIn(m[2]), true
	}
	for _, a := range t.Attrs {
		switch a.Name.Local {
		case "expire", "expires", "expire-in", "expires-in", "remaining":
			if a.Value == "0" || a.Value == "never" {
				return forEver, true
			}
			return secondsIn(a.Value), true
		case "timeout": // as registered or what is left of it: only that there is none is certain
			if a.Value == "0" || a.Value == "never" {
				return forEver, true
			}
		}
	}
	return 0, true
}

func secondsIn(text string) time.Duration {
	n, err := strconv.ParseUint(text, 10, 30)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// parsePage reads one answer. An answer without entries is an empty page, whether it holds a count or not.
func parsePage(body []byte, tag string) (page, error) {
	pg := page{ours: make(map[netip.Prefix]registration, pageSize), keys: make([]string, 0, pageSize)}
	dec := xml.NewDecoder(bytes.NewReader(body))
	var path []string
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return pg, nil
		}
		if err != nil {
			return page{}, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if t.Name.Local == "entry" && len(path) == 2 && path[1] == "result" {
				var e registeredEntry
				if err := dec.DecodeElement(&e, &t); err != nil {
					return page{}, err
				}
				pg.add(e, tag)
				continue
			}
			pg.outfile = pg.outfile || t.Name.Local == "outfile"
			path = append(path, t.Name.Local)
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
}

func (pg *page) add(e registeredEntry, tag string) {
	pg.rows++
	pg.keys = append(pg.keys, strings.TrimSpace(e.IP))
	for _, t := range e.Tags {
		left, ok := t.is(tag)
		if !ok {
			continue
		}
		// A range that bears our tag is not from us, for we register none.
		if p, ok := ParseAddress(e.IP); ok {
			pg.ours[p] = registration{Persistent: e.Persistent != "0", left: left}
		}
		return
	}
}

// readAll reads everything that bears our tag, page by page. What comes and goes between two pages may be missed or
// seen twice; the union of the pages is taken, for registering what stands already does no harm, and only what was
// seen is ever removed.
func (f *Tags) readAll(ctx context.Context) (map[netip.Prefix]registration, error) {
	all := make(map[netip.Prefix]registration, len(f.held))
	seen := make(map[string]struct{}, len(f.held))
	start := 1
	for range maxPages {
		op := fmt.Sprintf("read registered addresses from %d", start)
		body, err := f.device.OpRaw(ctx, CallRead, op, pageRequest(f.opts.Tag, start))
		if err != nil {
			return nil, err
		}
		pg, err := parsePage(body, f.opts.Tag)
		switch {
		case err != nil:
			return nil, f.device.Fail(op, &xmlapi.Error{Kind: xmlapi.KindMalformed, Text: err.Error(), Err: err})
		case pg.outfile:
			return nil, f.device.Fail(op, &xmlapi.Error{Kind: xmlapi.KindUnsupported,
				Text: "the firewall writes the list to a local file, as PAN-OS before 8.0 does, so it cannot be read"})
		}
		for p, r := range pg.ours {
			all[p] = r
		}
		fresh := false
		for _, k := range pg.keys {
			if _, ok := seen[k]; !ok {
				fresh = true
				seen[k] = struct{}{}
			}
		}
		if pg.rows < pageSize {
			return all, nil
		}
		if !fresh {
			return nil, f.device.Fail(op, &xmlapi.Error{Kind: xmlapi.KindMalformed, Text: "the firewall returned the same page again, as if it ignored start-point"})
		}
		start += pg.rows
	}
	return nil, f.device.Fail("read registered addresses",
		&xmlapi.Error{Kind: xmlapi.KindMalformed, Text: fmt.Sprintf("more than %d pages", maxPages)})
}
