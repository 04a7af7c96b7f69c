package store

import (
	"context"
	"database/sql"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const sqliteColumns = "id, time, agent, src, dst, src_port, dst_port, repeat, file, file_offset, " + smallColumns + ", " + textColumns

// searchPage is how many records a search reads before it hands them on. No reading is open meanwhile: a
// person may look at a page of them for hours, and as long as somebody reads, SQLite cannot empty the WAL.
const searchPage = 500

// rowPages are the records that stand in rows, page by page, in the order in which they are looked for. The zero value has none.
type rowPages struct {
	next   func(context.Context) ([]Record, error) // the page behind the one before; an empty one: there is none
	before func(a, b *Record) bool                 // the order
	stop   func()                                  // has next give no more, and lets go of what it holds; nil: it holds nothing
	page   []Record
}

// end is called when no more are wanted.
func (p *rowPages) end() {
	if p.stop != nil {
		p.stop()
	}
}

// upTo gives the rows that come before a record; nil: all that are left.
func (p *rowPages) upTo(ctx context.Context, r *Record, give func(*Record) error) error {
	for p.next != nil {
		for i := range p.page {
			if r != nil && !p.before(&p.page[i], r) {
				p.page = p.page[i:]
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := give(&p.page[i]); err != nil {
				return err
			}
		}
		var err error
		if p.page, err = p.next(ctx); err != nil {
			return err
		}
		if len(p.page) == 0 {
			p.next = nil
		}
	}
	return nil
}

// still makes sure that no row had gone to a file when a page was read: the lowest ids go first.
func (t *blockRecords) still(lowest int64, rows rowPages) rowPages {
	next := rows.next
	rows.next = func(ctx context.Context) ([]Record, error) {
		page, err := next(ctx)
		if err != nil {
			return nil, err
		}
		var now sql.NullInt64
		if err := t.readers.QueryRowContext(ctx, t.lowestRow).Scan(&now); err != nil {
			return nil, err
		}
		if now.Int64 != lowest {
			return nil, errMoved
		}
		return page, nil
	}
	return rows
}

// sqliteRows are the records that SQLite has in rows.
type sqliteRows struct{ *database }

// newest implements rowTable.
func (t *sqliteRows) newest(f *RecordFilter, limit int) rowPages {
	var w where
	narrow := len(f.Src) > 0 && !slices.ContainsFunc(f.Src, isWide)
	if narrow {
		addNetworks(&w, "src", f.Src)
	} else {
		addNetworks(&w, "+src", f.Src) // the plus keeps SQLite from using the index
	}
	addNetworks(&w, "dst", f.Dst)
	w.addTimes(&t.dialect, f)
	w.addFilter(f, "lower(?)")
	rest := f.inGo()
	if limit == 0 || len(rest) > 0 {
		limit = math.MaxInt
	}
	next := t.byTime(w, limit)
	if narrow {
		next = t.bySource(w, limit)
	}
	if len(rest) == 0 {
		return rowPages{next: next, before: newer}
	}
	return rowPages{before: newer, next: func(ctx context.Context) ([]Record, error) {
		for {
			page, err := next(ctx)
			if err != nil || len(page) == 0 {
				return nil, err
			}
			page = slices.DeleteFunc(page, func(r Record) bool { return !meetsAll(rest, &r) })
			if len(page) > 0 {
				return page, nil
			}
		}
	}}
}

// byTime goes back in time.
func (t *sqliteRows) byTime(w where, limit int) func(context.Context) ([]Record, error) {
	var last Record
	var page []Record
	return func(ctx context.Context) (_ []Record, err error) {
		most := min(limit, searchPage)
		if most == 0 {
			return nil, nil
		}
		if page, err = t.older(ctx, w, &last, most, page[:0]); err != nil || len(page) == 0 {
			return nil, err
		}
		last = page[len(page)-1]
		if limit -= most; len(page) < most {
			limit = 0
		}
		return page, nil
	}
}

// older appends to page what comes after last, whose ID is 0 if it is to begin. Two statements, because
// SQLite goes through all records of one time for "(time, id) < (?, ?)".
func (t *sqliteRows) older(ctx context.Context, all where, last *Record, most int, page []Record) ([]Record, error) {
	w := all.clone()
	if last.ID > 0 {
		w.add("time = ?", last.Time.UnixMicro())
		w.add("id < ?", last.ID)
		var err error
		if page, err = t.page(ctx, "records", w, newestFirst, most, page); err != nil || len(page) == most {
			return page, err
		}
		w = all.clone()
		w.add("time < ?", last.Time.UnixMicro())
	}
	return t.page(ctx, "records", w, newestFirst, most-len(page), page)
}

// bySource finds the ids first, since the index on src knows no time: every page would be sorted out of
// all that the source has.
func (t *sqliteRows) bySource(w where, limit int) func(context.Context) ([]Record, error) {
	query := "SELECT id FROM records INDEXED BY records_src" + w.String() + newestFirst
	if limit < math.MaxInt {
		query += " LIMIT " + w.arg(int64(limit))
	}
	var ids []string
	var page []Record
	begun := false
	return func(ctx context.Context) (_ []Record, err error) {
		if !begun {
			begun = true
			err := forEach(ctx, t.readers, func(rows *sql.Rows) error {
				var id string
				err := rows.Scan(&id)
				ids = append(ids, id)
				return err
			}, query, w.args...)
			if err != nil {
				return nil, err
			}
		}
		some := ids[:min(len(ids), searchPage)]
		if len(some) == 0 {
			return nil, nil
		}
		ids = ids[len(some):]
		// Numbers of ours, so they need not be arguments, of which SQLite takes hundreds slowly (see maxArgs).
		w := where{terms: []string{"id IN (" + strings.Join(some, ",") + ")"}}
		page, err = t.page(ctx, "records NOT INDEXED", w, newestFirst, len(some), page[:0])
		return page, err
	}
}

// inOrder implements rowTable. Records come nearly in the order of their times, so the lowest and
// highest id of the intervals bound a stretch of the table that is read in its own order: no sorting.
func (t *sqliteRows) inOrder(agent, after int64, in []Interval, types []string) rowPages {
	var first, last sql.NullInt64
	var page []Record
	begun := false
	return rowPages{before: byID, next: func(ctx context.Context) (_ []Record, err error) {
		if !begun {
			begun = true
			var w where
			w.addIntervals(&t.dialect, "time", in)
			if err := t.readers.QueryRowContext(ctx, `SELECT min(id), max(id) FROM records`+w.String(), w.args...).Scan(&first, &last); err != nil {
				return nil, err
			}
			after = max(after, first.Int64-1)
		}
		if !first.Valid {
			return nil, nil
		}
		var w where
		w.add("id > ?", after)
		w.add("id <= ?", last.Int64)
		w.add("agent = ?", agent)
		w.addIntervals(&t.dialect, "+time", in)
		w.addTypes(types, "lower(?)")
		if page, err = t.page(ctx, "records", w, " ORDER BY id", sightingPage, page[:0]); len(page) > 0 {
			after = page[len(page)-1].ID
		}
		return page, err
	}}
}

// sightingPage is searchPage of sightings, for which nobody waits page by page.
const sightingPage = 5000

const newestFirst = " ORDER BY time DESC, id DESC"

// page appends to page the first records that w selects, in an order.
func (t *sqliteRows) page(ctx context.Context, from string, w where, order string, most int, page []Record) ([]Record, error) {
	query := "SELECT " + sqliteColumns + " FROM " + from + w.String() + order + " LIMIT " + w.arg(int64(most))
	var s rowScanner
	err := forEach(ctx, t.readers, func(rows *sql.Rows) error {
		page = append(page, Record{})
		return s.scan(rows, &page[len(page)-1])
	}, query, w.args...)
	return page, err
}

// isWide tells whether a network may be half the world: for its records, time is the better index than their sources.
func isWide(p netip.Prefix) bool {
	return p.Addr().Is4() && p.Bits() < 20 || p.Addr().Is6() && p.Bits() < 48
}

// addNetworks compares a column with the first and last address of each network. An IPv6 address can sort
// between two IPv4 ones, hence the length.
func addNetworks(w *where, column string, networks []netip.Prefix) {
	var terms []string
	for _, p := range networks {
		terms = append(terms, column+" BETWEEN "+w.arg(p.Addr().AsSlice())+" AND "+w.arg(lastAddr(p).AsSlice())+
			" AND length("+column+") = "+w.arg(int64(len(p.Addr().AsSlice()))))
	}
	w.anyOf(terms)
}

// rowScanner scans rows of sqliteColumns, most of whose texts are those of the row before.
type rowScanner struct {
	known    interned
	micros   int64
	src, dst sql.RawBytes
	texts    [19]sql.RawBytes
}

func (s *rowScanner) scan(rows *sql.Rows, r *Record) error {
	to := []any{&r.ID, &s.micros, &r.Agent, &s.src, &s.dst, &r.SrcPort, &r.DstPort, &r.Repeat, &r.File, &r.Offset}
	for _, n := range r.Smalls() {
		to = append(to, n)
	}
	for i := range s.texts {
		to = append(to, &s.texts[i])
	}
	if err := rows.Scan(to...); err != nil {
		return err
	}
	r.Time = time.UnixMicro(s.micros).UTC()
	r.Src, _ = netip.AddrFromSlice(s.src) // the zero Addr for NULL
	r.Dst, _ = netip.AddrFromSlice(s.dst)
	for i, text := range r.Texts() {
		*text = s.known.get(s.texts[i])
	}
	return nil
}

// A transaction of prune keeps commits waiting, so it should end within pruneStep. How many records it can
// remove by then depends on whether the index on src lies in memory, on a disk, or on a slow one: it begins
// with pruneFirst of them, and goes by what the one before took.
const (
	pruneStep  = 20 * time.Millisecond
	pruneFirst = 200
	pruneLeast = 10
	pruneMost  = 5000
)

// prunable is a table of which whole rows go, at first so many at once, within bounds.
type prunable struct {
	table, id, records string // records is an expression: how many a row has
	newest, oldest     string // the columns that say it
	first, least, most int64
}

// Rows are a record each. A block goes when all that it has may go: what is in one of them with younger records waits, at most until blocks
// become files, which are of one day.
func prunables() []prunable {
	return []prunable{
		{"records", "id", "1", "time", "time", pruneFirst, pruneLeast, pruneMost},
		{"blocks", "first_id", "records", "newest", "oldest", 4, 1, 16}, // of 10,000 records, 100 to 200 KB each
	}
}

// prune implements recordTable.
func (t *sqliteRows) prune(ctx context.Context, before time.Time) (removed int64, err error) {
	return t.pruneAll(ctx, before, func(p *prunable) string { return p.newest + ` < $1 ORDER BY ` + p.newest })
}

// pruneFuture implements recordTable.
func (t *sqliteRows) pruneFuture(ctx context.Context, from time.Time) (removed int64, err error) {
	return t.pruneAll(ctx, from, func(p *prunable) string { return p.oldest + ` >= $1 ORDER BY ` + p.oldest + ` DESC` })
}

// size implements recordTable.
func (t *sqliteRows) size(ctx context.Context) (Size, error) {
	var page, pages, free int64
	err := t.readers.QueryRowContext(ctx, `SELECT page_size, page_count, freelist_count FROM pragma_page_size, pragma_page_count, pragma_freelist_count`).
		Scan(&page, &pages, &free)
	return Size{Used: (pages - free) * page, Spare: free * page, File: t.place.Database}, err
}

// pruneTo implements recordTable. Rows are of earlier versions, and older than blocks.
func (t *sqliteRows) pruneTo(ctx context.Context, most int64, keep time.Time) (removed int64, err error) {
	for _, p := range prunables() {
		n, err := t.pruneWhile(ctx, &p, func() (bool, error) {
			size, err := t.size(ctx)
			return size.Used > most, err
		}, p.newest+` < $1 ORDER BY `+p.newest, keep)
		if removed += n; err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// pruneAll removes what is selected of each table.
func (t *sqliteRows) pruneAll(ctx context.Context, limit time.Time, which func(*prunable) string) (removed int64, err error) {
	for _, p := range prunables() {
		n, err := t.pruneWhile(ctx, &p, func() (bool, error) { return true, nil }, which(&p), limit)
		if removed += n; err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// pruneWhile removes records in steps, as long as more are to go.
func (t *sqliteRows) pruneWhile(ctx context.Context, p *prunable, more func() (bool, error), which string, limit time.Time) (removed int64, err error) {
	for chunk := p.first; ; {
		if is, err := more(); err != nil || !is {
			return removed, err
		}
		n, records, took, err := t.pruneChunk(ctx, p, which, limit, chunk)
		if err != nil {
			return removed, err
		}
		if removed += records; n < chunk {
			return removed, nil
		}
		if err := yield(ctx, took); err != nil {
			return removed, err
		}
		chunk = p.nextChunk(chunk, took)
	}
}

// pruneChunk removes at most so many rows, tells how many there were and how many records they had, and how long that kept others waiting.
func (t *sqliteRows) pruneChunk(ctx context.Context, p *prunable, which string, limit time.Time, most int64) (n, records int64, took time.Duration, err error) {
	conn, err := t.writer.Conn(ctx)
	if err != nil {
		return 0, 0, 0, err
	}
	defer conn.Close() // gives it back to the pool
	began := time.Now()
	err = forEach(ctx, conn, func(rows *sql.Rows) error {
		var has int64
		err := rows.Scan(&has)
		n, records = n+1, records+has
		return err
	}, `DELETE FROM `+p.table+` WHERE `+p.id+` IN (SELECT `+p.id+` FROM `+p.table+` WHERE `+which+` LIMIT $2) RETURNING `+p.records, t.stamp(limit), most)
	return n, records, time.Since(began), err
}

// nextChunk is how many rows to remove after so many took so long.
func (p *prunable) nextChunk(chunk int64, took time.Duration) int64 {
	fits := int64(float64(chunk) * float64(pruneStep) / float64(max(took, 1)))
	return min(max(fits, chunk/2, p.least), 2*chunk, p.most)
}

// yield leaves the database to others for as long as the step before took. Those of this process would
// queue fairly anyhow; another process polls for the lock and would not get it.
func yield(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
