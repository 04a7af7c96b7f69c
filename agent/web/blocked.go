package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"activedefense/agent/api"
)

// pageSize is how many rows a page has.
const pageSize = 100

// A paging is one page of a list that a search gives.
type paging struct {
	Page  int // from 1
	Older bool
	path  string
	query url.Values // of the search
}

// pagingOf reads which page is asked for.
func (v *visit) pagingOf() *paging {
	g := &paging{Page: 1, path: v.r.URL.Path, query: url.Values{}}
	if n, err := strconv.Atoi(v.form.Get("page")); err == nil && n > 1 && n <= 1_000_000 {
		g.Page = n
	}
	for name, values := range v.form {
		for _, value := range values {
			if name != "page" && name != "done" && value != "" {
				g.query.Add(name, value)
			}
		}
	}
	return g
}

// ask adds which part of the list is wanted: one more than a page has, to know whether there are more.
func (g *paging) ask(query url.Values) url.Values {
	query.Set("limit", strconv.Itoa(pageSize+1))
	query.Set("offset", strconv.Itoa((g.Page-1)*pageSize))
	return query
}

// To is the address of another page.
func (g *paging) To(page int) string {
	query := url.Values{}
	for name, values := range g.query {
		query[name] = values
	}
	if page > 1 {
		query.Set("page", strconv.Itoa(page))
	}
	if len(query) == 0 {
		return g.path
	}
	return g.path + "?" + query.Encode()
}

// Next and Previous are the addresses of the pages beside this one.
func (g *paging) Next() string     { return g.To(g.Page + 1) }
func (g *paging) Previous() string { return g.To(g.Page - 1) }

// cut takes from a list what is on the page.
func cut[T any](g *paging, list []T) []T {
	if g.Older = len(list) > pageSize; g.Older {
		return list[:pageSize]
	}
	return list
}

// blockedList is what the list of the blacklist shows.
type blockedList struct {
	State, Q, Rule string
	States         []string
	Entries        []api.Entry
	Labelled       bool
	Notes          []string
	Paging         *paging
}

func (p *Pages) blocked(v *visit) error {
	out := &blockedList{State: v.form.Get("state"), Q: strings.TrimSpace(v.form.Get("q")), Rule: v.form.Get("rule"), States: []string{"blocked", "held", "observed", "all"}, Paging: v.pagingOf()}
	if out.State == "" {
		out.State = "blocked"
	}
	query := url.Values{"state": {out.State}}
	if out.Q != "" {
		query.Set("q", out.Q)
	}
	if out.Rule != "" {
		query.Set("rule", out.Rule)
	}
	entries, rest, err := v.entries(out.Paging.ask(query))
	if err != nil {
		return err
	}
	out.Entries, out.Labelled, out.Notes = cut(out.Paging, entries), rest.Labelled, rest.Notes
	title := map[string]string{"blocked": "Blocked", "held": "Held", "observed": "Observed", "all": "Blocked, now and before"}[out.State]
	p.show(v, http.StatusOK, "blocked", title, out)
	return nil
}
