package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestPruneRemovesWhatIsOlder(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		var b Batch
		for _, age := range []time.Duration{10 * 365 * oneDay, 200 * oneDay, 3 * oneDay, 2 * oneDay, oneDay, 2 * time.Hour, time.Hour, time.Hour - time.Microsecond, 0, -oneDay, -10 * oneDay} {
			b.Records = append(b.Records, line(at.Add(-age), "203.0.113.1"))
		}
		commitApart(t, s, &b)
		for _, step := range []struct {
			before        time.Time
			removed, left int64
		}{
			{time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), 0, 11},
			{at.Add(-300 * oneDay), 1, 10},
			{at.Add(-300 * oneDay), 0, 10},
			{at.Add(-2 * oneDay).Truncate(oneDay), 2, 8},
			{at.Add(-time.Hour), 3, 5}, // less than two days ago: to the microsecond
			{at.Add(5 * oneDay), 4, 1},
		} {
			removed, err := s.PruneRecords(ctx, step.before)
			must(t, err)
			if left := count(t, s); removed != step.removed || left != step.left {
				t.Errorf("before %v: %d removed, %d left", step.before, removed, left)
			}
		}
		// Days whose partitions were dropped can be recorded again.
		commitApart(t, s, &b)
		if n := count(t, s); n != 12 {
			t.Errorf("%d records", n)
		}
	})
}

// commitApart commits each record for itself: what was committed together may go together alone.
func commitApart(t *testing.T, s *Store, b *Batch) {
	t.Helper()
	for i := range b.Records {
		commit(t, s, &Batch{Records: b.Records[i : i+1]})
	}
}

// A block goes when the youngest of its records may, and the oldest of what is too far ahead; until then all of it stays.
func TestABlockGoesAsAWhole(t *testing.T) {
	s, at := newSQLite(t).open("one"), noon()
	for _, ages := range [][]time.Duration{{40 * oneDay, 50 * oneDay}, {20 * oneDay, 60 * oneDay}, {-60 * oneDay, -50 * oneDay}, {-60 * oneDay, 0}} {
		var b Batch
		for _, age := range ages {
			b.Records = append(b.Records, line(at.Add(-age), "203.0.113.1"))
		}
		commit(t, s, &b)
	}
	removed, err := s.PruneRecords(t.Context(), at.Add(-30*oneDay))
	must(t, err)
	future, err := s.PruneFuture(t.Context(), at.Add(40*oneDay))
	must(t, err)
	var left []int64
	for _, r := range allRecords(t, s, RecordFilter{}) {
		left = append(left, r.ID)
	}
	equal(t, "removed, left", []any{removed, future, left}, []any{2, 2, []int64{7, 8, 3, 4}})
}

// What is dated in the future goes from a time on, and nothing else.
func TestPruneFuture(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		at := noon()
		var b Batch
		for _, ahead := range []time.Duration{-300 * oneDay, 0, oneDay, 100*oneDay - time.Microsecond, 101 * oneDay, 70 * 365 * oneDay} {
			b.Records = append(b.Records, line(at.Add(ahead), "203.0.113.1"))
		}
		commitApart(t, s, &b)
		for _, step := range []struct {
			from          time.Time
			removed, left int64
		}{
			{at.Add(100 * 365 * oneDay), 0, 6},
			{at.Add(100 * oneDay), 2, 4},
			{at.Add(100 * oneDay), 0, 4},
		} {
			removed, err := s.PruneFuture(context.Background(), step.from)
			must(t, err)
			if left := count(t, s); removed != step.removed || left != step.left {
				t.Errorf("from %v: %d removed, %d left", step.from, removed, left)
			}
		}
	})
}

// The log lines of a block go as long after its release as records do; those of a block that stands stay, however old.
func TestPruneEvidence(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s, other := db.open("one"), db.open("two")
		ctx, at := context.Background(), noon()
		evidence := func() (left []int64) {
			t.Helper()
			for _, e := range allEntries(t, s, EntryFilter{All: true}) {
				lines, err := s.EvidenceOf(ctx, e.ID)
				must(t, err)
				if len(lines) > 0 {
					left = append(left, e.ID)
				}
			}
			slices.Sort(left)
			return left
		}
		var b Batch
		var all []int64
		const blocks = 2*evidenceStep + 50
		for i := range blocks {
			address := netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 32)
			b.Blocks = append(b.Blocks, Block{Address: address, BlockedAt: at.Add(-200 * oneDay), Evidence: []Evidence{{Line: "x"}, {Line: "y"}}})
			all = append(all, int64(i+1))
		}
		commit(t, s, &b)
		release := func(first, last int, when time.Time) {
			t.Helper()
			for i := first; i < last; i++ {
				_, err := other.Release(ctx, b.Blocks[i].Address, "test", "test", when.Add(time.Duration(i)*time.Second))
				must(t, err)
			}
		}
		release(1, blocks-1, at.Add(-100*oneDay))
		release(blocks-1, blocks, at.Add(-10*oneDay))
		for _, step := range []struct {
			before  time.Time
			removed int64
			left    []int64
		}{
			{at.Add(-101 * oneDay), 0, all},
			{at.Add(-100*oneDay + 100*time.Second), 2 * 99, slices.Concat(all[:1], all[100:])},
			{at.Add(-90 * oneDay), 2 * (blocks - 2 - 99), slices.Concat(all[:1], all[blocks-1:])},
			{at.Add(-90 * oneDay), 0, slices.Concat(all[:1], all[blocks-1:])},
			{at, 2, all[:1]},
		} {
			removed, err := s.PruneEvidence(ctx, step.before)
			must(t, err)
			if left := evidence(); removed != step.removed || !slices.Equal(left, step.left) {
				t.Errorf("before %v: %d removed, want %d; %d are left, want %d", step.before, removed, step.removed, len(left), len(step.left))
			}
		}
		if n := len(allEntries(t, s, EntryFilter{All: true})); n != blocks {
			t.Errorf("%d blocks are left", n)
		}
	})
}

// Pruning many records is done in steps, and commits go on in between.
func TestPruneLetsOthersWrite(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, at := context.Background(), noon()
		old := make([]Record, 10_000)
		for i := range old {
			old[i] = line(at.Add(-400*oneDay), "203.0.113.1")
		}
		commit(t, s, &Batch{Records: old})
		var group sync.WaitGroup
		pruned := make(chan struct{})
		group.Go(func() {
			defer close(pruned)
			removed, err := s.PruneRecords(ctx, at.Add(-100*oneDay))
			if err != nil || removed != 10_000 {
				t.Errorf("removed %d: %v", removed, err)
			}
		})
		during := int64(0)
		for running := true; running; during++ {
			select {
			case <-pruned:
				running = false
			default:
			}
			commit(t, s, &Batch{Records: []Record{line(at, "203.0.113.1")}})
		}
		group.Wait()
		if during < 2 { // one may come behind it
			t.Errorf("only %d commits while pruning", during)
		}
		if n := count(t, s); n != during {
			t.Errorf("%d records, %d committed meanwhile", n, during)
		}
	})
}

// A step of pruning on SQLite grows while it is quick, and shrinks when it keeps others waiting.
func TestPruneGoesByTheTimeItTakes(t *testing.T) {
	for _, c := range []struct {
		chunk int64
		took  time.Duration
		want  int64
	}{
		{200, 0, 400},
		{200, pruneStep / 10, 400},
		{200, pruneStep, 200},
		{3000, pruneStep * 4 / 3, 2250},
		{3000, time.Minute, 1500},
		{15, time.Minute, pruneLeast},
		{4000, time.Millisecond, pruneMost},
	} {
		if got := prunables()[0].nextChunk(c.chunk, c.took); got != c.want {
			t.Errorf("after %d in %v: %d, not %d", c.chunk, c.took, got, c.want)
		}
	}
}

func TestPruneStopsWithItsContext(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		at := noon()
		commit(t, s, &Batch{Records: []Record{line(at.Add(-400*oneDay), "203.0.113.1")}})
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := s.PruneRecords(ctx, at); err == nil || Transient(err) {
			t.Errorf("pruning after the end: %v", err)
		}
		if n := count(t, s); n != 1 {
			t.Errorf("%d records", n)
		}
	})
}

// tables lists the partitions.
func tables(t *testing.T, s *Store) (names []string) {
	t.Helper()
	must(t, forEach(context.Background(), s.readers, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	}, `SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'records'::regclass ORDER BY 1`))
	return names
}

func newPostgresOnly(t *testing.T) emptyDatabase { return newPostgres(t, postgresURL(t)) }

// Forged times must not make partitions: only the days that are kept, and the next two, get one.
func TestPartitionsOnlyForTheDaysKept(t *testing.T) {
	db := newPostgresOnly(t)
	db.KeepRecords = 10 * oneDay
	s := db.open("one")
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s.now = func() time.Time { return at }
	var b Batch
	for day := -1000; day <= 1000; day++ {
		b.Records = append(b.Records, line(at.Add(time.Duration(day)*oneDay), "203.0.113.1"))
	}
	b.Records = append(b.Records, Record{}, Record{Time: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)})
	commit(t, s, &b)
	want := []string{"records_20260219", "records_20260220", "records_20260221", "records_20260222", "records_20260223", "records_20260224",
		"records_20260225", "records_20260226", "records_20260227", "records_20260228", "records_20260301", "records_20260302", "records_20260303", "records_default"}
	equal(t, "partitions", tables(t, s), want)
	if n := count(t, s); n != 2003 {
		t.Errorf("%d records", n)
	}

	// A day that the default partition knows already stays there when it comes near.
	at = at.Add(oneDay)
	commit(t, s, &b)
	equal(t, "partitions a day later", tables(t, s), want)
	var inDefault int64
	must(t, s.readers.QueryRowContext(context.Background(), `SELECT count(*) FROM records_default`).Scan(&inDefault))
	if inDefault != 2*(2003-13) {
		t.Errorf("%d records in the default partition", inDefault)
	}
}

// A default partition that has grown too large to be looked through does not stop commits.
func TestLargeDefaultPartitionDoesNotStopCommits(t *testing.T) {
	s := newPostgresOnly(t).open("one")
	at := noon()
	s.now = func() time.Time { return at }
	odd := make([]Record, 10_000)
	for i := range odd {
		odd[i] = line(at.AddDate(200, 0, i%1000), "203.0.113.1")
	}
	commit(t, s, &Batch{Records: odd})
	before := tables(t, s)
	s.records.(*postgresRecords).attachLimit = time.Millisecond
	at = at.Add(oneDay)
	commit(t, s, &Batch{Records: []Record{line(at, "203.0.113.1")}})
	equal(t, "partitions", tables(t, s), before)

	// It is tried again, but not with every batch.
	s.records.(*postgresRecords).attachLimit = attachLimit
	at = at.Add(30 * time.Minute)
	commit(t, s, &Batch{Records: []Record{line(at, "203.0.113.1")}})
	equal(t, "partitions half an hour later", tables(t, s), before)
	at = at.Add(31 * time.Minute)
	commit(t, s, &Batch{Records: []Record{line(at, "203.0.113.1")}})
	equal(t, "partitions an hour later", len(tables(t, s)), len(before)+1)
	equal(t, "records", count(t, s), int64(10_003))
}

// Partitions are made ahead, so that the first records of a day find theirs.
func TestPartitionsAreMadeAhead(t *testing.T) {
	s := newPostgresOnly(t).open("one")
	at := time.Date(2026, 3, 1, 23, 59, 59, 0, time.UTC)
	s.now = func() time.Time { return at }
	commit(t, s, &Batch{Records: []Record{line(at, "203.0.113.1")}})
	equal(t, "partitions", tables(t, s), []string{"records_20260301", "records_20260302", "records_20260303", "records_default"})
	at = at.Add(time.Second)
	commit(t, s, &Batch{Records: []Record{line(at, "203.0.113.1")}})
	equal(t, "partitions", tables(t, s), []string{"records_20260301", "records_20260302", "records_20260303", "records_20260304", "records_default"})
}

// Whoever reads all records for long holds up neither commits nor the making of partitions for long.
func TestLongReaderDoesNotStopCommits(t *testing.T) {
	db := newPostgresOnly(t)
	s := db.open("one")
	ctx, at := context.Background(), noon()
	s.now = func() time.Time { return at }
	commit(t, s, &Batch{Records: []Record{line(at, "203.0.113.1")}})
	reader, err := s.readers.BeginTx(ctx, nil)
	must(t, err)
	var n int
	must(t, reader.QueryRowContext(ctx, `SELECT count(*) FROM records`).Scan(&n)) // locks every partition until the end
	at = at.Add(oneDay)
	before := tables(t, s)
	commit(t, s, &Batch{Records: []Record{line(at, "203.0.113.1")}})
	equal(t, "partitions beside the reader", tables(t, s), before)

	// Many days that have no partition are not tried one after the other, each in vain.
	var b Batch
	for day := range 30 {
		b.Records = append(b.Records, line(at.Add(-time.Duration(day+5)*oneDay), "203.0.113.1"))
	}
	began := time.Now()
	commit(t, s, &b)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the commit beside the reader took %v", took)
	}
	if _, err := s.PruneRecords(ctx, at.Add(3*oneDay)); !Transient(err) {
		t.Errorf("dropping a partition that is being read: %v", err)
	}
	must(t, reader.Rollback())
	at = at.Add(2 * time.Minute)
	commit(t, s, &Batch{Records: []Record{line(at, "203.0.113.1")}})
	equal(t, "partitions after the reader", len(tables(t, s)), len(before)+1)
	removed, err := s.PruneRecords(ctx, at.Add(3*oneDay))
	must(t, err)
	equal(t, "removed", removed, int64(33))
}

// Two agents that begin a day at the same moment make one partition, and both commit.
func TestAgentsMakeTheSamePartition(t *testing.T) {
	db := newPostgresOnly(t)
	at := noon()
	var group sync.WaitGroup
	for _, s := range []*Store{db.open("a"), db.open("b"), db.open("c"), db.open("d")} {
		group.Go(func() {
			for day := range 5 {
				_, err := s.Commit(context.Background(), &Batch{Records: []Record{line(at.Add(-time.Duration(day)*oneDay), "203.0.113.1")}})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	s := db.open("a")
	if n := count(t, s); n != 20 {
		t.Errorf("%d records", n)
	}
	var inDefault int64
	must(t, s.readers.QueryRowContext(context.Background(), `SELECT count(*) FROM records_default`).Scan(&inDefault))
	// Five days, two ahead, the default one; a day for which no lock was to be had stays in the default one.
	if n := len(tables(t, s)); n > 8 || inDefault == 0 && n != 8 {
		t.Errorf("%d partitions, %d records in the default one", n, inDefault)
	}
}

// The oldest records go until the database is small enough, and not one that is to stay.
func TestPruneToASize(t *testing.T) {
	onBoth(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("one")
		ctx, day := context.Background(), noon().Truncate(oneDay)
		const days, each = 6, 3000
		for age := days - 1; age >= 0; age-- {
			var b Batch
			for i := range each {
				r := line(day.Add(time.Duration(-age)*oneDay+time.Duration(i)*time.Millisecond), "203.0.113.1")
				r.SrcUser = rand.Text() + rand.Text() + rand.Text() // so that it takes room, however it is kept
				b.Records = append(b.Records, r)
			}
			commit(t, s, &b)
		}
		whole, err := s.Size(ctx)
		must(t, err)
		if n, err := s.PruneTo(ctx, whole.Used, day); n != 0 || err != nil {
			t.Errorf("%d were removed from a database that is small enough: %v", n, err)
		}
		limit := whole.Used * 6 / 10
		removed, err := s.PruneTo(ctx, limit, day)
		must(t, err)
		size, err := s.Size(ctx)
		must(t, err)
		oldest := noon()
		must(t, s.Records(ctx, RecordFilter{}, func(r *Record) error { oldest = r.Time; return nil }))
		left := count(t, s)
		if size.Used > limit || size.Used < whole.Used/10 || removed+left != days*each || oldest.Before(day.Add(-4*oneDay)) || oldest.After(day) {
			t.Errorf("%+v of %+v, %d removed, %d left, the oldest of %s", size, whole, removed, left, oldest)
		}
		if (size.File != "") != (s.Kind() == kindSQLite) || size.File != "" && size.Spare == 0 {
			t.Errorf("%+v", size)
		}
		_, err = s.PruneTo(ctx, 0, day)
		must(t, err)
		if n := count(t, s); n != each {
			t.Errorf("%d records are left of %d that are to stay", n, each)
		}
	})
}
