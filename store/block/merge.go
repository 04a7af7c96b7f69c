package block

import (
	"context"
	"slices"
	"time"
)

// Merge writes the records of files as one file of that path. It holds two groups of records at a time, however large the files are. The files stay, and
// are to be closed and removed by the caller, once nothing leads to them any more.
func Merge(ctx context.Context, path string, files []*File) (FileInfo, error) {
	w, err := Create(path)
	if err != nil {
		return FileInfo{}, err
	}
	if err := w.appendFiles(ctx, files); err != nil {
		w.Abort()
		return FileInfo{}, err
	}
	return w.Close()
}

// appendFiles takes the groups in the order in which they begin, so that the new ones overlap little.
func (w *Writer) appendFiles(ctx context.Context, files []*File) error {
	var pieces []piece
	for _, f := range files {
		for i, g := range f.groups {
			pieces = append(pieces, piece{file: f, group: i, oldest: g.oldest})
		}
	}
	slices.SortStableFunc(pieces, func(a, b piece) int { return cmp64(a.oldest, b.oldest) })
	for _, p := range pieces {
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
