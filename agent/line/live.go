package line

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"activedefense/detect"
	"activedefense/store"
)

const (
	// flushAfter is how long a record may wait for others to share its transaction. A verdict does not wait.
	flushAfter = 200 * time.Millisecond
	// refreshEvery is how often the files are looked at anew while a backlog is read.
	refreshEvery = 250 * time.Millisecond
	// checkEvery is how many lines are taken between two looks at the clock, the context and the blacklist.
	checkEvery = 512
	// forgetAfter is how long the position of a finished file that is gone is kept, forgetEvery how often
	// such are looked for.
	forgetAfter = 7 * 24 * time.Hour
	forgetEvery = time.Hour
	// publishEvery is how often status and metrics learn of the files: with thousands of them it costs milliseconds.
	publishEvery = 250 * time.Millisecond
	// StopGrace is how long a stop waits for the last batch to be committed.
	StopGrace = 5 * time.Second
)

// Options are what Live needs. All of them must be set, but Since.
type Options struct {
	Store        *store.Store
	Inputs       []Input
	Since        time.Time // when the agent with this store ran for the first time; zero: not known
	Settings     detect.Settings
	Guard        func() *detect.Guard
	ReleaseAfter time.Duration // verdicts that are older would be released at once, and block nobody
	Stats        *Stats
	Health       Health
	// Attach has every change of the blacklist told to notice, from another goroutine, and before it returns what is
	// blocked now. It may be called again.
	Attach func(notice func([]Change))
	Wake   func() // the blacklist may have changed
	Logger zerolog.Logger
	Now    func() time.Time
}

// Health is told how the store does, and has what a start needs of it tried until it succeeds.
type Health struct {
	Insist func(ctx context.Context, do func() error) bool // false: ctx ended first
	Failed func(error)                                     // a commit failed
	Back   func()                                          // a commit succeeded
}

// A Change tells the engine that an address is, or is no longer, on the blacklist.
type Change struct {
	Address netip.Prefix
	Blocked bool
}

// Live is the daemon's end of the line. One goroutine merges, observes and judges: it owns the engine, so detection
// needs no lock and sees the lines in one order; the writer commits one batch while the next is built.
type Live struct {
	Options
	flow
	files    *files
	evidence *evidenceReader
	warner   *clockWarner
	readers  *readers

	out   chan *batch
	free  chan *batch
	batch *batch
	seq   int64 // of the batch before
	next  int64 // of the next one

	refused map[netip.Prefix]time.Time // when a refusal was last logged
	checked time.Time                  // when the files were last looked at
	forgot  time.Time                  // when positions were last forgotten
	shown   time.Time                  // when status and metrics last learned of the files

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
	files, err := openFiles(o, positions)
	if err != nil {
		return nil, fmt.Errorf("open the inputs: %w", err)
	}
	l := &Live{
		Options: o, files: files, evidence: &evidenceReader{files: files, store: o.Store},
		warner: newClockWarner(o.Logger, o.Now, &o.Stats.ends), readers: startReaders(o.Now),
		out: make(chan *batch, 1), free: make(chan *batch, 4), batch: newBatch(), seq: seq, next: firstSeq(seq),
		refused: make(map[netip.Prefix]time.Time),
	}
	l.refresh()
	if !o.Health.Insist(ctx, func() error {
		l.flow = flow{engine: detect.New(o.Settings), guard: o.Guard, oldest: o.ReleaseAfter, end: l}
		l.merge = merge{readers: l.readers, engine: l.engine}
		o.Attach(l.notice) // tells all that is blocked, also at another try
		l.apply()
		return l.remember(ctx)
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
	for _, c := range changes {
		if c.Blocked {
			l.engine.Block(c.Address)
		} else {
			l.engine.Release(c.Address)
		}
	}
}

// Run reads and commits until ctx ends. The writer outlives the reading by [StopGrace], so that what was read is stored.
func (l *Live) Run(ctx context.Context) error {
	grace, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(StopGrace, cancel) })()
	w := &writer{store: l.Store, in: l.out, free: l.free, wake: l.Wake, stats: l.Stats, health: l.Health, log: l.Logger, now: l.Now}
	var group errgroup.Group
	group.Go(func() error { return w.run(grace, ctx) })
	group.Go(func() error { return l.run(ctx) })
	return group.Wait()
}

// run reads until ctx ends, then hands over what it has and closes the way to the writer.
func (l *Live) run(ctx context.Context) error {
	defer close(l.out)
	for {
		l.refresh()
		l.apply()
		if err := l.drain(ctx); err != nil {
			break
		}
		l.publish()
		if err := l.wait(ctx); err != nil {
			break
		}
	}
	// The last batch is offered once: what the writer cannot take is read again at the next start.
	if !l.batch.empty() {
		l.seal()
		select {
		case l.out <- l.batch:
		case <-time.After(StopGrace):
		}
	}
	return nil
}

// refresh looks for new, rotated and returned files, and now and then lets go of positions that nothing needs any more.
func (l *Live) refresh() {
	l.checked = l.Now()
	came, went, err := l.files.refresh()
	if err != nil {
		l.Logger.Warn().Err(err).Msg("cannot look at the log files; trying again")
	}
	for _, lane := range came {
		lane.live.stats = l.Stats.input(lane.name)
		l.batch.opened = true
	}
	for _, lane := range went {
		delete(l.warner.states, lane)
		l.Stats.left(lane.live.stats, l.checked)
	}
	if len(went) > 0 {
		l.Stats.forget(l.checked)
	}
	if l.checked.Sub(l.forgot) >= forgetEvery {
		l.forgot = l.checked
		l.batch.Forget = append(l.batch.Forget, l.files.set.Forget(l.checked.Add(-forgetAfter))...)
		l.Stats.forget(l.checked)
	}
}

// drain takes every line that is there now.
func (l *Live) drain(ctx context.Context) error {
	now := l.Now()
	if err := l.merge.gather(ctx, l.files.order); err != nil {
		return err
	}
	for n := 1; ; n++ {
		if n%checkEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			now = l.Now()
			l.apply()
			if now.Sub(l.checked) >= refreshEvery {
				l.refresh()
				l.publish()
				if err := l.merge.gather(ctx, l.files.order); err != nil {
					return err
				}
			}
		}
		more, err := l.step(ctx, now)
		if err != nil {
			return err
		}
		if !more {
			l.Stats.ends.reached(now)
			for _, lane := range l.files.order {
				lane.live.caught = true
			}
			return l.flushIfDue(ctx)
		}
		if len(l.batch.Records) >= maxBatch || l.batch.lines >= 4*maxBatch || l.batch.urgent ||
			n%checkEvery == 0 && now.Sub(l.batch.begun) >= flushAfter {
			if err := l.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// taken begins what is done with every line.
func (l *Live) taken(lane *lane, p *parsed, now time.Time) {
	if l.batch.lines == 0 {
		l.batch.begun = now
	}
	l.batch.lines++
	l.files.take(lane, p)
	if p.cut {
		lane.live.stats.cut.Add(1)
	}
}

func (l *Live) unread(lane *lane, p *parsed, now time.Time) {
	l.taken(lane, p, now)
	lane.live.stats.failed(p.err, lane.chunk.text[p.from:p.to], now, l.Stats)
}

func (l *Live) record(lane *lane, p *parsed, now time.Time) {
	l.taken(lane, p, now)
	l.batch.record(p.event, p.place)
	lane.live.stats.recorded(p.event, now)
	l.warner.look(lane, p.event, now)
}

func (l *Live) activity(source netip.Prefix, ev *detect.Event) { l.batch.touch(source, ev) }

// stale counts a verdict that would be released at once: a backlog from last year blocks nobody today.
func (l *Live) stale(v *detect.Verdict) { l.Stats.verdict(v.Rule, "too-old") }

// spare says of a source that may never be blocked that it would have been, once an hour.
func (l *Live) spare(v *detect.Verdict, why error, now time.Time) {
	l.Stats.verdict(v.Rule, "refused")
	if last, ok := l.refused[v.Source]; ok && now.Sub(last) <= time.Hour {
		return
	}
	if len(l.refused) > 10_000 {
		clear(l.refused)
	}
	l.refused[v.Source] = now
	l.Logger.Warn().Str("address", detect.AddressText(v.Source)).Str("rule", v.Rule).Str("reason", v.Reason).
		Err(why).Msg("not blocked: this address may never be blocked")
}

func (l *Live) block(v *detect.Verdict, by *lane, now time.Time) {
	l.Stats.verdict(v.Rule, "blocked")
	l.batch.block(v, l.evidence.lines(v, by, now), now)
	l.Logger.Info().Str("address", detect.AddressText(v.Source)).Str("rule", v.Rule).Str("device", v.Device).
		Time("seen", v.Time).Msg("blocking: " + v.Reason)
}

// flushIfDue commits a batch that has waited long enough.
func (l *Live) flushIfDue(ctx context.Context) error {
	if !l.batch.empty() && (l.batch.urgent || l.Now().Sub(l.batch.begun) >= flushAfter) {
		return l.flush(ctx)
	}
	return ctx.Err()
}

// flush hands the batch to the writer. When the writer cannot keep up, or the store is away, this
// waits: nothing is taken meanwhile, the files are the buffer.
func (l *Live) flush(ctx context.Context) error {
	if l.batch.empty() {
		return ctx.Err()
	}
	l.seal()
	for {
		timer := time.NewTimer(time.Second)
		select {
		case l.out <- l.batch:
			timer.Stop()
			l.batch = nil
			select {
			case l.batch = <-l.free:
				l.batch.reset()
			default:
				l.batch = newBatch()
			}
			return ctx.Err()
		case <-timer.C:
			l.publish() // so that status shows how far the files are ahead
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// seal completes the batch with the read positions behind its lines.
func (l *Live) seal() {
	if l.batch.Seq != 0 {
		return // offered before; nothing was added since
	}
	l.batch.Seq, l.batch.After = l.next, l.seq
	l.seq, l.next = l.next, l.next+1
	l.batch.Positions = l.files.positions(l.batch.Positions, l.Now())
}

// wait blocks until a file grows, the blacklist or the clock asks for attention, or ctx ends.
func (l *Live) wait(ctx context.Context) error {
	if l.batch.empty() {
		return l.files.set.Wait(ctx)
	}
	due, cancel := context.WithDeadline(ctx, l.batch.begun.Add(flushAfter))
	defer cancel()
	if err := l.files.set.Wait(due); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return ctx.Err()
}

// publish makes the state of the inputs and the engine visible to status and metrics, unless it did just now. It is
// called again within a second, even when nothing happens.
func (l *Live) publish() {
	now := l.Now()
	if passed := now.Sub(l.shown); passed >= 0 && passed < publishEvery {
		return
	}
	l.shown = now
	for _, lane := range l.files.order {
		lane.live.stats.publish(lane.live.stream.Status(lane.live.used), now)
	}
	l.Stats.publishEngine(l.engine.Stats())
}
