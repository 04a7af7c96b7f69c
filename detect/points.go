package detect

import (
	"cmp"
	"hash/fnv"
	"math"
	"slices"

	"activedefense/detect/redundant"
)

// extend adds a sighting to its pair.
func (e *sightings) extend(p *pair, s *sighting) {
	if p.device != s.device {
		p.device = anyDevice
	}
	switch {
	case p.late() || s.time < p.time:
		e.extendLate(p, s)
	case s.time == p.time:
		p.weight = plus(p.weight, s.weight)
	case p.older != 0 && s.time-e.pasts.At(p.older).time <= e.shortest:
		p.time, p.ref, p.weight = s.time, s.ref, plus(p.weight, s.weight)
	default:
		if int(p.count) == e.pointsPerPair {
			e.dropFirst(p)
		}
		e.pushPast(p, point{p.time, p.ref, p.weight})
		if p.device != anyDevice {
			e.dropPastsBefore(p, p.time-e.horizon)
		}
		p.time, p.ref, p.weight = s.time, s.ref, s.weight
	}
}

// extendLate is extend for a pair whose times do not ascend as they arrive.
func (e *sightings) extendLate(p *pair, s *sighting) {
	e.points = e.appendPoints(e.points[:0], p)
	var near redundant.Times
	for i := range e.points {
		near.Add(s.time, redundant.Time{At: e.points[i].time, Number: i + 1})
	}
	if i := near.Covering(s.time, e.shortest); i != 0 {
		e.points[i-1].weight = plus(e.points[i-1].weight, s.weight)
	} else {
		latest := point{s.time, s.ref, s.weight}
		for _, i := range near.Covered(s.time, e.shortest) {
			if i != 0 {
				latest.weight = plus(latest.weight, e.points[i-1].weight)
				e.points[i-1].weight = 0
			}
		}
		kept := slices.DeleteFunc(e.points, func(p point) bool { return p.weight == 0 })
		e.points = slices.Insert(kept, 0, latest)
		if len(e.points) > e.pointsPerPair {
			e.points = e.points[:e.pointsPerPair]
		}
	}
	e.dropPasts(p)
	if p.class &^= classLate; !slices.IsSortedFunc(e.points, func(a, b point) int { return cmp.Compare(b.time, a.time) }) {
		p.class |= classLate
	}
	for i := len(e.points) - 1; i > 0; i-- {
		e.pushPast(p, e.points[i])
	}
	p.time, p.ref, p.weight = e.points[0].time, e.points[0].ref, e.points[0].weight
}

// appendPoints appends the points of a pair, the one that arrived last first.
func (e *sightings) appendPoints(list []point, p *pair) []point {
	list = append(list, point{p.time, p.ref, p.weight})
	for i := p.older; i != 0; {
		old := e.pasts.At(i)
		list = append(list, point{old.time, old.ref, old.weight})
		i = old.next
	}
	return list
}

// pushPast puts a point before those that arrived earlier. Where there is no room for
// more of them, the pair's first one goes, or this one: older points matter only for
// records that come late, so that they are a better loss than a source.
func (e *sightings) pushPast(p *pair, old point) {
	if e.pasts.Used() >= e.maxPasts {
		e.dropped++
		if p.older == 0 {
			return
		}
		e.dropFirst(p)
	}
	i := e.pasts.Take()
	*e.pasts.At(i) = past{old.time, old.ref, p.older, old.weight}
	p.older = i
	p.count++
	e.held++
}

// dropFirst drops the point that arrived first, of several.
func (e *sightings) dropFirst(p *pair) {
	at := &p.older
	for e.pasts.At(*at).next != 0 {
		at = &e.pasts.At(*at).next
	}
	e.dropPast(p, at)
}

// dropPastsBefore drops the points up to t of a pair whose times ascend as they arrived.
func (e *sightings) dropPastsBefore(p *pair, t int64) {
	at := &p.older
	for *at != 0 && e.pasts.At(*at).time > t {
		at = &e.pasts.At(*at).next
	}
	for *at != 0 {
		e.dropPast(p, at)
	}
}

// dropPasts drops all points but the last.
func (e *sightings) dropPasts(p *pair) {
	for p.older != 0 {
		e.dropPast(p, &p.older)
	}
}

func (e *sightings) dropPast(p *pair, at *uint32) {
	i := *at
	*at = e.pasts.At(i).next
	e.pasts.Give(i)
	p.count--
	e.held--
}

const (
	// retireEvery is how many new pairs of a light source come between two looks for what is out of date.
	retireEvery = 8
	// recentPairs is how many of the pairs reached last keep what lies near them in time.
	recentPairs = 8
)

// anyDevice is the number of a pair that was seen by several devices, or by one beyond the 65,534 that
// are told apart: it is never out of date.
const anyDevice = math.MaxUint16

// devices numbers the firewalls: a clock is a device's.
type devices struct {
	numbers map[string]uint16
	last    string // with its numbers: records of one device come in rows
	number  uint16
	clock   uint16
}

// of gives the numbers of a device. The second is the memory's, which is the same after a restart, and may be that of several.
func (d *devices) of(name string) (number, clock uint16) {
	if name == d.last && d.numbers != nil {
		return d.number, d.clock
	}
	if d.numbers == nil {
		d.numbers = make(map[string]uint16)
	}
	number, ok := d.numbers[name]
	switch {
	case ok:
	case len(d.numbers) < anyDevice:
		number = uint16(len(d.numbers))
		d.numbers[name] = number
	default:
		number = anyDevice
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	d.last, d.number, d.clock = name, number, uint16(h.Sum32())
	return number, d.clock
}

// recent holds the times of the pairs that a source reached last.
type recent struct {
	times [recentPairs]int64
	n     int
}

func (r *recent) full() bool { return r.n == recentPairs }

// see takes in a pair, the one reached last first.
func (r *recent) see(p *pair) {
	if r.n < recentPairs {
		r.times[r.n] = p.time
		r.n++
	}
}

// outdated says that a pair can no longer matter beside a new sighting, see pair.
func (r *recent) outdated(p *pair, s *sighting, horizon int64) bool {
	if p.late() || p.device == anyDevice || p.device != s.device || s.time-p.time < horizon {
		return false
	}
	for _, t := range r.times {
		if apart(t, p.time) < horizon {
			return false
		}
	}
	return true
}
