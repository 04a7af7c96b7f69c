package detect

import (
	"math"
)

// Bounds on what is held for one source; the comment of pair says why they suffice.
const (
	maxPairs      = 16_384 // of one source
	lightMax      = 32     // more pairs than these, and the source gets an index
	pointsPerPair = 8      // times that are kept of a pair, for equal windows
	maxPoints     = 64     // the same, however much the windows differ
	pairsPerNeed  = 8      // pairs of one key, for each value that fires the rule
)

// sighting is one record as both counting rules see it: at some time a source reached
// a port of a destination address.
type sighting struct {
	dst    [16]byte
	port   uint16
	weight uint16 // records it stands for
	device uint16 // whose clock the time is of, see devices
	class  class
	time   int64 // nanoseconds since 1970, never negative
	ref    uint64
}

// class is what sightings of one port of one address may differ in: which rules count them, by their bits, and whether the
// source is proven. Those of different classes are different pairs, with the same value for a rule that counts both.
type class uint8

const (
	classProven class = 1 << 6
	classLate   class = 1 << 7 // of a pair alone: a point arrived after another one with a later time
	classRules  class = 1<<countingRules - 1
)

// in tells whether a rule counts it.
func (c class) in(r int) bool { return c&(1<<r) != 0 }

// proven gives the grade's part.
func (c class) proven() bool { return c&classProven != 0 }

// pair holds the sightings of one port of one destination address by one source. It
// has 48 bytes and no pointer; there are millions. For both rules it is one value of a
// key: for port-scan a port of the key dst, for host-sweep an address of the key port.
//
// # Which sightings are needed
//
// A rule asks for an interval, any two times in which differ by less than the
// window w, that holds enough distinct values of one key. Of three sightings
// t1 < t2 < t3 of one pair with t3-t1 <= w the middle one is redundant: an interval
// that holds t2 but neither t1 nor t3 lies inside (t1, t3). Reaching out to t3 it spans
// t3-min < t3-t1 <= w, so it is still an interval of the rule, it has lost nothing, and
// it holds the value by t3. If t3 is redundant in its turn, the same step leads on to
// another sighting; each step takes in one more, so it ends. Hence no sequence of
// removals changes the answer, whatever comes later, and what stays has at most two
// points of a pair in any w. Where the windows of the rules differ, w is the shorter:
// what is redundant for it is so for both.
//
// As long as a source has not fired, only intervals that hold the new sighting can
// fire it: all others were asked before. If no time of the key lies after the new one,
// all such intervals lie in the one that ends with it, and of each pair only the last
// time matters; that is the usual case, and the cheap one.
//
// # What is out of date
//
// A pair goes when its times lie more than twice the longest window before a new record
// of the same firewall, and not near one of the pairs that the source reached last
// either. It could only matter for a record more than a window late. The firewall must
// be the same, and the pairs reached last have a say, because a clock that is wrong, or a
// forged time, must not age out what others saw.
//
// # What the caps may drop
//
// A pair has room for so many points, a key and a source
// for so many pairs, and beyond that go those that arrived first. That loses nothing
// while the disorder of arrival stays below w: a point that can still matter lies less
// than 2w before the latest time, so all that arrived after it lie in the last 3w. In
// these a pair has at most 6 points, and a key whose rule has not fired at most 3 pairs
// for each value that it needs. The caps are higher, so that firewalls whose clocks
// differ find room beside each other.
type pair struct {
	dst    [16]byte
	time   int64 // the point that arrived last
	ref    uint64
	older  uint32 // the points before it, see past; 0: none
	next   uint32 // light sources: the next pair; 0: none
	port   uint16
	weight uint16 // of the last point: its records, and those found redundant beside it
	device uint16 // whose clock all the times are of; anyDevice: of several, or not known
	count  uint8  // points
	class  class
}

// past is a point of a pair other than the one that arrived last, in 24 bytes.
type past struct {
	time   int64
	ref    uint64
	next   uint32 // the one that arrived before it; 0: none
	weight uint16
}

func (p *pair) Link() *uint32 { return &p.next }
func (p *past) Link() *uint32 { return &p.next }

// point is a time of a pair.
type point struct {
	time   int64
	ref    uint64
	weight uint16
}

func newPair(s *sighting) pair {
	return pair{dst: s.dst, time: s.time, ref: s.ref, port: s.port, weight: s.weight, device: s.device, count: 1, class: s.class}
}

// late tells whether a point arrived after another one with a later time.
func (p *pair) late() bool { return p.class&classLate != 0 }

// is tells whether a sighting of the same port of the same address belongs to the pair.
func (p *pair) is(s *sighting) bool { return p.class&^classLate == s.class }

// addPair makes a pair of its first sighting and gives its number.
func (e *sightings) addPair(s *sighting) uint32 {
	i := e.pairs.Take()
	*e.pairs.At(i) = newPair(s)
	e.held++
	e.room += pairRoom
	return i
}

func (e *sightings) dropPair(i uint32) {
	e.dropPasts(e.pairs.At(i))
	e.pairs.Give(i)
	e.held--
	e.room -= pairRoom
}

// matches says whether the pair has the key of a sighting for a rule.
func (p *pair) matches(r int, s *sighting) bool {
	if r == portScan {
		return p.dst == s.dst
	}
	return p.port == s.port
}

// plus adds weights, up to what can be held.
func plus(a, b uint16) uint16 {
	return uint16(min(uint32(a)+uint32(b), math.MaxUint16))
}

// apart gives how far two times of sightings are from each other. Neither is negative,
// so the difference cannot overflow.
func apart(a, b int64) int64 {
	if a < b {
		return b - a
	}
	return a - b
}
