package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
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

// search implements recordTable.
func (t *sqliteRecords) search(ctx context.Context, f *RecordFilter, limit int, fn func(*Record) error) error {
	src, err := canonicalAll(f.Src)
	if err != nil {
		return err
	}
	dst, err := canonicalAll(f.Dst)
	if err != nil {
		return err
	}
	var w where
	narrow := len(src) > 0 && !slices.ContainsFunc(src, isWide)
	if narrow {
		addNetworks(&w, "src", src)
	} else {
		addNetworks(&w, "+src", src) // the plus keeps SQLite from using the index
	}
	addNetworks(&w, "dst", dst)
	if !f.Since.IsZero() {
		w.add("time >= ?", t.stamp(f.Since))
	}
	if !f.Until.IsZero() {
		w.add("time < ?", t.stamp(f.Until))
	}
	w.addFilter(f, "lower(?)")
	if narrow {
		return t.searchSource(ctx, w, limit, fn)
	}
	return t.searchTime(ctx, w, limit, fn)
}

// searchTime goes back in time, page by page.
func (t *sqliteRecords) searchTime(ctx context.Context, w where, limit int, fn func(*Record) error) error {
	if limit == 0 {
		limit = math.MaxInt
	}
	var last Record
	var page []Record
	for limit > 0 {
		most := min(limit, searchPage)
		var err error
		if page, err = t.older(ctx, w, &last, most, page[:0]); err != nil || len(page) == 0 {
			return err
		}
		last = page[len(page)-1]
		if err := handOn(ctx, page, fn); err != nil {
			return err
		}
		if len(page) < most {
			return nil
		}
		limit -= most
	}
	return nil
}

// older appends to page what comes after last, whose ID is 0 if it is to begin. Two statements, because
// SQLite goes through all records of one time for "(time, id) < (?, ?)".
func (t *sqliteRecords) older(ctx context.Context, all where, last *Record, most int, page []Record) ([]Record, error) {
	w := all.clone()
	if last.ID > 0 {
		w.add("time = ?", last.Time.UnixMicro())
		w.add("id < ?", last.ID)
		var err error
		if page, err = t.page(ctx, "records", w, most, page); err != nil || len(page) == most {
			return page, err
		}
		w = all.clone()
		w.add("time < ?", last.Time.UnixMicro())
	}
	return t.page(ctx, "records", w, most-len(page), page)
}

// searchSource finds the ids first, since the index on src knows no time: every page would be sorted out of
// all that the source has.
func (t *sqliteRecords) searchSource(ctx context.Context, w where, limit int, fn func(*Record) error) error {
	query := "SELECT id FROM records INDEXED BY records_src" + w.String() + newestFirst
	if limit > 0 {
		query += " LIMIT " + w.arg(int64(limit))
	}
	var ids []string
	err := forEach(ctx, t.readers, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, query, w.args...)
	if err != nil {
		return err
	}
	var page []Record
	for some := range slices.Chunk(ids, searchPage) {
		// Numbers of ours, so they need not be arguments, of which SQLite takes hundreds slowly (see maxArgs).
		w := where{terms: []string{"id IN (" + strings.Join(some, ",") + ")"}}
		if page, err = t.page(ctx, "records NOT INDEXED", w, len(some), page[:0]); err != nil {
			return err
		}
		if err := handOn(ctx, page, fn); err != nil {
			return err
		}
	}
	return nil
}

const newestFirst = " ORDER BY time DESC, id DESC"

// page appends to page the newest records that w selects.
func (t *sqliteRecords) page(ctx context.Context, from string, w where, most int, page []Record) ([]Record, error) {
	query := "SELECT " + sqliteColumns + " FROM " + from + w.String() + newestFirst + " LIMIT " + w.arg(int64(most))
	err := forEach(ctx, t.readers, func(rows *sql.Rows) error {
		page = append(page, Record{})
		return scanRecord(rows, &page[len(page)-1])
	}, query, w.args...)
	return page, err
}

// handOn calls fn for what was read, until the caller has had enough.
func handOn(ctx context.Context, page []Record, fn func(*Record) error) error {
	for i := range page {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(&page[i]); err != nil {
			return err
		}
	}
	return nil
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

func scanRecord(rows *sql.Rows, r *Record) error {
	var micros int64
	var src, dst sql.RawBytes
	to := []any{&r.ID, &micros, &r.Agent, &src, &dst, &r.SrcPort, &r.DstPort, &r.Repeat, &r.File, &r.Offset}
	for _, n := range r.Smalls() {
		to = append(to, n)
	}
	for _, s := range r.Texts() {
		to = append(to, s)
	}
	if err := rows.Scan(to...); err != nil {
		return err
	}
	r.Time = time.UnixMicro(micros).UTC()
	r.Src, _ = netip.AddrFromSlice(src) // the zero Addr for NULL
	r.Dst, _ = netip.AddrFromSlice(dst)
	return nil
}

// sightings implements recordTable. Records come nearly in the order of their times, so the lowest and
// highest id of the intervals bound a stretch of the table that is read in its own order: no sorting.
func (t *sqliteRecords) sightings(ctx context.Context, agent int64, in []Interval, fn func(*Record) error) error {
	var w where
	w.addIntervals(&t.dialect, "time", in)
	var first, last sql.NullInt64
	err := t.readers.QueryRowContext(ctx, `SELECT min(id), max(id) FROM records`+w.String(), w.args...).Scan(&first, &last)
	if err != nil || !first.Valid {
		return err
	}
	w = where{}
	w.add("id BETWEEN ? AND ?", first.Int64, last.Int64)
	w.add("agent = ?", agent)
	w.addIntervals(&t.dialect, "+time", in)
	var r Record
	var micros int64
	var src, dst sql.RawBytes
	to := []any{&r.ID, &micros, &src, &dst, &r.SrcPort, &r.DstPort, &r.Repeat, &r.File, &r.Offset, (*uint8)(&r.Protocol), (*uint8)(&r.Outcome), (*uint8)(&r.Grade)}
	known, texts := new(interned), sightingTexts(&r)
	raw := make([]sql.RawBytes, len(texts))
	for i := range raw {
		to = append(to, &raw[i])
	}
	return forEach(ctx, t.readers, func(rows *sql.Rows) error {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		r.Time = time.UnixMicro(micros).UTC()
		r.Src, _ = netip.AddrFromSlice(src)
		r.Dst, _ = netip.AddrFromSlice(dst)
		for i, text := range texts {
			*text = known.get(raw[i])
		}
		return fn(&r)
	}, `SELECT `+sightingColumns+` FROM records`+w.String()+` ORDER BY id`, w.args...)
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

// prune implements recordTable.
func (t *sqliteRecords) prune(ctx context.Context, before time.Time) (removed int64, err error) {
	return t.pruneAll(ctx, `time < $1 ORDER BY time`, before)
}

// pruneFuture implements recordTable.
func (t *sqliteRecords) pruneFuture(ctx context.Context, from time.Time) (removed int64, err error) {
	return t.pruneAll(ctx, `time >= $1 ORDER BY time DESC`, from)
}

// size implements recordTable.
func (t *sqliteRecords) size(ctx context.Context) (Size, error) {
	var page, pages, free int64
	err := t.readers.QueryRowContext(ctx, `SELECT page_size, page_count, freelist_count FROM pragma_page_size, pragma_page_count, pragma_freelist_count`).
		Scan(&page, &pages, &free)
	return Size{Used: (pages - free) * page, Spare: free * page, File: t.place.Database}, err
}

// pruneTo implements recordTable.
func (t *sqliteRecords) pruneTo(ctx context.Context, most int64, keep time.Time) (removed int64, err error) {
	return t.pruneWhile(ctx, func() (bool, error) {
		size, err := t.size(ctx)
		return size.Used > most, err
	}, `time < $1 ORDER BY time`, keep)
}

// pruneAll removes records in steps.
func (t *sqliteRecords) pruneAll(ctx context.Context, which string, limit time.Time) (removed int64, err error) {
	return t.pruneWhile(ctx, func() (bool, error) { return true, nil }, which, limit)
}

// pruneWhile removes records in steps, as long as more are to go.
func (t *sqliteRecords) pruneWhile(ctx context.Context, more func() (bool, error), which string, limit time.Time) (removed int64, err error) {
	for chunk := int64(pruneFirst); ; {
		if is, err := more(); err != nil || !is {
			return removed, err
		}
		n, took, err := t.pruneChunk(ctx, which, limit, chunk)
		if err != nil {
			return removed, err
		}
		if removed += n; n < chunk {
			return removed, nil
		}
		if err := yield(ctx, took); err != nil {
			return removed, err
		}
		chunk = nextChunk(chunk, took)
	}
}

// pruneChunk removes at most so many of the records, and tells how long that kept others waiting.
func (t *sqliteRecords) pruneChunk(ctx context.Context, which string, limit time.Time, most int64) (n int64, took time.Duration, err error) {
	conn, err := t.writer.Conn(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close() // gives it back to the pool
	began := time.Now()
	result, err := conn.ExecContext(ctx, `DELETE FROM records WHERE id IN (SELECT id FROM records WHERE `+which+` LIMIT $2)`,
		t.stamp(limit), most)
	if err != nil {
		return 0, 0, err
	}
	n, err = result.RowsAffected()
	return n, time.Since(began), err
}

// nextChunk is how many records to remove after so many took so long.
func nextChunk(chunk int64, took time.Duration) int64 {
	fits := int64(float64(chunk) * float64(pruneStep) / float64(max(took, 1)))
	return min(max(fits, chunk/2, pruneLeast), 2*chunk, pruneMost)
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

// sqliteInsert takes the arguments in the order of sqliteColumns. NULL in place of an empty text spares the driver a copy
// that it would have to free, but the statement has to look: it pays for those that are mostly empty.
func sqliteInsert() string {
	others := strings.Count(sqliteColumns, ",") + 1 - seldomTexts
	return "INSERT INTO records (" + sqliteColumns + ") VALUES (" + strings.Repeat("?,", others) +
		strings.TrimSuffix(strings.Repeat("ifnull(?,''),", seldomTexts), ",") + ")"
}

// insert implements recordTable. It talks to the driver below database/sql, with one prepared statement
// and one list of arguments for all records: a tenth faster. (Several rows a statement are slower in this
// driver, measured with 10 and 50.)
func (t *sqliteRecords) insert(ctx context.Context, conn *sql.Conn, tx *sql.Tx, agent int64, records []Record) error {
	var id int64
	err := tx.QueryRowContext(ctx, `UPDATE counters SET value = value + $1 WHERE name = 'records' RETURNING value`, len(records)).Scan(&id)
	if err != nil {
		return err
	}
	id -= int64(len(records))
	return conn.Raw(func(dc any) error {
		insert := sqliteInsert()
		stmt, err := dc.(driver.ConnPrepareContext).PrepareContext(ctx, insert)
		if err != nil {
			return err
		}
		defer stmt.Close() // an open one would keep the file open after the connection
		row := newSQLiteRow(agent, strings.Count(insert, "?"))
		for i := range records {
			// A context that can end costs a goroutine a statement in this driver.
			if i%256 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			row.fill(id+int64(i)+1, &records[i])
			if _, err := stmt.(driver.StmtExecContext).ExecContext(context.Background(), row.args); err != nil {
				return err
			}
		}
		return nil
	})
}

// sqliteRow is the arguments of one record after the other, in the order of sqliteColumns. The driver has copied them
// when a statement returns, so what is equal or has room is used again: an allocation less for each.
type sqliteRow struct {
	r        storedForm
	args     []driver.NamedValue
	src, dst sqliteAddress
}

func newSQLiteRow(agent int64, args int) *sqliteRow {
	row := &sqliteRow{args: make([]driver.NamedValue, args)}
	for i := range row.args {
		row.args[i].Ordinal = i + 1
	}
	row.args[2].Value = agent
	return row
}

// fill sets the arguments of a record.
func (row *sqliteRow) fill(id int64, record *Record) {
	r, args := &row.r, row.args
	r.take(record)
	args[0].Value, args[1].Value = id, r.Time.UnixMicro()
	args[3].Value, args[4].Value = row.src.of(r.Src), row.dst.of(r.Dst)
	for i, v := range [...]int64{int64(r.SrcPort), int64(r.DstPort), int64(r.Repeat), r.File, r.Offset} {
		setIfOther(&args[5+i], v)
	}
	for i, n := range r.Smalls() {
		args[10+i].Value = int64(*n) // Go has these small ones ready
	}
	texts := r.Texts()
	for i, s := range texts {
		if *s == "" && i >= len(texts)-seldomTexts {
			args[13+i].Value = nil
			continue
		}
		setIfOther(&args[13+i], *s)
	}
}

// setIfOther sets an argument unless it has that value.
func setIfOther[T comparable](arg *driver.NamedValue, v T) {
	if old, ok := arg.Value.(T); !ok || old != v {
		arg.Value = v
	}
}

// sqliteAddress is the room for an address of either family, as it is stored and sorted: 4 or 16 bytes.
type sqliteAddress struct {
	four                [4]byte
	sixteen             [16]byte
	fourSlice, allSlice any // of the arrays
}

// of gives an address as an argument, NULL if there is none. The one before it is overwritten.
func (b *sqliteAddress) of(a netip.Addr) any {
	if b.allSlice == nil {
		b.fourSlice, b.allSlice = b.four[:], b.sixteen[:]
	}
	switch {
	case a.Is4():
		b.four = a.As4()
		return b.fourSlice
	case a.IsValid():
		b.sixteen = a.As16()
		return b.allSlice
	}
	return nil
}
