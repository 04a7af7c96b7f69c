package state

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

// A Pruner removes old records, and the evidence of blocks that were released when those were young. A million of them take SQLite a minute, so it has a goroutine of its own;
// the store goes in small steps and lets others write in between.
type Pruner struct {
	Store       *store.Store
	KeepRecords time.Duration
	Log         zerolog.Logger
	Now         func() time.Time // as far as the clock can be believed
	Agreed      func() bool      // it is known not to be behind
}

// Run removes what is too old soon after the start and every hour until ctx ends.
func (p *Pruner) Run(ctx context.Context) error {
	timer := time.NewTimer(pruneFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := p.PruneOnce(ctx); err != nil && ctx.Err() == nil {
			p.Log.Warn().Err(err).Msg("cannot remove old records and evidence; retrying in an hour")
		}
		timer.Reset(pruneEvery)
	}
}

// PruneOnce removes the records that are older than they are kept, or dated as far in the future where that is known, and the evidence of
// blocks that were released as long ago.
func (p *Pruner) PruneOnce(ctx context.Context) error {
	begun := p.Now()
	records, err := p.Store.PruneRecords(ctx, begun.Add(-p.KeepRecords))
	var future int64
	var err2 error
	if p.Agreed() {
		future, err2 = p.Store.PruneFuture(ctx, begun.Add(p.KeepRecords))
	}
	evidence, e := p.Store.PruneEvidence(ctx, begun.Add(-p.KeepRecords))
	if records+evidence > 0 {
		p.Log.Info().Int64("records", records).Int64("evidence", evidence).Dur("took", p.Now().Sub(begun)).Msg("removed old records and evidence")
	}
	if future > 0 {
		p.Log.Warn().Int64("records", future).Msg("removed records dated further in the future than records are kept: some firewall's clock is wrong, or was")
	}
	return errors.Join(err, err2, e)
}
