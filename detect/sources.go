package detect

import (
	"math"

	"activedefense/detect/arena"
)

// source is an address that has evidence, in 32 bytes, so that two share a cache line and none lies on two, and without pointers.
// All of them are in one queue; it is forgotten first that was not seen again.
type source struct {
	key [16]byte // the address, IPv4 mapped
	arena.Order
	held   uint32 // light: its first pair; heavy: number in sightings.heavies
	packed packed
}

// packed is where the memory has a source (24 bits), how many pairs it has while it is light, or that it is heavy (6 bits),
// whether it was seen again, and near: whether at least half of what fires a rule was there when it was seen last.
type packed uint32

const (
	probeMask = 1<<24 - 1
	pairShift = 24
	isHeavy   = 63 // in place of a count, which lightMax bounds
	usedBit   = 1 << 30
	nearBit   = 1 << 31
)

func (p packed) probe() uint32 { return uint32(p) & probeMask }
func (p packed) count() int    { return int(p>>pairShift) & 63 }
func (p packed) heavy() bool   { return p.count() == isHeavy }
func (p packed) near() bool    { return p&nearBit != 0 }

// setProbe notes where the memory has it; a number with more bits is not noted.
func (p *packed) setProbe(number uint32) {
	if number <= probeMask {
		*p = *p&^probeMask | packed(number)
	}
}

func (p *packed) setCount(n int) { *p = *p&^(63<<pairShift) | packed(n)<<pairShift }

func (p *packed) setBit(bit packed, on bool) {
	if *p &^= bit; on {
		*p |= bit
	}
}

// sourceOf gives the number of a source that has evidence; 0 for others.
func (e *sightings) sourceOf(hash uint32, key *[16]byte) uint32 {
	return e.sources.Find(hash, func(s *source) bool { return s.key == *key })
}

// see notes that a source was seen; id 0: it is new.
func (e *sightings) see(id, hash uint32, key *[16]byte) uint32 {
	if id != 0 {
		if id != e.queue.Newest() { // or it is still there for the first time
			e.sources.At(id).packed.setBit(usedBit, true)
		}
		return id
	}
	if e.sources.Used() >= e.maxSources {
		e.evict(e.first())
	}
	id = e.sources.Add(hash)
	*e.sources.At(id) = source{key: *key}
	arena.Put(&e.queue, &e.sources, id)
	return id
}

// first is the source to be forgotten first.
func (e *sightings) first() uint32 {
	return arena.SecondChance(&e.queue, &e.sources, func(s *source) bool {
		again := s.packed&usedBit != 0
		s.packed.setBit(usedBit, false)
		return again
	})
}

// evict forgets a source because memory is full.
func (e *sightings) evict(id uint32) {
	e.drop(id)
	e.evicted++
}

// drop forgets a source and its evidence.
func (e *sightings) drop(id uint32) {
	s := e.sources.At(id)
	if s.packed.heavy() {
		e.heavies.At(s.held).drop(e)
		e.heavies.Give(s.held)
	} else {
		for i := s.held; i != 0; {
			next := e.pairs.At(i).next
			e.dropPair(i)
			i = next
		}
	}
	if s.packed.near() {
		e.near--
	}
	arena.Drop(&e.queue, &e.sources, id)
	hash := arena.Hash(&s.key)
	s.key = [16]byte{}
	e.sources.Remove(hash, id)
}

// trim evicts sources until the evidence has room. The one seen now stays: its own cap lies below the common one.
func (e *sightings) trim(now *source) {
	for e.room > e.maxRoom && e.queue.Len() > 1 {
		id := e.first()
		if e.sources.At(id) == now {
			arena.Renew(&e.queue, &e.sources, id)
			continue
		}
		e.evict(id)
	}
}

// consume drops what a rule's verdict rests on, of a source that goes on being counted: all of the rule's pairs, or those whose
// source is not proven.
func (e *sightings) consume(id uint32, r int, keepProven bool) {
	s := e.sources.At(id)
	if s.packed.heavy() {
		h := e.heavies.At(s.held)
		for i := 1; i <= h.size; i++ {
			l := h.at(e, i)
			if p := e.pairs.At(l.pair); l.in&(1<<r) != 0 && !(keepProven && p.class.proven()) {
				p.class &^= 1 << r
				h.leave(e, i, r)
			}
		}
		return
	}
	for at := &s.held; *at != 0; {
		p := e.pairs.At(*at)
		if !(keepProven && p.class.proven()) {
			p.class &^= 1 << r
		}
		if p.class&classRules == 0 {
			i := *at
			*at = p.next
			e.dropPair(i)
			s.packed.setCount(s.packed.count() - 1)
			continue
		}
		at = &p.next
	}
}

// dropBefore drops the pairs of a source that it reached before a time alone. Of one that it reached since, what is older stays: it is one value all the same.
func (e *sightings) dropBefore(id uint32, at int64) {
	s := e.sources.At(id)
	if s.packed.heavy() {
		h := e.heavies.At(s.held)
		for i := 1; i <= h.size; i++ {
			l := h.at(e, i)
			if l.in == 0 || e.reachedSince(e.pairs.At(l.pair), at) {
				continue
			}
			for r := range countingRules {
				if l.in&(1<<r) != 0 {
					e.pairs.At(l.pair).class &^= 1 << r
					h.leave(e, i, r)
				}
			}
		}
		if h.live == 0 {
			e.drop(id)
		}
		return
	}
	for next := &s.held; *next != 0; {
		i := *next
		p := e.pairs.At(i)
		if e.reachedSince(p, at) {
			next = &p.next
			continue
		}
		*next = p.next
		e.dropPair(i)
		s.packed.setCount(s.packed.count() - 1)
	}
	if s.held == 0 {
		e.drop(id)
	}
}

// reachedSince tells whether a point of a pair is of a time or later.
func (e *sightings) reachedSince(p *pair, at int64) bool {
	if p.time >= at {
		return true
	}
	for i := p.older; i != 0; i = e.pasts.At(i).next {
		if e.pasts.At(i).time >= at {
			return true
		}
	}
	return false
}

// count adds a sighting to a source.
func (e *sightings) count(src *source, s *sighting) (found finding, fired bool) {
	e.nearest = false
	if !src.packed.heavy() && src.packed.count() == lightMax {
		e.makeHeavy(src)
	}
	if src.packed.heavy() {
		h := e.heavies.At(src.held)
		if h.full() {
			e.dropped += uint64(h.makeRoom(e, s))
		}
		found, fired = h.observe(e, s)
	} else {
		found, fired = e.observeLight(src, s)
	}
	e.noteNear(src)
	e.trim(src)
	return found, fired
}

// noteNear keeps the number of sources that are near a threshold.
func (e *sightings) noteNear(src *source) {
	if src.packed.near() != e.nearest {
		if src.packed.setBit(nearBit, e.nearest); e.nearest {
			e.near++
		} else {
			e.near--
		}
	}
}

// Room for pairs and indexes is measured in parts of 24 bytes. There is room for four pairs
// of each source on average, and, kept apart because memory once taken for one is not given
// to the other, for as many older points of them.
const (
	linkRoom       = 1 // of an index, for each pair that fits into it
	pairRoom       = 2
	pairsEach      = 4
	smallestEngine = 4 * maxPairs // a source at its own cap has room, and others
)

// sightings are, of every source that is not blocked, the pairs of address and port that it reached, and when: what the rules
// that count pairs need, and no more of it than the bounds allow.
type sightings struct {
	rules         [countingRules]rule
	shortest      int64 // the shorter window of the rules that are on
	horizon       int64 // twice the longer
	pointsPerPair int
	maxSources    int
	maxPasts      int
	maxRoom       int

	sources arena.Table[source, *source] // by address
	queue   arena.Queue                  // of the sources
	pairs   arena.Slab[pair, *pair]
	pasts   arena.Slab[past, *past]
	heavies arena.Slab[heavy, *heavy]
	blocks  arena.Slab[block, *block]
	held    int // sightings
	room    int // taken by pairs and indexes

	ahead    fetches
	window   window
	gathered []valued // at work
	points   []point  // at work
	indexes  []int    // at work

	near    int    // sources near a threshold
	nearest bool   // the one at work is
	evicted uint64 // sources forgotten because memory was full
	dropped uint64 // sightings forgotten because their source had too many, or all of them
}

func newSightings(rules [countingRules]rule, maxSources int) sightings {
	e := sightings{
		rules:         rules,
		pointsPerPair: pointsPerPair,
		maxSources:    min(maxSources, 1<<28), // numbers of sightings have 32 bits
	}
	if e.maxSources <= 0 {
		e.maxSources = defaultMaxSources
	}
	e.maxPasts = max(pairsEach*e.maxSources, smallestEngine)
	e.maxRoom = e.maxPasts * pairRoom
	long := max(rules[portScan].window, rules[hostSweep].window)
	e.horizon = 2 * min(long, math.MaxInt64/4)
	for _, r := range rules {
		if r.window != 0 && (e.shortest == 0 || r.window < e.shortest) {
			e.shortest = r.window
		}
	}
	if e.shortest != 0 {
		// Points lie apart by the shorter window, and must reach back by the longer.
		ratio := (long-1)/e.shortest + 1
		e.pointsPerPair = int(min(pointsPerPair*min(ratio, maxPoints), maxPoints))
	}
	return e
}
