package archive

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Prune removes the files of which that is true, and tells how many records they had: all of those that have no record from before on.
func (a *Archive) Prune(ctx context.Context, before time.Time) (records int64, err error) {
	return a.prune(ctx, func(f File) bool { return f.Newest.Before(before) })
}

// PruneFuture removes the files that have no record from before from.
func (a *Archive) PruneFuture(ctx context.Context, from time.Time) (records int64, err error) {
	return a.prune(ctx, func(f File) bool { return !f.Oldest.Before(from) })
}

// Free removes the oldest files until so many bytes are free by it, none that have a record from keep on.
func (a *Archive) Free(ctx context.Context, bytes int64, keep time.Time) (records int64, err error) {
	return a.prune(ctx, func(f File) bool {
		if bytes <= 0 || !f.Newest.Before(keep) {
			return false
		}
		bytes -= f.Bytes
		return true
	})
}

// prune removes files in one transaction, then from the folder. which is asked for the oldest first.
func (a *Archive) prune(ctx context.Context, which func(File) bool) (records int64, err error) {
	a.writing.Lock()
	defer a.writing.Unlock()
	files, err := a.registry.Files(ctx)
	if err != nil {
		return 0, err
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Or(a.Newest.Compare(b.Newest), cmp.Compare(a.ID, b.ID)) })
	var old []File
	change := Change{}
	for _, f := range files {
		if which(f) {
			old, change.Files = append(old, f), append(change.Files, f.ID)
			records += f.Records
		}
	}
	if len(old) == 0 {
		return 0, nil
	}
	if err := a.registry.Change(ctx, change); err != nil {
		return 0, err
	}
	a.changed()
	return records, a.remove(old)
}
