package agent

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/tail"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/detect/panos"
	"activedefense/store"
)

const (
	// flushAfter is how long a record may wait for others to share its transaction. A verdict does not wait.
	flushAfter = 200 * time.Millisecond
	// refreshEvery is how often the files are looked at anew while a backlog is read.
	refreshEvery = 250 * time.Millisecond
	// checkEvery is how many lines are taken between two looks at the clock, the context and the feed.
	checkEvery = 512
	// forgetAfter is how long the position of a finished file that is gone is kept, forgetEvery how often
	// such are looked for.
	forgetAfter = 7 * 24 * time.Hour
	forgetEvery = time.Hour
	// publishEvery is how often status and metrics learn of the files: with thousands of them it costs milliseconds.
	publishEvery = 250 * time.Millisecond
)

// The pipeline is the one goroutine that reads, parses and detects. It owns the engine, so detection
// needs no lock and sees the lines in one order; the writer commits one batch while it builds the next.
type pipeline struct {
	set     *tail.Set
	inputs  []config.Input
	sources map[*tail.Stream]*source
	// lastTimes has the event time of each path's last line, as stored by an earlier run.
	lastTimes map[string]time.Time
	order     []*source

	engine       *detect.Engine
	guard        func() *detect.Guard
	releaseAfter time.Duration

	out   chan<- *batch
	free  <-chan *batch
	batch *batch
	seq   int64 // of the batch before
	next  int64 // of the next one

	evidence *evidenceReader
	stats    *stats
	warner   *clockWarner
	log      zerolog.Logger
	now      func() time.Time
	refused  map[netip.Prefix]time.Time // when a refusal was last logged
	atEnd    func(time.Time)            // told whenever every file has been read to its end
	checked  time.Time                  // when the files were last looked at
	forgot   time.Time                  // when positions were last forgotten
	shown    time.Time                  // when status and metrics last learned of the files
	mu       sync.Mutex
	incoming []change // what the feed saw, to be applied between two lines
}

// A change tells the engine that an address is, or is no longer, on the blacklist.
type change struct {
	address netip.Prefix
	blocked bool
}

// notice is called by the feed, from its own goroutine.
func (p *pipeline) notice(changes []change) {
	p.mu.Lock()
	p.incoming = append(p.incoming, changes...)
	p.mu.Unlock()
}

// apply hands the engine what the feed saw.
func (p *pipeline) apply() {
	p.mu.Lock()
	changes := p.incoming
	p.incoming = nil
	p.mu.Unlock()
	for _, c := range changes {
		if c.blocked {
			p.engine.Block(c.address)
		} else {
			p.engine.Release(c.address)
		}
	}
}

// run reads until ctx ends, then hands over what it has and closes the way to the writer.
func (p *pipeline) run(ctx context.Context) error {
	defer close(p.out)
	for {
		p.refresh()
		p.apply()
		if err := p.drain(ctx); err != nil {
			break
		}
		p.publish()
		if err := p.wait(ctx); err != nil {
			break
		}
	}
	// The last batch is offered once: what the writer cannot take is read again at the next start.
	if !p.batch.empty() {
		p.seal()
		select {
		case p.out <- p.batch:
		case <-time.After(stopGrace):
		}
	}
	return nil
}

// refresh looks for new, rotated and returned files.
func (p *pipeline) refresh() {
	p.checked = p.now()
	if err := p.set.Refresh(); err != nil {
		p.log.Warn().Err(err).Msg("cannot look at the log files; trying again")
	}
	p.order = p.order[:0]
	for _, stream := range p.set.Streams() {
		s := p.sources[stream]
		if s == nil {
			s = p.adopt(stream)
		}
		s.dry = false
		p.order = append(p.order, s)
	}
	p.forget()
}

// adopt makes the parser for a newly found path.
func (p *pipeline) adopt(stream *tail.Stream) *source {
	in := p.inputs[stream.Tag()]
	// The configuration was validated, so the name of the format is known.
	format, _ := panos.ParseFormat(in.Format)
	s := &source{
		stream: stream, path: stream.Path(), device: deviceOf(stream.Path()), location: in.Location,
		parser: panos.New(panos.Options{Format: format, Location: in.Location}),
		stats:  p.stats.input(stream.Path()),
		last:   p.lastTimes[stream.Path()],
	}
	p.sources[stream] = s
	// Where reading begins is stored before any line: a start at the end of a file must not become a
	// later one by a crash, and a file that is renamed before its first line must be known again.
	s.moved, p.batch.opened = true, true
	return s
}

// forget lets go of paths that are gone, and now and then of positions that nothing needs any more.
func (p *pipeline) forget() {
	if len(p.sources) > len(p.order) {
		for stream, s := range p.sources {
			if !slices.Contains(p.order, s) {
				delete(p.sources, stream)
				delete(p.warner.states, s)
				p.stats.left(s.stats, p.checked)
				maps.DeleteFunc(p.evidence.files, func(_ int64, of *source) bool { return of == s })
			}
		}
		p.stats.forget(p.checked)
	}
	if p.checked.Sub(p.forgot) >= forgetEvery {
		p.forgot = p.checked
		p.batch.Forget = append(p.batch.Forget, p.set.Forget(p.checked.Add(-forgetAfter))...)
		p.stats.forget(p.checked)
	}
}

// drain takes every line that is there now.
func (p *pipeline) drain(ctx context.Context) error {
	now := p.now()
	for n := 1; ; n++ {
		if n%checkEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			now = p.now()
			p.apply()
			if now.Sub(p.checked) >= refreshEvery {
				p.refresh()
				p.publish()
			}
		}
		s := next(p.order, now)
		if s == nil {
			p.atEnd(now)
			for _, s := range p.order {
				s.stats.live = true
			}
			return p.flushIfDue(ctx)
		}
		p.line(s, now)
		if len(p.batch.Records) >= maxBatch || p.batch.lines >= 4*maxBatch || p.batch.urgent ||
			n%checkEvery == 0 && now.Sub(p.batch.begun) >= flushAfter {
			if err := p.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// line is the life of one line.
func (p *pipeline) line(s *source, now time.Time) {
	b := p.batch
	if b.lines == 0 {
		b.begun = now
	}
	b.lines++
	if s.file != s.line.File {
		s.file = s.line.File
		p.evidence.files[s.file] = s
	}
	defer s.take()
	if s.line.Cut {
		s.stats.cut.Add(1)
	}
	if s.err != nil {
		s.stats.failed(s.err, s.line, now, p.stats)
		return
	}
	ev := &s.event
	b.record(ev, s.line.File, s.line.Offset)
	s.stats.recorded(ev, now)
	p.warner.look(s, ev, now)

	result := p.engine.Observe(ev)
	switch result.Outcome {
	case detect.Blocked:
		b.touch(result.Entry, ev)
	case detect.Fired:
		p.judge(result.Verdict, s, now)
	}
}

// judge decides whether a verdict becomes a block.
func (p *pipeline) judge(v *detect.Verdict, by *source, now time.Time) {
	if v.Time.Before(now.Add(-p.releaseAfter)) {
		// It would be released at once; a backlog from last year blocks nobody today.
		p.stats.verdict(v.Rule, "too-old")
		return
	}
	if err := p.guard().Check(v.Source); err != nil {
		p.stats.verdict(v.Rule, "refused")
		if last, ok := p.refused[v.Source]; !ok || now.Sub(last) > time.Hour {
			if len(p.refused) > 10_000 {
				clear(p.refused)
			}
			p.refused[v.Source] = now
			p.log.Warn().Str("address", AddressText(v.Source)).Str("rule", v.Rule).Str("reason", v.Reason).
				Err(err).Msg("not blocked: this address may never be blocked")
		}
		return
	}
	p.stats.verdict(v.Rule, "blocked")
	p.engine.Block(v.Source)
	p.batch.block(v, p.evidence.lines(v, by, now), now)
	p.log.Info().Str("address", AddressText(v.Source)).Str("rule", v.Rule).Str("device", v.Device).
		Time("seen", v.Time).Msg("blocking: " + v.Reason)
}

// flushIfDue commits a batch that has waited long enough.
func (p *pipeline) flushIfDue(ctx context.Context) error {
	if !p.batch.empty() && (p.batch.urgent || p.now().Sub(p.batch.begun) >= flushAfter) {
		return p.flush(ctx)
	}
	return ctx.Err()
}

// flush hands the batch to the writer. When the writer cannot keep up, or the store is away, this
// waits: nothing is read meanwhile, the files are the buffer.
func (p *pipeline) flush(ctx context.Context) error {
	if p.batch.empty() {
		return ctx.Err()
	}
	p.seal()
	for {
		timer := time.NewTimer(time.Second)
		select {
		case p.out <- p.batch:
			timer.Stop()
			p.batch = nil
			select {
			case p.batch = <-p.free:
				p.batch.reset()
			default:
				p.batch = newBatch()
			}
			return ctx.Err()
		case <-timer.C:
			p.publish() // so that status shows how far the files are ahead
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// seal completes the batch with the read positions behind its lines.
func (p *pipeline) seal() {
	if p.batch.Seq != 0 {
		return // offered before; nothing was added since
	}
	p.batch.Seq, p.batch.After = p.next, p.seq
	p.seq, p.next = p.next, p.next+1
	for _, s := range p.order {
		if !s.moved {
			continue
		}
		s.moved = false
		for _, pos := range s.positions() {
			p.batch.Positions = append(p.batch.Positions, storePosition(pos, s.last, p.now()))
		}
	}
}

// wait blocks until a file grows, the feed or the clock asks for attention, or ctx ends.
func (p *pipeline) wait(ctx context.Context) error {
	if p.batch.empty() {
		return p.set.Wait(ctx)
	}
	due, cancel := context.WithDeadline(ctx, p.batch.begun.Add(flushAfter))
	defer cancel()
	if err := p.set.Wait(due); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return ctx.Err()
}

// publish makes the state of the inputs and the engine visible to status and metrics, unless it did just now. It is
// called again within a second, even when nothing happens.
func (p *pipeline) publish() {
	now := p.now()
	if passed := now.Sub(p.shown); passed >= 0 && passed < publishEvery {
		return
	}
	p.shown = now
	for _, s := range p.order {
		s.stats.publish(s.stream.Status(), now)
	}
	p.stats.publishEngine(p.engine.Stats())
}

// storePosition is a read position as the store keeps it. A time more than a day ahead of now comes
// from a forged line or a broken clock, and must not decide from where evidence is read at the next start.
func storePosition(pos tail.Position, last, now time.Time) store.Position {
	if last.After(now.Add(24 * time.Hour)) {
		last = now
	}
	return store.Position{
		ID: pos.ID, Path: pos.Path, Device: pos.Device, Inode: pos.Inode,
		Fingerprint: pos.Fingerprint, FingerprintLen: pos.FingerprintLen,
		Offset: pos.Offset, Done: pos.Done, Updated: pos.Updated, LastTime: last,
	}
}

// AddressText writes a single address without its /32.
func AddressText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
