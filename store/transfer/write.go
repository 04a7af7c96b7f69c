package transfer

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"activedefense/store"
)

// What is handed to a database at once, and what a step of a table that is copied in steps takes: what a killed copy has to read again.
const (
	batchRows  = 10_000
	batchBytes = 8 << 20
)

// A mark says how far a table is in the copy. It is written with what it says.
type mark struct {
	Rows  int64 `json:"rows"`
	Sum   sum   `json:"sum"`
	At    place `json:"at,omitzero"`
	Whole bool  `json:"whole"` // all of it
}

// A writer writes rows to one table, and keeps how far it is.
type writer struct {
	db   *store.Bare
	t    *table
	mark mark
	most int // rows that are written at once

	rows  []byte
	n     int
	at    place // of the last of them
	days  map[int64]bool
	times []time.Time // of records among them, one a day

	conn *sql.Conn // nil: no transaction is open
	tx   *sql.Tx
}

// add takes a row.
func (w *writer) add(ctx context.Context, row []byte, at place) error {
	w.rows, w.at = append(w.rows, row...), at
	w.n++
	w.mark.Rows++
	w.mark.Sum.add(row)
	if w.t.steps {
		w.look(row)
	}
	if w.n < w.most && len(w.rows) < batchBytes {
		return nil
	}
	if err := w.flush(ctx); err != nil || !w.t.steps {
		return err
	}
	return w.commit(ctx)
}

// look notes the day of a record.
func (w *writer) look(row []byte) {
	_ = eachField(row, func(i int, field []byte) error {
		if i == recordTime {
			micros := int64(binary.BigEndian.Uint64(field)) + postgresEpoch
			if day := micros / (24 * time.Hour).Microseconds(); !w.days[day] {
				w.days[day] = true
				w.times = append(w.times, time.UnixMicro(micros))
			}
			return errStop
		}
		return nil
	})
}

var errStop = errors.New("enough")

// flush writes what was taken.
func (w *writer) flush(ctx context.Context) (err error) {
	if w.t.steps {
		if err := w.db.Ready(ctx, w.times); err != nil {
			return err
		}
		w.times = w.times[:0]
		clear(w.days)
	}
	if w.conn == nil {
		if w.conn, w.tx, err = w.db.Begin(ctx, true); err != nil {
			return err
		}
	}
	if w.n == 0 {
		return nil
	}
	if w.db.Kind() == postgresql {
		err = w.copyIn(ctx)
	} else {
		err = w.insert(ctx)
	}
	w.rows, w.n, w.mark.At = w.rows[:0], 0, w.at
	return err
}

// copyIn writes rows to PostgreSQL.
func (w *writer) copyIn(ctx context.Context) error {
	in := slices.Concat([]byte(copyHeader), w.rows, []byte{0xff, 0xff})
	return w.conn.Raw(func(dc any) error {
		_, err := dc.(*stdlib.Conn).Conn().PgConn().CopyFrom(ctx, bytes.NewReader(in), "COPY "+w.t.name+" ("+w.t.names()+") FROM STDIN (FORMAT binary)")
		return err
	})
}

// insert writes rows to SQLite, by its driver: one prepared statement for all.
func (w *writer) insert(ctx context.Context) error {
	return w.conn.Raw(func(dc any) error {
		statement, err := dc.(driver.ConnPrepareContext).PrepareContext(ctx, "INSERT INTO "+w.t.name+" ("+w.t.names()+") VALUES ("+strings.TrimSuffix(strings.Repeat("?,", len(w.t.columns)), ",")+")")
		if err != nil {
			return err
		}
		defer statement.Close() // an open one would keep the file open after the connection
		args := make([]driver.NamedValue, len(w.t.columns))
		for rest := w.rows; len(rest) > 0; {
			if err := ctx.Err(); err != nil {
				return err
			}
			size, err := rowSize(rest)
			if err == nil {
				err = eachField(rest[:size], func(i int, field []byte) (err error) {
					args[i].Ordinal = i + 1
					args[i].Value, err = value(w.t.columns[i].kind, field)
					return err
				})
			}
			if err != nil {
				return err
			}
			rest = rest[size:]
			// A context that can end costs a goroutine a statement in this driver.
			if _, err := statement.(driver.StmtExecContext).ExecContext(context.Background(), args); err != nil {
				return err
			}
		}
		return nil
	})
}

// end writes what is left, and that the table is whole.
func (w *writer) end(ctx context.Context) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	w.mark.Whole, w.mark.At = true, place{}
	if w.db.Kind() == postgresql {
		if err := w.number(ctx); err != nil {
			return err
		}
	}
	return w.commit(ctx)
}

// number has PostgreSQL go on behind the highest numbers that were given.
func (w *writer) number(ctx context.Context) error {
	if w.t.numbered {
		_, err := w.tx.ExecContext(ctx, `SELECT setval(pg_get_serial_sequence($1, 'id'), max(id)) FROM `+w.t.name+` HAVING max(id) > 0`, w.t.name)
		return err
	}
	if w.t.name != "counters" {
		return nil
	}
	if _, err := w.tx.ExecContext(ctx, `SELECT setval('records_id', greatest(value, 1), value > 0) FROM counters WHERE name = 'records'`); err != nil {
		return err
	}
	_, err := w.tx.ExecContext(ctx, `DELETE FROM counters WHERE name = 'records'`)
	return err
}

// commit keeps what was written, and how far that is.
func (w *writer) commit(ctx context.Context) error {
	if err := keep(ctx, w.tx, w.t.name, w.mark); err != nil {
		return err
	}
	if err := w.tx.Commit(); err != nil {
		return err
	}
	return w.close()
}

// close ends the transaction that is open.
func (w *writer) close() error {
	if w.conn == nil {
		return nil
	}
	err := w.tx.Rollback()
	if errors.Is(err, sql.ErrTxDone) {
		err = nil
	}
	err = errors.Join(err, w.conn.Close())
	w.conn, w.tx = nil, nil
	return err
}

// sourceMark is the name under which it is kept how far the database was that is copied.
const sourceMark = "source"

// keep notes something in a copy that is not finished.
func keep(ctx context.Context, tx *sql.Tx, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO "+store.CopyTable+" (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, string(text))
	return err
}

// kept is what was noted: how far the database was that is copied, and how far its tables are. There: it is a copy that is not finished.
func kept(ctx context.Context, db *store.Bare) (of string, marks map[string]mark, there bool, err error) {
	conn, tx, err := db.Begin(ctx, false)
	if err != nil {
		return "", nil, false, err
	}
	defer conn.Close()
	defer tx.Rollback() // nothing was written
	if there, err = db.Has(ctx, tx, store.CopyTable); err != nil || !there {
		return "", nil, there, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT name, value FROM "+store.CopyTable)
	if err != nil {
		return "", nil, there, err
	}
	defer rows.Close()
	marks = make(map[string]mark)
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return "", nil, there, err
		}
		var m mark
		to := any(&m)
		if name == sourceMark {
			to = &of
		}
		if err := json.Unmarshal([]byte(text), to); err != nil {
			return "", nil, there, fmt.Errorf("what %s says of %s: %w", store.CopyTable, name, err)
		}
		if name != sourceMark {
			marks[name] = m
		}
	}
	return of, marks, there, rows.Err()
}

// begin makes an empty copy of a database that is so far. What an earlier one left is removed.
func begin(ctx context.Context, db *store.Bare, of string) error {
	conn, tx, err := db.Begin(ctx, true)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer tx.Rollback() // does nothing after a commit
	for _, t := range slices.Backward(tables) {
		empty := "DELETE FROM " + t.name
		if db.Kind() == postgresql {
			empty = "TRUNCATE " + t.name + " CASCADE"
		}
		if _, err := tx.ExecContext(ctx, empty); err != nil {
			return err
		}
	}
	for _, statement := range []string{"DROP TABLE IF EXISTS " + store.CopyTable, "CREATE TABLE " + store.CopyTable + " (name text NOT NULL PRIMARY KEY, value text NOT NULL)"} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if err := keep(ctx, tx, sourceMark, of); err != nil {
		return err
	}
	return tx.Commit()
}

// finish makes of a copy a database that can be used.
func finish(ctx context.Context, db *store.Bare) error {
	conn, tx, err := db.Begin(ctx, true)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer tx.Rollback() // does nothing after a commit
	if _, err := tx.ExecContext(ctx, "DROP TABLE "+store.CopyTable); err != nil {
		return err
	}
	return tx.Commit()
}

// inhabited names what is in a database that should be empty, but for what the migrations make and a command leaves; "": nothing.
func inhabited(ctx context.Context, db *store.Bare) (what string, err error) {
	r, err := newReader(ctx, db)
	if err != nil {
		return "", err
	}
	defer r.close() // nothing was written
	names := []string{"blocks", "record_files"}
	for i := range tables {
		if t := &tables[i]; t.name != "agents" && t.name != "counters" {
			names = append(names, t.name)
		}
	}
	for _, name := range names {
		var there bool
		if err := r.tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+name+")").Scan(&there); err != nil || there {
			return name, err
		}
	}
	return "", nil
}
