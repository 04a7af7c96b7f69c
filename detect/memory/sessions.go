package memory

import (
	"crypto/sha256"
	"encoding/binary"

	"activedefense/detect/arena"
)

// What a cell of the sessions stands for.
const (
	exact      = 1 + iota // a session, by both ends as the address outside sees them
	translated            // a session whose address and port outside of us are not known
	refusal               // a refused record that may be the answer to one of those
	place                 // not a cell: an end outside, see endpoint
)

// privileged is below which port nobody opens a session from: no late answer goes there.
const privileged = 1024

// sessions are those that ours opened lately. A late answer is one whose destination is the very end that a session came
// from. Where translation hides that end, as many different destinations are taken for answers as there were sessions to
// the same address and port.
type sessions struct {
	max     int
	table   arena.Table[session, *session]
	queue   arena.Queue
	ends    arena.Table[endpoint, *endpoint]
	missing int64
	reading bool // nothing is out of date: it is as it was written
}

// session is a cell, in 56 bytes.
type session struct {
	arena.Order
	key        [16]byte
	time       int64
	next, prev uint32 // neighbours of its endpoint, from the oldest to the newest
	endpoint   uint32 // 0: it has none
	device     uint16
	kind       uint8
}

// endpoint is an address and port outside to which ours had translated sessions.
type endpoint struct {
	link  uint32
	key   [16]byte
	lists [2]list // of the sessions, and of the refusals
}

func (e *endpoint) Link() *uint32 { return &e.link }

type list struct{ oldest, newest, n uint32 }

// listOf is the index of a kind's list.
func listOf(kind uint8) int { return int(kind - translated) }

// keyOf names a cell. Of IPv4 the name holds everything; of IPv6 it is a digest, which nobody can choose to meet another.
func keyOf(kind uint8, peer *[16]byte, peerPort uint16, ours *[16]byte, oursPort uint16) (key [16]byte) {
	if isIPv4(peer) && isIPv4(ours) {
		key[0] = kind
		copy(key[1:], peer[12:])
		copy(key[5:], ours[12:])
		binary.BigEndian.PutUint16(key[9:], peerPort)
		binary.BigEndian.PutUint16(key[11:], oursPort)
		return key
	}
	var all [37]byte
	all[0] = kind
	copy(all[1:], peer[:])
	copy(all[17:], ours[:])
	binary.BigEndian.PutUint16(all[33:], peerPort)
	binary.BigEndian.PutUint16(all[35:], oursPort)
	sum := sha256.Sum256(all[:])
	copy(key[:], sum[:])
	key[0] |= 0x80
	return key
}

func isIPv4(a *[16]byte) bool {
	return binary.BigEndian.Uint64(a[:8]) == 0 && binary.BigEndian.Uint32(a[8:]) == 0xffff
}

// open takes in a session.
func (s *sessions) open(o *Session) {
	s.put(keyOf(exact, &o.Peer, o.PeerPort, &o.Ours, o.OursPort), exact, nil, o)
	if o.Untranslated {
		end := keyOf(place, &o.Peer, o.PeerPort, &o.Peer, 0)
		if number := s.endOf(&end); number != 0 {
			s.expire(number, o)
		}
		s.put(keyOf(translated, &o.Peer, o.PeerPort, &o.Ours, o.OursPort), translated, &end, o)
	}
}

// late says whether a record is a late answer, and whether that changed what is remembered.
func (s *sessions) late(r *Session) (late, changed bool) {
	if s.table.Used() == 0 {
		return false, false
	}
	if n := s.find(keyOf(exact, &r.Peer, r.PeerPort, &r.Ours, r.OursPort)); n != 0 && near(s.table.At(n).time, r.Time) {
		return true, false
	}
	if r.OursPort < privileged {
		return false, false
	}
	end := keyOf(place, &r.Peer, r.PeerPort, &r.Peer, 0)
	number := s.endOf(&end)
	if number == 0 {
		return false, false
	}
	s.expire(number, r)
	if e := s.ends.At(number); e.key != end || e.lists[0].n == 0 {
		return false, true
	}
	s.put(keyOf(refusal, &r.Peer, r.PeerPort, &r.Ours, r.OursPort), refusal, &end, r)
	if number = s.endOf(&end); number == 0 {
		return false, true
	}
	e := s.ends.At(number)
	return e.lists[1].n <= e.lists[0].n, true
}

// near says whether a session that was open at one time can have late answers at another. (What is known of it may be its
// end, which may come after the answer where lines are out of order.)
func near(open, at int64) bool { return at-open < int64(SessionAge) && open-at < int64(SessionAge) }

func (s *sessions) find(key [16]byte) uint32 {
	return s.table.Find(hash(&key), func(c *session) bool { return c.key == key })
}

func (s *sessions) endOf(key *[16]byte) uint32 {
	return s.ends.Find(hash(key), func(e *endpoint) bool { return e.key == *key })
}

// put makes or renews a cell; end is its endpoint's key, nil if it has none.
func (s *sessions) put(key [16]byte, kind uint8, end *[16]byte, o *Session) {
	number := s.find(key)
	if number != 0 {
		c := s.table.At(number)
		c.time, c.device = max(c.time, o.Time), o.Device
		arena.Renew(&s.queue, &s.table, number)
		if c.endpoint != 0 {
			at := c.endpoint
			s.detach(number)
			s.attach(number, at)
		}
		return
	}
	s.makeRoom(o)
	number = s.table.Add(hash(&key))
	*s.table.At(number) = session{key: key, time: o.Time, device: o.Device, kind: kind}
	arena.Put(&s.queue, &s.table, number)
	if end == nil {
		return
	}
	at := s.endOf(end)
	if at == 0 {
		at = s.ends.Add(hash(end))
		*s.ends.At(at) = endpoint{key: *end}
	}
	s.attach(number, at)
}

// attach makes a cell the newest of an endpoint's list.
func (s *sessions) attach(number, end uint32) {
	c := s.table.At(number)
	l := &s.ends.At(end).lists[listOf(c.kind)]
	c.endpoint, c.prev, c.next = end, l.newest, 0
	if l.newest != 0 {
		s.table.At(l.newest).next = number
	} else {
		l.oldest = number
	}
	l.newest = number
	l.n++
}

func (s *sessions) detach(number uint32) {
	c := s.table.At(number)
	l := &s.ends.At(c.endpoint).lists[listOf(c.kind)]
	if c.next != 0 {
		s.table.At(c.next).prev = c.prev
	} else {
		l.newest = c.prev
	}
	if c.prev != 0 {
		s.table.At(c.prev).next = c.next
	} else {
		l.oldest = c.next
	}
	l.n--
}

// remove forgets a cell, and with the last one its endpoint.
func (s *sessions) remove(number uint32) {
	c := s.table.At(number)
	if c.endpoint != 0 {
		s.detach(number)
		if e := s.ends.At(c.endpoint); e.lists[0].n+e.lists[1].n == 0 {
			s.ends.Remove(hash(&e.key), c.endpoint)
		}
	}
	arena.Drop(&s.queue, &s.table, number)
	s.table.Remove(hash(&c.key), number)
}

// expire forgets what is too old of an endpoint, by the clock of the same device alone: a wrong one must not forget what
// others saw.
func (s *sessions) expire(end uint32, r *Session) {
	for s.expireOne(end, r) {
	}
}

// expireOne forgets what went out of date first. A session takes a refusal with it, the oldest: that was its late answer, or
// another session's in its stead. Otherwise answers, which come behind their sessions, would outlive them, and be held against
// the answers to the next ones. False: there is no more.
func (s *sessions) expireOne(end uint32, r *Session) bool {
	e := s.ends.At(end)
	opened, refused := s.oldestOutdated(&e.lists[0], r), s.oldestOutdated(&e.lists[1], r)
	left := e.lists[0].n + e.lists[1].n - 1
	switch {
	case opened != 0 && (refused == 0 || s.table.At(opened).time <= s.table.At(refused).time):
		answer := e.lists[1].oldest
		s.remove(opened)
		if answer != 0 {
			s.remove(answer)
			left--
		}
	case refused != 0:
		s.remove(refused)
	default:
		return false
	}
	return left > 0 // with the last one the endpoint is gone
}

// oldestOutdated gives the oldest cell of a list if it is out of date, else 0.
func (s *sessions) oldestOutdated(l *list, r *Session) uint32 {
	if l.oldest == 0 || !s.table.At(l.oldest).outdated(r, int64(SessionAge)) {
		return 0
	}
	return l.oldest
}

func (c *session) outdated(r *Session, age int64) bool {
	return c.device == r.Device && r.Time-c.time >= age
}

// makeRoom keeps the number of cells in bounds: what is long out of date goes, two for each that comes, and where there is
// no room, what was renewed longest ago.
func (s *sessions) makeRoom(o *Session) {
	for i := 0; i < 2 && !s.reading; i++ {
		n := s.queue.Oldest()
		if n == 0 || !s.table.At(n).outdated(o, 2*int64(SessionAge)) {
			break
		}
		if end := s.table.At(n).endpoint; end != 0 {
			s.expireOne(end, o)
		} else {
			s.remove(n)
		}
	}
	if s.table.Used() >= s.max {
		n := s.queue.Oldest()
		c := s.table.At(n)
		if c.kind != refusal && near(c.time, o.Time) {
			s.missing = max(s.missing, c.time+int64(SessionAge))
		}
		s.remove(n)
	}
}
