// Package detect finds the addresses that scan or attack. It is pure: events go in,
// verdicts come out, and the only time it knows is the time of the events.
//
// The Engine counts, for every public source address, the ports it reached on one
// destination (port-scan) and the destinations it reached on one port (host-sweep);
// a vulnerability record fires by itself. What fires does not depend on how the
// records of several firewalls interleave, nor on one of them having a wrong clock.
// Memory is bounded, see Settings.MaxSources. The Guard says what must never be
// blocked; the caller asks it before acting on a verdict.
//
// The package reads no logs (see detect/panos), stores and blocks nothing, and
// starts no goroutine. An Engine belongs to one goroutine; a Guard may be shared.
package detect

import (
	"activedefense/detect/arena"
	"hash/maphash"
	"math"
	"net/netip"
	"time"
)

// Room for pairs and indexes is measured in parts of 24 bytes. There is room for four pairs
// of each source on average, and, kept apart because memory once taken for one is not given
// to the other, for as many older points of them.
const (
	linkRoom       = 1 // of an index, for each pair that fits into it
	pairRoom       = 2
	pairsEach      = 4
	smallestEngine = 4 * maxPairs // a source at its own cap has room, and others
)

// Engine holds the evidence against sources that are not blocked yet, and the
// addresses that are. It is not safe for concurrent use.
type Engine struct {
	settings      Settings
	rules         [countingRules]rule
	shortest      int64 // the shorter window of the rules that are on
	horizon       int64 // twice the longer
	pointsPerPair int
	maxSources    int
	maxPasts      int
	maxRoom       int

	blocked prefixSet

	directory      arena.Directory // of sources, by address
	sources        arena.Slab[source, *source]
	newest, oldest uint32 // ends of the list of sources
	pairs          arena.Slab[pair, *pair]
	pasts          arena.Slab[past, *past]
	heavies        arena.Slab[heavy, *heavy]
	blocks         arena.Slab[block, *block]
	seed           maphash.Seed
	held           int // sightings
	room           int // taken by pairs and indexes

	devices    map[string]uint16
	lastDevice string // with its number: records of one device come in rows
	lastNumber uint16

	ahead   fetches
	window  window
	points  []point // at work
	indexes []int   // at work

	stats Stats
	fired [countingRules]uint64
	hit   uint64 // vulnerability fired
}

// Stats are the engine's counters. Those of events start at 0 with the engine.
type Stats struct {
	Sources   int               // that have evidence
	Sightings int               // held as evidence
	Blocked   int               // entries of the blacklist
	Evicted   uint64            // sources forgotten because memory was full
	Dropped   uint64            // sightings forgotten because their source had too many, or all of them
	Fired     map[string]uint64 // verdicts by rule
}

// New makes an engine without evidence and with an empty blacklist.
func New(s Settings) *Engine {
	e := &Engine{
		settings:      s,
		rules:         s.rules(),
		pointsPerPair: pointsPerPair,
		maxSources:    min(s.MaxSources, 1<<28), // numbers of sightings have 32 bits
		seed:          maphash.MakeSeed(),
	}
	if e.maxSources <= 0 {
		e.maxSources = defaultMaxSources
	}
	e.maxPasts = max(pairsEach*e.maxSources, smallestEngine)
	e.maxRoom = e.maxPasts * pairRoom
	long := max(e.rules[portScan].window, e.rules[hostSweep].window)
	e.horizon = 2 * min(long, math.MaxInt64/4)
	for _, r := range e.rules {
		if r.window != 0 && (e.shortest == 0 || r.window < e.shortest) {
			e.shortest = r.window
		}
	}
	if e.shortest != 0 {
		// Points lie apart by the shorter window, and must reach back by the longer.
		ratio := (long-1)/e.shortest + 1
		e.pointsPerPair = int(min(pointsPerPair*min(ratio, maxPoints), maxPoints))
	}
	return e
}

// Observe counts one event and says what became of it. On Fired the evidence against
// the source is gone: the caller calls Block, or does not if the Guard refuses.
func (e *Engine) Observe(ev *Event) Result {
	src := plain(ev.Src)
	if !src.IsValid() {
		return Result{}
	}
	key := src.As16()
	if entry, ok := e.blocked.covering(src, key); ok {
		return Result{Outcome: Blocked, Entry: entry}
	}
	// Before the look into the directory, which for a private source would only be a walk
	// to memory that is in no cache.
	if !canBeSource(src) {
		return Result{}
	}
	hash := arena.HashOf(e.seed, &key)
	id := e.sourceOf(hash, &key)
	if ev.Type == TypeThreat && e.settings.notVulnerability(ev) == "" {
		if id != 0 {
			e.drop(id)
		}
		e.hit++
		return Result{Outcome: Fired, Verdict: vulnerabilityVerdict(ev, src)}
	}
	if e.settings.notScan(ev) != "" || !e.counts(ev.DstPort) {
		return Result{}
	}
	s := sighting{
		dst:    ev.Dst.As16(),
		time:   nanoseconds(ev.Time),
		ref:    ev.Ref,
		port:   ev.DstPort,
		weight: uint16(min(max(ev.Repeat, 1), math.MaxUint16)),
		device: e.deviceOf(ev.Device),
	}
	id = e.touch(id, hash, &key)
	found, fired := e.count(e.sources.At(id), &s)
	if !fired {
		return Result{Outcome: Counted}
	}
	e.drop(id)
	e.fired[found.rule]++
	return Result{Outcome: Fired, Verdict: e.scanVerdict(ev, src, s.ref, found)}
}

// counts says whether any rule that is on counts a record to this port.
func (e *Engine) counts(port uint16) bool {
	return e.rules[hostSweep].window != 0 || e.rules[portScan].window != 0 && port != 0
}

// count adds a sighting to a source.
func (e *Engine) count(src *source, s *sighting) (finding, bool) {
	defer e.trim()
	if !src.heavy && src.count == lightMax {
		e.makeHeavy(src)
	}
	if !src.heavy {
		return e.observeLight(src, s)
	}
	h := e.heavies.At(src.held)
	if h.full() {
		e.stats.Dropped += uint64(h.makeRoom(e, s))
	}
	return h.observe(e, s)
}

// Block puts an address or network on the blacklist: its records no longer count,
// and the evidence against it is dropped. Invalid prefixes change nothing.
func (e *Engine) Block(p netip.Prefix) {
	if p = plainPrefix(p); p.IsValid() {
		e.blocked.add(p)
		e.forget(p)
	}
}

// Release takes an address or network off the blacklist. Evidence up to now does not
// count, whether p was on it or not; another entry that covers p stays in force.
func (e *Engine) Release(p netip.Prefix) {
	if p = plainPrefix(p); p.IsValid() {
		e.blocked.remove(p)
		e.forget(p)
	}
}

// forget drops the evidence against all sources in p. A network, which people block
// by hand, costs a walk over all sources.
func (e *Engine) forget(p netip.Prefix) {
	if p.IsSingleIP() {
		key := p.Addr().As16()
		if id := e.sourceOf(arena.HashOf(e.seed, &key), &key); id != 0 {
			e.drop(id)
		}
		return
	}
	for id := e.oldest; id != 0; {
		s := e.sources.At(id)
		next := s.newer
		if p.Contains(netip.AddrFrom16(s.key).Unmap()) {
			e.drop(id)
		}
		id = next
	}
}

// Stats gives the counters as they are now.
func (e *Engine) Stats() Stats {
	s := e.stats
	s.Sources = e.directory.Used()
	s.Sightings = e.held
	s.Blocked = e.blocked.len()
	s.Fired = map[string]uint64{RuleVulnerability: e.hit}
	for r, name := range ruleNames {
		s.Fired[name] = e.fired[r]
	}
	return s
}

// Horizon is how far back from the latest event, by the time of events, evidence can
// still matter as long as records arrive less than a window out of order: twice the
// longest window. 0 if no rule counts.
func (e *Engine) Horizon() time.Duration {
	long := max(e.rules[portScan].window, e.rules[hostSweep].window)
	return time.Duration(min(long, math.MaxInt64/2)) * 2
}

// nanoseconds since 1970. Times before 1970 or after 2262, which no firewall can
// mean, are taken for the nearest that fits.
func nanoseconds(t time.Time) int64 {
	switch seconds := t.Unix(); {
	case seconds < 0:
		return 0
	case seconds >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	}
	return t.UnixNano()
}

func clock(nanoseconds int64) time.Time {
	return time.Unix(0, nanoseconds).UTC()
}
