package agent

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"activedefense/store"
)

const (
	pruneFirst = 5 * time.Minute // after the start, when the backlog is read
	pruneEvery = time.Hour
)

// A pruner removes old records. A million of them take SQLite a minute, so it has a goroutine of its own;
// the store goes in small steps and lets others write in between.
type pruner struct {
	store       *store.Store
	keepRecords time.Duration
	log         zerolog.Logger
	now         func() time.Time
}

// run removes what is too old soon after the start and every hour until ctx ends.
func (p *pruner) run(ctx context.Context) error {
	timer := time.NewTimer(pruneFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := p.pruneOnce(ctx); err != nil && ctx.Err() == nil {
			p.log.Warn().Err(err).Msg("cannot remove old records; trying again in an hour")
		}
		timer.Reset(pruneEvery)
	}
}

// pruneOnce removes the records that are older than they are kept.
func (p *pruner) pruneOnce(ctx context.Context) error {
	begun := p.now()
	removed, err := p.store.PruneRecords(ctx, begun.Add(-p.keepRecords))
	if removed > 0 {
		p.log.Info().Int64("records", removed).Dur("took", p.now().Sub(begun)).Msg("removed old records")
	}
	return err
}
