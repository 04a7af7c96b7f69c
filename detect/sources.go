package detect

// source is an address that has evidence, in 32 bytes and without pointers. All of
// them form one list in the order in which they were seen last.
type source struct {
	key          [16]byte // the address, IPv4 mapped
	newer, older uint32   // neighbours in the list; 0: none
	held         uint32   // light: its first pair; heavy: number in Engine.heavies
	count        uint16   // light: pairs
	heavy        bool
}

func (s *source) link() *uint32 { return &s.newer }

// sourceOf gives the number of a source that has evidence; 0 for others.
func (e *Engine) sourceOf(hash uint32, key *[16]byte) uint32 {
	return e.directory.find(hash, func(id uint32) bool { return e.sources.at(id).key == *key })
}

// touch makes a source the one seen last; id 0: it is new.
func (e *Engine) touch(id, hash uint32, key *[16]byte) uint32 {
	if id == 0 {
		if e.directory.used >= e.maxSources {
			e.drop(e.oldest)
			e.stats.Evicted++
		}
		id = e.sources.take()
		*e.sources.at(id) = source{key: *key}
		e.directory.add(hash, id)
	} else if id == e.newest {
		return id
	} else {
		e.unlink(e.sources.at(id))
	}
	s := e.sources.at(id)
	s.newer, s.older = 0, e.newest
	if e.newest != 0 {
		e.sources.at(e.newest).newer = id
	} else {
		e.oldest = id
	}
	e.newest = id
	return id
}

// unlink takes a source out of the list.
func (e *Engine) unlink(s *source) {
	if s.newer != 0 {
		e.sources.at(s.newer).older = s.older
	} else {
		e.newest = s.older
	}
	if s.older != 0 {
		e.sources.at(s.older).newer = s.newer
	} else {
		e.oldest = s.newer
	}
}

// drop forgets a source and its evidence.
func (e *Engine) drop(id uint32) {
	s := e.sources.at(id)
	if s.heavy {
		e.heavies.at(s.held).drop(e)
		e.heavies.give(s.held)
	} else {
		for i := s.held; i != 0; {
			next := e.pairs.at(i).next
			e.dropPair(i)
			i = next
		}
	}
	e.unlink(s)
	e.directory.remove(hashOf(e.seed, &s.key), id)
	e.sources.give(id)
}

// trim evicts the sources seen longest ago until the evidence has room. The one
// seen last stays: its own cap lies below the common one.
func (e *Engine) trim() {
	for e.room > e.maxRoom && e.oldest != e.newest {
		e.drop(e.oldest)
		e.stats.Evicted++
	}
}
