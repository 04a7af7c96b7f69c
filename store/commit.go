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
	Dated     []Dated  // of those of Blocks and Touches, whose LastSeen is then this host's time
	Notices   []Notice // of what rules found that only tell; see [Block.Notice]

	// Journal is what detection was told to remember by these lines, and MemoryParts are parts of what it remembers, whole, with
	// what the journal tells; their Seq is the batch's. Journals of batches before JournalFrom are needed no more; 0: all are.
	Journal     []byte
	MemoryParts []MemoryPart
	JournalFrom int64
}

// Touch tells of activity of a source that is on the blacklist, whatever its state. It does nothing if the address is not
// (any more).
type Touch struct {
	Address  netip.Prefix // of the entry on the blacklist
	LastSeen time.Time    // last_seen moves forward only
	Hits     int64        // added to those of the entry
	Member   netip.Addr   // of a network, which address of it was seen; the zero Addr, or one outside of it: none
}

// Dated is when a source was seen by what its lines say, where that is later than this host's clock, which may be the one that is wrong: see
// Store.Redate. It does nothing if the address is not on the blacklist.
type Dated struct {
	Address netip.Prefix // of the entry on the blacklist
	Seen    time.Time    // the newest counts, unless what comes after it is more than a day earlier
}

// CommitResult says what a commit did.
type CommitResult struct {
	Blocked     []netip.Prefix // which of Batch.Blocks became blocked, new or held or observed before, in that order
	Version     int64          // of the blacklist after this batch; 0 if the batch has no blocks and no touches
	AlreadyDone bool           // the batch with this Seq was committed before; nothing was done now
}

// Commit stores a batch in one transaction. A block raises the entry of its address, from observed to held to blocked: rule,
// reason, grade and evidence are then those of the block, and the audit trail keeps both. It never lowers one, nor replaces
// what is in the same state: then it is a touch, and the evidence of the first stays. The batch is not changed and can be committed again after an
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
	if err := s.gate.closed(); err != nil {
		return CommitResult{}, s.failed("commit a batch", err)
	}
	insert, err := s.insertion(ctx, b.Records)
	if err != nil {
		return CommitResult{}, err
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
		if err := s.saveMemory(ctx, tx, b); err != nil {
			return err
		}
		if err := insert.within(ctx, conn, tx); err != nil {
			return err
		}
		if err := s.noteTold(ctx, tx, b.Notices); err != nil {
			return err
		}
		if len(plan.rounds)+len(plan.touches) == 0 {
			return s.tell(ctx, tx, b.Notices)
		}
		c, err := newChange(ctx, &s.dialect, tx)
		if err != nil {
			return err
		}
		result.Version = c.version
		var placed []*Block
		if placed, err = c.carryOut(ctx, plan); err != nil {
			return err
		}
		if err := c.saveDoubts(ctx, b.Dated, placed); err != nil {
			return err
		}
		result.Blocked = plan.blocked(placed)
		return s.tell(ctx, tx, append(noticesOf(placed), b.Notices...))
	})
	if errors.Is(err, errAlreadyDone) {
		return CommitResult{AlreadyDone: true}, nil
	}
	if err != nil {
		return CommitResult{}, err
	}
	s.gate.committed(b.Seq, result.Version)
	insert.committed()
	return result, nil
}

// insertion makes of records what stores them, so that no transaction waits for it.
func (s *Store) insertion(ctx context.Context, records []Record) (insertion, error) {
	if len(records) == 0 {
		return insertion{func(context.Context, *sql.Conn, *sql.Tx) error { return nil }, func() {}}, nil
	}
	err := s.bound(ctx, func(ctx context.Context) error { return s.records.ready(ctx, records) })
	if err != nil {
		return insertion{}, s.failed("prepare for the records' days", err)
	}
	insert, err := s.records.encode(s.agent, records)
	return insert, s.failed("encode the records", err)
}

// plan is a batch's changes of the blacklist.
type plan struct {
	rounds  [][]Block // of each, in order of addresses, each address once; a later round raises what an earlier one placed, or comes after what was over
	touches []Touch
	order   []netip.Prefix // of the blocks as they came, each once
}

func newPlan(b *Batch, now time.Time) (*plan, error) {
	p := &plan{}
	type placed struct {
		state State
		round int
		late  bool // it may be over
	}
	seen := make(map[netip.Prefix]placed)
	for i := range b.Blocks {
		block, err := b.Blocks[i].stored(now)
		if err != nil {
			return nil, err
		}
		last, again := seen[block.Address]
		switch {
		case !again:
			p.order = append(p.order, block.Address)
		case block.State.above(last.state), last.late, !block.Late.IsZero():
			last.round++
		default:
			p.touches = append(p.touches, block.touch())
			p.touches = append(p.touches, block.memberTouches()...)
			continue
		}
		last.state, last.late = block.State, !block.Late.IsZero()
		seen[block.Address] = last
		if last.round == len(p.rounds) {
			p.rounds = append(p.rounds, nil)
		}
		p.rounds[last.round] = append(p.rounds[last.round], block)
	}
	for _, t := range b.Touches {
		t, err := t.stored()
		if err != nil {
			return nil, err
		}
		p.touches = append(p.touches, t)
	}
	for _, round := range p.rounds {
		slices.SortFunc(round, func(a, b Block) int { return comparePrefix(a.Address, b.Address) })
	}
	return p, nil
}

// blocked gives the addresses of those that became blocked, in the order in which they came.
func (p *plan) blocked(placed []*Block) (addresses []netip.Prefix) {
	became := make(map[netip.Prefix]bool)
	for _, b := range placed {
		became[b.Address] = became[b.Address] || b.State == Blocked
	}
	for _, address := range p.order {
		if became[address] {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

func (t Touch) stored() (Touch, error) {
	var err error
	if t.Address, err = canonical(t.Address); err != nil {
		return t, err
	}
	members := membersOf(t.Address, []netip.Addr{t.Member})
	if t.Member = (netip.Addr{}); len(members) > 0 {
		t.Member = members[0]
	}
	return t, nil
}
