package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
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

// fewRows are too few for what is done for many: to ask for their ids, a round trip, takes longer than it saves.
const fewRows = 200

// encode implements recordTable with COPY. Many rows come sorted by their sources: the index by source is what a row costs most, and neighbours
// in it share the pages. Their ids say in which order the lines were read.
func (t *postgresRecords) encode(agent int64, records []Record) (insertion, error) {
	many := len(records) >= fewRows
	columns, order := postgresColumns, inPlace(records)
	if many {
		columns = "id, " + columns
		sortBySource(order, records)
	}
	within := func(ctx context.Context, conn *sql.Conn, _ *sql.Tx) error {
		return conn.Raw(func(dc any) error {
			conn := dc.(*stdlib.Conn).Conn()
			rows := &copyRows{agent: agent, records: records, order: order}
			defer rows.stop()
			if many { // the ids need not follow one another, where several agents ask at once
				err := conn.QueryRow(ctx, `SELECT array_agg(nextval('records_id')) FROM generate_series(1, $1::bigint)`, len(records)).Scan(&rows.ids)
				if err != nil {
					return err
				}
			}
			_, err := conn.PgConn().CopyFrom(ctx, rows, "COPY records ("+columns+") FROM STDIN BINARY")
			return err
		})
	}
	return insertion{within, func() {}}, nil
}

// inPlace gives the places of records in their order.
func inPlace(records []Record) []int32 {
	order := make([]int32, len(records))
	for i := range order {
		order[i] = int32(i)
	}
	return order
}

// sortBySource sorts places of records by their sources, those without one first.
func sortBySource(order []int32, records []Record) {
	slices.SortFunc(order, func(a, b int32) int { return records[a].Src.Compare(records[b].Src) })
}

// copyRows are records as the documentation of COPY says ("Binary Format"): a signature, for each row the number of its fields and each field
// behind its length, and a trailer. A length of -1 is NULL. The format is written here because the driver asks for every value anew how its type
// is written, and while it is sent, so that the server need not wait for the whole of it.
type copyRows struct {
	agent   int64
	records []Record
	order   []int32 // places of records
	ids     []int64 // of records; nil: the database gives them

	mu      sync.Mutex // the driver's goroutine may still read when COPY has failed
	stopped bool
	begun   bool
	at      int // in order: what is written next
	form    storedForm
	ahead   []byte // written and not read yet
}

// Read implements io.Reader.
func (c *copyRows) Read(p []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return 0, io.ErrClosedPipe
	}
	if !c.begun {
		c.begun = true
		c.ahead = append(c.ahead, "PGCOPY\n\xff\r\n\x00"+"\x00\x00\x00\x00"+"\x00\x00\x00\x00"...) // no flags, no extension
	}
	for ; len(c.ahead) < len(p) && c.at < len(c.order); c.at++ {
		c.row(c.order[c.at])
		if c.at == len(c.order)-1 {
			c.ahead = binary.BigEndian.AppendUint16(c.ahead, math.MaxUint16) // -1 fields: the end
		}
	}
	if n = copy(p, c.ahead); n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	c.ahead = append(c.ahead[:0], c.ahead[n:]...) // less than a row, but for the last time
	return n, nil
}

// stop has nothing be read any more: the records are the caller's again.
func (c *copyRows) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
}

// copyFields are the fields of a row whose id the database gives.
var copyFields = uint16(strings.Count(postgresColumns, ",") + 1)

// row writes a record.
func (c *copyRows) row(i int32) {
	r := &c.form
	r.take(&c.records[i])
	b := c.ahead
	if c.ids == nil {
		b = binary.BigEndian.AppendUint16(b, copyFields)
	} else {
		b = copyInt64(binary.BigEndian.AppendUint16(b, 1+copyFields), c.ids[i])
	}
	b = copyInt64(b, r.Time.UnixMicro()-postgresEpoch)
	b = copyInt16(b, int16(c.agent))
	b = copyAddr(copyAddr(b, r.Src), r.Dst)
	b = copyInt32(copyInt32(b, int32(r.SrcPort)), int32(r.DstPort))
	b = copyInt64(copyInt64(copyInt64(b, int64(r.Repeat)), r.File), r.Offset)
	for _, n := range r.Smalls() {
		b = copyInt16(b, int16(*n))
	}
	for _, s := range r.Texts() {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(*s))), *s...)
	}
	c.ahead = b
}

// postgresEpoch is the beginning of the year 2000, from which timestamptz counts, in microseconds since 1970.
const postgresEpoch = 946_684_800_000_000

func copyInt16(b []byte, n int16) []byte {
	return binary.BigEndian.AppendUint16(append(b, 0, 0, 0, 2), uint16(n))
}

func copyInt32(b []byte, n int32) []byte {
	return binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 4), uint32(n))
}

func copyInt64(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(n))
}

// copyAddr writes an inet of a single address: family, bits, 0 (cidr is 1), and the bytes behind their number.
func copyAddr(b []byte, a netip.Addr) []byte {
	switch {
	case a.Is4():
		four := a.As4()
		return append(append(b, 0, 0, 0, 8, 2, 32, 0, 4), four[:]...)
	case a.IsValid():
		all := a.As16()
		return append(append(b, 0, 0, 0, 20, 3, 128, 0, 16), all[:]...)
	}
	return append(b, 0xff, 0xff, 0xff, 0xff)
}

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
func (t *postgresRecords) search(ctx context.Context, f *RecordFilter, fn func(*Record) error) error {
	limit, give := f.Limit, fn
	if rest := f.inGo(); len(rest) > 0 {
		limit, give = 0, func(r *Record) error {
			if !meetsAll(rest, r) {
				return nil
			}
			return fn(r)
		}
	}
	base, err := meeting(f)
	if err != nil {
		return err
	}
	oldest := t.now()
	if list, err := t.list(ctx); err != nil {
		return err
	} else if len(list) > 0 {
		oldest = startOf(list[0])
	}
	found := 0
	for _, stretch := range stretches(f.Since, f.Until, t.now(), oldest, limit > 0) {
		n, err := t.searchStretch(ctx, base, stretch, limit-found, limit > 0, give)
		if err != nil {
			return err
		}
		if found += n; limit > 0 && found >= limit {
			return nil
		}
	}
	return nil
}

// meeting is the condition that a record meets a filter, but for its times and what inGo gives.
func meeting(f *RecordFilter) (base where, err error) {
	for _, n := range []struct {
		column   string
		networks []netip.Prefix
	}{{"src", f.Src}, {"dst", f.Dst}} {
		networks, err := canonicalAll(n.networks)
		if err != nil {
			return where{}, err
		}
		var terms []string
		for _, p := range networks {
			// What a btree can search; all rows are single addresses.
			terms = append(terms, n.column+" BETWEEN "+base.arg(p.Addr())+" AND "+base.arg(lastAddr(p)))
		}
		base.anyOf(terms)
	}
	base.addFilter(f, foldedPostgres)
	return base, nil
}

// count implements recordTable.
func (t *postgresRecords) count(ctx context.Context, f *RecordFilter) (n int64, err error) {
	if len(f.inGo()) > 0 {
		all := *f
		all.Limit = 0
		if err := t.search(ctx, &all, func(*Record) error { n++; return nil }); err != nil {
			return 0, err
		}
		return n, nil
	}
	w, err := meeting(f)
	if err != nil {
		return 0, err
	}
	w.addTimes(t.dialect, f)
	err = t.native(ctx, `SELECT count(*) FROM records`+w.String(), w.args, []any{&n}, func() error { return nil })
	return n, err
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
	to := []any{&r.ID, &r.Time, &r.Agent, intoAddr{&r.Src}, intoAddr{&r.Dst}, &r.SrcPort, &r.DstPort, &r.Repeat, &r.File, &r.Offset}
	for _, n := range r.Smalls() {
		to = append(to, n)
	}
	for _, s := range r.Texts() {
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

// foldedPostgres has the ASCII letters of a column small.
const foldedPostgres = `lower(? COLLATE "C")`

// sightings implements recordTable.
func (t *postgresRecords) sightings(ctx context.Context, agent int64, in []Interval, types []string, fn func(*Record) error) error {
	var w where
	w.add("agent = ?", agent)
	w.addIntervals(t.dialect, "time", in)
	w.addTypes(types, foldedPostgres)
	var r Record
	var texts interned
	to := []any{&r.ID, &r.Time, intoAddr{&r.Src}, intoAddr{&r.Dst}, &r.SrcPort, &r.DstPort, &r.Repeat, &r.File, &r.Offset,
		(*uint8)(&r.Protocol), (*uint8)(&r.Outcome), (*uint8)(&r.Grade)}
	for _, text := range sightingTexts(&r) {
		to = append(to, intoText{text, &texts})
	}
	return t.native(ctx, `SELECT `+sightingColumns+` FROM records`+w.String()+` ORDER BY id`, w.args, to, func() error {
		r.Time = r.Time.UTC()
		return fn(&r)
	})
}

// newest gives what search does.
func (t *postgresRecords) newest(f *RecordFilter, limit int) rowPages {
	own := *f
	own.Limit = limit
	return pagesOf(newer, func(ctx context.Context, fn func(*Record) error) error { return t.search(ctx, &own, fn) })
}

// inOrder gives what sightings does.
func (t *postgresRecords) inOrder(agent, after int64, in []Interval, types []string) rowPages {
	return pagesOf(byID, func(ctx context.Context, fn func(*Record) error) error {
		return t.sightings(ctx, agent, in, types, func(r *Record) error {
			if r.ID <= after {
				return nil
			}
			r.Agent = agent
			return fn(r)
		})
	})
}

// pagesOf are what one reading gives, in that order. It begins with the first page, and goes on with the next one: there is no index that finds where a page ended.
func pagesOf(before func(a, b *Record) bool, read func(context.Context, func(*Record) error) error) rowPages {
	var next func() ([]Record, error, bool)
	var ended func()
	begin := func(ctx context.Context) {
		next, ended = iter.Pull2(func(yield func([]Record, error) bool) {
			page := make([]Record, 0, searchPage)
			err := read(ctx, func(r *Record) error {
				if page = append(page, *r); len(page) < searchPage {
					return nil
				}
				if !yield(page, nil) {
					return errEnough
				}
				page = page[:0]
				return nil
			})
			if !errors.Is(err, errEnough) && (err != nil || len(page) > 0) {
				yield(page, err)
			}
		})
	}
	return rowPages{
		before: before,
		next: func(ctx context.Context) ([]Record, error) {
			if next == nil {
				begin(ctx)
			}
			page, err, _ := next()
			return page, err
		},
		stop: func() {
			if ended != nil {
				ended()
			}
		},
	}
}

// different implements recordTable.
func (t *postgresRecords) different(ctx context.Context, column string, f *RecordFilter, without []string, fn func(string)) error {
	return differentRows(ctx, t.db, t.dialect, column, f, without, fn)
}
