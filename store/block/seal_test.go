package block

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// dayFile names the files of a seal by their days.
func dayFile(folder string) func(time.Time) string {
	return func(day time.Time) string { return filepath.Join(folder, day.Format("2006-01-02")+".parquet") }
}

// Every record of the blocks is in the file of its day, once, and nowhere else; before 1970 too.
func TestSealedByDay(t *testing.T) {
	var all []Record
	for i, hours := range []int{-60, -36, -13, -12, 0, 11, 12, 13, 36, -500_000, -24, 0, -500_004} {
		for range 30 {
			all = append(all, Record{ID: int64(len(all)) + 1, Agent: 1, Time: noon().Add(time.Duration(hours)*time.Hour - time.Microsecond*time.Duration(i%2))})
		}
	}
	var blocks []Block
	for some := range slices.Chunk(all, 50) {
		blocks = append(blocks, blockOf(t, some))
	}
	folder := t.TempDir()
	files, err := Seal(t.Context(), blocks, dayFile(folder))
	must(t, err)
	var got []Record
	for _, s := range files {
		f, err := Open(s.Path, s.FileInfo)
		must(t, err)
		list, err := f.all()
		must(t, err)
		must(t, f.Close())
		if s.Oldest.Before(s.Day) || !s.Newest.Before(s.Day.AddDate(0, 0, 1)) || len(list) == 0 {
			t.Errorf("%s has %d records from %s to %s", s.Path, len(list), s.Oldest, s.Newest)
		}
		got = append(got, list...)
	}
	if fmt.Sprint(newestFirst(got)) != fmt.Sprint(newestFirst(all)) {
		t.Errorf("%d records of %d", len(got), len(all))
	}
}

// A seal that comes to nothing leaves nothing, also of the days before.
func TestASealThatFailsLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	good := blockOf(t, []Record{{ID: 1, Time: noon()}})
	cut := blockOf(t, []Record{{ID: 2, Time: noon().AddDate(0, 0, 1)}})
	load, loads := cut.Load, 0
	cut.Load = func(ctx context.Context) ([]byte, error) {
		if loads++; loads > 1 {
			return []byte("other"), nil
		}
		return load(ctx)
	}
	if _, err := Seal(t.Context(), []Block{good, cut}, dayFile(folder)); !errors.Is(err, ErrDamaged) || !contains(err, "records 2 to 2") || loads != 2 {
		t.Errorf("%d loads, %v", loads, err)
	}
	if entries, _ := os.ReadDir(folder); len(entries) > 0 {
		t.Errorf("%v", entries)
	}
	short := good
	short.Records = 2
	if _, err := Seal(t.Context(), []Block{short}, dayFile(folder)); !errors.Is(err, ErrDamaged) {
		t.Errorf("a block of fewer records than belong there: %v", err)
	}
}

// What nothing leads to is removed, and nothing else.
func TestRemoveOthers(t *testing.T) {
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	for _, name := range []string{"a.parquet", "b.parquet", "b.parquet.part", "c.parquet.part", "notes.txt", "parquet", "d.part"} {
		must(t, os.WriteFile(at(name), nil, 0o600))
	}
	must(t, os.Mkdir(at("e.parquet"), 0o700))
	removed, err := RemoveOthers(folder, []string{at("a.parquet")})
	must(t, err)
	if want := []string{at("b.parquet"), at("b.parquet.part"), at("c.parquet.part")}; !slices.Equal(removed, want) {
		t.Errorf("%v", removed)
	}
	if removed, err = RemoveOthers(at("none"), nil); err != nil || len(removed) > 0 {
		t.Errorf("%v, %v", removed, err)
	}
}
