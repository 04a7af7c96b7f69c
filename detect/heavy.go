package detect

import (
	"activedefense/detect/arena"
	"cmp"
	"slices"
)

// blockPairs is the room of a block of an index, and of a new index: a power of two above lightMax.
const blockPairs = 64

// blocksKept bounds the list of blocks that stays for the next heavy source.
const blocksKept = 8

// heavy indexes the pairs of a source that has many, by destination address and by port:
// the work for one more event depends on the pairs of its two keys, which are bounded, and
// not on how many the source has.
//
// Each pair is in up to two chains, one a rule; it leaves each by itself (port 0 has no
// place in port-scan's, and one key may overflow where the other does not) and is gone
// when it is in none. Leaving only clears a bit; the next walk unlinks the pair, and its
// place is won back when the index is full.
//
// An index is made of blocks, a power of two of them, all of one size: sources that come
// and go, and grow, leave no garbage to the collector, which would let memory double
// before it takes it back.
type heavy struct {
	blocks []uint32 // numbers in sightings.blocks
	size   int      // links in use, from the first on
	live   int      // pairs in at least one chain
	stamp  uint32   // of the last arrival
	next   uint32   // while it belongs to no source
}

// block is a part of an index: so many links, and so many heads of chains for each rule.
type block struct {
	links [blockPairs]link
	heads [countingRules][blockPairs]uint16
}

func (h *heavy) Link() *uint32 { return &h.next }
func (b *block) Link() *uint32 { return &b.links[0].pair }

// link chains a pair to another one with the same hash of the key. Indexes begin at 1; 0 ends
// the chain.
type link struct {
	pair  uint32 // number in sightings.pairs, while in any chain
	stamp uint32 // tells in what order pairs were seen last; wraps around
	next  [countingRules]uint16
	in    uint8 // bit 1<<r: in the chain of rule r
}

// room is how many links there can be.
func (h *heavy) room() int { return len(h.blocks) * blockPairs }

// resize gives or takes blocks at the end; room is a power of two, or 0.
func (h *heavy) resize(e *sightings, room int) {
	e.room += (room - h.room()) * linkRoom
	for h.room() < room {
		h.blocks = append(h.blocks, e.blocks.Take())
	}
	for h.room() > room {
		last := len(h.blocks) - 1
		e.blocks.Give(h.blocks[last])
		h.blocks = h.blocks[:last]
	}
}

// clear empties all chains.
func (h *heavy) clear(e *sightings) {
	for _, number := range h.blocks {
		clear(e.blocks.At(number).heads[:])
	}
}

// at gives the link of an index.
func (h *heavy) at(e *sightings, index int) *link {
	i := uint(index - 1)
	return &e.blocks.At(h.blocks[i/blockPairs]).links[i%blockPairs]
}

// age is how many arrivals ago a pair was seen last, up to 4 billion.
func (h *heavy) age(l *link) uint32 { return h.stamp - l.stamp }

// head gives the chain in which the pairs with one of the keys are found. Addresses are
// hashed with a seed: with IPv6, whoever scans could choose many that collide.
func (h *heavy) head(e *sightings, r int, dst *[16]byte, port uint16) *uint16 {
	var hash uint32
	if r == portScan {
		hash = arena.Hash(dst)
	} else {
		hash = uint32(port) * 0x9e3779b1 >> 16
	}
	hash &= uint32(h.room() - 1)
	return &e.blocks.At(h.blocks[hash/blockPairs]).heads[r][hash%blockPairs]
}

// walked is what one walk along the chain of a key found; indexes are 0 for none.
type walked struct {
	tally
	own    int
	oldest int // the pair of the key, not the own one, that was seen longest ago
}

// walk goes along the chain of a sighting's key and unlinks what has left it.
func (h *heavy) walk(e *sightings, r int, s *sighting) walked {
	var w walked
	at := h.head(e, r, &s.dst, s.port)
	for *at != 0 {
		index := int(*at)
		l := h.at(e, index)
		if l.in&(1<<r) == 0 {
			*at = l.next[r]
			continue
		}
		at = &l.next[r]
		switch p := e.pairs.At(l.pair); {
		case !p.matches(r, s):
		case p.dst == s.dst && p.port == s.port:
			if p.is(s) {
				w.own = index
			}
			w.seeOwn(p, s, e.rules[r].window)
		default:
			w.see(p, s, e.rules[r].window)
			if w.oldest == 0 || h.age(l) > h.age(h.at(e, w.oldest)) {
				w.oldest = index
			}
		}
	}
	return w
}

// observe adds a sighting; see sightings.observeLight. There must be room, see full.
func (h *heavy) observe(e *sightings, s *sighting) (found finding, fired bool) {
	own, enter := 0, uint8(0)
	for r := range countingRules {
		if !s.class.in(r) {
			continue
		}
		need := e.rules[r].need
		w := h.walk(e, r, s)
		e.nearest = e.nearest || w.near(need)
		if !w.hopeless(need) {
			h.gather(e, r, s)
			if found, ok := e.find(r, s); ok {
				return found, true
			}
		}
		if w.own != 0 {
			own = w.own
			continue
		}
		enter |= 1 << r
		if w.pairs >= pairsPerNeed*need {
			h.leave(e, w.oldest, r)
		}
	}
	h.stamp++
	if own == 0 {
		h.append(e, e.addPair(s), enter)
		return finding{}, false
	}
	l := h.at(e, own)
	l.stamp = h.stamp
	e.extend(e.pairs.At(l.pair), s)
	h.enter(e, own, enter)
	return finding{}, false
}

// gather fills the window with the points around a sighting that have its key.
func (h *heavy) gather(e *sightings, r int, s *sighting) {
	e.window.begin(r, s)
	for i := *h.head(e, r, &s.dst, s.port); i != 0; {
		l := h.at(e, int(i))
		i = l.next[r]
		if l.in&(1<<r) == 0 {
			continue
		}
		if p := e.pairs.At(l.pair); p.matches(r, s) {
			e.gather(r, p, s.time)
		}
	}
}

// append takes a pair in.
func (h *heavy) append(e *sightings, number uint32, in uint8) {
	h.size++
	h.live++
	*h.at(e, h.size) = link{pair: number, stamp: h.stamp}
	h.enter(e, h.size, in)
}

// enter puts a pair into chains that it is not in.
func (h *heavy) enter(e *sightings, index int, in uint8) {
	l := h.at(e, index)
	p := e.pairs.At(l.pair)
	for r := range countingRules {
		if in&(1<<r) != 0 {
			at := h.head(e, r, &p.dst, p.port)
			l.next[r], *at = *at, uint16(index)
		}
	}
	l.in |= in
}

// leave takes a pair out of a rule's chain; out of its last one, it is gone.
func (h *heavy) leave(e *sightings, index, r int) {
	l := h.at(e, index)
	if l.in &^= 1 << r; l.in == 0 {
		h.live--
		e.dropPair(l.pair)
	}
}

// full says that makeRoom must come before the next observe.
func (h *heavy) full() bool { return h.size == h.room() }

// retire drops the pairs that are out of date.
func (h *heavy) retire(e *sightings, s *sighting) {
	var r recent
	for i := h.size; i > 0; i-- {
		l := h.at(e, i)
		in := l.in
		if in == 0 {
			continue
		}
		p := e.pairs.At(l.pair)
		if !r.full() || !r.outdated(p, s, e.horizon) {
			r.see(p)
			continue
		}
		for rule := range countingRules {
			if in&(1<<rule) != 0 {
				h.leave(e, i, rule)
			}
		}
	}
}

// makeRoom drops what is out of date at a new sighting and closes the gaps; if that wins
// back less than a quarter, the room is doubled, and where it may not grow the pairs seen
// longest ago go. It returns how many sightings went with these.
func (h *heavy) makeRoom(e *sightings, s *sighting) (dropped int) {
	h.retire(e, s)
	room := h.room()
	for room > blockPairs && h.live <= room/4 {
		room /= 2
	}
	if keep := room / 4 * 3; h.live > keep {
		if room < maxPairs {
			room *= 2
		} else {
			dropped = e.held
			h.dropOldest(e, h.live-keep)
			dropped -= e.held
		}
	}
	h.closeGaps(e)
	h.resize(e, room)
	h.clear(e)
	for i := 1; i <= h.size; i++ {
		l := h.at(e, i)
		in := l.in
		l.in = 0
		h.enter(e, i, in)
	}
	return dropped
}

// closeGaps moves the links of live pairs to the front, in their order. The chains are to
// be laid anew.
func (h *heavy) closeGaps(e *sightings) {
	size := 0
	for i := 1; i <= h.size; i++ {
		if l := h.at(e, i); l.in != 0 {
			size++
			*h.at(e, size) = *l
		}
	}
	h.size = size
}

// dropOldest drops the n pairs that were seen longest ago.
func (h *heavy) dropOldest(e *sightings, n int) {
	live := e.indexes[:0]
	for i := 1; i <= h.size; i++ {
		if h.at(e, i).in != 0 {
			live = append(live, i)
		}
	}
	e.indexes = live
	slices.SortFunc(live, func(a, b int) int { return cmp.Compare(h.age(h.at(e, b)), h.age(h.at(e, a))) })
	for _, index := range live[:n] {
		for r := range countingRules {
			if h.at(e, index).in&(1<<r) != 0 {
				h.leave(e, index, r)
			}
		}
	}
}

// drop gives the pairs and the blocks back.
func (h *heavy) drop(e *sightings) {
	for i := 1; i <= h.size; i++ {
		if l := h.at(e, i); l.in != 0 {
			e.dropPair(l.pair)
		}
	}
	h.resize(e, 0)
	if cap(h.blocks) > blocksKept {
		h.blocks = nil
	}
	*h = heavy{blocks: h.blocks}
}
