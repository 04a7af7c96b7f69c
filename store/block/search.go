package block

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Block is one that a search looks through.
type Block struct {
	Info
	FirstID, Agent int64
	Load           func(context.Context) ([]byte, error) // reads it; called by several goroutines at once
	Digest         *Digest                               // nil: no more is known of it
}

// Sources are where a search looks. A record is in one of them only.
type Sources struct {
	Files  []*File
	Blocks []Block
}

// mostPending is how many records a search knows of before it can tell which are the newest: 32 bytes each. mostReady is how many of them are made
// at once where a unit has few.
const (
	mostPending = 1 << 18
	mostReady   = 128
	chunkSize   = 512 // records that are made at once
)

// Search calls fn for the records that match, newest first: by time, and by id where times are equal; at most limit of them, 0 is no limit. The record is
// valid during the call only. It works on all cores, reads what it needs and no more, and holds a bounded part of it. An error of fn ends it and
// is returned. What cannot be read, because a file or block is damaged or gone, is passed over, and told at the end: an error that
// names it (see Open and Decode), after all others were found.
func Search(ctx context.Context, from Sources, f Filter, limit int, fn func(*Record) error) error {
	return newSearch(from, &f, false).run(ctx, limit, fn)
}

func (s *search) run(ctx context.Context, limit int, fn func(*Record) error) error {
	defer s.close()
	before, left := key{latest, latest}, limit
	for {
		p := &pass{search: s, before: before, limit: left, fn: fn}
		more, err := p.run(ctx)
		if err != nil {
			return err
		}
		if left > 0 {
			if left -= p.given; left == 0 {
				more = false
			}
		}
		if !more {
			return s.unread()
		}
		before = p.floor
	}
}

// Count tells how many records match; what cannot be read is told as by Search.
func Count(ctx context.Context, from Sources, f Filter) (int64, error) {
	s := newSearch(from, &f, false)
	defer s.close()
	return s.count(ctx)
}

func (s *search) count(ctx context.Context) (int64, error) {
	var total atomic.Int64
	err := s.each(ctx, func(ctx context.Context, i int) error {
		return s.look(ctx, i, key{latest, latest}, func(sel *selection) error {
			n, err := sel.count()
			total.Add(n)
			return err
		})
	}, func(int) (bool, error) { return true, nil })
	if err != nil {
		return 0, err
	}
	return total.Load(), s.unread()
}

// search is what the passes of one have in common.
type search struct {
	*plan
	pieces []piece // those that may have what comes first come first
	hold   int     // mostPending

	mu      sync.Mutex
	free    []*groupReader
	decoded []*blockReader
	failed  []error
}

// piece is a group of a file or a block.
type piece struct {
	file           *File
	group          int
	block          *Block
	oldest, newest int64
	lowest         int64 // id
}

// ref is a record that was found.
type ref struct {
	key
	piece, row int32
	record     *Record // nil: not made yet
}

// newSearch has those pieces come first that end last, or, byID, those whose ids begin first.
func newSearch(from Sources, f *Filter, byID bool) *search {
	s := &search{plan: newPlan(f), hold: mostPending}
	for _, file := range from.Files {
		for i, g := range file.groups {
			s.pieces = append(s.pieces, piece{file: file, group: i, oldest: g.oldest, newest: g.newest, lowest: g.lowest})
		}
	}
	for i := range from.Blocks {
		b := &from.Blocks[i]
		if b.Digest != nil && !b.Digest.mayHave(s.plan, b.Agent) {
			continue
		}
		s.pieces = append(s.pieces, piece{block: b, oldest: b.Oldest.UnixMicro(), newest: b.Newest.UnixMicro(), lowest: b.FirstID})
	}
	s.pieces = slices.DeleteFunc(s.pieces, func(p piece) bool { return p.newest < s.since || p.oldest >= s.until })
	slices.SortStableFunc(s.pieces, func(a, b piece) int {
		if byID {
			return cmp64(a.lowest, b.lowest)
		}
		return cmp64(b.newest, a.newest)
	})
	return s
}

// close ends what is kept to be used again.
func (s *search) close() {
	for _, b := range s.decoded {
		b.decoder.Close()
	}
}

// unread tells what could not be read.
func (s *search) unread() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.failed...)
}

// fail notes what could not be read, each once, and no more than a person reads.
func (s *search) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failed) < 10 && !slices.ContainsFunc(s.failed, func(e error) bool { return e.Error() == err.Error() }) {
		s.failed = append(s.failed, err)
	}
}

// open begins to read a piece.
func (s *search) open(ctx context.Context, i int) (unit, error) {
	p := &s.pieces[i]
	s.mu.Lock()
	var room *groupReader
	if n := len(s.free); p.file != nil && n > 0 {
		room, s.free = s.free[n-1], s.free[:n-1]
	}
	var decoded *blockReader
	if p.file == nil {
		decoded = s.reader(i)
	}
	s.mu.Unlock()
	if p.file != nil {
		return p.file.group(p.group, room), nil
	}
	if decoded == nil {
		d, err := NewDecoder()
		if err != nil {
			return nil, err
		}
		decoded = &blockReader{decoder: d}
	}
	if decoded.from != nil && decoded.piece == i {
		return decoded, nil // it was read to see what is in it
	}
	if err := decoded.begin(ctx, i, p.block); err != nil {
		s.release(decoded)
		return nil, err
	}
	return decoded, nil
}

// reader gives one that has opened a block of that number already, or the one whose block's records are the most likely to have been given; nil: there are few yet, and a
// new one is to be made. As many are kept as are read ahead, so that a block is decoded once where all of it is given.
func (s *search) reader(i int) *blockReader {
	lowest := 0
	for k, b := range s.decoded {
		if b.piece == i {
			s.decoded = slices.Delete(s.decoded, k, k+1)
			return b
		}
		if b.piece < s.decoded[lowest].piece {
			lowest = k
		}
	}
	if len(s.decoded) <= readAhead() {
		return nil
	}
	b := s.decoded[lowest]
	s.decoded = slices.Delete(s.decoded, lowest, lowest+1)
	return b
}

// readAhead is how many pieces are read before what is in the first of them was given.
func readAhead() int { return 2 * runtime.GOMAXPROCS(0) }

// release ends the reading of a piece.
func (s *search) release(u unit) {
	u.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch u := u.(type) {
	case *groupReader:
		s.free = append(s.free, u)
	case *blockReader:
		s.decoded = append(s.decoded, u)
	}
}

// look has fn go through a piece, if it may have something. What cannot be read is noted.
func (s *search) look(ctx context.Context, i int, before key, fn func(*selection) error) error {
	u, err := s.open(ctx, i)
	if err == nil {
		defer s.release(u)
		sel := &selection{unit: u, plan: s.plan, before: before}
		var may bool
		if may, err = sel.begin(s.pieces[i].oldest, s.pieces[i].newest); err == nil && may {
			err = fn(sel)
		}
	}
	return s.passOver(ctx, i, err)
}

// passOver notes an error of reading a piece; what ends the search is returned.
func (s *search) passOver(ctx context.Context, i int, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if f := s.pieces[i].file; f != nil {
		err = f.failed(err)
	}
	s.fail(err)
	return nil
}

// each calls read for the pieces, in their order, and then for each in its order when it was read, until that says that it is enough. The first is read
// alone, since it often is enough; the others on all cores, no more than a few ahead.
func (s *search) each(ctx context.Context, read func(ctx context.Context, i int) error, then func(i int) (more bool, err error)) error {
	if len(s.pieces) == 0 {
		return nil
	}
	if err := read(ctx, 0); err != nil {
		return err
	}
	if more, err := then(0); err != nil || !more {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	cores := runtime.GOMAXPROCS(0)
	ahead := make(chan struct{}, readAhead())
	done := make([]chan error, len(s.pieces))
	for i := range done {
		done[i] = make(chan error, 1)
	}
	var next atomic.Int64
	next.Store(1)
	for range min(cores, len(s.pieces)-1) {
		workers.Go(func() {
			for {
				select {
				case ahead <- struct{}{}:
				case <-ctx.Done():
					return
				}
				i := int(next.Add(1)) - 1
				if i >= len(done) || ctx.Err() != nil {
					return
				}
				done[i] <- read(ctx, i)
			}
		})
	}
	for i := 1; i < len(done); i++ {
		select {
		case err := <-done[i]:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		if more, err := then(i); err != nil || !more {
			return err
		}
		<-ahead
	}
	return nil
}

// blockReader is a block that was decompressed: one page, in whatever order it was written. Its columns are decoded as they are asked for.
type blockReader struct {
	decoder *Decoder
	piece   int    // that it has, if it has any
	from    *Block // nil: none
	Columns
	loaded [numColumns]bool
	have   [numTexts]bool // the different texts of the column
}

// begin opens a block.
func (b *blockReader) begin(ctx context.Context, piece int, from *Block) error {
	b.piece, b.from, b.loaded, b.have = piece, nil, [numColumns]bool{}, [numTexts]bool{}
	if err := from.open(ctx, b.decoder); err != nil {
		return err
	}
	b.from = from
	return nil
}

func (b *blockReader) pageCount() int              { return 1 }
func (b *blockReader) turn(int) int                { return b.decoder.records }
func (b *blockReader) begins(int) int              { return 0 }
func (b *blockReader) place(row int) (page, i int) { return 0, row }
func (b *blockReader) columns() *Columns           { return &b.Columns }
func (b *blockReader) close()                      {}

// sorted implements unit: ids follow each other, and times do where lines came in their order. Its caller has loaded them.
func (b *blockReader) sorted() bool { return slices.IsSorted(b.time) }

// load implements unit.
func (b *blockReader) load(column int) error {
	if b.loaded[column] {
		return nil
	}
	if err := b.decoder.column(column, b.from.FirstID, b.from.Agent, &b.Columns); err != nil {
		return b.from.failed(err)
	}
	b.loaded[column] = true
	if column >= firstText {
		b.have[column-firstText] = true
	}
	return nil
}

// different implements unit.
func (b *blockReader) different(text int) ([]string, error) {
	if !b.have[text] {
		if err := b.decoder.different(text, &b.Columns); err != nil {
			return nil, b.from.failed(err)
		}
		b.have[text] = true
	}
	return b.texts[text].different, nil
}

func cmp64(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
