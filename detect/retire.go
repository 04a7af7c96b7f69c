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

// deviceOf numbers the devices: a clock is a device's. The second number is the memory's, which is the same after a restart,
// and may be that of several.
func (e *Engine) deviceOf(name string) (number, clock uint16) {
	if name == e.lastDevice && e.devices != nil {
		return e.lastNumber, e.lastClock
	}
	if e.devices == nil {
		e.devices = make(map[string]uint16)
	}
	number, ok := e.devices[name]
	switch {
	case ok:
	case len(e.devices) < anyDevice:
		number = uint16(len(e.devices))
		e.devices[name] = number
	default:
		number = anyDevice
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	e.lastDevice, e.lastNumber, e.lastClock = name, number, uint16(h.Sum32())
	return number, e.lastClock
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
