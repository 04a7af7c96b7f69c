package memory

import "activedefense/detect/arena"

// untold are the sessions whose end, as the address outside sees it, the log does not tell: as many different destinations are
// taken for late answers as there were sessions to the same address and port.
type untold struct {
	max     int
	table   arena.Table[cell, *cell]
	queue   arena.Queue
	ends    arena.Table[endpoint, *endpoint]
	missing int64
	reading bool // nothing is out of date: it is as it was written
}

// cell is a session to an endpoint, or a refusal from there, in 56 bytes.
type cell struct {
	arena.Order
	key        [16]byte
	time       int64
	next, prev uint32 // neighbours of its endpoint, from the oldest to the newest
	endpoint   uint32
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

// open takes in a session.
func (s *untold) open(o *Session) {
	end := keyOf(place, &o.Peer, o.PeerPort, &o.Peer, 0)
	if number := s.endOf(&end); number != 0 {
		s.expire(number, o)
	}
	s.put(keyOf(translated, &o.Peer, o.PeerPort, &o.Ours, o.OursPort), translated, &end, o)
}

// late takes in a refused record, and says whether it is a late answer, and whether that changed what is remembered.
func (s *untold) late(r *Session) (late, changed bool) {
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

func (s *untold) find(key [16]byte) uint32 {
	return s.table.Find(arena.Hash(&key), func(c *cell) bool { return c.key == key })
}

func (s *untold) endOf(key *[16]byte) uint32 {
	return s.ends.Find(arena.Hash(key), func(e *endpoint) bool { return e.key == *key })
}

// put makes or renews a cell; end is its endpoint's key, nil if it has none.
func (s *untold) put(key [16]byte, kind uint8, end *[16]byte, o *Session) {
	number := s.find(key)
	if number != 0 {
		c := s.table.At(number)
		c.time, c.device = max(c.time, o.Time), o.Device
		arena.Renew(&s.queue, &s.table, number)
		at := c.endpoint
		s.detach(number)
		s.attach(number, at)
		return
	}
	s.makeRoom(o)
	number = s.table.Add(arena.Hash(&key))
	*s.table.At(number) = cell{key: key, time: o.Time, device: o.Device, kind: kind}
	arena.Put(&s.queue, &s.table, number)
	at := s.endOf(end)
	if at == 0 {
		at = s.ends.Add(arena.Hash(end))
		*s.ends.At(at) = endpoint{key: *end}
	}
	s.attach(number, at)
}

// attach makes a cell the newest of an endpoint's list.
func (s *untold) attach(number, end uint32) {
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

func (s *untold) detach(number uint32) {
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
func (s *untold) remove(number uint32) {
	c := s.table.At(number)
	s.detach(number)
	if e := s.ends.At(c.endpoint); e.lists[0].n+e.lists[1].n == 0 {
		s.ends.Remove(arena.Hash(&e.key), c.endpoint)
	}
	arena.Drop(&s.queue, &s.table, number)
	s.table.Remove(arena.Hash(&c.key), number)
}

// expire forgets what is too old of an endpoint, by the clock of the same device alone: a wrong one must not forget what
// others saw.
func (s *untold) expire(end uint32, r *Session) {
	for s.expireOne(end, r) {
	}
}

// expireOne forgets what went out of date first. A session takes a refusal with it, the oldest: that was its late answer, or
// another session's in its stead. Otherwise answers, which come behind their sessions, would outlive them, and be held against
// the answers to the next ones. False: there is no more.
func (s *untold) expireOne(end uint32, r *Session) bool {
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
func (s *untold) oldestOutdated(l *list, r *Session) uint32 {
	if l.oldest == 0 {
		return 0
	}
	if c := s.table.At(l.oldest); !outdated(c.device, c.time, r.Device, r.Time, SessionAge) {
		return 0
	}
	return l.oldest
}

// makeRoom keeps the number of cells in bounds: what is long out of date goes, two for each that comes, and where there is
// no room, what was renewed longest ago.
func (s *untold) makeRoom(o *Session) {
	for i := 0; i < 2 && !s.reading; i++ {
		n := s.queue.Oldest()
		if n == 0 {
			break
		}
		c := s.table.At(n)
		if !outdated(c.device, c.time, o.Device, o.Time, 2*SessionAge) {
			break
		}
		s.expireOne(c.endpoint, o)
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
