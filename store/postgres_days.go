package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"activedefense/store/archive"
)

const oneDay = 24 * time.Hour

// daysAhead is how many days before its first record a partition is made, so that an attempt which a
// long search stands in the way of can be repeated in time.
const daysAhead = 2

// attachLimit bounds how long a partition may take to be attached: PostgreSQL reads the whole default
// partition for that, half a second for three million records, and keeps everybody from it meanwhile. A
// firewall whose clock stands in another century can fill it with any number of records.
const attachLimit = 10 * time.Second

// days makes and lists the partitions of the records, one for each day of UTC.
type days struct {
	db   *sql.DB
	keep time.Duration // older days get no partition
	now  func() time.Time

	attachLimit time.Duration // see the constant

	mu    sync.Mutex
	ready map[int64]time.Time // by day: not to be looked at again before this time; zero: never
}

// dayOf numbers the days since 1970.
func dayOf(t time.Time) int64 {
	seconds := t.Unix()
	day := seconds / 86400
	if seconds%86400 < 0 {
		day--
	}
	return day
}

func startOf(day int64) time.Time { return time.Unix(day*86400, 0).UTC() }

func partitionName(day int64) string { return "records_" + startOf(day).Format("20060102") }

// ensure makes the partitions that the records' days, today and the days ahead still need. What cannot be
// made now is left for later, together with all that had yet to be tried, since the same search or the same
// table would be in their way; records of those days go into the default partition meanwhile. Such a day
// stays there: moving it would lock everybody out for as long as that takes.
func (d *days) ensure(ctx context.Context, records []Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	missing := d.missing(now, records)
	for i, day := range missing {
		err := d.makeOne(ctx, day)
		if pause := pauseAfter(err); pause > 0 {
			for _, later := range missing[i:] {
				d.ready[later] = now.Add(pause)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("make the partition %s: %w", partitionName(day), err)
		}
		d.ready[day] = time.Time{}
	}
	return nil
}

// pauseAfter tells for how long partitions are left alone after an error, 0 for one that is no reason.
func pauseAfter(err error) time.Duration {
	state, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return 0
	}
	switch state.Code {
	case "55P03", "40P01": // no lock to be had, because of a search or a writer; deadlock
		return time.Minute
	case "57014": // attachLimit
		return time.Hour
	}
	return 0
}

// missing gives the days that may need a partition, each once.
func (d *days) missing(now time.Time, records []Record) (list []int64) {
	if d.ready == nil {
		d.ready = make(map[int64]time.Time)
	}
	today := dayOf(now)
	first, last := dayOf(now.Add(-d.keep)), today+daysAhead
	looked := make(map[int64]bool)
	look := func(day int64) {
		if looked[day] || day < first || day > last {
			return
		}
		looked[day] = true
		if again, known := d.ready[day]; !known || !again.IsZero() && now.After(again) {
			list = append(list, day)
		}
	}
	for day := today; day <= last; day++ {
		look(day)
	}
	for i := range records {
		look(dayOf(records[i].Time))
	}
	return list
}

// makeOne makes a partition unless it exists or the default partition has records of that day already.
// A table is made aside and attached: that keeps neither readers nor writers of other partitions waiting.
func (d *days) makeOne(ctx context.Context, day int64) error {
	name := partitionName(day)
	from, to := startOf(day).Format(time.RFC3339), startOf(day+1).Format(time.RFC3339)
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	var there bool
	check := fmt.Sprintf(`SELECT to_regclass('%s') IS NOT NULL OR EXISTS (SELECT 1 FROM records_default WHERE time >= '%s' AND time < '%s')`, name, from, to)
	for _, statement := range []string{
		`SET LOCAL lock_timeout = '2s'`, // autovacuum gives way after deadlock_timeout, which is 1 s
		fmt.Sprintf(`SET LOCAL statement_timeout = %d`, d.attachLimit.Milliseconds()),
		fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, partitionLock),
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if err := tx.QueryRowContext(ctx, check).Scan(&there); err != nil || there {
		return err
	}
	for _, statement := range []string{
		fmt.Sprintf(`CREATE TABLE %s (LIKE records INCLUDING DEFAULTS)`, name),
		fmt.Sprintf(`ALTER TABLE records ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')`, name, from, to),
	} {
		_, err := tx.ExecContext(ctx, statement)
		if state, ok := errors.AsType[*pgconn.PgError](err); ok && state.Code == "23514" {
			return nil // the default partition got records of that day just now
		}
		if err != nil {
			return err
		}
	}
	return tx.Commit()
}

// list gives the days that have a partition, oldest first.
func (d *days) list(ctx context.Context) (list []int64, err error) {
	err = forEach(ctx, d.db, func(rows *sql.Rows) error {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		if t, err := time.Parse("20060102", strings.TrimPrefix(name, "records_")); err == nil {
			list = append(list, dayOf(t))
		}
		return nil
	}, `SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'records'::regclass ORDER BY c.relname`)
	return list, err
}

// forget makes that a day is looked at again.
func (d *days) forget(day int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.ready, day)
}

// prune implements recordTable.
func (t *postgresRecords) prune(ctx context.Context, before time.Time) (removed int64, err error) {
	list, err := t.list(ctx)
	if err != nil {
		return 0, err
	}
	tables := []string{"records_default"}
	for _, day := range list {
		switch {
		case !startOf(day + 1).After(before):
			n, err := t.drop(ctx, day)
			if removed += n; err != nil {
				return removed, fmt.Errorf("drop the partition %s: %w", partitionName(day), err)
			}
		case startOf(day).Before(before) && t.now().Sub(before) < 2*oneDay:
			tables = append(tables, partitionName(day))
		}
	}
	for _, table := range tables {
		n, err := t.deleteFrom(ctx, table, "time < $3", before)
		if removed += n; err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// pruneFuture implements recordTable.
func (t *postgresRecords) pruneFuture(ctx context.Context, from time.Time) (removed int64, err error) {
	list, err := t.list(ctx)
	if err != nil {
		return 0, err
	}
	for _, day := range list {
		if startOf(day).Before(from) {
			continue
		}
		n, err := t.drop(ctx, day)
		if removed += n; err != nil {
			return removed, fmt.Errorf("drop the partition %s: %w", partitionName(day), err)
		}
	}
	n, err := t.deleteFrom(ctx, "records_default", "time >= $3", from)
	return removed + n, err
}

// size implements recordTable.
func (t *postgresRecords) size(ctx context.Context) (size Size, err error) {
	err = t.db.QueryRowContext(ctx, `SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint FROM pg_inherits WHERE inhparent = 'records'::regclass`).Scan(&size.Used)
	return size, err
}

// pruneTo implements recordTable.
func (t *postgresRecords) pruneTo(ctx context.Context, most int64, keep time.Time) (removed int64, err error) {
	list, err := t.list(ctx)
	if err != nil {
		return 0, err
	}
	for _, day := range list {
		size, err := t.size(ctx)
		if err != nil || size.Used <= most || startOf(day+1).After(keep) {
			return removed, err
		}
		n, err := t.drop(ctx, day)
		if removed += n; err != nil {
			return removed, fmt.Errorf("drop the partition %s: %w", partitionName(day), err)
		}
	}
	return removed, nil
}

// drop removes a partition. It gives up after a second if somebody reads it, so that those who want to
// write do not queue behind it; the next call tries again.
func (t *postgresRecords) drop(ctx context.Context, day int64) (rows int64, err error) {
	name := partitionName(day)
	var bytes int64
	var estimate float64
	err = t.db.QueryRowContext(ctx, `SELECT pg_relation_size(oid), reltuples FROM pg_class WHERE oid = to_regclass($1)`, name).Scan(&bytes, &estimate)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil // another agent was faster
	}
	if err != nil {
		return 0, err
	}
	if rows = int64(math.Max(estimate, 0)); bytes < 64<<20 || rows == 0 {
		if err := t.db.QueryRowContext(ctx, `SELECT count(*) FROM `+name).Scan(&rows); err != nil {
			return 0, err
		}
	}
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() // does nothing after a commit
	for _, statement := range []string{`SET LOCAL lock_timeout = '1s'`, `DROP TABLE IF EXISTS ` + name} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return 0, err
		}
	}
	if err := tx.Commit(); err != nil {
		return 0, err
	}
	t.forget(day)
	return rows, nil
}

// pruneBlocks is how many blocks of 8 KB one transaction of deleteFrom goes through.
const pruneBlocks = 256

// deleteFrom removes rows of one table, block by block: each block is visited once, however many rows
// were deleted before it.
func (t *postgresRecords) deleteFrom(ctx context.Context, table, which string, limit time.Time) (removed int64, err error) {
	var blocks int64
	err = t.db.QueryRowContext(ctx, `SELECT pg_relation_size(to_regclass($1)) / current_setting('block_size')::int`, table).Scan(&blocks)
	if err != nil {
		return 0, err
	}
	for first := int64(0); first < blocks; first += pruneBlocks {
		began := time.Now()
		result, err := t.db.ExecContext(ctx, `DELETE FROM `+table+` WHERE ctid >= $1::text::tid AND ctid < $2::text::tid AND `+which,
			fmt.Sprintf("(%d,0)", first), fmt.Sprintf("(%d,0)", first+pruneBlocks), limit)
		if err != nil {
			return removed, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return removed, err
		}
		if removed += n; n > 0 {
			if err := yield(ctx, time.Since(began)); err != nil {
				return removed, err
			}
		}
	}
	return removed, nil
}

// postgresRows are rows beside blocks and files. They stay rows until they are pruned.
type postgresRows struct {
	*postgresRecords
	*archive.Archive
}

// prune implements rowTable.
func (t *postgresRows) prune(ctx context.Context, before time.Time) (removed int64, err error) {
	if removed, err = t.postgresRecords.prune(ctx, before); err != nil {
		return removed, err
	}
	n, err := t.pruneBlocks(ctx, `newest < $1`, before)
	return removed + n, err
}

// pruneFuture implements rowTable.
func (t *postgresRows) pruneFuture(ctx context.Context, from time.Time) (removed int64, err error) {
	if removed, err = t.postgresRecords.pruneFuture(ctx, from); err != nil {
		return removed, err
	}
	n, err := t.pruneBlocks(ctx, `oldest >= $1`, from)
	return removed + n, err
}

// pruneBlocks removes blocks of which nothing is to stay. There are few: within a minute they become files.
func (t *postgresRows) pruneBlocks(ctx context.Context, which string, limit time.Time) (removed int64, err error) {
	err = t.db.QueryRowContext(ctx, `WITH gone AS (DELETE FROM blocks WHERE `+which+` RETURNING records) SELECT coalesce(sum(records), 0)::bigint FROM gone`, limit).Scan(&removed)
	return removed, err
}

// size implements rowTable.
func (t *postgresRows) size(ctx context.Context) (size Size, err error) {
	if size, err = t.postgresRecords.size(ctx); err != nil {
		return size, err
	}
	var blocks int64
	err = t.db.QueryRowContext(ctx, `SELECT pg_total_relation_size('blocks')`).Scan(&blocks)
	size.Used += blocks
	return size, err
}

// over is by how many bytes rows, blocks and files take more than most.
func (t *postgresRows) over(ctx context.Context, most int64) (int64, error) {
	size, err := t.size(ctx)
	if err != nil {
		return 0, err
	}
	files, err := filesSize(ctx, t.db)
	return size.Used + files - most, err
}

// pruneTo implements rowTable: days of rows and files go by their age. Blocks stay, for they have what is newest.
func (t *postgresRows) pruneTo(ctx context.Context, most int64, keep time.Time) (removed int64, err error) {
	list, err := t.list(ctx)
	if err != nil {
		return 0, err
	}
	free := func(keep time.Time) (over int64, err error) {
		if over, err = t.over(ctx, most); err != nil || over <= 0 {
			return over, err
		}
		n, err := t.Free(ctx, over, keep)
		if removed += n; err != nil || n == 0 {
			return over, err
		}
		return t.over(ctx, most)
	}
	for _, day := range list {
		if startOf(day + 1).After(keep) {
			break
		}
		if over, err := free(startOf(day)); err != nil || over <= 0 {
			return removed, err
		}
		n, err := t.drop(ctx, day)
		if removed += n; err != nil {
			return removed, fmt.Errorf("drop the partition %s: %w", partitionName(day), err)
		}
	}
	_, err = free(keep)
	return removed, err
}
