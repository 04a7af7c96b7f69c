package archive

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"maps"
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
		a.faults[f.ID] = Fault{File: f, Since: time.Now(), Err: err}
	}
}

// Faults are the files that are registered and missing or damaged, by their names, then the blocks that are damaged, by their ids, as far as was seen since the start. One
// that is whole again, or that retention has taken, is no fault any more within a minute.
func (a *Archive) Faults() []Fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := slices.Collect(maps.Values(a.faults))
	slices.SortFunc(list, func(a, b Fault) int { return strings.Compare(a.File.Name, b.File.Name) })
	blocks := slices.Collect(maps.Values(a.damaged))
	slices.SortFunc(blocks, func(a, b Fault) int { return cmp.Compare(a.Block.FirstID, b.Block.FirstID) })
	return append(list, blocks...)
}

// damage notes that a block cannot be read.
func damage(a *Archive, b Block, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.damaged[b.FirstID]; !known {
		a.damaged[b.FirstID] = Fault{Block: b, Since: time.Now(), Err: err}
	}
}

// whole gives those of all blocks that are not known to be damaged, and forgets of which others there was damage: they are gone.
func (a *Archive) whole(blocks []Block) []Block {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.damaged) == 0 {
		return blocks
	}
	there := make(map[int64]Fault)
	blocks = slices.DeleteFunc(blocks, func(b Block) bool {
		fault, is := a.damaged[b.FirstID]
		if is {
			there[b.FirstID] = fault
		}
		return is
	})
	a.damaged = there
	return blocks
}

// inspectBlocks looks whether the blocks that are known to be damaged still are.
func (a *Archive) inspectBlocks(ctx context.Context) error {
	for _, f := range a.Faults() {
		if f.Block.FirstID == 0 {
			continue
		}
		switch err := a.read(ctx, f.Block); {
		case errors.Is(err, block.ErrDamaged):
		case err == nil || errors.Is(err, ErrChanged):
			a.mu.Lock()
			delete(a.damaged, f.Block.FirstID)
			a.mu.Unlock()
		default:
			return err
		}
	}
	return nil
}

// read reads all of a block, and tells if it is not as it was written.
func (a *Archive) read(ctx context.Context, b Block) error {
	data, err := a.registry.Block(ctx, b.FirstID)
	if err != nil {
		return err
	}
	whole := b.loaded(data)
	return whole.Verify(ctx)
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
		info, err := os.Stat(a.Path(f))
		a.replaced(f.ID, info)
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
		if f.File.ID > 0 && !there[f.File.ID] {
			a.mend(f.File.ID) // retention has taken it
		}
	}
}

// replaced closes a file that is open where that is not what is under its name; nil: nothing is.
func (a *Archive) replaced(id int64, found fs.FileInfo) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h := a.open[id]; h != nil && (found == nil || !h.file.Is(found)) {
		a.forget(id)
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
