package block

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Files whose times overlap become one that has every record once, in groups that overlap little; what they were stays.
func TestMergedFilesHaveWhatTheyHad(t *testing.T) {
	folder := t.TempDir()
	all := odd(1000, 9)
	var files []*File
	for i, some := range slices.Collect(slices.Chunk(all, 130)) {
		files = append(files, written(t, filepath.Join(folder, fmt.Sprint(i)), 50, 20, some))
	}
	path := filepath.Join(folder, "all.parquet")
	info, err := Merge(t.Context(), path, files)
	must(t, err)
	f, err := Open(path, info)
	must(t, err)
	defer f.Close()
	got, err := f.all()
	must(t, err)
	if fmt.Sprint(newestFirst(got)) != fmt.Sprint(newestFirst(all)) || info.Info != columnsOf(all).Info() {
		t.Errorf("%d records of %d, %+v", len(got), len(all), info.Info)
	}
	for _, f := range files {
		if _, err := f.all(); err != nil {
			t.Error(err)
		}
	}
}

// Groups that are mostly full become the groups of one file as they are, whatever their columns are kept as, and what they have is found as before; also with another file
// that was joined.
func TestFullGroupsAreJoined(t *testing.T) {
	folder := t.TempDir()
	lists := [][]Record{sessions(1).some(2000), scans(2).some(1300), odd(1900, 4)}
	var files []*File
	for i, list := range lists {
		for k := range list {
			list[k].Agent = int64(i) // so that ids differ
		}
		files = append(files, written(t, filepath.Join(folder, fmt.Sprint(i)), 1000, 100, list))
	}
	if canJoin([]*File{files[0], written(t, filepath.Join(folder, "small"), 50, 100, odd(500, 1))}, 500) || canJoin([]*File{files[0], written(t, filepath.Join(folder, "other"), 1000, 99, lists[0])}, 500) {
		t.Error("groups are joined that are small, or of other pages")
	}
	joined := files[0]
	for i, f := range files[1:] {
		path := filepath.Join(folder, fmt.Sprint("joined ", i))
		info, err := merge(t.Context(), path, []*File{joined, f}, 500)
		must(t, err)
		joined, err = Open(path, info)
		must(t, err)
		defer joined.Close()
	}
	if len(joined.groups) != 6 {
		t.Errorf("%d groups", len(joined.groups))
	}
	for _, f := range []Filter{{}, {Src: []netip.Prefix{netip.PrefixFrom(lists[0][77].Src, 32)}}, {Src: []netip.Prefix{netip.PrefixFrom(lists[1][77].Src, 32)}}, {DstPort: []PortRange{{443, 443}}, Action: []string{"allow"}}} {
		var got, want []Record
		must(t, Search(t.Context(), Sources{Files: []*File{joined}}, f, 0, func(r *Record) error { got = append(got, *r); return nil }))
		must(t, Search(t.Context(), Sources{Files: files}, f, 0, func(r *Record) error { want = append(want, *r); return nil }))
		slices.SortStableFunc(got, func(a, b Record) int { return cmp64(a.Agent, b.Agent) })
		slices.SortStableFunc(want, func(a, b Record) int { return cmp64(a.Agent, b.Agent) })
		if len(got) == 0 || !slices.Equal(got, want) {
			t.Errorf("%d records, want %d", len(got), len(want))
		}
	}
}

// A merge that comes to nothing, because a file is damaged or the context ends, leaves nothing.
func TestAMergeThatFailsLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	good, bad := written(t, filepath.Join(folder, "good"), 50, 20, odd(100, 1)), written(t, filepath.Join(folder, "bad"), 50, 20, odd(100, 2))
	truncate(t, bad.Path(), 500)
	if _, err := Merge(t.Context(), filepath.Join(folder, "all"), []*File{good, bad}); !errors.Is(err, ErrDamaged) || !contains(err, "bad") {
		t.Errorf("damaged: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Merge(ctx, filepath.Join(folder, "all"), []*File{good}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 2 {
		t.Errorf("%v", entries)
	}
}
