package memory

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"

	"activedefense/detect/arena"
)

// singles are the sources that one target refused: nearly all of them never reach another. They are held in the order in which they
// came, and the first goes where there is no room.
type singles struct {
	max    int
	window int64 // how far back refusals count
	ring   arena.Ring[single, *single]
	struck int // how many are none any more
}

// single is a source that one target refused, in 64 bytes.
type single struct {
	key      Key
	dst      [16]byte
	time     int64  // of the latest refusal
	ref      uint64 // of that
	before   uint32
	begun    uint32 // when the first refusal was, in seconds since 1970
	port     uint16
	device   uint16
	refusals uint16 // records
	proven   bool   // all of them were of a source that was really there; false: none
	struck   bool   // it is none any more, but has its place, and others are found behind it
}

// again takes in a refusal by the same target.
func (c *single) again(t *Target) bool {
	if c.port != t.Port || c.proven != t.Proven || c.dst != t.Dst {
		return false
	}
	if t.Time >= c.time {
		c.time, c.ref = t.Time, t.Ref
	}
	c.begun = min(c.begun, seconds(t.Time))
	if c.device = t.Device; c.refusals < math.MaxUint16 {
		c.refusals++
	}
	return true
}

// Hash and Before make it a cell of the ring.
func (c *single) Hash() uint32    { return arena.Hash(&c.key) }
func (c *single) Before() *uint32 { return &c.before }

func (s *singles) len() int { return s.ring.Len() - s.struck }

func (s *singles) find(key *Key, hash uint32) *single {
	return s.ring.Find(hash, longest, func(c *single) bool { return !c.struck && c.key == *key })
}

// A hint from singleHint on is the place of a single, any other the number of a source; 0: none.
const singleHint = 1 << 23

// hinted gives what is at the place that a hint names; nil if it names none.
func (s *singles) hinted(hint uint32) *single {
	if hint < singleHint {
		return nil
	}
	return s.ring.Cell(int(hint - singleHint))
}

// put remembers a source, which is not there, and a target that refused it, and gives the hint. What is out of date by the clock of
// its device goes.
func (s *singles) put(t *Target) (hint uint32) {
	if s.ring.Len() > 0 && s.ring.Len() < s.max {
		if c := s.ring.At(0); outdated(c.device, c.time, t.Device, t.Time, time.Duration(s.window)) {
			s.strike(c) // or a hint would still find it
			s.drop()
		}
	}
	return s.add(&single{key: t.Key, dst: t.Dst, time: max(t.Time, 1), ref: t.Ref, begun: seconds(t.Time), port: t.Port, device: t.Device, refusals: 1, proven: t.Proven})
}

// add puts in a single where there is room, or else in the place of the first.
func (s *singles) add(c *single) (hint uint32) {
	if s.ring.Len() >= s.max {
		s.drop()
	}
	if place := s.ring.Put(c, s.max); place < singleHint {
		hint = singleHint + uint32(place)
	}
	if c.struck {
		s.struck++
	}
	return hint
}

// drop forgets the first. Where there is no room, the next one is put into its place, which is in no cache: it is looked at only where
// it may be struck.
func (s *singles) drop() {
	if s.struck > 0 && s.ring.At(0).struck {
		s.struck--
	}
	s.ring.Drop()
}

// strike forgets one.
func (s *singles) strike(c *single) {
	if !c.struck {
		s.struck++
	}
	c.struck = true
}

// forgetIn forgets those in some networks, and tells of each.
func (s *singles) forgetIn(in func(netip.Addr) bool, forgot func(netip.Prefix)) {
	for i := range s.ring.Len() {
		c := s.ring.At(i)
		if addr := netip.AddrFrom16(c.key).Unmap(); !c.struck && in(addr) {
			s.strike(c)
			forgot(netip.PrefixFrom(addr, addr.BitLen()))
		}
	}
}

func (s *singles) write(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.ring.Len()))
	var last int64
	var ref uint64
	for i := range s.ring.Len() {
		c := s.ring.At(i)
		b = appendUint16s(append(appendAddr(appendAddr(b, &c.key), &c.dst), flag(c.proven), flag(c.struck)), c.port, c.device, c.refusals)
		b = binary.AppendVarint(b, c.time-last)
		b = binary.AppendVarint(b, int64(c.begun)-int64(seconds(c.time)))
		b = binary.AppendVarint(b, int64(c.ref-ref))
		last, ref = c.time, c.ref
	}
	return b
}

// read takes in what write wrote, or an earlier version in its long way, and has each marked.
func (s *singles) read(r *reader, long bool, mark func(hash uint32)) {
	var last int64
	var ref uint64
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		c := single{key: r.addr(), dst: r.addr(), proven: r.byte() != 0, struck: r.byte() != 0, port: r.uint16(), device: r.uint16(), refusals: r.uint16()}
		if long {
			c.begun = r.uint32()
		}
		last += r.varint()
		if c.time = last; long {
			c.ref = r.uvarint()
		} else {
			c.begun = uint32(int64(seconds(last)) + r.varint())
			ref += uint64(r.varint())
			c.ref = ref
		}
		if r.err == nil {
			mark(c.Hash())
			s.add(&c)
		}
	}
}
