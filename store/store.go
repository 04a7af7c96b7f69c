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
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"activedefense/store/archive"
	"activedefense/store/block"
)

// CommandLine is the instance of commands beside a daemon, which keep no read positions and deliver no notices.
const CommandLine = "command-line"

// Options say which database to open.
type Options struct {
	URL         string        // of a PostgreSQL database: postgres://user:password@host:port/name; empty: SQLite
	Path        string        // the SQLite file, made with mode 0600 if missing; where URL is set it names the folder in which files of records are
	Instance    string        // which agent this is: positions, sightings and what label files list are kept per instance; empty: "default"
	KeepRecords time.Duration // PostgreSQL: how many days back records get a partition of their day; 0: 90 days
	// Blocks has PostgreSQL keep records in blocks, for one agent alone: Open's error wraps ErrShared where another is a member. SQLite always does. What was kept in rows stays so
	// until it is pruned, and what is in blocks after Blocks was set no more.
	Blocks bool
	// Before is asked before anything is written to the database, which may have an earlier schema or none: of the store that it is given
	// Progress, Place and Kind are of use, and only until it returns. Its error is that of Open. nil: any database is taken.
	Before func(context.Context, *Store) error `json:"-"`
	// AsIs has nothing written to the database, then or later: it is to be looked at. Where Older says that it has an earlier schema, or none,
	// Progress, Place and Kind are of use. Before is not asked.
	AsIs bool
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
	archive *archive.Archive // nil: records are rows alone
}

// recordTable is what the two databases do differently with the bulk of the data.
type recordTable interface {
	// ready is called before the transaction that inserts the records.
	ready(ctx context.Context, records []Record) error
	// encode makes of an agent's records what inserts them, in the order given. No transaction is open.
	encode(agent int64, records []Record) (insertion, error)
	// search calls fn for the records that match, newest first, until it returns an error. Those behind the filter's limit are of no use.
	search(ctx context.Context, f *RecordFilter, fn func(*Record) error) error
	// count tells how many match, whatever the filter's limit.
	count(ctx context.Context, f *RecordFilter) (int64, error)
	// sightings calls fn for the agent's records of the intervals and types (nil: any), by id.
	sightings(ctx context.Context, agent int64, in []Interval, types []string, fn func(*Record) error) error
	// different calls fn for the texts that a column has in the records of a filter's time, but in those of some types; each at least once, but for the empty one.
	different(ctx context.Context, column string, f *RecordFilter, without []string, fn func(string)) error
	// prune removes the records older than before.
	prune(ctx context.Context, before time.Time) (int64, error)
	pruneFuture(ctx context.Context, from time.Time) (int64, error)
	// size and pruneTo are those of Store.
	size(ctx context.Context) (Size, error)
	pruneTo(ctx context.Context, most int64, keep time.Time) (int64, error)
}

// An insertion stores records.
type insertion struct {
	// within does it in the transaction that is open on conn.
	within func(ctx context.Context, conn *sql.Conn, tx *sql.Tx) error
	// committed is called when that was committed.
	committed func()
}

// Open connects and brings the schema up to date. It returns an error that wraps ErrSchemaNewer if the
// database was made by a later version of the program, and one for which Transient is true if the
// database cannot be reached now (PostgreSQL: after at most 5 seconds a host). The password of a URL is
// in no error text.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Instance == "" {
		o.Instance = "default"
	}
	db, records, err := connect(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := db.finished(ctx); err != nil {
		return nil, errors.Join(err, db.close())
	}
	if o.AsIs {
		st, err := asIs(ctx, db, records, o)
		if err != nil {
			return nil, errors.Join(err, db.close())
		}
		return st, nil
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
	if records, err = arrange(ctx, db, records, &inst, o); err != nil {
		return nil, errors.Join(err, db.close())
	}
	db.teller, db.guest = inst.agent, o.Instance == CommandLine
	return newStore(db, inst, records), nil
}

func newStore(db *database, inst instance, records recordTable) *Store {
	st := &Store{database: db, instance: inst, blacklist: blacklist{db}, enforced: enforced{db, inst.agent}, protected: protected{db, inst.agent}, listed: listed{db, inst.agent}, allowing: allowing{db}, records: records}
	switch t := records.(type) {
	case *blockRecords:
		st.archive = t.archive
	case rowsAgain:
		st.archive = t.archive
	}
	return st
}

// before asks Options.Before about a database as it is.
func before(ctx context.Context, db *database, records recordTable, o Options) error {
	st, err := asIs(ctx, db, records, o)
	if err != nil {
		return err
	}
	err = o.Before(ctx, st)
	db.bare, db.older, db.asIs = false, nil, false
	return err
}

// asIs is a store to which nothing is written, whatever the schema.
func asIs(ctx context.Context, db *database, records recordTable, o Options) (*Store, error) {
	list, err := db.knownMigrations()
	if err != nil {
		return nil, err
	}
	have, err := db.schema(ctx)
	switch {
	case err != nil:
		return nil, err
	case have > len(list):
		return nil, schemaNewer(have, len(list))
	case have < len(list):
		db.older = fmt.Errorf("%w: its schema is number %d, and this program reads number %d", ErrSchemaOlder, have, len(list))
	}
	db.asIs = true
	inst := instance{database: db}
	if db.bare = have == 0; !db.bare {
		db.identify(ctx)
		if inst, err = find(ctx, db, o.Instance); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, err
		}
		if db.older == nil && o.AsIs {
			if records, err = arrange(ctx, db, records, &inst, o); err != nil {
				return nil, err
			}
		}
	}
	return newStore(db, inst, records), nil
}

// Older is why a store that was opened as it is cannot be read: an error that wraps ErrSchemaOlder; nil: it can.
func Older(s *Store) error { return s.older }

// connect opens the database as it is.
func connect(ctx context.Context, o Options) (*database, recordTable, error) {
	if o.KeepRecords <= 0 {
		o.KeepRecords = 90 * 24 * time.Hour
	}
	how := connectSQLite
	if o.URL != "" {
		how = connectPostgres
	}
	db, records, err := how(ctx, o)
	if err != nil {
		return nil, nil, fmt.Errorf("open the database: %w", err)
	}
	return db, records, nil
}

// CopyTable is there while a database is a copy that is not finished, which nobody but package store/transfer may use.
const CopyTable = "unfinished_copy"

// finished tells why a database is of no use yet: it is a copy of which a part is missing.
func (d *database) finished(ctx context.Context) error {
	n := 0
	err := d.look(ctx, "look whether the database is whole", func(ctx context.Context, tx *sql.Tx) (err error) {
		n, err = d.count(ctx, tx, CopyTable)
		return err
	})
	if err == nil && n > 0 {
		return ErrUnfinished
	}
	return err
}

// count is how many tables are called so: one or none.
func (d *database) count(ctx context.Context, tx *sql.Tx, table string) (n int, err error) {
	err = tx.QueryRowContext(ctx, d.tableThere, table).Scan(&n)
	return n, err
}

// Bare is a database of which nobody is an instance: what package store/transfer copies from, and to. Its transactions have no limit of
// time.
type Bare struct {
	*database
	records recordTable
	archive *archive.Archive
}

// OpenBare connects to a database that is ours, or in which nothing is, and brings its schema up to date. The error wraps ErrForeign if
// tables of somebody else are there, and else is one of Open's.
func OpenBare(ctx context.Context, o Options) (*Bare, error) {
	db, records, err := connect(ctx, o)
	if err != nil {
		return nil, err
	}
	err = db.look(ctx, "look what is in the database", func(ctx context.Context, tx *sql.Tx) error {
		version, err := db.schemaVersion(ctx, tx)
		if err != nil || version > 0 {
			return err
		}
		var other string
		err = tx.QueryRowContext(ctx, db.anyTable).Scan(&other)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return cmp.Or(err, fmt.Errorf("%w, among them %q; name an empty database", ErrForeign, other))
	})
	if err == nil {
		err = db.migrate(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, db.close())
	}
	db.identify(ctx)
	return &Bare{db, records, newArchive(db, new(block.Digests))}, nil
}

// Kind is that of Store.
func (b *Bare) Kind() string { return b.kind }

// Place is that of Store.
func (b *Bare) Place() Place { return b.place }

// Close ends all connections.
func (b *Bare) Close() error {
	b.archive.Close()
	return b.close()
}

// Begin begins a transaction that writes, or one that sees one state of the database. Rolling it back, also after a commit, is the caller's, and
// closing the connection after that.
func (b *Bare) Begin(ctx context.Context, write bool) (*sql.Conn, *sql.Tx, error) {
	from, options := b.writer, (*sql.TxOptions)(nil)
	if !write {
		from, options = b.readers, &sql.TxOptions{ReadOnly: true, Isolation: b.snapshot}
	}
	conn, err := from.Conn(ctx)
	if err != nil {
		return nil, nil, b.explain(err)
	}
	tx, err := conn.BeginTx(ctx, options)
	if err != nil {
		return nil, nil, errors.Join(b.explain(err), conn.Close())
	}
	return conn, tx, nil
}

// Has tells whether there is a table of this name.
func (b *Bare) Has(ctx context.Context, tx *sql.Tx, table string) (bool, error) {
	n, err := b.count(ctx, tx, table)
	return n > 0, err
}

// LastRecord is an expression: the highest id that was given to a record.
func (b *Bare) LastRecord() string { return b.lastRecord }

// Ready makes ready for records of these times. It is called with no transaction open that has written any.
func (b *Bare) Ready(ctx context.Context, times []time.Time) error {
	records := make([]Record, len(times))
	for i, t := range times {
		records[i].Time = t
	}
	return b.records.ready(ctx, records)
}

// InBlocks calls fn for the records that stand in blocks and files and whose ids are higher than after, by id, as a transaction sees them. The record is valid
// during the call only. An error of fn ends it and is returned, and so does a file that is missing or damaged: nothing else has its records. Nobody else may change the
// database meanwhile.
func (b *Bare) InBlocks(ctx context.Context, tx *sql.Tx, after int64, fn func(*Record) error) error {
	var w where
	w.add("first_id + records > ?", after+1)
	list, err := blocksIn(ctx, tx, w)
	if err != nil {
		return err
	}
	var one sync.Mutex // blocks are read ahead by several goroutines, and PostgreSQL's driver panics where one connection has two queries at once
	from := sourcesOf(list, func(ctx context.Context, id int64) ([]byte, error) {
		one.Lock()
		defer one.Unlock()
		return dataIn(ctx, tx, id)
	})
	var in where
	in.add("last_id > ?", after)
	files, err := filesOf(ctx, tx, in)
	if err != nil {
		return err
	}
	opened, release, err := b.archive.Open(ctx, files)
	defer release(nil)
	if err != nil {
		return err
	}
	from.Files = opened
	return block.ByID(ctx, from, Conditions{}, func(r *Record) error {
		if r.ID <= after {
			return nil
		}
		return fn(r)
	})
}

// Close ends all connections. Other calls must have returned before.
func (s *Store) Close() error {
	if s.archive != nil {
		s.archive.Close()
	}
	return s.close()
}

// Kind names the database: "sqlite" or "postgresql".
func (s *Store) Kind() string { return s.kind }

// Place is which database it is.
func (s *Store) Place() Place { return s.place }
