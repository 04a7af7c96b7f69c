package agent

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"activedefense/store"
)

const (
	releaseEvery = 10 * time.Second
	releaseMost  = 1000            // entries of one transaction
	pruneFirst   = 5 * time.Minute // after the start, when the backlog is read
	pruneEvery   = time.Hour
)

// A housekeeper releases sources that stayed quiet and removes old records.
type housekeeper struct {
	store        *store.Store
	releaseAfter time.Duration
	keepRecords  time.Duration
	caughtUp     func() bool // everything that the files hold has been read
	wake         func()      // the blacklist changed
	log          zerolog.Logger
	now          func() time.Time
}

// run works until ctx ends.
func (h *housekeeper) run(ctx context.Context) error {
	release, prune := time.NewTicker(h.releaseInterval()), time.NewTimer(pruneFirst)
	defer release.Stop()
	defer prune.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-release.C:
			if err := h.releaseOnce(ctx); err != nil && ctx.Err() == nil {
				h.log.Debug().Err(err).Msg("cannot release quiet sources; trying again")
			}
		case <-prune.C:
			if err := h.pruneOnce(ctx); err != nil && ctx.Err() == nil {
				h.log.Warn().Err(err).Msg("cannot remove old records; trying again in an hour")
			}
			prune.Reset(pruneEvery)
		}
	}
}

// releaseInterval is short enough that a short release_after is kept to.
func (h *housekeeper) releaseInterval() time.Duration {
	return max(min(releaseEvery, h.releaseAfter/10), time.Second)
}

// releaseOnce releases every entry whose time has come.
func (h *housekeeper) releaseOnce(ctx context.Context) error {
	if !h.caughtUp() {
		return nil
	}
	for {
		released, err := h.store.ReleaseQuiet(ctx, h.now(), h.releaseAfter, releaseMost)
		if len(released) > 0 {
			h.wake()
		}
		if err != nil || len(released) < releaseMost {
			return err
		}
	}
}

// pruneOnce removes records that are older than they are kept.
func (h *housekeeper) pruneOnce(ctx context.Context) error {
	removed, err := h.store.PruneRecords(ctx, h.now().Add(-h.keepRecords))
	if removed > 0 {
		h.log.Info().Int64("records", removed).Msg("removed old records")
	}
	return err
}
