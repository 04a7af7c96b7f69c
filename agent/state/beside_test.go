package state

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"activedefense/store"
)

// Nothing is written to a database that the daemon would refuse, whichever command looks at it: it is read as it is where it has the schema
// of this program, and not upgraded where it has an earlier one. One that the daemon would take is a command's own as any other.
func TestACommandWritesNothingToADatabaseThatIsRefused(t *testing.T) {
	for _, c := range []struct{ refused, older, damaged bool }{{true, false, false}, {true, true, false}, {true, false, true}, {true, true, true}, {}} {
		dir, used := t.TempDir(), newTestStore(t)
		if c.refused {
			blockAs(t, used, "203.0.113.1/32")
			if err := start(t, dir, used).Close(); err != nil {
				t.Fatal(err)
			}
		}
		if c.damaged { // it cannot be told
			if err := os.WriteFile(filepath.Join(dir, MarkFile), []byte("{"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, DatabaseFile)
		st, err := store.Open(t.Context(), store.Options{Path: path})
		if err := errors.Join(err, st.Close()); err != nil {
			t.Fatal(err)
		}
		query := func(text string) (n int) {
			db, err := sql.Open("sqlite", path)
			if err == nil {
				err = db.QueryRowContext(t.Context(), text).Scan(&n)
			}
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			return n
		}
		const schema = `SELECT max(version) FROM schema_version`
		was := query(schema)
		if c.older {
			was = query(`DELETE FROM schema_version WHERE version = (` + schema + `) RETURNING version - 1`)
		}
		st, err = OpenBeside(t.Context(), dir, "")
		why := map[bool]error{false: ErrBehind, true: ErrUnknown}[c.damaged]
		if unread := errors.Is(err, why) && errors.Is(err, store.ErrSchemaOlder) && strings.Contains(err.Error(), "activedefense store accept"); unread != (c.refused && c.older) {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil {
			if _, err := st.Version(t.Context()); err != nil {
				t.Errorf("%+v: it cannot be read: %v", c, err)
			}
			st.Close()
		}
		if now, here := query(schema), query(`SELECT count(*) FROM agents WHERE name = '`+store.CommandLine+`'`); now != was || (here == 0) != c.refused {
			t.Errorf("%+v: the schema is number %d and was %d, and %d commands are entered", c, now, was, here)
		}
		if !c.refused {
			continue
		}
		if st, err = OpenAsIs(t.Context(), dir, ""); err == nil {
			_, err = Accept(t.Context(), dir, st)
			err = errors.Join(err, st.Close())
		}
		if now := query(schema); err != nil || now != was {
			t.Errorf("%+v: accepted: %v; the schema is number %d", c, err, now)
		}
	}
}

// What a person accepted is one database: another one in its place is refused to commands, too.
func TestAnotherDatabaseThanTheAcceptedOneIsRefused(t *testing.T) {
	dir, accepted, other := t.TempDir(), newTestStore(t), newTestStore(t)
	if _, err := Accept(t.Context(), dir, accepted); err != nil {
		t.Fatal(err)
	}
	if err := Refused(t.Context(), dir, accepted); err != nil {
		t.Errorf("the accepted one: %v", err)
	}
	if err := Refused(t.Context(), dir, other); !errors.Is(err, ErrBehind) {
		t.Errorf("another one: %v", err)
	}
}
