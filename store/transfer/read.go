package transfer

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"activedefense/store"
)

const postgresql = "postgresql"

// A place is behind which row of a table that is copied in steps the next one begins. The zero value is the beginning.
type place struct {
	Part  string `json:"part,omitempty"`  // of PostgreSQL, the partition, of SQLite empty; then inBlocks
	After string `json:"after,omitempty"` // the row's id, or of PostgreSQL its ctid, which stays while nobody writes
}

// inBlocks is the part of the records that stand in blocks and files. It comes behind the rows.
const inBlocks = "blocks"

// A reader reads one state of a database, however many tables.
type reader struct {
	db   *store.Bare
	conn *sql.Conn
	tx   *sql.Tx
}

func newReader(ctx context.Context, db *store.Bare) (*reader, error) {
	conn, tx, err := db.Begin(ctx, false)
	if err != nil {
		return nil, err
	}
	r := &reader{db, conn, tx}
	if db.Kind() != postgresql {
		return r, nil
	}
	// A table is read from its beginning to its end, which its places rely on. Nothing is read while the other database is waited for.
	for _, setting := range []string{"synchronize_seqscans = off", "max_parallel_workers_per_gather = 0", "idle_in_transaction_session_timeout = 0", "statement_timeout = 0"} {
		if _, err := tx.ExecContext(ctx, "SET LOCAL "+setting); err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	return r, nil
}

func (r *reader) close() error {
	if err := r.tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return errors.Join(err, r.conn.Close())
	}
	return r.conn.Close()
}

// state tells how far a database is. Two are equal if nothing was committed in between but signs of life.
func (r *reader) state(ctx context.Context) (text string, err error) {
	query := `SELECT 'identity', id, 0 FROM identity UNION ALL SELECT 'counter', name, value FROM (` + r.from(&tables[1]) + `) AS c
		UNION ALL SELECT 'agent', name, seq FROM agents WHERE seq > 0 UNION ALL SELECT 'audit', '', coalesce(max(id), 0) FROM audit ORDER BY 1, 2`
	rows, err := r.tx.QueryContext(ctx, query)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for rows.Next() {
		var what, name string
		var n int64
		if err := rows.Scan(&what, &name, &n); err != nil {
			return "", err
		}
		text += fmt.Sprintf("%s %s %d\n", what, name, n)
	}
	return text, rows.Err()
}

// withoutIdentity gives a state without what tells a database from its copies.
func withoutIdentity(state string) string {
	return state[:max(0, strings.LastIndex(state, "identity "))]
}

// count is how many rows a table has.
func (r *reader) count(ctx context.Context, t *table) (n int64, err error) {
	query := "SELECT count(*) FROM (" + r.from(t) + ") AS t"
	if t.steps {
		query = "SELECT (" + query + ") + (SELECT coalesce(CAST(sum(records) AS bigint), 0) FROM blocks) + (SELECT coalesce(CAST(sum(records) AS bigint), 0) FROM record_files)"
	}
	err = r.tx.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}

// from is what gives the rows of a table. PostgreSQL has a sequence for what SQLite counts among the counters, and a counter that says which agent has its files of records.
func (r *reader) from(t *table) string {
	query := "SELECT " + t.names() + " FROM " + t.name
	if t.name == "counters" && r.db.Kind() == postgresql {
		query += " WHERE name <> '" + store.BlocksAgent + "' UNION ALL SELECT 'records', " + r.db.LastRecord()
	}
	return query
}

// each calls fn for the rows of a table that stand behind a place, with the place of each. The row is the caller's until fn returns.
func (r *reader) each(ctx context.Context, t *table, from place, fn func(row []byte, at place) error) error {
	if r.db.Kind() != postgresql {
		if from.Part == "" {
			if err := r.eachSQLite(ctx, t, from, fn); err != nil {
				return err
			}
			from.After = ""
		}
		if t.steps {
			return r.eachInBlocks(ctx, t, from, fn)
		}
		return nil
	}
	if !t.steps {
		return r.copyOut(ctx, r.from(t), func(row []byte) error { return fn(row, place{}) })
	}
	if from.Part != inBlocks {
		if err := r.eachPartition(ctx, t, from, fn); err != nil {
			return err
		}
		from.After = ""
	}
	return r.eachInBlocks(ctx, t, from, fn)
}

// eachPartition is each for the records that stand in PostgreSQL's rows.
func (r *reader) eachPartition(ctx context.Context, t *table, from place, fn func(row []byte, at place) error) error {
	parts, err := r.partitions(ctx, t)
	if err != nil {
		return err
	}
	for _, part := range parts {
		after := "(0,0)"
		switch {
		case part < from.Part:
			continue
		case part == from.Part:
			after = from.After
		}
		query := fmt.Sprintf("SELECT ctid, %s FROM %s WHERE ctid > '%s'", t.names(), pgx.Identifier{part}.Sanitize(), after)
		if err := r.copyOut(ctx, query, func(row []byte) error {
			const fields, size = 2, 4 + 6 // of the ctid, which is a block and a row in it
			at := place{part, fmt.Sprintf("(%d,%d)", binary.BigEndian.Uint32(row[fields+4:]), binary.BigEndian.Uint16(row[fields+8:]))}
			binary.BigEndian.PutUint16(row[size:], uint16(len(t.columns)))
			return fn(row[size:], at)
		}); err != nil {
			return err
		}
	}
	return nil
}

// partitions gives those of a table, in the order of their names.
func (r *reader) partitions(ctx context.Context, t *table) (names []string, err error) {
	rows, err := r.tx.QueryContext(ctx, `SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = $1::regclass ORDER BY c.relname COLLATE "C"`, t.name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// copyOut calls fn for the rows of a query.
func (r *reader) copyOut(ctx context.Context, query string, fn func(row []byte) error) error {
	return r.conn.Raw(func(dc any) error {
		out := &rowWriter{fn: fn}
		if _, err := dc.(*stdlib.Conn).Conn().PgConn().CopyTo(ctx, out, "COPY ("+query+") TO STDOUT (FORMAT binary)"); err != nil {
			return errors.Join(out.err, err)
		}
		if !out.ended {
			return io.ErrUnexpectedEOF
		}
		return nil
	})
}

// A rowWriter takes what COPY gives, and calls fn for each row in it.
type rowWriter struct {
	fn    func(row []byte) error
	rest  []byte
	begun bool
	ended bool
	err   error
}

// copyHeader is what a COPY begins with: no flags, no extension (PostgreSQL documentation, "COPY", "Binary Format").
const copyHeader = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

func (w *rowWriter) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	at := w.rest
	if !w.begun {
		if len(at) < len(copyHeader) {
			return len(b), nil
		}
		if !bytes.HasPrefix(at, []byte(copyHeader)) {
			w.err = errRow
			return 0, w.err
		}
		at, w.begun = at[len(copyHeader):], true
	}
	for !w.ended {
		if len(at) >= 2 && binary.BigEndian.Uint16(at) == 0xffff {
			w.ended = true
			break
		}
		n, err := rowSize(at)
		if err == nil && n > 0 {
			err = w.fn(at[:n:n])
		}
		if w.err = err; err != nil {
			return 0, err
		}
		if n == 0 {
			break
		}
		at = at[n:]
	}
	w.rest = w.rest[:copy(w.rest, at)]
	return len(b), nil
}

// eachSQLite is each for SQLite, by its driver, which spares a copy of each value.
func (r *reader) eachSQLite(ctx context.Context, t *table, from place, fn func(row []byte, at place) error) error {
	query := r.from(t)
	if t.steps {
		if from.After != "" {
			query += " WHERE id > " + from.After // a number of ours
		}
		query += " ORDER BY id"
	}
	return r.conn.Raw(func(dc any) error {
		rows, err := dc.(driver.QueryerContext).QueryContext(ctx, query, nil)
		if err != nil {
			return err
		}
		defer rows.Close()
		values, row := make([]driver.Value, len(t.columns)), []byte(nil)
		for n := 0; ; n++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := rows.Next(values); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			row = binary.BigEndian.AppendUint16(row[:0], uint16(len(values)))
			for i, c := range t.columns {
				if row, err = appendField(row, c.kind, values[i]); err != nil {
					return fmt.Errorf("column %s of row %d: %w", c.name, n+1, err)
				}
			}
			at := place{}
			if t.steps {
				at.After = fmt.Sprint(values[0])
			}
			if err := fn(row, at); err != nil {
				return err
			}
		}
	})
}

// eachInBlocks is each for the records that stand in blocks and files.
func (r *reader) eachInBlocks(ctx context.Context, t *table, from place, fn func(row []byte, at place) error) error {
	after := int64(0)
	if from.After != "" {
		var err error
		if after, err = strconv.ParseInt(from.After, 10, 64); err != nil {
			return fmt.Errorf("the place %q: %w", from.After, err)
		}
	}
	var row []byte
	return r.db.InBlocks(ctx, r.tx, after, func(record *store.Record) (err error) {
		if row, err = appendRecord(row[:0], t, record); err != nil {
			return fmt.Errorf("record %d: %w", record.ID, err)
		}
		return fn(row, place{inBlocks, strconv.FormatInt(record.ID, 10)})
	})
}
