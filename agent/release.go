package agent

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"activedefense/store"
)

const (
	// releaseEvery and releaseLeast bound how often the blacklist is looked over for entries whose time has come.
	releaseEvery = 10 * time.Second
	releaseLeast = time.Second
	// releaseMost is how many entries one transaction releases.
	releaseMost = 1000
)

// A releaser releases entries whose time has come: those that were blocked for a fixed time, and sources
// that stayed quiet.
type releaser struct {
	store        *store.Store
	releaseAfter time.Duration
	caughtUp     func() bool // everything that the files hold has been read and stored
	wake         func()      // the blacklist changed
	log          zerolog.Logger
	now          func() time.Time
}

// run looks at the blacklist now and then until ctx ends.
func (r *releaser) run(ctx context.Context) error {
	tick := time.NewTicker(r.interval())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		// The feed, which asks the same store every second, says that it is away.
		if err := r.releaseOnce(ctx); err != nil && ctx.Err() == nil {
			r.log.Debug().Err(err).Msg("cannot release due entries; retrying")
		}
	}
}

// interval is short enough that a short release_after is kept to.
func (r *releaser) interval() time.Duration {
	return max(min(releaseEvery, r.releaseAfter/10), releaseLeast)
}

// releaseOnce releases every entry whose time has come. While lines are still to be read, nobody is known
// to be quiet, and only what was blocked for a fixed time is released.
func (r *releaser) releaseOnce(ctx context.Context) error {
	after := r.releaseAfter
	if !r.caughtUp() {
		after = 0
	}
	for {
		released, err := r.store.ReleaseQuiet(ctx, r.now(), after, releaseMost)
		if len(released) > 0 {
			r.wake()
		}
		if err != nil || len(released) < releaseMost {
			return err
		}
	}
}
