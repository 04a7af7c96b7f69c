package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"
)

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
		n, err := t.deleteFrom(ctx, table, before)
		if removed += n; err != nil {
			return removed, err
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

// deleteFrom removes old rows of one table, block by block: each block is visited once, however many rows
// were deleted before it.
func (t *postgresRecords) deleteFrom(ctx context.Context, table string, before time.Time) (removed int64, err error) {
	var blocks int64
	err = t.db.QueryRowContext(ctx, `SELECT pg_relation_size(to_regclass($1)) / current_setting('block_size')::int`, table).Scan(&blocks)
	if err != nil {
		return 0, err
	}
	for first := int64(0); first < blocks; first += pruneBlocks {
		began := time.Now()
		result, err := t.db.ExecContext(ctx, `DELETE FROM `+table+` WHERE ctid >= $1::text::tid AND ctid < $2::text::tid AND time < $3`,
			fmt.Sprintf("(%d,0)", first), fmt.Sprintf("(%d,0)", first+pruneBlocks), before)
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
