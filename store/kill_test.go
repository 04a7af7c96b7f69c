package store

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"
)

// childOptions in the environment makes the test program a process that commits until it is killed.
const childOptions = "ACTIVEDEFENSE_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if text := os.Getenv(childOptions); text != "" {
		fmt.Fprintln(os.Stderr, commitForEver(text))
		os.Exit(1)
	}
	if path := os.Getenv(childLocks); path != "" {
		fmt.Fprintln(os.Stderr, lockUntilTold(path))
		os.Exit(1)
	}
	if path := os.Getenv(childArchives); path != "" {
		fmt.Fprintln(os.Stderr, archiveForEver(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// childLocks in the environment makes the test program a process that locks this SQLite file until its standard input ends.
const childLocks = "ACTIVEDEFENSE_STORE_TEST_LOCKS"

func lockUntilTold(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, Options{Path: path, Instance: "child"})
	if err != nil {
		return err
	}
	if _, err := s.writer.BeginTx(ctx, nil); err != nil {
		return err
	}
	fmt.Println("locked")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// perBatch is how many records a batch of the child has; every tenth batch blocks an address.
const perBatch = 200

// commitForEver goes on where the database says, as the agent does, and says so after each commit.
func commitForEver(options string) error {
	var o Options
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		return err
	}
	ctx := context.Background()
	s, err := Open(ctx, o)
	if err != nil {
		return err
	}
	seq, err := s.Resume(ctx)
	if err != nil {
		return err
	}
	positions, err := s.Positions(ctx)
	if err != nil {
		return err
	}
	var offset int64
	if len(positions) == 1 {
		offset = positions[0].Offset
	}
	at := noon()
	for {
		seq++
		b := &Batch{Seq: seq, After: seq - 1}
		for range perBatch {
			r := line(at, "203.0.113.1")
			r.Offset = offset
			offset++
			b.Records = append(b.Records, r)
		}
		b.Positions = []Position{{ID: 1, Path: "log", Offset: offset}}
		if seq%10 == 0 {
			a := netip.AddrFrom4([4]byte{203, byte(seq >> 16), byte(seq >> 8), byte(seq)})
			b.Blocks = []Block{{Address: netip.PrefixFrom(a, 32), Evidence: []Evidence{{Line: "x"}}}}
		}
		if _, err := s.Commit(ctx, b); err != nil {
			return err
		}
		fmt.Println(seq)
	}
}

// state is what the database says, all at one moment.
type state struct{ seq, offset, records, offsets, blocks, evidence int64 }

func (s *Store) testState(t *testing.T) state {
	t.Helper()
	return s.testStateOf(t, s.agent)
}

func (s *Store) testStateOf(t *testing.T, agent int64) (now state) {
	t.Helper()
	err := s.readers.QueryRowContext(context.Background(), `SELECT (SELECT seq FROM agents WHERE id = $1),
		(SELECT coalesce(max(file_offset), 0) FROM positions WHERE agent = $1),
		(SELECT count(*) FROM blacklist), (SELECT count(*) FROM evidence)`, agent).
		Scan(&now.seq, &now.offset, &now.blocks, &now.evidence)
	must(t, err)
	offsets := make(map[int64]bool)
	for _, r := range allRecords(t, s, RecordFilter{}) {
		offsets[r.Offset] = true
		now.records++
	}
	now.offsets = int64(len(offsets))
	if n := count(t, s); n != now.records {
		t.Errorf("%d records are counted, and %d found", n, now.records)
	}
	return now
}

// Killed again and again while it commits, the program never records a line twice and never misses one.
func TestKilledWhileCommitting(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		db.Instance = "child"
		options, err := json.Marshal(db.Options)
		must(t, err)
		s := db.open("child")
		reached := int64(0)
		for round := range 6 {
			told := runAndKill(t, string(options), 3+7*round)
			now := s.testState(t)
			want := state{now.seq, now.seq * perBatch, now.seq * perBatch, now.seq * perBatch, now.seq / 10, now.seq / 10}
			equal(t, fmt.Sprint("after kill ", round), now, want)
			if now.seq < told || now.seq < reached {
				t.Errorf("batch %d was said to be committed, the database has %d", told, now.seq)
			}
			reached = now.seq
		}
		if reached < 20 {
			t.Errorf("only %d batches", reached)
		}
	})
}

// runAndKill kills a child some moments after it told of n commits, and gives the last one that it told of.
func runAndKill(t *testing.T, options string, n int) (last int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), childOptions+"="+options)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		_, err := fmt.Sscan(lines.Text(), &last)
		must(t, err)
		if i == n {
			must(t, child.Process.Kill()) // the child is in the middle of the next commits by now
		}
	}
	if err := child.Wait(); err == nil || ctx.Err() != nil {
		t.Fatalf("the child ended by itself or not at all: %v", err)
	}
	return last
}
