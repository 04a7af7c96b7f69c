package line

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"activedefense/detect"
	"activedefense/store"
)

// A catchUp has the rules of the operator's own of which nothing is remembered, for they are new or were changed, told again of the records that
// they would have counted. It reads them beside the lines that come, so that detection does not wait; they belong to an earlier run, so
// that what comes is not told twice.
type catchUp struct {
	in     []store.Interval
	upTo   int64 // the last record of an earlier run
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
	horizon, counts := l.engine.Behind()
	if horizon == 0 {
		return nil, nil
	}
	c := &catchUp{in: evidenceIntervals(l.files.lastTimes, horizon), counts: counts, chunks: make(chan []detect.Event, catchUpChunks), begun: l.opts.Now()}
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
		err := o.Store.Sightings(ctx, c.in, func(r *store.Record) error {
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
