package line

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"activedefense/store"
)

// onEachStore runs a test on SQLite, and on PostgreSQL where TEST_POSTGRES_URL says where one is.
func onEachStore(t *testing.T, test func(t *testing.T, st *store.Store)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newTestStore(t)) })
	if base := os.Getenv("TEST_POSTGRES_URL"); base != "" {
		t.Run("postgresql", func(t *testing.T) { test(t, newTestPostgres(t, base)) })
	}
}

// newTestPostgres makes a schema of its own, which goes away with the test.
func newTestPostgres(t testing.TB, base string) *store.Store {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	schema := "adtest_" + rand.Text()
	quoted := pgx.Identifier{schema}.Sanitize()
	if _, err := conn.Exec(t.Context(), "CREATE SCHEMA "+quoted); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
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
	st, err := store.Open(t.Context(), store.Options{URL: u.String()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}
