package detect

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
