package state

import (
	"bytes"
	"context"
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
