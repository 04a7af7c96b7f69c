package store

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"activedefense/store/archive"
	"activedefense/store/block"
)

// blockRecords are records in blocks, one or a few a batch, the files that are made of them, and rows: of earlier versions in SQLite, and in PostgreSQL those of before it kept
// blocks. There are no new rows.
type blockRecords struct {
	*database
	rowTable
	archive  *archive.Archive
	digests  *block.Digests // of the blocks that this process has written
	encoders sync.Pool      // of *block.Encoder
	searches chan struct{}  // as many as search now
}

// rowTable is what the two databases do differently with rows beside blocks, and with whatever they keep of either.
type rowTable interface {
	// newest are the rows that match, newest first. limit is how many are of use; 0: all.
	newest(f *RecordFilter, limit int) rowPages
	// inOrder are an agent's rows of the intervals and types (nil: any) behind an id, by id.
	inOrder(agent, after int64, in []Interval, types []string) rowPages
	// prune, pruneFuture, size and pruneTo are those of recordTable; of what is in files only pruneTo of PostgreSQL knows.
	prune(ctx context.Context, before time.Time) (int64, error)
	pruneFuture(ctx context.Context, from time.Time) (int64, error)
	size(ctx context.Context) (Size, error)
	pruneTo(ctx context.Context, most int64, keep time.Time) (int64, error)
}

func newBlockRecords(d *database, rows rowTable) *blockRecords {
	digests := new(block.Digests)
	return &blockRecords{database: d, rowTable: rows, archive: newArchive(d, digests), digests: digests, searches: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// ready implements recordTable: there is nothing to prepare.
func (t *blockRecords) ready(context.Context, []Record) error { return nil }

// encodedBlock is a block that is to be inserted.
type encodedBlock struct {
	block.Info
	data    []byte
	digest  *block.Digest
	firstID int64 // given by the last try to insert it
}

// encode implements recordTable.
func (t *blockRecords) encode(agent int64, records []Record) (insertion, error) {
	e, _ := t.encoders.Get().(*block.Encoder)
	if e == nil {
		var err error
		if e, err = block.NewEncoder(); err != nil {
			return insertion{}, err
		}
	}
	defer t.encoders.Put(e)
	blocks, err := appendBlocks(nil, e, records)
	if err != nil {
		return insertion{}, err
	}
	within := func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		return t.insertBlocks(ctx, tx, agent, int64(len(records)), blocks)
	}
	return insertion{within, func() {
		for _, b := range blocks {
			t.digests.Add(b.firstID, b.Info, b.digest)
		}
	}}, nil
}

// appendBlocks encodes records: into one block, or where that is too large for one, each half for itself.
func appendBlocks(list []encodedBlock, e *block.Encoder, records []Record) ([]encodedBlock, error) {
	data, info, err := e.Encode(make([]byte, 0, 512+16*len(records)), records)
	if err == nil {
		return append(list, encodedBlock{Info: info, data: data, digest: e.Digest()}), nil
	}
	if len(records) <= 1 {
		return nil, err
	}
	half := len(records) / 2
	if list, err = appendBlocks(list, e, records[:half]); err != nil {
		return nil, err
	}
	return appendBlocks(list, e, records[half:])
}

// insertBlocks gives the records their ids, in the order in which they stand.
func (d *database) insertBlocks(ctx context.Context, tx *sql.Tx, agent, records int64, blocks []encodedBlock) error {
	var last int64
	if err := tx.QueryRowContext(ctx, d.nextRecords, records).Scan(&last); err != nil {
		return err
	}
	next := last - records + 1
	for i := range blocks {
		b := &blocks[i]
		b.firstID = next
		_, err := tx.ExecContext(ctx, `INSERT INTO blocks (first_id, records, agent, oldest, newest, data) VALUES ($1, $2, $3, $4, $5, $6)`,
			next, b.Records, agent, d.stamp(b.Oldest), d.stamp(b.Newest), b.data)
		if err != nil {
			return err
		}
		next += b.Records
	}
	return nil
}

// errMoved: what was about to be read has gone meanwhile: it was pruned, or stands in a file now.
var errMoved = errors.New("the records stand elsewhere now")

// placement is where records stood at one moment.
type placement struct {
	files  []archive.File
	blocks []block.Block
	lowest int64 // what lowestRow gives; 0: there are no rows
}

// placement looks where the records are; of files and blocks where those are that each condition selects.
func (t *blockRecords) placement(ctx context.Context, files, w where) (s placement, err error) {
	err = t.view(ctx, "look where the records are", func(ctx context.Context, tx *sql.Tx) error {
		var lowest sql.NullInt64
		if err := tx.QueryRowContext(ctx, t.lowestRow).Scan(&lowest); err != nil {
			return err
		}
		s.lowest = lowest.Int64
		var err error
		if s.files, err = filesOf(ctx, tx, files); err != nil {
			return err
		}
		s.blocks, err = blocksIn(ctx, tx, w)
		return err
	})
	t.digests.Note(s.blocks)
	return s, err
}

// blocksIn lists the blocks that w selects.
func blocksIn(ctx context.Context, q querier, w where) (list []block.Block, err error) {
	err = forEach(ctx, q, func(rows *sql.Rows) error {
		var b block.Block
		err := rows.Scan(&b.FirstID, &b.Records, &b.Agent, intoTime{&b.Oldest}, intoTime{&b.Newest})
		list = append(list, b)
		return err
	}, `SELECT first_id, records, agent, oldest, newest FROM blocks`+w.String(), w.args...)
	return list, err
}

// dataIn reads a block.
func dataIn(ctx context.Context, q querier, firstID int64) (data []byte, err error) {
	err = errMoved
	if e := forEach(ctx, q, func(rows *sql.Rows) error {
		err = rows.Scan(&data)
		return err
	}, `SELECT data FROM blocks WHERE first_id = $1`, firstID); e != nil {
		return nil, e
	}
	return data, err
}

// sourcesOf are blocks, to be read by data.
func sourcesOf(list []block.Block, data func(ctx context.Context, firstID int64) ([]byte, error)) (from block.Sources) {
	for _, b := range list {
		id := b.FirstID
		b.Load = func(ctx context.Context) ([]byte, error) { return data(ctx, id) }
		from.Blocks = append(from.Blocks, b)
	}
	return from
}

// sources are the blocks of a placement, to be read with a context that moved ends when one of them has gone.
func (t *blockRecords) sources(s *placement, moved func(error)) block.Sources {
	return sourcesOf(s.blocks, func(ctx context.Context, firstID int64) ([]byte, error) {
		data, err := dataIn(ctx, t.readers, firstID)
		if errors.Is(err, errMoved) {
			moved(err)
		}
		return data, err
	})
}

// open opens the files of a placement, and gives the blocks beside them, until release is called with the error of what was done with them; a context that moved ends when one of them
// has gone. What cannot be opened is unread.
func (t *blockRecords) open(ctx context.Context, s *placement, moved func(error)) (from block.Sources, release func(error), unread, err error) {
	opened, release, err := t.archive.Open(ctx, s.files)
	switch {
	case errors.Is(err, archive.ErrChanged):
		release(nil)
		return from, nil, nil, errMoved
	case ctx.Err() != nil:
		release(nil)
		return from, nil, nil, ctx.Err()
	}
	from = t.sources(s, moved)
	from.Files = opened
	return from, release, err, nil
}

// once gives files, blocks and rows in one order, until fn returns an error, which is returned; errMoved: it has to go on with where they stand then. read goes through files and
// blocks; unread is what could not be read of them, when everything else was given.
func (t *blockRecords) once(ctx context.Context, s *placement, rows rowPages, read func(context.Context, block.Sources, func(*Record) error) error, fn func(*Record) error) (unread, err error) {
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer rows.end()
	var ended error
	give := func(r *Record) error {
		if ended = rows.upTo(reading, r, fn); ended == nil {
			ended = fn(r)
		}
		return ended
	}
	from, release, missing, err := t.open(ctx, s, stop)
	if err != nil {
		return nil, err
	}
	damaged := read(reading, from, give)
	release(damaged)
	switch {
	case ended != nil:
		return nil, ended
	case errors.Is(context.Cause(reading), errMoved):
		return nil, errMoved
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return errors.Join(missing, damaged), rows.upTo(reading, nil, fn)
}

// A turn is one of as many searches as there are cores: more at once would only take each other's time and memory. Without searches nobody waits.
type turn struct {
	searches chan struct{}
	hold     func() (release func()) // nil: what is read may move
	release  func()                  // of what is held; nil: nothing is
	has      bool
}

func (u *turn) take(ctx context.Context) error {
	if u.searches != nil {
		select {
		case u.searches <- struct{}{}:
			u.has = true
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if u.hold != nil {
		u.release = u.hold()
	}
	return nil
}

func (u *turn) leave() {
	if u.release != nil {
		u.release()
		u.release = nil
	}
	if u.has {
		u.has = false
		<-u.searches
	}
}

// again reads until nothing has moved meanwhile. From the second time on what is there is held, or a reading that is slower than what moves would never end.
func (t *blockRecords) again(u *turn, once func() error) error {
	for {
		if err := once(); !errors.Is(err, errMoved) {
			return err
		}
		if u.hold == nil {
			u.hold = t.archive.Hold
			u.release = u.hold()
		}
	}
}

// newer is the order of a search.
func newer(a, b *Record) bool {
	return a.Time.After(b.Time) || a.Time.Equal(b.Time) && a.ID > b.ID
}

// byID is the order of sightings.
func byID(a, b *Record) bool { return a.ID < b.ID }

// search implements recordTable. While fn works, which may be for hours, or search itself, it is another search's turn.
// Where records move before it has ended, it goes on behind what it gave.
func (t *blockRecords) search(ctx context.Context, f *RecordFilter, fn func(*Record) error) (err error) {
	own := *f
	if own.Src, err = canonicalAll(f.Src); err != nil {
		return err
	}
	if own.Dst, err = canonicalAll(f.Dst); err != nil {
		return err
	}
	var turn turn
	if !f.AtOnce {
		turn.searches = t.searches
	}
	defer turn.leave()
	if err := turn.take(ctx); err != nil {
		return err
	}
	var last Record     // that was given
	given, same := 0, 0 // how many were, and how many of last's time
	give := func(r *Record) error {
		if given > 0 && !newer(&last, r) {
			return nil // it was given before the records moved
		}
		if !r.Time.Equal(last.Time) {
			same = 0
		}
		given, same, last.Time, last.ID = given+1, same+1, r.Time, r.ID
		turn.leave()
		if err := fn(r); err != nil {
			return err
		}
		return turn.take(ctx)
	}
	var unread []error
	err = t.again(&turn, func() error {
		limit := 0
		if f.Limit > 0 {
			limit = f.Limit - given + same // those come again
		}
		some, err := t.searchOnce(ctx, &own, limit, give)
		unread = append(unread, some...)
		if next := last.Time.Add(time.Microsecond); given > 0 && (own.Until.IsZero() || next.Before(own.Until)) {
			own.Until = next // for the next time
		}
		return err
	})
	return errors.Join(append(unread, err)...)
}

// searchOnce gives what matches, as long as the records stand where they stood; limit is how many are of use, 0: all. Where they have moved, f.Until is how far it came: what is
// later was given, but for what is unread.
func (t *blockRecords) searchOnce(ctx context.Context, f *RecordFilter, limit int, give func(*Record) error) (unread []error, err error) {
	var w where
	w.addSpan(&t.dialect, f.Since, f.Until)
	s, err := t.placement(ctx, w, w)
	if err != nil {
		return nil, err
	}
	// So that few files are open at once, however many there are.
	for _, stretch := range archive.Stretches(s.files) {
		part, within := s, *f
		part.files = stretch.Files
		within.narrow(stretch)
		var rows rowPages
		if s.lowest > 0 {
			rows = t.still(s.lowest, t.newest(&within, limit))
		}
		missing, err := t.once(ctx, &part, rows, func(ctx context.Context, from block.Sources, fn func(*Record) error) error {
			return block.Search(ctx, from, within.Conditions, limit, fn)
		}, give)
		if err != nil {
			f.Until = within.Until
			return unread, err
		}
		unread = append(unread, missing)
	}
	return unread, nil
}

// narrow leaves what lies in a stretch.
func (f *RecordFilter) narrow(stretch archive.Stretch) {
	if stretch.Since.After(f.Since) {
		f.Since = stretch.Since
	}
	if !stretch.Until.IsZero() && (f.Until.IsZero() || stretch.Until.Before(f.Until)) {
		f.Until = stretch.Until
	}
}

// count implements recordTable. Where records move before it has ended, it begins anew.
func (t *blockRecords) count(ctx context.Context, f *RecordFilter) (n int64, err error) {
	own := *f
	if own.Src, err = canonicalAll(f.Src); err != nil {
		return 0, err
	}
	if own.Dst, err = canonicalAll(f.Dst); err != nil {
		return 0, err
	}
	var turn turn
	if !f.AtOnce {
		turn.searches = t.searches
	}
	defer turn.leave()
	if err := turn.take(ctx); err != nil {
		return 0, err
	}
	err = t.again(&turn, func() error { n, err = t.countOnce(ctx, &own); return err })
	return n, err
}

// countOnce is count as long as the records stand where they stood.
func (t *blockRecords) countOnce(ctx context.Context, f *RecordFilter) (n int64, err error) {
	var w where
	w.addSpan(&t.dialect, f.Since, f.Until)
	s, err := t.placement(ctx, w, w)
	if err != nil {
		return 0, err
	}
	if s.lowest > 0 {
		rows := t.still(s.lowest, t.newest(f, 0))
		defer rows.end()
		if err := rows.upTo(ctx, nil, func(*Record) error { n++; return nil }); err != nil {
			return 0, err
		}
	}
	var failed []error
	for _, stretch := range archive.Stretches(s.files) {
		part, within := s, *f
		part.files = stretch.Files
		within.narrow(stretch)
		unread, err := t.once(ctx, &part, rowPages{}, func(ctx context.Context, from block.Sources, _ func(*Record) error) error {
			some, err := block.Count(ctx, from, within.Conditions)
			n += some
			return err
		}, nil)
		if err != nil {
			return 0, err
		}
		failed = append(failed, unread)
	}
	return n, errors.Join(failed...)
}

// addSpan appends the condition that a block may have records from since on and before until; zero: open.
func (w *where) addSpan(d *dialect, since, until time.Time) {
	if !since.IsZero() {
		w.add("newest >= ?", d.stamp(since))
	}
	if !until.IsZero() {
		w.add("oldest <= ?", d.stamp(until)) // a microsecond may be cut off of until
	}
}

// sightings implements recordTable. What cannot be read is passed over: nobody would read again otherwise. It is told of by the archive.
func (t *blockRecords) sightings(ctx context.Context, agent int64, in []Interval, types []string, fn func(*Record) error) error {
	after := int64(0)
	give := func(r *Record) error {
		if r.ID <= after || r.Agent != agent || !slices.ContainsFunc(in, func(i Interval) bool { return i.has(r.Time) }) {
			return nil
		}
		after = r.ID
		return fn(r)
	}
	var turn turn
	defer turn.leave()
	return t.again(&turn, func() error { return t.sightingsOnce(ctx, agent, after, in, types, give) })
}

// sightingsOnce gives what lies behind an id, as long as the records stand where they stood.
func (t *blockRecords) sightingsOnce(ctx context.Context, agent, after int64, in []Interval, types []string, give func(*Record) error) error {
	var spans where
	var terms []string
	for _, i := range in {
		span := where{args: spans.args}
		span.addSpan(&t.dialect, i.From, i.To)
		spans.args = span.args
		terms = append(terms, strings.Join(append(span.terms, "true"), " AND "))
	}
	spans.anyOf(terms)
	files, blocks := spans.clone(), spans.clone()
	files.add("last_id > ?", after)
	blocks.add("agent = ?", agent)
	blocks.add("first_id + records > ?", after+1)
	s, err := t.placement(ctx, files, blocks)
	if err != nil {
		return err
	}
	var rows rowPages
	if s.lowest > 0 {
		rows = t.still(s.lowest, t.inOrder(agent, after, in, types))
	}
	within := Conditions{Since: in[0].From, Until: in[len(in)-1].To, Type: types}
	_, err = t.once(ctx, &s, rows, func(ctx context.Context, from block.Sources, fn func(*Record) error) error {
		return block.ByID(ctx, from, within, fn)
	}, give)
	return err
}

// different implements recordTable. What stands elsewhere meanwhile is looked at again: values come once or several times.
func (t *blockRecords) different(ctx context.Context, column string, f *RecordFilter, without []string, fn func(string)) error {
	var turn turn
	defer turn.leave()
	return t.again(&turn, func() error { return t.differentOnce(ctx, column, f, without, fn) })
}

// differentOnce is different as long as the records stand where they stood.
func (t *blockRecords) differentOnce(ctx context.Context, column string, f *RecordFilter, without []string, fn func(string)) error {
	var w where
	w.addSpan(&t.dialect, f.Since, f.Until)
	s, err := t.placement(ctx, w, w)
	if err != nil {
		return err
	}
	if s.lowest > 0 {
		look := t.still(s.lowest, rowPages{next: func(ctx context.Context) ([]Record, error) {
			return nil, differentRows(ctx, t.readers, &t.dialect, column, f, without, fn)
		}})
		if _, err := look.next(ctx); err != nil {
			return err
		}
	}
	var failed []error
	for _, stretch := range archive.Stretches(s.files) {
		part := placement{files: stretch.Files}
		if stretch.Since.IsZero() {
			part.blocks = s.blocks // once
		}
		read := func(ctx context.Context, from block.Sources, _ func(*Record) error) error {
			return block.Different(ctx, from, Conditions{Since: f.Since, Until: f.Until}, column, without, fn)
		}
		unread, err := t.once(ctx, &part, rowPages{}, read, nil)
		if err != nil {
			return err
		}
		failed = append(failed, unread)
	}
	return errors.Join(failed...)
}
