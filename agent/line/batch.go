package line

import (
	"net/netip"
	"time"

	"activedefense/agent/clock"
	"activedefense/detect"
	"activedefense/store"
)

const (
	// maxBatch bounds what one transaction costs, in records: large enough that the cost of a commit is spread thin, small enough
	// that a verdict never waits long for the transaction before its own.
	maxBatch = 5000
	// maxUrgent bounds it while a verdict that blocks is in it: verdicts that come while the writer is busy share the next
	// transaction, and none of them waits for many others.
	maxUrgent = maxBatch / 2
	// verdictCost is what a verdict costs with its evidence. Measured are 20; more, so that the transactions of a flood are short.
	verdictCost = 100
)

// A batch is what one transaction commits: the records of some lines, the verdicts and activity they
// gave, and the read positions behind them.
type batch struct {
	store.Batch
	touched map[touched]int // index into Touches
	begun   time.Time       // when its first line was taken
	urgent  bool            // holds a verdict that blocks
	opened  bool            // a file was found whose position is to be stored, though no line was taken
	lines   int             // lines taken, also those that left no record
	shown   int             // of them, those that status knows of
}

func newBatch() *batch {
	return &batch{touched: make(map[touched]int)}
}

// reset empties the batch for its next use; the memory of what most batches have is kept.
func (b *batch) reset() {
	b.Batch = store.Batch{Records: b.Records[:0], Journal: b.Journal[:0], MemoryParts: b.MemoryParts[:0], Positions: b.Positions[:0], Touches: b.Touches[:0], Dated: b.Dated[:0]}
	clear(b.touched)
	b.begun, b.urgent, b.opened, b.lines, b.shown = time.Time{}, false, false, 0, 0
}

// empty reports whether there is nothing to commit, not even a moved read position.
func (b *batch) empty() bool {
	return b.lines == 0 && len(b.Blocks) == 0 && len(b.Notices) == 0 && !b.opened
}

// full reports whether the batch shall not wait for more.
func (b *batch) full() bool {
	cost := len(b.Records) + len(b.Touches) + verdictCost*len(b.Blocks)
	return cost >= maxBatch || b.urgent && cost >= maxUrgent || b.lines >= 4*maxBatch
}

// record appends the record of one line.
func (b *batch) record(ev *detect.Event, r detect.Result, at Place) {
	if n := len(b.Records); n < cap(b.Records) {
		b.Records = b.Records[:n+1]
	} else {
		b.Records = append(b.Records, store.Record{})
	}
	setRecord(&b.Records[len(b.Records)-1], ev, r, at)
}

// touched is what shares a row of activity: an entry, and of a network the address that was seen.
type touched struct {
	entry  netip.Prefix
	member netip.Addr
}

// mostMembers is how many addresses of one batch are told apart in activity of networks: an attacker has more than anybody
// wants to know.
const mostMembers = 256

// touch notes activity of a source that is on the blacklist; much of it in one batch becomes one row. member is the address
// of a network that was seen.
func (b *batch) touch(entry netip.Prefix, member netip.Addr, at time.Time, hits int64) {
	key := touched{entry: entry}
	if !entry.IsSingleIP() && member.Is6() {
		key.member = member
	}
	i, ok := b.touched[key]
	if !ok && len(b.touched) >= mostMembers && key.member.IsValid() {
		key.member = netip.Addr{}
		i, ok = b.touched[key]
	}
	if !ok {
		i = len(b.Touches)
		b.touched[key] = i
		b.Touches = append(b.Touches, store.Touch{Address: entry, Member: key.member})
	}
	t := &b.Touches[i]
	t.Hits += hits
	if at.After(t.LastSeen) {
		t.LastSeen = at
	}
}

// notLater has nobody seen later than now: of a line that is dated in the future, that is when it was seen. Without this, its
// source would stay blocked until that time comes. Where it may be later than now, by more than doubt, what the line says is kept beside it: this host's clock may be the one that is
// wrong, and whoever attacks now would be found quiet for weeks as soon as it is set; or the time of his block over, for which any difference counts.
func (b *batch) notLater(now time.Time, later func(anew bool) time.Duration, doubt time.Duration) {
	m := &moment{now: now, later: later}
	seen := func(address netip.Prefix, at time.Time) (other, seen time.Time) {
		if other = m.other(at); other.Sub(now) > doubt {
			b.Dated = append(b.Dated, store.Dated{Address: address, Seen: other})
		}
		return other, earlier(at, now)
	}
	for i := range b.Touches {
		t := &b.Touches[i]
		_, t.LastSeen = seen(t.Address, t.LastSeen)
	}
	for i := range b.Blocks {
		block := &b.Blocks[i]
		var other time.Time
		other, block.LastSeen = seen(block.Address, block.LastSeen)
		if block.FirstSeen = earlier(block.FirstSeen, now); !block.Begun.IsZero() && other.After(block.OrBegun) {
			block.OrBegun = other
		}
	}
}

// A moment is a time by this host's clock, and by how much it may be later.
type moment struct {
	now   time.Time
	later func(anew bool) time.Duration
	by    time.Duration // of later
	asked [2]bool       // whether it was, and anew
}

// ask has by known: anew where a line of the future asks, which may be the first one that says another time.
func (m *moment) ask(anew bool) {
	i := 0
	if anew {
		i = 1
	}
	if !m.asked[i] && !m.asked[1] {
		m.by, m.asked[i] = m.later(anew), true
	}
}

// other is when a line may have been written, beside what it says and now: the zero time where there is no doubt. A line of a future that may be now is right; one of now
// may have the time of this host's clock.
func (m *moment) other(at time.Time) (t time.Time) {
	off := at.Sub(m.now)
	if off < -clock.Tolerance {
		return t // of a backlog
	}
	m.ask(off > clock.Tolerance)
	switch {
	case m.by == 0:
		return t
	case off > clock.Tolerance:
		return earlier(at, m.now.Add(m.by)) // a single one that says more is wrong
	}
	return at.Add(m.by)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// StateOf says what becomes of the source of a verdict: it is blocked, unless a person has to decide, or its rule only
// observes.
func StateOf(v *detect.Verdict) store.State {
	switch {
	case v.Mode != detect.Block: // one of mode Notice is on no list at all
		return store.Observed
	case v.Hold != "":
		return store.Held
	}
	return store.Blocked
}

// StateText is StateOf in a word: "notice" where the source is only told of.
func StateText(v *detect.Verdict) string {
	if v.Mode == detect.Notice {
		return detect.Notice.String()
	}
	return StateOf(v).String()
}

// grades are those of the store, by those of detection.
var grades = [...]store.Grade{
	detect.GradeUnknown: store.GradeUnknown,
	detect.Forgeable:    store.Forgeable,
	detect.Proven:       store.Proven,
}

// blockOf is a verdict for the store.
func blockOf(v *detect.Verdict, evidence []store.Evidence, at time.Time) store.Block {
	return store.Block{
		Address: v.Source, Rule: v.Rule, Reason: v.Reason, By: store.ByDetector,
		Device: v.Device, Target: v.Target,
		FirstSeen: v.FirstSeen, LastSeen: v.LastSeen, BlockedAt: at,
		Hits: int64(v.Hits), Count: v.Count, Grade: grades[v.Grade], State: StateOf(v), Hold: v.Hold, Members: v.Addresses, Evidence: evidence, Country: v.Country, Port: v.Port, Tag: v.Tag,
	}
}

// block notes a verdict. x says how much longer the block of a source lasts that returned, begins from when on one for a time is counted.
func (b *batch) block(v *detect.Verdict, evidence []store.Evidence, x store.Escalation, begins, at time.Time) *store.Block {
	block := blockOf(v, evidence, at)
	if block.Escalation = x; v.BlockFor > 0 {
		block.Begun, block.ExpiresAt = begins, begins.Add(v.BlockFor)
	}
	b.Blocks = append(b.Blocks, block)
	b.urgent = b.urgent || block.State == store.Blocked // a hold can share a transaction: nobody is blocked by it
	return &b.Blocks[len(b.Blocks)-1]
}
