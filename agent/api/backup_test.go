package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"activedefense/store"
)

func TestABackupComesWholeOrNotAtAll(t *testing.T) {
	s := newStage(t, nil)
	s.block("203.0.113.1/32", store.Blocked)
	for name, client := range map[string]*Client{"over the socket": Dial(s.socket), "in this process": s.api.Here(Caller{Name: "anna", Role: Operator})} {
		path := filepath.Join(t.TempDir(), "backup.db")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Fetch(t.Context(), "backup", f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		f.Close()
		if found, err := store.CheckBackup(t.Context(), path); err != nil || found.Blocked != 1 || found.Identity != s.store.Place().Identity {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
	if err := s.api.Here(Caller{Name: "anna", Role: Viewer}).Fetch(t.Context(), "backup", io.Discard); err == nil {
		t.Error("a viewer has it")
	}
	short := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Write([]byte("SQLite format 3"))
	}))
	defer short.Close()
	var got bytes.Buffer
	toShort := &Client{At: "daemon", http: &http.Client{Transport: to{strings.TrimPrefix(short.URL, "http://")}}}
	if err := toShort.Fetch(t.Context(), "backup", &got); err == nil || !strings.Contains(err.Error(), "did not answer to the end") {
		t.Error(err)
	}
}

// Files of records come by the names that the database has for them, and nothing else does.
func TestFilesOfRecordsComeByTheirNames(t *testing.T) {
	s := newStage(t, nil)
	if _, err := s.store.Commit(t.Context(), &store.Batch{Records: []store.Record{{Time: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}}}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := s.store.Archive().Step(t.Context(), time.Now().Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	client := s.api.Here(Caller{Name: "anna", Role: Operator})
	name := "2026-11-30-1.parquet"
	want, err := os.ReadFile(filepath.Join(filepath.Dir(s.store.Place().Database), store.RecordsFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := client.Fetch(t.Context(), "backup/"+name, &got); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d bytes of %d: %v", got.Len(), len(want), err)
	}
	for _, other := range []string{"2026-11-30-2.parquet", "../" + filepath.Base(s.store.Place().Database), ""} {
		err := client.Fetch(t.Context(), "backup/"+Escape(other), io.Discard)
		if f, is := errors.AsType[*Fault](err); !is || f.Status != http.StatusNotFound {
			t.Errorf("%q: %v", other, err)
		}
	}
	if err := s.api.Here(Caller{Name: "anna", Role: Viewer}).Fetch(t.Context(), "backup/"+name, io.Discard); err == nil {
		t.Error("a viewer has it")
	}
	// What was put in its place is waited for by nobody.
	path := filepath.Join(filepath.Dir(s.store.Place().Database), store.RecordsFolder, name)
	if err := errors.Join(os.Remove(path), unix.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := client.Fetch(t.Context(), "backup/"+name, io.Discard); err == nil || !strings.Contains(err.Error(), path+" is no regular file") {
		t.Errorf("of a pipe: %v", err)
	}
}

// to sends every request to one address.
type to struct{ address string }

func (a to) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Host = a.address
	return http.DefaultTransport.RoundTrip(r)
}

// The command works as it stands, and holds no password.
func TestWhatBacksUpPostgreSQL(t *testing.T) {
	for url, want := range map[string]string{
		"postgres://activedefense:a%20secret@db.example.com:5433/activedefense?sslmode=verify-full&pool_max_conns=8": `--dbname='postgres://activedefense@db.example.com:5433/activedefense?sslmode=verify-full'`,
		"postgres://activedefense@/activedefense?host=/run/postgresql":                                               `--dbname='postgres://activedefense@/activedefense?host=%2Frun%2Fpostgresql'`,
		"postgres://o'neill:secret@db/x?search_path=it&password=secret":                                              `--schema='it' --dbname='postgres://o%27neill@db/x'`,
	} {
		got := dumpCommand(url)
		if !strings.HasSuffix(got, want) || !strings.HasPrefix(got, "pg_dump --format=custom --file=activedefense.dump ") || strings.Contains(got, "secret") {
			t.Errorf("%s\n got %s\nwant %s", url, got, want)
		}
	}
}
