package block

import (
	"context"
	"math"
	"slices"
	"time"
)

// Merge writes the records of files as one file of that path. Groups that are mostly full are taken over as they are, without being read into columns, which is as
// fast as the disk; else new ones are made, of all records. It holds two groups of records at a time, however large the files are. The files stay,
// and are to be closed and removed by the caller, once nothing leads to them any more.
func Merge(ctx context.Context, path string, files []*File) (FileInfo, error) {
	return merge(ctx, path, files, groupRows/2)
}

// merge is Merge, with how many records a group has to have on average to be kept.
func merge(ctx context.Context, path string, files []*File, enough int64) (FileInfo, error) {
	w, err := Create(path)
	if err != nil {
		return FileInfo{}, err
	}
	if canJoin(files, enough) {
		err = w.join(ctx, files)
	} else {
		err = w.appendFiles(ctx, files)
	}
	if err != nil {
		w.Abort()
		return FileInfo{}, err
	}
	return w.Close()
}

// canJoin tells whether the groups of the files are worth being kept: they have enough records, and are of one version, with pages of one length.
func canJoin(files []*File, enough int64) bool {
	records, groups := int64(0), int64(0)
	for _, f := range files {
		if f.pageRows != files[0].pageRows || f.columns != files[0].columns {
			return false
		}
		records, groups = records+f.info.Records, groups+int64(len(f.groups))
	}
	return groups > 0 && groups <= math.MaxInt16 && records/groups >= enough
}

// byTime gives the groups of files in the order in which they begin.
func byTime(files []*File) (pieces []piece) {
	for _, f := range files {
		for i, g := range f.groups {
			pieces = append(pieces, piece{file: f, group: i, oldest: g.oldest})
		}
	}
	slices.SortStableFunc(pieces, func(a, b piece) int { return cmp64(a.oldest, b.oldest) })
	return pieces
}

// appendFiles takes the groups in the order in which they begin, so that the new ones overlap little.
func (w *Writer) appendFiles(ctx context.Context, files []*File) error {
	for _, p := range byTime(files) {
		err := p.file.each(p.group, func(c *Columns) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return w.Append(c, time.Time{}, time.Time{})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// each calls fn with all columns of each page of a group, in their order.
func (f *File) each(group int, fn func(*Columns) error) error {
	g := f.group(group, nil)
	defer g.close()
	for page := range g.pageCount() {
		g.turn(page)
		if err := loadAll(g); err != nil {
			return f.failed(err)
		}
		if err := fn(&g.Columns); err != nil {
			return err
		}
	}
	return nil
}

// loadAll has all columns of the page.
func loadAll(u unit) error {
	for column := range numColumns {
		if column == colSrc6 || column == colDst6 {
			continue // they come with src and dst
		}
		if err := u.load(column); err != nil {
			return err
		}
	}
	return nil
}
