package store

import (
	"context"
	"database/sql"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Interval is a stretch of event time, from From on and before To; a zero To leaves it open.
type Interval struct{ From, To time.Time }

// has compares whole microseconds, as databases do.
func (i Interval) has(t time.Time) bool {
	micros := t.UnixMicro()
	return micros >= i.From.UnixMicro() && (i.To.IsZero() || micros < i.To.UnixMicro())
}

// sightingColumns are what detection needs, in the order in which rows of PostgreSQL are scanned.
const sightingColumns = "id, time, src, dst, src_port, dst_port, repeat, file, file_offset, protocol, outcome, grade, " +
	"device, type, subtype, direction, severity, action, rule, threat_id, application, from_zone, session_end_reason, src_user, " +
	"src_country, dst_country, rule_id, threat_name, to_zone, category, client"

// sightingTexts are the texts among them.
func sightingTexts(r *Record) [19]*string {
	return [...]*string{&r.Device, &r.Type, &r.Subtype, &r.Direction, &r.Severity, &r.Action, &r.Rule, &r.ThreatID,
		&r.Application, &r.FromZone, &r.SessionEndReason, &r.SrcUser,
		&r.SrcCountry, &r.DstCountry, &r.RuleID, &r.ThreatName, &r.ToZone, &r.Category, &r.Client}
}

// Sightings calls fn for this instance's records whose time lies in one of the intervals and whose type is one of these, whatever its case (nil: of any type), each once, in
// the order of their ids, which is the order in which they were committed. Left out is what was committed
// before the last release of its source, or of a network that holds it, or before that was no longer allowed: evidence that does not count.
// Set are ID, Time, Device, Src, Dst, SrcPort, DstPort, Type, Subtype, Direction, Severity, Action, Rule, ThreatID,
// Application, FromZone, ToZone, SessionEndReason, SrcUser, SrcCountry, DstCountry, RuleID, ThreatName, Category, Client, Protocol, Outcome, Grade, Repeat, File
// and Offset. The record is valid during the call only. An error of fn ends the reading and is returned.
//
// It is meant for rebuilding the detection after a restart: call it between two states of the blacklist,
// that is, read Changes before, and follow Changes from that version afterwards.
func (s *Store) Sightings(ctx context.Context, in []Interval, types []string, fn func(*Record) error) error {
	in = union(in)
	if len(in) == 0 {
		return nil
	}
	if err := s.expected(ctx, "read the sightings"); err != nil {
		return err
	}
	var old *cutoffs
	err := s.records.sightings(ctx, s.agent, in, types, func(r *Record) (err error) {
		if old == nil {
			// Releases before the first record to come cannot matter: years of history stay unread.
			if old, err = s.cutoffs(ctx, r.ID); err != nil {
				return err
			}
		}
		if old.covers(r) {
			return nil
		}
		r.Agent = 0
		return fn(r)
	})
	return s.failed("read the sightings", err)
}

// LastRecord is the highest id that a record was given so far, committed or not.
func (s *Store) LastRecord(ctx context.Context) (id int64, err error) {
	err = s.view(ctx, "read the last record's number", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT `+s.lastRecord).Scan(&id)
	})
	return id, err
}

// union sorts the intervals and joins those that meet, so that no record lies in two.
func union(in []Interval) []Interval {
	sorted := make([]Interval, 0, len(in))
	for _, i := range in {
		if i.To.IsZero() || i.From.Before(i.To) {
			sorted = append(sorted, i)
		}
	}
	slices.SortFunc(sorted, func(a, b Interval) int { return a.From.Compare(b.From) })
	var out []Interval
	for _, i := range sorted {
		if n := len(out); n > 0 && (out[n-1].To.IsZero() || !i.From.After(out[n-1].To)) {
			if i.To.IsZero() || !out[n-1].To.IsZero() && i.To.After(out[n-1].To) {
				out[n-1].To = i.To
			}
			continue
		}
		out = append(out, i)
	}
	return out
}

// addIntervals appends a condition that a time lies in one of the intervals.
func (w *where) addIntervals(d *dialect, column string, in []Interval) {
	var terms []string
	var args []any
	for _, i := range in {
		term := column + " >= ?"
		args = append(args, d.stamp(i.From))
		if !i.To.IsZero() {
			term = "(" + term + " AND " + column + " < ?)"
			args = append(args, d.stamp(i.To))
		}
		terms = append(terms, term)
	}
	w.add("("+strings.Join(terms, " OR ")+")", args...)
}

// addTypes appends a condition that the type is one of these; nil: there is none. lower is as in addFilter.
func (w *where) addTypes(types []string, lower string) {
	if len(types) > 0 {
		w.addTexts(&textFilter{columns: []string{"type"}, want: types}, lower)
	}
}

// cutoffs tells what was recorded before the last release of its source, or while that was allowed.
type cutoffs struct {
	last map[netip.Prefix]int64 // highest record id at the last release
	bits []int                  // the prefix lengths that occur
}

// cutoffs gives the last release of each address, of those after firstRecord was stored.
func (l *blacklist) cutoffs(ctx context.Context, firstRecord int64) (*cutoffs, error) {
	c := &cutoffs{last: make(map[netip.Prefix]int64)}
	err := forEach(ctx, l.readers, func(rows *sql.Rows) error {
		var p netip.Prefix
		var id int64
		if err := rows.Scan(intoPrefix{&p}, &id); err != nil {
			return err
		}
		c.last[p] = id
		if !slices.Contains(c.bits, p.Bits()) {
			c.bits = append(c.bits, p.Bits())
		}
		return nil
	}, `SELECT address, max(record) FROM (SELECT address, release_record AS record FROM blacklist WHERE release_record >= $1
		UNION ALL SELECT address, end_record FROM allowed_addresses WHERE end_record >= $1) AS ended GROUP BY address`, firstRecord)
	return c, err
}

func (c *cutoffs) covers(r *Record) bool {
	for _, bits := range c.bits {
		p, err := r.Src.Prefix(bits)
		if err != nil {
			continue // no source, or an IPv4 address and a longer prefix of IPv6
		}
		if last, ok := c.last[p]; ok && r.ID <= last {
			return true
		}
	}
	return false
}

// interned gives the same string for the same bytes, so that millions of rows with few different texts
// cost few allocations. It forgets when strangers fill it.
type interned map[string]string

func (m *interned) get(b []byte) string {
	if s, ok := (*m)[string(b)]; ok {
		return s
	}
	if *m == nil || len(*m) > 10000 {
		*m = make(interned)
	}
	s := string(b)
	(*m)[s] = s
	return s
}
