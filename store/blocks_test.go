package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"activedefense/store/block"
)

// moving is a database of records in many blocks, and what it has of them, newest first.
func moving(t *testing.T) (s *Store, records []Record) {
	t.Helper()
	s = newSQLite(t).open("one")
	records = someRecords(1500, noon())
	for i := range records {
		records[i].ID, records[i].Time = int64(i+1), records[i].Time.Truncate(6*time.Hour) // many of one time
	}
	for some := range slices.Chunk(records, 50) {
		commit(t, s, &Batch{Records: some})
	}
	records = slices.Clone(records)
	slices.SortFunc(records, func(a, b Record) int { return map[bool]int{true: -1, false: 1}[newer(&a, &b)] })
	return s, records
}

// What a search looks through may stand elsewhere from one moment to the next: each record is given all the same, once and in order.
func TestASearchFollowsWhatMoves(t *testing.T) {
	for name, f := range map[string]RecordFilter{"all": {}, "limit": {Limit: 700}, "some": {Conditions: Conditions{Action: []string{"deny", "königreich"}}}, "some, limit": {Limit: 300, Conditions: Conditions{Action: []string{"deny"}}}} {
		for _, down := range []bool{true, false} {
			s, records := moving(t)
			var want, got []int64
			for i := range records {
				if matches(&f, &records[i]) && (f.Limit == 0 || len(want) < f.Limit) {
					want = append(want, records[i].ID)
				}
			}
			must(t, s.Records(t.Context(), f, func(r *Record) error {
				if got = append(got, r.ID); len(got)%60 == 7 {
					toRows(t, s, 3, down)
				}
				return nil
			}))
			if !slices.Equal(got, want) {
				t.Errorf("%s, down %t: %d records, want %d", name, down, len(got), len(want))
			}
		}
	}
}

func TestSightingsFollowWhatMoves(t *testing.T) {
	for i, down := range []bool{true, false, true} {
		types := [][]string{nil, nil, {"Deny", "nothing"}}[i]
		s, records := moving(t)
		in := []Interval{{noon().Add(-20 * time.Hour), noon().Add(-time.Hour)}, {From: noon().Add(6 * time.Hour)}}
		var want, got []int64
		for _, r := range records {
			if (in[0].has(r.Time) || in[1].has(r.Time)) && (types == nil || strings.EqualFold(r.Type, types[0])) {
				want = append(want, r.ID)
			}
		}
		slices.Sort(want)
		must(t, s.Sightings(t.Context(), in, types, func(r *Record) error {
			if got = append(got, r.ID); len(got)%60 == 7 {
				toRows(t, s, 3, down)
			}
			return nil
		}))
		if len(got) == 0 || !slices.Equal(got, want) {
			t.Errorf("down %t, types %v: %d records, want %d", down, types, len(got), len(want))
		}
	}
}

// A block that is damaged is named, and everything else is found: in the other blocks, and among the rows.
func TestADamagedBlockIsNamed(t *testing.T) {
	s, _ := moving(t)
	toRows(t, s, 2, false)
	_, err := s.writer.ExecContext(t.Context(), `UPDATE blocks SET data = zeroblob(100) WHERE first_id = 201`)
	must(t, err)
	n := 0
	err = s.Records(t.Context(), RecordFilter{}, func(*Record) error { n++; return nil })
	if n != 1450 || !errors.Is(err, block.ErrDamaged) || !strings.Contains(fmt.Sprint(err), "the records 201 to 250") {
		t.Errorf("%d records: %v", n, err)
	}
	if n, err := s.CountRecords(t.Context(), RecordFilter{}); n != 1450 || !errors.Is(err, block.ErrDamaged) {
		t.Errorf("%d records are counted: %v", n, err)
	}
}

// What a newer version has written is passed over as what is damaged is, and nothing else: a restart goes on with what there is.
func TestABlockOfANewerVersionIsPassedOver(t *testing.T) {
	s, _ := moving(t)
	body := []byte("ADB\xffwhatever a newer version writes")
	body = binary.LittleEndian.AppendUint32(body, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	_, err := s.writer.ExecContext(t.Context(), `UPDATE blocks SET data = $1 WHERE first_id = 1401`, body)
	must(t, err)
	n := 0
	err = s.Records(t.Context(), RecordFilter{}, func(*Record) error { n++; return nil })
	if n != 1450 || errors.Is(err, block.ErrDamaged) || !strings.Contains(fmt.Sprint(err), "a newer version") {
		t.Errorf("%d records: %v", n, err)
	}
	equal(t, "sightings", len(sightings(t, s, Interval{})), 1450)
}

// A batch that is too large for one block is kept in several.
func TestABatchMayHaveMoreThanABlockTakes(t *testing.T) {
	s := newSQLite(t).open("one")
	records := make([]Record, block.MaxRecords+2)
	for i := range records {
		records[i] = Record{Time: noon(), Offset: int64(i)}
	}
	commit(t, s, &Batch{Records: records})
	offset := int64(len(records))
	must(t, s.Records(t.Context(), RecordFilter{}, func(r *Record) error {
		if offset--; r.Offset != offset || r.ID != offset+1 {
			t.Fatalf("record %d of offset %d where %d belongs", r.ID, r.Offset, offset)
		}
		return nil
	}))
	equal(t, "left", offset, int64(0))
}

// As many searches work at once as there are cores; one whose caller is busy with a record is not one of them.
func TestSearchesTakeTurns(t *testing.T) {
	path := newSQLite(t).Path
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), Options{Path: path})
		must(t, err)
		defer s.Close()
		commit(t, s, &Batch{Records: someRecords(10, noon())})
		turns := s.records.(*blockRecords).searches
		for range cap(turns) {
			turns <- struct{}{}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Records(ctx, RecordFilter{}, func(*Record) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one too many: %v", err)
		}
		n := 0
		if err := s.Records(t.Context(), RecordFilter{AtOnce: true}, func(*Record) error { n++; return nil }); err != nil || n != 10 {
			t.Errorf("one that waits for nobody: %d records, %v", n, err)
		}
		for range cap(turns) {
			<-turns
		}
		for range 2 * cap(turns) { // each from within the one before
			ctx := t.Context()
			n := 0
			must(t, s.Records(ctx, RecordFilter{Limit: 2}, func(*Record) error {
				n += len(turns)
				return s.Records(ctx, RecordFilter{Limit: 1}, func(*Record) error { n += len(turns); return nil })
			}))
			equal(t, "at work", []int{n, len(turns)}, []int{0, 0})
		}
	})
}

// What is known of a block that was committed has it passed over, and not read, where it has nothing of what is asked for; in another process nothing is known.
func TestABlockIsPassedOverByWhatIsKnownOfIt(t *testing.T) {
	db := newSQLite(t)
	s := db.open("one")
	for i := range 3 {
		commit(t, s, &Batch{Records: []Record{{Time: noon(), Src: addr("203.0.113.1"), SrcUser: fmt.Sprint("user ", i), Action: "deny"}}})
	}
	_, err := s.writer.ExecContext(t.Context(), `UPDATE blocks SET data = zeroblob(100) WHERE first_id = 2`)
	must(t, err)
	search := func(s *Store, user string) (n int, err error) {
		err = s.Records(t.Context(), RecordFilter{Conditions: Conditions{User: []string{user}}}, func(*Record) error { n++; return nil })
		return n, err
	}
	for user, damaged := range map[string]bool{"user 0": false, "user 1": true, "*2": false} {
		n, err := search(s, user)
		if damaged != errors.Is(err, block.ErrDamaged) || damaged != (n == 0) {
			t.Errorf("by %s: %d records, %v", user, n, err)
		}
	}
	if n, err := search(db.open("one"), "user 0"); n != 1 || !errors.Is(err, block.ErrDamaged) {
		t.Errorf("in another process: %d records, %v", n, err)
	}
}
