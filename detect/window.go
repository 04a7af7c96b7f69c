package detect

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// maxEvidence is how many records a verdict names.
const maxEvidence = 64

// valued is a point of a pair as one rule sees it.
type valued struct {
	point
	id     int32 // small number of the value, set by number
	proven bool
	value  [16]byte // the destination address, or the port in the last two bytes
}

// window gathers the sightings of one key around a new one and looks among them
// for an interval that fires. It is used again for every event, so that counting
// allocates nothing.
type window struct {
	points []valued
	slots  []slot  // open addressing, from a value to its id
	turn   uint32  // slots of another turn are empty
	first  []int32 // by id: a point with that value
	inside []int32 // by id: points in the interval
}

type slot struct {
	turn uint32
	id   int32
}

// begin empties the window and puts the new sighting into it.
func (w *window) begin(r int, s *sighting) {
	w.points = w.points[:0]
	w.put(r, &s.dst, s.port, s.class.proven(), point{s.time, s.ref, s.weight})
}

// add puts in a point of a pair.
func (w *window) add(r int, p *pair, at point) {
	w.put(r, &p.dst, p.port, p.class.proven(), at)
}

func (w *window) put(r int, dst *[16]byte, port uint16, proven bool, at point) {
	v := valued{point: at, proven: proven}
	if r == portScan {
		binary.BigEndian.PutUint16(v.value[14:], port)
	} else {
		v.value = *dst
	}
	w.points = append(w.points, v)
}

// number gives every point the id of its value, 0 upwards, and returns how many
// distinct values there are.
func (w *window) number() int {
	if size := 2 * len(w.points); size > len(w.slots) {
		w.slots = make([]slot, 1<<bitsFor(size))
		w.turn = 0
	}
	w.turn++
	if w.turn == 0 {
		clear(w.slots)
		w.turn = 1
	}
	w.first = w.first[:0]
	mask := uint64(len(w.slots) - 1)
	for i := range w.points {
		p := &w.points[i]
		for h := spread(&p.value); ; h++ {
			s := &w.slots[h&mask]
			if s.turn != w.turn {
				*s = slot{turn: w.turn, id: int32(len(w.first))}
				w.first = append(w.first, int32(i))
			} else if w.points[w.first[s.id]].value != p.value {
				continue
			}
			p.id = s.id
			break
		}
	}
	return len(w.first)
}

// spread mixes a value into a number whose low bits differ. The few values of one
// window need no defence against chosen collisions.
func spread(value *[16]byte) uint64 {
	h := binary.LittleEndian.Uint64(value[:8])*0x9e3779b97f4a7c15 ^ binary.LittleEndian.Uint64(value[8:])
	h *= 0xff51afd7ed558ccd
	return h ^ h>>32
}

// bitsFor gives the smallest b with 1<<b >= n.
func bitsFor(n int) int {
	b := 4
	for 1<<b < n {
		b++
	}
	return b
}

// find looks for an interval shorter than span with at least need distinct values.
// All points lie less than span from t, the time of the new one. The points of the
// interval, ordered by time and then by ref, are points[from:to].
func (w *window) find(need int, span, t int64) (from, to int, ok bool) {
	if len(w.points) < need || w.number() < need {
		return 0, 0, false
	}
	slices.SortFunc(w.points, func(a, b valued) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.ref, b.ref))
	})
	w.inside = slices.Grow(w.inside[:0], len(w.first))[:len(w.first)]
	clear(w.inside)
	distinct := 0
	for to := range w.points {
		if w.inside[w.points[to].id]++; w.inside[w.points[to].id] == 1 {
			distinct++
		}
		for w.points[to].time-w.points[from].time >= span {
			if w.inside[w.points[from].id]--; w.inside[w.points[from].id] == 0 {
				distinct--
			}
			from++
		}
		if w.points[to].time >= t && distinct >= need {
			return from, to + 1, true
		}
	}
	return 0, 0, false
}

// find looks whether a new sighting fires a rule, with the window gathered for it. Where the proven sightings fire it by themselves,
// the finding is theirs. (Where the new one is not proven they do not: they were asked when the last proven one came.)
func (e *sightings) find(r int, s *sighting) (finding, bool) {
	from, to, grade, ok := e.graded(e.rules[r].need, e.rules[r].window, s.time, s.class.proven())
	return finding{r, from, to, grade}, ok
}

// graded is find for a sighting at t.
func (e *sightings) graded(need int, span, t int64, proven bool) (from, to int, grade Grade, ok bool) {
	if proven {
		all := append(e.gathered[:0], e.window.points...)
		e.gathered = all
		e.window.points = slices.DeleteFunc(e.window.points, func(p valued) bool { return !p.proven })
		if from, to, ok := e.window.find(need, span, t); ok {
			return from, to, Proven, true
		}
		e.window.points = append(e.window.points[:0], all...)
	}
	from, to, ok = e.window.find(need, span, t)
	return from, to, Forgeable, ok
}

// evidence picks the refs of at most maxEvidence points, in their order: one of
// each value as long as there is room, then others. The completing point is always
// among them.
func evidence(points []valued, completing uint64) []uint64 {
	if len(points) <= maxEvidence {
		refs := make([]uint64, len(points))
		for i := range points {
			refs[i] = points[i].ref
		}
		return refs
	}
	chosen := make([]bool, len(points))
	room := maxEvidence
	seen := make(map[[16]byte]bool, maxEvidence)
	choose := func(i int) {
		if room > 0 && !chosen[i] {
			chosen[i], seen[points[i].value] = true, true
			room--
		}
	}
	for i := range points {
		if points[i].ref == completing {
			choose(i)
			break
		}
	}
	for i := range points {
		if !seen[points[i].value] {
			choose(i)
		}
	}
	for i := range points {
		choose(i)
	}
	refs := make([]uint64, 0, maxEvidence)
	for i := range points {
		if chosen[i] {
			refs = append(refs, points[i].ref)
		}
	}
	return refs
}

// tally is what a walk along the pairs of one key tells of a new sighting, before
// anything is gathered.
type tally struct {
	pairs  int  // of the key, without the sighting's own
	recent int  // those whose last time lies in the window that ends with the sighting
	known  bool // the own pair's last time does, too: the sighting adds no value
	mixed  bool // some time lies after the sighting, or may: the other windows count, too
}

// see takes in a pair of the key.
func (t *tally) see(p *pair, s *sighting, window int64) {
	t.pairs++
	if t.look(p, s, window) {
		t.recent++
	}
}

// seeOwn takes in a pair of the sighting's own value: its own, or one of another class.
func (t *tally) seeOwn(p *pair, s *sighting, window int64) {
	if t.look(p, s, window) {
		t.known = true
	}
}

func (t *tally) look(p *pair, s *sighting, window int64) bool {
	if p.late() || p.time > s.time {
		t.mixed = true
	}
	return apart(p.time, s.time) < window
}

// near says that with the sighting there is at least half of what fires the rule.
func (t *tally) near(need int) bool { return 2*(t.recent+1) >= need }

// hopeless says that the sighting cannot fire the rule, so that nothing need be gathered.
func (t *tally) hopeless(need int) bool {
	switch {
	case t.pairs+1 < need:
		return true
	case t.mixed:
		return false
	}
	return t.known || t.recent+1 < need
}
