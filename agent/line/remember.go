package line

import (
	"context"
	"fmt"
	"maps"
	"time"

	"activedefense/detect"
	"activedefense/store"
)

// remember rebuilds the engine from the records of an earlier run: eight ports before a crash and three
// after it are eleven ports. Read are the records that can still count together with a line to come for the rules of the table:
// those around the last line of each file that is still being read. What the operator's own rules count is kept (see keeper).
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
	err := l.opts.Store.Sightings(ctx, intervals, func(r *store.Record) error {
		n++
		ev := EventOf(r)
		if result := l.engine.Recall(&ev); result.Outcome == detect.Fired {
			l.judge(result.Verdict, l.files.laneOf(r.Device), begun)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("load recent records for detection: %w", err)
	}
	l.opts.Logger.Info().Int("records", n).Dur("took", l.opts.Now().Sub(begun)).Msg("loaded recent records for detection")
	return nil
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
