package agent

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"activedefense/store"
)

const (
	pruneFirst = 5 * time.Minute // after the start, when the backlog is read
	pruneEvery = time.Hour
)

// A pruner removes old records, and the evidence of blocks that were released when those were young. A million of them take SQLite a minute, so it has a goroutine of its own;
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
			p.log.Warn().Err(err).Msg("cannot remove old records and evidence; retrying in an hour")
		}
		timer.Reset(pruneEvery)
	}
}

// pruneOnce removes the records that are older than they are kept, or dated as far in the future, and the evidence of blocks that were
// released as long ago.
func (p *pruner) pruneOnce(ctx context.Context) error {
	begun := p.now()
	records, err := p.store.PruneRecords(ctx, begun.Add(-p.keepRecords))
	future, err2 := p.store.PruneFuture(ctx, begun.Add(p.keepRecords))
	evidence, e := p.store.PruneEvidence(ctx, begun.Add(-p.keepRecords))
	if records+evidence > 0 {
		p.log.Info().Int64("records", records).Int64("evidence", evidence).Dur("took", p.now().Sub(begun)).Msg("removed old records and evidence")
	}
	if future > 0 {
		p.log.Warn().Int64("records", future).Msg("removed records dated further in the future than records are kept: some firewall's clock is wrong, or was")
	}
	return errors.Join(err, err2, e)
}
