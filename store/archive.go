package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"activedefense/store/archive"
	"activedefense/store/block"
)

// RecordsFolder is that of the files of records, beside SQLite's file.
const RecordsFolder = "records"

// postgresFolder is that of a PostgreSQL database, in the other: an SQLite file that was copied to PostgreSQL keeps its own.
const postgresFolder = "postgresql"

// Archive are the files of records; nil: there are none, as where PostgreSQL keeps rows alone. Somebody has to call its Step for blocks to become files: of the processes that have
// the database open, the one that reads logs.
func (s *Store) Archive() *archive.Archive { return s.archive }

// newArchive is that of a database.
func newArchive(db *database, digests *block.Digests) *archive.Archive {
	return archive.New(db.folder, &registry{database: db, digests: digests})
}

// registry is what a database knows of blocks and files.
type registry struct {
	*database
	digests *block.Digests
	pages   int   // that the next step of GiveBack gives back, of SQLite
	left    int64 // what PostgreSQL did not give back of the table of blocks the last time, in bytes
}

// Identity implements archive.Registry.
func (r *registry) Identity() string { return r.place.Identity }

const fileColumns = "id, path, day, records, oldest, newest, first_id, last_id, bytes"

// Files implements archive.Registry.
func (r *registry) Files(ctx context.Context) (files []archive.File, err error) {
	err = r.view(ctx, "list the files of records", func(ctx context.Context, tx *sql.Tx) error {
		files, err = filesOf(ctx, tx, where{})
		return err
	})
	return files, err
}

// filesOf lists the files that a transaction sees and w selects, without their sums.
func filesOf(ctx context.Context, q querier, w where) (files []archive.File, err error) {
	err = forEach(ctx, q, func(rows *sql.Rows) error {
		var f archive.File
		err := rows.Scan(&f.ID, &f.Name, intoTime{&f.Day}, &f.Records, intoTime{&f.Oldest}, intoTime{&f.Newest}, &f.FirstID, &f.LastID, &f.Bytes)
		files = append(files, f)
		return err
	}, `SELECT `+fileColumns+` FROM record_files`+w.String()+` ORDER BY id`, w.args...)
	return files, err
}

// filesSize is what the files take, in bytes.
func filesSize(ctx context.Context, db *sql.DB) (n int64, err error) {
	err = db.QueryRowContext(ctx, `SELECT coalesce(sum(bytes), 0) FROM record_files`).Scan(&n)
	return n, err
}

// Sums implements archive.Registry.
func (r *registry) Sums(ctx context.Context, id int64) ([]byte, error) {
	return r.bytes(ctx, "read the checksums of a file of records", `SELECT sums FROM record_files WHERE id = $1`, id)
}

// Block implements archive.Registry.
func (r *registry) Block(ctx context.Context, firstID int64) ([]byte, error) {
	return r.bytes(ctx, "read a block of records", `SELECT data FROM blocks WHERE first_id = $1`, firstID)
}

// bytes reads one value.
func (r *registry) bytes(ctx context.Context, doing, query string, id int64) (data []byte, err error) {
	err = r.view(ctx, doing, func(ctx context.Context, tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, query, id).Scan(&data)
		if errors.Is(err, sql.ErrNoRows) {
			return archive.ErrChanged
		}
		return err
	})
	return data, err
}

// Blocks implements archive.Registry.
func (r *registry) Blocks(ctx context.Context) (blocks []archive.Block, err error) {
	err = r.view(ctx, "list the blocks of records", func(ctx context.Context, tx *sql.Tx) error {
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var b archive.Block
			err := rows.Scan(&b.FirstID, &b.Records, &b.Agent, intoTime{&b.Oldest}, intoTime{&b.Newest}, &b.Bytes)
			blocks = append(blocks, b)
			return err
		}, `SELECT first_id, records, agent, oldest, newest, length(data) FROM blocks ORDER BY first_id`)
	})
	return blocks, err
}

// NewIDs implements archive.Registry.
func (r *registry) NewIDs(ctx context.Context, n int, least int64) (first int64, err error) {
	err = r.update(ctx, "number files of records", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `UPDATE counters SET value = CASE WHEN value > $1 THEN value ELSE $1 END + $2 WHERE name = 'record_files' RETURNING value - $2 + 1`, least, n).Scan(&first)
	})
	return first, err
}

// Change implements archive.Registry. As SQLite's commits are not synced one by one, a crash of the host may take the last ones back, and those of a PostgreSQL that is set up so. That must not happen
// to one after which files are removed.
func (r *registry) Change(ctx context.Context, c archive.Change) error {
	const doing = "register files of records"
	if r.kind == kindPostgres {
		err := r.update(ctx, doing, func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, `SET LOCAL synchronous_commit = on`); err != nil {
				return err
			}
			return r.carryOut(ctx, tx, c)
		})
		if err == nil {
			r.digests.Drop(c.Blocks)
		}
		return err
	}
	if err := r.gate.closed(); err != nil {
		return r.failed(doing, err)
	}
	if r.asIs {
		return r.failed(doing, errAsIs)
	}
	err := r.bound(ctx, func(ctx context.Context) (err error) {
		conn, err := r.writer.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close() // gives it back to the pool
		if len(c.Files) > 0 {
			if _, err := conn.ExecContext(ctx, `PRAGMA synchronous = full`); err != nil {
				return err
			}
			defer func() {
				_, e := conn.ExecContext(context.WithoutCancel(ctx), `PRAGMA synchronous = normal`)
				err = errors.Join(err, e)
			}()
		}
		return r.transactOn(ctx, conn, func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error { return r.carryOut(ctx, tx, c) })
	})
	if err == nil {
		r.digests.Drop(c.Blocks)
	}
	return r.failed(doing, err)
}

// ErrNoRecordFile: no file of records is called so: it was merged or removed, if there ever was one.
var ErrNoRecordFile = errors.New("there is no such file of records")

// OpenRecordFile opens a file of records by its name, to be copied. Its error wraps ErrNoRecordFile if the database does not name it.
func (s *Store) OpenRecordFile(ctx context.Context, name string) (f *os.File, err error) {
	err = s.view(ctx, "open a file of records", func(ctx context.Context, tx *sql.Tx) error {
		var w where
		w.add("path = ?", name)
		files, err := filesOf(ctx, tx, w)
		if err != nil {
			return err
		}
		if s.archive == nil || len(files) == 0 {
			return ErrNoRecordFile
		}
		f, err = openRegular(s.archive.Path(files[0])) // while it is named, which it is in this transaction at least
		return err
	})
	return f, err
}

// openRegular opens a file for reading. What is no regular file it refuses, and waits for none: a pipe would for its writer.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("the records file %s is no regular file (%s): put back the one that was there, from a backup", path, info.Mode())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// RecordFiles gives what files of records belong to a backup, an SQLite database that nobody has open.
func RecordFiles(ctx context.Context, path string) (files []archive.File, err error) {
	db, err := openBackup(path)
	if err != nil {
		return nil, err
	}
	defer db.Close() // only read
	if files, err = filesOf(ctx, db, where{}); err != nil {
		return nil, fmt.Errorf("read which files belong to %s: %w", path, err)
	}
	for i := range files {
		if err := db.QueryRowContext(ctx, `SELECT sums FROM record_files WHERE id = $1`, files[i].ID).Scan(&files[i].Sums); err != nil {
			return nil, fmt.Errorf("read which files belong to %s: %w", path, err)
		}
	}
	return files, nil
}

// CheckRecordFile reads a file, which has its Sums, in a folder, and tells why it is not as it was written.
func CheckRecordFile(ctx context.Context, folder string, f archive.File) error {
	file, err := block.Open(filepath.Join(folder, f.Name), f.FileInfo)
	if err != nil {
		return err
	}
	return errors.Join(file.Verify(ctx), file.Close())
}

// carryOut does it within a transaction.
func (r *registry) carryOut(ctx context.Context, tx *sql.Tx, c archive.Change) error {
	gone := func(want int64, query string, args ...any) error {
		result, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		switch n, err := result.RowsAffected(); {
		case err != nil:
			return err
		case n != want:
			return fmt.Errorf("%w: %d of %d were there (%s, from %d on)", archive.ErrChanged, n, want, query, args[0])
		}
		return nil
	}
	for _, id := range c.Blocks {
		if err := gone(1, `DELETE FROM blocks WHERE first_id = $1`, id); err != nil {
			return err
		}
	}
	for _, id := range c.Files {
		if err := gone(1, `DELETE FROM record_files WHERE id = $1`, id); err != nil {
			return err
		}
	}
	if c.Rows.Count > 0 {
		if err := gone(c.Rows.Count, `DELETE FROM records WHERE id BETWEEN $1 AND $2`, c.Rows.First, c.Rows.Last); err != nil {
			return err
		}
	}
	for _, f := range c.Add {
		_, err := tx.ExecContext(ctx, `INSERT INTO record_files (`+fileColumns+`, sums) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			f.ID, f.Name, r.stamp(f.Day), f.Records, r.stamp(f.Oldest), r.stamp(f.Newest), f.FirstID, f.LastID, f.Bytes, f.Sums)
		if err != nil {
			return err
		}
	}
	return nil
}

// EachRow implements archive.Registry. PostgreSQL's rows stay rows: they go with the partition of their day, and others may read them.
func (r *registry) EachRow(ctx context.Context, most int, fn func(*block.Record) error) error {
	if r.kind == kindPostgres {
		return nil
	}
	return r.view(ctx, "read the rows of an earlier version", func(ctx context.Context, tx *sql.Tx) error {
		var record Record
		var s rowScanner
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			if err := s.scan(rows, &record); err != nil {
				return err
			}
			return fn(&record)
		}, `SELECT `+sqliteColumns+` FROM records ORDER BY id LIMIT $1`, most)
	})
}

// What giveBack does at once: a step for which commits wait gives back as many pages as fit into pruneStep. The log is emptied when it has walSpare bytes.
const (
	pagesFirst = 64
	pagesMost  = 4096
	walSpare   = 1 << 20
)

// GiveBack implements archive.Registry.
func (r *registry) GiveBack(ctx context.Context, spare int64) (more bool, err error) {
	const doing = "give room of the database back"
	if err := r.expected(ctx, doing); err != nil {
		return false, err
	}
	err = r.bound(ctx, func(ctx context.Context) error {
		if r.kind == kindPostgres {
			return r.vacuumBlocks(ctx, spare)
		}
		more, err = r.giveBack(ctx, spare)
		return err
	})
	return more, r.failed(doing, err)
}

// vacuumBlocks has PostgreSQL shorten the table of blocks when none are left: it may never see to that by itself, for what was inserted last stands at the end. Where somebody
// still sees what was deleted nothing is given back, and it is not tried again before something has changed.
func (r *registry) vacuumBlocks(ctx context.Context, spare int64) error {
	var size int64
	const look = `SELECT pg_total_relation_size('blocks') * (NOT EXISTS (SELECT 1 FROM blocks))::int`
	if err := r.readers.QueryRowContext(ctx, look).Scan(&size); err != nil || spare > 0 || size < walSpare || size == r.left {
		return err
	}
	if _, err := r.writer.ExecContext(ctx, `VACUUM blocks`); err != nil {
		return err
	}
	return r.readers.QueryRowContext(ctx, look).Scan(&r.left)
}

func (r *registry) giveBack(ctx context.Context, spare int64) (more bool, err error) {
	var size, pages, free, kind int64
	if err := r.readers.QueryRowContext(ctx, `SELECT page_size, page_count, freelist_count, auto_vacuum FROM pragma_page_size, pragma_page_count, pragma_freelist_count, pragma_auto_vacuum`).
		Scan(&size, &pages, &free, &kind); err != nil {
		return false, err
	}
	switch keep := spare / size; {
	case kind == 0 && free > max(pages-free, keep+pagesMost):
		return false, r.vacuum(ctx)
	case kind != 0 && free > keep:
		return true, r.vacuumStep(ctx, free-keep)
	case spare == 0:
		return false, r.emptyLog(ctx)
	}
	return false, nil
}

// vacuum writes a database of an earlier version anew, so that it can be shortened from then on. Commits wait for as long as it takes to write what is in
// it; that is done once, when it is less than half of the file.
func (r *registry) vacuum(ctx context.Context) error {
	conn, err := r.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() // gives it back to the pool
	if _, err := conn.ExecContext(ctx, `PRAGMA auto_vacuum = incremental`); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, `VACUUM`)
	return err
}

// vacuumStep gives back some pages, at most so many.
func (r *registry) vacuumStep(ctx context.Context, most int64) error {
	conn, err := r.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() // gives it back to the pool
	r.pages = max(r.pages, pagesFirst)
	began := time.Now()
	if _, err := conn.ExecContext(ctx, fmt.Sprintf(`PRAGMA incremental_vacuum(%d)`, min(int64(r.pages), most))); err != nil {
		return err
	}
	took := max(time.Since(began), time.Microsecond)
	r.pages = min(max(int(float64(r.pages)*float64(pruneStep)/float64(took)), r.pages/2, 1), 2*r.pages, pagesMost)
	return nil
}

// emptyLog writes what is in SQLite's log into the database, and shortens the log. Commits wait for the second part alone, which is short after the first.
func (r *registry) emptyLog(ctx context.Context) error {
	info, err := os.Stat(r.place.Database + "-wal")
	if err != nil || info.Size() < walSpare {
		return nil
	}
	var busy, pages, written int64
	if err := r.readers.QueryRowContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`).Scan(&busy, &pages, &written); err != nil || written < pages {
		return err // somebody reads an earlier state; another time
	}
	conn, err := r.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() // gives it back to the pool
	if _, err := conn.ExecContext(ctx, `PRAGMA busy_timeout = 20`); err != nil {
		return err
	}
	err = conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &written)
	_, e := conn.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf(`PRAGMA busy_timeout = %d`, busyTimeout.Milliseconds()))
	return errors.Join(err, e)
}
