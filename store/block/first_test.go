package block

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// firstFile opens testdata/first.parquet, which the first version wrote of scans(1).some(300), in groups of 200 and pages of 50. It knew of no category and no client.
func firstFile(t *testing.T) *File {
	t.Helper()
	path := filepath.Join("testdata", "first.parquet")
	data, err := os.ReadFile(path)
	must(t, err)
	s := summer{to: bufio.NewWriter(io.Discard)}
	_, err = s.Write(data)
	must(t, err)
	f, err := Open(path, FileInfo{columnsOf(scans(1).some(300)).Info(), int64(len(data)), s.all()})
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// What the first version wrote is read as it was, and none of its records has a text that it did not know of; its files are joined with each other, and become new ones with
// those of this version.
func TestWhatTheFirstVersionWroteIsRead(t *testing.T) {
	want, f := scans(1).some(300), firstFile(t)
	got, err := f.all()
	must(t, err)
	if !slices.Equal(got, want) || f.columns != numColumnsFirst {
		t.Fatalf("%d records in %d columns, the first %+v", len(got), f.columns, got[0])
	}
	data, err := os.ReadFile(filepath.Join("testdata", "first.block")) // of the same
	must(t, err)
	_, d := newCoders(t)
	var c Columns
	for range 2 { // in room that was used, too
		must(t, d.Decode(data, 1, 1, &c))
		if !slices.Equal(c.records(), want) {
			t.Fatalf("a block has %d records, the first %+v", c.Len(), c.records()[0])
		}
	}

	later := scans(2).some(400)
	for i := range later {
		later[i].ID, later[i].Time = later[i].ID+1000, later[i].Time.Add(time.Minute)
		later[i].Category, later[i].Client = "brute-force", fmt.Sprintf("203.0.113.%d", i%200)
	}
	folder := t.TempDir()
	fresh := written(t, filepath.Join(folder, "fresh"), 200, 50, later)
	if canJoin([]*File{f, fresh}, 1) || !canJoin([]*File{f, firstFile(t)}, 1) {
		t.Error("files are joined whose columns are others, or not those that have the same")
	}
	merged := func(name string, files ...*File) []Record {
		t.Helper()
		path := filepath.Join(folder, name)
		info, err := merge(t.Context(), path, files, 1)
		must(t, err)
		f, err := Open(path, info)
		must(t, err)
		defer f.Close()
		list, err := f.all()
		must(t, err)
		return list
	}
	if got := merged("both", f, fresh); !slices.Equal(got, slices.Concat(want, later)) {
		t.Errorf("%d records of both", len(got))
	}
	if got := merged("joined", f, firstFile(t)); len(got) != 2*len(want) || got[0] != want[0] {
		t.Errorf("%d records of the first version, joined", len(got))
	}
	for column, n := range map[string]int{"category": 1, "client": 200, "device": 1} {
		texts := make(map[string]bool)
		must(t, Different(t.Context(), Sources{Files: []*File{f, fresh}}, Filter{}, column, nil, func(text string) { texts[text] = true }))
		if len(texts) != n {
			t.Errorf("%d different texts of %s, want %d", len(texts), column, n)
		}
	}
}

// Blocks and a file of the first version, of which no digest is known, are searched and counted beside newer ones, in whatever order a reader comes to them.
func TestASearchTakesBothVersions(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "first.block"))
	must(t, err)
	old := scans(1).some(300)
	later := scans(2).some(400)
	for i := range later {
		later[i].ID, later[i].Category, later[i].Client = later[i].ID+1000, "brute-force", fmt.Sprintf("203.0.113.%d", i%200)
	}
	var loads atomic.Int64
	from := Sources{Blocks: known(t, later, 100, &loads)}
	all := slices.Clone(later)
	for i := range int64(20) { // more than are read ahead
		c := columnsOf(old)
		from.Blocks = append(from.Blocks, Block{Info: c.Info(), FirstID: 2000 + 300*i, Agent: 1, Load: func(context.Context) ([]byte, error) { return data, nil }})
		for k := range old {
			r := old[k]
			r.ID = 2000 + 300*i + int64(k)
			all = append(all, r)
		}
	}
	from.Files = append(from.Files, firstFile(t))
	all = append(all, old...)
	slices.SortFunc(all, func(a, b Record) int { return cmp.Or(b.Time.Compare(a.Time), cmp.Compare(b.ID, a.ID)) })
	for name, f := range map[string]Filter{"all": {}, "an action": {Action: []string{all[0].Action}}, "a port": {DstPort: []PortRange{{all[9].DstPort, all[9].DstPort}}}, "a source": {Src: []netip.Prefix{netip.PrefixFrom(all[7].Src, all[7].Src.BitLen())}}} {
		want := slices.DeleteFunc(slices.Clone(all), func(r Record) bool { return !matches(&f, &r) })
		var got []Record
		must(t, Search(t.Context(), from, f, 0, func(r *Record) error { got = append(got, *r); return nil }))
		n, err := Count(t.Context(), from, f)
		must(t, err)
		if !slices.Equal(got, want) || n != int64(len(want)) || n == 0 {
			t.Errorf("by %s %d records are found and %d counted, want %d", name, len(got), n, len(want))
		}
	}
}
