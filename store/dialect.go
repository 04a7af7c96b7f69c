package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"activedefense/store/block"
)

const (
	kindSQLite   = "sqlite"
	kindPostgres = "postgresql"
)

// dialect is what the two databases say differently in otherwise equal statements. Both understand
// numbered placeholders ($1), RETURNING, ON CONFLICT and VALUES as a table.
type dialect struct {
	kind        string
	snapshot    sql.IsolationLevel // of a transaction that sees one state
	lastRecord  string             // expression: the highest record id given so far, committed or not
	nextRecords string             // query: gives out $1 record ids, which follow one another, and tells the last
	lowestRow   string             // query: the lowest id among the rows of records, or where rows stay for good 1; NULL: there are none
	quietEnd    string             // expression: when an entry that has quiet_for ends if no activity follows
	day         string             // expression: a day, as added to a time
	tableThere  string             // query: how many tables are called $1
	anyTable    string             // query: the name of some table, if there is any
	lock        string             // statement that makes a migration wait for others; empty: not needed
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

// maxArgs bounds the arguments of one statement. SQLite looks named placeholders up one after the other,
// so that thousands would take quadratic time.
const maxArgs = 600

// mostRows bounds the rows of one statement on PostgreSQL, and with them the memory that it takes on both sides.
const mostRows = 10_000

// forRows runs a statement with a list of rows as a table: the statement is head, the table, tail, and the columns are called
// column1 and so on. No row may depend on what the statement does with another. types are those of the columns in PostgreSQL.
// each is called for every row that the statement gives; nil if there is none.
//
// PostgreSQL gets all rows at once, each column as an array: one round trip, and one text of the statement to prepare however many there
// are. SQLite prepares the statement for one row: with several, to find the arguments takes longer than to run it again.
func (d *dialect) forRows(ctx context.Context, tx *sql.Tx, head, tail string, types []string, rows [][]any, each func(*sql.Rows) error) error {
	if len(rows) == 0 {
		return nil
	}
	if d.kind == kindSQLite {
		return rowByRow(ctx, tx, head+valuesOf(len(types))+tail, rows, each)
	}
	query := head + arraysOf(types) + tail
	for part := range slices.Chunk(rows, mostRows) {
		if err := run(ctx, tx, query, columns(part), each); err != nil {
			return err
		}
	}
	return nil
}

// rowByRow runs a statement for each row.
func rowByRow(ctx context.Context, tx *sql.Tx, query string, rows [][]any, each func(*sql.Rows) error) error {
	if len(rows) == 1 {
		return run(ctx, tx, query, rows[0], each)
	}
	statement, err := tx.PrepareContext(ctx, query)
	if err != nil {
		return err
	}
	defer statement.Close() // with the transaction at the latest
	// A context that can end costs a goroutine a statement in the driver.
	running := context.WithoutCancel(ctx)
	for i, row := range rows {
		if i%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := run(running, prepared{statement}, query, row, each); err != nil {
			return err
		}
	}
	return nil
}

// valuesOf is a table of one row of so many placeholders.
func valuesOf(columns int) string {
	var b strings.Builder
	for i := range columns {
		b.WriteString([]string{"VALUES ($", ", $"}[min(i, 1)] + strconv.Itoa(i+1))
	}
	return b.String() + ")"
}

// arraysOf is a table whose columns are arrays. What the driver has as text is made what it is by the server.
func arraysOf(types []string) string {
	var arrays, names []string
	for i, typ := range types {
		array := "$" + strconv.Itoa(i+1) + "::" + typ + "[]"
		if typ == "cidr" {
			array = "$" + strconv.Itoa(i+1) + "::text[]::cidr[]"
		}
		arrays, names = append(arrays, array), append(names, "column"+strconv.Itoa(i+1))
	}
	return "SELECT * FROM unnest(" + strings.Join(arrays, ", ") + ") AS rows (" + strings.Join(names, ", ") + ")"
}

// columns turns rows into one list for each column.
func columns(rows [][]any) []any {
	list := make([]any, len(rows[0]))
	for i := range list {
		column := make([]any, len(rows))
		for j, row := range rows {
			column[j] = row[i]
		}
		list[i] = column
	}
	return list
}

// querier is a transaction, a database or a prepared statement.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// runner is a querier that runs statements without a result, too.
type runner interface {
	querier
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// prepared is a statement whose text is known.
type prepared struct{ *sql.Stmt }

func (p prepared) QueryContext(ctx context.Context, _ string, args ...any) (*sql.Rows, error) {
	return p.Stmt.QueryContext(ctx, args...)
}

func (p prepared) ExecContext(ctx context.Context, _ string, args ...any) (sql.Result, error) {
	return p.Stmt.ExecContext(ctx, args...)
}

// run calls each for every row that a statement gives; nil if it gives none.
func run(ctx context.Context, on runner, query string, args []any, each func(*sql.Rows) error) error {
	if each != nil {
		return forEach(ctx, on, each, query, args...)
	}
	_, err := on.ExecContext(ctx, query, args...)
	return err
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

// clean makes a text storable in both databases.
func clean(s string) string { return block.Clean(s) }

// clamp gives t in UTC, moved into the years 1 to 9999. (Both databases drop what is below microseconds.)
func clamp(t time.Time) time.Time { return block.Clamp(t) }

// canonicalAddr drops a zone and writes an IPv4 address that was mapped into IPv6 as IPv4.
func canonicalAddr(a netip.Addr) netip.Addr { return block.Address(a) }

// canonical gives the one form in which a network or address is stored.
func canonical(p netip.Prefix) (netip.Prefix, error) {
	if !p.IsValid() {
		return p, fmt.Errorf("%q is neither an address nor a network", p)
	}
	a, bits := p.Addr(), p.Bits()
	if a.Is4In6() {
		if bits < 96 {
			return netip.PrefixFrom(a.WithZone(""), bits).Masked(), nil
		}
		bits -= 96
	}
	return netip.PrefixFrom(canonicalAddr(a), bits).Masked(), nil
}

// lastAddr is the highest address of a network.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b) // 4 or 16 bytes, as they came
	return a
}

// comparePrefix orders by address, then the wider network first.
func comparePrefix(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}

// intoTime scans a time of either database; NULL is the zero time.
type intoTime struct{ to *time.Time }

// Scan implements sql.Scanner.
func (s intoTime) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*s.to = time.Time{}
	case int64:
		*s.to = time.UnixMicro(v).UTC()
	case time.Time:
		*s.to = v.UTC()
	default:
		return fmt.Errorf("a time was stored as %T", v)
	}
	return nil
}

// intoPrefix scans an address or network of either database.
type intoPrefix struct{ to *netip.Prefix }

// Scan implements sql.Scanner.
func (s intoPrefix) Scan(v any) (err error) {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("an address was stored as %T", v)
	}
	*s.to, err = netip.ParsePrefix(text)
	return err
}

// intoMicroseconds scans a number of microseconds.
type intoMicroseconds struct{ to *time.Duration }

// Scan implements sql.Scanner.
func (s intoMicroseconds) Scan(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a duration was stored as %T", v)
	}
	*s.to = time.Duration(n) * time.Microsecond
	return nil
}
