package detect

import (
	"activedefense/detect/arena"
	"activedefense/detect/memory"
)

// Ahead is how many events Prefetch looks at: enough that the waits for memory overlap, few
// enough that what came for the first is still in the cache when Observe comes to the last.
const Ahead = 64

// fetch is how far Prefetch has come for one event.
type fetch struct {
	dst      [16]byte
	hash     uint32
	number   uint32 // of the source, then of one of its pairs, then of a past
	port     uint16
	part     uint8 // of the memory
	answered bool
	time     int64
}

// fetches are those of one group of events.
type fetches struct {
	list    [Ahead]fetch
	hints   [Ahead]memory.Hint
	unknown [Ahead]memory.Hint
	// touched takes something of all that is read, or the compiler would not read it.
	touched uint32
}

// Prefetch brings what Observe will need for the first Ahead of the events into the
// processor's caches. What Observe says and what Stats tell does not depend on it; it is
// for callers that have events at hand before they observe them. Events without a
// source are passed over.
//
// The evidence of many sources is larger than any cache, and Observe is a chain of steps
// each of which has to wait for memory: the slot of the directory, the source, one
// pair after the other. Here each step is taken for all the events before
// the next, so that the processor waits for all of them at once. A step first touches
// memory without asking what is there, because to ask wrongly is to wait as well.
func (e *Engine) Prefetch(events []Event) {
	fetchAhead(e, events, e.memory != nil && e.rules[probe].window != 0)
}

// PrefetchRecalled is Prefetch for Recall, which needs nothing of what the memory has of probes.
func (e *Engine) PrefetchRecalled(events []Event) { fetchAhead(e, events, false) }

// fetchAhead is Prefetch, with or without what the memory has of probes.
func fetchAhead(e *Engine, events []Event, probes bool) {
	list := fetchSources(e, fetchSlots(e, events[:min(len(events), Ahead)]), probes)
	if !e.pairs.Any() {
		return
	}
	if list = e.fetchPairs(list); e.pasts.Any() {
		e.fetchPasts(list)
	}
}

// fetchSlots touches the slots of the directory where the sources of the events should be.
func fetchSlots(e *Engine, events []Event) []fetch {
	list := e.ahead.list[:0]
	for i := range events {
		ev := &events[i]
		if src := plain(ev.Src); src.IsValid() && isPublic(src) {
			key := e.keyOf(src)
			list = append(list, fetch{dst: ev.Dst.As16(), hash: arena.Hash(&key), port: ev.DstPort, part: uint8(memory.PartOf(&key)),
				answered: ev.Session == SessionAnswered, time: nanoseconds(ev.Time)})
		}
	}
	for i := range list {
		e.ahead.touched += e.sources.Touch(list[i].hash)
	}
	return list
}

// fetchSources touches the sources, with probes what the memory has of them, and goes on to
// the first pair of the light ones.
func fetchSources(e *Engine, list []fetch, probes bool) []fetch {
	known, hints, unknown := list[:0], e.ahead.hints[:0], e.ahead.unknown[:0]
	for _, f := range list {
		// Another source with the same hash is rare, and costs no more than being of no use.
		f.number = e.sources.First(f.hash)
		switch {
		case f.number != 0:
			known = append(known, f)
		case f.answered: // the memory may know it all the same
			hints = append(hints, memory.Hint{Part: f.part, Hash: f.hash})
		default:
			unknown = append(unknown, memory.Hint{Part: f.part, Hash: f.hash})
		}
	}
	for i := range known {
		e.ahead.touched += e.sources.At(known[i].number).held
	}
	light := known[:0]
	for _, f := range known {
		s := e.sources.At(f.number)
		hints = append(hints, memory.Hint{Part: f.part, Hash: f.hash, Hint: s.packed.probe()})
		if f.number = s.held; !s.packed.heavy() {
			light = append(light, f)
		}
	}
	if probes {
		e.ahead.touched += e.memory.Prefetch(hints) + e.memory.Touch(unknown)
	}
	return light
}

// fetchPairs touches the pairs of light sources, and goes on to the older points of the one
// that an event belongs to.
func (e *sightings) fetchPairs(list []fetch) []fetch {
	var own [Ahead]fetch
	found := own[:0]
	for len(list) > 0 {
		for i := range list {
			p := e.pairs.At(list[i].number)
			e.ahead.touched += uint32(p.dst[0]) + uint32(p.port) // may lie on two cache lines
		}
		more := list[:0]
		for _, f := range list {
			p := e.pairs.At(f.number)
			if p.port == f.port && p.dst == f.dst {
				found = append(found, fetch{number: p.older, time: f.time})
			}
			if f.number = p.next; f.number != 0 {
				more = append(more, f)
			}
		}
		list = more
	}
	return append(list, found...)
}

// fetchPasts touches older points: the one that arrived last, and where the event is to become
// a point beside it (see extend) all the others.
func (e *sightings) fetchPasts(list []fetch) {
	for i := range list {
		p := e.pasts.At(list[i].number)
		e.ahead.touched += uint32(p.time) + p.next
	}
	for len(list) > 0 {
		more := list[:0]
		for _, f := range list {
			p := e.pasts.At(f.number)
			e.ahead.touched += uint32(p.time)
			if f.number = p.next; f.number != 0 && f.time-p.time > e.shortest {
				more = append(more, f)
			}
		}
		list = more
	}
}
