package memory

import (
	"hash/maphash"
	"net/netip"

	"activedefense/detect/arena"
)

var seed = maphash.MakeSeed()

// mostAnswers is how many targets that answered a source are remembered. A source with more is served by so much of ours
// that nothing is concluded from what refuses it.
const mostAnswers = 64

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
	points   arena.Slab[target, *target]
	missing  int64
	near     int  // sources with at least half of the refusals that fire
	reading  bool // nothing is out of date: it is as it was written
}

// prober is a source, in 48 bytes.
type prober struct {
	arena.Order
	key      Key
	spared   int64  // until then nothing is concluded: an answer younger than the window had no room
	first    uint32 // of its targets, the one reached last
	refusals uint16 // targets that refused it
	answers  uint16 // targets that answered it
	device   uint16
	used     bool // since it was put where it is in its queue
}

// target is one that a source reached, in 64 bytes. Times are 0 where it never happened.
type target struct {
	addr     [16]byte
	refused  int64 // by a record of a source that may be forged, the latest
	proven   int64 // by one whose source was really there
	answered int64
	ref      uint64 // of the latest refusal
	next     uint32
	port     uint16
	refusals uint16 // records
	hasRef   bool
}

func (t *target) Link() *uint32 { return &t.next }

func (t *target) refusedAt() int64 { return max(t.refused, t.proven) }

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

func (p *probes) find(key *Key) uint32 {
	return p.table.Find(hash(key), func(c *prober) bool { return c.key == *key })
}

func (p *probes) queueOf(c *prober) *arena.Queue {
	if c.answers > 0 {
		return &p.served
	}
	return &p.refusing
}

func (p *probes) refuse(t *Target, hint *uint32) Probed {
	c, at := p.reach(t, hint)
	if at.refusedAt() == 0 {
		p.refusals(c, 1)
	}
	if t.Time >= at.refusedAt() || !at.hasRef {
		at.ref, at.hasRef = t.Ref, true
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
		p.dropLast(c, t, func(x *target) bool { return x.refusedAt() != 0 })
	}
	return p.countOf(c, t.Time)
}

func (p *probes) answer(t *Target) {
	var none uint32
	c, at := p.reach(t, &none)
	if at.answered == 0 {
		if c.answers++; c.answers == 1 {
			n := p.find(&t.Key)
			arena.Drop(&p.refusing, &p.table, n)
			arena.Put(&p.served, &p.table, n)
		}
	}
	at.answered = max(at.answered, t.Time, 1)
	if c.answers > mostAnswers {
		p.dropLast(c, t, func(x *target) bool { return x.answered != 0 })
	}
}

// reach gives a source and its target, which become the ones reached last. hint is where the source may be, and is set to where
// it is.
func (p *probes) reach(t *Target, hint *uint32) (*prober, *target) {
	n := *hint
	if n == 0 || p.table.At(n).key != t.Key { // a cell given back has no key
		n = p.find(&t.Key)
	}
	if n == 0 {
		p.makeRoom(t)
		n = p.table.Add(hash(&t.Key))
		*p.table.At(n) = prober{key: t.Key}
		arena.Put(&p.refusing, &p.table, n)
	}
	*hint = n
	c := p.table.At(n)
	c.used = true
	c.device = t.Device
	for before := &c.first; *before != 0; before = &p.points.At(*before).next {
		i := *before
		at := p.points.At(i)
		if at.port == t.Port && at.addr == t.Dst {
			*before = at.next
			at.next = c.first
			c.first = i
			return c, at
		}
	}
	for p.points.Used() >= targetsEach*p.max {
		first := p.oldest()
		if first == n {
			break
		}
		p.evict(first, t.Time)
	}
	i := p.points.Take()
	*p.points.At(i) = target{addr: t.Dst, port: t.Port, next: c.first}
	c.first = i
	return c, p.points.At(i)
}

// dropLast forgets, of the targets that is says, the one reached longest ago.
func (p *probes) dropLast(c *prober, t *Target, is func(*target) bool) {
	var last *uint32
	for at := &c.first; *at != 0; at = &p.points.At(*at).next {
		if is(p.points.At(*at)) {
			last = at
		}
	}
	i := *last
	gone := p.points.At(i)
	*last = gone.next
	if gone.answered != 0 {
		c.answers--
		if t.Time-gone.answered < p.window {
			c.spared = max(c.spared, gone.answered+p.window)
		}
		if c.answers == 0 { // it was the last one, and another kind had no room
			n := p.find(&c.key)
			arena.Drop(&p.served, &p.table, n)
			arena.Put(&p.refusing, &p.table, n)
		}
	}
	if gone.refusedAt() != 0 {
		p.refusals(c, -1)
	}
	p.points.Give(i)
}

// count counts the targets within the window before a time.
func (p *probes) count(key *Key, at int64) (n Probed) {
	if i := p.find(key); i != 0 {
		return p.countOf(p.table.At(i), at)
	}
	return n
}

func (p *probes) countOf(c *prober, at int64) (n Probed) {
	n.Spared = at < c.spared
	if !n.Spared && int(c.refusals) < p.targets {
		n.Refused = int(c.refusals) // too few, however old they are
		return n
	}
	for i := c.first; i != 0; {
		t := p.points.At(i)
		i = t.next
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
	var list []Refusal
	if n := p.find(key); n != 0 {
		for i := p.table.At(n).first; i != 0; {
			t := p.points.At(i)
			i = t.next
			if when := t.refusedAt(); p.within(when, at) {
				list = append(list, Refusal{netip.AddrFrom16(t.addr).Unmap(), t.port, when, t.ref, int(t.refusals), p.within(t.proven, at)})
			}
		}
	}
	return list
}

func (p *probes) consume(key *Key, keepProven bool) {
	n := p.find(key)
	if n == 0 {
		return
	}
	c := p.table.At(n)
	for at := &c.first; *at != 0; {
		t := p.points.At(*at)
		refused := t.refusedAt() != 0
		t.refused = 0
		if !keepProven {
			t.proven = 0
		}
		if refused && t.refusedAt() == 0 {
			t.ref, t.hasRef, t.refusals = 0, false, 0
			p.refusals(c, -1)
		}
		if t.refusedAt() == 0 && t.answered == 0 {
			i := *at
			*at = t.next
			p.points.Give(i)
			continue
		}
		at = &t.next
	}
	if c.first == 0 {
		p.remove(n)
	}
}

func (p *probes) forget(key *Key) (known bool) {
	n := p.find(key)
	if n != 0 {
		p.remove(n)
	}
	return n != 0
}

// forgetIn forgets the sources in some networks, and tells of each.
func (p *probes) forgetIn(in func(netip.Addr) bool, forgot func(netip.Prefix)) {
	for _, q := range []*arena.Queue{&p.refusing, &p.served} {
		for n := q.Oldest(); n != 0; {
			next := arena.Next(&p.table, n)
			if addr := netip.AddrFrom16(p.table.At(n).key).Unmap(); in(addr) {
				p.remove(n)
				forgot(netip.PrefixFrom(addr, addr.BitLen()))
			}
			n = next
		}
	}
}

// oldest is the source to be forgotten first: the first in its queue that was not there again since it was put there. (To move
// a source in the queue whenever it is there again would mean to wait for its neighbours, which are in no cache.)
func (p *probes) oldest() uint32 {
	q := &p.served
	if p.refusing.Len()*4 > p.max || p.served.Len() == 0 {
		q = &p.refusing
	}
	for range chances {
		n := q.Oldest()
		if n == 0 || !p.table.At(n).used {
			break
		}
		p.table.At(n).used = false
		arena.Renew(q, &p.table, n)
	}
	return q.Oldest()
}

// chances is how many are passed over because they were there again; after that the next one goes all the same.
const chances = 16

// makeRoom keeps the number of sources in bounds. What its own device has long left behind goes first.
func (p *probes) makeRoom(t *Target) {
	for _, q := range []*arena.Queue{&p.refusing, &p.served} {
		if n := q.Oldest(); n != 0 && !p.reading {
			if c := p.table.At(n); c.device == t.Device && t.Time-p.latest(c) >= p.window {
				p.remove(n)
			}
		}
	}
	if p.table.Used() >= p.max {
		p.evict(p.oldest(), t.Time)
	}
}

// latest is when a source reached anything last.
func (p *probes) latest(c *prober) (at int64) {
	for i := c.first; i != 0; i = p.points.At(i).next {
		t := p.points.At(i)
		at = max(at, t.refusedAt(), t.answered)
	}
	return at
}

// evict forgets a source before its time.
func (p *probes) evict(n uint32, at int64) {
	if c := p.table.At(n); c.answers > 0 {
		until := c.spared
		for i := c.first; i != 0; i = p.points.At(i).next {
			if t := p.points.At(i); t.answered != 0 {
				until = max(until, t.answered+p.window)
			}
		}
		if until > at {
			p.missing = max(p.missing, until)
		}
	}
	p.remove(n)
}

// refusals moves the number of targets that refused a source.
func (p *probes) refusals(c *prober, by int) {
	before := p.isNear(c)
	c.refusals = uint16(int(c.refusals) + by)
	switch now := p.isNear(c); {
	case now && !before:
		p.near++
	case before && !now:
		p.near--
	}
}

func (p *probes) isNear(c *prober) bool { return c.refusals > 0 && 2*int(c.refusals) >= p.targets }

func (p *probes) remove(n uint32) {
	c := p.table.At(n)
	if p.isNear(c) {
		p.near--
	}
	for c.first != 0 {
		i := c.first
		c.first = p.points.At(i).next
		p.points.Give(i)
	}
	arena.Drop(p.queueOf(c), &p.table, n)
	h := hash(&c.key)
	c.key = Key{}
	p.table.Remove(h, n)
}
