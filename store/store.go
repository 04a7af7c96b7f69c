// Package store keeps what must outlive the program: the records read, the read positions, the
// blacklist with its evidence and audit trail, and what each firewall enforces. One type, Store, works
// on SQLite (one file, the default) and on PostgreSQL, with the same behaviour; one suite of tests runs
// on both.
//
// What belongs together commits together: a Batch holds the records of some lines, the read positions
// after them and the blocks they led to, and Commit stores all of it in one transaction or nothing.
//
// The package decides nothing: what to detect, whom never to block, when to retry and what to log are
// the caller's. It starts no goroutine of its own and logs nothing.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Options say which database to open.
type Options struct {
	URL         string        // of a PostgreSQL database: postgres://user:password@host:port/name; empty: SQLite
	Path        string        // the SQLite file, used when URL is empty; made with mode 0600 if missing
	Instance    string        // which agent this is: positions and sightings are kept per instance; empty: "default"
	KeepRecords time.Duration // PostgreSQL: how many days back records get a partition of their day; 0: 90 days
}

// Store is a database that is open. Its methods may be called from several goroutines, and several
// processes may have the same database open: the daemon and the command line on one SQLite file, any
// number of agents on one PostgreSQL.
//
// Errors that another try may mend are told by Transient.
type Store struct {
	dialect
	records recordTable
	readers *sql.DB
	writer  *sql.DB // the same as readers for PostgreSQL; one connection for SQLite, which has one writer
	explain func(error) error
	close   func() error
	agent   int64 // number of Options.Instance
	now     func() time.Time
	slowest time.Duration // see the constant
}

// recordTable is what the two databases do differently with the bulk of the data.
type recordTable interface {
	// ready is called before the transaction that inserts the records.
	ready(ctx context.Context, records []Record) error
	// insert stores the records in the order given, within the transaction open on conn.
	insert(ctx context.Context, conn *sql.Conn, tx *sql.Tx, agent int64, records []Record) error
	// search calls fn for the records that match, newest first, until it returns an error or limit is
	// reached (0: no limit).
	search(ctx context.Context, f *RecordFilter, limit int, fn func(*Record) error) error
	// sightings calls fn for the agent's records of the intervals, by id.
	sightings(ctx context.Context, agent int64, in []Interval, fn func(*Record) error) error
	// prune removes the records older than before.
	prune(ctx context.Context, before time.Time) (int64, error)
}

// slowest is how long a transaction of ours may take on PostgreSQL before it is given up as lost: a
// server that vanished from the network gives no answer at all. Searches have no limit.
const slowest = time.Minute

// Open connects and brings the schema up to date. It returns an error that wraps ErrSchemaNewer if the
// database was made by a later version of the program, and one for which Transient is true if the
// database cannot be reached now (PostgreSQL: after at most 5 seconds a host). The password of a URL is
// in no error text.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Instance == "" {
		o.Instance = "default"
	}
	if o.KeepRecords <= 0 {
		o.KeepRecords = 90 * 24 * time.Hour
	}
	s := &Store{now: time.Now, slowest: slowest}
	connect := s.connectSQLite
	if o.URL != "" {
		connect = s.connectPostgres
	}
	if err := connect(ctx, o); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.register(ctx, o.Instance); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close ends all connections. Other calls must have returned before.
func (s *Store) Close() error { return s.close() }

// Kind names the database: "sqlite" or "postgresql".
func (s *Store) Kind() string { return s.kind }

// register finds or gives the number of this instance.
func (s *Store) register(ctx context.Context, name string) error {
	name = clean(name)
	find := func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT id FROM agents WHERE name = $1`, name).Scan(&s.agent)
	}
	err := s.view(ctx, "look up this instance", find)
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return s.update(ctx, "register this instance", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO agents (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`, name); err != nil {
			return err
		}
		return find(ctx, tx)
	})
}

// view runs fn in a transaction that sees one state of the database, however many statements it uses.
func (s *Store) view(ctx context.Context, doing string, fn func(ctx context.Context, tx *sql.Tx) error) error {
	return s.failed(doing, s.bound(ctx, func(ctx context.Context) error {
		tx, err := s.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: s.snapshot})
		if err != nil {
			return err
		}
		defer tx.Rollback() // nothing was written
		return fn(ctx, tx)
	}))
}

// update runs fn in a writing transaction and commits it if fn returns nil. fn gets the connection too,
// for what database/sql cannot say.
func (s *Store) update(ctx context.Context, doing string, fn func(ctx context.Context, conn *sql.Conn, tx *sql.Tx) error) error {
	return s.failed(doing, s.bound(ctx, func(ctx context.Context) error { return s.transact(ctx, fn) }))
}

func (s *Store) transact(ctx context.Context, fn func(ctx context.Context, conn *sql.Conn, tx *sql.Tx) error) error {
	conn, err := s.writer.Conn(ctx)
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
// SQLite needs none: its locks have their own.
func (s *Store) bound(ctx context.Context, fn func(context.Context) error) error {
	limited := ctx
	if s.kind == kindPostgres {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, s.slowest)
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
func (s *Store) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, s.explain(err))
}
