package memory

import (
	"net/netip"

	"activedefense/detect/arena"
)

// What the probes forget: what a verdict used up, what a person released, and what there is no room for.

// consume forgets what refused a source before a time, all of it or what may be forged.
func (p *probes) consume(key *Key, at int64, keepProven bool) {
	n := p.find(key, arena.Hash(key))
	if n == 0 {
		return
	}
	c := p.table.At(n)
	for before, t := (*target)(nil), &c.own; t != nil; {
		refused := t.refusedAt() != 0
		if t.refused < at {
			t.refused = 0
		}
		if !keepProven && t.proven < at {
			t.proven = 0
		}
		if refused && t.refusedAt() == 0 {
			t.ref, t.refusals = 0, 0
			p.refusals(c, -1)
		}
		switch {
		case !t.none():
			before, t = t, p.after(t)
		case before != nil:
			p.drop(c, before)
			t = p.after(before)
		case t.next != 0:
			p.drop(c, nil) // the next one is there now
		default:
			p.remove(n)
			return
		}
	}
}

func (p *probes) forget(key *Key) (known bool) {
	n, c := p.look(key, arena.Hash(key))
	switch {
	case n != 0:
		p.remove(n)
	case c != nil:
		p.singles.strike(c)
	}
	return n != 0 || c != nil
}

// forgetIn forgets the sources in some networks, and tells of each.
func (p *probes) forgetIn(in func(netip.Addr) bool, forgot func(netip.Prefix)) {
	p.singles.forgetIn(in, forgot)
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

// dropOldest forgets, of the targets of which when tells a time, the oldest.
func (p *probes) dropOldest(n uint32, t *Target, when func(*target) int64) {
	c := p.table.At(n)
	var before, beforeOldest, gone *target
	for x := &c.own; x != nil; before, x = x, p.after(x) {
		if at := when(x); at != 0 && (gone == nil || at <= when(gone)) {
			beforeOldest, gone = before, x
		}
	}
	if gone.answered != 0 {
		c.answers--
		if t.Time-gone.answered < p.window {
			p.spare(n, gone.answered+p.window)
		}
		if c.answers == 0 { // it was the last one, and another kind had no room
			arena.Drop(&p.served, &p.table, n)
			arena.Put(&p.refusing, &p.table, n)
		}
	}
	if gone.refusedAt() != 0 {
		p.refusals(c, -1)
	}
	p.drop(c, beforeOldest)
}

// oldest is the source to be forgotten first.
func (p *probes) oldest() uint32 {
	q := &p.served
	if p.refusing.Len()*4 > p.max || p.served.Len() == 0 {
		q = &p.refusing
	}
	return arena.SecondChance(q, &p.table, func(c *prober) (again bool) {
		again, c.used = c.used, false
		return again
	})
}

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
	for t := &c.own; t != nil; t = p.after(t) {
		at = max(at, t.refusedAt(), t.answered)
	}
	return at
}

// evict forgets a source before its time.
func (p *probes) evict(n uint32, at int64) {
	if c := p.table.At(n); c.answers > 0 {
		until := p.sparedUntil(n)
		for t := &c.own; t != nil; t = p.after(t) {
			if t.answered != 0 {
				until = max(until, t.answered+p.window)
			}
		}
		if until > at {
			p.missing = max(p.missing, until)
		}
	}
	p.remove(n)
}

func (p *probes) remove(n uint32) {
	c := p.table.At(n)
	if p.isNear(c) {
		p.near--
	}
	for c.own.next != 0 {
		p.drop(c, &c.own)
	}
	if c.spared {
		delete(p.spared, n)
	}
	arena.Drop(p.queueOf(c), &p.table, n)
	h := arena.Hash(&c.key)
	c.key = Key{}
	p.table.Remove(h, n)
}
