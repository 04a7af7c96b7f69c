package line

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"activedefense/detect"
	"activedefense/store"
)

// Options are what Live needs. All of them must be set, but Since.
type Options struct {
	Store        *store.Store
	Inputs       []Input
	Since        time.Time // when the agent with this store ran for the first time; zero: not known
	Settings     detect.Settings
	Guard        func() *detect.Guard
	Ours         func() *detect.Ours
	Surge        detect.Surge
	ReleaseAfter time.Duration    // verdicts that are older would be released at once, and block nobody
	Escalation   store.Escalation // of blocks whose sources returned; Length does not matter
	// Neighbours is how many blocked sources of one network block all of it; 0: none do.
	Neighbours int
	Country    func(netip.Addr) string // of an address, "" if it is not known, where the log does not say; may be nil
	Stats      *Stats
	Health     Health
	// Attach has every change of the blacklist told to notice, from another goroutine, and before it returns what is
	// blocked now. It may be called again.
	Attach func(notice func([]Change))
	Wake   func() // the blacklist may have changed
	Logger zerolog.Logger
	Now    func() time.Time
	Ahead  func() time.Duration // by how much Now is ahead of what can be believed
	Agreed func() bool          // Now is known not to be behind
	// Later is by how much it may be later than Now, where that is more than an hour; 0: it is not. anew: by all that Stats knows by now, which costs more.
	Later func(anew bool) time.Duration
}

// Health is told how the store does, and has what a start needs of it tried until it succeeds.
type Health struct {
	Insist func(ctx context.Context, do func() error) bool // false: ctx ended first
	Begun  func()                                          // a commit begins
	Failed func(error)                                     // it failed
	Back   func()                                          // it succeeded
}

// A Change tells the engine that an address is, or is no longer, on the blacklist.
type Change struct {
	Address netip.Prefix
	Blocked bool
	// ByPerson says of one that is no longer on it that a person took it off.
	ByPerson bool
	// Proven is when the detector blocked it for proven evidence, so that it counts among its neighbours; zero: it does not.
	Proven time.Time
	// Waiting is Held or Observed for one that is on the blacklist so, and goes on being counted; else the zero value.
	Waiting store.State
	// Forgotten says this alone: what it did until now is no evidence. Whether it is on the blacklist stays as it is.
	Forgotten bool
	// NotHeld, if it is set, says this alone: until when verdicts of a partner are not held, because a person accepted one; a
	// time that is over takes that back.
	NotHeld time.Time
}

// Live is the daemon's end of the line. One goroutine merges, observes and judges: it owns the engine, so detection
// needs no lock and sees the lines in one order; the writer commits one batch while the next is built.
type Live struct {
	flow
	opts     Options
	files    *files
	evidence *evidenceReader
	warner   *clockWarner
	keeper   *keeper
	readers  *readers
	behind   *catchUp // nil: no rule is behind

	out   chan *batch // to the writer
	free  chan *batch // and back: one batch is built while one is committed
	batch *batch
	seq   int64 // of the batch before
	next  int64 // of the next one

	refused map[netip.Prefix]time.Time   // when a refusal was last logged
	waiting map[netip.Prefix]store.State // what is held or observed
	past    map[netip.Prefix]pastOf      // of sources that were found too late
	checked time.Time                    // when the files were last looked at
	forgot  time.Time                    // when positions were last forgotten
	shown   time.Time                    // when status and metrics last learned of the files

	remembering bool // the lines are those of an earlier run

	closed   sync.Once
	mu       sync.Mutex
	incoming []Change // what the blacklist's reader saw, to be applied between two lines
}

// Open opens the inputs at the stored positions and makes the engine remember what an earlier run saw. While the store
// is away it tries again; an error that is not ctx's says that the inputs cannot be followed. The caller must Close it.
func Open(ctx context.Context, o Options) (*Live, error) {
	var positions []store.Position
	var seq int64
	if !o.Health.Insist(ctx, func() (err error) {
		if seq, err = o.Store.Resume(ctx); err == nil {
			positions, err = o.Store.Positions(ctx)
		}
		return err
	}) {
		return nil, ctx.Err()
	}
	o.Stats.expect(o.Inputs, o.Since, positions, o.Now())
	files, err := openFiles(ctx, o, positions)
	if err != nil {
		return nil, fmt.Errorf("open the inputs: %w", err)
	}
	l := &Live{
		opts: o, files: files, evidence: &evidenceReader{files: files, store: o.Store},
		warner: newClockWarner(o.Logger, o.Now, &o.Stats.ends), readers: startReaders(o.Now),
		out: make(chan *batch, 1), free: make(chan *batch, 2), batch: newBatch(), seq: seq, next: firstSeq(seq),
		refused: make(map[netip.Prefix]time.Time), waiting: make(map[netip.Prefix]store.State),
		past: make(map[netip.Prefix]pastOf),
	}
	l.free <- newBatch()
	l.refresh(ctx)
	if !o.Health.Insist(ctx, func() error {
		surge := o.Surge
		l.flow = flow{engine: detect.New(o.Settings), guard: o.Guard, ours: o.Ours, surge: &surge, neighbours: newNeighbours(o.Neighbours), country: o.Country, oldest: o.ReleaseAfter, factor: o.Escalation.Factor, ahead: o.Ahead, end: l}
		l.engine.Limit(l.surge)
		l.engine.Expire(l.expired)
		l.know() // before anything is told once more
		l.merge = merge{readers: l.readers, engine: l.engine}
		l.keeper = &keeper{memory: l.engine.Memory()}
		if err := l.keeper.load(ctx, o.Store, o.Now(), len(positions) > 0, o.Logger); err != nil {
			return fmt.Errorf("load what was remembered of the last day: %w", err)
		}
		if err := l.recallNeighbourhoods(ctx); err != nil {
			return err
		}
		o.Attach(l.notice) // tells all that is blocked, held and accepted, also at another try
		l.apply()
		if err := l.forgetReleased(ctx, positions); err != nil {
			return err
		}
		if err := l.recallSurge(ctx); err != nil {
			return err
		}
		if err := l.remember(ctx); err != nil {
			return err
		}
		l.behind, err = l.fallBehind(ctx)
		return err
	}) {
		l.Close()
		return nil, ctx.Err()
	}
	return l, nil
}

// firstSeq numbers the first batch of a run after the last one of an earlier run, at a distance drawn by lot: an agent with a
// copy of this one's state folder would go on with the same numbers, and the two take each other's batches for their own.
func firstSeq(last int64) int64 { return last + 1 + rand.Int64N(1<<31) }

// Close gives back what Open took, once; Run does not close. It is not to be called while Run runs.
func (l *Live) Close() {
	l.closed.Do(func() {
		l.readers.close()
		// Files that were read only; there is nobody to tell.
		_ = l.files.set.Close()
	})
}

// Files is how many files are followed now. It is not to be called while Run runs.
func (l *Live) Files() int { return len(l.files.order) }

// Known gives the paths of which an earlier run stored a position.
func (l *Live) Known() []string {
	var paths []string
	for path := range l.files.lastTimes {
		paths = append(paths, path)
	}
	return paths
}

// notice takes in changes of the blacklist, from any goroutine.
func (l *Live) notice(changes []Change) {
	l.mu.Lock()
	l.incoming = append(l.incoming, changes...)
	l.mu.Unlock()
}

// apply hands the engine what was noticed.
func (l *Live) apply() {
	l.mu.Lock()
	changes := l.incoming
	l.incoming = nil
	l.mu.Unlock()
	// What came or went together is told the engine together: many networks cost it as much as one.
	var came, went, forgotten []netip.Prefix
	tell := func() {
		l.engine.Block(came...)
		l.engine.Release(went...)
		if l.behind != nil {
			l.behind.forgot.add(went...)
		}
		came, went = came[:0], went[:0]
	}
	for _, c := range changes {
		if !c.NotHeld.IsZero() {
			l.engine.Accept(c.Address, c.NotHeld)
			continue
		}
		if c.Forgotten {
			forgotten = append(forgotten, c.Address)
			continue
		}
		delete(l.waiting, c.Address)
		delete(l.past, c.Address)
		l.neighbours.change(&c, l.opts.Now())
		switch {
		case c.Blocked:
			if len(went) > 0 {
				tell()
			}
			came = append(came, c.Address)
		case c.Waiting != store.Blocked:
			l.waiting[c.Address] = c.Waiting
		default:
			if len(came) > 0 {
				tell()
			}
			went = append(went, c.Address)
		}
	}
	tell()
	l.engine.Forget(forgotten...)
	if l.behind != nil {
		l.behind.forgot.add(forgotten...)
	}
}
