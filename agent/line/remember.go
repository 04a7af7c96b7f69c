package line

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"activedefense/detect"
	"activedefense/store"
)

// remember rebuilds the engine from the records of an earlier run: eight ports before a crash and three
// after it are eleven ports. Read are the records that can still count together with a line to come for the rules of the table:
// those around the last line of each file that is still being read, of the logs that these rules count. What the operator's own rules count is kept (see keeper).
//
// A verdict found here means that the rules have become stricter since, or that the guard refused it
// before; it is judged like any other.
func (l *Live) remember(ctx context.Context) error {
	intervals := evidenceIntervals(l.files.lastTimes, l.engine.Horizon())
	if len(intervals) == 0 {
		return nil
	}
	l.remembering = true
	defer func() { l.remembering = false }()
	begun, n := l.opts.Now(), 0
	events := readSightings(ctx, l.opts.Store, intervals, typeNames(l.engine.Recalled()))
	for chunk := range events.chunks {
		n += len(chunk)
		for i := range chunk {
			if i%detect.Ahead == 0 {
				l.engine.PrefetchRecalled(chunk[i:])
			}
			l.at.lane, l.at.now = nil, begun
			if result := l.engine.Recall(&chunk[i]); result.Outcome == detect.Fired {
				l.judge(result.Verdict, l.files.laneOf(chunk[i].Device), begun)
			}
		}
		events.free <- chunk
	}
	if err := events.group.Wait(); err != nil {
		return fmt.Errorf("load recent records for detection: %w", err)
	}
	l.opts.Logger.Info().Int("records", n).Dur("took", l.opts.Now().Sub(begun)).Msg("loaded recent records for detection")
	return nil
}

// sightings are events of an earlier run, read while those before are recalled.
type sightings struct {
	chunks chan []detect.Event // closed when all are read, or none can be
	free   chan []detect.Event // and back, to be used again
	group  errgroup.Group
}

// readSightings begins to read what lies in the intervals and is of these types.
func readSightings(ctx context.Context, st *store.Store, in []store.Interval, types []string) *sightings {
	s := &sightings{chunks: make(chan []detect.Event, catchUpChunks), free: make(chan []detect.Event, catchUpChunks+2)}
	for range cap(s.free) {
		s.free <- make([]detect.Event, 0, catchUpChunk)
	}
	s.group.Go(func() error {
		defer close(s.chunks)
		chunk := <-s.free
		err := st.Sightings(ctx, in, types, func(r *store.Record) error {
			if chunk = append(chunk, EventOf(r)); len(chunk) == catchUpChunk {
				s.chunks <- chunk
				chunk = (<-s.free)[:0]
			}
			return nil
		})
		s.chunks <- chunk
		return err
	})
	return s
}

// typeNames are the types as records have them.
func typeNames(types []detect.Type) (names []string) {
	for _, t := range types {
		names = append(names, t.String())
	}
	return names
}

// forgetReleased has the engine forget what it remembered of sources that were released, or no longer allowed, after the last batch was committed: the
// run that wrote it did not see that any more.
func (l *Live) forgetReleased(ctx context.Context, positions []store.Position) error {
	var last time.Time
	for _, p := range positions {
		if p.Updated.After(last) {
			last = p.Updated
		}
	}
	if last.IsZero() {
		return nil
	}
	released, err := l.opts.Store.Released(ctx, last.Add(-releaseSlack))
	if err != nil {
		return fmt.Errorf("read what was released since the last run: %w", err)
	}
	forgotten, err := l.opts.Store.Disallowed(ctx, last.Add(-releaseSlack))
	if err != nil {
		return fmt.Errorf("read what was allowed until the last run: %w", err)
	}
	for i := range released {
		if released[i].Past() { // what its source did since counts
			continue
		}
		forgotten = append(forgotten, released[i].Address)
	}
	l.engine.Forget(forgotten...)
	return nil
}

// recallSurge counts the forgeable blocks of earlier runs, so that a restart makes no room for more.
func (l *Live) recallSurge(ctx context.Context) error {
	if l.surge.Additions <= 0 {
		return nil
	}
	times, err := l.opts.Store.ForgeableTimes(ctx, l.surge.Remembered()+1) // the one beyond says that there were more
	if err != nil {
		return fmt.Errorf("count the forgeable blocks of earlier runs: %w", err)
	}
	for _, at := range times {
		l.surge.Note(at)
	}
	return nil
}

// recallNeighbourhoods reads which networks persons have released: what was blocked in them before is no reason to block them again.
func (l *Live) recallNeighbourhoods(ctx context.Context) error {
	if l.neighbours.need <= 0 {
		return nil
	}
	times, err := l.opts.Store.NeighbourhoodsReleased(ctx)
	if err != nil {
		return fmt.Errorf("read which neighbourhoods were released: %w", err)
	}
	maps.Copy(l.neighbours.released, times)
	return nil
}

// releaseSlack is how long before the last batch a release may not have been seen yet.
const releaseSlack = 5 * time.Second

// laneOf finds a lane that reads a file of the device, or any: it decides only how evidence is parsed.
func (f *files) laneOf(device string) *lane {
	for _, l := range f.order {
		if l.device == device {
			return l
		}
	}
	if len(f.order) > 0 {
		return f.order[0]
	}
	return nil
}

// evidenceIntervals gives the span of event time around the last line of each path.
func evidenceIntervals(last map[string]time.Time, horizon time.Duration) []store.Interval {
	var spans []store.Interval
	for _, t := range last {
		if !t.IsZero() {
			spans = append(spans, store.Interval{From: t.Add(-horizon), To: t.Add(horizon)})
		}
	}
	return spans
}

// A catchUp has the rules of the operator's own of which nothing is remembered, for they are new or were changed, told again of the records that
// they would have counted. It reads them beside the lines that come, so that detection does not wait; they belong to an earlier run, so
// that what comes is not told twice.
type catchUp struct {
	in     []store.Interval
	types  []string // of the records that they count
	upTo   int64    // the last record of an earlier run
	counts func(*detect.Event) bool
	chunks chan []detect.Event // closed when all are read
	forgot forgotten
	begun  time.Time
	told   int // events
}

const (
	catchUpChunk = 512 // events
	// catchUpChunks is how many chunks are told between two looks at the files, at most.
	catchUpChunks = 8
	// catchUpPause is how long nothing is told at most while nothing comes.
	catchUpPause = 20 * time.Millisecond
)

// fallBehind begins a catchUp where rules are behind; nil: none is.
func (l *Live) fallBehind(ctx context.Context) (*catchUp, error) {
	horizon, types, counts := l.engine.Behind()
	if horizon == 0 {
		return nil, nil
	}
	c := &catchUp{in: evidenceIntervals(l.files.lastTimes, horizon), types: typeNames(types), counts: counts, chunks: make(chan []detect.Event, catchUpChunks), begun: l.opts.Now()}
	var err error
	c.upTo, err = l.opts.Store.LastRecord(ctx)
	return c, err
}

// errRead ends the reading of the records: all that belong to an earlier run were read.
var errRead = errors.New("all were read")

// read reads until all is read or ctx ends. While the store is away it tries again, and goes on where it was.
func (c *catchUp) read(ctx context.Context, o *Options) {
	defer close(c.chunks)
	var last int64
	var chunk []detect.Event
	hand := func() error {
		select {
		case c.chunks <- chunk:
			chunk = nil
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for try := 0; ; try++ {
		err := o.Store.Sightings(ctx, c.in, c.types, func(r *store.Record) error {
			if r.ID > c.upTo {
				return errRead
			}
			if r.ID <= last {
				return nil
			}
			last = r.ID
			if ev := EventOf(r); c.counts(&ev) {
				chunk = append(chunk, ev)
			}
			if len(chunk) < catchUpChunk {
				return nil
			}
			return hand()
		})
		if err == nil || errors.Is(err, errRead) {
			_ = hand() // the context's error, if it ended meanwhile
			return
		}
		if ctx.Err() != nil {
			return
		}
		o.Logger.Warn().Err(err).Msg("cannot read the records that new or changed rules count; trying again")
		select {
		case <-time.After(Backoff(try)):
		case <-ctx.Done():
			return
		}
	}
}

// tellBehind tells the rules that are behind some of what they have not been told.
func (l *Live) tellBehind(ctx context.Context) {
	if l.behind == nil {
		return
	}
	for range catchUpChunks {
		select {
		case chunk, more := <-l.behind.chunks:
			if !more {
				l.caughtUp(ctx)
				return
			}
			l.tellAgain(chunk)
		default:
			return
		}
	}
}

// tellAgain tells of events of an earlier run. A verdict is judged like any other.
func (l *Live) tellAgain(chunk []detect.Event) {
	l.remembering = true
	defer func() { l.remembering = false }()
	now := l.opts.Now()
	for i := range chunk {
		ev := &chunk[i]
		if l.behind.forgot.covers(ev.Src) || l.behind.forgot.covers(ev.Dst) {
			continue
		}
		l.behind.told++
		l.at.lane, l.at.now = nil, now
		if result := l.engine.CatchUp(ev); result.Outcome == detect.Fired {
			l.judge(result.Verdict, l.files.laneOf(ev.Device), now)
		}
	}
}

// caughtUp ends it, unless the reading ended before its time.
func (l *Live) caughtUp(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	l.opts.Logger.Info().Int("records", l.behind.told).Dur("took", l.opts.Now().Sub(l.behind.begun)).Msg("new or changed rules have counted the records of before")
	l.keeper.caughtUp()
	l.behind = nil
}

// forgotten are the sources whose records of before count no more, because they were released, or are no longer allowed, while records are read
// that were looked up before that.
type forgotten struct {
	networks map[netip.Prefix]struct{}
	bits     []int // the prefix lengths that occur
}

func (f *forgotten) add(list ...netip.Prefix) {
	for _, p := range list {
		if f.networks == nil {
			f.networks = make(map[netip.Prefix]struct{})
		}
		f.networks[p] = struct{}{}
		if !slices.Contains(f.bits, p.Bits()) {
			f.bits = append(f.bits, p.Bits())
		}
	}
}

func (f *forgotten) covers(addr netip.Addr) bool {
	for _, bits := range f.bits {
		if p, err := addr.Prefix(bits); err == nil {
			if _, there := f.networks[p]; there {
				return true
			}
		}
	}
	return false
}
