package line

import (
	"net/netip"
	"time"

	"activedefense/detect"
	"activedefense/store"
)

// maxBatch bounds the records of one transaction: large enough that the cost of a commit is spread
// thin, small enough that a verdict never waits long for the transaction before its own.
const maxBatch = 5000

// A batch is what one transaction commits: the records of some lines, the verdicts and activity they
// gave, and the read positions behind them.
type batch struct {
	store.Batch
	touched map[netip.Prefix]int // index into Touches
	begun   time.Time            // when its first line was taken
	urgent  bool                 // holds a verdict
	opened  bool                 // a file was found whose position is to be stored, though no line was taken
	lines   int                  // lines taken, also those that left no record
}

func newBatch() *batch {
	return &batch{touched: make(map[netip.Prefix]int)}
}

// reset empties the batch for its next use; the memory of the records is kept.
func (b *batch) reset() {
	b.Batch = store.Batch{Records: b.Records[:0]}
	clear(b.touched)
	b.begun, b.urgent, b.opened, b.lines = time.Time{}, false, false, 0
}

// empty reports whether there is nothing to commit, not even a moved read position.
func (b *batch) empty() bool {
	return b.lines == 0 && len(b.Blocks) == 0 && !b.opened
}

// record appends the record of one line.
func (b *batch) record(ev *detect.Event, at Place) {
	b.Records = append(b.Records, recordOf(ev, at))
}

// touch notes one more record of a blocked source; many of them in one batch become one row.
func (b *batch) touch(entry netip.Prefix, ev *detect.Event) {
	i, ok := b.touched[entry]
	if !ok {
		i = len(b.Touches)
		b.touched[entry] = i
		b.Touches = append(b.Touches, store.Touch{Address: entry})
	}
	t := &b.Touches[i]
	t.Hits += int64(max(ev.Repeat, 1))
	if ev.Time.After(t.LastSeen) {
		t.LastSeen = ev.Time
	}
}

// block notes a verdict.
func (b *batch) block(v *detect.Verdict, evidence []store.Evidence, at time.Time) {
	b.Blocks = append(b.Blocks, store.Block{
		Address: v.Source, Rule: v.Rule, Reason: v.Reason, By: store.ByDetector,
		Device: v.Device, Target: v.Target,
		FirstSeen: v.FirstSeen, LastSeen: v.LastSeen, BlockedAt: at,
		Hits: int64(v.Hits), Count: v.Count, Evidence: evidence,
	})
	b.urgent = true
}
