package detect

import (
	"hash/fnv"
	"math"
)

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
