package memory

import (
	"net/netip"
	"time"

	"activedefense/detect/arena"
)

// mostAnswers is how many targets that answered a source are remembered. A source with more is served by so much of ours
// that nothing is concluded from what refuses it.
const mostAnswers = 64

// probeMarks is how many bits mark sources for each that there is room for.
const probeMarks = 8

// targetsEach is for how many targets of a source there is room on average.
const targetsEach = 4

// probes are the targets that refused or answered each source. For what a rule asks they are exact: as many refusals are kept
// as are needed to fire beside the most answers.
type probes struct {
	max     int
	targets int   // refusals that fire
	window  int64 // how far back they count

	table    arena.Table[prober, *prober]
	refusing arena.Queue // sources that nothing answered: they are forgotten first, for that excuses nobody
	served   arena.Queue
	others   arena.Slab[target, *target] // beside the first of each source
	singles  singles
	known    marks            // sources of which anything is remembered
	added    int              // how many that are no singles were marked since they were marked anew
	spared   map[uint32]int64 // by source: until then nothing is concluded, for an answer younger than the window had no room
	missing  int64
	near     int  // sources with at least half of the refusals that fire
	reading  bool // nothing is out of date: it is as it was written
}

// prober is a source, in 96 bytes with a target: most have no other.
type prober struct {
	key Key
	arena.Order
	begun    uint32 // when the first refusal was of those that are remembered, or one before it, in seconds since 1970; 0: there is none
	refusals uint16 // targets that refused it
	device   uint16
	answers  uint8 // targets that answered it
	used     bool  // since it was put where it is in its queue
	spared   bool  // see probes
	own      target
}

// target is one that a source reached, in 56 bytes. Times are 0 where it never happened.
type target struct {
	addr     [16]byte
	refused  int64 // by a record of a source that may be forged, the latest
	proven   int64 // by one whose source was really there
	answered int64
	ref      uint64 // of the latest refusal
	next     uint32
	port     uint16
	refusals uint16 // records
}

// Link makes a target a cell.
func (t *target) Link() *uint32 { return &t.next }

func (t *target) refusedAt() int64 { return max(t.refused, t.proven) }

func (t *target) none() bool { return t.refusedAt() == 0 && t.answered == 0 }

// Probed is how many targets there were within the window.
type Probed struct {
	Refused  int  // distinct targets that refused the source
	Proven   int  // those of them that refused what was not forged
	Answered int  // distinct targets that answered it
	Spared   bool // more targets answered than are remembered
}

// A Refusal is a target that refused a source.
type Refusal struct {
	Dst     netip.Addr
	Port    uint16
	Time    int64 // of the latest record
	Ref     uint64
	Records int // of it, up to 65,535
	Proven  bool
}

// look gives the number of a source, or what there is of it if one target refused it; 0 and nil: nothing is remembered of it.
func (p *probes) look(key *Key, hash uint32) (uint32, *single) {
	if !p.known.may(hash) {
		return 0, nil
	}
	if n := p.table.Find(hash, func(c *prober) bool { return c.key == *key }); n != 0 {
		return n, nil
	}
	return 0, p.singles.find(key, hash)
}

// find gives the number of a source, which is a single no more; 0: nothing is remembered of it.
func (p *probes) find(key *Key, hash uint32) uint32 {
	n, c := p.look(key, hash)
	if c != nil {
		n = p.promote(c, hash)
	}
	return n
}

// promote makes a single one of the others.
func (p *probes) promote(c *single, hash uint32) uint32 {
	t := Target{Key: c.key, Hash: hash, Dst: c.dst, Port: c.port, Device: c.device, Time: c.time, Ref: c.ref, Proven: c.proven}
	refusals, begun := c.refusals, c.begun
	p.singles.strike(c)
	n := p.settle(&t)
	x := p.table.At(n)
	x.own.refusals, x.begun = refusals, begun
	return n
}

// settle makes a source, with a target that refused it.
func (p *probes) settle(t *Target) uint32 {
	n := p.add(t)
	p.refusedBy(n, p.reach(n, t), t)
	return n
}

// mark notes that something is remembered of a source, which is a single or one of the others. The marks last for the singles;
// of the others they are made anew whenever some go, and of all where the others were many.
func (p *probes) mark(hash uint32, isSingle bool) {
	p.known.need(p.max, probeMarks)
	switch {
	case isSingle && p.known.made():
		p.markOthers()
	case !isSingle && p.added >= othersMarked*p.max:
		p.known.turn()
		p.markOthers()
		for i := range p.singles.ring.Len() {
			p.known.set(p.singles.ring.At(i).Hash())
		}
	}
	if !isSingle {
		p.added++
	}
	p.known.set(hash)
}

// othersMarked is how many times as many as there is room for are marked before the marks are made anew.
const othersMarked = 2

func (p *probes) markOthers() {
	p.added = 0
	for _, q := range []*arena.Queue{&p.refusing, &p.served} {
		for n := q.Oldest(); n != 0; n = arena.Next(&p.table, n) {
			p.known.set(arena.Hash(&p.table.At(n).key))
		}
	}
}

// after gives the target after another of the same source; nil: that was the last.
func (p *probes) after(t *target) *target {
	if t.next == 0 {
		return nil
	}
	return p.others.At(t.next)
}

func (p *probes) queueOf(c *prober) *arena.Queue {
	if c.answers > 0 {
		return &p.served
	}
	return &p.refusing
}

// refuse takes in a refusal and counts; hint is where the source may be, and is set to where it is, if that is to be kept.
func (p *probes) refuse(t *Target, hint *uint32) Probed {
	n, c := p.hinted(t, *hint)
	if n == 0 && c == nil {
		n, c = p.look(&t.Key, t.Hash)
	}
	switch {
	case c != nil && c.again(t):
		return Probed{Refused: 1}
	case c != nil:
		n = p.promote(c, t.Hash)
		p.refusedBy(n, p.reach(n, t), t)
	case n != 0:
		p.refusedBy(n, p.reach(n, t), t)
	case p.targets > 2 && !p.reading: // one alone is not half of what fires
		p.mark(t.Hash, true)
		*hint = p.singles.put(t)
		return Probed{Refused: 1}
	default:
		p.mark(t.Hash, false)
		n = p.settle(t)
	}
	if n < singleHint {
		*hint = n
	}
	return p.countOf(n, t.Time)
}

// hinted gives the source of a target if it is where the hint says, as look does.
func (p *probes) hinted(t *Target, hint uint32) (uint32, *single) {
	switch c := p.singles.hinted(hint); {
	case c != nil && !c.struck && c.key == t.Key:
		return 0, c
	case hint != 0 && hint < singleHint && p.table.At(hint).key == t.Key: // a cell given back has no key
		return hint, nil
	}
	return 0, nil
}

// refusedBy notes that a target refused a source.
func (p *probes) refusedBy(n uint32, at *target, t *Target) {
	c := p.table.At(n)
	before := at.refusedAt()
	if before == 0 {
		p.refusals(c, 1)
	}
	if at := seconds(t.Time); c.begun == 0 || at < c.begun {
		c.begun = at
	}
	if t.Time >= before || before == 0 {
		at.ref = t.Ref
	}
	if at.refusals++; at.refusals == 0 {
		at.refusals--
	}
	if t.Proven {
		at.proven = max(at.proven, t.Time, 1)
	} else {
		at.refused = max(at.refused, t.Time, 1)
	}
	if int(c.refusals) > p.targets+mostAnswers {
		p.dropOldest(n, t, (*target).refusedAt)
	}
}

func (p *probes) answer(t *Target) {
	n := p.find(&t.Key, t.Hash)
	if n == 0 {
		p.mark(t.Hash, false)
		n = p.add(t)
	}
	c, at := p.table.At(n), p.reach(n, t)
	if at.answered == 0 {
		if c.answers++; c.answers == 1 {
			arena.Drop(&p.refusing, &p.table, n)
			arena.Put(&p.served, &p.table, n)
		}
	}
	at.answered = max(at.answered, t.Time, 1)
	if c.answers > mostAnswers {
		p.dropOldest(n, t, func(x *target) int64 { return x.answered })
	}
}

// add makes a source, which is marked.
func (p *probes) add(t *Target) uint32 {
	p.makeRoom(t)
	n := p.table.Add(t.Hash)
	*p.table.At(n) = prober{key: t.Key}
	arena.Put(&p.refusing, &p.table, n)
	return n
}

// reach gives a target of a source.
func (p *probes) reach(n uint32, t *Target) (at *target) {
	c := p.table.At(n)
	c.used = true
	c.device = t.Device
	if c.own.none() {
		c.own = target{addr: t.Dst, port: t.Port}
	}
	if at = p.targetOf(c, t); at != nil {
		return at
	}
	for p.others.Used() >= (targetsEach-1)*p.max && !p.reading {
		first := p.oldest()
		if first == n {
			break
		}
		p.evict(first, t.Time)
	}
	i := p.others.Take()
	at = p.others.At(i)
	*at = target{addr: t.Dst, port: t.Port, next: c.own.next}
	c.own.next = i
	return at
}

// targetOf gives a target of a source, if it is remembered.
func (p *probes) targetOf(c *prober, t *Target) *target {
	if c.own.is(t) {
		return &c.own
	}
	for link := &c.own.next; *link != 0; link = &p.others.At(*link).next {
		i := *link
		if at := p.others.At(i); at.is(t) { // it is the next one from now on, and found sooner
			*link = at.next
			at.next = c.own.next
			c.own.next = i
			return at
		}
	}
	return nil
}

func (t *target) is(x *Target) bool { return t.port == x.Port && t.addr == x.Dst }

// drop takes out the target after one, or with nil the source's own, whose place the next one then takes.
func (p *probes) drop(c *prober, before *target) {
	if before == nil {
		if c.own.next == 0 {
			c.own = target{}
			return
		}
		i := c.own.next
		c.own = *p.others.At(i)
		p.others.Give(i)
		return
	}
	i := before.next
	before.next = p.others.At(i).next
	p.others.Give(i)
}

// spare has nothing concluded about a source until a time.
func (p *probes) spare(n uint32, until int64) {
	if p.spared == nil {
		p.spared = make(map[uint32]int64)
	}
	p.table.At(n).spared = true
	p.spared[n] = max(p.spared[n], until)
}

// sparedUntil is 0 for a source of which anything may be concluded.
func (p *probes) sparedUntil(n uint32) int64 {
	if !p.table.At(n).spared {
		return 0
	}
	return p.spared[n]
}

// count counts the targets within the window before a time.
func (p *probes) count(key *Key, at int64) Probed {
	switch n, c := p.look(key, arena.Hash(key)); {
	case n != 0:
		return p.countOf(n, at)
	case c != nil:
		return Probed{Refused: 1}
	}
	return Probed{}
}

func (p *probes) countOf(number uint32, at int64) (n Probed) {
	c := p.table.At(number)
	n.Spared = at < p.sparedUntil(number)
	if !n.Spared && int(c.refusals) < p.targets {
		n.Refused = int(c.refusals) // too few, however old they are
		return n
	}
	for t := &c.own; t != nil; t = p.after(t) {
		if p.within(t.refusedAt(), at) {
			n.Refused++
			if p.within(t.proven, at) {
				n.Proven++
			}
		}
		if t.answered != 0 && at-t.answered < p.window { // of one that answered again later, what it did before is not kept
			n.Answered++
		}
	}
	return n
}

// within says whether a time lies in the window that ends at another; 0 is no time. What is later counts with the records then.
func (p *probes) within(t, at int64) bool {
	return t != 0 && t <= at && at-t < p.window
}

func (p *probes) refused(key *Key, at int64) []Refusal {
	n, c := p.look(key, arena.Hash(key))
	if c != nil && p.within(c.time, at) {
		return []Refusal{{netip.AddrFrom16(c.dst).Unmap(), c.port, c.time, c.ref, int(c.refusals), c.proven}}
	}
	if n == 0 {
		return nil
	}
	var list []Refusal
	for t := &p.table.At(n).own; t != nil; t = p.after(t) {
		if when := t.refusedAt(); p.within(when, at) {
			list = append(list, Refusal{netip.AddrFrom16(t.addr).Unmap(), t.port, when, t.ref, int(t.refusals), p.within(t.proven, at)})
		}
	}
	return list
}

// begun is when the first of the refusals of a source was that are remembered, or before it; 0: there is none.
func (p *probes) begun(key *Key) int64 {
	n, c := p.look(key, arena.Hash(key))
	switch {
	case n != 0:
		return int64(p.table.At(n).begun) * int64(time.Second)
	case c != nil:
		return int64(c.begun) * int64(time.Second)
	}
	return 0
}

// refusals moves the number of targets that refused a source.
func (p *probes) refusals(c *prober, by int) {
	before := p.isNear(c)
	if c.refusals = uint16(int(c.refusals) + by); c.refusals == 0 {
		c.begun = 0
	}
	switch now := p.isNear(c); {
	case now && !before:
		p.near++
	case before && !now:
		p.near--
	}
}

func (p *probes) isNear(c *prober) bool { return c.refusals > 0 && 2*int(c.refusals) >= p.targets }
