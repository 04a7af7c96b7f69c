// Package django reads what the Django application "Active Defense Syslog", which this program replaces, has in its PostgreSQL database: whom it
// blacklisted, and its settings as a configuration.
//
// The tables are those of its application Syslog: Django calls a table by the application and the model, the latter in lower case
// ("Syslog_blacklist"), and its columns as the model's fields are called (Django documentation, "Table names"; Syslog/models.py of the
// application). Letters of either case will do here. Nothing is written to that database, and nothing is known of ours.
package django

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrOther: the database is not the application's.
var ErrOther = errors.New("this is not the database of Active Defense Syslog")

// connectTimeout bounds a connection.
const connectTimeout = 10 * time.Second

// A Source is the application's database, as it is at one moment. It is for one goroutine.
type Source struct {
	conn *pgx.Conn
	tx   pgx.Tx
}

// Open connects to the database of a URL (postgres://...). No error text holds the URL, which may have a password in it.
func Open(ctx context.Context, url string) (*Source, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the URL of the application's database cannot be read: expected postgres://user:password@host:port/name, with special characters of the password written as %XX")
	}
	config.ConnectTimeout = connectTimeout
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to the application's database: %w", err)
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	return &Source{conn, tx}, nil
}

// Close ends the connection.
func (s *Source) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	return s.conn.Close(ctx)
}

// statement writes a statement about a table of the application, in which $T stands for the table, and $1 and so on for these columns of it.
func (s *Source) statement(ctx context.Context, text, table string, columns ...string) (string, error) {
	type column struct{ Schema, Table, Name string }
	rows, err := s.tx.Query(ctx, `SELECT table_schema::text, table_name::text, column_name::text FROM information_schema.columns
		WHERE lower(table_name) = lower($1) AND table_schema = ANY (current_schemas(false)) ORDER BY array_position(current_schemas(false), table_schema::name), table_name, ordinal_position`, table)
	if err != nil {
		return "", err
	}
	there, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	if err != nil {
		return "", err
	}
	if len(there) == 0 {
		return "", fmt.Errorf("%w: it has no table %q that this user may read, as the application makes it (python3 manage.py migrate); name its database, which is called activedefense by default, and its user", ErrOther, table)
	}
	named := make(map[string]string)
	var names []string
	for _, c := range there {
		if c.Schema == there[0].Schema && c.Table == there[0].Table {
			named[strings.ToLower(c.Name)] = c.Name
			names = append(names, c.Name)
		}
	}
	replace := []string{"$T", pgx.Identifier{there[0].Schema, there[0].Table}.Sanitize()}
	for i, c := range columns {
		name, is := named[strings.ToLower(c)]
		if !is {
			return "", fmt.Errorf("%w: its table %q has no column %q; it has %s", ErrOther, table, c, strings.Join(names, ", "))
		}
		replace = append(replace, fmt.Sprint("$", i+1), pgx.Identifier{name}.Sanitize())
	}
	return strings.NewReplacer(replace...).Replace(text), nil
}

// Table is what the table of the blacklist is called.
const Table = "Syslog_blacklist"

// Counts says how many rows the application's blacklist has, and how many different addresses.
type Counts struct{ Rows, Addresses int64 }

// Count counts them.
func (s *Source) Count(ctx context.Context) (c Counts, err error) {
	query, err := s.statement(ctx, `SELECT count(*), count(DISTINCT btrim($1)) FROM $T`, Table, "IP")
	if err == nil {
		err = s.tx.QueryRow(ctx, query).Scan(&c.Rows, &c.Addresses)
	}
	return c, err
}

// An Entry is a row of the application's blacklist.
type Entry struct {
	ID       int64
	Address  string    // an address or a network, as it stands there
	Alert    string    // the application's words for why
	LastSeen time.Time // zero: it is NULL or infinite there
}

// Err says why it cannot be taken over: nobody knows how long it has been quiet. What else is missing, such as the address (NULL is ""), is for who takes it.
func (e *Entry) Err() error {
	if e.LastSeen.IsZero() {
		return fmt.Errorf("%s: its LastSeen is NULL or infinite, and a time is expected: set it there, or block it with blacklist add", cmp.Or(e.Address, "without an IP"))
	}
	return nil
}

// Blacklist calls each for the newest row of each address, in the order of the addresses. One whose LastSeen is no time is the oldest, and each row
// without an address stands for itself.
func (s *Source) Blacklist(ctx context.Context, each func(Entry) error) error {
	query, err := s.statement(ctx, `SELECT DISTINCT ON (btrim($2), CASE WHEN $2 IS NULL THEN $1 END) $1::bigint, coalesce(btrim($2), ''), coalesce($3, ''), CASE WHEN isfinite($4::timestamptz) THEN $4::timestamptz END
		FROM $T ORDER BY btrim($2), CASE WHEN $2 IS NULL THEN $1 END, isfinite($4::timestamptz) IS TRUE DESC, $4 DESC, $1 DESC`, Table, "id", "IP", "Alert", "LastSeen")
	if err != nil {
		return err
	}
	rows, err := s.tx.Query(ctx, query)
	if err != nil {
		return err
	}
	var e Entry
	var seen *time.Time
	_, err = pgx.ForEachRow(rows, []any{&e.ID, &e.Address, &e.Alert, &seen}, func() error {
		if e.LastSeen = (time.Time{}); seen != nil {
			e.LastSeen = *seen
		}
		return each(e)
	})
	return err
}

// Rule is which rule of ours the application's words mean: port-scan for its defence case 1, host-sweep for 2, vulnerability for 3; manual, and ByPerson,
// is what somebody added, or what has other words.
func (e *Entry) Rule() string {
	switch alert := strings.ToLower(e.Alert); {
	case strings.HasPrefix(alert, "port scan attack v2"):
		return "host-sweep"
	case strings.HasPrefix(alert, "port scan attack"):
		return "port-scan"
	case strings.HasPrefix(alert, "vulnerability"):
		return "vulnerability"
	}
	return "manual"
}

// ByPerson tells whether somebody added it, and not the application.
func (e *Entry) ByPerson() bool { return e.Rule() == "manual" }

// Settings are the application's.
type Settings struct {
	Defense    map[string]int64 // by name
	Unset      []string         // those of them that are NULL
	Logfiles   []Logfile
	Mail       *Mail // nil: none is set
	Recipients []string
}

// Logfile is one that the application reads.
type Logfile struct{ Name, Path, Type string }

// Mail is its mail server. Its password stays where it is.
type Mail struct {
	Host, User string
	Port       int
	TLS        bool
}

// Settings reads them. What is NULL there is as if it were empty, or 0.
func (s *Source) Settings(ctx context.Context) (out Settings, err error) {
	out.Defense = make(map[string]int64)
	var name string
	var value *int64
	if err = s.each(ctx, `SELECT coalesce($1, ''), $2::bigint FROM $T ORDER BY $1`, "Syslog_defensesetting", []string{"name", "value"}, []any{&name, &value}, func() {
		if value == nil {
			out.Unset = append(out.Unset, name)
		} else {
			out.Defense[name] = *value
		}
	}); err != nil {
		return out, err
	}
	var l Logfile
	if err = s.each(ctx, `SELECT coalesce($1, ''), coalesce($2, ''), coalesce($3, '') FROM $T ORDER BY $4`, "Syslog_logfile", []string{"name", "path", "type", "id"}, []any{&l.Name, &l.Path, &l.Type}, func() { out.Logfiles = append(out.Logfiles, l) }); err != nil {
		return out, err
	}
	var m Mail
	if err = s.each(ctx, `SELECT coalesce($1, ''), coalesce($2, 0), coalesce($3, false), coalesce($4, '') FROM $T ORDER BY $5 DESC`, "Syslog_emailsetting", []string{"EMAIL_HOST", "EMAIL_PORT", "EMAIL_USE_TLS", "EMAIL_HOST_USER", "id"},
		[]any{&m.Host, &m.Port, &m.TLS, &m.User}, func() { out.Mail = new(m) }); err != nil { // the application uses the first
		return out, err
	}
	var address string
	err = s.each(ctx, `SELECT DISTINCT coalesce($1, '') FROM $T ORDER BY 1`, "Syslog_recipient", []string{"Email"}, []any{&address}, func() { out.Recipients = append(out.Recipients, address) })
	return out, err
}

// each calls fn for the rows of a statement.
func (s *Source) each(ctx context.Context, text, table string, columns []string, to []any, fn func()) error {
	query, err := s.statement(ctx, text, table, columns...)
	if err != nil {
		return err
	}
	rows, err := s.tx.Query(ctx, query)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, to, func() error { fn(); return nil })
	return err
}
