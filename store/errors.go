package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrSchemaNewer: the database was made by a later version of the program.
	ErrSchemaNewer = errors.New("the database was made by a newer version of this program")
	// ErrNotBlocked: the address to release is not on the blacklist.
	ErrNotBlocked = errors.New("not on the blacklist")
	// ErrOtherBatches: batches of this instance were committed, or taken back, by somebody else since its last one.
	ErrOtherBatches = errors.New("the database was replaced, or another agent with a copy of this one's state_dir works on it; end that one, and restart this one")

	// ErrLost: batches of this instance that were committed are in the database no more: it was restored, or a standby took its place
	// that had not got them.
	ErrLost = errors.New("the database has lost the last commits: it was restored, or a standby took over that did not have them")
	// ErrReplaced: the SQLite file that is open was deleted, moved away or replaced; what is written to it would be lost with it. It is
	// mended when the file is back, or by opening the one that is there.
	ErrReplaced = errors.New("the database file was deleted, moved away or replaced while it is in use")

	// ErrRefused: the database is not the one that is expected. All but Progress and Close fail with it until it is opened anew.
	ErrRefused = errors.New("the database is refused, for it is not what it was")

	// ErrSchemaOlder: it is not upgraded, for nothing is to be written to it.
	ErrSchemaOlder = errors.New("the database is of an earlier version of this program, or empty")
	errAsIs        = errors.New("the database is opened to be looked at, as it is")
	// ErrUnfinished: it is a copy of which a part is missing.
	ErrUnfinished = errors.New("the database is a copy that is not finished: run activedefense store copy with the same --to again until it says that all is copied, or remove it")
	// ErrForeign: it is not empty, and was not made by this program.
	ErrForeign = errors.New("there are tables of something else in the database")

	// ErrShared: records are kept in blocks, and several agents would have the database.
	ErrShared = errors.New("store.records: blocks keeps the records of a PostgreSQL database in the state_dir of one agent, which can have no other beside it")

	errTooSlow = errors.New("the database took too long to answer")
)

// Transient tells whether the same call may succeed later: the database cannot be reached, is busy or
// its disk is full. False for a bug, for bad data, for what needs a person, and when the context given
// by the caller has ended.
func Transient(err error) bool {
	if err == nil || errors.Is(err, ErrSchemaNewer) {
		return false
	}
	if errors.Is(err, errTooSlow) || errors.Is(err, ErrReplaced) || DiskFull(err) {
		return true
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return transientState(pg.Code)
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL:
			return true
		}
		return false
	}
	if errors.Is(err, context.Canceled) {
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true // no answer, or none that is an error of the server
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return false // the caller's: ours is errTooSlow
	}
	return lost(err)
}

// lost tells whether the connection broke.
func lost(err error) bool {
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, driver.ErrBadConn, sql.ErrConnDone,
		pgconn.ErrConnClosed, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, known) {
			return true
		}
	}
	_, network := errors.AsType[net.Error](err)
	return network || pgconn.SafeToRetry(err)
}

// transientState judges an SQLSTATE. PostgreSQL documentation, appendix A, "PostgreSQL Error Codes".
func transientState(code string) bool {
	for _, class := range []string{
		"08",    // connection exceptions
		"53",    // insufficient resources: disk, memory, connections
		"57P0",  // the server is shut down, starting up, or crashed
		"58",    // errors outside of PostgreSQL: input and output
		"40001", // serialization failure
		"40P01", // deadlock
		"55P03", // a lock was not to be had in time
		"25006", // read-only: a standby that is not yet, or no longer, the primary
		"25P03", // the server ended our transaction as idle
		"57014", // cancelled by a limit of the server
	} {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}

// DiskFull tells whether err means that no room is left where the database is.
func DiskFull(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "53100" {
		return true
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok && lite.Code()&0xff == sqlite3.SQLITE_FULL {
		return true
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
