package memory

import (
	"cmp"
	"encoding/binary"
	"math"
	"net/netip"
	"slices"

	"activedefense/detect/arena"
	"activedefense/detect/redundant"
)

// Groups are what the counters of the operator's own rules count: of each source, by counter and by what else has to be the same, the points that
// can still matter. Of those of one value and grade what package redundant says is dropped. Nothing goes for its age alone: what comes late
// may still need it.

const (
	pointsEach   = 16      // points of one group for each value that fires the rule; it is cut back to so many from a quarter more
	mostOfSource = 1 << 15 // points of one source
)

type groups struct {
	counters   []Counter
	sources    arena.Table[suspect, *suspect]
	queue      arena.Queue
	groups     arena.Table[group, *group]
	points     arena.Slab[Point, *Point]
	maxSources int
	maxPoints  int
	evicted    uint64 // sources forgotten because memory was full
	dropped    uint64 // points forgotten because their source or group had too many
}

// suspect is a source that is counted.
type suspect struct {
	arena.Order
	key    Key
	newest uint32 // group
	points int32  // of all of them
}

// groupKey is what the points of a group have in common, beside the source.
type groupKey struct {
	counter uint16 // its index
	per     uint64
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

// Point is one record, or several of one value.
type Point struct {
	Time   int64 // nanoseconds since 1970
	Ref    uint64
	Value  uint64
	next   uint32 // the one that arrived before
	Weight uint16 // records
	Proven bool   // the source was really there
}

func (t *Point) Link() *uint32 { return &t.next }

func (k groupKey) hashed(source uint32) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint32(b[:], source)
	binary.LittleEndian.PutUint16(b[4:], k.counter)
	binary.LittleEndian.PutUint64(b[8:], k.per)
	return arena.Hash(&b)
}

func (t *groups) sourceOf(hash uint32, key *Key) uint32 {
	return t.sources.Find(hash, func(s *suspect) bool { return s.key == *key })
}

// see gives the number of a source, and notes that it was seen.
func (t *groups) see(hash uint32, key *Key) uint32 {
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
	if g := t.group(source, of); g != 0 {
		return g
	}
	g := t.groups.Add(of.hashed(source))
	s := t.sources.At(source)
	*t.groups.At(g) = group{of: of, source: source, next: s.newest}
	s.newest = g
	return g
}

func (t *groups) group(source uint32, of groupKey) uint32 {
	return t.groups.Find(of.hashed(source), func(g *group) bool { return g.of == of && g.source == source })
}

// find gives the group of a source; 0: there is none.
func (t *groups) find(hash uint32, key *Key, of groupKey) uint32 {
	if source := t.sourceOf(hash, key); source != 0 {
		return t.group(source, of)
	}
	return 0
}

// add counts a record, and gives its group.
func (t *groups) add(hash uint32, key *Key, of groupKey, now *Point, behind bool) uint32 {
	number := t.groupOf(t.see(hash, key), of)
	g, counter := t.groups.At(number), &t.counters[of.counter]
	if !counter.Distinct || !t.merge(g, counter.Window, now) {
		t.put(number, now, behind)
	}
	return number
}

// put adds a point to a group, within the bounds. behind: points of long before arrive among others, so that those go that are the
// oldest by their time.
func (t *groups) put(number uint32, now *Point, behind bool) {
	g := t.groups.At(number)
	if g.newest != 0 && t.points.At(g.newest).Time > now.Time {
		g.late = true
	}
	most := int32(pointsEach * t.counters[g.of.counter].Need)
	if g.count >= most+most/4 {
		if behind {
			t.sort(g)
		}
		t.cut(g, most)
	}
	if s := t.sources.At(g.source); s.points >= mostOfSource {
		t.dropOlder(s, number)
	}
	for t.points.Used() >= t.maxPoints && t.queue.Len() > 1 {
		t.evict()
	}
	i := t.points.Take()
	*t.points.At(i) = *now
	t.points.At(i).next, g.newest = g.newest, i
	g.count++
	t.sources.At(g.source).points++
}

// sort puts the points of a group in the order of their times, as they would have arrived had none been told again.
func (t *groups) sort(g *group) {
	list := make([]uint32, 0, g.count)
	for i := g.newest; i != 0; i = t.points.At(i).next {
		list = append(list, i)
	}
	slices.SortStableFunc(list, func(a, b uint32) int { return cmp.Compare(t.points.At(b).Time, t.points.At(a).Time) })
	at := &g.newest
	for _, i := range list {
		*at = i
		at = &t.points.At(i).next
	}
	*at = 0
}

// merge takes a point together with others of its value and grade that are redundant beside it, or it beside them; true: there
// is nothing to add. The record at work stays as a point in any case, by its ref.
func (t *groups) merge(g *group, window int64, now *Point) bool {
	var near redundant.Times
	late := g.late || g.newest != 0 && t.points.At(g.newest).Time > now.Time
	for i := g.newest; i != 0; {
		p := t.points.At(i)
		if !late && now.Time-p.Time > window {
			break
		}
		if p.Value == now.Value && p.Proven == now.Proven {
			near.Add(now.Time, redundant.Time{At: p.Time, Number: int(i)})
		}
		i = p.next
	}
	if i := near.Covering(now.Time, window); i != 0 {
		p := t.points.At(uint32(i))
		p.Weight = plus(p.Weight, now.Weight)
		if p.Time == now.Time {
			p.Ref = now.Ref
		}
		return true
	}
	for _, i := range near.Covered(now.Time, window) {
		if i != 0 {
			now.Weight = plus(now.Weight, t.points.At(uint32(i)).Weight)
			t.unlink(g, uint32(i))
		}
	}
	return false
}

func plus(a, b uint16) uint16 { return uint16(min(uint32(a)+uint32(b), math.MaxUint16)) }

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

// consume drops what a verdict rests on, of a source that goes on being counted: all of the group, or what may be forged.
func (t *groups) consume(number uint32, keepProven bool) {
	g := t.groups.At(number)
	for at := &g.newest; *at != 0; {
		i := *at
		if p := t.points.At(i); keepProven && p.Proven {
			at = &p.next
			continue
		}
		*at = t.points.At(i).next
		t.give(g, i)
	}
	t.dropEmpty(number)
}

// dropEmpty forgets a group without points, and a source without groups: it would keep another one out, and is not read back.
func (t *groups) dropEmpty(number uint32) {
	g := t.groups.At(number)
	if g.count > 0 {
		return
	}
	source := g.source
	s := t.sources.At(source)
	at := &s.newest
	for *at != number {
		at = &t.groups.At(*at).next
	}
	*at = g.next
	t.dropGroup(number)
	if s.newest == 0 {
		t.drop(source)
	}
}

// withdraw drops the points of one record.
func (t *groups) withdraw(hash uint32, key *Key, ref uint64) {
	t.dropPoints(hash, key, func(p *Point) bool { return p.Ref == ref })
}

// forgetBefore drops what a source has from before a time.
func (t *groups) forgetBefore(hash uint32, key *Key, at int64) {
	t.dropPoints(hash, key, func(p *Point) bool { return p.Time < at })
}

// dropPoints drops those points of a source that gone tells.
func (t *groups) dropPoints(hash uint32, key *Key, gone func(*Point) bool) {
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
			if p := t.points.At(i); !gone(p) {
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

func (t *groups) forget(hash uint32, key *Key) (known bool) {
	n := t.sourceOf(hash, key)
	if n != 0 {
		t.drop(n)
	}
	return n != 0
}

// forgetIn forgets the sources in some networks, and tells of each.
func (t *groups) forgetIn(in func(netip.Addr) bool, forgot func(netip.Prefix)) {
	for n := t.queue.Oldest(); n != 0; {
		next := arena.Next(&t.sources, n)
		if addr := netip.AddrFrom16(t.sources.At(n).key).Unmap(); in(addr) {
			t.drop(n)
			forgot(netip.PrefixFrom(addr, addr.BitLen()))
		}
		n = next
	}
}
