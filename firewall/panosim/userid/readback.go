package userid

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"activedefense/firewall/panosim/answer"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/xmltree"
)

// pageLimit is the most entries that one answer lists.
const pageLimit = 500

// Page describes an answer to a client that reads registered addresses.
type Page struct {
	VSys    string
	Start   int // 1-based
	Limit   int
	Entries int // in this page
	Total   int // that match in all pages
}

// query is what a client asked to see.
type query struct {
	Page
	tag      string  // "": any
	only     *target // nil: any
	counting bool    // only how many there are
}

// ShowRegisteredIP answers "show object registered-ip". Of an answer that is no refusal the page is not nil.
func (g *Registry) ShowRegisteredIP(r answer.Request) (answer.Answer, *Page, []Change) {
	if !g.o.Version.AtLeast(6, 1) {
		return answer.Unexpected(r.Command), nil, nil
	}
	return g.readBack(r)
}

// ShowRegisteredAddress answers the command of PAN-OS before 6.1.
func (g *Registry) ShowRegisteredAddress(r answer.Request) (answer.Answer, *Page, []Change) {
	if g.o.Version.AtLeast(6, 1) {
		return answer.Unexpected(r.Command), nil, nil
	}
	return g.readBack(r)
}

func (g *Registry) readBack(r answer.Request) (answer.Answer, *Page, []Change) {
	q, refusal := g.parseQuery(r.At)
	if refusal != nil {
		return *refusal, nil, nil
	}
	t, ok := g.table(r.VSys)
	if !ok {
		return answer.InvalidVSys(r.VSys), nil, nil
	}
	if q.counting && g.o.Dialect.Counting == dialect.CountingRefused {
		return refuseQuery("all -> option is unexpected"), nil, nil
	}
	q.VSys = g.Name(r.VSys)
	changes := g.Expire()
	return g.page(t, &q), &q.Page, changes
}

func refuseQuery(text string) answer.Answer {
	return answer.Failure(17, "show -> object -> registered-ip -> "+text)
}

// parseQuery reads the filters. Paging came with PAN-OS 8.0.
func (g *Registry) parseQuery(at *xmltree.Element) (query, *answer.Answer) {
	q := query{Page: Page{Start: 1, Limit: pageLimit}}
	refuse := func(text string) (query, *answer.Answer) {
		a := refuseQuery(text)
		return q, &a
	}
	for _, e := range at.Children {
		switch e.Name {
		case "all":
			if q.counting = e.Value("option") == "count"; len(e.Children) > 0 && !q.counting {
				return refuse("all -> " + e.Children[0].Name + " is unexpected")
			}
		case "tag":
			if q.tag = e.Child("entry").Attribute("name"); q.tag == "" {
				return refuse("tag is invalid")
			}
		case "ip":
			only, err := parseTarget(e.Text, g.o.Version.AtLeast(10, 0))
			if err != nil {
				return refuse("ip '" + e.Text + "' " + err.Error())
			}
			q.only = &only
		case "limit", "start-point":
			n, err := strconv.Atoi(e.Text)
			if err != nil || n < 1 {
				return refuse(e.Name + " '" + e.Text + "' is invalid")
			}
			if !g.o.Version.AtLeast(8, 0) {
				return refuse(e.Name + " is unexpected")
			}
			if e.Name == "limit" {
				q.Limit = min(n, pageLimit)
			} else {
				q.Start = n
			}
		default:
			return refuse(e.Name + " is unexpected")
		}
	}
	return q, nil
}

// page fills in the numbers of the page and writes it.
func (g *Registry) page(t *table, q *query) answer.Answer {
	found := t.page(q)
	q.Entries = len(found)
	if q.counting {
		if g.o.Dialect.Counting == dialect.CountingElement {
			return answer.Success("<result><count>" + strconv.Itoa(q.Total) + "</count></result>")
		}
		return answer.Success("<result>Total: " + strconv.Itoa(q.Total) + " registered addresses</result>")
	}
	if !g.o.Version.AtLeast(8, 0) && q.Total > pageLimit {
		return answer.Success("<result><msg><line><outfile>/var/log/clioutput/regipdump</outfile></line></msg></result>")
	}
	if len(found) == 0 {
		if g.o.Dialect.Empty == dialect.EmptyCount {
			return answer.Success("<result><count>0</count></result>")
		}
		return answer.Success("<result/>")
	}
	var b bytes.Buffer
	b.WriteString("<result>")
	for _, a := range found {
		g.writeEntry(&b, a, q)
	}
	if g.o.Dialect.PageCount != dialect.CountAbsent {
		count := q.Entries
		switch g.o.Dialect.PageCount {
		case dialect.CountTotal:
			count = q.Total
		case dialect.CountLimit:
			count = q.Limit
		}
		b.WriteString("<count>" + strconv.Itoa(count) + "</count>")
	}
	b.WriteString("</result>")
	return answer.Success(b.String())
}

// page finds the addresses of the page, and how many there are in all.
func (t *table) page(q *query) []*address {
	var found []*address
	switch {
	case q.only != nil:
		if a := t.addresses[*q.only]; a != nil && (q.tag == "" || a.find(q.tag) != nil) {
			q.Total = 1
			if q.Start == 1 {
				found = append(found, a)
			}
		}
	case q.tag == "":
		q.Total = t.order.live
		found = t.order.from(q.Start-1, q.Limit)
	default:
		list := t.tags[q.tag]
		if list == nil {
			break
		}
		q.Total = list.order.live
		for _, r := range list.order.from(q.Start-1, q.Limit) {
			found = append(found, r.address)
		}
	}
	return found
}

// end is the attribute that shows when a tag ends; "": none does.
func (g *Registry) end(r *registration) string {
	switch g.o.Dialect.Ends {
	case dialect.EndsLeft:
		if r.expires == 0 {
			return ` expires-in="0"`
		}
		return fmt.Sprintf(` expires-in="%d"`, (time.Unix(0, r.expires).Sub(g.o.Now())+time.Second-1)/time.Second)
	case dialect.EndsTimeout:
		return fmt.Sprintf(` timeout="%d"`, r.timeout/time.Second)
	}
	return ""
}

// writeEntry writes one address in the shape of the vendor's example.
func (g *Registry) writeEntry(b *bytes.Buffer, a *address, q *query) {
	persistent := "0"
	for _, r := range a.tags {
		if r.persistent {
			persistent = "1"
		}
	}
	b.WriteString(`<entry ip="` + a.Text(g.o.Dialect.HostForm) + `" from_agent="0" persistent="` + persistent + `"`)
	if g.o.Dialect.Extras == dialect.ExtrasPresent {
		b.WriteString(` source="XML API" epoch="7"`)
	}
	b.WriteString("><tag>")
	for _, r := range a.tags {
		if q.tag != "" && r.tag.name != q.tag && g.o.Dialect.FilteredTags == dialect.FilteredMatching {
			continue
		}
		b.WriteString("<member")
		if g.o.Dialect.Extras == dialect.ExtrasPresent {
			b.WriteString(` origin="api"`)
		}
		b.WriteString(g.end(r) + ">" + answer.Escape(r.tag.name) + "</member>")
	}
	b.WriteString("</tag>")
	if g.o.Dialect.Extras == dialect.ExtrasPresent {
		b.WriteString("<groups><entry name=\"any\"/></groups>")
	}
	b.WriteString("</entry>")
}
