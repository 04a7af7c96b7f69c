package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"

	"activedefense/detect"
	"activedefense/detect/panos"
)

// lines are those of a file that begin at an offset or behind it.
type lines struct {
	in *bufio.Reader
	at int64 // of the next one
}

func newLines(f io.ReaderAt, from int64) *lines {
	l := &lines{in: bufio.NewReaderSize(io.NewSectionReader(f, max(from-1, 0), math.MaxInt64-from), 1<<18), at: max(from-1, 0)}
	if from > 0 {
		_, _ = l.next() // the end of the line before; that there is none, the next call tells
	}
	return l
}

// next gives a line without its end, valid until the next call.
func (l *lines) next() ([]byte, error) {
	line, err := l.in.ReadSlice('\n')
	l.at += int64(len(line))
	return line[:max(len(line)-1, 0)], err
}

// bareColumns are all columns of the store's table for rows.
const bareColumns = "id, time, agent, device, src, dst, src_port, dst_port, src_user, src_country, dst_country, action, rule, rule_id, " +
	"threat_name, threat_id, severity, subtype, type, direction, repeat, file, file_offset, " +
	"protocol, outcome, grade, application, from_zone, to_zone, session_end_reason, category, client"

// bareRows are lines as rows of bareColumns, as the daemon keeps them that reads the file alone.
type bareRows struct {
	in     *lines
	parser *panos.Parser
	read   time.Time
	given  int64
	native bool // in the types that pgx writes in binary
}

func newBareRows(f io.ReaderAt, native bool) *bareRows {
	return &bareRows{in: newLines(f, 0), parser: panos.New(panos.Options{Location: time.UTC}), read: time.Now(), native: native}
}

// next gives the next n rows, or as many as there still are.
func (b *bareRows) next(n int) (rows [][]any, err error) {
	for range n {
		offset := b.in.at
		line, err := b.in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		var ev detect.Event
		if err := b.parser.Parse(line, b.read, &ev); err != nil {
			return nil, err
		}
		var at, src, dst any = ev.Time, ev.Src, ev.Dst
		if !b.native {
			at, src, dst = ev.Time.UnixMicro(), ev.Src.AsSlice(), ev.Dst.AsSlice()
		}
		b.given++
		const refused, forgeable = int16(1), int16(1) // as all lines are
		rows = append(rows, []any{b.given, at, int16(1), ev.Device, src, dst, int32(ev.SrcPort), int32(ev.DstPort), ev.SrcUser, ev.SrcCountry, ev.DstCountry,
			ev.Action, ev.Rule, ev.RuleID, ev.ThreatName, ev.ThreatID, ev.Severity, ev.Subtype, ev.Type.String(), ev.Direction.String(), int64(max(ev.Repeat, 1)), int64(1), offset,
			int16(0), refused, forgeable, ev.Application, ev.SrcZone, ev.DstZone, ev.EndReason, ev.Category, ""})
	}
	return rows, nil
}

// bare has write store a file's rows, a transaction's at once, and gives how many it stored a second. The clock runs while it does.
func bare(file string, native bool, write func(rows [][]any) error) (perSecond float64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	source, took := newBareRows(f, native), time.Duration(0)
	for {
		rows, err := source.next(bareBatch)
		if err != nil || len(rows) == 0 {
			return float64(source.given) / took.Seconds(), err
		}
		began := time.Now()
		if err := write(rows); err != nil {
			return 0, err
		}
		took += time.Since(began)
	}
}

// bareBatch is how many rows a transaction has.
const bareBatch = 5000

// bareSQLite measures the driver alone: a prepared INSERT of a tenth of the same records into a table with the indexes by time and source that searches
// need.
func (b *bench) bareSQLite(ctx context.Context) error {
	dir, err := os.MkdirTemp(b.dir, "bare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "bare.db")+"?_pragma=journal_mode(wal)&_pragma=synchronous(normal)")
	if err != nil {
		return err
	}
	defer db.Close()
	for _, statement := range []string{"CREATE TABLE records (" + strings.Replace(bareColumns, "id,", "id INTEGER PRIMARY KEY,", 1) + ")",
		"CREATE INDEX records_time ON records (time)", "CREATE INDEX records_src ON records (src)"} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	perSecond, err := bare(b.some, false, func(rows [][]any) error { return insert(ctx, db, rows) })
	if err != nil {
		return err
	}
	b.note("bare SQLite", perSecond)
	return nil
}

// insert writes some rows in one transaction.
func insert(ctx context.Context, db *sql.DB, rows [][]any) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	statement, err := tx.PrepareContext(ctx, "INSERT INTO records ("+bareColumns+") VALUES (?"+strings.Repeat(", ?", strings.Count(bareColumns, ","))+")")
	if err != nil {
		return err
	}
	defer statement.Close()
	for _, row := range rows {
		if _, err := statement.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// postgresql has the daemon keep the lines in databases of its own, in rows and in blocks, and in turn COPY write the same rows into its table.
func (b *bench) postgresql(ctx context.Context) error {
	if b.postgres == "" {
		b.reasons["postgres"] = "no --postgres"
		return nil
	}
	return b.rounds("rounds of PostgreSQL", b.runs, postgresUntil, func(i int) error {
		name := "activedefense_bench_" + strconv.Itoa(os.Getpid()) + "_" + strconv.Itoa(i)
		err := b.inDatabase(ctx, name, func(url string) error {
			if err := b.caughtUp(ctx, fmt.Sprintf("url: %q", url), "postgres"); err != nil {
				return err
			}
			return b.copyRows(ctx, url)
		})
		if err != nil {
			return err
		}
		return b.inDatabase(ctx, name+"_blocks", func(url string) error {
			return b.caughtUp(ctx, fmt.Sprintf("url: %q, records: blocks", url), "postgres blocks")
		})
	})
}

// caughtUp is catchUp of which nothing is left.
func (b *bench) caughtUp(ctx context.Context, store, what string) error {
	h, err := b.catchUp(ctx, store, b.file, b.lines, what)
	if err != nil {
		return err
	}
	return os.RemoveAll(h.dir)
}

// inDatabase makes a database of that name, which is dropped when do has ended.
func (b *bench) inDatabase(ctx context.Context, name string, do func(url string) error) (err error) {
	u, err := url.Parse(b.postgres)
	if err != nil {
		return fmt.Errorf("--postgres: %w", err)
	}
	base, err := pgx.Connect(ctx, b.postgres)
	if err != nil {
		return err
	}
	defer base.Close(ctx)
	if _, err := base.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return err
	}
	defer func() {
		if _, dropped := base.Exec(context.WithoutCancel(ctx), "DROP DATABASE "+name+" WITH (FORCE)"); err == nil {
			err = dropped
		}
	}()
	u.Path = "/" + name
	return do(u.String())
}

// copyRows writes the rows that the daemon has written into its table once more. That they are the same it makes sure of.
func (b *bench) copyRows(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	daemons, has, err := someRows(ctx, conn)
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "TRUNCATE records"); err != nil { // its partitions, for these days, stay
		return err
	}
	columns := strings.Split(bareColumns, ", ")
	if len(columns) != has {
		return fmt.Errorf("COPY is compared with other rows than it writes: of %d columns it knows %d", has, len(columns))
	}
	perSecond, err := bare(b.file, true, func(rows [][]any) error {
		_, err := conn.CopyFrom(ctx, pgx.Identifier{"records"}, columns, pgx.CopyFromRows(rows))
		return err
	})
	if err != nil {
		return err
	}
	if copied, _, err := someRows(ctx, conn); err != nil || copied != daemons {
		return errors.Join(err, fmt.Errorf("COPY is compared with other rows than it writes: the daemon's are %s, and its %s", daemons, copied))
	}
	b.note("bare COPY", perSecond)
	return nil
}

// someRows tells of the table of records how many rows it has, with what stands in the first ones, and how many columns.
func someRows(ctx context.Context, conn *pgx.Conn) (text string, columns int, err error) {
	err = conn.QueryRow(ctx, `SELECT concat_ws(' ', (SELECT count(*) FROM records), 'rows:', (SELECT string_agg(r::text, ' ' ORDER BY id) FROM (SELECT * FROM records ORDER BY id LIMIT 3) AS r)),
		(SELECT count(*) FROM pg_attribute WHERE attrelid = 'records'::regclass AND attnum > 0 AND NOT attisdropped)`).Scan(&text, &columns)
	return text, columns, err
}
