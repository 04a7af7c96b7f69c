package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// growing takes a backup, and has something committed with every write of it.
type growing struct {
	file  *os.File
	grow  func()
	fails int // at this write; 0: never
	n     int
}

func (g *growing) Write(b []byte) (int, error) {
	g.grow()
	if g.n++; g.n == g.fails {
		return 0, errGone
	}
	return g.file.Write(b)
}

var errGone = errors.New("the client has gone")

// A backup is one state of the database, whatever is committed while it is made.
func TestABackupIsOneState(t *testing.T) {
	db := newSQLite(t)
	s := db.open("daemon")
	ctx, seq := context.Background(), int64(0)
	grow := func() {
		seq++
		b := &Batch{Seq: seq, After: seq - 1, Positions: []Position{{ID: 1, Path: "a", Offset: seq}}}
		for range 50 {
			b.Records = append(b.Records, line(noon(), "203.0.113.1"))
		}
		b.Blocks = []Block{{Address: prefix(fmt.Sprintf("198.51.100.%d", seq%250)), Rule: "manual", By: "anna", FirstSeen: noon(), LastSeen: noon(), BlockedAt: noon()}}
		commit(t, s, b)
	}
	for range 40 {
		grow()
	}
	path := filepath.Join(t.TempDir(), "backup.db")
	f, err := os.Create(path)
	must(t, err)
	var size int64
	to := &growing{file: f, grow: grow}
	must(t, s.Backup(ctx, to, func(n int64) { size = n }))
	must(t, f.Close())
	if info, err := os.Stat(path); err != nil || info.Size() != size || seq < 50 {
		t.Fatalf("%d bytes were promised, there are %d (%v); %d batches", size, info.Size(), err, seq)
	}
	found, err := CheckBackup(ctx, path)
	must(t, err)
	if found.Identity != s.Place().Identity || found.Version != 40 || found.Blocked != 40 || found.Schema == 0 {
		t.Errorf("%+v", found)
	}
	kept := emptyDatabase{Options{Path: path}, t}.open("daemon")
	last, err := kept.LastSeq(ctx)
	must(t, err)
	positions, err := kept.Positions(ctx)
	must(t, err)
	if last != 40 || count(t, kept) != 40*50 || positions[0].Offset != 40 {
		t.Errorf("the backup has batch %d, %d records, position %d", last, count(t, kept), positions[0].Offset)
	}
	if err := s.Backup(ctx, &growing{file: f, grow: func() {}, fails: 1}, func(int64) {}); !errors.Is(err, errGone) {
		t.Errorf("to a client that has gone: %v", err)
	}
}

func TestWhatIsNoBackupIsNotTakenForOne(t *testing.T) {
	db := newSQLite(t)
	s := db.open("daemon")
	for i := range int64(5) {
		b := &Batch{Seq: i + 1, After: i}
		for range 500 {
			b.Records = append(b.Records, line(noon(), "203.0.113.1"))
		}
		commit(t, s, b)
	}
	path := filepath.Join(t.TempDir(), "backup.db")
	f, err := os.Create(path)
	must(t, err)
	must(t, s.Backup(context.Background(), f, func(int64) {}))
	must(t, f.Close())
	_, err = CheckBackup(context.Background(), path)
	must(t, err)
	whole, err := os.ReadFile(path)
	must(t, err)
	for name, make := range map[string]func() []byte{
		"cut off": func() []byte { return whole[:len(whole)/8192*4096] },
		"damaged": func() []byte {
			b := append([]byte(nil), whole...)
			for i := 12 * 4096; i < 20*4096; i++ {
				b[i] ^= 0x5a
			}
			return b
		},
		"no database": func() []byte { return []byte("no database") },
		"empty":       func() []byte { return nil },
	} {
		must(t, os.WriteFile(path, make(), 0o600))
		if found, err := CheckBackup(context.Background(), path); err == nil {
			t.Errorf("%s: %+v", name, found)
		}
	}
	if left, err := filepath.Glob(path + "?*"); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestPostgreSQLIsBackedUpByItsOwnProgram(t *testing.T) {
	base := postgresURL(t)
	if err := newPostgres(t, base).open("daemon").Backup(context.Background(), nil, nil); !errors.Is(err, ErrNoBackup) {
		t.Error(err)
	}
}
