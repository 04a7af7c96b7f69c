package detect

import (
	"hash/maphash"
	"math"

	"activedefense/detect/arena"
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

// sightings are, of every source that is not blocked, the pairs of address and port that it reached, and when: what the rules
// that count pairs need, and no more of it than the bounds allow.
type sightings struct {
	rules         [countingRules]rule
	shortest      int64 // the shorter window of the rules that are on
	horizon       int64 // twice the longer
	pointsPerPair int
	maxSources    int
	maxPasts      int
	maxRoom       int

	sources arena.Table[source, *source] // by address
	queue   arena.Queue                  // of the sources
	pairs   arena.Slab[pair, *pair]
	pasts   arena.Slab[past, *past]
	heavies arena.Slab[heavy, *heavy]
	blocks  arena.Slab[block, *block]
	seed    maphash.Seed
	held    int // sightings
	room    int // taken by pairs and indexes

	ahead    fetches
	window   window
	gathered []valued // at work
	points   []point  // at work
	indexes  []int    // at work

	near    int    // sources near a threshold
	nearest bool   // the one at work is
	evicted uint64 // sources forgotten because memory was full
	dropped uint64 // sightings forgotten because their source had too many, or all of them
}

func newSightings(rules [countingRules]rule, maxSources int) sightings {
	e := sightings{
		rules:         rules,
		pointsPerPair: pointsPerPair,
		maxSources:    min(maxSources, 1<<28), // numbers of sightings have 32 bits
		seed:          maphash.MakeSeed(),
	}
	if e.maxSources <= 0 {
		e.maxSources = defaultMaxSources
	}
	e.maxPasts = max(pairsEach*e.maxSources, smallestEngine)
	e.maxRoom = e.maxPasts * pairRoom
	long := max(rules[portScan].window, rules[hostSweep].window)
	e.horizon = 2 * min(long, math.MaxInt64/4)
	for _, r := range rules {
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
