package memory

import (
	"encoding/binary"
	"fmt"
	"slices"

	"activedefense/detect/arena"
)

// A Counter is what one of the operator's own rules counts, as far as it has to be remembered: records, or distinct values, of one source
// and of what else they have in common.
type Counter struct {
	// ID stands for all that says what is counted and how: a rule that is changed has another one. It is the same in each process.
	ID       uint64
	Need     int   // so many fire, at least 1
	Window   int64 // nanoseconds
	Distinct bool  // values are counted, not records
	Logins   bool  // it counts failed logins, of which two records may tell
}

const (
	mostTwins   = 256     // failed logins of one source that are looked through for the record of another log that tells of the same
	mostLogins  = 1 << 20 // of all sources
	pointsShare = 4       // points of a source for which there is room on average
)

// Count has a memory remember what some counters count, of so many sources in all, each with four points on average. It is called once,
// before anything is counted; where there was something before, LoadCounters or LoseCounters follows.
func (m *Memory) Count(list []Counter, sources int) {
	m.counters, m.whole, m.counterOf = slices.Clone(list), make([]bool, len(list)), make(map[uint64]int, len(list))
	for i, c := range list {
		m.counterOf[c.ID], m.whole[i] = i, true
	}
	share := max(sources/Parts, 1)
	for i := range m.parts {
		p := &m.parts[i]
		p.groups = groups{counters: m.counters, maxSources: share, maxPoints: max(pointsShare*share, mostOfSource)}
		p.logins = NewLogins(share, mostTwins, mostLogins/Parts)
	}
}

// Seen is a record as a counter counts it.
type Seen struct {
	Key     Key    // of the source
	Hash    uint32 // of the key, by arena.Hash
	Counter int    // index among those given to Count
	Per     uint64 // of what else the records have in common, spread by Seed
	Point
}

// Group is what one counter counts together. It is valid until anything else is counted or forgotten.
type Group struct {
	in     *groups
	number uint32
	key    Key
}

// See counts a record, and gives its group.
func (m *Memory) See(s *Seen) Group {
	if !m.again {
		m.journal.see(s, m.counters)
	}
	t := &m.part(&s.Key).groups
	return Group{t, t.add(s.Hash, &s.Key, groupKey{uint16(s.Counter), s.Per}, &s.Point, m.Behind(s.Counter)), s.Key}
}

// Again says whether what follows is told again, of before: it goes into no journal.
func (m *Memory) Again(on bool) { m.again = on }

// Newest gives the point of a group that arrived last, and Before the one that arrived before another one; nil: there is none.
func (g *Group) Newest() *Point         { return g.in.point(g.in.groups.At(g.number).newest) }
func (g *Group) Before(p *Point) *Point { return g.in.point(p.next) }

// Late says whether a point of a group arrived after another one with a later time.
func (g *Group) Late() bool { return g.in.groups.At(g.number).late }

func (t *groups) point(i uint32) *Point {
	if i == 0 {
		return nil
	}
	return t.points.At(i)
}

// UseUp drops what a verdict rests on, of a source that goes on being counted: all of the group, or what may be forged.
func (m *Memory) UseUp(g Group, keepProven bool) {
	if of := g.in.groups.At(g.number).of; !m.again {
		m.journal.useUp(&g.key, of, m.counters, keepProven)
	}
	g.in.consume(g.number, keepProven)
}

// Failed takes in a failed login for the counters; counts false: another record told of it.
func (m *Memory) Failed(hash uint32, key *Key, l Login) (counts bool) {
	if !m.again {
		m.journal.failed(key, &l)
	}
	return m.part(key).failed(hash, key, l)
}

func (p *part) failed(hash uint32, key *Key, l Login) bool {
	twin, replaces, counts := p.logins.Add(hash, key, l)
	if replaces {
		p.groups.withdraw(hash, key, twin)
	}
	return counts
}

// Behind tells of a counter whether it was not told of all that there was: what was before has to be told again.
func (m *Memory) Behind(counter int) bool { return !m.whole[counter] }

// CaughtUp says that all counters were told of all that there was. It is worth to be kept once every part was written since.
func (m *Memory) CaughtUp() {
	for i := range m.whole {
		m.whole[i] = true
	}
}

// countersVersion is that of the way in which Counters writes.
const countersVersion = 1

// Counters appends to buf which counters know of all that there was, and the seed with which their values are spread, for LoadCounters.
func (m *Memory) Counters(buf []byte) []byte {
	from := len(buf)
	buf = append(append(buf, countersVersion), m.Seed[:]...)
	for i, c := range m.counters {
		if m.whole[i] {
			buf = binary.BigEndian.AppendUint64(buf, c.ID)
		}
	}
	return sealed(buf, from)
}

// NoCounters is what Counters gives where there are none.
func NoCounters() []byte { return new(Memory).Counters(nil) }

// LoadCounters takes over what Counters wrote, before any part is loaded: of counters that are not among those written, and of all that
// count failed logins where one of them is not, what parts and journals hold is passed over. The error wraps ErrDamaged; then it is so of all.
func (m *Memory) LoadCounters(data []byte) error {
	r := unsealed(data)
	if v := r.byte(); v != countersVersion && r.err == nil {
		r.fail(fmt.Sprintf("version %d", v))
	}
	var seed Seed
	copy(seed[:], r.take(len(seed)))
	known := make(map[uint64]bool)
	for len(r.rest) > 0 && r.err == nil {
		known[r.uint64()] = true
	}
	if r.err != nil {
		return r.err
	}
	m.Seed = seed
	logins := true
	for i, c := range m.counters {
		m.whole[i] = known[c.ID]
		logins = logins && (m.whole[i] || !c.Logins)
	}
	for i, c := range m.counters {
		m.whole[i] = m.whole[i] && (logins || !c.Logins)
	}
	return nil
}

// LoseCounters forgets all that was counted: some of it cannot be read, or was written by who counted nothing.
func (m *Memory) LoseCounters() {
	clear(m.whole)
	for i := range m.parts {
		p := &m.parts[i]
		p.groups = groups{counters: m.counters, maxSources: p.groups.maxSources, maxPoints: p.groups.maxPoints}
		p.logins = NewLogins(p.logins.sources, p.logins.each, p.logins.most)
	}
}

// kept is a counter as something was written of it: whether it is to be kept, and which it is now.
type kept struct {
	counter int
	ok      bool
}

// known finds the counter of an ID, if it was told of all that there was.
func known(m *Memory, id uint64) (counter int, ok bool) {
	counter, ok = m.counterOf[id]
	return counter, ok && m.whole[counter]
}

// loginsKnown tells whether the failed logins that were kept are all that there were.
func loginsKnown(m *Memory) bool {
	i := slices.IndexFunc(m.counters, func(c Counter) bool { return c.Logins })
	return i >= 0 && m.whole[i]
}

// The flags of a point or login as it is written.
const (
	pointProven = 1 << iota
	pointWeight // it stands for more than one, and how many follows
	loginSystem
	loginPaired
	groupLate
)

func binaryCount(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

// appendPoint writes a point; last is the time that was written before.
func appendPoint(b []byte, p *Point, last int64) []byte {
	flags := byte(0)
	if p.Proven {
		flags |= pointProven
	}
	return appendSeen(b, flags, p.Time-last, p.Ref, p.Value, p.Weight)
}

func appendLogin(b []byte, l *Login, last int64, paired bool) []byte {
	flags := byte(0)
	if l.System {
		flags |= loginSystem
	}
	if paired {
		flags |= loginPaired
	}
	return appendSeen(b, flags, l.Time-last, l.Ref, uint64(l.Who), l.Weight)
}

func appendSeen(b []byte, flags byte, after int64, ref, value uint64, weight uint16) []byte {
	if weight != 1 {
		flags |= pointWeight
	}
	b = binary.AppendVarint(append(b, flags), after)
	b = binary.BigEndian.AppendUint64(b, ref)
	b = binary.AppendUvarint(b, value)
	if weight != 1 {
		b = binary.BigEndian.AppendUint16(b, weight)
	}
	return b
}

func (r *reader) seen(last int64) (flags byte, at int64, ref, value uint64, weight uint16) {
	flags = r.byte()
	at, ref, value, weight = last+r.varint(), r.uint64(), r.uvarint(), 1
	if flags&pointWeight != 0 {
		weight = r.uint16()
	}
	return flags, at, ref, value, weight
}

func (r *reader) point(last int64) (p Point) {
	var flags byte
	flags, p.Time, p.Ref, p.Value, p.Weight = r.seen(last)
	p.Proven = flags&pointProven != 0
	return p
}

func (r *reader) login(last int64) (l Login) {
	var flags byte
	var who uint64
	flags, l.Time, l.Ref, who, l.Weight = r.seen(last)
	l.Who, l.System, l.paired = uint32(who), flags&loginSystem != 0, flags&loginPaired != 0
	return l
}

// write writes the sources, the one not seen for longest first, and of each what was made or arrived first.
func (t *groups) write(b []byte) []byte {
	b = binaryCount(b, len(t.counters))
	for _, c := range t.counters {
		b = binary.BigEndian.AppendUint64(b, c.ID)
	}
	b = binaryCount(b, t.sources.Used())
	var made []uint32
	var arrived []*Point
	var last int64
	for n := t.queue.Oldest(); n != 0; n = arena.Next(&t.sources, n) {
		s := t.sources.At(n)
		made = made[:0]
		for g := s.newest; g != 0; g = t.groups.At(g).next {
			made = append(made, g)
		}
		b = binaryCount(appendAddr(b, &s.key), len(made))
		for _, number := range slices.Backward(made) {
			g := t.groups.At(number)
			flags := byte(0)
			if g.late {
				flags = groupLate
			}
			b = binary.BigEndian.AppendUint64(binaryCount(append(b, flags), int(g.of.counter)), g.of.per)
			arrived = arrived[:0]
			for p := t.point(g.newest); p != nil; p = t.point(p.next) {
				arrived = append(arrived, p)
			}
			b = binaryCount(b, len(arrived))
			for _, p := range slices.Backward(arrived) {
				b = appendPoint(b, p, last)
				last = p.Time
			}
		}
	}
	return b
}

// read fills what is empty with what of it known says is to be kept.
func (t *groups) read(r *reader, known func(id uint64) (counter int, ok bool)) {
	var counters []kept
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		counter, ok := known(r.uint64())
		counters = append(counters, kept{counter, ok})
	}
	var last int64
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		key := r.addr()
		hash, source := arena.Hash(&key), uint32(0)
		for made := r.uvarint(); made > 0 && r.err == nil; made-- {
			late, index, per := r.byte()&groupLate != 0, r.uvarint(), r.uint64()
			if r.err == nil && index >= uint64(len(counters)) {
				r.fail("a counter that is none")
				return
			}
			group := uint32(0)
			for count := r.uvarint(); count > 0 && r.err == nil; count-- {
				p := r.point(last)
				last = p.Time
				if r.err != nil || !counters[index].ok {
					continue
				}
				if source == 0 {
					source = t.see(hash, &key)
				}
				if group == 0 {
					group = t.groupOf(source, groupKey{uint16(counters[index].counter), per})
				}
				t.put(group, &p, false)
			}
			if group != 0 {
				t.groups.At(group).late = late
			}
		}
	}
}
