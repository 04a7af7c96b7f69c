package memory

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"activedefense/detect/arena"
)

// sessions are those that ours opened lately, in the order in which they were told. A late answer is a record whose destination
// is the very end that a session came from; sessions of which that end is not told are also in untold.
//
// Hardly any session is ever asked for. So to take one in costs no search: it is written behind the others, and its address
// outside is marked. Only for a record from a marked address is anything looked for.
type sessions struct {
	max     int
	ring    arena.Ring[session, *session]
	oldest  session // of the ring, which is looked at for each that comes; where that is empty, of no meaning
	peers   marks
	fresh   [8]uint32 // hashes of addresses that are yet to be marked: several at a time, for the memory is slow and each stands elsewhere
	unset   int       // how many of those there are
	touched uint32
	untold  untold
	missing int64
}

// session is one of them, in 32 bytes.
type session struct {
	key    [16]byte
	time   int64
	before uint32
	device uint16
}

// Hash and Before make a session a cell of the ring.
func (c *session) Hash() uint32    { return arena.Hash(&c.key) }
func (c *session) Before() *uint32 { return &c.before }

// longest is how many sessions with a hash like the record's are looked at. Where it is passed, one end opened the same
// session again and again.
const longest = 64

// sessionMarks is how many bits mark addresses for each session that there is room for: most have one in common with others.
const sessionMarks = 4

// privileged is below which port nobody opens a session from: no late answer goes there.
const privileged = 1024

// What a key is the name of.
const (
	exact      = 1 + iota // a session, by both ends as the address outside sees them
	translated            // a session whose address and port outside of us are not known
	refusal               // a refused record that may be the answer to one of those
	place                 // an end outside, see endpoint
)

// keyOf names a session. Of IPv4 the name holds everything; of IPv6 it is a digest, which nobody can choose to meet another.
func keyOf(kind uint8, peer *[16]byte, peerPort uint16, ours *[16]byte, oursPort uint16) (key [16]byte) {
	if isIPv4(peer) && isIPv4(ours) {
		ends := uint64(binary.LittleEndian.Uint32(peer[12:]))<<32 | uint64(binary.LittleEndian.Uint32(ours[12:]))
		binary.LittleEndian.PutUint64(key[8:], ends)
		binary.LittleEndian.PutUint64(key[:8], uint64(kind)|uint64(peerPort)<<16|uint64(oursPort)<<32)
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

// missingUntil is until when a session that was not found may have been forgotten before its time.
func (s *sessions) missingUntil() int64 { return max(s.missing, s.untold.missing) }

// open takes in a session; peer is the hash of its address outside.
func (s *sessions) open(o *Session, peer uint32) {
	s.peers.need(s.max, sessionMarks)
	s.peers.made()
	s.mark(peer)
	s.put(&session{key: keyOf(exact, &o.Peer, o.PeerPort, &o.Ours, o.OursPort), time: o.Time, device: o.Device})
	if o.Untranslated {
		s.untold.open(o)
	}
}

// mark notes that a session to an address outside was opened, by its hash.
func (s *sessions) mark(peer uint32) {
	s.fresh[s.unset] = peer
	if s.unset++; s.unset < len(s.fresh) {
		return
	}
	s.unset = 0
	for _, hash := range s.fresh {
		s.touched += s.peers.touch(hash)
	}
	for _, hash := range s.fresh {
		s.peers.set(hash)
	}
}

// spoken tells whether a session to an address outside may have been opened, by its hash.
func (s *sessions) spoken(peer uint32) bool {
	return s.peers.may(peer) || slices.Contains(s.fresh[:s.unset], peer)
}

// late says whether a record is a late answer, and whether that changed what is remembered; peer is the hash of its address
// outside.
func (s *sessions) late(r *Session, peer uint32) (late, changed bool) {
	if s.spoken(peer) && s.opened(r) {
		return true, false
	}
	if r.OursPort < privileged || s.untold.table.Used() == 0 {
		return false, false
	}
	return s.untold.late(r)
}

// near says whether a session that was open at one time can have late answers at another. (What is known of it may be its
// end, which may come after the answer where lines are out of order.)
func near(open, at int64) bool { return at-open < int64(SessionAge) && open-at < int64(SessionAge) }

// opened says whether ours opened the session that a record is of.
func (s *sessions) opened(r *Session) bool {
	key := keyOf(exact, &r.Peer, r.PeerPort, &r.Ours, r.OursPort)
	return s.ring.Find(arena.Hash(&key), longest, func(c *session) bool { return c.key == key && near(c.time, r.Time) }) != nil
}

// put takes in a session as the one told last. What is long out of date by the clock of its device goes, two for each that
// comes, and where there is no room, what was told first.
func (s *sessions) put(c *session) {
	for range 2 {
		if s.ring.Len() == 0 {
			break
		}
		if !outdated(s.oldest.device, s.oldest.time, c.device, c.time, 2*SessionAge) {
			break
		}
		s.drop()
	}
	s.add(c)
}

// add puts in a session where there is room, or else in the place of what was told first.
func (s *sessions) add(c *session) {
	if s.ring.Len() >= s.max {
		if gone := s.oldest.time; near(gone, c.time) {
			s.missing = max(s.missing, gone+int64(SessionAge))
		}
		s.drop()
	}
	if s.ring.Put(c, s.max); s.ring.Len() == 1 {
		s.oldest = *c
	}
}

// drop forgets the oldest.
func (s *sessions) drop() {
	if s.ring.Drop(); s.ring.Len() > 0 {
		s.oldest = *s.ring.At(0)
	}
}

// outdated says whether one time is an age behind another by the clock of the same device: a wrong one must not forget what
// others saw.
func outdated(device uint16, at int64, by uint16, now int64, age time.Duration) bool {
	return device == by && now-at >= int64(age)
}
