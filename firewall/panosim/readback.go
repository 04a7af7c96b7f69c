package panosim

import (
	"bytes"
	"strconv"

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

// SetPageHook has fn called after each page was read and before it is sent, outside all locks, so that a test can
// change what is registered between two pages. nil: no longer.
func (s *Sim) SetPageHook(fn func(Page)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onPage = fn
}

// query is what a client asked to see.
type query struct {
	Page
	tag      string  // "": any
	only     *target // nil: any
	counting bool    // only how many there are
}

// registeredIP answers "show object registered-ip".
func (s *Sim) registeredIP(c *call, at *xmltree.Element) answer.Answer {
	if !s.version.AtLeast(6, 1) {
		return answer.Unexpected(c.command)
	}
	return s.readBack(c, at)
}

// registeredAddress answers the command of PAN-OS before 6.1.
func (s *Sim) registeredAddress(c *call, at *xmltree.Element) answer.Answer {
	if s.version.AtLeast(6, 1) {
		return answer.Unexpected(c.command)
	}
	return s.readBack(c, at)
}

func (s *Sim) readBack(c *call, at *xmltree.Element) answer.Answer {
	q, refusal := s.parseQuery(at)
	if refusal != nil {
		return *refusal
	}
	s.mu.Lock()
	t, ok := s.vsys(c.form.Get("vsys"))
	if !ok {
		s.mu.Unlock()
		return answer.InvalidVSys(c.form.Get("vsys"))
	}
	if q.counting && s.dialect.Counting == dialect.CountingRefused {
		s.mu.Unlock()
		return refuseQuery("all -> option is unexpected")
	}
	q.VSys = s.name(c.form.Get("vsys"))
	changes := s.expireLocked(s.opts.Now())
	a := s.pageLocked(t, &q)
	hook := s.onPage
	s.mu.Unlock()
	s.tell(changes)
	if hook != nil {
		hook(q.Page)
	}
	return a
}

func refuseQuery(text string) answer.Answer {
	return answer.Failure(17, "show -> object -> registered-ip -> "+text)
}

// parseQuery reads the filters. Paging came with PAN-OS 8.0.
func (s *Sim) parseQuery(at *xmltree.Element) (query, *answer.Answer) {
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
			only, err := parseTarget(e.Text, s.version.AtLeast(10, 0))
			if err != nil {
				return refuse("ip '" + e.Text + "' " + err.Error())
			}
			q.only = &only
		case "limit", "start-point":
			n, err := strconv.Atoi(e.Text)
			if err != nil || n < 1 {
				return refuse(e.Name + " '" + e.Text + "' is invalid")
			}
			if !s.version.AtLeast(8, 0) {
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

// pageLocked fills in the numbers of the page and writes it.
func (s *Sim) pageLocked(t *table, q *query) answer.Answer {
	found := t.page(q)
	q.Entries = len(found)
	if q.counting {
		if s.dialect.Counting == dialect.CountingElement {
			return answer.Success("<result><count>" + strconv.Itoa(q.Total) + "</count></result>")
		}
		return answer.Success("<result>Total: " + strconv.Itoa(q.Total) + " registered addresses</result>")
	}
	if !s.version.AtLeast(8, 0) && q.Total > pageLimit {
		return answer.Success("<result><msg><line><outfile>/var/log/clioutput/regipdump</outfile></line></msg></result>")
	}
	if len(found) == 0 {
		if s.dialect.Empty == dialect.EmptyCount {
			return answer.Success("<result><count>0</count></result>")
		}
		return answer.Success("<result/>")
	}
	var b bytes.Buffer
	b.WriteString("<result>")
	for _, a := range found {
		s.writeEntryLocked(&b, a, q)
	}
	if s.dialect.PageCount != dialect.CountAbsent {
		count := q.Entries
		switch s.dialect.PageCount {
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

// writeEntryLocked writes one address in the shape of the vendor's example.
func (s *Sim) writeEntryLocked(b *bytes.Buffer, a *address, q *query) {
	persistent := "0"
	for _, r := range a.tags {
		if r.persistent {
			persistent = "1"
		}
	}
	b.WriteString(`<entry ip="` + a.text(s.dialect.HostForm) + `" from_agent="0" persistent="` + persistent + `"`)
	if s.dialect.Extras == dialect.ExtrasPresent {
		b.WriteString(` source="XML API" epoch="7"`)
	}
	b.WriteString("><tag>")
	for _, r := range a.tags {
		if q.tag != "" && r.tag.name != q.tag && s.dialect.FilteredTags == dialect.FilteredMatching {
			continue
		}
		if s.dialect.Extras == dialect.ExtrasPresent {
			b.WriteString(`<member origin="api">`)
		} else {
			b.WriteString("<member>")
		}
		b.WriteString(answer.Escape(r.tag.name) + "</member>")
	}
	b.WriteString("</tag>")
	if s.dialect.Extras == dialect.ExtrasPresent {
		b.WriteString("<groups><entry name=\"any\"/></groups>")
	}
	b.WriteString("</entry>")
}
