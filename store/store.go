// Package store keeps what must outlive the program: the records read, the read positions, the
// blacklist with its evidence and audit trail, what each firewall enforces, and what it named as ours. One type, Store, works
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

// CommandLine is the instance of commands beside a daemon, which keep no read positions and deliver no notices.
const CommandLine = "command-line"

// Options say which database to open.
type Options struct {
	URL         string        // of a PostgreSQL database: postgres://user:password@host:port/name; empty: SQLite
	Path        string        // the SQLite file, used when URL is empty; made with mode 0600 if missing
	Instance    string        // which agent this is: positions, sightings and what label files list are kept per instance; empty: "default"
	KeepRecords time.Duration // PostgreSQL: how many days back records get a partition of their day; 0: 90 days
	// Before is asked before anything is written to the database, which may have an earlier schema or none: of the store that it is given
	// Progress, Place and Kind are of use, and only until it returns. Its error is that of Open. nil: any database is taken.
	Before func(context.Context, *Store) error `json:"-"`
}

// Store is a database that is open. Its methods may be called from several goroutines, and several
// processes may have the same database open: the daemon and the command line on one SQLite file, any
// number of agents on one PostgreSQL.
//
// Errors that another try may mend are told by Transient.
//
// It is made of what is kept, each a type that owns its tables: the instance with its positions, the blacklist
// with evidence and audit trail, what the firewalls enforce, what they named as not to be blocked, what persons allow, and what label files list. What takes several of them together, and the
// records, are its own. So are the notices.
type Store struct {
	*database
	instance
	blacklist
	enforced
	protected
	listed
	allowing
	records recordTable
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
	pruneFuture(ctx context.Context, from time.Time) (int64, error)
	// size and pruneTo are those of Store.
	size(ctx context.Context) (Size, error)
	pruneTo(ctx context.Context, most int64, keep time.Time) (int64, error)
}

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
	connect := connectSQLite
	if o.URL != "" {
		connect = connectPostgres
	}
	db, records, err := connect(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if o.Before != nil {
		if err := before(ctx, db, records, o); err != nil {
			return nil, errors.Join(err, db.close())
		}
	}
	if err := db.migrate(ctx); err != nil {
		return nil, errors.Join(err, db.close())
	}
	db.identify(ctx)
	inst, err := register(ctx, db, o.Instance)
	if err != nil {
		return nil, errors.Join(err, db.close())
	}
	db.teller, db.guest = inst.agent, o.Instance == CommandLine
	return newStore(db, inst, records), nil
}

func newStore(db *database, inst instance, records recordTable) *Store {
	return &Store{database: db, instance: inst, blacklist: blacklist{db}, enforced: enforced{db, inst.agent}, protected: protected{db, inst.agent}, listed: listed{db, inst.agent}, allowing: allowing{db}, records: records}
}

// before asks Options.Before about a database as it is. One of a later schema is left to what finds that.
func before(ctx context.Context, db *database, records recordTable, o Options) error {
	list, err := db.knownMigrations()
	if err != nil {
		return err
	}
	have, err := db.schema(ctx)
	if err != nil || have > len(list) {
		return err
	}
	inst := instance{database: db}
	if db.bare = have == 0; !db.bare {
		db.identify(ctx)
		if inst, err = find(ctx, db, o.Instance); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	err = o.Before(ctx, newStore(db, inst, records))
	db.bare = false
	return err
}

// Close ends all connections. Other calls must have returned before.
func (s *Store) Close() error { return s.close() }

// Kind names the database: "sqlite" or "postgresql".
func (s *Store) Kind() string { return s.kind }

// Place is which database it is.
func (s *Store) Place() Place { return s.place }
