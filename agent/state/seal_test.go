package state

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"activedefense/store"
)

// Where no files can be made that is told, once in the log and for as long as it lasts; when it is over nothing is told any more.
func TestThatNoFilesCanBeMadeIsTold(t *testing.T) {
	dir := t.TempDir()
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, DatabaseFile)})
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, store.RecordsFolder)
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &Sealer{Store: st, Log: zerolog.New(&log), Now: time.Now}
		began := time.Now()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		since, what, remedy := s.Trouble()
		if !strings.Contains(what, folder) || !strings.Contains(remedy, "nothing is lost") || !since.Equal(began) {
			t.Errorf("%v %s; %s", since, what, remedy)
		}
		if err := os.Remove(folder); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if _, what, _ := s.Trouble(); what != "" {
			t.Error(what)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "made again") {
			t.Errorf("logged %s", text)
		}
	})
}

// Records that are damaged before they are in a file are told of, once in the log and for as long as they are there, however well everything else goes.
func TestThatRecordsAreDamagedIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), DatabaseFile)
	st, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	batch := func() *store.Batch {
		return &store.Batch{Records: []store.Record{{Time: time.Now()}, {Time: time.Now()}}}
	}
	for range 2 {
		if _, err := st.Commit(t.Context(), batch()); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `UPDATE blocks SET data = zeroblob(length(data)) WHERE first_id = 1`); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &Sealer{Store: st, Log: zerolog.New(&log), Now: time.Now}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if _, what, remedy := s.Trouble(); !strings.Contains(what, "the records 1 to 2:") || !strings.Contains(remedy, "lines in the log") {
			t.Errorf("%s; %s", what, remedy)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "the records 1 to 2:") {
			t.Errorf("logged %s", text)
		}
	})
}

// A block that goes before it is in a file is logged once, with what is known of it, and is no trouble that lasts.
func TestThatABlockHasGoneIsLogged(t *testing.T) {
	path := filepath.Join(t.TempDir(), DatabaseFile)
	st, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for range 2 {
		if _, err := st.Commit(t.Context(), &store.Batch{Records: []store.Record{{Time: time.Now()}, {Time: time.Now()}}}); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `CREATE TRIGGER gone AFTER UPDATE ON counters WHEN NEW.name = 'record_files' BEGIN DELETE FROM blocks WHERE first_id = 3; END`); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &Sealer{Store: st, Log: zerolog.New(&log), Now: time.Now}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, what, _ := s.Trouble(); what != "" {
			t.Error(what)
		}
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, `"block":3,"records":2,`) || !strings.Contains(text, `"first":1,"last":4`) {
			t.Errorf("logged %s", text)
		}
	})
}
