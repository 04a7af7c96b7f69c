package block

import (
	"context"
	"errors"
	"fmt"
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
