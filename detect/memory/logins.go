package memory

import (
	"net/netip"
	"time"

	"activedefense/detect/arena"
)

// Failed logins are few, and a rule asks for records, not for distinct values: so every one is kept, and each is a value
// of its own.

// pairedWithin is how far a SYSTEM record may be from the GLOBALPROTECT record of the same failure.
const pairedWithin = int64(5 * time.Second)

// Logins are the failed logins of all sources. Bounds are those of NewLogins.
type Logins struct {
	table   arena.Table[client, *client]
	queue   arena.Queue
	list    arena.Slab[Login, *Login]
	sources int
	each    int
	most    int
	evicted uint64
}

// client is a source that failed to log in.
type client struct {
	arena.Order
	key    Key
	newest uint32 // login
	count  int32
}

// Login is one failed login.
type Login struct {
	Time   int64 // nanoseconds since 1970
	Ref    uint64
	Who    uint32 // user and device, spread
	next   uint32 // the one that arrived before
	Weight uint16 // records
	System bool   // of a SYSTEM record
	paired bool   // a SYSTEM record told of it too
}

func (l *Login) Link() *uint32 { return &l.next }

// NewLogins bounds the sources, the logins of each, and the logins of all, beyond which a source keeps no more than it has.
func NewLogins(sources, each, most int) Logins {
	return Logins{sources: sources, each: each, most: most}
}

// Sources is how many there are, and Evicted how many were forgotten because there were too many.
func (a *Logins) Sources() int    { return a.table.Used() }
func (a *Logins) Evicted() uint64 { return a.evicted }

func (a *Logins) find(hash uint32, key *Key) uint32 {
	return a.table.Find(hash, func(c *client) bool { return c.key == *key })
}

// see gives the number of a source, and notes that it was seen.
func (a *Logins) see(hash uint32, key *Key) uint32 {
	n := a.find(hash, key)
	if n != 0 {
		arena.Renew(&a.queue, &a.table, n)
		return n
	}
	if a.table.Used() >= a.sources {
		a.drop(a.queue.Oldest())
		a.evicted++
	}
	n = a.table.Add(hash)
	*a.table.At(n) = client{key: *key}
	arena.Put(&a.queue, &a.table, n)
	return n
}

// Add takes in a failed login of a source, unless another record told of it; counts false: it is none of its own. Where replaces is
// set it takes the place of the record twin.
func (a *Logins) Add(hash uint32, key *Key, now Login) (twin uint64, replaces, counts bool) {
	c := a.table.At(a.see(hash, key))
	switch other := a.twin(c, &now); {
	case other == nil:
	case now.System:
		other.paired = true
		return 0, false, false
	default: // the SYSTEM record came first: this one stands for both
		twin = other.Ref
		now.next, now.paired = other.next, true
		*other = now
		return twin, true, true
	}
	a.put(c, now)
	return 0, false, true
}

// put adds a login to a source, within the bounds.
func (a *Logins) put(c *client, now Login) {
	if int(c.count) >= a.each || a.list.Used() >= a.most && c.newest != 0 {
		a.dropFirst(c)
	}
	now.next = c.newest
	i := a.list.Take()
	*a.list.At(i) = now
	c.newest = i
	c.count++
}

// twin finds the record of the other log that tells of the same failure.
func (a *Logins) twin(c *client, now *Login) *Login {
	for i := c.newest; i != 0; {
		at := a.list.At(i)
		if at.System != now.System && !at.paired && at.Who == now.Who && max(at.Time-now.Time, now.Time-at.Time) <= pairedWithin {
			return at
		}
		i = at.next
	}
	return nil
}

// Newest gives the login of a source that arrived last, and Before the one that arrived before another one; nil: there is none.
func (a *Logins) Newest(hash uint32, key *Key) *Login {
	n := a.find(hash, key)
	if n == 0 {
		return nil
	}
	return a.at(a.table.At(n).newest)
}

func (a *Logins) Before(l *Login) *Login { return a.at(l.next) }

func (a *Logins) at(i uint32) *Login {
	if i == 0 {
		return nil
	}
	return a.list.At(i)
}

// dropFirst forgets the login that arrived first.
func (a *Logins) dropFirst(c *client) {
	at := &c.newest
	for a.list.At(*at).next != 0 {
		at = &a.list.At(*at).next
	}
	i := *at
	*at = 0
	a.list.Give(i)
	c.count--
}

// Forget forgets a source.
func (a *Logins) Forget(hash uint32, key *Key) (known bool) {
	n := a.find(hash, key)
	if n != 0 {
		a.drop(n)
	}
	return n != 0
}

// ForgetBefore forgets what a source failed before a time.
func (a *Logins) ForgetBefore(hash uint32, key *Key, at int64) {
	n := a.find(hash, key)
	if n == 0 {
		return
	}
	c := a.table.At(n)
	for next := &c.newest; *next != 0; {
		i := *next
		if l := a.list.At(i); l.Time >= at {
			next = &l.next
			continue
		}
		*next = a.list.At(i).next
		a.list.Give(i)
		c.count--
	}
	if c.newest == 0 {
		a.drop(n)
	}
}

func (a *Logins) drop(n uint32) {
	c := a.table.At(n)
	for c.newest != 0 {
		a.dropFirst(c)
	}
	arena.Drop(&a.queue, &a.table, n)
	a.table.Remove(arena.Hash(&c.key), n)
}

// ForgetIn forgets the sources in some networks, and tells of each.
func (a *Logins) ForgetIn(in func(netip.Addr) bool, forgot func(netip.Prefix)) {
	for n := a.queue.Oldest(); n != 0; {
		next := arena.Next(&a.table, n)
		if addr := netip.AddrFrom16(a.table.At(n).key).Unmap(); in(addr) {
			a.drop(n)
			forgot(netip.PrefixFrom(addr, addr.BitLen()))
		}
		n = next
	}
}

func (a *Logins) write(b []byte) []byte {
	b = binaryCount(b, a.table.Used())
	var last int64
	for n := a.queue.Oldest(); n != 0; n = arena.Next(&a.table, n) {
		c := a.table.At(n)
		b = binaryCount(appendAddr(b, &c.key), int(c.count))
		var list []*Login // that arrived first comes first
		for l := a.at(c.newest); l != nil; l = a.Before(l) {
			list = append(list, l)
		}
		for i := len(list) - 1; i >= 0; i-- {
			l := list[i]
			b = appendLogin(b, l, last, l.paired)
			last = l.Time
		}
	}
	return b
}

// read fills what is empty; wanted false: what is read is not kept.
func (a *Logins) read(r *reader, wanted bool) {
	var last int64
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		key := r.addr()
		var source uint32
		for count := r.uvarint(); count > 0 && r.err == nil; count-- {
			l := r.login(last)
			last = l.Time
			if !wanted || r.err != nil {
				continue
			}
			if source == 0 {
				source = a.see(arena.Hash(&key), &key)
			}
			a.put(a.table.At(source), l)
		}
	}
}
