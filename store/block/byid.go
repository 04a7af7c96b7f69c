package block

import (
	"container/heap"
	"context"
	"slices"
)

// ByID is Search without a limit and in the order of ids, which is that in which records were committed: for who has to see them again as they came. Each
// piece is read once, also where ids and times go different ways, as they do where several clocks were written down.
func ByID(ctx context.Context, from Sources, f Filter, fn func(*Record) error) error {
	o := &inOrder{search: newSearch(from, &f, true), hold: mostGathered, fn: fn}
	return o.run(ctx)
}

// mostGathered is how many records are held of pieces whose ids overlap: some 100 bytes each.
const mostGathered = 1 << 20

// inOrder gives the records of pieces by their ids.
type inOrder struct {
	*search
	hold int // mostGathered
	fn   func(*Record) error

	waiting gatherings // that have records to be given yet
	record  Record
}

func (o *inOrder) run(ctx context.Context) error {
	defer o.close()
	read := make([]*gathered, len(o.pieces))
	err := o.each(ctx, func(ctx context.Context, i int) (err error) {
		read[i], err = o.gather(ctx, i)
		return err
	}, func(i int) (bool, error) {
		if read[i].left() > 0 {
			heap.Push(&o.waiting, read[i])
			o.letGo()
		}
		read[i] = nil
		until := int64(latest)
		if i+1 < len(o.pieces) {
			until = o.pieces[i+1].lowest
		}
		return true, o.give(ctx, until)
	})
	if err != nil {
		return err
	}
	return o.unread()
}

// give hands on what has an id below until.
func (o *inOrder) give(ctx context.Context, until int64) error {
	for len(o.waiting) > 0 && o.waiting[0].lowest < until {
		g := heap.Pop(&o.waiting).(*gathered)
		gone := g.gone
		if gone {
			again, err := o.gather(ctx, g.piece)
			if err != nil {
				return err
			}
			again.skip(g.lowest)
			g = again
		}
		end := until
		if len(o.waiting) > 0 {
			end = min(end, o.waiting[0].lowest)
		}
		for ; g.left() > 0 && g.lowest < end; g.advance() {
			if err := ctx.Err(); err != nil {
				return err
			}
			g.Record(g.row(), &o.record)
			if err := o.fn(&o.record); err != nil {
				return err
			}
		}
		if g.left() > 0 {
			heap.Push(&o.waiting, g)
		}
		if gone {
			o.letGo()
		}
	}
	return nil
}

// letGo forgets, where too much is held, what is needed last. It is read again when it is.
func (o *inOrder) letGo() {
	held := 0
	for _, g := range o.waiting {
		held += g.Len()
	}
	for held > o.hold {
		var last *gathered
		for _, g := range o.waiting {
			if !g.gone && (last == nil || g.lowest > last.lowest) {
				last = g
			}
		}
		if last == o.waiting[0] {
			return // the others are gone already
		}
		held -= last.Len()
		*last = gathered{piece: last.piece, lowest: last.lowest, gone: true}
	}
}

// gathered are the records of a piece that are wanted, and not given yet.
type gathered struct {
	Columns
	rows   []int32 // their numbers, by id; nil: they stand so
	next   int     // how many were given
	lowest int64   // id of those that are left
	piece  int
	gone   bool // they are to be read again
}

// gather reads a piece. What cannot be read of it is noted, and the rest is there.
func (o *inOrder) gather(ctx context.Context, i int) (*gathered, error) {
	g := &gathered{piece: i}
	err := o.look(ctx, i, key{latest, latest}, func(sel *selection) error {
		for page := range sel.pageCount() {
			if err := o.passOver(ctx, i, g.add(sel, page)); err != nil {
				return err
			}
		}
		return nil
	})
	g.sort()
	return g, err
}

// add adds what is wanted of a page. The different texts of all pages are the same.
func (g *gathered) add(sel *selection, number int) error {
	wanted, err := sel.page(number)
	if err != nil || len(wanted) == 0 {
		return err
	}
	if err := loadAll(sel.unit); err != nil {
		return err
	}
	page, rows := sel.columns(), []int(nil)
	if len(wanted) < page.Len() {
		rows = make([]int, len(wanted))
		for i, row := range wanted {
			rows[i] = int(row)
		}
	}
	expected := len(wanted) * (sel.pageCount() - number)
	if g.Len() == 0 {
		g.grow(expected)
	}
	g.appendNumbers(page, rows)
	for k := range g.texts {
		t, f := &g.texts[k], &page.texts[k]
		if len(t.different) == 0 {
			t.different = slices.Clone(f.different)
		}
		if len(t.different) == 1 {
			continue
		}
		if len(t.codes) == 0 {
			t.codes = slices.Grow(t.codes, expected)
		}
		t.codes = appendRows(t.codes, f.codes, rows)
	}
	return nil
}

func (g *gathered) sort() {
	if !slices.IsSorted(g.id) {
		g.rows = make([]int32, g.Len())
		for i := range g.rows {
			g.rows[i] = int32(i)
		}
		slices.SortFunc(g.rows, func(a, b int32) int { return cmp64(g.id[a], g.id[b]) })
	}
	g.skip(earliest)
}

// left is how many records are to be given yet.
func (g *gathered) left() int { return g.Len() - g.next }

// row is the number of the next of them.
func (g *gathered) row() int {
	if g.rows == nil {
		return g.next
	}
	return int(g.rows[g.next])
}

func (g *gathered) advance() {
	if g.next++; g.left() > 0 {
		g.lowest = g.id[g.row()]
	}
}

// skip goes on to the first whose id is not below least.
func (g *gathered) skip(least int64) {
	for g.next = -1; ; {
		if g.advance(); g.left() == 0 || g.lowest >= least {
			return
		}
	}
}

// gatherings is a heap, by the lowest id.
type gatherings []*gathered

func (h gatherings) Len() int           { return len(h) }
func (h gatherings) Less(i, j int) bool { return h[i].lowest < h[j].lowest }
func (h gatherings) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *gatherings) Push(g any)        { *h = append(*h, g.(*gathered)) }

func (h *gatherings) Pop() any {
	n := len(*h) - 1
	g := (*h)[n]
	(*h)[n], *h = nil, (*h)[:n]
	return g
}
