package store

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"activedefense/store/block"
)

// childArchives in the environment makes the test program a process that writes, seals, merges, seals rows and prunes in the database of these Options, as JSON, until it is killed.
const childArchives = "ACTIVEDEFENSE_STORE_TEST_ARCHIVES"

// killsWanted in the environment is how often it is killed, killsOf times without it.
const killsWanted = "ACTIVEDEFENSE_STORE_TEST_KILLS"

// archiveForEver says when a step has done something, and before it prunes from which record on they stay.
func archiveForEver(options string) error {
	var o Options
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		return err
	}
	s, err := Open(context.Background(), o)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(context.Background())
	group.Go(func() error {
		for {
			if err := putBlock(ctx, s, 1+rand.IntN(100)); err != nil {
				return err
			}
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		}
	})
	group.Go(func() error {
		now := noon()
		for {
			more, err := s.archive.Step(ctx, now)
			if err != nil {
				return err
			}
			if more {
				fmt.Println("done")
			}
			now = now.Add(time.Duration(rand.IntN(90)) * time.Second)
			if rand.IntN(20) == 0 {
				now = now.Add(15 * time.Minute) // days are settled
			}
		}
	})
	group.Go(func() error {
		for {
			time.Sleep(time.Duration(rand.IntN(100)) * time.Millisecond)
			var last int64
			if err := s.readers.QueryRowContext(ctx, `SELECT `+s.lastRecord).Scan(&last); err != nil {
				return err
			}
			first := nth(max(1, last-10_000))
			fmt.Println(first.ID)
			if _, err := s.PruneRecords(ctx, first.Time); err != nil {
				return err
			}
		}
	})
	return group.Wait()
}

// Killed again and again while it writes, seals, merges, prunes and takes over an earlier version's rows, the program keeps every record once, and a search finds
// what going through all of them does.
func TestKilledWhileSealing(t *testing.T) { onBlocks(t, killedWhileSealing) }

func killedWhileSealing(t *testing.T, db emptyDatabase) {
	kills, gaps := killsOf, make(map[int64]int64)
	if db.Blocks {
		kills = killsOf / 4
		rows := db
		rows.Blocks = false
		must(t, putBlock(t.Context(), rows.open("child"), 20_000))
	}
	s := db.open("child") // the same agent
	if text := os.Getenv(killsWanted); text != "" {
		var err error
		kills, err = strconv.Atoi(text)
		must(t, err)
	}
	if !db.Blocks {
		must(t, putRows(t.Context(), s, 20_000))
	}
	from, files, last := int64(1), 0, int64(0)
	for round := range kills {
		if round%10 == 9 && !db.Blocks {
			must(t, putRows(t.Context(), s, 3000))
		}
		from = max(from, archiveAndKill(t, db.Options))
		last = noteGap(t, s, gaps)
		list, err := kept(t, s, block.Filter{})
		must(t, err)
		want := from
		for i, r := range list {
			switch {
			case i > 0 && r.ID <= list[i-1].ID:
				t.Fatalf("after kill %d: record %d is there twice", round, r.ID)
			case r != nth(r.ID):
				t.Fatalf("after kill %d:\n got %+v\nwant %+v", round, r, nth(r.ID))
			case r.ID < from:
				continue
			}
			want = behindGaps(gaps, want)
			if r.ID != want {
				t.Fatalf("after kill %d: record %d is gone, of %d to %d", round, want, from, last)
			}
			want++
		}
		if want != last+1 {
			t.Fatalf("after kill %d: record %d is gone, of %d to %d", round, want, from, last)
		}
		src := netip.PrefixFrom(nth(rand.Int64N(50)).Src, 32)
		some, err := kept(t, s, block.Filter{Src: []netip.Prefix{src}})
		must(t, err)
		list = slices.DeleteFunc(list, func(r Record) bool { return !src.Contains(r.Src) })
		if !slices.Equal(some, list) {
			t.Fatalf("after kill %d: a search for %s gives %d records, and there are %d", round, src, len(some), len(list))
		}
		files = max(files, len(recordFiles(t, s)))
	}
	if files == 0 || last < 20_100 {
		t.Errorf("%d files, %d records", files, last)
	}
	must(t, second(s.archive.Step(t.Context(), noon())))
	registered(t, s)
	t.Logf("%d records in %d kills, %d files at most, records from %d on had to be there", last, kills, files, from)
}

// behindGaps is the first record from id on that there was: the one from which on they stay may have been in a gap.
func behindGaps(gaps map[int64]int64, id int64) int64 {
	for again := true; again; {
		again = false
		for begins, ends := range gaps {
			if begins <= id && id < ends {
				id, again = ends, true
			}
		}
	}
	return id
}

// noteGap gives the last record that was committed, and where those begin that come next: PostgreSQL's ids do not come back with the batch of which a crash makes nothing.
func noteGap(t *testing.T, s *Store, gaps map[int64]int64) (last int64) {
	t.Helper()
	must(t, s.update(t.Context(), "look", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		if s.kind == kindPostgres { // what the server still does for the one that was killed is done then
			if _, err := tx.ExecContext(ctx, `LOCK TABLE blocks, record_files IN ACCESS EXCLUSIVE MODE`); err != nil {
				return err
			}
		}
		var given int64
		err := tx.QueryRowContext(ctx, `SELECT `+s.lastRecord+`, (SELECT max(id) FROM (SELECT max(id) AS id FROM records UNION ALL SELECT max(first_id + records - 1) FROM blocks
			UNION ALL SELECT max(last_id) FROM record_files) AS ids)`).Scan(&given, &last)
		if given > last {
			gaps[last+1] = given + 1
		}
		if s.kind == kindSQLite && given != last {
			t.Errorf("the last record is %d of %d", last, given)
		}
		return err
	}))
	return last
}

// archiveAndKill kills a child at a random instant after it has done something, and gives the last record that it told of.
func archiveAndKill(t *testing.T, o Options) (last int64) {
	t.Helper()
	o.Instance = "child"
	options, err := json.Marshal(o)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), childArchives+"="+string(options))
	child.Cancel = func() error {
		if errors.Is(ctx.Err(), context.Canceled) {
			return child.Process.Kill()
		}
		return child.Process.Signal(syscall.SIGQUIT) // it says where it hangs
	}
	var failed strings.Builder
	child.Stderr = &failed
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	steps := 1 + rand.IntN(20)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "done" {
			if steps--; steps == 0 {
				time.AfterFunc(time.Duration(rand.IntN(20_000))*time.Microsecond, cancel)
			}
			continue
		}
		_, err := fmt.Sscan(lines.Text(), &last)
		must(t, err)
	}
	if err := child.Wait(); err == nil || !errors.Is(ctx.Err(), context.Canceled) || failed.Len() > 0 {
		t.Fatalf("the child ended by itself or not at all: %v, %v, %s", err, ctx.Err(), failed.String())
	}
	return last
}
