package memory

import (
	"net/netip"
	"time"

	"activedefense/detect/arena"
)

// partners are the addresses outside to which ours opened served sessions. Of each hour with one, the first and the last are
// kept, so that the answer is exact for any 24 hours.
type partners struct {
	max     int
	table   arena.Table[partner, *partner]
	queue   arena.Queue
	more    arena.Slab[further, *further]
	missing int64
}

// partner is an address, in 56 bytes: nearly all are spoken to in few hours of a day.
type partner struct {
	arena.Order
	key   Key
	hours [3]hour
	more  uint32
	used  bool // since it was put where it is in the queue
}

// visits are served sessions that are not in the partners yet: they go there together, for the waits for memory then overlap.
type visits struct {
	list    [64]visit
	n       int
	touched uint32 // something of all that is read ahead, or the compiler would not read it
}

type visit struct {
	key    Key
	hash   uint32
	number uint32 // of the partner, as far as it was found ahead
	time   int64
}

func (v *visits) add(m *Memory, x visit) {
	v.list[v.n] = x
	if v.n++; v.n == len(v.list) {
		v.settle(m)
	}
}

// settle puts them into the partners, in their order: who asks for a partner has it done before.
func (v *visits) settle(m *Memory) {
	list := v.list[:v.n]
	v.n = 0
	for i := range list {
		v.touched += m.part(&list[i].key).partners.table.Touch(list[i].hash)
	}
	for i := range list {
		p := &m.part(&list[i].key).partners
		if n := p.table.First(list[i].hash); n != 0 {
			list[i].number = n
			c := p.table.At(n)
			v.touched += uint32(c.key[0]) + c.more // may lie on two cache lines
		}
	}
	for i := range list {
		x := &list[i]
		m.part(&x.key).partners.served(x)
	}
}

// further are hours that a partner has no room for.
type further struct {
	hours [6]hour
	next  uint32
}

func (f *further) Link() *uint32 { return &f.next }

// mostFurther is how many of these one partner has: with its own hours, more than a day.
const mostFurther = 4

// hour is one in which ours had a served session.
type hour struct {
	first uint32 // seconds since 1970; 0: none
	last  uint16 // seconds after the hour began
}

const hourSeconds = 3600

func (h hour) begin() uint32 { return h.first / hourSeconds * hourSeconds }
func (h hour) end() uint32   { return h.begin() + uint32(h.last) }

// seconds of a time; those before 1970 are none, those after 2106 are the last.
func seconds(t int64) uint32 {
	return uint32(min(max(t/int64(time.Second), 1), 1<<32-1))
}

func (p *partners) find(key *Key, h uint32) uint32 {
	return p.table.Find(h, func(c *partner) bool { return c.key == *key })
}

// served takes in a served session.
func (p *partners) served(v *visit) {
	n := v.number
	if n == 0 || p.table.At(n).key != v.key { // a cell given back has no key
		n = p.find(&v.key, v.hash)
	}
	if n == 0 {
		p.makeRoom(v.time)
		n = p.table.Add(v.hash)
		*p.table.At(n) = partner{key: v.key}
		arena.Put(&p.queue, &p.table, n)
	}
	c := p.table.At(n)
	c.used = true
	s := seconds(v.time)
	for i := range c.hours { // nearly always the hour is there
		if h := &c.hours[i]; h.first != 0 && s >= h.first && s-h.begin() < hourSeconds {
			h.last = max(h.last, uint16(s-h.begin()))
			return
		}
	}
	at := p.room(c, s)
	if at.first == 0 || at.begin() != s/hourSeconds*hourSeconds {
		*at = hour{s, uint16(s % hourSeconds)}
		return
	}
	at.first = min(at.first, s)
	at.last = max(at.last, uint16(s%hourSeconds))
}

// room gives the hour of a time, or where it is to be put: a free place, else that of the earliest.
func (p *partners) room(c *partner, s uint32) *hour {
	var free, earliest *hour
	cells := 0
	p.each(c, func(h *hour) bool {
		switch {
		case h.first == 0:
			if free == nil {
				free = h
			}
		case h.begin() == s/hourSeconds*hourSeconds:
			free = h
			return false
		case earliest == nil || h.first < earliest.first:
			earliest = h
		}
		return true
	})
	if free != nil {
		return free
	}
	for i := c.more; i != 0; i = p.more.At(i).next {
		cells++
	}
	if cells == mostFurther || p.more.Used() >= p.max {
		if s > earliest.first && s-earliest.end() < uint32(Day/time.Second) {
			p.missing = max(p.missing, (int64(earliest.end())+int64(Day/time.Second))*int64(time.Second))
		}
		return earliest
	}
	i := p.more.Take()
	*p.more.At(i) = further{next: c.more}
	c.more = i
	return &p.more.At(i).hours[0]
}

// each calls fn for the places of a partner until it returns false.
func (p *partners) each(c *partner, fn func(*hour) bool) {
	for i := range c.hours {
		if !fn(&c.hours[i]) {
			return
		}
	}
	for n := c.more; n != 0; n = p.more.At(n).next {
		f := p.more.At(n)
		for i := range f.hours {
			if !fn(&f.hours[i]) {
				return
			}
		}
	}
}

// is says whether an address is a partner; see Memory.Partner.
func (p *partners) is(key *Key, before, at int64) bool {
	n := p.find(key, arena.Hash(key))
	if n == 0 {
		return false
	}
	now := seconds(at)
	from := uint32(0) // sessions count that are later
	if day := uint32(Day / time.Second); now > day {
		from = now - day
	}
	hours, first := 0, uint32(1<<32-1)
	p.each(p.table.At(n), func(h *hour) bool {
		if h.first == 0 || h.first > now || h.end() <= from {
			return true
		}
		hours++
		if h.first > from {
			first = min(first, h.first)
		} else {
			first = min(first, h.end()) // of the hour that is half over, the last is known to count
		}
		return true
	})
	return hours >= 2 && int64(first)*int64(time.Second) < before
}

// in says whether a partner is in a network.
func (p *partners) in(network netip.Prefix, before, at int64) bool {
	for n := p.queue.Oldest(); n != 0; n = arena.Next(&p.table, n) {
		key := p.table.At(n).key
		if network.Contains(netip.AddrFrom16(key).Unmap()) && p.is(&key, before, at) {
			return true
		}
	}
	return false
}

// makeRoom keeps the number of partners in bounds.
func (p *partners) makeRoom(t int64) {
	if p.table.Used() < p.max {
		return
	}
	n := arena.SecondChance(&p.queue, &p.table, func(c *partner) (again bool) {
		again, c.used = c.used, false
		return again
	})
	last := uint32(0)
	p.each(p.table.At(n), func(h *hour) bool {
		last = max(last, h.end())
		return true
	})
	if until := int64(last)*int64(time.Second) + int64(Day); until > t {
		p.missing = max(p.missing, until)
	}
	p.remove(n)
}

func (p *partners) remove(n uint32) {
	c := p.table.At(n)
	for c.more != 0 {
		i := c.more
		c.more = p.more.At(i).next
		p.more.Give(i)
	}
	arena.Drop(&p.queue, &p.table, n)
	h := arena.Hash(&c.key)
	c.key = Key{}
	p.table.Remove(h, n)
}
