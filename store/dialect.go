package store

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"
)

const (
	kindSQLite   = "sqlite"
	kindPostgres = "postgresql"
)

// dialect is what the two databases say differently in otherwise equal statements. Both understand
// numbered placeholders ($1), RETURNING, ON CONFLICT and VALUES as a table.
type dialect struct {
	kind       string
	snapshot   sql.IsolationLevel // of a transaction that sees one state
	lastRecord string             // expression: the highest record id given so far, committed or not
	quietEnd   string             // expression: when an entry that has quiet_for ends if no activity follows
	tableThere string             // query: how many tables are called $1
	lock       string             // statement that makes a migration wait for others; empty: not needed
}

// stamp is t as an argument.
func (d *dialect) stamp(t time.Time) any {
	t = clamp(t)
	if d.kind == kindSQLite {
		return t.UnixMicro()
	}
	return t
}

// stampOrNull is t as an argument, NULL for the zero time.
func (d *dialect) stampOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return d.stamp(t)
}

// typed is placeholder n where PostgreSQL cannot know its type from the context.
func (d *dialect) typed(n int, typ string) string {
	if d.kind == kindSQLite {
		return "$" + strconv.Itoa(n)
	}
	return "$" + strconv.Itoa(n) + "::" + typ
}

// maxArgs bounds the arguments of one statement. SQLite looks named placeholders up one after the other,
// so that thousands would take quadratic time.
const maxArgs = 600

// inChunks runs a statement with a list of rows as its VALUES, as often as needed. The statement is
// head, the rows of placeholders, tail; types are needed only where the rows are not the source of an
// INSERT. each is called for every row that RETURNING gives; nil if there is none.
func (d *dialect) inChunks(ctx context.Context, tx *sql.Tx, head, tail string, types []string, rows [][]any, each func(*sql.Rows) error) error {
	for len(rows) > 0 {
		n := min(len(rows), max(1, maxArgs/len(rows[0])))
		query, args := d.values(head, tail, types, rows[:n])
		rows = rows[n:]
		if each == nil {
			if _, err := tx.ExecContext(ctx, query, args...); err != nil {
				return err
			}
			continue
		}
		if err := forEach(ctx, tx, each, query, args...); err != nil {
			return err
		}
	}
	return nil
}

func (d *dialect) values(head, tail string, types []string, rows [][]any) (query string, args []any) {
	var b strings.Builder
	b.WriteString(head)
	for i, row := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		for j := range row {
			b.WriteByte("(,"[min(j, 1)])
			if types == nil {
				b.WriteString("$" + strconv.Itoa(len(args)+j+1))
			} else {
				b.WriteString(d.typed(len(args)+j+1, types[j]))
			}
		}
		b.WriteByte(')')
		args = append(args, row...)
	}
	b.WriteString(tail)
	return b.String(), args
}

// querier is a transaction or a database.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// forEach calls each for every row of a query.
func forEach(ctx context.Context, q querier, each func(*sql.Rows) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := ctx.Err(); err != nil {
			return err // the driver notices only some rows later
		}
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
