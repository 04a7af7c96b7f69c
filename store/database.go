package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"
	"time"

	"activedefense/migrations"
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
	folder  string // of the files of records, which need not be there
	gate    *gate
	teller  int64 // number of the instance that opened it
	guest   bool  // it is the command line, which has nobody to tell (see tell)
	bare    bool  // it has no tables, while Options.Before is asked about it, or with Options.AsIs
	asIs    bool  // nothing is written to it
	older   error // with asIs: it has an earlier schema, or none
}

// A gate keeps everyone from a database that is not the one that is expected (Store.Expect). Each transaction asks it of the very
// database that it is in, for the connections of a pool may lead to another from one moment to the next.
type gate struct {
	mu     sync.Mutex
	agent  int64     // whose batches are meant
	id     string    // of the database that was opened
	known  *Progress // nil: any database will do
	failed error     // why it is refused, for as long as it is open
}

// closed is why the database is refused; nil: as far as is known it is not.
func (g *gate) closed() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failed
}

// expect has any other database refused than one that has come so far.
func (g *gate) expect(agent int64, id string, known Progress) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known != nil { // what was committed since known was read counts, too
		known.Batch, known.Version = max(known.Batch, g.known.Batch), max(known.Version, g.known.Version)
	}
	g.agent, g.id, g.known = agent, id, &known
}

// committed notes how far the database that is expected has come by what this store did.
func (g *gate) committed(batch, version int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known != nil {
		known := *g.known
		known.Batch, known.Version = max(known.Batch, batch), max(known.Version, version)
		g.known = &known
	}
}

// refuse closes the gate; the first reason stays.
func (g *gate) refuse(why error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed == nil {
		g.failed = fmt.Errorf("%w: %w", ErrRefused, why)
	}
	return g.failed
}

// lastChange is the version at which an entry of the blacklist changed last. Entries are never deleted, so it never falls.
const lastChange = `coalesce((SELECT MAX(version) FROM blacklist), 0)`

// check tells whether the database of a transaction is the one that is expected, and refuses every other from then on.
func (g *gate) check(ctx context.Context, tx *sql.Tx) error {
	g.mu.Lock()
	agent, id, known, failed := g.agent, g.id, g.known, g.failed
	g.mu.Unlock()
	if failed != nil || known == nil {
		return failed
	}
	var now Progress
	var at time.Time
	var action, address string
	if err := tx.QueryRowContext(ctx, `SELECT c.value, coalesce((SELECT seq FROM agents WHERE id = $1), 0), a.time, coalesce(a.action, ''), coalesce(CAST(a.address AS text), ''), `+lastChange+`
		FROM counters AS c LEFT JOIN audit AS a ON a.id = $2 WHERE c.name = 'blacklist'`, agent, known.Trail.ID).Scan(&now.Version, &now.Batch, intoTime{&at}, &action, &address, &now.Changed); err != nil {
		return err
	}
	switch is, err := identity(ctx, tx, id); {
	case err != nil:
		return err
	case is != id:
		return g.refuse(fmt.Errorf("it is the database %s, and was %s", is, id))
	case now.Version < known.Version || now.Batch < known.Batch:
		return g.refuse(fmt.Errorf("it is at blacklist version %d and batch %d of this agent, but was at version %d and batch %d", now.Version, now.Batch, known.Version, known.Batch))
	case now.Changed < known.Changed:
		return g.refuse(fmt.Errorf("its blacklist has lost entries: none changed after version %d, and one had at version %d", now.Changed, known.Changed))
	case known.Trail != Trail{} && known.Trail != newTrail(known.Trail.ID, at, action, address):
		return g.refuse(fmt.Errorf("it is at blacklist version %d, but is not the one that was at version %d", now.Version, known.Version))
	}
	return nil
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

// identity gives the identity of the database of a transaction; what it was, if that cannot be told.
func identity(ctx context.Context, tx *sql.Tx, was string) (id string, err error) {
	if was == "" {
		return "", nil
	}
	err = tx.QueryRowContext(ctx, `SELECT coalesce((SELECT id FROM identity), $1)`, was).Scan(&id)
	return id, err
}

// expected tells, in a transaction of its own, whether the database is the one that is expected: for what takes no transaction of ours.
func (d *database) expected(ctx context.Context, doing string) error {
	return d.view(ctx, doing, func(context.Context, *sql.Tx) error { return nil })
}

// slowest is how long a transaction of ours may take on PostgreSQL before it is given up as lost: a
// server that vanished from the network gives no answer at all. Searches have no limit.
const slowest = time.Minute

// view runs fn in a transaction that sees one state of the database, however many statements it uses.
func (d *database) view(ctx context.Context, doing string, fn func(ctx context.Context, tx *sql.Tx) error) error {
	if err := d.gate.closed(); err != nil {
		return d.failed(doing, err)
	}
	return d.look(ctx, doing, func(ctx context.Context, tx *sql.Tx) error {
		if err := d.gate.check(ctx, tx); err != nil {
			return err
		}
		return fn(ctx, tx)
	})
}

// look is view of any database, whether it is the one that is expected or not.
func (d *database) look(ctx context.Context, doing string, fn func(ctx context.Context, tx *sql.Tx) error) error {
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
	if err := d.gate.closed(); err != nil {
		return d.failed(doing, err)
	}
	if d.asIs {
		return d.failed(doing, errAsIs)
	}
	return d.failed(doing, d.bound(ctx, func(ctx context.Context) error { return d.transact(ctx, fn) }))
}

// transact is update without the limit of time and without saying what was being done.
func (d *database) transact(ctx context.Context, fn func(ctx context.Context, conn *sql.Conn, tx *sql.Tx) error) error {
	conn, err := d.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() // gives it back to the pool
	return d.transactOn(ctx, conn, fn)
}

// transactOn is transact on a connection that is at hand.
func (d *database) transactOn(ctx context.Context, conn *sql.Conn, fn func(ctx context.Context, conn *sql.Conn, tx *sql.Tx) error) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after a commit
	if err := d.gate.check(ctx, tx); err != nil {
		return err
	}
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

type migration struct {
	version int
	name    string
	sql     string
}

// knownMigrations reads a folder of package migrations; fs.Glob sorts it by number.
func knownMigrations(folder string) ([]migration, error) {
	names, err := fs.Glob(migrations.Files, folder+"/*.sql")
	if err != nil {
		return nil, err
	}
	var list []migration
	for i, name := range names {
		text, err := migrations.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		base := strings.TrimPrefix(name, folder+"/")
		version, err := strconv.Atoi(base[:min(4, len(base))])
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("migration %s does not continue the numbers at %04d", name, i+1)
		}
		list = append(list, migration{version, base, string(text)})
	}
	return list, nil
}

// knownMigrations are those of the database's kind.
func (d *database) knownMigrations() ([]migration, error) {
	if d.kind == kindSQLite {
		return knownMigrations("sqlite")
	}
	return knownMigrations("postgres")
}

// migrate applies what the database has not seen yet, each migration in a transaction of its own, which
// holds a lock that keeps other processes from doing the same.
func (d *database) migrate(ctx context.Context) error {
	list, err := d.knownMigrations()
	if err != nil {
		return err
	}
	return d.migrateTo(ctx, list)
}

// schema is schemaVersion in a transaction of its own.
func (d *database) schema(ctx context.Context) (have int, err error) {
	err = d.view(ctx, "read the schema's version", func(ctx context.Context, tx *sql.Tx) (err error) {
		have, err = d.schemaVersion(ctx, tx)
		return err
	})
	return have, err
}

func (d *database) migrateTo(ctx context.Context, list []migration) error {
	have, err := d.schema(ctx)
	if err != nil {
		return err
	}
	if have > len(list) {
		return schemaNewer(have, len(list))
	}
	for _, m := range list[have:] {
		// Without our limit of time: an index over years of records takes longer, and giving up would undo it.
		err := d.transact(ctx, func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error { return d.apply(ctx, tx, m) })
		if err != nil {
			return d.failed("apply migration "+m.name, err)
		}
	}
	return nil
}

func schemaNewer(have, known int) error {
	return fmt.Errorf("%w: its schema is number %d, this program knows up to number %d", ErrSchemaNewer, have, known)
}

// apply runs one migration, unless another process has done it while this one waited for the lock.
func (d *database) apply(ctx context.Context, tx *sql.Tx, m migration) error {
	if d.lock != "" {
		if _, err := tx.ExecContext(ctx, d.lock); err != nil {
			return err
		}
	}
	have, err := d.schemaVersion(ctx, tx)
	if err != nil || have >= m.version {
		return err
	}
	if have == 0 {
		if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY, name text NOT NULL, applied_at text NOT NULL)`); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, m.sql); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO schema_version (version, name, applied_at) VALUES ($1, $2, $3)`,
		m.version, m.name, d.now().UTC().Format("2006-01-02T15:04:05Z"))
	return err
}

// schemaVersion is the number of the last migration applied, 0 for a new database.
func (d *database) schemaVersion(ctx context.Context, tx *sql.Tx) (version int, err error) {
	var tables int
	if err := tx.QueryRowContext(ctx, d.tableThere, "schema_version").Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM schema_version`).Scan(&version)
	return version, err
}
