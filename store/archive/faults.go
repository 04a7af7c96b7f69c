package archive

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"activedefense/store/block"
)

// names tells whether an error of a search is of this file, and means that it is damaged.
func names(err error, f *block.File) bool {
	return errors.Is(err, block.ErrDamaged) && strings.Contains(err.Error(), "the records file "+f.Path()+" ")
}

// fault notes that a file cannot be read. It is opened anew for the next search: a person may have put it back.
func (a *Archive) fault(f File, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(f.ID)
	if _, known := a.faults[f.ID]; !known {
		a.faults[f.ID] = Fault{f, time.Now(), err}
	}
}

// Faults are the files that are registered and missing or damaged, as far as was seen since the start, by their names. One that is whole again is no fault
// any more within a minute.
func (a *Archive) Faults() []Fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []Fault
	for _, f := range a.faults {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b Fault) int { return strings.Compare(a.File.Name, b.File.Name) })
	return list
}

// faulty tells whether a file is known not to be readable.
func (a *Archive) faulty(id int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, is := a.faults[id]
	return is
}

// inspect looks whether each file is there and as long as it was written; of those that are known to be faulty, whether all of it is as it was written.
func (a *Archive) inspect(ctx context.Context, files []File) {
	there := make(map[int64]bool, len(files))
	for _, f := range files {
		there[f.ID] = true
		info, err := os.Lstat(a.Path(f))
		known := a.faulty(f.ID)
		if !known && err == nil && info.Size() == f.Bytes {
			continue
		}
		err = a.verify(ctx, f) // which notes why not
		if ctx.Err() != nil {
			return
		}
		if known && err == nil {
			a.mend(f.ID)
		}
	}
	for _, f := range a.Faults() {
		if !there[f.File.ID] {
			a.mend(f.File.ID) // retention has taken it
		}
	}
}

// mend notes that a file is no fault any more.
func (a *Archive) mend(id int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.faults, id)
}

// verify reads all of a file, and notes if it is not as it was written.
func (a *Archive) verify(ctx context.Context, f File) error {
	opened, release, err := a.Open(ctx, []File{f})
	if err != nil {
		release(nil)
		return err
	}
	err = opened[0].Verify(ctx)
	release(err)
	return err
}
