package line

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/pack"
	"activedefense/store"
)

// The writer commits batches, one transaction each, and wakes what depends on the blacklist. When the
// store is away it tries again for ever: reading then waits, and the files keep what comes.
type writer struct {
	store  *store.Store
	in     <-chan *batch
	free   chan<- *batch
	wake   func() // the blacklist may have changed
	stats  *Stats
	health Health
	log    zerolog.Logger
	now    func() time.Time
	packer pack.Packer
}

// run commits until Live closes the channel. stopping ends when a stop is asked for, ctx when
// its grace is over. A batch that could not be stored ends the run: were a later one stored without it,
// its lines would be lost; as it is, they are read again at the next start.
func (w *writer) run(ctx, stopping context.Context) error {
	for b := range w.in {
		if err := w.packer.Pack(&b.Batch); err != nil {
			return err
		}
		if !w.commit(ctx, stopping, b) {
			w.log.Warn().Int("lines", b.lines).Msg("stopping while the store is unavailable; these lines will be read again at the next start")
			return nil
		}
		w.free <- b // there is room for both that there are
	}
	return nil
}

// commit tries until the batch is stored, and reports whether it was. An error that is not transient is
// a fault in this program or in the database; it is retried too, at the slowest pace, because giving up
// would mean losing lines or a dead daemon, and a person may mend the database while we wait.
func (w *writer) commit(ctx, stopping context.Context, b *batch) bool {
	for try := 0; ; try++ {
		begun := w.now()
		w.health.Begun()
		result, err := w.store.Commit(ctx, &b.Batch)
		if err == nil {
			w.stats.committed(b, w.now().Sub(begun))
			w.health.Back()
			if len(b.Blocks) > 0 || len(b.Touches) > 0 || len(b.Notices) > 0 {
				w.wake()
			}
			w.stats.newlyBlocked(len(result.Blocked))
			return true
		}
		w.health.Failed(err)
		wait := Backoff(try)
		if !store.Transient(err) {
			wait = maxBackoff
		}
		select {
		case <-time.After(wait):
		case <-stopping.Done():
			if try > 0 {
				return false
			}
		case <-ctx.Done():
			return false
		}
	}
}

const (
	minBackoff = 250 * time.Millisecond
	maxBackoff = 30 * time.Second
)

// Backoff is how long to wait for the store after a failed try, of which the first is 0: it doubles from 250 ms to 30 s.
func Backoff(try int) time.Duration {
	if try > 7 {
		return maxBackoff
	}
	return min(minBackoff<<try, maxBackoff)
}
