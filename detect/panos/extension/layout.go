package extension

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// layout is which keys a record had, in their order. From these follows all that is found in a record but where its values stand, so one that has the same
// keys as a record of late only needs to be measured. It has the same keys if each of
// its equals signs ends a key of the layout or is inert. Kept are records of which that is so, and in which no field has several keys.
type layout struct {
	begin     string // the first key and its equals sign
	steps     []step // the first one is that of begin
	slots     [numFields]slot
	separator byte
	cloud     bool
	contents  bool
	isTraffic bool  // see Reader.take
	last      *node // the key of the last step; nil: it is in no table
}

// step is a key of a layout.
type step struct {
	sign
	width int32 // from behind the equals sign ahead to its own, as it was last time
	way   way   // how it is found, by the value ahead
	loose bool  // its value may hold inert equals signs
	opens Field // whose value begins behind it; None
}

// way is how the equals sign of a step is found. What is foretold wrongly costs a processor as much as several steps.
type way uint8

const (
	byWidth     way = iota // all values ahead had one length so far
	bySeparator            // they differ in their lengths, and hold no separator
	bySign
)

// sign is a separator, a key and an equals sign, as numbers: the last eight bytes, or as many as there are under mask, the first eight, and those ahead of the last.
type sign struct {
	tail, mask, head, middle uint64
	rest                     string // of more than 24 bytes, what is not in these
	length                   int32
}

// behind gives the sign of a key behind a separator.
func (n *node) behind(separator byte) sign {
	if n.separator != separator {
		n.separator, n.ending = separator, newSign(string([]byte{separator})+n.sign)
	}
	return n.ending
}

func newSign(text string) (s sign) {
	n := len(text)
	s.length, s.mask = int32(n), ^uint64(0)
	if n < 8 {
		s.mask <<= 8 * (8 - n)
		text = "        "[n:] + text
		n = 8
	}
	word := func(at int) uint64 { return binary.LittleEndian.Uint64([]byte(text[at:])) }
	s.tail = word(n-8) & s.mask
	if n > 8 {
		s.head = word(0)
	}
	if n > 16 {
		s.middle = word(n - 16)
	}
	if n > 24 {
		s.rest = text[8 : n-16]
	}
	return s
}

// begins says whether one whose last eight bytes end behind a place, with the equals sign, begins where it should.
func (s *sign) begins(b []byte, at int) bool {
	start := at + 1 - int(s.length)
	if start < 0 || binary.LittleEndian.Uint64(b[start:]) != s.head {
		return false
	}
	if s.length <= 16 {
		return true
	}
	return binary.LittleEndian.Uint64(b[at-15:]) == s.middle && (s.length <= 24 || string(b[start+8:at-15]) == s.rest)
}

// endsAt says whether the equals sign stands at a place.
func (s *sign) endsAt(b []byte, at int) bool {
	return at >= 7 && at < len(b) && binary.LittleEndian.Uint64(b[at-7:])&s.mask == s.tail && (s.length <= 8 || s.begins(b, at))
}

// recall reads a record with so many equals signs by the layout of one of late; false: it has another one.
func (r *Reader) recall(m *keyMap, signs int, separator byte) bool {
	for i := range m.layouts {
		l := &m.layouts[i]
		if n := len(l.steps); n > 0 && n <= signs && l.separator == separator && l.cloud == r.cloud && r.measure(m, l, signs) {
			return true
		}
	}
	return false
}

// measure looks for the values of a record of a layout; false: it is none of it.
func (r *Reader) measure(m *keyMap, l *layout, signs int) bool {
	b := r.text
	if len(b) < 8 || !bytes.HasPrefix(b, []byte(l.begin)) {
		return false
	}
	at, before, inert := len(l.begin)-1, &l.steps[0], signs-len(l.steps)
	r.slots = l.slots
	r.slots[before.opens].start = int32(at + 1) // the slot of None is nobody's
	for i := 1; i < len(l.steps); i++ {
		s := &l.steps[i]
		behind := at + 1
		switch {
		case s.way == byWidth:
			at = behind + int(s.width)
		case s.way == bySeparator && behind+32 <= len(b):
			at = behind + bits.TrailingZeros64(places32(b[behind:behind+32], r.between)) + int(s.length) - 1
		default:
			at = 0
		}
		// As endsAt does.
		if from := at - 7; uint(from) >= uint(len(b)-7) || binary.LittleEndian.Uint64(b[from:])&s.mask != s.tail || s.length > 8 && !s.begins(b, at) {
			var held int
			if at, held = r.next(m, before, s, behind); at < 0 {
				return false
			}
			inert -= held
		}
		r.slots[before.opens].end = int32(at + 1 - int(s.length))
		r.slots[s.opens].start = int32(at + 1)
		before = s
	}
	r.slots[before.opens].end = int32(len(b))
	r.contents, r.lastKnown, r.lastSign = l.contents, l.last, at
	return inert == 0 && r.isTraffic() == l.isTraffic
}

// next finds the equals sign of a step, and how many inert ones the value holds that begins behind the one before; negative: another key stands ahead of it.
func (r *Reader) next(m *keyMap, before, s *step, behind int) (at, inert int) {
	b := r.text
	for from := behind; ; inert++ {
		width := bytes.IndexByte(b[from:], '=')
		if width < 0 {
			return -1, 0
		}
		switch at = from + width; {
		case s.endsAt(b, at):
			s.learn(b[behind:at+1-int(s.length)], r.between)
			return at, inert
		case !before.loose || !m.isInert(b, from, at, r.between, before.opens):
			return -1, 0
		}
		from = at + 1
	}
}

// learn chooses the way by a value of another length than the one before.
func (s *step) learn(value []byte, separator byte) {
	if s.way == byWidth {
		s.way = bySeparator
	}
	if bytes.IndexByte(value, separator) >= 0 {
		s.way = bySign
	}
}

// isInert says whether an equals sign in a value that a stranger chose changes nothing of what is found in a record: what stands ahead of it, behind from, is no key, or none that is known and a part of
// that value. Such a value is never ahead of all that strangers chose, where any equals sign counts, see Reader.other.
func (m *keyMap) isInert(b []byte, from, at int, separator byte, open Field) bool {
	if bytes.IndexByte(b[from:at], separator) < 0 {
		return true // nothing that could be a key
	}
	start, stop := word(b, at, separator)
	if start == stop || b[start-1] != separator {
		return true
	}
	k := m.byName[string(b[start:stop])]
	return (k == nil || k.class == unknown) && (open == None || open.isStrangers())
}

// keep makes a layout of the record that was read, which has so many equals signs, if it can be one.
func (r *Reader) keep(m *keyMap, signs int, separator byte) {
	if signs == 0 || signs > mostTokens {
		return
	}
	r.steps = r.steps[:0]
	before, begin := &step{}, ""
	var last *node
	for from, held := 0, 0; len(r.steps)+held < signs; {
		at := from + bytes.IndexByte(r.text[from:], '=')
		if before.loose && m.isInert(r.text, from, at, separator, before.opens) {
			from = at + 1
			held++
			continue
		}
		k, start := m.find(r.text, at, separator)
		if k == nil || (start == 0) != (len(r.steps) == 0) || start+int(k.length) != at || k == &m.other {
			return
		}
		if start == 0 {
			begin = k.sign
		}
		s := step{sign: k.behind(separator), width: int32(at - from), loose: k.class.isStrangers()}
		if before.loose {
			s.way = bySign
		}
		from = at + 1
		if slot := &r.slots[k.field]; k.field != None && slot.count > 0 && int(slot.start) == from {
			s.opens = k.field
		}
		if last = k; k.class == unknown {
			last = nil
		}
		r.steps = append(r.steps, s)
		before = &r.steps[len(r.steps)-1]
	}
	l := &m.layouts[m.nextLayout]
	m.nextLayout = (m.nextLayout + 1) % len(m.layouts)
	r.steps, l.steps = l.steps, r.steps
	l.begin, l.slots, l.separator, l.cloud, l.contents, l.isTraffic, l.last = begin, r.slots, separator, r.cloud, r.contents, r.isTraffic(), last
}
