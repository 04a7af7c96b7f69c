package store

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"activedefense/store/block"
)

// onPostgresBlocks runs a test on a fresh PostgreSQL database that keeps blocks.
func onPostgresBlocks(t *testing.T, test func(t *testing.T, db emptyDatabase)) {
	if base := postgresURL(t); base != "" {
		test(t, newPostgresBlocks(t, base))
	}
}

// refused fails the test unless another agent is refused, for a reason that names the one that has the database.
func refused(t *testing.T, what string, o Options, instance, name string) {
	t.Helper()
	o.Instance = instance
	s, err := Open(t.Context(), o)
	if err == nil {
		must(t, s.Close())
	}
	if !errors.Is(err, ErrShared) || Transient(err) || !strings.Contains(err.Error(), `agent "`+name+`"`) || !strings.Contains(err.Error(), "members forget "+name) {
		t.Errorf("%s: %v", what, err)
	}
}

// Files on one host are of no use to an agent on another: where blocks are kept there is one agent, whichever came first, until the other is forgotten.
func TestBlocksAreOfOneAgent(t *testing.T) {
	onPostgresBlocks(t, func(t *testing.T, db emptyDatabase) {
		ctx, rows := t.Context(), db
		rows.Blocks = false
		north := rows.open("one")
		must(t, north.Announce(ctx, Sign{Name: "north", Host: "log1"}, nil))
		refused(t, "blocks beside rows", db.Options, "two", "north")
		again := db.open("one") // which is alone
		refused(t, "rows beside blocks", rows.Options, "two", "north")
		refused(t, "blocks beside blocks", db.Options, "two", "north")
		commit(t, again, &Batch{Records: someRecords(10, noon())})
		refused(t, "rows beside blocks of before", rows.Options, "two", "north")
		equal(t, "what a command beside them sees", len(allRecords(t, rows.open(CommandLine), RecordFilter{})), 10)

		silent(t, again, again.agent, time.Hour)
		forgotten, err := rows.open(CommandLine).Forget(ctx, again.agent, time.Minute)
		must(t, err)
		two := rows.open("two")
		if !forgotten {
			t.Error("it is not forgotten")
		}
		must(t, two.Announce(ctx, Sign{Name: "south", Host: "log2"}, nil))
		refused(t, "blocks of one that comes back", db.Options, "one", "south")
	})
}

// One that was open before another came to keep blocks is told so when it says that it is there.
func TestAnAgentHearsThatAnotherKeepsBlocks(t *testing.T) {
	onPostgresBlocks(t, func(t *testing.T, db emptyDatabase) {
		rows := db
		rows.Blocks = false
		two := rows.open("two")
		db.open("one")
		if err := two.Announce(t.Context(), Sign{Name: "south"}, nil); !errors.Is(err, ErrShared) {
			t.Errorf("it is announced: %v", err)
		}
	})
}

// The setting may change: what was kept in rows is found beside what is kept in blocks and files, and the other way round, until retention has taken it, and others may come.
func TestRecordsAreFoundWhateverTheyWereKeptIn(t *testing.T) {
	onPostgresBlocks(t, func(t *testing.T, db emptyDatabase) {
		ctx, last := t.Context(), int64(0)
		var s *Store
		begin := func(blocks bool) {
			t.Helper()
			if s != nil {
				must(t, s.Close())
			}
			o := db.Options
			o.Instance, o.Blocks = "one", blocks
			var err error
			s, err = Open(ctx, o)
			must(t, err)
		}
		for _, blocks := range []bool{false, true, false, true, false} {
			begin(blocks)
			for range 2 {
				must(t, putBlock(ctx, s, 700))
				last += 700
				wantKept(t, s, "kept", 1, last)
				if s.archive != nil {
					newStepper(t, s).seal()
					wantKept(t, s, "sealed", 1, last)
					registered(t, s)
				}
			}
			var ids []int64
			must(t, s.Sightings(ctx, []Interval{{}}, nil, func(r *Record) error {
				if ids = append(ids, r.ID); r.ID != int64(len(ids)) {
					t.Fatalf("sighting %d is %d", len(ids), r.ID)
				}
				return nil
			}))
			equal(t, "sightings", int64(len(ids)), last)
		}
		var inRows, rows int64
		must(t, s.readers.QueryRowContext(ctx, `SELECT count(*) FROM records`).Scan(&rows))
		for _, f := range recordFiles(t, s) {
			inRows += f.Records
		}
		equal(t, "in rows and in files", []int64{rows, inRows}, []int64{4200, 2800})

		must(t, second(s.PruneRecords(ctx, nth(last+1).Time.Add(3*oneDay))))
		wantKept(t, s, "all are too old", 1, 0)
		begin(false)
		two := db
		two.Blocks = false
		two.open("two") // for nobody has blocks any more
		if s.archive != nil {
			t.Error("there are files")
		}
		must(t, s.Close())
	})
}

// Rows of old days and old files go by their age where the database is to be smaller.
func TestTheOldestGoFirstWhateverTheyAreKeptIn(t *testing.T) {
	onPostgresBlocks(t, func(t *testing.T, db emptyDatabase) {
		ctx, rows := t.Context(), db
		rows.Blocks = false
		day := func(d int) *Batch {
			b := &Batch{}
			for i := range 2000 {
				r := nth(int64(i))
				r.Time = noon().AddDate(0, 0, d)
				b.Records = append(b.Records, r)
			}
			return b
		}
		s := rows.open("one")
		commit(t, s, day(-9))
		s = db.open("one")
		commit(t, s, day(-8))
		newStepper(t, s).seal()
		s = rows.open("one")
		commit(t, s, day(-7))
		left := func(want ...int) {
			t.Helper()
			var got []int
			must(t, s.Records(ctx, RecordFilter{}, func(r *Record) error {
				if d := int(r.Time.Sub(noon()) / oneDay); len(got) == 0 || got[len(got)-1] != d {
					got = append(got, d)
				}
				return nil
			}))
			equal(t, "days", got, want)
		}
		left(-7, -8, -9)
		for _, want := range [][]int{{-7, -8}, {-7}, nil} {
			size, err := s.Size(ctx)
			must(t, err)
			removed, err := s.PruneTo(ctx, size.Used-1, noon())
			must(t, err)
			equal(t, "removed", removed, int64(2000))
			left(want...)
		}
	})
}

// What blocks took in the database is given back when they have become files, and not looked for again while somebody still reads them.
func TestPostgresGivesRoomBack(t *testing.T) {
	onPostgresBlocks(t, func(t *testing.T, db emptyDatabase) {
		ctx, s := t.Context(), db.open("one")
		size := func() (n int64) {
			must(t, s.readers.QueryRowContext(ctx, `SELECT pg_total_relation_size('blocks')`).Scan(&n))
			return n
		}
		fill := func() {
			_, err := s.writer.ExecContext(ctx, `INSERT INTO blocks SELECT n, now(), now(), 1, 1, convert_to(repeat('a long block', 20000), 'utf8') FROM generate_series(1, 20) AS n`)
			must(t, err)
		}
		drop := func() { must(t, second(s.writer.ExecContext(ctx, `DELETE FROM blocks`))) }
		r := &registry{database: s.database}
		give := func(spare int64) { must(t, second(r.GiveBack(ctx, spare))) }
		fill()
		full := size()
		give(0)
		equal(t, "with blocks in it", size(), full)
		drop()
		give(spareForTest)
		equal(t, "while more come", size(), full)
		for tries := 0; size() > full/20; tries++ { // autovacuum, which sees what was there when it began, may be at it somewhere in the database
			if tries == 1000 {
				t.Fatalf("%d of %d bytes are still taken", size(), full)
			}
			r.left = 0
			give(0)
		}
		fill()
		must(t, s.view(ctx, "read", func(inner context.Context, tx *sql.Tx) error {
			var n int
			must(t, tx.QueryRowContext(inner, `SELECT count(*) FROM blocks`).Scan(&n))
			drop()
			give(0)
			if r.left < full/2 {
				t.Errorf("%d bytes are noted as left", r.left)
			}
			return nil
		}))
	})
}

// spareForTest is what an archive keeps while blocks come.
const spareForTest = 32 << 20

// An SQLite file that was copied keeps its files: those of PostgreSQL stand apart.
func TestPostgresHasAFolderOfItsOwn(t *testing.T) {
	onPostgresBlocks(t, func(t *testing.T, db emptyDatabase) {
		lite := emptyDatabase{Options{Path: db.Path}, t}.open("one")
		must(t, putBlock(t.Context(), lite, 100))
		newStepper(t, lite).seal()
		s := db.open("one")
		must(t, putBlock(t.Context(), s, 100))
		newStepper(t, s).seal()
		newStepper(t, db.open("one")).steps(0) // the next start
		wantKept(t, lite, "SQLite's", 1, 100)
		wantKept(t, s, "PostgreSQL's", 1, 100)
		equal(t, "the folder", s.folder, filepath.Join(lite.folder, "postgresql"))
	})
}

// A block that cannot be read is named, and everything else is found; a search whose caller gives up lets go of the rows that it reads.
func TestASearchOverRowsAndBlocksEnds(t *testing.T) {
	onPostgresBlocks(t, func(t *testing.T, db emptyDatabase) {
		rows := db
		rows.Blocks = false
		must(t, putBlock(t.Context(), rows.open("one"), 3000))
		s := db.open("one")
		must(t, putBlock(t.Context(), s, 100))
		must(t, putBlock(t.Context(), s, 100))
		_, err := s.writer.ExecContext(t.Context(), `UPDATE blocks SET data = data || '\x00' WHERE first_id = 3001`)
		must(t, err)
		list, unread := kept(t, s, block.Filter{})
		if len(list) != 3100 || !errors.Is(unread, block.ErrDamaged) {
			t.Errorf("%d records, %v", len(list), unread)
		}
		stop := errors.New("enough")
		for range 2 * poolSize { // more than there are connections
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			n := 0
			if err := s.Records(ctx, RecordFilter{}, func(*Record) error {
				if n++; n == 700 {
					return stop
				}
				return nil
			}); !errors.Is(err, stop) {
				t.Fatal(err)
			}
			cancel()
		}
	})
}
