package detect

// A light source has few pairs, in one list that each event walks along. Nearly all
// sources of a busy day stay light.

// observeLight adds a sighting to a light source. Where that fires a rule it says which,
// and the window holds the points; the evidence is then about to be dropped, so that
// nothing is stored.
func (e *sightings) observeLight(src *source, s *sighting) (found finding, fired bool) {
	var tallies [countingRules]tally
	var own *pair
	for i := src.held; i != 0; {
		p := e.pairs.At(i)
		i = p.next
		sameDst, samePort := p.dst == s.dst, p.port == s.port
		switch {
		case sameDst && samePort:
			if p.is(s) {
				own = p
			}
			for r := range tallies {
				if p.class.in(r) {
					tallies[r].seeOwn(p, s, e.rules[r].window)
				}
			}
		case sameDst && p.class.in(portScan):
			tallies[portScan].see(p, s, e.rules[portScan].window)
		case samePort && p.class.in(hostSweep):
			tallies[hostSweep].see(p, s, e.rules[hostSweep].window)
		}
	}
	for r := range countingRules {
		if !s.class.in(r) {
			continue
		}
		need := e.rules[r].need
		e.nearest = e.nearest || tallies[r].near(need)
		if tallies[r].hopeless(need) {
			continue
		}
		e.gatherLight(src, r, s)
		if found, ok := e.find(r, s); ok {
			return found, true
		}
	}
	if own != nil {
		e.extend(own, s)
		return finding{}, false
	}
	if (src.packed.count()+1)%retireEvery == 0 {
		e.retireLight(src, s)
	}
	i := e.addPair(s)
	e.pairs.At(i).next, src.held = src.held, i
	src.packed.setCount(src.packed.count() + 1)
	return finding{}, false
}

// retireLight drops the pairs of a light source that are out of date.
func (e *sightings) retireLight(src *source, s *sighting) {
	var r recent
	at := &src.held
	for *at != 0 {
		p := e.pairs.At(*at)
		if r.full() && r.outdated(p, s, e.horizon) {
			i := *at
			*at = p.next
			e.dropPair(i)
			src.packed.setCount(src.packed.count() - 1)
			continue
		}
		r.see(p)
		at = &p.next
	}
}

// gatherLight fills the window with the points around a sighting that have its key.
func (e *sightings) gatherLight(src *source, r int, s *sighting) {
	e.window.begin(r, s)
	for i := src.held; i != 0; {
		p := e.pairs.At(i)
		if p.class.in(r) && p.matches(r, s) {
			e.gather(r, p, s.time)
		}
		i = p.next
	}
}

// gather adds the points of a pair to the window around t.
func (e *sightings) gather(r int, p *pair, t int64) {
	e.points = e.appendPoints(e.points[:0], p)
	for _, point := range e.points {
		if apart(point.time, t) < e.rules[r].window {
			e.window.add(r, p, point)
		}
	}
}

// makeHeavy gives a light source an index.
func (e *sightings) makeHeavy(src *source) {
	var pairs [lightMax]uint32
	n := 0
	for i := src.held; i != 0; i = e.pairs.At(i).next {
		pairs[n] = i
		n++
	}
	number := e.heavies.Take()
	h := e.heavies.At(number)
	h.resize(e, blockPairs)
	h.clear(e)
	for n--; n >= 0; n-- { // the first came last
		h.append(e, pairs[n], uint8(e.pairs.At(pairs[n]).class&classRules))
	}
	src.held = number
	src.packed.setCount(isHeavy)
}
