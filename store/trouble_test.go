package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A full disk undoes the batch that did not fit, and the same batch fits once there is room.
func TestSQLiteDiskFull(t *testing.T) {
	s := newSQLite(t).open("one")
	ctx := context.Background()
	var pages int
	must(t, s.writer.QueryRowContext(ctx, `PRAGMA page_count`).Scan(&pages))
	limit := func(n int) {
		_, err := s.writer.ExecContext(ctx, fmt.Sprintf(`PRAGMA max_page_count = %d`, n))
		must(t, err)
	}
	limit(pages + 100)
	batch := &Batch{Records: someRecords(500, noon()), Blocks: []Block{{Address: prefix("203.0.113.9")}}}
	var err error
	done := int64(0)
	for err == nil {
		batch.Seq, batch.After = batch.Seq+1, batch.Seq
		batch.Positions = []Position{{ID: 1, Offset: batch.Seq}}
		if _, err = s.Commit(ctx, batch); err == nil {
			done++
		}
	}
	if !DiskFull(err) || !Transient(err) {
		t.Errorf("a full disk gives: %v", err)
	}
	check := func() {
		t.Helper()
		positions, err := s.Positions(ctx)
		must(t, err)
		seq, err := s.LastSeq(ctx)
		must(t, err)
		if n := count(t, s); done == 0 || n != 500*done || seq != done || positions[0].Offset != done {
			t.Errorf("after %d commits: %d records, seq %d, position %d", done, n, seq, positions[0].Offset)
		}
	}
	check()
	if _, err := s.Commit(ctx, batch); !DiskFull(err) {
		t.Errorf("still full, yet %v", err)
	}
	limit(pages + 10_000)
	commit(t, s, batch)
	done++
	check()
}

// What would go into a file that nobody will find again is not committed, and not read from it either.
func TestSQLiteFileThatIsTakenAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s, err := Open(t.Context(), Options{Path: path})
	must(t, err)
	defer s.Close()
	ctx := context.Background()
	for _, how := range []struct {
		what string
		do   func() error
	}{
		{"moved away", func() error { return os.Rename(path, path+".away") }},
		{"replaced", func() error { return os.WriteFile(path, nil, 0o600) }},
		{"deleted", func() error { return os.Remove(path) }},
	} {
		must(t, how.do())
		if _, err := s.Commit(ctx, &Batch{Records: []Record{line(noon(), "203.0.113.9")}}); !errors.Is(err, ErrReplaced) || !Transient(err) {
			t.Errorf("%s: a commit gives %v", how.what, err)
		}
		if _, err := s.Version(ctx); !errors.Is(err, ErrReplaced) {
			t.Errorf("%s: a look gives %v", how.what, err)
		}
	}
	must(t, os.Rename(path+".away", path))
	commit(t, s, &Batch{Records: []Record{line(noon(), "203.0.113.9")}})
	if n := count(t, s); n != 1 {
		t.Errorf("%d records when the file is back", n)
	}
}

// Another process that keeps the file locked for too long is waited for, and then reported as transient.
func TestSQLiteBusy(t *testing.T) {
	db := newSQLite(t)
	s, other := db.open("one"), db.open("two")
	ctx := context.Background()
	_, err := s.writer.ExecContext(ctx, `PRAGMA busy_timeout = 20`)
	must(t, err)
	lock, err := other.writer.BeginTx(ctx, nil)
	must(t, err)
	batch := &Batch{Seq: 1, Records: []Record{line(noon(), "203.0.113.9")}}
	if _, err := s.Commit(ctx, batch); !Transient(err) || DiskFull(err) || !strings.Contains(err.Error(), db.Path+" has been locked for 10s by another program, such as") {
		t.Errorf("a locked file gives: %v", err)
	}
	if n := count(t, s); n != 0 {
		t.Errorf("%d records", n)
	}
	must(t, lock.Rollback())
	commit(t, s, batch)
}

// Who locks the file is named, to whoever waited for it in vain.
func TestSQLiteBusyNamesWhoLocks(t *testing.T) {
	db := newSQLite(t)
	s := db.open("one")
	ctx := context.Background()
	_, err := s.writer.ExecContext(ctx, `PRAGMA busy_timeout = 20`)
	must(t, err)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childLocks+"="+db.Path)
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	must(t, err)
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	defer child.Wait() // it ends with an error, as it always does
	defer in.Close()
	if said, err := bufio.NewReader(out).ReadString('\n'); said != "locked\n" {
		t.Fatalf("%q, %v", said, err)
	}
	_, err = s.Commit(ctx, &Batch{Seq: 1, Records: []Record{line(noon(), "203.0.113.9")}})
	name := filepath.Base(os.Args[0])
	name = name[:min(len(name), 15)] // as much of it as Linux keeps
	if want := fmt.Sprintf("by %s (process %d),", name, child.Process.Pid); !Transient(err) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// wire passes bytes between a client and PostgreSQL, and cuts the connection at the next commit if told so.
type wire struct {
	listener net.Listener
	server   string
	cut      atomic.Int32 // one of the cut constants
	cuts     atomic.Int32
	open     sync.WaitGroup
}

const (
	cutNothing = iota
	cutBefore  // the server never hears of the commit
	cutAfter   // the server commits, the client never hears of it
)

// newWire gives a wire to the database and the options to go through it.
func newWire(t *testing.T, db emptyDatabase) (*wire, emptyDatabase) {
	u, err := url.Parse(db.URL)
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w := &wire{listener: listener, server: u.Host}
	w.open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			w.open.Go(func() { w.carry(client) })
		}
	})
	t.Cleanup(func() { listener.Close(); w.open.Wait() })
	u.Host = listener.Addr().String()
	db.URL = u.String()
	return w, db
}

func (w *wire) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", w.server)
	if err != nil {
		return
	}
	defer server.Close()
	var withhold atomic.Bool
	w.open.Go(func() {
		defer client.Close()
		buffer := make([]byte, 1<<16)
		for {
			n, err := server.Read(buffer)
			if withhold.Load() || err != nil {
				return // what came is the answer to the commit: it is lost
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	})
	buffer := make([]byte, 1<<16)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		if bytes.Contains(buffer[:n], []byte("commit\x00")) {
			switch w.cut.Swap(cutNothing) {
			case cutBefore:
				w.cuts.Add(1)
				return
			case cutAfter:
				w.cuts.Add(1)
				withhold.Store(true)
			}
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// A connection that breaks while a commit is on its way leaves it open whether it happened. Committing the
// same batch again settles it.
func TestPostgresCommitLostOnTheWay(t *testing.T) {
	for name, when := range map[string]int32{"before the server heard": cutBefore, "before the client heard": cutAfter} {
		t.Run(name, func(t *testing.T) {
			w, db := newWire(t, newPostgresOnly(t))
			s := db.open("one")
			ctx := context.Background()
			commit(t, s, &Batch{Seq: 1, Records: []Record{line(noon(), "203.0.113.9")}, Positions: []Position{{ID: 1, Offset: 1}}})
			for seq := int64(2); seq < 12; seq++ {
				batch := &Batch{Seq: seq, After: seq - 1, Records: []Record{line(noon(), "203.0.113.9")}, Positions: []Position{{ID: 1, Offset: seq}},
					Touches: []Touch{{Address: prefix("203.0.113.9"), LastSeen: noon(), Hits: 1}}}
				w.cut.Store(when)
				if _, err := s.Commit(ctx, batch); !Transient(err) {
					t.Fatalf("a cut connection gives: %v", err)
				}
				result := commit(t, s, batch)
				if result.AlreadyDone != (when == cutAfter) {
					t.Errorf("batch %d again: %+v", seq, result)
				}
				now := s.testState(t)
				equal(t, "state", now, state{seq: seq, offset: seq, records: seq, offsets: 1})
			}
			equal(t, "cuts", w.cuts.Load(), int32(10))
		})
	}
}

// A run that was killed in the middle of a commit may have its last batch committed after the next run has begun.
func TestPostgresResumeWaitsForTheLastCommitOfAKilledRun(t *testing.T) {
	db := newPostgresOnly(t)
	killed, next := db.open("one"), db.open("one")
	ctx := t.Context()
	commit(t, killed, &Batch{Seq: 1, Positions: []Position{{ID: 1, Path: "log", Offset: 10}}})
	tx, err := killed.writer.BeginTx(ctx, nil)
	must(t, err)
	must(t, killed.takeSeq(ctx, tx, &Batch{Seq: 2, After: 1}))
	must(t, killed.savePositions(ctx, tx, []Position{{ID: 1, Path: "log", Offset: 20}}, nil))

	resumed := make(chan int64, 1)
	go func() {
		defer close(resumed)
		seq, err := next.Resume(ctx)
		if err != nil {
			t.Error(err)
		}
		resumed <- seq
	}()
	for waiting, deadline := 0, time.Now().Add(20*time.Second); waiting == 0; {
		must(t, killed.readers.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'UPDATE agents%'`).Scan(&waiting))
		if len(resumed) > 0 || time.Now().After(deadline) {
			t.Fatalf("it does not wait: %d", len(resumed))
		}
	}
	must(t, tx.Commit())
	equal(t, "the last batch", <-resumed, int64(2))
	positions, err := next.Positions(ctx)
	must(t, err)
	if len(positions) != 1 || positions[0].Offset != 20 {
		t.Errorf("positions %+v", positions)
	}
}

// When the server ends all sessions, calls fail as transient or go through on new ones, and then all is well.
func TestPostgresSessionsEnded(t *testing.T) {
	base := newPostgresOnly(t)
	u, err := url.Parse(base.URL)
	must(t, err)
	q := u.Query()
	name := "adtest-" + rand.Text()
	q.Set("application_name", name)
	u.RawQuery = q.Encode()
	db := base
	db.URL = u.String()
	s, admin := db.open("one"), base.open("admin")
	ctx := context.Background()
	deadline := time.Now().Add(20 * time.Second)
	for seq := int64(1); seq <= 5; seq++ {
		batch := &Batch{Seq: seq, After: seq - 1, Records: []Record{line(noon(), "203.0.113.9")}, Positions: []Position{{ID: 1, Offset: seq}}}
		for _, err := s.Commit(ctx, batch); err != nil; _, err = s.Commit(ctx, batch) {
			if !Transient(err) || time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
		var ended int
		must(t, admin.readers.QueryRowContext(ctx, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1`, name).Scan(&ended))
		if ended == 0 {
			t.Error("no session was ended")
		}
	}
	equal(t, "state", admin.testStateOf(t, s.agent), state{seq: 5, offset: 5, records: 5, offsets: 1})
}

// A server that has stopped answering is given up after a while, which the caller can tell from its own end.
func TestPostgresThatFallsSilent(t *testing.T) {
	db := newPostgresOnly(t)
	s, other := db.open("one"), db.open("two")
	ctx := context.Background()
	lock, err := other.writer.BeginTx(ctx, nil)
	must(t, err)
	_, err = newChange(ctx, &other.dialect, lock)
	must(t, err)
	batch := &Batch{Seq: 1, Records: []Record{line(noon(), "203.0.113.9")}, Blocks: []Block{{Address: prefix("203.0.113.9")}}}
	s.slowest = 50 * time.Millisecond
	if _, err := s.Commit(ctx, batch); !Transient(err) {
		t.Errorf("waiting for ever gives: %v", err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	s.slowest = time.Minute
	if _, err := s.Commit(short, batch); Transient(err) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's deadline gives: %v", err)
	}
	must(t, lock.Rollback())
	commit(t, s, batch)
	equal(t, "records", count(t, s), int64(1))
}
