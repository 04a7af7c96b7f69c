package block

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Sealed is a file that Seal wrote.
type Sealed struct {
	Path string
	Day  time.Time // the beginning of its day, UTC
	FileInfo
}

// Seal writes the records of blocks into files, one for each day that they have; name gives a day's path, which ends in ".parquet" and is no file's yet. The files are
// complete and last when it returns; those of a seal that fails are removed. It holds one block and one group of a file at a time, and reads the
// blocks once, and once more for each day.
func Seal(ctx context.Context, blocks []Block, name func(day time.Time) string) ([]Sealed, error) {
	d, err := NewDecoder()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var c Columns
	days := make(map[int64]struct{})
	err = eachBlock(ctx, d, blocks, &c, func() error {
		c.days(days)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return sealDays(days, name, func(n int64, add func(*Columns) error) error {
		within := slices.DeleteFunc(slices.Clone(blocks), func(b Block) bool { return dayOf(b.Newest.UnixMicro()) < n || dayOf(b.Oldest.UnixMicro()) > n })
		return eachBlock(ctx, d, within, &c, func() error { return add(&c) })
	})
}

// SealColumns is Seal of records that are in no block.
func SealColumns(c *Columns, name func(day time.Time) string) ([]Sealed, error) {
	days := make(map[int64]struct{})
	c.days(days)
	return sealDays(days, name, func(_ int64, add func(*Columns) error) error { return add(c) })
}

// days adds those of the records.
func (c *Columns) days(to map[int64]struct{}) {
	for _, t := range c.time {
		to[dayOf(t)] = struct{}{}
	}
}

// sealDays writes a file for each day, of those records of that day that each adds to it.
func sealDays(days map[int64]struct{}, name func(time.Time) string, each func(day int64, add func(*Columns) error) error) (files []Sealed, err error) {
	defer func() {
		if err == nil {
			return
		}
		for _, f := range files {
			_ = os.Remove(f.Path) // what stays is removed by RemoveOthers
		}
		files = nil
	}()
	for _, n := range slices.Sorted(maps.Keys(days)) {
		day := time.UnixMicro(n * microsOfDay).UTC()
		w, err := Create(name(day))
		if err != nil {
			return files, err
		}
		if err := each(n, func(c *Columns) error { return w.Append(c, day, day.AddDate(0, 0, 1)) }); err != nil {
			w.Abort()
			return files, err
		}
		info, err := w.Close()
		if err != nil {
			return files, err
		}
		files = append(files, Sealed{w.path, day, info})
	}
	return files, nil
}

const microsOfDay = int64(24 * time.Hour / time.Microsecond)

// dayOf gives the day of a time, counted from 1970 on.
func dayOf(micros int64) int64 {
	day := micros / microsOfDay
	if micros%microsOfDay < 0 {
		day--
	}
	return day
}

// eachBlock decodes one block after the other into c.
func eachBlock(ctx context.Context, d *Decoder, blocks []Block, c *Columns, fn func() error) error {
	for i := range blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := &blocks[i]
		if err := b.decode(ctx, d, c); err != nil {
			return err
		}
		if err := fn(); err != nil {
			return err
		}
	}
	return nil
}

// decode reads the block into c.
func (b *Block) decode(ctx context.Context, d *Decoder, c *Columns) error {
	data, err := b.Load(ctx)
	if err == nil {
		err = d.Decode(data, b.FirstID, b.Agent, c)
	}
	return b.whole(d, err)
}

// open begins to read the block.
func (b *Block) open(ctx context.Context, d *Decoder) error {
	data, err := b.Load(ctx)
	if err == nil {
		err = d.open(data)
	}
	return b.whole(d, err)
}

// whole says which records an error is of. That it has others than it should is one.
func (b *Block) whole(d *Decoder, err error) error {
	if err == nil && int64(d.records) != b.Records {
		err = fmt.Errorf("%w: it has %d records where %d belong", ErrDamaged, d.records, b.Records)
	}
	return b.failed(err)
}

func (b *Block) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the records %d to %d: %w", b.FirstID, b.FirstID+b.Records-1, err)
}

// Verify reads the whole block and tells whether it is as it was written.
func (b *Block) Verify(ctx context.Context) error {
	d, err := NewDecoder()
	if err != nil {
		return err
	}
	defer d.Close()
	return b.decode(ctx, d, new(Columns))
}

// RemoveOthers removes the files of records in a folder that are not among keep, which are paths: those of a seal or a merge that was not finished, or
// that nothing leads to. Other files, and folders, stay. It gives the paths that it removed. A folder that is not there has none.
func RemoveOthers(folder string, keep []string) (removed []string, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for files of records that nothing leads to: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		if !e.Type().IsRegular() || filepath.Ext(strings.TrimSuffix(path, partSuffix)) != ".parquet" || slices.Contains(keep, path) {
			continue
		}
		if err := os.Remove(path); err != nil {
			return removed, fmt.Errorf("remove a file of records that nothing leads to: %w", err)
		}
		removed = append(removed, path)
	}
	return removed, nil
}
