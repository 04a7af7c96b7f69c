package firewall

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
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

// forEver is what is left of a tag that has no end.
const forEver = time.Duration(-1)

// shownEnd is how the command line shows how long a tag will stand, behind it: "(expire in 2980 seconds)". The vendor's example of an
// answer shows nothing, and what attributes a version may have no source tells, so that those are read whose meaning is in their name.
var shownEnd = regexp.MustCompile(`^(.*\S)\s*\(expires? in (\d{1,9}) seconds?\)$`)

// isTag tells whether a member of a row is the tag, and what is left of it; 0: that is not shown.
func isTag(member *xmlapi.Node, tag string) (left time.Duration, ok bool) {
	if member.Text != tag {
		m := shownEnd.FindStringSubmatch(member.Text)
		if m == nil || m[1] != tag {
			return 0, false
		}
		return secondsIn(m[2]), true
	}
	for _, a := range member.Attrs {
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

// readPage reads one answer, as a call gives it. An answer without entries is an empty page, whether it holds a count or not.
func readPage(result *xmlapi.Node, tag string) page {
	pg := page{ours: make(map[netip.Prefix]registration, pageSize), keys: make([]string, 0, pageSize)}
	if result == nil {
		return pg
	}
	for _, n := range result.Children {
		if n.Name == "entry" && result.Name == "result" {
			pg.add(n, tag)
		} else {
			pg.outfile = pg.outfile || holds(n, "outfile", 0)
		}
	}
	return pg
}

// holds tells whether an element is called so, or has one that is, not too deep.
func holds(n *xmlapi.Node, name string, depth int) bool {
	const deep = 8
	return n.Name == name || depth < deep && slices.ContainsFunc(n.Children, func(c *xmlapi.Node) bool { return holds(c, name, depth+1) })
}

func (pg *page) add(row *xmlapi.Node, tag string) {
	pg.rows++
	ip := strings.TrimSpace(row.Attr("ip"))
	pg.keys = append(pg.keys, ip)
	for _, tags := range row.Children {
		if tags.Name != "tag" {
			continue
		}
		for _, member := range tags.Children {
			left, ok := isTag(member, tag)
			if !ok || member.Name != "member" {
				continue
			}
			// A range that bears our tag is not from us, for we register none.
			if p, ok := ParseAddress(ip); ok {
				pg.ours[p] = registration{Persistent: row.Attr("persistent") != "0", left: left}
			}
			return
		}
	}
}

// Count gives how many addresses bear the tag on the firewall, whether we registered them in this run or not. It changes nothing.
func (f *Tags) Count(ctx context.Context) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.identify(ctx); err != nil {
		return 0, err
	}
	all, err := f.readAll(ctx)
	return len(all), err
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
		result, err := f.device.Op(ctx, CallRead, op, pageRequest(f.opts.Tag, start))
		if err != nil {
			return nil, err
		}
		pg := readPage(result, f.opts.Tag)
		if pg.outfile {
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
