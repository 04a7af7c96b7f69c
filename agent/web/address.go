package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"activedefense/agent/api"
	"activedefense/agent/explain"
	"activedefense/config"
)

// addressed is what the page of one address shows.
type addressed struct {
	Address string
	X       *explain.Explanation // nil: it was never on the blacklist
	Itself  *explain.Unlisted    // what is known of the address without an entry of its own; nil: it has one
	Stories []*explain.Explanation
	Labels  []string
	Notes   []string
	Country string // in words: what its newest record that has one says, or why it is unknown
	InForce []explain.BlacklistEntry
}

// countryWithin bounds the search for a country: the rest of the page does not wait for it.
const countryWithin = "3s"

func (p *Pages) address(v *visit) error {
	address := v.r.PathValue("address")
	ctx := v.r.Context()
	var answer json.RawMessage
	if err := v.api.Get(ctx, "blacklist/"+api.Escape(address), nil, &answer); err != nil {
		return err
	}
	var beside struct {
		Labels  []string
		Notes   []string
		Entries []json.RawMessage
	}
	if err := json.Unmarshal(answer, &beside); err != nil {
		return err
	}
	out := &addressed{Address: address, Labels: beside.Labels, Notes: beside.Notes}
	if len(beside.Entries) == 0 {
		out.Itself = new(explain.Unlisted)
		if err := json.Unmarshal(answer, out.Itself); err != nil {
			return err
		}
		out.Address = out.Itself.Address
	} else {
		x := new(explain.Explanation)
		if err := json.Unmarshal(answer, x); err != nil {
			return err
		}
		out.Address, out.X, out.Itself = x.Address, x, x.Itself
		out.Stories = append([]*explain.Explanation{x}, x.Others...)
		for _, e := range x.Entries {
			if e.ReleasedAt == nil {
				out.InForce = append(out.InForce, e)
			}
		}
	}
	out.Country = v.country(out.Address)
	p.show(v, http.StatusOK, "address", out.Address, out)
	return nil
}

// countryOf is how many of the newest records are looked at for a country: that of a log line may be empty.
const countryOf = 100

// country says which country the newest records of an address have, or why that is unknown.
func (v *visit) country(address string) string {
	query := url.Values{"src": {address}, "since": {"30d"}, "limit": {strconv.Itoa(countryOf)}, "within": {countryWithin}}
	records, rest, err := v.records(query)
	if err != nil {
		return "unknown: its records could not be searched: " + err.Error()
	}
	for i := range records {
		if country := records[i].SrcCountry; country != "" {
			return country + ", as its newest record that has one says"
		}
	}
	switch {
	case rest.Stopped:
		return "unknown: the search of its records took longer than " + countryWithin
	case len(records) == countryOf:
		return "unknown: none of its newest " + strconv.Itoa(countryOf) + " records has one"
	case len(records) == 0:
		return "unknown: there is no record of it of the last 30 days"
	}
	return "unknown: none of its records of the last 30 days has one"
}

// records searches for records.
func (v *visit) records(query url.Values) (list []api.Record, rest api.Searched, err error) {
	err = api.Each(v.r.Context(), v.api, "records", query, "records", &rest, func(r *api.Record) error {
		list = append(list, *r)
		return nil
	})
	return list, rest, err
}

// Release has an entry released, or what is held or observed dismissed.
func (p *Pages) release(v *visit) error {
	address := v.address()
	err := v.api.Delete(v.r.Context(), "blacklist/"+api.Escape(address), url.Values{"reason": {v.form.Get("reason")}}, &api.Removed{})
	return v.did(err, pageOf(address), "released")
}

func (p *Pages) accept(v *visit) error {
	address := v.address()
	var out api.Accepted
	err := v.api.Post(v.r.Context(), "blacklist/accept", api.Accepting{Addresses: []string{address}}, &out)
	if err == nil && len(out.NotHeld) > 0 {
		err = &api.Fault{Status: http.StatusConflict, Detail: "Nothing was accepted: " + strings.Join(out.NotHeld, "; ") + "."}
	}
	return v.did(err, pageOf(address), "accepted")
}

func (p *Pages) block(v *visit) error {
	address := v.address()
	err := v.api.Post(v.r.Context(), "blacklist", api.Blocking{Address: address, Reason: v.form.Get("reason"), For: v.form.Get("for")}, &api.Blocked{})
	return v.did(err, pageOf(address), "blocked")
}

func (p *Pages) allow(v *visit) error {
	entry := strings.TrimSpace(v.form.Get("entry"))
	ask := api.Allowing{Entry: entry, Reason: v.form.Get("reason")}
	if length := strings.TrimSpace(v.form.Get("for")); length != "" {
		d, err := config.ParseDuration(length)
		if err != nil || d <= 0 {
			return api.Usagef("for %q: use a duration such as 24h or 7d", length)
		}
		until := p.opts.Now().Add(d)
		ask.Until = &until
	}
	var out api.AllowedNow
	err := v.api.Post(v.r.Context(), "allow", ask, &out)
	what := "allowed"
	if len(out.Lifted) > 0 {
		what = "lifted"
	}
	return v.did(err, "/ui/allow", what)
}

func (p *Pages) disallow(v *visit) error {
	err := v.api.Delete(v.r.Context(), "allow/"+api.Escape(v.form.Get("entry")), url.Values{"reason": {v.form.Get("reason")}}, &api.Allowed{})
	return v.did(err, "/ui/allow", "disallowed")
}

func (p *Pages) pause(v *visit) error {
	err := v.api.Post(v.r.Context(), "blacklist/pause", api.Pausing{For: v.form.Get("for"), Reason: v.form.Get("reason")}, &api.Paused{})
	return v.did(err, "/", "paused")
}

func (p *Pages) resume(v *visit) error {
	err := v.api.Post(v.r.Context(), "blacklist/resume", api.Pausing{Reason: v.form.Get("reason")}, &api.Paused{})
	return v.did(err, "/", "resumed")
}

// did answers a form: with the page to go on with, or why it was not done.
func (v *visit) did(err error, to, what string) error {
	if err != nil {
		return err
	}
	v.back(to, what)
	return nil
}

func (v *visit) address() string { return strings.TrimSpace(v.form.Get("address")) }

func pageOf(address string) string { return "/ui/address/" + url.PathEscape(address) }

// allowed shows the allow-list.
func (p *Pages) allowed(v *visit) error {
	out := &struct{ Entries []api.Allowed }{}
	err := api.Each(v.r.Context(), v.api, "allow", nil, "allowed", &struct{}{}, func(a *api.Allowed) error {
		out.Entries = append(out.Entries, *a)
		return nil
	})
	if err != nil {
		return err
	}
	p.show(v, http.StatusOK, "allow", "Allow-list", out)
	return nil
}

// history shows what was done, and by whom.
func (p *Pages) history(v *visit) error {
	out := &struct {
		Address string
		Changes []change
		Paging  *paging
	}{Address: v.address(), Paging: v.pagingOf()}
	query := out.Paging.ask(url.Values{})
	if out.Address != "" {
		query.Set("address", out.Address)
	}
	err := api.Each(v.r.Context(), v.api, "history", query, "changes", &struct{}{}, func(c *api.Change) error {
		at, err := time.Parse(time.RFC3339Nano, c.Time)
		out.Changes = append(out.Changes, change{*c, at})
		return err
	})
	if err != nil {
		return err
	}
	out.Changes = cut(out.Paging, out.Changes)
	p.show(v, http.StatusOK, "history", "History", out)
	return nil
}

// A change is one with its time.
type change struct {
	api.Change
	At time.Time
}

// Page is the page of the address; "": it is a name, or more than one address.
func (c *change) Page() string {
	if _, err := api.ParsePrefix(c.Address); err != nil {
		return ""
	}
	return pageOf(c.Address)
}
