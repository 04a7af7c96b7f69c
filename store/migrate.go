package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"activedefense/migrations"
)

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

// migrate applies what the database has not seen yet, each migration in a transaction of its own, which
// holds a lock that keeps other processes from doing the same.
func (d *database) migrate(ctx context.Context) error {
	folder := "postgres"
	if d.kind == kindSQLite {
		folder = "sqlite"
	}
	list, err := knownMigrations(folder)
	if err != nil {
		return err
	}
	return d.migrateTo(ctx, list)
}

func (d *database) migrateTo(ctx context.Context, list []migration) error {
	var have int
	err := d.view(ctx, "read the schema's version", func(ctx context.Context, tx *sql.Tx) (err error) {
		have, err = d.schemaVersion(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	if have > len(list) {
		return fmt.Errorf("%w: its schema is number %d, this program knows up to number %d", ErrSchemaNewer, have, len(list))
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
