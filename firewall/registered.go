package firewall

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/netip"
	"strings"

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
	IP         string   `xml:"ip,attr"`
	Persistent string   `xml:"persistent,attr"`
	Tags       []string `xml:"tag>member"`
}

// parsePage reads one answer. An answer without entries is an empty page, whether it holds a count or not.
func parsePage(body []byte, tag string) (page, error) {
	pg := page{ours: map[netip.Prefix]registration{}}
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
		if strings.TrimSpace(t) != tag {
			continue
		}
		// A range that bears our tag is not from us, for we register none.
		if p, ok := ParseAddress(e.IP); ok {
			pg.ours[p] = registration{Persistent: e.Persistent != "0"}
		}
		return
	}
}

// readAll reads everything that bears our tag, page by page. What comes and goes between two pages may be missed or
// seen twice; the union of the pages is taken, for registering what stands already does no harm, and only what was
// seen is ever removed.
func (f *Tags) readAll(ctx context.Context) (map[netip.Prefix]registration, error) {
	all := map[netip.Prefix]registration{}
	seen := map[string]struct{}{}
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
