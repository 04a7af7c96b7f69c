package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"activedefense/store/block"
)

// When blocks are sealed: as soon as enough records wait for a file of full groups, or nothing has come for a while, or one has waited for long.
const (
	enoughRecords = 1 << 19
	enoughBytes   = 64 << 20 // of blocks, which are held in memory
	quiet         = 5 * time.Second
	longest       = time.Minute
)

// inspectEvery is how often it is looked whether all files are there.
const inspectEvery = time.Minute

// A sealer is what the goroutine that writes files knows. Only Step uses it.
type sealer struct {
	begun     bool
	inspected time.Time
	looked    bool      // at the blocks
	arrivals  []arrival // of the blocks that wait, as far as was seen
	least     int64     // the highest id that a file's name in the folder had at the start
	days      map[time.Time]lastFile
	rows      rowPace
}

// arrival is when a block was seen first: that one and those before it.
type arrival struct {
	firstID int64
	at      time.Time
}

// Step does what there is to do next, at this time: it begins, seals, merges, seals rows, or gives room back, one of them. more: there may be more to do, at once; else
// in a second. Where others hold what is there (see Hold) it only looks. It is called by one goroutine. What fails is tried again by the next call, and nothing is lost by it.
func (a *Archive) Step(ctx context.Context, now time.Time) (more bool, err error) {
	a.writing.Lock()
	defer a.writing.Unlock()
	s := &a.sealer
	if !s.begun || now.Sub(s.inspected) >= inspectEvery {
		if err := a.look(ctx, now); err != nil {
			return false, err
		}
	}
	blocks, err := a.registry.Blocks(ctx)
	if err != nil {
		return false, err
	}
	blocks = a.whole(blocks)
	s.arrived(blocks, now)
	if a.held(now) {
		return false, nil
	}
	if some := s.due(blocks, now); len(some) > 0 {
		return true, a.seal(ctx, some)
	}
	for _, step := range []func(context.Context, time.Time) (bool, error){a.merge, a.sealRows} {
		if more, err := step(ctx, now); more || err != nil {
			return more, err
		}
	}
	return a.giveBack(ctx, len(blocks) > 0)
}

// look begins, and looks whether the files are there from time to time.
func (a *Archive) look(ctx context.Context, now time.Time) error {
	s := &a.sealer
	files, err := a.registry.Files(ctx)
	if err != nil {
		return err
	}
	a.inspect(ctx, files)
	if err := a.inspectBlocks(ctx); err != nil {
		return err
	}
	if !s.begun {
		if err := a.begin(ctx, files); err != nil {
			return err
		}
	}
	s.begun, s.inspected = true, now
	a.changed()
	return nil
}

// begin makes the folder, and removes what a crash has left in it: files that no row names. Where files are missing that rows name, the database is an
// older one that was put back without its files, and those that are here may be all that there is of their records: they stay. So do those of another database, which
// this one took the place of; they are moved out of the way.
func (a *Archive) begin(ctx context.Context, files []File) error {
	if err := os.MkdirAll(a.folder, 0o700); err != nil {
		return fmt.Errorf("make the folder of records files: %w", err)
	}
	var keep []string
	for _, f := range files {
		keep = append(keep, a.Path(f))
	}
	here, err := filepath.Glob(filepath.Join(a.folder, "*.parquet"))
	if err != nil {
		return fmt.Errorf("look for records files: %w", err)
	}
	for _, path := range here {
		a.sealer.least = max(a.sealer.least, idIn(path))
	}
	ours, err := a.ours(len(files) > 0)
	if err != nil {
		return err
	}
	if !ours {
		if err := a.moveAway(slices.DeleteFunc(here, func(path string) bool { return slices.Contains(keep, path) })); err != nil {
			return err
		}
		return a.own()
	}
	if slices.ContainsFunc(a.Faults(), func(f Fault) bool { return errors.Is(f.Err, fs.ErrNotExist) }) {
		keep = append(keep, here...)
	}
	if _, err := block.RemoveOthers(a.folder, keep); err != nil {
		return err
	}
	return a.own()
}

// fileName is the name of a file: its day and its id, which no other ever has.
func fileName(day time.Time, id int64) string {
	return day.Format("2006-01-02") + "-" + strconv.FormatInt(id, 10) + ".parquet"
}

var ourName = regexp.MustCompile(`^\d{4}-\d\d-\d\d-(\d+)\.parquet$`)

// idIn is the id in the name of a file; 0: it has none.
func idIn(path string) int64 {
	m := ourName.FindStringSubmatch(filepath.Base(path))
	if m == nil {
		return 0
	}
	id, _ := strconv.ParseInt(m[1], 10, 64) // 0 for one that is too large to be ours
	return id
}

// arrived notes which blocks are new. Those of before the start have waited since then: for as long as their records, by the log's clock.
func (s *sealer) arrived(blocks []Block, now time.Time) {
	if !s.looked {
		s.looked = true
		for _, b := range blocks {
			at := now
			if b.Newest.Before(now) {
				at = b.Newest
			}
			s.arrivals = append(s.arrivals, arrival{b.FirstID, at})
		}
		return
	}
	if len(blocks) == 0 {
		s.arrivals = s.arrivals[:0]
		return
	}
	lowest, highest := blocks[0].FirstID, blocks[len(blocks)-1].FirstID
	s.arrivals = slices.DeleteFunc(s.arrivals, func(a arrival) bool { return a.firstID < lowest })
	last := len(s.arrivals) - 1
	if last >= 0 && s.arrivals[last].firstID >= highest {
		return
	}
	s.arrivals = append(s.arrivals, arrival{highest, now})
}

// due gives the blocks that are to be sealed now.
func (s *sealer) due(blocks []Block, now time.Time) []Block {
	if len(s.arrivals) == 0 {
		return nil
	}
	records, bytes, n := int64(0), int64(0), 0
	for n < len(blocks) && records < enoughRecords && bytes < enoughBytes {
		records, bytes, n = records+blocks[n].Records, bytes+blocks[n].Bytes, n+1
	}
	waited, still := now.Sub(s.arrivals[0].at), now.Sub(s.arrivals[len(s.arrivals)-1].at)
	if records >= enoughRecords || bytes >= enoughBytes || still >= quiet || waited >= longest {
		return blocks[:n]
	}
	return nil
}

// seal makes files of blocks.
func (a *Archive) seal(ctx context.Context, blocks []Block) error {
	var from []block.Block
	change := Change{}
	days := int64(1)
	for _, b := range blocks {
		data, err := a.registry.Block(ctx, b.FirstID)
		if errors.Is(err, ErrChanged) {
			return missed(ctx, a, blocks, err)
		}
		if err != nil {
			return err
		}
		from = append(from, b.loaded(data))
		change.Blocks = append(change.Blocks, b.FirstID)
		days = max(days, int64(b.Newest.Sub(b.Oldest)/(24*time.Hour))+2)
	}
	first, last := blocks[0].FirstID, blocks[len(blocks)-1].FirstID+blocks[len(blocks)-1].Records-1
	err := a.add(ctx, &change, min(days, 8), first, last, func(name func(time.Time) string) ([]block.Sealed, error) {
		return block.Seal(ctx, from, name)
	})
	switch {
	case errors.Is(err, ErrChanged):
		return missed(ctx, a, blocks, err)
	case errors.Is(err, block.ErrDamaged):
		return a.passOver(ctx, blocks, err)
	case err != nil:
		return fmt.Errorf("seal records: %w", err)
	}
	return nil
}

// Missed are blocks that had gone when a file was to take their place. Retention may take them; nothing else should.
type Missed struct {
	First, Last int64   // ids of the records of which the file was to be made
	Blocks      []Block // those of them that had gone
}

// missed notes which of some blocks have gone (see TakeMissed), so that the others are sealed by the next step. Where none has, the error is another's.
func missed(ctx context.Context, a *Archive, blocks []Block, err error) error {
	left, e := a.registry.Blocks(ctx)
	if e != nil {
		return e
	}
	there := make(map[int64]bool, len(left))
	for _, b := range left {
		there[b.FirstID] = true
	}
	last := blocks[len(blocks)-1]
	m := Missed{First: blocks[0].FirstID, Last: last.FirstID + last.Records - 1}
	for _, b := range blocks {
		if !there[b.FirstID] {
			m.Blocks = append(m.Blocks, b)
		}
	}
	if len(m.Blocks) == 0 {
		return fmt.Errorf("seal records: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = append(a.gone, m)
	return nil
}

// TakeMissed gives what steps have missed since it was called last.
func (a *Archive) TakeMissed() []Missed {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.gone
	a.gone = nil
	return list
}

// loaded is the block of which that is the data.
func (b *Block) loaded(data []byte) block.Block {
	return block.Block{Info: b.Info, FirstID: b.FirstID, Agent: b.Agent, Load: func(context.Context) ([]byte, error) { return data, nil }}
}

// passOver notes which blocks are damaged (see Faults), so that the others can be sealed. Where none is, the error is another's.
func (a *Archive) passOver(ctx context.Context, blocks []Block, err error) error {
	found := false
	for _, b := range blocks {
		if e := a.read(ctx, b); errors.Is(e, block.ErrDamaged) {
			damage(a, b, e)
			found = true
		}
	}
	if found {
		return nil
	}
	return fmt.Errorf("seal records: %w", err)
}

// add writes files with ids of their own, and has the change done with them. They are removed where it is not.
func (a *Archive) add(ctx context.Context, c *Change, ids int64, first, last int64, write func(name func(time.Time) string) ([]block.Sealed, error)) error {
	next, err := a.registry.NewIDs(ctx, int(ids), a.sealer.least)
	if err != nil {
		return err
	}
	end, given := next+ids, make(map[string]File)
	var failed error
	name := func(day time.Time) string {
		if next == end {
			if next, failed = a.registry.NewIDs(ctx, int(ids), a.sealer.least); failed != nil {
				return filepath.Join(a.folder, "no id", "for it") // which cannot be made
			}
			end = next + ids
		}
		f := File{ID: next, Name: fileName(day, next), Day: day, FirstID: first, LastID: last}
		next++
		given[a.Path(f)] = f
		return a.Path(f)
	}
	var files []block.Sealed
	err = inBackground(func() (err error) { files, err = write(name); return err })
	if failed != nil || err != nil {
		return errors.Join(failed, err)
	}
	for _, s := range files {
		f := given[s.Path]
		f.FileInfo = s.FileInfo
		c.Add = append(c.Add, f)
	}
	if err := a.registry.Change(ctx, *c); err != nil {
		return errors.Join(err, a.takeBack(ctx, c.Add))
	}
	a.changed()
	return nil
}

// takeBack removes files whose change failed. Those that the database has all the same stay, and those of which it does not say, which the next start
// looks at.
func (a *Archive) takeBack(ctx context.Context, files []File) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	for _, f := range files {
		if _, err := a.registry.Sums(ctx, f.ID); !errors.Is(err, ErrChanged) {
			return nil
		}
	}
	return a.remove(files)
}

// remove removes files that the database does not have any more. Who reads them reads on.
func (a *Archive) remove(files []File) error {
	var failed []error
	for _, f := range files {
		a.mu.Lock()
		a.forget(f.ID)
		delete(a.faults, f.ID)
		a.mu.Unlock()
		if err := os.Remove(a.Path(f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, fmt.Errorf("remove a records file: %w", err))
		}
	}
	return errors.Join(failed...)
}

// changed has merge look at the files anew.
func (a *Archive) changed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.dirty = true
}

// spareBusy is what the database keeps for the next blocks while some come, in bytes: two seals.
const spareBusy = 32 << 20

// giveBack gives room of the database back.
func (a *Archive) giveBack(ctx context.Context, busy bool) (more bool, err error) {
	spare := int64(0)
	if busy {
		spare = spareBusy
	}
	return a.registry.GiveBack(ctx, spare)
}
