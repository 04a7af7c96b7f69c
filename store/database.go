package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// database is a database that is open: its connections, the dialect it speaks, and the
// transactions on it. It knows no table but that of the schema's version.
type database struct {
	dialect
	readers *sql.DB
	writer  *sql.DB // the same as readers for PostgreSQL; one connection for SQLite, which has one writer
	explain func(error) error
	close   func() error
	there   func() error // ErrReplaced if what is open is not what others would open; nil: that cannot be
	now     func() time.Time
	slowest time.Duration // see the constant
	place   Place
}

// A Place is which database a store is kept in.
type Place struct {
	Host     string // of PostgreSQL, with its port; empty for SQLite
	Database string // its name; of SQLite the file
	Identity string // kept in it, and in no other but its copies: 32 hexadecimal digits; empty: it cannot be read
}

// identify reads the identity of the database. One that is damaged just there is of use all the same, and one that is gone shows
// that by whatever comes next.
func (d *database) identify(ctx context.Context) {
	_ = d.view(ctx, "read the identity of the database", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT id FROM identity`).Scan(&d.place.Identity)
	})
}

// slowest is how long a transaction of ours may take on PostgreSQL before it is given up as lost: a
// server that vanished from the network gives no answer at all. Searches have no limit.
const slowest = time.Minute

// view runs fn in a transaction that sees one state of the database, however many statements it uses.
func (d *database) view(ctx context.Context, doing string, fn func(ctx context.Context, tx *sql.Tx) error) error {
	return d.failed(doing, d.bound(ctx, func(ctx context.Context) error {
		tx, err := d.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: d.snapshot})
		if err != nil {
			return err
		}
		defer tx.Rollback() // nothing was written
		return fn(ctx, tx)
	}))
}

// update runs fn in a writing transaction and commits it if fn returns nil. fn gets the connection too,
// for what database/sql cannot say.
func (d *database) update(ctx context.Context, doing string, fn func(ctx context.Context, conn *sql.Conn, tx *sql.Tx) error) error {
	return d.failed(doing, d.bound(ctx, func(ctx context.Context) error { return d.transact(ctx, fn) }))
}

// transact is update without the limit of time and without saying what was being done.
func (d *database) transact(ctx context.Context, fn func(ctx context.Context, conn *sql.Conn, tx *sql.Tx) error) error {
	conn, err := d.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() // gives it back to the pool
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	if err := fn(ctx, conn, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// bound limits how long fn may take on PostgreSQL, and tells our limit from the caller's in the error.
// SQLite needs none, since its locks have their own; what is asked there is whether its file is still the one that is open.
func (d *database) bound(ctx context.Context, fn func(context.Context) error) error {
	if d.there != nil {
		if err := d.there(); err != nil {
			return err
		}
	}
	limited := ctx
	if d.kind == kindPostgres {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, d.slowest)
		defer cancel()
	}
	err := fn(limited)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w (%w)", ctx.Err(), err)
	case limited.Err() != nil:
		return fmt.Errorf("%w (%w)", errTooSlow, err)
	}
	return err
}

// failed says what was being done when err happened.
func (d *database) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, d.explain(err))
}
