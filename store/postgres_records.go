package store

import (
	"context"
	"database/sql"
	"net/netip"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgresRecords is the table of records in PostgreSQL, one partition a day.
type postgresRecords struct {
	*dialect
	db *sql.DB
	days
}

const postgresColumns = "time, agent, src, dst, src_port, dst_port, repeat, file, file_offset, " + smallColumns + ", " + textColumns

// ready implements recordTable: the partitions of the records' days must be there.
func (t *postgresRecords) ready(ctx context.Context, records []Record) error {
	return t.ensure(ctx, records)
}

// insert implements recordTable with COPY.
func (t *postgresRecords) insert(ctx context.Context, conn *sql.Conn, _ *sql.Tx, agent int64, records []Record) error {
	return conn.Raw(func(dc any) error {
		_, err := dc.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier{"records"}, strings.Split(postgresColumns, ", "), newCopyRecords(agent, records))
		return err
	})
}

// copyRecords feeds COPY. The values are pointers to the fields of one record that changes under them, so
// that a row costs no allocation.
type copyRecords struct {
	records          []Record
	next             int
	r                storedForm
	srcPort, dstPort int32
	repeat           int64
	smalls           [3]int16
	values           []any
}

func newCopyRecords(agent int64, records []Record) *copyRecords {
	c := &copyRecords{records: records}
	c.values = []any{&c.r.Time, int16(agent), &c.r.Src, &c.r.Dst, &c.srcPort, &c.dstPort, &c.repeat, &c.r.File, &c.r.Offset}
	for i := range c.smalls {
		c.values = append(c.values, &c.smalls[i])
	}
	for _, s := range c.r.texts() {
		c.values = append(c.values, s)
	}
	return c
}

// Next implements pgx.CopyFromSource.
func (c *copyRecords) Next() bool {
	if c.next == len(c.records) {
		return false
	}
	c.r.take(&c.records[c.next])
	c.srcPort, c.dstPort, c.repeat = int32(c.r.SrcPort), int32(c.r.DstPort), int64(c.r.Repeat)
	for i, n := range c.r.smalls() {
		c.smalls[i] = int16(*n)
	}
	c.next++
	return true
}

// Values implements pgx.CopyFromSource.
func (c *copyRecords) Values() ([]any, error) { return c.values, nil }

// Err implements pgx.CopyFromSource.
func (c *copyRecords) Err() error { return nil }

// native runs a query through pgx itself, whose rows know addresses and spare the copy through
// database/sql.
func (t *postgresRecords) native(ctx context.Context, query string, args []any, to []any, each func() error) error {
	conn, err := t.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(dc any) error {
		rows, err := dc.(*stdlib.Conn).Conn().Query(ctx, query, args...)
		if err != nil {
			return err
		}
		_, err = pgx.ForEachRow(rows, to, func() error {
			if err := ctx.Err(); err != nil {
				return err // the driver notices only some rows later
			}
			return each()
		})
		return err
	})
}

// search implements recordTable. There is no sorted index on time, so the newest records are searched in
// stretches of time that begin at the newest end and grow: each is one small sort, and a common filter is
// satisfied by the first ones.
func (t *postgresRecords) search(ctx context.Context, f *RecordFilter, limit int, fn func(*Record) error) error {
	var base where
	for _, n := range []struct {
		column string
		netip.Prefix
	}{{"src", f.Src}, {"dst", f.Dst}} {
		if !n.IsValid() {
			continue
		}
		p, err := canonical(n.Prefix)
		if err != nil {
			return err
		}
		base.add(n.column+" BETWEEN ? AND ?", p.Addr(), lastAddr(p)) // what a btree can search; all rows are single addresses
	}
	base.addFilter(f, `lower(? COLLATE "C")`)
	oldest := t.now()
	if list, err := t.list(ctx); err != nil {
		return err
	} else if len(list) > 0 {
		oldest = startOf(list[0])
	}
	found := 0
	for _, stretch := range stretches(f.Since, f.Until, t.now(), oldest, limit > 0) {
		n, err := t.searchStretch(ctx, base, stretch, limit-found, limit > 0, fn)
		if err != nil {
			return err
		}
		if found += n; limit > 0 && found >= limit {
			return nil
		}
	}
	return nil
}

// stretches cuts the time from since to until (zero: open) into intervals, newest first: what lies beyond
// the days ahead of now, what lies ahead, then growing ones down to the oldest partition, and the rest.
func stretches(since, until, now, oldest time.Time, grow bool) (list []Interval) {
	edges := []time.Time{startOf(dayOf(now) + daysAhead + 1), now}
	for edge, width := now, time.Minute; edge.After(oldest); {
		edge = edge.Add(-width)
		edges = append(edges, edge)
		if grow || width < 6*time.Hour {
			width *= 4
		}
	}
	end := until
	for _, from := range append(edges, time.Time{}) {
		if from.Before(since) {
			from = since
		}
		if end.IsZero() || from.Before(end) {
			list = append(list, Interval{from, end})
			end = from
		}
		if !from.After(since) {
			break
		}
	}
	return list
}

func (t *postgresRecords) searchStretch(ctx context.Context, base where, in Interval, limit int, limited bool, fn func(*Record) error) (found int, err error) {
	w := base.clone()
	w.addIntervals(t.dialect, "time", []Interval{in})
	query := "SELECT id, " + postgresColumns + " FROM records" + w.String() + newestFirst
	if limited {
		query += " LIMIT " + w.arg(int64(limit))
	}
	var r Record
	var agent int16
	to := []any{&r.ID, &r.Time, &agent, intoAddr{&r.Src}, intoAddr{&r.Dst}, &r.SrcPort, &r.DstPort, &r.Repeat, &r.File, &r.Offset}
	for _, n := range r.smalls() {
		to = append(to, n)
	}
	for _, s := range r.texts() {
		to = append(to, s)
	}
	err = t.native(ctx, query, w.args, to, func() error {
		found++
		r.Time = r.Time.UTC()
		return fn(&r)
	})
	return found, err
}

// intoAddr scans an inet that holds a single address, or NULL.
type intoAddr struct{ to *netip.Addr }

// ScanNetipPrefix implements pgtype.NetipPrefixScanner.
func (s intoAddr) ScanNetipPrefix(p netip.Prefix) error {
	*s.to = p.Addr()
	return nil
}

// intoText scans a text without a new allocation for one that was seen before.
type intoText struct {
	to    *string
	texts *interned
}

// ScanBytes implements pgtype.BytesScanner.
func (s intoText) ScanBytes(b []byte) error {
	*s.to = s.texts.get(b)
	return nil
}

// sightings implements recordTable.
func (t *postgresRecords) sightings(ctx context.Context, agent int64, in []Interval, fn func(*Record) error) error {
	var w where
	w.add("agent = ?", agent)
	w.addIntervals(t.dialect, "time", in)
	var r Record
	var texts interned
	to := []any{&r.ID, &r.Time, intoAddr{&r.Src}, intoAddr{&r.Dst}, &r.SrcPort, &r.DstPort, &r.Repeat, &r.File, &r.Offset,
		(*uint8)(&r.Protocol), (*uint8)(&r.Outcome)}
	for _, text := range r.sightingTexts() {
		to = append(to, intoText{text, &texts})
	}
	return t.native(ctx, `SELECT `+sightingColumns+` FROM records`+w.String()+` ORDER BY id`, w.args, to, func() error {
		r.Time = r.Time.UTC()
		return fn(&r)
	})
}
