package memory

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// spent are the verdicts on sources that go on being counted: what they rest on does not count again when a restart reads it
// once more.
type spent struct {
	max   int
	times map[spentOn]int64
}

// spentOn is what a verdict used up: of a source, for a rule, all evidence or what may be forged.
type spentOn struct {
	key        Key
	rule       uint8
	keepProven bool
}

func (s *spent) add(on spentOn, at int64) {
	if s.times == nil {
		s.times = make(map[spentOn]int64)
	}
	if _, ok := s.times[on]; !ok && len(s.times) >= s.max {
		s.makeRoom(at)
	}
	s.times[on] = max(s.times[on], at)
}

// makeRoom forgets what is a day old, or else a quarter, the oldest first.
func (s *spent) makeRoom(at int64) {
	list := s.sorted()
	for i, on := range list {
		if i < (len(list)+3)/4 || at-s.times[on] >= int64(Day) {
			delete(s.times, on)
		}
	}
}

// sorted gives all from the oldest on, in an order that depends on nothing else.
func (s *spent) sorted() []spentOn {
	list := make([]spentOn, 0, len(s.times))
	for on := range s.times {
		list = append(list, on)
	}
	slices.SortFunc(list, func(a, b spentOn) int {
		return cmp.Or(cmp.Compare(s.times[a], s.times[b]), bytes.Compare(a.key[:], b.key[:]), cmp.Compare(a.rule, b.rule), cmp.Compare(flag(a.keepProven), flag(b.keepProven)))
	})
	return list
}

func flag(on bool) byte {
	if on {
		return flagProven
	}
	return 0
}

func (s *spent) write(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.times)))
	var last int64
	for _, on := range s.sorted() {
		b = append(appendAddr(b, &on.key), on.rule, flag(on.keepProven))
		b = binary.AppendVarint(b, s.times[on]-last)
		last = s.times[on]
	}
	return b
}

func (s *spent) read(r *reader) {
	var last int64
	for n := r.uvarint(); n > 0 && r.err == nil; n-- {
		on := spentOn{r.addr(), r.byte(), r.byte() != 0}
		if last += r.varint(); r.err == nil {
			s.add(on, last)
		}
	}
}
