// Package archive keeps records in files: it seals blocks into them and rows of earlier versions, merges those of a day, removes what is too old, and opens
// them for searches. What is in a file is package block's affair; which files and blocks there are stands in the database, behind Registry.
package archive

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"activedefense/store/block"
)

// File is a file of records, as the database has it.
type File struct {
	ID              int64
	Name            string    // in the folder
	Day             time.Time // the beginning of its day, UTC
	FirstID, LastID int64     // the lowest and the highest id of its records
	block.FileInfo            // Sums only where that is said
}

// Block is a block that waits for being sealed.
type Block struct {
	block.Info
	FirstID, Agent int64
	Bytes          int64 // of its data
}

// Change is what one transaction does: files come, and what they were made of goes.
type Change struct {
	Add    []File  // with their Sums
	Blocks []int64 // the FirstID of those that go
	Files  []int64 // ids of those that go
	Rows   Rows    // that go
}

// Rows are records in rows, with ids from First to Last, both included.
type Rows struct{ First, Last, Count int64 }

// Registry is what the database knows of records that are not in rows alone. Each method is a transaction of its own.
type Registry interface {
	// Files gives all files, by id, without their sums.
	Files(ctx context.Context) ([]File, error)
	// Sums gives those of a file. Its error is ErrChanged if the database has no such file any more.
	Sums(ctx context.Context, id int64) ([]byte, error)
	// Blocks gives all blocks, the oldest first.
	Blocks(ctx context.Context) ([]Block, error)
	// Block gives the data of a block. Its error is ErrChanged if the database does not have it any more.
	Block(ctx context.Context, firstID int64) ([]byte, error)
	// NewIDs gives the first of n ids that no file has had, all above least.
	NewIDs(ctx context.Context, n int, least int64) (int64, error)
	// Change does all of it or nothing. Its error is ErrChanged if something that is to go is not there. Where files go, it lasts when it returns,
	// whatever becomes of the host.
	Change(ctx context.Context, c Change) error
	// EachRow calls fn for the records in rows with the lowest ids, at most so many; the record is valid during the call only.
	EachRow(ctx context.Context, most int, fn func(*block.Record) error) error
	// Identity is that of the database, which no other one has.
	Identity() string
	// GiveBack gives some room that the database does not need any more to the file system, in a step that is short; spare is how many bytes it keeps for itself.
	// more: there is more to be given back.
	GiveBack(ctx context.Context, spare int64) (more bool, err error)
}

// ErrChanged: a file or a block was replaced after it was listed. Who lists again finds its records elsewhere.
var ErrChanged = errors.New("the files of records have changed meanwhile")

// Fault is a file that is registered and cannot be read, or a block that cannot be.
type Fault struct {
	File  File  // whose ID is 0 where it is a block
	Block Block // whose FirstID is 0 where it is a file
	Since time.Time
	Err   error // names the file, or the records of the block
}

// Archive is a folder of files. Its methods may be called from several goroutines; those that write wait for one another.
type Archive struct {
	folder   string
	registry Registry

	mu      sync.Mutex
	open    map[int64]*handle
	used    int64           // counts up with every use
	faults  map[int64]Fault // of files, by their id
	damaged map[int64]Fault // of blocks, by their FirstID
	gone    []Missed        // see TakeMissed
	dirty   bool            // files have changed since it was last seen to what is to be merged
	holders int             // see Hold
	refused time.Time       // the first step that did nothing for them, since one did something; zero: none

	writing sync.Mutex // held while files are made or removed
	sealer  sealer
}

// New is the archive of a folder, which need not be there.
func New(folder string, r Registry) *Archive {
	return &Archive{folder: folder, registry: r, open: make(map[int64]*handle), faults: make(map[int64]Fault), damaged: make(map[int64]Fault), dirty: true}
}

// mostOpen is how many files are kept open that nobody reads just now.
const mostOpen = 64

// handle is a file that is open.
type handle struct {
	file    *block.File
	readers int
	used    int64 // (Archive).used when it was last
	gone    bool  // it is to be closed when nobody reads it
}

// mostHeld is how long steps do nothing for those who hold what is there.
const mostHeld = 2 * time.Minute

// Hold has steps do nothing until release is called, once: for who reads blocks and rows, and began in vain because they became files meanwhile. However many hold them
// one after the other, there is a step every two minutes.
func (a *Archive) Hold() (release func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.holders++
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.holders--
	}
}

// held tells whether a step at this time is to do nothing.
func (a *Archive) held(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.holders > 0 && a.refused.IsZero() {
		a.refused = now
	}
	if a.holders > 0 && now.Sub(a.refused) < mostHeld {
		return true
	}
	a.refused = time.Time{}
	return false
}

// Path is where a file is.
func (a *Archive) Path(f File) string { return filepath.Join(a.folder, f.Name) }

// Open opens files for a search, in their order, until release is called with its error. Files that are missing or damaged are left out, and named by the error, which
// wraps fs.ErrNotExist or block.ErrDamaged: everything else can be searched. What a search finds damaged is noted, too (see Faults). The error is
// ErrChanged, and nothing is open, if a file was replaced after it was listed.
func (a *Archive) Open(ctx context.Context, files []File) (opened []*block.File, release func(error), err error) {
	var handles []*handle
	var ids []int64
	release = func(err error) {
		for i, h := range handles {
			if err != nil && names(err, h.file) {
				a.fault(files[slices.IndexFunc(files, func(f File) bool { return f.ID == ids[i] })], err)
			}
			a.release(ids[i], h)
		}
	}
	var unread []error
	for _, f := range files {
		h, err := a.take(ctx, f)
		if errors.Is(err, ErrChanged) || ctx.Err() != nil {
			release(nil)
			return nil, func(error) {}, errors.Join(err, ctx.Err())
		}
		if err != nil {
			unread = append(unread, err)
			a.fault(f, err)
			continue
		}
		opened, handles, ids = append(opened, h.file), append(handles, h), append(ids, f.ID)
	}
	return opened, release, errors.Join(unread...)
}

// take gives a file that is open, and counts who reads it.
func (a *Archive) take(ctx context.Context, f File) (*handle, error) {
	if h := a.opened(f.ID, nil); h != nil {
		return h, nil
	}
	sums, err := a.registry.Sums(ctx, f.ID)
	if err != nil {
		return nil, err
	}
	info := f.FileInfo
	info.Sums = sums
	file, err := block.Open(a.Path(f), info)
	if err != nil {
		if _, changed := a.registry.Sums(ctx, f.ID); changed != nil {
			return nil, changed
		}
		return nil, err
	}
	return a.opened(f.ID, file), nil
}

// opened gives the file of that id if it is open; else the one that it is given, which is closed where another is.
func (a *Archive) opened(id int64, file *block.File) *handle {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.open[id]
	if h == nil {
		if file == nil {
			return nil
		}
		h = &handle{file: file}
		a.open[id] = h
	} else if file != nil {
		_ = file.Close() // only read
	}
	a.used++
	h.readers, h.used = h.readers+1, a.used
	a.closeUnused()
	return h
}

func (a *Archive) release(id int64, h *handle) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h.readers--
	if h.readers == 0 && h.gone {
		_ = h.file.Close() // only read
		return
	}
	a.closeUnused()
}

// closeUnused closes what was not read for the longest time while too many are open.
func (a *Archive) closeUnused() {
	for len(a.open) > mostOpen {
		oldest, id := (*handle)(nil), int64(0)
		for i, h := range a.open {
			if h.readers == 0 && (oldest == nil || h.used < oldest.used) {
				oldest, id = h, i
			}
		}
		if oldest == nil {
			return
		}
		a.forget(id)
	}
}

// forget closes a file, as soon as nobody reads it.
func (a *Archive) forget(id int64) {
	h := a.open[id]
	if h == nil {
		return
	}
	delete(a.open, id)
	if h.gone = true; h.readers == 0 {
		_ = h.file.Close() // only read
	}
}

// Close closes all files; those that are read just now when their readers release them.
func (a *Archive) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.open {
		a.forget(id)
	}
}

// Stretch is a part of time, and the files that may have records of it.
type Stretch struct {
	Since, Until time.Time // zero: no bound
	Files        []File
}

// Stretches divides time, from its end on, so that a search that takes one after the other has no more than 64 files open, unless one day has more.
func Stretches(files []File) []Stretch {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return b.Day.Compare(a.Day) })
	list := []Stretch{{}}
	for len(files) > 0 {
		n := slices.IndexFunc(files, func(f File) bool { return !f.Day.Equal(files[0].Day) })
		if n < 0 {
			n = len(files)
		}
		last := &list[len(list)-1]
		if len(last.Files) > 0 && len(last.Files)+n > mostOpen {
			last.Since = files[0].Day.AddDate(0, 0, 1)
			list = append(list, Stretch{Until: last.Since})
			last = &list[len(list)-1]
		}
		last.Files = append(last.Files, files[:n]...)
		files = files[n:]
	}
	return list
}
