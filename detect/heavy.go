package detect

import (
	"hash/maphash"
	"slices"
)

// heavyMin is the room of a new index, a power of two above lightMax.
const heavyMin = 64

// heavy indexes the pairs of a source that has many, by destination address and by port:
// the work for one more event depends on the pairs of its two keys, which are bounded, and
// not on how many the source has.
//
// Each pair is in up to two chains, one a rule; it leaves each by itself (port 0 has no
// place in port-scan's, and one key may overflow where the other does not) and is gone
// when it is in none. Leaving only clears a bit; the next walk unlinks the pair, and its
// place is won back when the index is full.
type heavy struct {
	links []link // the capacity is the room
	heads [countingRules][]uint16
	live  int    // pairs in at least one chain
	stamp uint32 // of the last arrival
	next  uint32 // while it belongs to no source
}

func (h *heavy) link() *uint32 { return &h.next }

// link chains a pair to another one with the same hash of the key. Indexes are one more
// than those of the slice; 0 ends the chain.
type link struct {
	pair  uint32 // number in Engine.pairs, while in any chain
	stamp uint32 // tells in what order pairs were seen last; wraps around
	next  [countingRules]uint16
	in    uint8 // bit 1<<r: in the chain of rule r
}

// clear empties the index and gives it room for so many pairs, a power of two.
func (h *heavy) clear(room int) {
	if cap(h.links) != room {
		h.links = make([]link, 0, room)
		for r := range h.heads {
			h.heads[r] = make([]uint16, room)
		}
	}
	h.links, h.live = h.links[:0], 0
	for r := range h.heads {
		clear(h.heads[r])
	}
}

// age is how many arrivals ago a pair was seen last, up to 4 billion.
func (h *heavy) age(index int) uint32 { return h.stamp - h.links[index-1].stamp }

// head gives the chain in which the pairs with one of the keys are found. Addresses are
// hashed with a seed: with IPv6, whoever scans could choose many that collide.
func (h *heavy) head(seed maphash.Seed, r int, dst *[16]byte, port uint16) *uint16 {
	var hash uint32
	if r == portScan {
		hash = uint32(maphash.Bytes(seed, dst[:]))
	} else {
		hash = uint32(port) * 0x9e3779b1 >> 16
	}
	return &h.heads[r][hash&uint32(len(h.heads[r])-1)]
}

// walked is what one walk along the chain of a key found; indexes are 0 for none.
type walked struct {
	tally
	own    int
	oldest int // the pair of the key, not the own one, that was seen longest ago
}

// walk goes along the chain of a sighting's key and unlinks what has left it.
func (h *heavy) walk(e *Engine, r int, s *sighting) walked {
	var w walked
	at := h.head(e.seed, r, &s.dst, s.port)
	for *at != 0 {
		index := int(*at)
		l := &h.links[index-1]
		if l.in&(1<<r) == 0 {
			*at = l.next[r]
			continue
		}
		at = &l.next[r]
		switch p := e.pairs.at(l.pair); {
		case !p.matches(r, s):
		case p.dst == s.dst && p.port == s.port:
			w.own = index
			w.seeOwn(p, s, e.rules[r].window)
		default:
			w.see(p, s, e.rules[r].window)
			if w.oldest == 0 || h.age(index) > h.age(w.oldest) {
				w.oldest = index
			}
		}
	}
	return w
}

// observe adds a sighting; see Engine.observeLight. There must be room, see full.
func (h *heavy) observe(e *Engine, s *sighting) (found finding, fired bool) {
	own, enter := 0, uint8(0)
	for r, rule := range e.rules {
		if rule.window == 0 || !counts(r, s.port) {
			continue
		}
		w := h.walk(e, r, s)
		if !w.hopeless(rule.need) {
			h.gather(e, r, s)
			if from, to, ok := e.window.find(rule.need, rule.window, s.time); ok {
				return finding{r, from, to}, true
			}
		}
		if w.own != 0 {
			own = w.own
			continue
		}
		enter |= 1 << r
		if w.pairs >= pairsPerNeed*rule.need {
			h.leave(e, w.oldest, r)
		}
	}
	h.stamp++
	if own == 0 {
		h.append(e, e.addPair(s), enter)
		return finding{}, false
	}
	h.links[own-1].stamp = h.stamp
	e.extend(e.pairs.at(h.links[own-1].pair), s)
	h.enter(e, own, enter)
	return finding{}, false
}

// gather fills the window with the points around a sighting that have its key.
func (h *heavy) gather(e *Engine, r int, s *sighting) {
	e.window.begin(r, s)
	for i := *h.head(e.seed, r, &s.dst, s.port); i != 0; i = h.links[i-1].next[r] {
		l := &h.links[i-1]
		if l.in&(1<<r) == 0 {
			continue
		}
		if p := e.pairs.at(l.pair); p.matches(r, s) {
			e.gather(r, p, s.time)
		}
	}
}

// append takes a pair in.
func (h *heavy) append(e *Engine, number uint32, in uint8) {
	h.links = append(h.links, link{pair: number, stamp: h.stamp})
	h.live++
	h.enter(e, len(h.links), in)
}

// enter puts a pair into chains that it is not in.
func (h *heavy) enter(e *Engine, index int, in uint8) {
	l := &h.links[index-1]
	p := e.pairs.at(l.pair)
	for r := range h.heads {
		if in&(1<<r) != 0 {
			at := h.head(e.seed, r, &p.dst, p.port)
			l.next[r], *at = *at, uint16(index)
		}
	}
	l.in |= in
}

// leave takes a pair out of a rule's chain; out of its last one, it is gone.
func (h *heavy) leave(e *Engine, index, r int) {
	l := &h.links[index-1]
	if l.in &^= 1 << r; l.in == 0 {
		h.live--
		e.dropPair(l.pair)
	}
}

// full says that makeRoom must come before the next observe.
func (h *heavy) full() bool { return len(h.links) == cap(h.links) }

// retire drops the pairs that are out of date.
func (h *heavy) retire(e *Engine, s *sighting) {
	var r recent
	for i := len(h.links); i > 0; i-- {
		in := h.links[i-1].in
		if in == 0 {
			continue
		}
		p := e.pairs.at(h.links[i-1].pair)
		if !r.full() || !r.outdated(p, s, e.horizon) {
			r.see(p)
			continue
		}
		for rule := range h.heads {
			if in&(1<<rule) != 0 {
				h.leave(e, i, rule)
			}
		}
	}
}

// makeRoom drops what is out of date at a new sighting and closes the gaps; if that wins
// back less than a quarter, the room is doubled, and where it may not grow the pairs seen
// longest ago go. It returns how many sightings went with these.
func (h *heavy) makeRoom(e *Engine, s *sighting) (dropped int) {
	h.retire(e, s)
	room := cap(h.links)
	for room > heavyMin && h.live <= room/4 {
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
	e.room += (room - cap(h.links)) * linkRoom
	old := h.links
	h.clear(room)
	for _, l := range old {
		if l.in != 0 {
			// In the same room this writes at or before what was just read.
			h.append(e, l.pair, l.in)
			h.links[len(h.links)-1].stamp = l.stamp
		}
	}
	return dropped
}

// dropOldest drops the n pairs that were seen longest ago.
func (h *heavy) dropOldest(e *Engine, n int) {
	live := make([]int, 0, h.live)
	for i := range h.links {
		if h.links[i].in != 0 {
			live = append(live, i+1)
		}
	}
	slices.SortFunc(live, func(a, b int) int { return int(h.age(b)) - int(h.age(a)) })
	for _, index := range live[:n] {
		for r := range h.heads {
			if h.links[index-1].in&(1<<r) != 0 {
				h.leave(e, index, r)
			}
		}
	}
}

// drop gives the pairs back. A small index stays as it is for the next heavy source, so
// that sources which come and go leave no garbage.
func (h *heavy) drop(e *Engine) {
	for i := range h.links {
		if h.links[i].in != 0 {
			e.dropPair(h.links[i].pair)
		}
	}
	e.room -= cap(h.links) * linkRoom
	if cap(h.links) > heavyMin {
		*h = heavy{}
	}
}
