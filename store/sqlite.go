package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// busyTimeout is how long SQLite waits for another process's lock. The longest one of ours holds the
// lock is a batch of 10,000 records, a fraction of a second.
const busyTimeout = 10 * time.Second

// sqliteReaders is how many reading connections are kept open. There is no upper limit: a reader that
// asks the store something else from within its own reading must not wait for itself.
const sqliteReaders = 4

// connectSQLite opens the file with one connection that writes and a few that read. SQLite allows one
// writer at a time; with a single connection the goroutines of this process queue in memory, in place of
// polling a lock.
func connectSQLite(ctx context.Context, o Options) (*database, recordTable, error) {
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, nil, err
	}
	if err := createPrivate(path); err != nil {
		return nil, nil, err
	}
	writer, err := openSQLite(path, writerSettings())
	if err != nil {
		return nil, nil, err
	}
	writer.SetMaxOpenConns(1)
	readers, err := openSQLite(path, readerSettings())
	if err != nil {
		return nil, nil, errors.Join(err, writer.Close())
	}
	readers.SetMaxIdleConns(sqliteReaders)
	d := &database{
		dialect: dialect{
			kind:        kindSQLite,
			quietEnd:    `last_seen + quiet_for`,
			day:         `86400000000`,
			lastRecord:  `(SELECT value FROM counters WHERE name = 'records')`,
			nextRecords: `UPDATE counters SET value = value + $1 WHERE name = 'records' RETURNING value`,
			lowestRow:   `SELECT min(id) FROM records`,
			tableThere:  `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1`,
			anyTable:    `SELECT name FROM sqlite_master WHERE type = 'table' LIMIT 1`,
		},
		readers: readers,
		writer:  writer,
		explain: func(err error) error { return explainDamage(path, err) },
		close:   func() error { return errors.Join(readers.Close(), writer.Close()) },
		now:     time.Now,
		slowest: slowest,
		gate:    &gate{},
		place:   Place{Database: path},
		folder:  filepath.Join(filepath.Dir(path), RecordsFolder),
	}
	if err := awaitWriter(ctx, writer); err != nil {
		return nil, nil, errors.Join(d.explain(err), d.close())
	}
	opened, err := os.Stat(path)
	if err != nil {
		return nil, nil, errors.Join(err, d.close())
	}
	d.there = func() error { return sameFile(path, opened) }
	return d, newBlockRecords(d, &sqliteRows{d}), nil
}

// sameFile tells whether a path still leads to the file that was opened.
func sameFile(path string, opened os.FileInfo) error {
	now, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrReplaced, err)
	}
	if !os.SameFile(opened, now) {
		return fmt.Errorf("%w: %s is another file now", ErrReplaced, path)
	}
	return nil
}

// awaitWriter opens the writing connection, which turns a new file into WAL mode. SQLite does not wait
// for the lock that this takes, so when several processes open a new file at once, all but one are
// refused and have to ask again.
func awaitWriter(ctx context.Context, writer *sql.DB) error {
	ctx, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		err := writer.PingContext(ctx)
		lite, ok := errors.AsType[*sqlite.Error](err)
		if !ok || lite.Code()&0xff != sqlite3.SQLITE_BUSY {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// createPrivate makes the file, and its folder, readable by the owner only, before SQLite writes to it.
// SQLite gives its -wal and -shm files the mode of the main file. A file that exists keeps its mode: it
// may have been set on purpose.
func createPrivate(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// writerSettings are applied to the writing connection by the driver, each "_pragma" once.
func writerSettings() url.Values {
	return url.Values{
		// A transaction takes the writer's lock when it begins: taking it later, after a read, fails
		// at once if another process wrote in between.
		"_txlock": {"immediate"},
		"_pragma": {
			fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
			"auto_vacuum(incremental)", // of a new file; see giveBack for others
			"journal_mode(wal)",        // readers do not block the writer, nor it them
			// A power cut may lose the last commits, never half of one: records and read positions
			// are lost together, and the lines are read again.
			"synchronous(normal)",
			"cache_size(-8192)",            // 8 MiB: what a few batches write; blocks are written once and not looked at again
			"wal_autocheckpoint(4000)",     // 16 MiB: an index page is copied back once for many batches
			"journal_size_limit(67108864)", // a WAL that grew under a long reader shrinks again
			"foreign_keys(on)",
		},
	}
}

func readerSettings() url.Values {
	return url.Values{
		"_pragma": {
			fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()),
			"cache_size(-2048)", // a block is read once, and the operating system has its pages
			"query_only(on)",
		},
	}
}

// openSQLite prepares a pool; nothing is opened yet. The driver reads a URL so that any file name works.
func openSQLite(path string, settings url.Values) (*sql.DB, error) {
	source := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: settings.Encode()}
	return sql.Open("sqlite", source.String())
}

// explainDamage adds to the errors of a file that is damaged or locked which file it is and what to do.
func explainDamage(path string, err error) error {
	lite, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch lite.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("the database file %s is damaged or no SQLite database: stop the program, move the file away together with "+
			"%[1]s-wal and %[1]s-shm, and start again (the log files that are still there are read again), or put a backup in its place: %w", path, err)
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("the database file %s has been locked for %v by %s, such as an sqlite3 shell in a transaction or a backup; end it (fuser -v %[1]s %[1]s-shm "+
			"names all that have it open), then try again: %[4]w", path, busyTimeout, lockedBy(path), err)
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL:
		return fmt.Errorf("%s: %w", path, err)
	}
	return err
}

// lockedBy names the other processes that lock the database or its index against writing, as the kernel lists them, which
// does not show those of other containers. The files are not opened for it: closing them would take away the locks that this process has on
// them (POSIX, fcntl).
func lockedBy(path string) string {
	locks, _ := os.ReadFile("/proc/locks") // without it nobody is known by name
	var names []string
	for _, file := range []string{path, path + "-shm"} {
		info, err := os.Stat(file)
		if err != nil {
			continue
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			continue
		}
		// 1: POSIX  ADVISORY  WRITE 15670 fe:00:12238808 120 120
		inode := fmt.Sprintf("%02x:%02x:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev), stat.Ino)
		for line := range strings.Lines(string(locks)) {
			f := strings.Fields(line)
			if len(f) < 6 || f[1] != "POSIX" || f[3] != "WRITE" || f[5] != inode || f[4] == strconv.Itoa(os.Getpid()) {
				continue
			}
			program, _ := os.ReadFile("/proc/" + f[4] + "/comm") // nothing, where /proc hides those of other users
			if name := cmp.Or(strings.TrimSpace(string(program)), "another program") + " (process " + f[4] + ")"; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return cmp.Or(strings.Join(names, ", "), "another program")
}

// ErrNoBackup: the database is PostgreSQL's, which has a program of its own for that.
var ErrNoBackup = errors.New("a PostgreSQL database is backed up by pg_dump")

// Backup writes the database file to w as it is at this moment, whoever writes to it meanwhile: of SQLite alone, else it is ErrNoBackup.
// begin is called before with its size in bytes. As long as it lasts SQLite's log grows by what is written meanwhile. Memory is bounded, and
// nothing is written on this host.
func (s *Store) Backup(ctx context.Context, w io.Writer, begin func(size int64)) error {
	if s.kind != kindSQLite {
		return ErrNoBackup
	}
	return s.view(ctx, "back up the database", func(ctx context.Context, tx *sql.Tx) error {
		var size, page int64
		// A table among what is asked for makes sure that the state is that of now.
		err := tx.QueryRowContext(ctx, `SELECT page_count * page_size, page_size FROM pragma_page_count, pragma_page_size, (SELECT count(*) FROM identity)`).Scan(&size, &page)
		if err != nil {
			return err
		}
		begin(size)
		var written int64
		var data sql.RawBytes
		err = forEach(ctx, tx, func(rows *sql.Rows) error {
			if err := rows.Scan(&data); err != nil {
				return err
			}
			if int64(len(data)) != page {
				return fmt.Errorf("page %d has %d bytes instead of %d", written/page+1, len(data), page)
			}
			n, err := w.Write(data)
			written += int64(n)
			return err
		}, `SELECT data FROM sqlite_dbpage ORDER BY pgno`) // SQLite documentation, "The SQLITE_DBPAGE Virtual Table"
		if err == nil && written != size {
			err = fmt.Errorf("it has %d bytes, and %d were read", size, written)
		}
		return err
	})
}

// Checked is what CheckBackup found in a file.
type Checked struct {
	Schema   int    // number of the last migration
	Identity string // of the database
	Version  int64  // of the blacklist
	Blocked  int64  // entries that are in force
}

// CheckBackup reads an SQLite database that nobody has open, all of it, and tells why it is not whole. Nothing is written beside it.
func CheckBackup(ctx context.Context, path string) (c Checked, err error) {
	db, err := openBackup(path)
	if err != nil {
		return c, err
	}
	defer db.Close() // only read
	var faults []string
	err = forEach(ctx, db, func(rows *sql.Rows) error {
		var fault string
		err := rows.Scan(&fault)
		faults = append(faults, fault)
		return err
	}, `PRAGMA integrity_check(5)`)
	if err == nil && !slices.Equal(faults, []string{"ok"}) {
		err = errors.New(strings.Join(faults, "; "))
	}
	if err == nil {
		err = db.QueryRowContext(ctx, `SELECT (SELECT max(version) FROM schema_version), (SELECT id FROM identity), (SELECT value FROM counters WHERE name = 'blacklist'),
			(SELECT count(*) FROM blacklist WHERE released_at IS NULL AND state = 0)`).Scan(&c.Schema, &c.Identity, &c.Version, &c.Blocked)
	}
	if err != nil {
		return c, fmt.Errorf("%s is not a whole database: %w", path, err)
	}
	return c, nil
}

// openBackup opens a database that nobody has open, to be read.
func openBackup(path string) (*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	source := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: "mode=ro&immutable=1&_pragma=query_only(on)"}
	return sql.Open("sqlite", source.String())
}
