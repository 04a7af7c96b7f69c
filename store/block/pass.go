package block

import (
	"context"
	"slices"
)

// pass is one way through the pieces, from those that end last on. What it finds is given as soon as no piece that was not looked at yet can have anything
// newer. Where more is found before that than may be held, the oldest are let go, and a further pass begins below floor.
type pass struct {
	*search
	before key
	limit  int // 0: none
	fn     func(*Record) error

	found   []found
	pending []ref // newest first
	floor   key   // what is older than this was not kept
	cut     bool  // whether there is a floor
	given   int
	open    map[int32]unit // of pieces whose records are being made
}

// found is what a piece has.
type found struct {
	refs []ref
	more bool
}

// run tells whether a further pass has to begin below floor.
func (p *pass) run(ctx context.Context) (more bool, err error) {
	p.found, p.open = make([]found, len(p.pieces)), make(map[int32]unit)
	defer p.closeAll()
	most := p.hold
	if p.limit > 0 {
		most = min(most, p.limit)
	}
	err = p.each(ctx, func(ctx context.Context, i int) error {
		return p.look(ctx, i, p.before, func(sel *selection) (err error) {
			p.found[i], err = p.take(sel, i, most)
			return err
		})
	}, func(i int) (bool, error) {
		p.merge(&p.found[i])
		p.found[i] = found{}
		next := int64(earliest)
		if i+1 < len(p.pieces) {
			next = p.pieces[i+1].newest
		}
		if p.cut && next < p.floor.time {
			next = earliest // nothing that is kept comes from the pieces to come
		}
		if err := p.give(ctx, next); err != nil {
			return false, err
		}
		return next != earliest && (p.limit == 0 || p.given < p.limit), nil
	})
	return p.cut, err
}

// take finds the records of a piece, and makes them if they are few.
func (p *pass) take(sel *selection, i, most int) (f found, err error) {
	if f.refs, f.more, err = sel.newest(most); err != nil {
		return found{}, err
	}
	for k := range f.refs {
		f.refs[k].piece = int32(i)
	}
	if len(f.refs) <= mostReady {
		records := make([]Record, len(f.refs))
		err = makeRecords(sel.unit, f.refs, records)
	}
	return f, err
}

// makeRecords makes the records of one unit.
func makeRecords(u unit, refs []ref, records []Record) error {
	for k := range refs {
		page, i := u.place(int(refs[k].row))
		u.turn(page)
		if err := loadAll(u); err != nil {
			return err
		}
		u.columns().Record(i, &records[k])
		refs[k].record = &records[k]
	}
	return nil
}

// merge adds what a piece has to what is pending.
func (p *pass) merge(f *found) {
	if f.more {
		p.lift(f.refs[len(f.refs)-1].key)
	}
	switch n := len(p.pending); {
	case len(f.refs) == 0:
	case n == 0 || p.pending[n-1].compare(f.refs[0].key) > 0:
		p.pending = append(p.pending, f.refs...)
	default:
		p.pending = merged(p.pending, f.refs)
	}
	if len(p.pending) > p.hold {
		p.lift(p.pending[p.hold-1].key)
	}
	if p.cut {
		n, _ := slices.BinarySearchFunc(p.pending, p.floor, func(r ref, floor key) int { return floor.compare(r.key) })
		for n < len(p.pending) && p.pending[n].compare(p.floor) >= 0 {
			n++
		}
		clear(p.pending[n:])
		p.pending = p.pending[:n]
	}
}

func (p *pass) lift(floor key) {
	if !p.cut || floor.compare(p.floor) > 0 {
		p.floor, p.cut = floor, true
	}
}

// merged gives both, newest first.
func merged(a, b []ref) []ref {
	all := make([]ref, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].compare(b[0].key) >= 0 {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// give hands on what is newer than next, the newest time that may come yet.
func (p *pass) give(ctx context.Context, next int64) error {
	n := 0
	for n < len(p.pending) && (next == earliest || p.pending[n].time > next) {
		n++
	}
	if p.limit > 0 {
		n = min(n, p.limit-p.given)
	}
	records := make([]Record, min(n, chunkSize))
	for n > 0 {
		some := p.pending[:min(n, chunkSize)]
		if err := p.makeAll(ctx, some, records); err != nil {
			return err
		}
		for i := range some {
			if some[i].record == nil { // could not be read
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			p.given++
			if err := p.fn(some[i].record); err != nil {
				return err
			}
			some[i].record = nil
		}
		p.pending, n = p.pending[len(some):], n-len(some)
	}
	if len(p.pending) == 0 {
		p.pending = nil
	}
	return nil
}

// makeAll makes those records that are not made yet, piece by piece, with as few pages turned as may be.
func (p *pass) makeAll(ctx context.Context, refs []ref, records []Record) error {
	byPiece := make(map[int32][]int)
	for k := range refs {
		if refs[k].record == nil {
			byPiece[refs[k].piece] = append(byPiece[refs[k].piece], k)
		}
	}
	for piece, list := range byPiece {
		u, err := p.unitOf(ctx, piece)
		for _, k := range list {
			if err == nil {
				err = makeRecords(u, refs[k:k+1], records[k:k+1])
			}
		}
		if err = p.passOver(ctx, int(piece), err); err != nil {
			return err
		}
	}
	return nil
}

// mostOpen is how many pieces are kept open whose records are being made: each holds a page of all its columns.
const mostOpen = 4

func (p *pass) unitOf(ctx context.Context, piece int32) (unit, error) {
	if u, is := p.open[piece]; is {
		return u, nil
	}
	if len(p.open) == mostOpen {
		p.closeAll()
	}
	u, err := p.search.open(ctx, int(piece))
	if err == nil {
		p.open[piece] = u
	}
	return u, err
}

func (p *pass) closeAll() {
	for piece, u := range p.open {
		p.release(u)
		delete(p.open, piece)
	}
}
