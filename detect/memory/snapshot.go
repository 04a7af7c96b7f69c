package memory

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"activedefense/detect/arena"
)

// partVersion is that of the way in which a part is written.
const partVersion = 5

// longSingles was written with the references and beginnings of singles in full.
const longSingles = 4

// uncounted was written without what counters count, too.
const uncounted = 3

// firstVersion was written without a checksum, too.
const firstVersion = 1

// ErrOtherVersion is the error of [Memory.Load] for a part that another version wrote in its own way.
var ErrOtherVersion = errors.New("another version wrote it")

// Part appends to buf all that is in a part, for Load. In it is everything that the memory was told before the call.
func (m *Memory) Part(buf []byte, number int) []byte {
	m.served.settle(m)
	p, from := &m.parts[number], len(buf)
	buf = append(buf, partVersion)
	for _, missing := range []int64{p.sessions.missingUntil(), p.partners.missing, p.probes.missing} {
		buf = binary.AppendVarint(buf, missing)
	}
	buf = p.sessions.write(buf)
	buf = p.partners.write(buf)
	buf = p.probes.write(buf)
	buf = p.spent.write(buf)
	return sealed(p.logins.write(p.groups.write(buf)), from)
}

// Load fills a part that is empty with what Part wrote. The error wraps ErrDamaged, and the part is then empty, and everything is
// missing from it for a day after at; or it is ErrOtherVersion, and the part is as it was. With either, and where a version without counters wrote it,
// the counters of all parts are lost.
func (m *Memory) Load(number int, data []byte, at int64) error {
	m.served.settle(m)
	p, limits := &m.parts[number], m.parts[number]
	if len(data) > 0 && data[0] == firstVersion {
		m.LoseCounters()
		return ErrOtherVersion
	}
	r := unsealed(data)
	v := r.byte()
	if (v < uncounted || v > partVersion) && r.err == nil {
		m.LoseCounters()
		return ErrOtherVersion
	}
	p.sessions.missing, p.partners.missing, p.probes.missing = r.varint(), r.varint(), r.varint()
	p.sessions.read(&r)
	p.partners.read(&r)
	p.probes.read(&r, v <= longSingles)
	p.spent.read(&r)
	if v != uncounted {
		p.groups.read(&r, func(id uint64) (int, bool) { return known(m, id) })
		p.logins.read(&r, loginsKnown(m))
	}
	if r.err == nil && len(r.rest) > 0 {
		r.fail("it does not end")
	}
	if r.err != nil {
		*p = limits
		m.Lose(number, at)
	}
	if r.err != nil || v == uncounted {
		m.LoseCounters()
	}
	return r.err
}

// Lose notes that a part may have held anything up to a time.
func (m *Memory) Lose(number int, at int64) {
	p := &m.parts[number]
	p.sessions.missing = max(p.sessions.missing, at+int64(SessionAge))
	p.partners.missing = max(p.partners.missing, at+int64(Day))
	p.probes.missing = max(p.probes.missing, at+p.probes.window)
}

func (s *sessions) write(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.ring.Len()))
	var last int64
	for i := range s.ring.Len() {
		c := s.ring.At(i)
		b = append(b, c.key[:]...)
		b = binary.AppendVarint(b, c.time-last)
		last = c.time
		b = binary.BigEndian.AppendUint16(b, c.device)
	}
	return s.untold.write(b)
}

func (s *sessions) read(r *reader) {
	var last int64
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		c := session{key: r.key()}
		last += r.varint()
		c.time, c.device = last, r.uint16()
		s.add(&c)
	}
	if s.ring.Len() > 0 {
		s.peers.need(s.max, sessionMarks)
		s.peers.setAll()
	}
	s.untold.read(r)
}

func (s *untold) write(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.table.Used()))
	var last int64
	for n := s.queue.Oldest(); n != 0; n = arena.Next(&s.table, n) {
		c := s.table.At(n)
		b = append(append(b, c.kind), c.key[:]...)
		b = binary.AppendVarint(b, c.time-last)
		last = c.time
		b = binary.BigEndian.AppendUint16(b, c.device)
		end := s.ends.At(c.endpoint).key
		b = append(b, end[:]...)
	}
	return b
}

func (s *untold) read(r *reader) {
	s.reading = true
	defer func() { s.reading = false }()
	var last int64
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		kind, key := r.byte(), r.key()
		last += r.varint()
		o := Session{Time: last, Device: r.uint16()}
		end := r.key()
		if kind != translated && kind != refusal {
			r.fail(fmt.Sprintf("a session of kind %d", kind))
			return
		}
		s.put(key, kind, &end, &o)
	}
}

func (p *partners) write(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(p.table.Used()))
	for n := p.queue.Oldest(); n != 0; n = arena.Next(&p.table, n) {
		c := p.table.At(n)
		var list []hour
		p.each(c, func(h *hour) bool {
			if h.first != 0 {
				list = append(list, *h)
			}
			return true
		})
		slices.SortFunc(list, func(a, b hour) int { return cmp.Compare(a.first, b.first) })
		b = append(appendAddr(b, &c.key), flag(c.used), byte(len(list)))
		for _, h := range list {
			b = binary.BigEndian.AppendUint32(b, h.first)
			b = binary.BigEndian.AppendUint16(b, h.last)
		}
	}
	return b
}

func (p *partners) read(r *reader) {
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		key, used := r.addr(), r.byte() != 0
		for hours := r.byte(); hours > 0 && r.err == nil; hours-- {
			h := hour{r.uint32(), r.uint16()}
			for _, at := range []uint32{h.first, h.end()} {
				p.served(&visit{key: key, hash: arena.Hash(&key), time: int64(at) * 1e9})
			}
		}
		if n := p.find(&key, arena.Hash(&key)); n != 0 {
			p.table.At(n).used = used
		}
	}
}

func (p *probes) write(b []byte) []byte {
	b = p.singles.write(b)
	b = binary.AppendUvarint(b, uint64(p.table.Used()))
	for _, q := range []*arena.Queue{&p.refusing, &p.served} {
		for n := q.Oldest(); n != 0; n = arena.Next(&p.table, n) {
			b = p.writeOne(b, n)
		}
	}
	return b
}

func (p *probes) writeOne(b []byte, n uint32) []byte {
	c, spared := p.table.At(n), p.sparedUntil(n)
	b = appendAddr(b, &c.key)
	b = append(binary.AppendVarint(b, spared), flag(c.used))
	b = binary.BigEndian.AppendUint16(b, c.device)
	b = binary.BigEndian.AppendUint32(b, c.begun)
	// The first of the others is written last, so that reading puts it first again.
	list := []*target{&c.own}
	for t := p.after(&c.own); t != nil; t = p.after(t) {
		list = append(list, t)
	}
	slices.Reverse(list[1:])
	b = binary.AppendUvarint(b, uint64(len(list)))
	last := spared
	for _, t := range list {
		b = appendUint16s(appendAddr(b, &t.addr), t.port, t.refusals)
		for _, at := range []int64{t.refused, t.proven, t.answered} {
			if at == 0 {
				b = append(b, 0)
				continue
			}
			b = binary.AppendVarint(append(b, 1), at-last)
			last = at
		}
		if t.refusedAt() != 0 {
			b = binary.AppendUvarint(b, t.ref)
		}
	}
	return b
}

func (p *probes) read(r *reader, long bool) {
	p.reading = true
	defer func() { p.reading = false }()
	p.singles.read(r, long, func(hash uint32) { p.mark(hash, true) })
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		key, spared, used, device, begun := r.addr(), r.varint(), r.byte() != 0, r.uint16(), r.uint32()
		last, hash := spared, arena.Hash(&key)
		for targets := r.uvarint(); targets > 0 && r.err == nil; targets-- {
			last = p.readTarget(r, Target{Key: key, Hash: hash, Device: device}, last)
		}
		if n := p.find(&key, hash); n != 0 {
			c := p.table.At(n)
			if c.used, c.begun = used, begun; spared != 0 {
				p.spare(n, spared)
			}
		}
	}
}

// readTarget reads one target of a source; last is the time that was read before.
func (p *probes) readTarget(r *reader, t Target, last int64) int64 {
	var refusals uint16
	t.Dst, t.Port, refusals = r.addr(), r.uint16(), r.uint16()
	var times [3]int64
	for i := range times {
		if r.byte() != 0 {
			last += r.varint()
			times[i] = last
		}
	}
	if times[0] != 0 || times[1] != 0 {
		t.Ref = r.uvarint()
	}
	if r.err != nil {
		return last
	}
	var none uint32
	for i, at := range times {
		t.Time, t.Proven = at, i == 1
		switch {
		case at == 0:
		case i == 2:
			p.answer(&t)
		default:
			p.refuse(&t, &none)
		}
	}
	if n := p.find(&t.Key, t.Hash); n != 0 {
		if at := p.targetOf(p.table.At(n), &t); at != nil {
			at.refusals = refusals
		}
	}
	return last
}
