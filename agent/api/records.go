package api

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"time"

	"activedefense/agent/enforce"
	"activedefense/store"
)

// Record is one stored record, as records --json has it.
type Record struct {
	Time       time.Time `json:"time"`
	Device     string    `json:"device"`
	Src        string    `json:"src"`
	SrcPort    uint16    `json:"src_port"`
	SrcUser    string    `json:"src_user"`
	SrcCountry string    `json:"src_country"`
	Dst        string    `json:"dst"`
	DstPort    uint16    `json:"dst_port"`
	DstCountry string    `json:"dst_country"`
	Action     string    `json:"action"`
	Rule       string    `json:"rule"`
	RuleID     string    `json:"rule_id"`
	ThreatName string    `json:"threat_name"`
	ThreatID   string    `json:"threat_id"`
	Severity   string    `json:"severity"`
	Subtype    string    `json:"subtype"`
	Type       string    `json:"type"`

	Application      string `json:"application"`
	FromZone         string `json:"from_zone"`
	ToZone           string `json:"to_zone"`
	SessionEndReason string `json:"session_end_reason"`
	Outcome          string `json:"outcome"`
	Grade            string `json:"grade"`
	File             string `json:"file"`
}

// RecordOf renders a record of the store.
func RecordOf(r *store.Record) Record {
	return Record{r.Time, r.Device, AddrText(r.Src), r.SrcPort, r.SrcUser, r.SrcCountry, AddrText(r.Dst), r.DstPort, r.DstCountry,
		r.Action, r.Rule, r.RuleID, r.ThreatName, r.ThreatID, r.Severity, r.Subtype, r.Type,
		r.Application, r.FromZone, r.ToZone, r.SessionEndReason, r.Outcome.String(), r.Grade.String(), r.Path}
}

// AddrText writes an address, and nothing for one that is missing.
func AddrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// Searched is what a search for records says beside the records.
type Searched struct {
	// Stopped: the search took longer than it may, and older records were not looked at.
	Stopped bool `json:"stopped"`
	// Count is how many records match, if that was asked for; none of them is given then. nil: it was not, or the search was stopped.
	Count *int64 `json:"count,omitempty"`
	// Unseen are the values asked for that no record of that time has, so that a slip is not taken for good news.
	Unseen []Unseen `json:"unseen,omitempty"`
	// Firewalls are the names of the configuration, which are not those of the log.
	Firewalls []string `json:"firewalls"`
}

// Unseen is a value that no record has.
type Unseen struct {
	Column string   `json:"column"`
	Value  string   `json:"value"`
	Seen   []string `json:"seen"` // what records have there
}

func (a *API) searchRecords(c *call) error {
	filter, err := ParseSearch(c.query, a.opts.Now(), func(param string) string { return param })
	if err != nil {
		return err
	}
	offset, err := numberOf(c.query, "offset", "records to pass over", 0)
	if err != nil {
		return err
	}
	count, err := yesOf(c.query, "count")
	if err != nil {
		return err
	}
	st, err := a.reading(c)
	if err != nil {
		return err
	}
	if count {
		return a.countRecords(c, st, filter)
	}
	if filter.Limit > 0 {
		filter.Limit += min(offset, math.MaxInt-filter.Limit)
	}
	ctx := c.r.Context()
	out, seen := c.newList("records"), 0
	err = st.Records(ctx, filter, func(r *store.Record) error {
		if seen++; seen <= offset {
			return nil
		}
		return out.add(RecordOf(r))
	})
	rest := Searched{Stopped: errors.Is(err, store.ErrStopped), Firewalls: enforce.Names(a.opts.Config)}
	if rest.Stopped {
		return out.end(rest, nil)
	}
	if err == nil {
		rest.Unseen = unseen(ctx, st, perhapsSlips(filter, seen > 0))
	}
	return out.end(rest, err)
}

// countRecords answers a search with how many records match. What can be read is counted beside what cannot, as it is given by a search.
func (a *API) countRecords(c *call, st *store.Store, f store.RecordFilter) error {
	ctx := c.r.Context()
	n, err := st.CountRecords(ctx, f)
	rest := Searched{Stopped: errors.Is(err, store.ErrStopped), Firewalls: enforce.Names(a.opts.Config)}
	switch {
	case rest.Stopped:
		err = nil
	case err != nil && n == 0:
		return err
	default:
		rest.Count = &n
	}
	if err == nil && !rest.Stopped {
		rest.Unseen = unseen(ctx, st, perhapsSlips(f, n > 0))
	}
	return c.newList("records").whole(rest, err)
}

// unseenWithin bounds the look for what records have instead, which goes through all of the time that was searched.
const unseenWithin = 5 * time.Second

// unseen gives the values asked for that no record has. What cannot be found out in time is not said.
func unseen(ctx context.Context, st *store.Store, f store.RecordFilter) (list []Unseen) {
	ctx, cancel := context.WithTimeout(ctx, unseenWithin)
	defer cancel()
	found, err := st.Unseen(ctx, f)
	if err != nil {
		return nil // the search itself has said what is wrong with the store
	}
	for _, u := range found {
		list = append(list, Unseen(u))
	}
	return list
}

// perhapsSlips leaves of a filter what may be a slip: all that is asked for where nothing was found; else where there are several values
// for a field, of which one has found something.
func perhapsSlips(f store.RecordFilter, found bool) store.RecordFilter {
	for param, values := range texts(&f) {
		if found && param != "file" && len(*values) < 2 {
			*values = nil
		}
	}
	return f
}
