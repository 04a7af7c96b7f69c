package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"activedefense/migrations"
)

func TestOpenAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		var group sync.WaitGroup
		stores := make([]*Store, 8)
		for i := range stores {
			group.Go(func() {
				o := db.Options
				o.Instance = fmt.Sprint("agent", i/2) // two processes each
				s, err := Open(context.Background(), o)
				if err != nil {
					t.Errorf("open %d: %v", i, err)
					return
				}
				stores[i] = s
			})
		}
		group.Wait()
		numbers := make(map[int64]int)
		for _, s := range stores {
			if s == nil {
				continue
			}
			numbers[s.agent]++
			commit(t, s, &Batch{Positions: []Position{{ID: 1}}})
			must(t, s.Close())
		}
		if len(numbers) != 4 {
			t.Errorf("four instances have the numbers %v", numbers)
		}
		s := db.open("")
		var applied int
		must(t, s.readers.QueryRowContext(context.Background(), `SELECT count(*) FROM schema_version`).Scan(&applied))
		list, err := knownMigrations("sqlite")
		must(t, err)
		equal(t, "migrations applied", applied, len(list))
	})
}

func TestNewerSchemaIsRefused(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		_, err := s.writer.ExecContext(context.Background(), `INSERT INTO schema_version (version, name, applied_at) VALUES (4711, 'future', '')`)
		must(t, err)
		list, err := knownMigrations("sqlite")
		must(t, err)
		_, err = Open(context.Background(), db.Options)
		if !errors.Is(err, ErrSchemaNewer) || Transient(err) || !strings.Contains(err.Error(), "4711") || !strings.HasSuffix(err.Error(), fmt.Sprint("number ", len(list))) {
			t.Errorf("a newer schema gives %v", err)
		}
	})
}

func TestMigrationsFollowOneAnother(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx := context.Background()
		known, err := knownMigrations("sqlite")
		must(t, err)
		n := len(known)
		good := migration{n + 1, "good", `CREATE TABLE extra (a integer)`}
		bad := migration{n + 2, "bad", `CREATE TABLE extra2 (a integer); INSERT INTO nowhere VALUES (1)`}
		err = s.migrateTo(ctx, append(known, good, bad))
		if err == nil || !strings.Contains(err.Error(), "bad") || Transient(err) {
			t.Errorf("a bad migration gives %v", err)
		}
		var version, extra, extra2 int
		must(t, s.readers.QueryRowContext(ctx, `SELECT max(version) FROM schema_version`).Scan(&version))
		must(t, s.readers.QueryRowContext(ctx, s.tableThere, "extra").Scan(&extra))
		must(t, s.readers.QueryRowContext(ctx, s.tableThere, "extra2").Scan(&extra2))
		equal(t, "version, tables", []int{version, extra, extra2}, []int{n + 1, 1, 0})
		must(t, s.migrateTo(ctx, append(known, good)))
	})
}

// A migration may take longer than any other transaction of ours.
func TestPostgresMigrationTakesItsTime(t *testing.T) {
	s := newPostgresOnly(t).open("one")
	known, err := knownMigrations("postgres")
	must(t, err)
	s.slowest = 100 * time.Millisecond
	must(t, s.migrateTo(context.Background(), append(known, migration{len(known) + 1, "slow", `SELECT pg_sleep(0.3)`})))
}

// Both databases have the same migrations, or their numbers would not mean the same.
func TestMigrationsArePaired(t *testing.T) {
	lite, err := knownMigrations("sqlite")
	must(t, err)
	post, err := knownMigrations("postgres")
	must(t, err)
	if len(lite) != len(post) || len(lite) == 0 {
		t.Fatalf("%d for SQLite, %d for PostgreSQL", len(lite), len(post))
	}
	for i := range lite {
		equal(t, "name", lite[i].name, post[i].name)
	}
	if _, err := migrations.Files.ReadDir("."); err != nil {
		t.Error(err)
	}
}

func TestSQLiteFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a dir?#%41&b=c", "ü store.db")
	db := emptyDatabase{Options{Path: path}, t}
	s := db.open("one")
	commit(t, s, &Batch{Records: []Record{line(noon(), "203.0.113.1")}})
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		must(t, err)
		equal(t, "mode of store.db"+suffix, info.Mode().Perm(), os.FileMode(0o600))
	}
	entries, err := os.ReadDir(filepath.Dir(filepath.Dir(path)))
	must(t, err)
	equal(t, "folders made", len(entries), 1)
	var mode string
	var synchronous int
	must(t, s.writer.QueryRowContext(context.Background(), `PRAGMA journal_mode`).Scan(&mode))
	must(t, s.writer.QueryRowContext(context.Background(), `PRAGMA synchronous`).Scan(&synchronous))
	equal(t, "mode, synchronous", fmt.Sprint(mode, synchronous), "wal1")
}

func TestDamagedSQLiteFile(t *testing.T) {
	t.Run("not a database", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "store.db")
		must(t, os.WriteFile(path, []byte(strings.Repeat("this is no database\n", 1000)), 0o600))
		_, err := Open(context.Background(), Options{Path: path})
		expectDamage(t, err, path)
	})
	t.Run("pages overwritten", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "store.db")
		s, err := Open(context.Background(), Options{Path: path})
		must(t, err)
		for range 20 {
			commit(t, s, &Batch{Records: someRecords(1000, noon())})
		}
		must(t, s.Close())
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		must(t, err)
		info, err := f.Stat()
		must(t, err)
		const schemaPages = 75 * 4096
		_, err = f.WriteAt([]byte(strings.Repeat("\xff", int(info.Size()-schemaPages))), schemaPages)
		must(t, err)
		must(t, f.Close())
		s, err = Open(context.Background(), Options{Path: path})
		must(t, err)
		err = s.Records(context.Background(), RecordFilter{}, func(*Record) error { return nil })
		expectDamage(t, err, path)
		must(t, s.Close())
	})
}

func expectDamage(t *testing.T, err error, path string) {
	t.Helper()
	if err == nil || Transient(err) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move the file away") {
		t.Errorf("a damaged file gives: %v", err)
	}
}

func TestSQLiteThatCannotBeOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	must(t, os.Mkdir(path, 0o700))
	_, err := Open(context.Background(), Options{Path: path})
	if !Transient(err) || !strings.Contains(err.Error(), path) {
		t.Errorf("a folder in place of the file gives: %v", err)
	}
}

const secret = "s3cr3t-Passw0rd"

// blackHole accepts connections and never answers.
func blackHole(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

func TestPostgresThatCannotBeReached(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	refusing := closed.Addr().String()
	must(t, closed.Close())
	for name, c := range map[string]struct {
		url       string
		transient bool
	}{
		"refused":      {"postgres://user:" + secret + "@" + refusing + "/db?sslmode=disable", true},
		"silent":       {"postgres://user:" + secret + "@" + blackHole(t) + "/db?sslmode=disable&connect_timeout=1", true},
		"no such host": {"postgres://user:" + secret + "@nowhere.invalid/db", true},
		"bad port":     {"postgres://user:" + secret + "@127.0.0.1:port/db", false},
		"bad escape":   {"postgres://user:%zz" + secret + "@127.0.0.1/db", false},
		"bad option":   {"postgres://user:" + secret + "@127.0.0.1/db?sslmode=perhaps", false},
		"bad pool":     {"postgres://user:" + secret + "@127.0.0.1/db?pool_max_conns=x", false},
		"slashes":      {"postgres://user:" + secret + "/@127.0.0.1/db", false},
		"no URL":       {"host=127.0.0.1 password=" + secret, false},
		"other scheme": {"mysql://user:" + secret + "@127.0.0.1/db", false},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			_, err := Open(context.Background(), Options{URL: c.url})
			if err == nil || Transient(err) != c.transient {
				t.Errorf("transient %v: %v", Transient(err), err)
			}
			if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(fmt.Sprintf("%+v", err), secret)) {
				t.Errorf("the password is in the error: %v", err)
			}
			if took := time.Since(began); took > 8*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// The server's own refusals: a wrong name needs a person.
func TestPostgresThatRefuses(t *testing.T) {
	u, err := url.Parse(postgresURL(t))
	must(t, err)
	u.Path = "/no_such_database"
	u.User = url.UserPassword(u.User.Username(), secret)
	_, err = Open(context.Background(), Options{URL: u.String()})
	if err == nil || Transient(err) || strings.Contains(err.Error(), secret) {
		t.Errorf("a database that does not exist gives %v", err)
	}
}

// A session whose client is gone must not hold locks for hours.
func TestPostgresSessionSettings(t *testing.T) {
	s := newPostgresOnly(t).open("one")
	got := make(map[string]string)
	must(t, forEach(context.Background(), s.readers, func(rows *sql.Rows) error {
		var name, value string
		err := rows.Scan(&name, &value)
		got[name] = value
		return err
	}, `SELECT name, setting FROM pg_settings WHERE name IN ('application_name', 'idle_in_transaction_session_timeout', 'tcp_keepalives_idle')`))
	equal(t, "settings", got, map[string]string{"application_name": "activedefense", "idle_in_transaction_session_timeout": "60000", "tcp_keepalives_idle": "30"})
}

// Every database has an identity of its own, which it keeps.
func TestPlace(t *testing.T) {
	another, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "another.db")})
	must(t, err)
	defer another.Close()
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		first, second := db.open("one").Place(), db.open("two").Place()
		if first != second || len(first.Identity) != 32 || first.Database == "" || first.Identity == another.Place().Identity {
			t.Errorf("%+v and %+v, and another %+v", first, second, another.Place())
		}
	})
}
