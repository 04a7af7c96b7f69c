package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/store/archive"
	"activedefense/store/block"
)

// nth is the record with that id, from 1 on: of each a tenth differs from its neighbours' in something, and they are half a minute apart.
func nth(id int64) Record {
	r := line(noon().Add(time.Duration(id)*30*time.Second), "203.0.113.1")
	r.ID, r.Agent, r.Offset = id, 1, id*400
	r.Src = netip.AddrFrom4([4]byte{203, 0, 113, byte(id % 50)})
	r.SrcPort, r.DstPort = uint16(id*7919), uint16(20+id%11)
	if id%10 == 0 {
		r.Action, r.Outcome = "allow", Answered
	}
	return r
}

// putBlock commits the next n records. Nobody else may meanwhile.
func putBlock(ctx context.Context, s *Store, n int) error {
	var last int64
	if err := s.readers.QueryRowContext(ctx, `SELECT `+s.lastRecord).Scan(&last); err != nil {
		return err
	}
	b := &Batch{}
	for id := last + 1; id <= last+int64(n); id++ {
		b.Records = append(b.Records, nth(id))
	}
	_, err := s.Commit(ctx, b)
	return err
}

// putRows writes the next n records as rows, as earlier versions did.
func putRows(ctx context.Context, s *Store, n int) error {
	return s.update(ctx, "write rows", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		var last int64
		if err := tx.QueryRowContext(ctx, `UPDATE counters SET value = value + $1 WHERE name = 'records' RETURNING value`, n).Scan(&last); err != nil {
			return err
		}
		insert, err := tx.PrepareContext(ctx, `INSERT INTO records (`+sqliteColumns+`) VALUES (?`+strings.Repeat(",?", strings.Count(sqliteColumns, ","))+`)`)
		if err != nil {
			return err
		}
		defer insert.Close()
		for id := last - int64(n) + 1; id <= last; id++ {
			r := nth(id)
			args := []any{r.ID, r.Time.UnixMicro(), r.Agent, r.Src.AsSlice(), r.Dst.AsSlice(), r.SrcPort, r.DstPort, r.Repeat, r.File, r.Offset}
			for _, small := range r.Smalls() {
				args = append(args, *small)
			}
			for _, text := range r.Texts() {
				args = append(args, *text)
			}
			if _, err := insert.ExecContext(ctx, args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// kept gives the records that match, by id, and what could not be read.
func kept(_ testing.TB, s *Store, f block.Filter) (list []Record, unread error) {
	unread = s.Records(context.Background(), RecordFilter{Conditions: f}, func(r *Record) error {
		list = append(list, *r)
		list[len(list)-1].Agent = 1 // which a search does not tell
		return nil
	})
	slices.SortFunc(list, func(a, b Record) int { return int(a.ID - b.ID) })
	return list, unread
}

// wantKept fails the test unless these records are kept, each once, and found by their sources.
func wantKept(t testing.TB, s *Store, what string, first, last int64) {
	t.Helper()
	list, err := kept(t, s, block.Filter{})
	must(t, err)
	for i, r := range list {
		if want := nth(first + int64(i)); r != want {
			t.Fatalf("%s: record %d of %d:\n got %+v\nwant %+v", what, i, len(list), r, want)
		}
	}
	if int64(len(list)) != last-first+1 {
		t.Fatalf("%s: %d records, and %d were to be kept", what, len(list), last-first+1)
	}
	src := prefix("203.0.113.7")
	some, err := kept(t, s, block.Filter{Src: []netip.Prefix{src}})
	must(t, err)
	equal(t, what+", of a source", some, slices.DeleteFunc(list, func(r Record) bool { return !src.Contains(r.Src) }))
}

// stepper has the archive do what there is to do, at a time of its own.
type stepper struct {
	t   testing.TB
	s   *Store
	now time.Time
}

func newStepper(t testing.TB, s *Store) *stepper { return &stepper{t, s, noon()} }

// steps goes on until nothing is to be done after that long.
func (p *stepper) steps(after time.Duration) (n int) {
	p.t.Helper()
	p.now = p.now.Add(after)
	for {
		more, err := p.s.archive.Step(context.Background(), p.now)
		must(p.t, err)
		if n++; !more {
			return n
		}
	}
}

// seal has all that waits sealed: it is seen, and then nothing comes.
func (p *stepper) seal() {
	p.t.Helper()
	p.steps(0)
	p.steps(6 * time.Second)
}

func recordFiles(t testing.TB, s *Store) (files []archive.File) {
	t.Helper()
	must(t, s.view(context.Background(), "list", func(ctx context.Context, tx *sql.Tx) (err error) {
		files, err = filesOf(ctx, tx, where{})
		return err
	}))
	return files
}

func blocksLeft(t testing.TB, s *Store) (n int) {
	t.Helper()
	must(t, s.readers.QueryRowContext(context.Background(), `SELECT count(*) FROM blocks`).Scan(&n))
	return n
}

// inFolder gives the names in the folder of files.
func inFolder(t testing.TB, s *Store) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(s.folder)
	must(t, err)
	for _, e := range entries {
		if e.Name() != "database" { // which says whose they are
			names = append(names, e.Name())
		}
	}
	return names
}

// registered fails the test unless the folder has the files that the database names, and no others.
func registered(t testing.TB, s *Store) {
	t.Helper()
	var names []string
	for _, f := range recordFiles(t, s) {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	equal(t, "the folder", inFolder(t, s), names)
}

// Blocks become files of their days when nothing more has come for a while, and then merge; each record stays to be found, once.
func TestBlocksAreSealedAndMerged(t *testing.T) {
	onBlocks(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("daemon")
		p := newStepper(t, s)
		p.steps(0)
		var last int64
		for range 8 {
			for range 3 {
				must(t, putBlock(t.Context(), s, 1000))
				last += 1000
			}
			p.steps(time.Second)
			if blocksLeft(t, s) != 3 {
				t.Fatalf("%d blocks are left where three have just come", blocksLeft(t, s))
			}
			p.steps(5 * time.Second)
			if blocksLeft(t, s) != 0 {
				t.Fatal("blocks are left when nothing comes")
			}
			wantKept(t, s, "sealed", 1, last)
			registered(t, s)
		}
		before := len(recordFiles(t, s))
		p.steps(time.Minute)
		p.steps(20 * time.Minute)
		days := make(map[time.Time]int)
		for _, f := range recordFiles(t, s) {
			if days[f.Day]++; f.Oldest.Before(f.Day) || !f.Newest.Before(f.Day.AddDate(0, 0, 1)) || f.FirstID > f.LastID {
				t.Errorf("%+v", f)
			}
		}
		for day, n := range days {
			if n > 8 {
				t.Errorf("%s has %d files", day, n)
			}
		}
		if len(days) < 8 {
			t.Errorf("%d days of %d files", len(days), before)
		}
		wantKept(t, s, "merged", 1, last)
		registered(t, s)
	})
}

// Who reads a file that is merged reads on.
func TestASearchReadsOnWhatIsMerged(t *testing.T) {
	s := newSQLite(t).open("daemon")
	p := newStepper(t, s)
	p.steps(0)
	for range 7 {
		must(t, putBlock(t.Context(), s, 100))
		p.seal()
	}
	files := recordFiles(t, s)
	opened, release, err := s.archive.Open(t.Context(), files)
	must(t, err)
	must(t, putBlock(t.Context(), s, 100))
	p.seal()
	if now := recordFiles(t, s); len(now) != 1 || now[0].Records != 800 {
		t.Fatalf("%d files: %+v", len(now), now)
	}
	registered(t, s)
	n, err := block.Count(t.Context(), block.Sources{Files: opened}, block.Filter{})
	must(t, err)
	release(nil)
	if n != 700 {
		t.Errorf("%d records", n)
	}
	if _, _, err := s.archive.Open(t.Context(), files); !errors.Is(err, archive.ErrChanged) {
		t.Errorf("what was merged is opened: %v", err)
	}
}

// A block that goes while a file is made of it is told of once, with what is known of it; the others become files.
func TestABlockThatGoesIsTold(t *testing.T) {
	s := newSQLite(t).open("daemon")
	p := newStepper(t, s)
	p.steps(0)
	for range 3 {
		must(t, putBlock(t.Context(), s, 100))
	}
	_, err := s.writer.ExecContext(t.Context(), `CREATE TRIGGER gone AFTER UPDATE ON counters WHEN NEW.name = 'record_files' BEGIN DELETE FROM blocks WHERE first_id = 101; END`)
	must(t, err)
	p.seal()
	list := s.archive.TakeMissed()
	if len(list) != 1 || list[0].First != 1 || list[0].Last != 300 || len(list[0].Blocks) != 1 || list[0].Blocks[0].FirstID != 101 || list[0].Blocks[0].Records != 100 || list[0].Blocks[0].Newest.IsZero() {
		t.Errorf("missed are %+v", list)
	}
	if again := s.archive.TakeMissed(); len(again) > 0 || blocksLeft(t, s) > 0 {
		t.Errorf("missed again are %+v, %d blocks are left", again, blocksLeft(t, s))
	}
	left, err := kept(t, s, block.Filter{})
	must(t, err)
	equal(t, "records", len(left), 200)
	registered(t, s)
}

// A search that retention takes files from goes on with what is left: it gives each record once, and does not look again at what it was through with.
func TestASearchGoesOnWhereFilesAreRemoved(t *testing.T) {
	const days = 80 // of which 64 are open at once
	s := newSQLite(t).open("daemon")
	b := &Batch{}
	for id := int64(1); id <= days; id++ {
		r := nth(id)
		r.Time, r.DstPort = noon().AddDate(0, 0, int(id)), 22
		if id > 10 && id < days { // found are ten days and the newest
			r.DstPort = 23
		}
		b.Records = append(b.Records, r)
	}
	must(t, second(s.Commit(t.Context(), b)))
	p := newStepper(t, s)
	p.seal()
	files := recordFiles(t, s)
	if len(files) != days {
		t.Fatalf("%d files", len(files))
	}
	var got []int64
	must(t, s.Records(t.Context(), RecordFilter{Conditions: Conditions{DstPort: []PortRange{{First: 22, Last: 22}}}}, func(r *Record) error {
		if got = append(got, r.ID); len(got) > 1 {
			return nil
		}
		must(t, second(s.archive.Prune(t.Context(), noon().AddDate(0, 0, 4))))
		// Whoever looks at the first files again does not find one of them.
		s.archive.Close()
		slices.SortFunc(files, func(a, b archive.File) int { return b.Newest.Compare(a.Newest) })
		return os.Remove(s.archive.Path(files[1]))
	}))
	equal(t, "the records", got, []int64{days, 10, 9, 8, 7, 6, 5, 4})
}

// What a crash leaves in the folder is removed at the start, and nothing that is not a file of records.
func TestWhatACrashLeavesIsRemoved(t *testing.T) {
	onBlocks(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("daemon")
		must(t, putBlock(t.Context(), s, 5000))
		p := newStepper(t, s)
		p.steps(0)
		p.seal()
		names := inFolder(t, s)
		whole, err := os.ReadFile(filepath.Join(s.folder, names[0]))
		must(t, err)
		at := func(name string) string { return filepath.Join(s.folder, name) }
		for _, name := range []string{"2026-11-30-900.parquet", "2026-11-30-901.parquet.part", "README"} {
			must(t, os.WriteFile(at(name), whole, 0o600))
		}
		again := db.open("daemon")
		newStepper(t, again).steps(0)
		equal(t, "the folder", inFolder(t, s), append(slices.Clone(names), "README"))

		// A database that was put back without its files does not cost those that are there, nor do their names stand in its way.
		must(t, os.WriteFile(at("2026-11-30-900.parquet"), whole, 0o600))
		must(t, os.WriteFile(at("2026-11-30-902.parquet.part"), whole, 0o600))
		must(t, os.Rename(at(names[0]), at("away")))
		third := db.open("daemon")
		p = newStepper(t, third)
		p.steps(0)
		equal(t, "the folder", inFolder(t, s), append(append([]string{"2026-11-30-900.parquet"}, names[1:]...), "README", "away"))
		must(t, putBlock(t.Context(), s, 10))
		p.seal()
		if files := recordFiles(t, third); files[len(files)-1].ID <= 900 {
			t.Errorf("a new file has the number %d", files[len(files)-1].ID)
		}
	})
}

// A database that takes the place of another one, which was damaged and moved away, does not remove what that one has recorded.
func TestFilesOfAFormerDatabaseStay(t *testing.T) {
	db := newSQLite(t)
	s, err := Open(t.Context(), db.Options)
	must(t, err)
	newStepper(t, s).steps(0)
	must(t, putBlock(t.Context(), s, 5000))
	newStepper(t, s).seal()
	names := inFolder(t, s)
	must(t, s.Close())
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Rename(db.Path+suffix, db.Path+".former"+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	for i := range 2 { // starts
		s = db.open("daemon")
		if i == 0 { // as in one that was copied back, which goes on counting
			_, err := s.writer.ExecContext(t.Context(), `UPDATE counters SET value = 17 WHERE name = 'record_files'`)
			must(t, err)
		}
		p := newStepper(t, s)
		p.steps(0)
		must(t, putBlock(t.Context(), s, 10))
		p.seal()
	}
	wantKept(t, s, "of the new one", 1, 20)
	entries, err := os.ReadDir(filepath.Join(filepath.Dir(db.Path), RecordsFolder, "former"))
	must(t, err)
	var kept []string
	for _, e := range entries {
		kept = append(kept, e.Name())
	}
	equal(t, "kept", kept, names)
}

// A file that is missing, cut short or has a bit flipped is named; everything else is found, sealed and merged; and it is no fault any more when it is back.
func TestDamagedFilesAreNamed(t *testing.T) {
	s := newSQLite(t).open("daemon")
	p := newStepper(t, s)
	p.steps(0)
	for range 6 {
		must(t, putBlock(t.Context(), s, 2000))
		p.seal()
	}
	r := rand.New(rand.NewPCG(1, 2))
	files := recordFiles(t, s)
	for i, damage := range []func(path string, data []byte) error{
		func(path string, _ []byte) error { return os.Remove(path) },
		func(path string, data []byte) error { return os.WriteFile(path, data[:len(data)-1], 0o600) },
		func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) },
		func(path string, data []byte) error {
			data[r.IntN(len(data))] ^= 1 << r.IntN(8)
			return os.WriteFile(path, data, 0o600)
		},
	} {
		bad := files[i]
		path := s.archive.Path(bad)
		whole, err := os.ReadFile(path)
		must(t, err)
		must(t, os.Remove(path)) // an open one stays whole otherwise
		s.archive.Close()
		if i > 0 {
			must(t, damage(path, slices.Clone(whole)))
		}
		list, err := kept(t, s, block.Filter{})
		if err == nil || !strings.Contains(err.Error(), path) || !errors.Is(err, block.ErrDamaged) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("damage %d: %v", i, err)
		}
		if n := 12000 - len(list); i < 3 && int64(n) != bad.Records || n == 0 || int64(n) > bad.Records {
			t.Errorf("damage %d: %d records were not found, of %d", i, n, bad.Records)
		}
		p.steps(time.Hour)
		if faults := s.archive.Faults(); len(faults) != 1 || faults[0].File.ID != bad.ID || !strings.Contains(faults[0].Err.Error(), path) {
			t.Errorf("damage %d: %+v", i, faults)
		}
		must(t, os.WriteFile(path, whole, 0o600))
		p.steps(2 * time.Minute)
		if faults := s.archive.Faults(); len(faults) != 0 {
			t.Errorf("damage %d was mended: %+v", i, faults)
		}
		wantKept(t, s, "mended", 1, 12000)
	}
}

// Where no file can be written nothing is lost, and sealing goes on by itself.
func TestSealingGoesOn(t *testing.T) {
	db := newSQLite(t)
	s := db.open("daemon")
	p := newStepper(t, s)
	p.steps(0)
	must(t, putBlock(t.Context(), s, 5000))
	folder := filepath.Join(filepath.Dir(db.Path), RecordsFolder)
	must(t, os.Rename(folder, folder+".away"))
	must(t, os.WriteFile(folder, nil, 0o600))
	must(t, second(s.archive.Step(t.Context(), p.now)))
	for range 3 {
		p.now = p.now.Add(6 * time.Second)
		if _, err := s.archive.Step(t.Context(), p.now); err == nil || !strings.Contains(err.Error(), folder) {
			t.Errorf("a file was made where there can be none, or the folder is not named: %v", err)
		}
	}
	wantKept(t, s, "not sealed", 1, 5000)
	must(t, os.Remove(folder))
	must(t, os.Rename(folder+".away", folder))
	p.steps(time.Second)
	if blocksLeft(t, s) != 0 {
		t.Error("blocks are left")
	}
	wantKept(t, s, "sealed", 1, 5000)
	registered(t, s)
}

// A file that goes while it is open is told of, too.
func TestAFileThatGoesIsTold(t *testing.T) {
	s := newSQLite(t).open("daemon")
	p := newStepper(t, s)
	p.steps(0)
	must(t, putBlock(t.Context(), s, 100))
	p.seal()
	wantKept(t, s, "which opens it", 1, 100)
	path := s.archive.Path(recordFiles(t, s)[0])
	must(t, os.Rename(path, path+".away"))
	p.steps(2 * time.Minute)
	if faults := s.archive.Faults(); len(faults) != 1 || !errors.Is(faults[0].Err, fs.ErrNotExist) {
		t.Errorf("%+v", faults)
	}
	must(t, os.Rename(path+".away", path))
	p.steps(2 * time.Minute)
	if faults := s.archive.Faults(); len(faults) != 0 {
		t.Errorf("it is back: %+v", faults)
	}
}

// A block that is damaged stays where it is, holds up no other, and is told of for as long as it is there and not whole again.
func TestADamagedBlockHoldsUpNothing(t *testing.T) {
	s := newSQLite(t).open("daemon")
	p := newStepper(t, s)
	p.steps(0)
	for range 4 {
		must(t, putBlock(t.Context(), s, 100))
	}
	exec := func(statement string, args ...any) {
		t.Helper()
		must(t, second(s.writer.ExecContext(t.Context(), statement, args...)))
	}
	told := func(when string, ids ...int64) {
		t.Helper()
		faults := s.archive.Faults()
		if len(faults) != len(ids) {
			t.Fatalf("%s: %+v", when, faults)
		}
		for i, f := range faults {
			if text := fmt.Sprintf("%d to %d", ids[i], ids[i]+99); f.Block.FirstID != ids[i] || f.Block.Records != 100 || !errors.Is(f.Err, block.ErrDamaged) || !strings.Contains(f.Err.Error(), text) {
				t.Errorf("%s: %+v", when, f)
			}
		}
	}
	var data []byte
	must(t, s.readers.QueryRowContext(t.Context(), `SELECT data FROM blocks WHERE first_id = 101`).Scan(&data))
	exec(`UPDATE blocks SET data = zeroblob(length(data)) WHERE first_id IN (101, 301)`)
	p.seal()
	if blocksLeft(t, s) != 2 {
		t.Errorf("%d blocks are left", blocksLeft(t, s))
	}
	told("sealed", 101, 301)
	must(t, putBlock(t.Context(), s, 100))
	p.seal()
	p.steps(2 * time.Minute)
	told("others were sealed", 101, 301)
	if list, err := kept(t, s, block.Filter{}); len(list) != 300 || !errors.Is(err, block.ErrDamaged) {
		t.Errorf("%d records, %v", len(list), err)
	}
	exec(`UPDATE blocks SET data = $1 WHERE first_id = 101`, data)
	p.steps(2 * time.Minute)
	p.steps(6 * time.Second)
	told("one is whole again", 301)
	if list, err := kept(t, s, block.Filter{}); len(list) != 400 || !errors.Is(err, block.ErrDamaged) || blocksLeft(t, s) != 1 {
		t.Errorf("%d records, %v", len(list), err)
	}
	must(t, second(s.PruneRecords(t.Context(), nth(1000).Time)))
	p.steps(time.Second)
	told("all is too old")
}

func second[T any](_ T, err error) error { return err }

// Files go whole when all of their records are too old, or when there is too much, the oldest first; what straddles the time waits.
func TestFilesArePruned(t *testing.T) {
	onBlocks(t, func(t *testing.T, db emptyDatabase) {
		s := db.open("daemon")
		ctx := t.Context()
		p := newStepper(t, s)
		p.steps(0)
		must(t, putBlock(ctx, s, 20_000)) // seven days
		p.seal()
		before := recordFiles(t, s)
		if len(before) != 8 {
			t.Fatalf("%d files", len(before))
		}
		removed, err := s.PruneRecords(ctx, before[1].Newest) // which is one of those that have to stay
		must(t, err)
		if now := recordFiles(t, s); removed != before[0].Records || len(now) != 7 {
			t.Errorf("%d records were removed, %d files are left", removed, len(now))
		}
		removed, err = s.PruneFuture(ctx, before[7].Day)
		must(t, err)
		if now := recordFiles(t, s); removed != before[7].Records || len(now) != 6 {
			t.Errorf("%d records were removed, %d files are left", removed, len(now))
		}
		registered(t, s)
		wantKept(t, s, "pruned", before[0].Records+1, 20_000-before[7].Records)
		size, err := s.Size(ctx)
		must(t, err)
		if size.Files <= 0 || size.Used <= size.Files {
			t.Errorf("%+v", size)
		}
		removed, err = s.PruneTo(ctx, size.Used-before[1].Bytes-1, before[6].Day)
		must(t, err)
		if now := recordFiles(t, s); removed != before[1].Records+before[2].Records || len(now) != 4 {
			t.Errorf("%d records were removed, %d files are left", removed, len(now))
		}
		removed, err = s.PruneTo(ctx, 0, before[5].Newest)
		must(t, err)
		if now := recordFiles(t, s); removed != before[3].Records+before[4].Records || len(now) != 2 {
			t.Errorf("%d records were removed, %d files are left that have younger ones", removed, len(now))
		}
		registered(t, s)
	})
}

// The rows of an earlier version become files in the background, each record being in one place at any time, and its room is given back.
func TestRowsBecomeFiles(t *testing.T) {
	db := newSQLite(t)
	o := db.Options
	must(t, os.MkdirAll(filepath.Dir(o.Path), 0o700))
	former, err := openSQLite(o.Path, writerSettings())
	must(t, err)
	_, err = former.ExecContext(t.Context(), `PRAGMA auto_vacuum = none; VACUUM; CREATE TABLE x (y); DROP TABLE x`) // which an earlier version has
	must(t, err)
	must(t, former.Close())
	s := db.open("daemon")
	must(t, putRows(t.Context(), s, 20_000))
	must(t, putBlock(t.Context(), s, 1000))
	pages := func() (size, auto int64) {
		must(t, s.readers.QueryRowContext(t.Context(), `SELECT page_count * page_size, auto_vacuum FROM pragma_page_count, pragma_page_size, pragma_auto_vacuum`).Scan(&size, &auto))
		return size, auto
	}
	full, auto := pages()
	if auto != 0 || full < 3_000_000 {
		t.Fatalf("%d bytes, auto_vacuum %d", full, auto)
	}
	p := newStepper(t, s)
	steps := 0
	for more := true; more; steps++ {
		var err error
		more, err = s.archive.Step(t.Context(), p.now)
		must(t, err)
		wantKept(t, s, fmt.Sprint("step ", steps), 1, 21_000)
	}
	n := 0
	must(t, s.readers.QueryRowContext(t.Context(), `SELECT count(*) FROM records`).Scan(&n))
	if n != 0 || steps < 3 {
		t.Errorf("%d rows are left after %d steps", n, steps)
	}
	p.seal()
	registered(t, s)
	wantKept(t, s, "at the end", 1, 21_000)
}

// Who reads rows reads again at most once because they become files, and what becomes files waits no longer than two minutes for those who read.
func TestReadingEndsWhileRowsMove(t *testing.T) {
	s := newSQLite(t).open("daemon")
	must(t, putRows(t.Context(), s, 20_000))
	p := newStepper(t, s)
	records := s.records.(*blockRecords)
	var turn turn
	times := 0
	must(t, records.again(&turn, func() error {
		times++
		at, err := records.placement(t.Context(), where{}, where{})
		must(t, err)
		rows := records.still(at.lowest, rowPages{next: func(ctx context.Context) ([]Record, error) {
			_, err := s.archive.Step(ctx, p.now)
			return nil, err
		}})
		_, err = rows.next(t.Context())
		return err
	}))
	left := []int{rowsLeft(t, s)}
	for range 2 {
		p.steps(time.Minute)
		left = append(left, rowsLeft(t, s))
	}
	if times != 2 || left[0] == 20_000 || left[1] != left[0] || left[2] >= left[1] {
		t.Errorf("it was read %d times, and %v rows were left then and after each minute", times, left)
	}
	turn.leave()
	p.steps(0)
	if rowsLeft(t, s) != 0 {
		t.Error("reading has ended, and rows are left")
	}
}

func rowsLeft(t testing.TB, s *Store) (n int) {
	t.Helper()
	must(t, s.readers.QueryRowContext(context.Background(), `SELECT count(*) FROM records`).Scan(&n))
	return n
}
