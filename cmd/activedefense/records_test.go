package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"activedefense/agent"
	"activedefense/store"
)

// recordsApp is the command line on a database that holds so many records.
func recordsApp(t *testing.T, records int) *app {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, agent.DatabaseFile)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	b := &store.Batch{}
	for range records {
		b.Records = append(b.Records, store.Record{Time: time.Now(), Device: "LAB-FW-01", Type: "TRAFFIC"})
	}
	if _, err := st.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return &app{stderr: t.Output(), environ: []string{"ACTIVEDEFENSE_STATE_DIR=" + dir}}
}

// The table is written while the records are read, not held until all are there.
func TestATableOfAllRecordsIsWrittenInPages(t *testing.T) {
	const records = 2*recordsPage + 1
	r := &recordsCommand{app: recordsApp(t, records)}
	var text strings.Builder
	r.stdout = &text
	if err := r.search(t.Context(), store.RecordFilter{}); err != nil {
		t.Fatal(err)
	}
	if n, heads := strings.Count(text.String(), "LAB-FW-01"), strings.Count(text.String(), "DEVICE"); n != records || heads != 1 {
		t.Errorf("%d rows under %d headings instead of %d under one", n, heads, records)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.stdout = writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })
	if err := r.search(ctx, store.RecordFilter{}); !errors.Is(err, context.Canceled) {
		t.Errorf("all was read before anything was written (%v)", err)
	}
	gone := errors.New("nobody reads on")
	r.stdout = writerFunc(func([]byte) (int, error) { return 0, gone })
	if err := r.search(t.Context(), store.RecordFilter{}); !errors.Is(err, gone) {
		t.Errorf("an output that takes nothing: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }
