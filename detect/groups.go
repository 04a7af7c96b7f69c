package detect

import (
	"encoding/binary"
	"net/netip"

	"activedefense/detect/arena"
)

// Groups are what the custom rules count: of each source, by rule and by the values of its Per, the points that can still matter.
// What may be dropped of them says the comment of pair; here a value's points of one grade are what there a pair is.

const (
	pointsEach   = 16      // points of one group for each value that fires the rule; it is cut back to so many from a quarter more
	mostOfSource = 1 << 15 // points of one source
)

type groups struct {
	sources    arena.Table[suspect, *suspect]
	queue      arena.Queue
	groups     arena.Table[group, *group]
	points     arena.Slab[sightedAt, *sightedAt]
	maxSources int
	maxPoints  int
	evicted    uint64 // sources forgotten because memory was full
	dropped    uint64 // points forgotten because their source or group had too many
}

// suspect is a source that a custom rule counts.
type suspect struct {
	arena.Order
	key    [16]byte
	newest uint32 // group
	points int32  // of all of them
}

// groupKey is what the points of a group have in common, beside the source.
type groupKey struct {
	rule uint16
	hash uint64 // of the values of Per
}

// group is what one rule counts together.
type group struct {
	of     groupKey
	source uint32
	next   uint32 // of the same source, the one made before
	newest uint32 // point
	count  int32  // points
	late   bool   // a point arrived after another one with a later time
}

func (t *group) Link() *uint32 { return &t.next }

// sightedAt is one record, or several of one value.
type sightedAt struct {
	time   int64
	ref    uint64
	value  uint64
	next   uint32 // the one that arrived before
	weight uint16
	proven bool
}

func (t *sightedAt) Link() *uint32 { return &t.next }

func newGroups(maxSources int) groups {
	return groups{maxSources: maxSources, maxPoints: max(pairsEach*maxSources, 4*mostOfSource)}
}

func (k groupKey) hashed(source uint32) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint32(b[:], source)
	binary.LittleEndian.PutUint16(b[4:], k.rule)
	binary.LittleEndian.PutUint64(b[8:], k.hash)
	return arena.Hash(&b)
}

func (t *groups) sourceOf(hash uint32, key *[16]byte) uint32 {
	return t.sources.Find(hash, func(s *suspect) bool { return s.key == *key })
}

// see gives the number of a source, and notes that it was seen.
func (t *groups) see(hash uint32, key *[16]byte) uint32 {
	n := t.sourceOf(hash, key)
	if n != 0 {
		arena.Renew(&t.queue, &t.sources, n)
		return n
	}
	if t.sources.Used() >= t.maxSources {
		t.evict()
	}
	n = t.sources.Add(hash)
	*t.sources.At(n) = suspect{key: *key}
	arena.Put(&t.queue, &t.sources, n)
	return n
}

// evict forgets the source that was not seen for longest.
func (t *groups) evict() {
	t.drop(t.queue.Oldest())
	t.evicted++
}

// groupOf gives the group of a source, which is made where there is none.
func (t *groups) groupOf(source uint32, of groupKey) uint32 {
	hash := of.hashed(source)
	if g := t.groups.Find(hash, func(g *group) bool { return g.of == of && g.source == source }); g != 0 {
		return g
	}
	g := t.groups.Add(hash)
	s := t.sources.At(source)
	*t.groups.At(g) = group{of: of, source: source, next: s.newest}
	s.newest = g
	return g
}

// add counts a sighting, and gives its group. distinct: sightings of one value count once.
func (t *groups) add(hash uint32, key *[16]byte, of groupKey, r *rule, distinct bool, now *sightedAt) uint32 {
	source := t.see(hash, key)
	number := t.groupOf(source, of)
	g := t.groups.At(number)
	if g.newest != 0 && t.points.At(g.newest).time > now.time {
		g.late = true
	}
	if distinct && t.merge(g, r.window, now) {
		return number
	}
	most := int32(pointsEach * r.need)
	if g.count >= most+most/4 {
		t.cut(g, most)
	}
	if s := t.sources.At(source); s.points >= mostOfSource {
		t.dropOlder(s, number)
	}
	for t.points.Used() >= t.maxPoints && t.queue.Len() > 1 {
		t.evict()
	}
	i := t.points.Take()
	*t.points.At(i) = *now
	t.points.At(i).next, g.newest = g.newest, i
	g.count++
	t.sources.At(source).points++
	return number
}

// merge takes a sighting together with others of its value and grade that are redundant beside it, or it beside them; true: there
// is nothing to add. The record at work stays as a point in any case, by its ref.
func (t *groups) merge(g *group, window int64, now *sightedAt) bool {
	var near neighbours
	for i := g.newest; i != 0; {
		p := t.points.At(i)
		if !g.late && now.time-p.time > window {
			break
		}
		if p.value == now.value && p.proven == now.proven {
			near.add(now.time, neighbour{p.time, int(i)})
		}
		i = p.next
	}
	if i := near.covering(now.time, window); i != 0 {
		p := t.points.At(uint32(i))
		p.weight = plus(p.weight, now.weight)
		if p.time == now.time {
			p.ref = now.ref
		}
		return true
	}
	for _, i := range near.covered(now.time, window) {
		if i != 0 {
			now.weight = plus(now.weight, t.points.At(uint32(i)).weight)
			t.unlink(g, uint32(i))
		}
	}
	return false
}

// unlink takes a point out of its group.
func (t *groups) unlink(g *group, number uint32) {
	at := &g.newest
	for *at != number {
		at = &t.points.At(*at).next
	}
	*at = t.points.At(number).next
	t.give(g, number)
}

func (t *groups) give(g *group, number uint32) {
	t.points.Give(number)
	g.count--
	t.sources.At(g.source).points--
}

// cut leaves the points of a group that arrived last.
func (t *groups) cut(g *group, most int32) {
	at := &g.newest
	for range most {
		at = &t.points.At(*at).next
	}
	for *at != 0 {
		i := *at
		*at = t.points.At(i).next
		t.give(g, i)
	}
}

// gather fills the window with what a group holds around a time; false: too little to fire its rule.
func (t *groups) gather(w *window, number uint32, r *rule, distinct bool, at int64) bool {
	g := t.groups.At(number)
	w.points = w.points[:0]
	each := uint64(0)
	for i := g.newest; i != 0; {
		p := t.points.At(i)
		i = p.next
		if apart(p.time, at) >= r.window {
			if !g.late {
				break
			}
			continue
		}
		v := valued{point: point{p.time, p.ref, p.weight}, proven: p.proven}
		if distinct {
			binary.BigEndian.PutUint64(v.value[8:], p.value)
			w.points = append(w.points, v)
			continue
		}
		v.weight = 1
		for range min(int(p.weight), r.need) { // a record that stands for several is as many values
			each++
			binary.BigEndian.PutUint64(v.value[8:], each)
			w.points = append(w.points, v)
		}
	}
	return len(w.points) >= r.need
}

// between counts the records of a group from one time to another, both included, as often as they say.
func (t *groups) between(number uint32, from, to int64, proven bool) (n int) {
	for i := t.groups.At(number).newest; i != 0; {
		p := t.points.At(i)
		i = p.next
		if from <= p.time && p.time <= to && (p.proven || !proven) {
			n += int(p.weight)
		}
	}
	return n
}

// consume drops what a verdict rests on, of a source that goes on being counted: all of the group, or what may be forged.
func (t *groups) consume(number uint32, keepProven bool) {
	g := t.groups.At(number)
	for at := &g.newest; *at != 0; {
		i := *at
		if p := t.points.At(i); keepProven && p.proven {
			at = &p.next
			continue
		}
		*at = t.points.At(i).next
		t.give(g, i)
	}
	t.dropEmpty(number)
}

// dropEmpty forgets a group without points.
func (t *groups) dropEmpty(number uint32) {
	g := t.groups.At(number)
	if g.count > 0 {
		return
	}
	at := &t.sources.At(g.source).newest
	for *at != number {
		at = &t.groups.At(*at).next
	}
	*at = g.next
	t.dropGroup(number)
}

// withdraw drops the points of one record.
func (t *groups) withdraw(hash uint32, key *[16]byte, ref uint64) {
	n := t.sourceOf(hash, key)
	if n == 0 {
		return
	}
	for next := t.sources.At(n).newest; next != 0; {
		number := next
		g := t.groups.At(number)
		next = g.next
		for at := &g.newest; *at != 0; {
			i := *at
			if p := t.points.At(i); p.ref != ref {
				at = &p.next
				continue
			}
			*at = t.points.At(i).next
			t.give(g, i)
		}
		t.dropEmpty(number)
	}
}

// dropOlder drops the older half of a source's groups, the one at work aside.
func (t *groups) dropOlder(s *suspect, now uint32) {
	n := 0
	for g := s.newest; g != 0; g = t.groups.At(g).next {
		n++
	}
	at := &s.newest
	for range n / 2 {
		at = &t.groups.At(*at).next
	}
	for *at != 0 {
		number := *at
		if number == now {
			at = &t.groups.At(number).next
			continue
		}
		*at = t.groups.At(number).next
		t.dropped += uint64(t.groups.At(number).count)
		t.dropGroup(number)
	}
	if g := t.groups.At(now); s.points >= mostOfSource {
		before := g.count
		t.cut(g, before/2)
		t.dropped += uint64(before - g.count)
	}
}

func (t *groups) dropGroup(number uint32) {
	g := t.groups.At(number)
	t.cut(g, 0)
	t.groups.Remove(g.of.hashed(g.source), number)
}

// drop forgets a source.
func (t *groups) drop(n uint32) {
	s := t.sources.At(n)
	for s.newest != 0 {
		g := s.newest
		s.newest = t.groups.At(g).next
		t.dropGroup(g)
	}
	arena.Drop(&t.queue, &t.sources, n)
	hash := arena.Hash(&s.key)
	s.key = [16]byte{}
	t.sources.Remove(hash, n)
}

func (t *groups) forget(hash uint32, key *[16]byte) {
	if n := t.sourceOf(hash, key); n != 0 {
		t.drop(n)
	}
}

// forgetIn forgets the sources in some networks.
func (t *groups) forgetIn(in func(netip.Addr) bool) {
	for n := t.queue.Oldest(); n != 0; {
		next := arena.Next(&t.sources, n)
		if in(netip.AddrFrom16(t.sources.At(n).key).Unmap()) {
			t.drop(n)
		}
		n = next
	}
}
