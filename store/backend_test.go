package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"activedefense/store/block"
)

// noon is a fixed moment of today: what lies near it gets a partition of its day.
func noon() time.Time {
	return time.Now().UTC().Truncate(oneDay).Add(12 * time.Hour)
}

// emptyDatabase is an empty database of one of the two kinds, with the options that open it.
type emptyDatabase struct {
	Options
	t testing.TB
}

// onBoth runs a test on a fresh database of each kind.
func onBoth(t *testing.T, test func(t *testing.T, db emptyDatabase)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newSQLite(t)) })
	t.Run("postgresql", func(t *testing.T) {
		if base := postgresURL(t); base != "" {
			test(t, newPostgres(t, base))
		}
	})
}

// onAll runs a test on a fresh database of each kind, and on PostgreSQL once more with records in blocks.
func onAll(t *testing.T, test func(t *testing.T, db emptyDatabase)) {
	onBoth(t, test)
	t.Run("postgresql, blocks", func(t *testing.T) {
		if base := postgresURL(t); base != "" {
			test(t, newPostgresBlocks(t, base))
		}
	})
}

// onBlocks runs a test on a fresh database of each kind, with records in blocks.
func onBlocks(t *testing.T, test func(t *testing.T, db emptyDatabase)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newSQLite(t)) })
	t.Run("postgresql", func(t *testing.T) {
		if base := postgresURL(t); base != "" {
			test(t, newPostgresBlocks(t, base))
		}
	})
}

// newPostgresBlocks is newPostgres with records in blocks.
func newPostgresBlocks(t testing.TB, base string) emptyDatabase {
	db := newPostgres(t, base)
	db.Path, db.Blocks = filepath.Join(t.TempDir(), "state", "store.db"), true
	return db
}

// postgresURL is where PostgreSQL tests run; empty, after a note, if there is none.
func postgresURL(t testing.TB) string {
	base := os.Getenv("TEST_POSTGRES_URL")
	if base == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("TEST_POSTGRES_URL is not set")
		}
		t.Skip("TEST_POSTGRES_URL is not set")
	}
	return base
}

func newSQLite(t testing.TB) emptyDatabase {
	return emptyDatabase{Options{Path: filepath.Join(t.TempDir(), "state", "store.db")}, t}
}

// newPostgres makes a schema of its own, which goes away with the test.
func newPostgres(t testing.TB, base string) emptyDatabase {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, base)
	if err != nil {
		t.Fatal(err)
	}
	schema := "adtest_" + rand.Text()
	quoted := pgx.Identifier{schema}.Sanitize()
	if _, err := conn.Exec(ctx, "CREATE SCHEMA "+quoted); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := conn.Exec(ctx, "DROP SCHEMA "+quoted+" CASCADE"); err != nil {
			t.Error(err)
		}
		if err := conn.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", quoted)
	u.RawQuery = q.Encode()
	return emptyDatabase{Options{URL: u.String()}, t}
}

// open opens the database as the given instance, until the end of the test.
func (db emptyDatabase) open(instance string) *Store {
	db.t.Helper()
	o := db.Options
	o.Instance = instance
	s, err := Open(context.Background(), o)
	if err != nil {
		db.t.Fatal(err)
	}
	db.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			db.t.Error(err)
		}
	})
	return s
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// prefix reads an address or a network.
func prefix(s string) netip.Prefix {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen())
	}
	return netip.MustParsePrefix(s)
}

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func commit(t testing.TB, s *Store, b *Batch) CommitResult {
	t.Helper()
	result, err := s.Commit(context.Background(), b)
	must(t, err)
	return result
}

// allRecords gives the records that match, newest first.
func allRecords(t testing.TB, s *Store, f RecordFilter) (list []Record) {
	t.Helper()
	must(t, s.Records(context.Background(), f, func(r *Record) error {
		list = append(list, *r)
		return nil
	}))
	return list
}

func allEntries(t testing.TB, s *Store, f EntryFilter) (list []Entry) {
	t.Helper()
	must(t, s.Entries(context.Background(), f, func(e *Entry) error {
		list = append(list, *e)
		return nil
	}))
	return list
}

func changes(t testing.TB, s *Store, since int64) (list []Entry, version int64) {
	t.Helper()
	version, err := s.Changes(context.Background(), since, func(e *Entry) error {
		list = append(list, *e)
		return nil
	})
	must(t, err)
	return list, version
}

func count(t testing.TB, s *Store) int64 {
	t.Helper()
	var n int64
	must(t, s.readers.QueryRowContext(context.Background(), `SELECT (SELECT count(*) FROM records) + (SELECT coalesce(sum(records), 0) FROM blocks)`).Scan(&n))
	return n
}

// insertRows has SQLite keep records as an earlier version did, of agent 1, with their ids.
func insertRows(t testing.TB, s *Store, records []Record) {
	t.Helper()
	tx, err := s.writer.BeginTx(t.Context(), nil)
	must(t, err)
	defer tx.Rollback() // does nothing after a commit
	insertRowsIn(t, tx, records)
	if len(records) > 0 {
		_, err = tx.Exec(`UPDATE counters SET value = max(value, $1) WHERE name = 'records'`, records[len(records)-1].ID)
		must(t, err)
	}
	must(t, tx.Commit())
}

func insertRowsIn(t testing.TB, tx *sql.Tx, records []Record) {
	t.Helper()
	insert, err := tx.Prepare("INSERT INTO records (" + sqliteColumns + ") VALUES (?" + strings.Repeat(",?", strings.Count(sqliteColumns, ",")) + ")")
	must(t, err)
	for i := range records {
		var r storedForm
		r.take(&records[i])
		args := []any{r.ID, r.Time.UnixMicro(), 1, r.Src.AsSlice(), r.Dst.AsSlice(), r.SrcPort, r.DstPort, r.Repeat, r.File, r.Offset, r.Protocol, r.Outcome, r.Grade}
		for _, text := range r.Texts() {
			args = append(args, *text)
		}
		_, err := insert.Exec(args...)
		must(t, err)
	}
}

// toRows turns the blocks that are there into rows with the same ids, one in a transaction, as if something had moved them; the last first if down, until n have moved.
func toRows(t testing.TB, s *Store, n int, down bool) {
	t.Helper()
	d, err := block.NewDecoder()
	must(t, err)
	defer d.Close()
	order := map[bool]string{true: "DESC", false: "ASC"}[down]
	for range n {
		tx, err := s.writer.BeginTx(t.Context(), nil)
		must(t, err)
		defer tx.Rollback() // does nothing after a commit
		var id int64
		var data []byte
		err = tx.QueryRow(`DELETE FROM blocks WHERE first_id = (SELECT first_id FROM blocks ORDER BY first_id `+order+` LIMIT 1) RETURNING first_id, data`).Scan(&id, &data)
		if errors.Is(err, sql.ErrNoRows) {
			return
		}
		must(t, err)
		var c block.Columns
		must(t, d.Decode(data, id, 1, &c))
		records := make([]Record, c.Len())
		for i := range records {
			c.Record(i, &records[i])
		}
		insertRowsIn(t, tx, records)
		must(t, tx.Commit())
	}
}

// equal compares by what %+v shows, which for times, addresses and texts is all there is.
func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

// prefixes lists the addresses of entries, sorted.
func prefixes(entries []Entry) (list []netip.Prefix) {
	for _, e := range entries {
		list = append(list, e.Address)
	}
	slices.SortFunc(list, comparePrefix)
	return list
}

// line is a record of a scan at the given time, from a source.
func line(at time.Time, src string) Record {
	return Record{Time: at, Device: "LAB-FW-01", Src: addr(src), Dst: addr("192.0.2.10"), SrcPort: 40000, DstPort: 443,
		SrcUser: `lab\anna`, SrcCountry: "DE", DstCountry: "US", Action: "deny", Rule: "outside-in", RuleID: "r-1",
		ThreatName: "", ThreatID: "", Severity: "", Subtype: "drop", Type: "TRAFFIC", Repeat: 1, File: 7, Offset: 4200}
}
