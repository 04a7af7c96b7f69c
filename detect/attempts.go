package detect

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"strings"
	"time"

	"activedefense/detect/arena"
)

// Failed logins are few, and their rule asks for records, not for distinct values: so every one is kept, and each is a value
// of its own.

// pairedWithin is how far a SYSTEM record may be from the GLOBALPROTECT record of the same failure.
const pairedWithin = int64(5 * time.Second)

const (
	attemptsEach = 4       // for each that fires: records that can still matter, with clocks that differ
	maxAttempts  = 1 << 20 // over all sources
)

// attempts are the failed logins of all sources.
type attempts struct {
	table arena.Table[client, *client]
	queue arena.Queue
	list  arena.Slab[attempt, *attempt]
	max   int // sources
	each  int // attempts of one
}

// client is a source that failed to log in.
type client struct {
	arena.Order
	key    [16]byte
	newest uint32 // attempt
	count  int32
}

// attempt is one failed login.
type attempt struct {
	time   int64
	ref    uint64
	who    uint32 // user and device, spread
	next   uint32 // the one that arrived before
	weight uint16
	system bool // of a SYSTEM record
	paired bool // a SYSTEM record told of it too
}

func (a *attempt) Link() *uint32 { return &a.next }

func (a *attempts) find(e *Engine, key *[16]byte) uint32 {
	return a.table.Find(arena.Hash(key), func(c *client) bool { return c.key == *key })
}

// add takes in a failed login of a source, unless another record told of it; counts false: it is none of its own. Where replaces is
// set it takes the place of the record twin.
func (a *attempts) add(e *Engine, key *[16]byte, ev *Event) (twin uint64, replaces, counts bool) {
	n := a.find(e, key)
	if n == 0 {
		if a.table.Used() >= a.max {
			a.drop(e, a.queue.Oldest())
			e.evicted++
		}
		n = a.table.Add(arena.Hash(key))
		*a.table.At(n) = client{key: *key}
		arena.Put(&a.queue, &a.table, n)
	} else {
		arena.Renew(&a.queue, &a.table, n)
	}
	c := a.table.At(n)
	now := attempt{time: nanoseconds(ev.Time), ref: ev.Ref, who: spreadWho(e.seed, ev), system: ev.Type == TypeSystem, weight: weightOf(ev)}
	switch other := a.twin(c, &now); {
	case other == nil:
	case now.system:
		other.paired = true
		return 0, false, false
	default: // the SYSTEM record came first: this one stands for both
		twin = other.ref
		now.next, now.paired = other.next, true
		*other = now
		return twin, true, true
	}
	if int(c.count) >= a.each || a.list.Used() >= maxAttempts && c.newest != 0 {
		a.dropFirst(c)
	}
	now.next = c.newest
	i := a.list.Take()
	*a.list.At(i) = now
	c.newest = i
	c.count++
	return 0, false, true
}

// twin finds the record of the other log that tells of the same failure.
func (a *attempts) twin(c *client, now *attempt) *attempt {
	for i := c.newest; i != 0; {
		at := a.list.At(i)
		if at.system != now.system && !at.paired && at.who == now.who && apart(at.time, now.time) <= pairedWithin {
			return at
		}
		i = at.next
	}
	return nil
}

// gather fills the window with what a source failed around a time.
func (a *attempts) gather(e *Engine, key *[16]byte, t int64) {
	e.window.points = e.window.points[:0]
	n := a.find(e, key)
	if n == 0 {
		return
	}
	number := uint64(0)
	for i := a.table.At(n).newest; i != 0; {
		at := a.list.At(i)
		i = at.next
		if apart(at.time, t) >= e.rules[login].window {
			continue
		}
		// A record that stands for several is as many values.
		for range min(int(at.weight), e.rules[login].need) {
			v := valued{point: point{at.time, at.ref, 1}, proven: true}
			number++
			binary.BigEndian.PutUint64(v.value[8:], number)
			e.window.points = append(e.window.points, v)
		}
	}
}

// between counts the failures of a source from one time to another, both included, as often as the records say.
func (a *attempts) between(e *Engine, key *[16]byte, from, to int64) (n int) {
	for i := a.table.At(a.find(e, key)).newest; i != 0; {
		at := a.list.At(i)
		i = at.next
		if from <= at.time && at.time <= to {
			n += int(at.weight)
		}
	}
	return n
}

// dropFirst forgets the attempt that arrived first.
func (a *attempts) dropFirst(c *client) {
	at := &c.newest
	for a.list.At(*at).next != 0 {
		at = &a.list.At(*at).next
	}
	i := *at
	*at = 0
	a.list.Give(i)
	c.count--
}

func (a *attempts) forget(e *Engine, key *[16]byte) {
	if n := a.find(e, key); n != 0 {
		a.drop(e, n)
	}
}

func (a *attempts) drop(e *Engine, n uint32) {
	c := a.table.At(n)
	for c.newest != 0 {
		a.dropFirst(c)
	}
	arena.Drop(&a.queue, &a.table, n)
	a.table.Remove(arena.Hash(&c.key), n)
}

// bareUser is a user without the domain, in small letters: one log may have the name as it was typed, and the other as the
// firewall completed it.
func bareUser(user string) string {
	if i := strings.LastIndexByte(user, '\\'); i >= 0 {
		user = user[i+1:]
	}
	if i := strings.IndexByte(user, '@'); i > 0 {
		user = user[:i]
	}
	return strings.ToLower(user)
}

// spreadWho makes a number of who tried to log in, and where.
func spreadWho(seed maphash.Seed, ev *Event) uint32 {
	var h maphash.Hash
	h.SetSeed(seed)
	h.WriteString(bareUser(ev.SrcUser))
	h.WriteByte(0)
	// One log may name the firewall by its full name, and the other by its first.
	host, _, _ := strings.Cut(ev.Device, ".")
	h.WriteString(strings.ToLower(host))
	return uint32(h.Sum64())
}

// forgetIn forgets the sources in some networks.
func (a *attempts) forgetIn(e *Engine, in func(netip.Addr) bool) {
	for n := a.queue.Oldest(); n != 0; {
		next := arena.Next(&a.table, n)
		if in(netip.AddrFrom16(a.table.At(n).key).Unmap()) {
			a.drop(e, n)
		}
		n = next
	}
}

// watchLogin counts the record of a login for the rule login.
func (e *Engine) watchLogin(ev *Event, w *watched, r *Result) {
	if e.rules[login].window == 0 || notLogin(ev) != "" {
		return
	}
	if len(e.settings.Ignore) > 0 {
		if ignored, _ := e.ignoring(ev, &w.party); ignored.has(login) {
			return
		}
	}
	w.grade = Proven
	if e.recalling && !e.unspent(w, 1<<login).has(login) {
		return
	}
	if _, _, counts := e.attempts.add(e, &w.key, ev); !counts {
		return
	}
	r.Outcome, r.Grade = Counted, Proven
	e.attempts.gather(e, &w.key, w.time)
	from, to, ok := e.window.find(e.rules[login].need, e.rules[login].window, w.time)
	if !ok {
		return
	}
	v := e.judged(e.loginVerdict(ev, w, finding{login, from, to, Proven}), login)
	r.fired(v)
	if v.stands() {
		e.forget(v.Source)
		return
	}
	e.attempts.forget(e, &w.key)
	e.spend(w, login, v)
}
