package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
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

// bareColumns are the columns of a record in the store's tables for rows.
const bareColumns = "id, time, agent, device, src, dst, src_port, dst_port, src_user, src_country, dst_country, action, rule, rule_id, " +
	"threat_name, threat_id, severity, subtype, type, direction, repeat, file, file_offset"

// bareRows gives a tenth of the lines as rows of bareColumns; native: in the types that pgx writes in binary.
func (b *bench) bareRows(native bool) ([][]any, error) {
	f, err := os.Open(b.some)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	parser := panos.New(panos.Options{Location: time.UTC})
	in, rows, read := newLines(f, 0), make([][]any, 0, b.lines/10), time.Now()
	for range b.lines / 10 {
		line, err := in.next()
		if err != nil {
			return nil, err
		}
		var ev detect.Event
		if err := parser.Parse(line, read, &ev); err != nil {
			return nil, err
		}
		var at, src, dst any = ev.Time, ev.Src, ev.Dst
		if !native {
			at, src, dst = ev.Time.UnixMicro(), ev.Src.AsSlice(), ev.Dst.AsSlice()
		}
		rows = append(rows, []any{int64(len(rows) + 1), at, int16(1), ev.Device, src, dst, int32(ev.SrcPort), int32(ev.DstPort), ev.SrcUser, ev.SrcCountry, ev.DstCountry,
			ev.Action, ev.Rule, ev.RuleID, ev.ThreatName, ev.ThreatID, ev.Severity, ev.Subtype, ev.Type.String(), "", int64(1), int64(1), in.at})
	}
	return rows, nil
}

// bareBatch is how many rows a transaction has.
const bareBatch = 5000

// bareSQLite measures the driver alone: a prepared INSERT of the same records into a table with the indexes by time and source that searches
// need.
func (b *bench) bareSQLite(ctx context.Context) error {
	rows, err := b.bareRows(false)
	if err != nil {
		return err
	}
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
	began := time.Now()
	for some := range slices.Chunk(rows, bareBatch) {
		if err := insert(ctx, db, some); err != nil {
			return err
		}
	}
	b.note("bare SQLite", float64(len(rows))/time.Since(began).Seconds())
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

// postgresql has the daemon keep the lines in databases of its own, in rows and in blocks, and in turn COPY write a tenth of such rows into its table.
func (b *bench) postgresql(ctx context.Context) error {
	if b.postgres == "" {
		b.reasons["postgres"] = "no --postgres"
		return nil
	}
	rows, err := b.bareRows(true)
	if err != nil {
		return err
	}
	return b.rounds("rounds of PostgreSQL", b.runs, postgresUntil, func(i int) error {
		name := "activedefense_bench_" + strconv.Itoa(os.Getpid()) + "_" + strconv.Itoa(i)
		err := b.inDatabase(ctx, name, func(url string) error {
			if err := b.caughtUp(ctx, fmt.Sprintf("url: %q", url), "postgres"); err != nil {
				return err
			}
			return b.copyRows(ctx, url, rows)
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

// copyRows writes rows into the table of a database that the daemon has made.
func (b *bench) copyRows(ctx context.Context, url string, rows [][]any) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "TRUNCATE records"); err != nil { // its partitions, for these days, stay
		return err
	}
	began := time.Now()
	for some := range slices.Chunk(rows, bareBatch) {
		if _, err := conn.CopyFrom(ctx, pgx.Identifier{"records"}, strings.Split(bareColumns, ", "), pgx.CopyFromRows(some)); err != nil {
			return err
		}
	}
	b.note("bare COPY", float64(len(rows))/time.Since(began).Seconds())
	return nil
}
