package block

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func truncate(t testing.TB, path string, size int64) {
	t.Helper()
	must(t, os.Truncate(path, size))
}

// all gives the records of a file, in the order in which they stand.
func (f *File) all() (list []Record, err error) {
	for n := range f.groups {
		err = errors.Join(err, f.each(n, func(c *Columns) error { list = append(list, c.records()...); return nil }))
	}
	return list, err
}

func TestAFileGivesWhatItWasMadeOf(t *testing.T) {
	for name, list := range map[string][]Record{"odd": odd(1000, 3), "one": odd(1, 4), "scans": scans(1).some(3000), "sessions": sessions(1).some(3000)} {
		for _, sizes := range [][2]int{{groupRows, pageRows}, {100, 30}, {64, 64}} {
			path := filepath.Join(t.TempDir(), "a.parquet")
			f := written(t, path, sizes[0], sizes[1], list)
			want := make(map[Record]bool)
			for _, r := range list {
				want[r] = true
			}
			got, err := f.all()
			must(t, err)
			for i, r := range got {
				if !want[r] {
					t.Fatalf("%s: record %d is %+v", name, i, r)
				}
				delete(want, r)
				if i%sizes[0] > 0 && keyOf(r).compare(keyOf(got[i-1])) < 0 {
					t.Fatalf("%s: record %d is before the one before it", name, i)
				}
			}
			if len(want) > 0 || f.Info().Info != columnsOf(list).Info() {
				t.Errorf("%s: %d are missing; %+v", name, len(want), f.Info().Info)
			}
			if _, err := os.Stat(path + partSuffix); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("what was not complete: %v", err)
			}
		}
	}
}

// A file takes the records of its day alone, and comes to nothing without any.
func TestAFileTakesOneDay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.parquet")
	w, err := Create(path)
	must(t, err)
	list := []Record{{ID: 1, Time: noon().Add(-time.Microsecond)}, {ID: 2, Time: noon()}, {ID: 3, Time: noon().Add(time.Hour - time.Microsecond)}, {ID: 4, Time: noon().Add(time.Hour)}}
	must(t, w.Append(columnsOf(list), noon(), noon().Add(time.Hour)))
	info, err := w.Close()
	must(t, err)
	if want := (Info{2, list[1].Time, list[2].Time}); info.Info != want {
		t.Errorf("%+v", info.Info)
	}
	if _, err := Create(path); !errors.Is(err, fs.ErrExist) || !contains(err, path) {
		t.Errorf("a file that is there: %v", err)
	}
	w, err = Create(path + "2")
	must(t, err)
	must(t, w.Append(columnsOf(list), noon().Add(2*time.Hour), time.Time{}))
	if _, err := w.Close(); err == nil {
		t.Error("a file without records")
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("%v", entries)
	}
}

// Any byte another, any end missing, a byte more, another file, none, a folder, a pipe: it is told, with the file's name, and no other record is given for it.
func TestADamagedFileIsToldSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.parquet")
	list := odd(200, 5)
	info := write(t, path, 100, 50, list)
	data, err := os.ReadFile(path)
	must(t, err)
	told := func(what string) {
		t.Helper()
		f, err := Open(path, info)
		if err == nil {
			_, err = f.all()
			must(t, f.Close())
		}
		if !errors.Is(err, ErrDamaged) || !contains(err, path) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for i := 0; i < len(data); i += 1 + len(data)/150 {
		data[i] ^= 0x04
		must(t, os.WriteFile(path, data, 0o600))
		told(fmt.Sprintf("byte %d of %d flipped", i, len(data)))
		data[i] ^= 0x04
		must(t, os.WriteFile(path, data[:i], 0o600))
		told(fmt.Sprintf("cut at %d", i))
	}
	must(t, os.WriteFile(path, append(data, 0), 0o600))
	told("a byte more")
	must(t, os.Remove(path))
	must(t, os.Mkdir(path, 0o700))
	if told("a folder"); !contains(errOf(Open(path, info)), "it is a folder") {
		t.Error("it does not say that it is a folder")
	}
	must(t, os.Remove(path))
	must(t, syscall.Mkfifo(path, 0o600))
	told("a pipe that nobody writes to")
	must(t, os.Remove(path))
	if _, err := Open(path, info); !errors.Is(err, fs.ErrNotExist) || !contains(err, path) {
		t.Errorf("missing: %v", err)
	}
}

func errOf(_ *File, err error) error { return err }

func contains(err error, what string) bool {
	return err != nil && len(what) > 0 && strings.Contains(err.Error(), what)
}

func keyOf(r Record) key { return key{r.Time.UnixMicro(), r.ID} }

// The bloom filters of a group say of most addresses that are not there that they are not, and of none that is there, whether their columns are kept as a list
// or not.
func TestFiltersKnowTheAddresses(t *testing.T) {
	for name, g := range map[string]generator{"scans": scans(1), "sessions": sessions(1)} {
		list := g.some(20_000)
		f := written(t, filepath.Join(t.TempDir(), "a.parquet"), groupRows, pageRows, list)
		r := f.group(0, nil)
		defer r.close()
		asked := func(src, dst netip.Addr) bool {
			may, err := r.mayHave(newPlan(&Filter{Src: []netip.Prefix{netip.PrefixFrom(src, 32)}, Dst: []netip.Prefix{netip.PrefixFrom(dst, 32)}}))
			must(t, err)
			return may
		}
		wrong := 0
		for i, rec := range list[:2000] {
			if !asked(rec.Src, rec.Dst) {
				t.Fatalf("%s: %s and %s are there", name, rec.Src, rec.Dst)
			}
			if asked(rec.Src, v4(0xdf000000+uint32(i))) {
				wrong++
			}
			if asked(v4(0xdf000000+uint32(i)), rec.Dst) {
				wrong++
			}
		}
		if wrong > 400 {
			t.Errorf("%s: %d of 4000 that are not there may be", name, wrong)
		}
	}
}
