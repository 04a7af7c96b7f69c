package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"iter"
	"math"
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

// encode implements recordTable with COPY. The rows are written in the server's binary format here: the driver asks for
// every value anew how its type is written, which takes as long as all the rest on this side.
func (t *postgresRecords) encode(agent int64, records []Record) (insertion, error) {
	rows := copyRows(agent, records)
	within := func(ctx context.Context, conn *sql.Conn, _ *sql.Tx) error {
		return conn.Raw(func(dc any) error {
			_, err := dc.(*stdlib.Conn).Conn().PgConn().CopyFrom(ctx, bytes.NewReader(rows), "COPY records ("+postgresColumns+") FROM STDIN BINARY")
			return err
		})
	}
	return insertion{within, func() {}}, nil
}

// copyRows writes records as the documentation of COPY says ("Binary Format"): a signature, for each row the number of
// its fields and each field behind its length, and a trailer. A length of -1 is NULL.
func copyRows(agent int64, records []Record) []byte {
	const signature = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" // no flags, no extension
	const rowBytes = 384                                                               // of a usual row; more only grows the buffer
	b := append(make([]byte, 0, len(signature)+rowBytes*len(records)+2), signature...)
	fields := uint16(strings.Count(postgresColumns, ",") + 1)
	var r storedForm
	for i := range records {
		r.take(&records[i])
		b = binary.BigEndian.AppendUint16(b, fields)
		b = copyInt64(b, r.Time.UnixMicro()-postgresEpoch)
		b = copyInt16(b, int16(agent))
		b = copyAddr(copyAddr(b, r.Src), r.Dst)
		b = copyInt32(copyInt32(b, int32(r.SrcPort)), int32(r.DstPort))
		b = copyInt64(copyInt64(copyInt64(b, int64(r.Repeat)), r.File), r.Offset)
		for _, n := range r.Smalls() {
			b = copyInt16(b, int16(*n))
		}
		for _, s := range r.Texts() {
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(*s))), *s...)
		}
	}
	return binary.BigEndian.AppendUint16(b, math.MaxUint16) // -1 fields: the end
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
