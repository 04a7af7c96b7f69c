package transfer

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"

	"activedefense/store"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newSQLite names a database that is not there yet.
func newSQLite(t testing.TB) store.Options {
	return store.Options{Path: filepath.Join(t.TempDir(), "store.db")}
}

// newPostgres makes a schema of its own, which goes away with the test.
func newPostgres(t testing.TB) store.Options {
	base := os.Getenv("TEST_POSTGRES_URL")
	if base == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("TEST_POSTGRES_URL is not set")
		}
		t.Skip("TEST_POSTGRES_URL is not set")
	}
	schema := "adcopy_" + strings.ToLower(rand.Text())
	execute(t, store.Options{URL: base}, "CREATE SCHEMA "+schema)
	t.Cleanup(func() { execute(t, store.Options{URL: base}, "DROP SCHEMA "+schema+" CASCADE") })
	u, err := url.Parse(base)
	must(t, err)
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return store.Options{URL: u.String()}
}

// execute runs statements in a database, past the store.
func execute(t testing.TB, o store.Options, statements ...string) {
	t.Helper()
	if o.URL == "" {
		db, err := sql.Open("sqlite", o.Path)
		must(t, err)
		defer db.Close()
		for _, s := range statements {
			_, err := db.Exec(s)
			must(t, err)
		}
		return
	}
	conn, err := pgx.Connect(context.Background(), o.URL)
	must(t, err)
	defer conn.Close(context.Background())
	for _, s := range statements {
		_, err := conn.Exec(context.Background(), s)
		must(t, err)
	}
}

// open opens a database as an agent does.
func open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	st, err := store.Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { st.Close() })
	return st
}

// makeSource makes an SQLite database in which every table has rows, of records so many. A number, or the text with it, is that of its row,
// and every third of what may be NULL is.
func makeSource(t testing.TB, records int) store.Options {
	t.Helper()
	o := newSQLite(t)
	st, err := store.Open(t.Context(), o)
	must(t, err)
	must(t, st.Close())
	db, err := sql.Open("sqlite", o.Path)
	must(t, err)
	defer db.Close()
	tx, err := db.Begin()
	must(t, err)
	_, err = tx.Exec("DELETE FROM agents; DELETE FROM counters")
	must(t, err)
	for i := range tables {
		tb := &tables[i]
		rows := 40
		switch tb.name {
		case "records":
			rows = records
		case "paused":
			rows = 1
		case "counters":
			for i, name := range []string{"blacklist", "evidence", "guards", "notices", "record_files", "records"} {
				_, err := tx.Exec("INSERT INTO counters (name, value) VALUES ($1, $2)", name, 1_000_000+i)
				must(t, err)
			}
			continue
		}
		insert, err := tx.Prepare("INSERT INTO " + tb.name + " (" + tb.names() + ") VALUES (" + strings.TrimSuffix(strings.Repeat("?,", len(tb.columns)), ",") + ")")
		must(t, err)
		optional := nullable(t, tx, tb.name)
		for n := 1; n <= rows; n++ {
			var args []any
			for j, c := range tb.columns {
				args = append(args, sample(tb, c, n, j))
				if n%3 == 0 && optional[c.name] {
					args[j] = nil
				}
			}
			if _, err := insert.Exec(args...); err != nil {
				t.Fatal(tb.name, args, err)
			}
		}
	}
	must(t, tx.Commit())
	return o
}

// nullable tells which columns may be NULL.
func nullable(t testing.TB, tx *sql.Tx, name string) map[string]bool {
	t.Helper()
	rows, err := tx.Query(`SELECT name FROM pragma_table_info($1) WHERE "notnull" = 0 AND pk = 0`, name)
	must(t, err)
	defer rows.Close()
	list := make(map[string]bool)
	for rows.Next() {
		var name string
		must(t, rows.Scan(&name))
		list[name] = true
	}
	return list
}

// today is a day that has a partition; some records are of long ago, and have none.
var today = time.Now().UTC().Truncate(24 * time.Hour)

func sample(t *table, c column, n, place int) any {
	switch c.kind {
	case "int2":
		if t.name == "records" && c.name != "agent" {
			return n % 3
		}
		return 1 + (n-1)%40
	case "int4":
		return n
	case "int8":
		if c.name == "device" || c.name == "inode" {
			return -int64(n) // as uint64 beyond 2^63
		}
		return n
	case "bool":
		return n % 2
	case "timestamptz":
		if n%7 == 0 {
			return time.Date(1, 1, 1, 0, 0, n, 1000, time.UTC).UnixMicro()
		}
		return today.AddDate(0, 0, -n%3).UnixMicro() + int64(n)
	case "bytea":
		return []byte{0, 0xff, byte(n), byte(n >> 8)}
	case "inet":
		if n%5 == 0 {
			return []byte{0x20, 1, 0xd, 0xb8, 15: byte(n)}
		}
		return []byte{203, 0, byte(n >> 8), byte(n)}
	case "cidr":
		if n%5 == 0 {
			return fmt.Sprintf("2001:db8:%x::/64", n)
		}
		return fmt.Sprintf("203.0.113.%d/32", n)
	}
	return fmt.Sprintf("%s %d »\t'%d\x01", c.name, n, place)
}

// dump is everything in an SQLite database but what is made anew, read past the store.
func dump(t testing.TB, o store.Options) (lines []string) {
	t.Helper()
	db, err := sql.Open("sqlite", o.Path)
	must(t, err)
	defer db.Close()
	for i := range tables {
		rows, err := db.Query("SELECT * FROM " + tables[i].name)
		must(t, err)
		columns, err := rows.Columns()
		must(t, err)
		for rows.Next() {
			values, to := make([]any, len(columns)), make([]any, len(columns))
			for j := range values {
				to[j] = &values[j]
			}
			must(t, rows.Scan(to...))
			lines = append(lines, fmt.Sprintf("%s: %#v", tables[i].name, values))
		}
		must(t, rows.Close())
	}
	slices.Sort(lines)
	return lines
}

// What is copied is what the migrations make, but for what is made anew, and for records in another form: a table or a column that a
// migration adds is to be added here.
func TestTheTablesAreThoseOfTheMigrations(t *testing.T) {
	t.Parallel()
	lite, pg := newSQLite(t), newPostgres(t)
	for _, o := range []store.Options{lite, pg} {
		db, err := store.OpenBare(t.Context(), o)
		must(t, err)
		conn, tx, err := db.Begin(t.Context(), false)
		must(t, err)
		query := `SELECT m.name, i.name, '' FROM sqlite_master AS m, pragma_table_info(m.name) AS i WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'`
		if db.Kind() == postgresql {
			query = `SELECT table_name, column_name, udt_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name !~ '^records_(default|\d+)$'`
		}
		rows, err := tx.Query(query)
		must(t, err)
		there := make(map[string]string)
		for rows.Next() {
			var table, column, kind string
			must(t, rows.Scan(&table, &column, &kind))
			if !slices.Contains([]string{"identity", "schema_version", "blocks", "record_files"}, table) {
				there[table+"."+column] = kind
			}
		}
		must(t, errors.Join(rows.Err(), tx.Rollback(), conn.Close(), db.Close()))
		for i := range tables {
			for _, c := range tables[i].columns {
				name := tables[i].name + "." + c.name
				kind, is := there[name]
				if !is || kind != "" && kind != c.kind {
					t.Errorf("%s: %s is copied as %s, and is %q", db.Kind(), name, c.kind, kind)
				}
				delete(there, name)
			}
		}
		for name := range there {
			t.Errorf("%s: %s is not copied", db.Kind(), name)
		}
	}
}

func TestACopyThereAndBackIsEqual(t *testing.T) {
	t.Parallel()
	lite, pg, back := makeSource(t, 2_500), newPostgres(t), newSQLite(t)
	pg.KeepRecords = 10 * 24 * time.Hour
	var checked int
	there, err := Copy(t.Context(), lite, pg, Options{batch: 700, Told: func(p Progress) {
		if p.Checking && p.Done {
			checked++
		}
	}})
	must(t, err)
	again, err := Copy(t.Context(), pg, back, Options{})
	must(t, err)
	if !slices.Equal(there.Tables, again.Tables) || checked != len(tables) {
		t.Errorf("there %v, back %v; %d checked", there.Tables, again.Tables, checked)
	}
	if there.From.Identity == there.To.Identity || len(there.To.Identity) != 32 {
		t.Errorf("the copy of %s is %s", there.From.Identity, there.To.Identity)
	}
	want, got := dump(t, lite), dump(t, back)
	if !slices.Equal(want, got) {
		t.Errorf("%d rows came back of %d", len(got), len(want))
		for i := range want {
			if i >= len(got) || got[i] != want[i] {
				t.Fatalf("the first that differs: %s", want[i])
			}
		}
	}
	if _, err := Copy(t.Context(), lite, pg, Options{}); !errors.Is(err, ErrCopied) {
		t.Errorf("copied again: %v", err)
	}
	// What is given next is new in either.
	for _, o := range []store.Options{pg, back} {
		o.Instance = "name 7 »\t'1\x01"
		st := open(t, o)
		seq, err := st.LastSeq(t.Context())
		must(t, err)
		_, err = st.Commit(t.Context(), &store.Batch{Seq: seq + 1, After: seq, Records: []store.Record{{Time: today, Type: "TRAFFIC"}}})
		must(t, err)
		must(t, st.Records(t.Context(), store.RecordFilter{Conditions: store.Conditions{Since: today, Type: []string{"TRAFFIC"}}, Limit: 1}, func(r *store.Record) error {
			if r.ID != 1_000_006 {
				t.Errorf("%s: the next record has the id %d", st.Kind(), r.ID)
			}
			return nil
		}))
	}
	var partitions int
	conn, err := pgx.Connect(t.Context(), pg.URL)
	must(t, err)
	defer conn.Close(t.Context())
	must(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_inherits WHERE inhparent = 'records'::regclass`).Scan(&partitions))
	for i := range tables {
		var next int
		if !tables[i].numbered {
			continue
		}
		if err := conn.QueryRow(t.Context(), `SELECT nextval(pg_get_serial_sequence($1, 'id'))`, tables[i].name).Scan(&next); err != nil || next != 41 {
			t.Errorf("the next of %s is %d: %v", tables[i].name, next, err)
		}
	}
	if partitions != 6 { // three days of records, today among them, two ahead, and the one of the rest
		t.Errorf("%d partitions", partitions)
	}
}

// interrupted copies until this is told of a table.
func interrupted(t *testing.T, c copying) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := Copy(ctx, c.From, c.To, Options{batch: 1000, Told: func(p Progress) {
		if c.here(p) {
			cancel()
		}
	}})
	if err == nil || ctx.Err() == nil {
		t.Fatal("it was not interrupted:", err)
	}
}

// childCopies in the environment makes the test program a process that copies, and kills itself when this is told of a table.
const childCopies = "ACTIVEDEFENSE_TRANSFER_TEST_CHILD"

type copying struct {
	From, To store.Options
	Table    string
	Rows     int64
	Checking bool
}

// here tells whether that is told.
func (c *copying) here(p Progress) bool {
	return p.Table == c.Table && p.Rows >= c.Rows && p.Checking == c.Checking
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childCopies); text != "" {
		var c copying
		err := json.Unmarshal([]byte(text), &c)
		if err == nil {
			_, err = Copy(context.Background(), c.From, c.To, Options{batch: 1000, Told: func(p Progress) {
				if c.here(p) {
					syscall.Kill(os.Getpid(), syscall.SIGKILL)
				}
			}})
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// killed copies in a process of its own, which is killed.
func killed(t *testing.T, c copying) {
	t.Helper()
	text, err := json.Marshal(c)
	must(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childCopies+"="+string(text))
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("it was not killed: %v %s", err, out)
	}
}

// keptIn is what a copy that is not finished says of itself.
func keptIn(t *testing.T, o store.Options) (string, map[string]mark, bool, error) {
	t.Helper()
	db, err := store.OpenBare(t.Context(), o)
	must(t, err)
	defer db.Close()
	return kept(t.Context(), db)
}

// Wherever a copy ends, it goes on there, nobody takes it for whole meanwhile, and nothing is read twice but the last steps.
func TestACopyThatWasInterruptedGoesOn(t *testing.T) {
	t.Parallel()
	lite := makeSource(t, 2_500)
	want := dump(t, lite)
	pg, pgOf := newPostgres(t), newPostgres(t)
	_, err := Copy(t.Context(), lite, pgOf, Options{})
	must(t, err)
	for _, c := range []struct{ from, to store.Options }{{lite, pg}, {pgOf, newSQLite(t)}} {
		for i, at := range []copying{{Table: "agents"}, {Table: "blacklist"}, {Table: "records", Rows: 1_000}, {Table: "records", Rows: 2_000}} {
			if at.From, at.To = c.from, c.to; i%2 == 1 {
				killed(t, at)
			} else {
				interrupted(t, at)
			}
			if st, err := store.Open(t.Context(), c.to); !errors.Is(err, store.ErrUnfinished) || store.Transient(err) {
				t.Fatalf("opened with %v, %v", st, err)
			}
		}
		resumed, first := 0, Progress{}
		told := func(p Progress) {
			if first.Table == "" {
				first = p
			}
		}
		goesOn := func(anew bool) {
			if resumed++; anew {
				t.Error("it begins anew")
			}
		}
		_, marks, _, err := keptIn(t, c.to)
		must(t, err)
		if m := marks["records"]; m.Rows != 2_000 || m.Whole {
			t.Errorf("it was interrupted at %+v", m)
		}
		_, err = Copy(t.Context(), c.from, c.to, Options{batch: 1000, Resumed: goesOn, Told: told})
		must(t, err)
		if resumed != 1 || first.Table != "records" || first.Rows != 2_500 {
			t.Errorf("resumed %d times, first with %+v", resumed, first)
		}
		back := c.to
		if back.URL != "" {
			back = newSQLite(t)
			_, err = Copy(t.Context(), c.to, back, Options{})
			must(t, err)
		}
		if !slices.Equal(dump(t, back), want) {
			t.Error("it is not equal")
		}
		open(t, c.to)
	}
}

// Records that stand in blocks are copied as rows are, also where a copy was interrupted among them, and are the same on the way back.
func TestBlocksAreCopied(t *testing.T) {
	t.Parallel()
	lite, pg, back := makeSource(t, 500), newPostgres(t), newSQLite(t)
	lite.Instance = "name 7 »\t'1\x01"
	all := func(o store.Options) (list []store.Record) {
		t.Helper()
		must(t, open(t, o).Records(t.Context(), store.RecordFilter{}, func(r *store.Record) error {
			list = append(list, *r)
			return nil
		}))
		return list
	}
	st := open(t, lite)
	seq, err := st.LastSeq(t.Context())
	must(t, err)
	for range 5 {
		b := &store.Batch{Seq: seq + 1, After: seq}
		for i := range 500 {
			r := store.Record{Time: today.Add(time.Duration(-i) * time.Second), Device: "LAB-FW-01", SrcUser: fmt.Sprint("user ", i), Category: fmt.Sprint("category ", i%7), Client: "192.0.2.1", Action: "deny", Protocol: store.UDP, Outcome: store.Refused,
				Repeat: 1<<32 - 1, SrcPort: 65535, File: int64(i % 3), Offset: int64(i)}
			if i%5 > 0 {
				r.Src, r.Dst = netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), netip.MustParseAddr("2001:db8::1")
			}
			b.Records = append(b.Records, r)
		}
		_, err = st.Commit(t.Context(), b)
		must(t, err)
		seq++
	}
	killed(t, copying{From: lite, To: pg, Table: "records", Rows: 2_000})
	if _, marks, _, err := keptIn(t, pg); err != nil || marks["records"].Rows != 2_000 || marks["records"].At.Part != inBlocks {
		t.Errorf("it was interrupted at %+v: %v", marks["records"], err)
	}
	there, err := Copy(t.Context(), lite, pg, Options{})
	must(t, err)
	again, err := Copy(t.Context(), pg, back, Options{})
	must(t, err)
	if n := there.Tables[len(there.Tables)-1].Rows; n != 3_000 || !slices.Equal(there.Tables, again.Tables) {
		t.Errorf("%d records; there %v, back %v", n, there.Tables, again.Tables)
	}
	if want, got := all(lite), all(back); len(want) != 3_000 || !slices.Equal(got, want) {
		t.Errorf("%d records came back of %d", len(got), len(want))
	}
	if _, err := Copy(t.Context(), pg, lite, Options{}); !errors.Is(err, ErrCopied) {
		t.Errorf("copied over its source: %v", err)
	}
}

// PostgreSQL may have records in rows, in files and in blocks at once: all are copied, and a copy that was interrupted among the last goes on there.
func TestPostgresBlocksAreCopied(t *testing.T) {
	t.Parallel()
	pg, lite := newPostgres(t), newSQLite(t)
	pg.Path = filepath.Join(t.TempDir(), "activedefense.db") // beside which the files are
	id := int64(0)
	keep := func(st *store.Store, n int) {
		b := &store.Batch{}
		for range n {
			id++
			b.Records = append(b.Records, store.Record{Time: today.Add(time.Duration(-id) * time.Second), SrcUser: fmt.Sprint("user ", id), Repeat: 1, Offset: id})
		}
		_, err := st.Commit(t.Context(), b)
		must(t, err)
	}
	st := open(t, pg)
	keep(st, 700)
	must(t, st.Close())
	pg.Blocks = true
	st = open(t, pg)
	keep(st, 800)
	for _, after := range []time.Duration{0, time.Minute} { // it is seen, and then nothing comes
		for more := true; more; {
			var err error
			more, err = st.Archive().Step(t.Context(), today.Add(after))
			must(t, err)
		}
	}
	keep(st, 900)
	must(t, st.Close())
	pg.Blocks = false
	killed(t, copying{From: pg, To: lite, Table: "records", Rows: 1_900})
	done, err := Copy(t.Context(), pg, lite, Options{})
	must(t, err)
	if n := done.Tables[len(done.Tables)-1].Rows; n != id {
		t.Errorf("%d records of %d", n, id)
	}
	must(t, open(t, lite).Records(t.Context(), store.RecordFilter{}, func(r *store.Record) error {
		if r.SrcUser != fmt.Sprint("user ", r.ID) || r.Offset != r.ID {
			t.Errorf("record %d is %+v", r.ID, r)
		}
		id--
		return nil
	}))
	if id != 0 {
		t.Errorf("%d records are missing", id)
	}
}

func TestWhatChangesMeanwhileIsTold(t *testing.T) {
	t.Parallel()
	change := "UPDATE counters SET value = value + 1 WHERE name = 'blacklist'"
	lite, pg := makeSource(t, 100), newPostgres(t)
	interrupted(t, copying{From: lite, To: pg, Table: "agents", Checking: true})
	execute(t, lite, change, "DELETE FROM records WHERE id < 50")
	var anew []bool
	_, err := Copy(t.Context(), lite, pg, Options{Resumed: func(is bool) { anew = append(anew, is) }, Told: func(p Progress) {
		if p.Table == "records" && p.Done && !p.Checking {
			execute(t, lite, change)
		}
	}})
	if !errors.Is(err, ErrChanged) || !slices.Equal(anew, []bool{true}) {
		t.Fatal(anew, err)
	}
	result, err := Copy(t.Context(), lite, pg, Options{})
	must(t, err)
	if last := result.Tables[len(result.Tables)-1]; last.Name != "records" || last.Rows != 51 {
		t.Errorf("%+v", last)
	}
}

func TestACopyThatIsNotEqualIsTold(t *testing.T) {
	t.Parallel()
	lite, pg := makeSource(t, 100), newPostgres(t)
	for _, tamper := range []string{"UPDATE records SET action = action || '.' WHERE id = 77", "DELETE FROM evidence WHERE entry = 3"} {
		_, err := Copy(t.Context(), lite, pg, Options{Told: func(p Progress) {
			if p.Table == "records" && p.Done && !p.Checking {
				execute(t, pg, tamper)
			}
		}})
		if !errors.Is(err, ErrDifferent) {
			t.Fatal(err)
		}
		if _, err := store.Open(t.Context(), pg); !errors.Is(err, store.ErrUnfinished) {
			t.Error(err)
		}
		execute(t, lite, "UPDATE counters SET value = value + 1 WHERE name = 'blacklist'") // the next one begins anew
	}
}

func TestWhereSomethingIsNothingIsCopiedTo(t *testing.T) {
	t.Parallel()
	lite := makeSource(t, 10)
	used, foreign, command := newPostgres(t), newPostgres(t), newPostgres(t)
	execute(t, foreign, `CREATE TABLE "Syslog_blacklist" (id int)`)
	used.Instance, command.Instance = "daemon", store.CommandLine
	_, err := open(t, used).Commit(t.Context(), &store.Batch{Seq: 1, Positions: []store.Position{{ID: 1, Path: "/var/log/a"}}})
	must(t, err)
	open(t, command) // has left nothing but its name
	for _, c := range []struct {
		to   store.Options
		want error
		says string
	}{{used, ErrInUse, "positions"}, {foreign, store.ErrForeign, "Syslog_blacklist"}, {command, nil, ""}} {
		_, err := Copy(t.Context(), lite, c.to, Options{})
		if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v instead of %v", err, c.want)
		}
	}
	// A copy that was used since is in use.
	_, err = open(t, command).Commit(t.Context(), &store.Batch{Seq: 1, Positions: []store.Position{{ID: 99, Path: "/var/log/b"}}})
	must(t, err)
	if _, err := Copy(t.Context(), lite, command, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("%v instead of %v", err, ErrInUse)
	}
	if list, err := open(t, used).Positions(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := Copy(t.Context(), lite, newSQLite(t), Options{}); err == nil {
		t.Error("from SQLite to SQLite")
	}
}
