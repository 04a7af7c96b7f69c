package store

import (
	"context"
	"database/sql"
	"errors"
	"net/netip"
	"slices"
	"time"
)

// Batch is what some lines of log led to; all of it is committed, or nothing.
type Batch struct {
	// Seq numbers the batches of an instance upwards, across restarts, and After is the number of the one before; Resume
	// gives that of the last one of an earlier run. A connection can break while a commit is on its way, so that nobody
	// knows whether it happened; the caller then commits the same batch again, and the number tells whether that is too
	// late. A first Seq of a run that is not just the next one keeps two agents of the same name from taking each
	// other's batches for their own. Seq 0: no number, no check.
	Seq, After int64

	Records   []Record // at best up to 10,000, in the order in which they were read
	Positions []Position
	Forget    []int64 // ids of positions that are no longer needed
	Blocks    []Block
	Touches   []Touch
}

// Touch tells of activity of a source that is blocked. It does nothing if the address is not on the
// blacklist (any more).
type Touch struct {
	Address  netip.Prefix // of the entry on the blacklist
	LastSeen time.Time    // last_seen moves forward only
	Hits     int64        // added to those of the entry
}

// CommitResult says what a commit did.
type CommitResult struct {
	Blocked     []netip.Prefix // which of Batch.Blocks are new on the blacklist, in that order
	Version     int64          // of the blacklist after this batch; 0 if the batch has no blocks and no touches
	AlreadyDone bool           // the batch with this Seq was committed before; nothing was done now
}

// Commit stores a batch in one transaction. A block for an address that is blocked already becomes a
// touch; the evidence of the first stays. The batch is not changed and can be committed again after an
// error; whether that makes sense Transient tells.
//
// On PostgreSQL batches of many agents go in side by side, except that those with blocks or touches wait
// for one another from the moment the records are written until the commit: that gives the versions of
// the blacklist one order.
func (s *Store) Commit(ctx context.Context, b *Batch) (CommitResult, error) {
	plan, err := newPlan(b, s.now())
	if err != nil {
		return CommitResult{}, s.failed("commit a batch", err)
	}
	if len(b.Records) > 0 {
		err := s.bound(ctx, func(ctx context.Context) error { return s.records.ready(ctx, b.Records) })
		if err != nil {
			return CommitResult{}, s.failed("prepare for the records' days", err)
		}
	}
	var result CommitResult
	err = s.update(ctx, "commit a batch", func(ctx context.Context, conn *sql.Conn, tx *sql.Tx) error {
		result = CommitResult{}
		if err := s.takeSeq(ctx, tx, b); err != nil {
			return err
		}
		if err := s.savePositions(ctx, tx, b.Positions, b.Forget); err != nil {
			return err
		}
		if len(b.Records) > 0 {
			if err := s.records.insert(ctx, conn, tx, s.agent, b.Records); err != nil {
				return err
			}
		}
		if len(plan.blocks)+len(plan.touches) == 0 {
			return nil
		}
		c, err := newChange(ctx, &s.dialect, tx)
		if err != nil {
			return err
		}
		result.Version = c.version
		result.Blocked, err = c.carryOut(ctx, plan)
		return err
	})
	if errors.Is(err, errAlreadyDone) {
		return CommitResult{AlreadyDone: true}, nil
	}
	if err != nil {
		return CommitResult{}, err
	}
	return result, nil
}

// plan is a batch's changes of the blacklist, in order of addresses, each address once.
type plan struct {
	blocks  []Block
	touches []Touch
	order   []netip.Prefix // of the blocks as they came
}

func newPlan(b *Batch, now time.Time) (*plan, error) {
	p := &plan{}
	seen := make(map[netip.Prefix]bool)
	for i := range b.Blocks {
		block, err := b.Blocks[i].stored(now)
		if err != nil {
			return nil, err
		}
		if seen[block.Address] {
			p.touches = append(p.touches, block.touch())
			continue
		}
		seen[block.Address] = true
		p.blocks = append(p.blocks, block)
		p.order = append(p.order, block.Address)
	}
	for _, t := range b.Touches {
		address, err := canonical(t.Address)
		if err != nil {
			return nil, err
		}
		t.Address = address
		p.touches = append(p.touches, t)
	}
	slices.SortFunc(p.blocks, func(a, b Block) int { return comparePrefix(a.Address, b.Address) })
	return p, nil
}
