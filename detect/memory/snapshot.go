package memory

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"activedefense/detect/arena"
)

// partVersion is that of the way in which a part is written. What another version wrote is not read.
const partVersion = 1

// Part appends to buf all that is in a part, for Load. In it is everything that the memory was told before the call.
func (m *Memory) Part(buf []byte, number int) []byte {
	p, from := &m.parts[number], len(buf)
	buf = append(buf, partVersion)
	for _, missing := range []int64{p.sessions.missing, p.partners.missing, p.probes.missing} {
		buf = binary.AppendVarint(buf, missing)
	}
	buf = p.sessions.write(buf)
	buf = p.partners.write(buf)
	buf = p.probes.write(buf)
	return sealed(p.spent.write(buf), from)
}

// Load fills a part that is empty with what Part wrote. The error wraps ErrDamaged; the part is then empty, and everything is
// missing from it for a day after at.
func (m *Memory) Load(number int, data []byte, at int64) error {
	p, limits := &m.parts[number], m.parts[number]
	r := unsealed(data)
	if v := r.byte(); v != partVersion && r.err == nil {
		r.fail(fmt.Sprintf("version %d", v))
	}
	p.sessions.missing, p.partners.missing, p.probes.missing = r.varint(), r.varint(), r.varint()
	p.sessions.read(&r)
	p.partners.read(&r)
	p.probes.read(&r)
	p.spent.read(&r)
	if r.err == nil && len(r.rest) > 0 {
		r.fail("it does not end")
	}
	if r.err != nil {
		*p = limits
		m.Lose(number, at)
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
	b = binary.AppendUvarint(b, uint64(s.table.Used()))
	var last int64
	for n := s.queue.Oldest(); n != 0; n = arena.Next(&s.table, n) {
		c := s.table.At(n)
		b = append(append(b, c.kind), c.key[:]...)
		b = binary.AppendVarint(b, c.time-last)
		last = c.time
		b = binary.BigEndian.AppendUint16(b, c.device)
		if c.endpoint != 0 {
			key := s.ends.At(c.endpoint).key
			b = append(b, key[:]...)
		}
	}
	return b
}

func (s *sessions) read(r *reader) {
	s.reading = true
	defer func() { s.reading = false }()
	var last int64
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		kind, key := r.byte(), r.key()
		last += r.varint()
		o := Session{Time: last, Device: r.uint16()}
		switch kind {
		case exact:
			s.put(key, kind, nil, &o)
		case translated, refusal:
			end := r.key()
			s.put(key, kind, &end, &o)
		default:
			r.fail(fmt.Sprintf("a session of kind %d", kind))
		}
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
			p.served(&key, int64(h.first)*1e9)
			p.served(&key, int64(h.end())*1e9)
		}
		if n := p.find(&key); n != 0 {
			p.table.At(n).used = used
		}
	}
}

func (p *probes) write(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(p.table.Used()))
	for _, q := range []*arena.Queue{&p.refusing, &p.served} {
		for n := q.Oldest(); n != 0; n = arena.Next(&p.table, n) {
			b = p.writeOne(b, p.table.At(n))
		}
	}
	return b
}

func (p *probes) writeOne(b []byte, c *prober) []byte {
	b = appendAddr(b, &c.key)
	b = append(binary.AppendVarint(b, c.spared), flag(c.used))
	b = binary.BigEndian.AppendUint16(b, c.device)
	// The one reached last is written last, so that reading puts it first again.
	var list []uint32
	for i := c.first; i != 0; i = p.points.At(i).next {
		list = append(list, i)
	}
	b = binary.AppendUvarint(b, uint64(len(list)))
	last := c.spared
	for i := len(list) - 1; i >= 0; i-- {
		t := p.points.At(list[i])
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

func (p *probes) read(r *reader) {
	p.reading = true
	defer func() { p.reading = false }()
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		key, spared, used, device := r.addr(), r.varint(), r.byte() != 0, r.uint16()
		last := spared
		for points := r.uvarint(); points > 0 && r.err == nil; points-- {
			last = p.readTarget(r, Target{Key: key, Device: device}, last)
		}
		if n := p.find(&key); n != 0 {
			c := p.table.At(n)
			c.spared, c.used = spared, used
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
	for i, at := range times {
		t.Time, t.Proven = at, i == 1
		switch {
		case at == 0:
		case i == 2:
			p.answer(&t)
		default:
			var none uint32
			p.refuse(&t, &none)
		}
	}
	if n := p.find(&t.Key); n != 0 && p.table.At(n).first != 0 {
		p.points.At(p.table.At(n).first).refusals = refusals
	}
	return last
}
