package extension

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// zone says who could have put a key where it stands, the most trustworthy last. See the package's comment.
type zone uint8

const (
	behindStranger zone = iota // no source was seen yet
	behindContent
	behindUser
	behindOther // a value that a site may have filled with anything
	ahead
)

// slot is where a field's value stands.
type slot struct {
	start, end int32
	zone       zone
	count      uint8 // of the keys of the field in the whole record, at most 2; 0: there is none
	doubled    bool  // two of them stand ahead of all that a stranger chose
}

// Reader takes records apart, one at a time. It keeps the last one, and which key followed which, to find the next record's keys
// faster; what it finds does not depend on that. The zero value is ready.
type Reader struct {
	header
	text       []byte // the keys and values
	slots      [numFields]slot
	last       int  // where the last key of class end stands
	endAhead   bool // the first one stands ahead of the description: the template has none behind it
	at         zone // of the keys that are being read
	sourceSeen bool
	contents   bool // a content was seen
	maps       [2]keyMap
	keys       *keyMap // of the record's format
	between    byte    // what separates its keys
	// Its last key that is in a table, and where its equals sign stands; nil: not looked for yet.
	lastKnown *node
	lastSign  int
	// What the last record began with, up to its product's version, and whose it was.
	begun        []byte
	begunInCloud bool
	// Headers of CEF records, and where the next one goes.
	ofLate     [4]headerOfLate
	nextOfLate int
	joined     []byte
	twice      bool   // a field has several keys, or the source may have
	tokens     tokens // of a record in which that is so
	steps      []step // of a layout that is being made
}

// keyMap holds the keys of a format, and which followed which.
type keyMap struct {
	byName  map[string]*node
	first   node // is none itself: it is followed by the first key of a record
	other   node // is any that is not known, once there were too many
	unknown int  // how many in byName are not known
	// The templates of the format.
	templates []template
	// The layouts of records of late, and where the next one goes.
	layouts    [8]layout
	nextLayout int
}

// node is a key as a reader knows it.
type node struct {
	next       *node  // the key that followed it last time; nil: none yet
	head, tail uint64 // its first and last eight bytes, of a shorter one the tail alone
	name       string
	sign       string // the name and an equals sign
	ending     sign   // that, behind a separator
	separator  byte   // that of ending; 0: there is none yet
	length     uint8
	shift      uint8 // by which eight bytes are made as many as it has
	field      Field
	class      class
	isRead     bool // its value is, or it says whom the keys behind it are to be believed
	strangers  bool // a stranger chose its value
	// See key.isNeverBehind.
	neverBehind bool
	closes      bool // see closing
	times       int  // how often it stands in the record that is being settled
}

func newKeyMap(t table, templates []string) keyMap {
	m := keyMap{byName: make(map[string]*node, len(t))}
	nodes := make([]node, len(t))
	for i, k := range t {
		nodes[i].set(k)
		m.byName[k.name] = &nodes[i]
	}
	m.other.set(key{class: unknown})
	for _, name := range closing {
		if n := m.byName[name]; n != nil {
			n.closes = true
		}
	}
	m.templates = newTemplates(m.byName, templates)
	return m
}

func newNode(k key) *node {
	n := new(node)
	n.set(k)
	return n
}

func (n *node) set(k key) {
	sign := k.name + "="
	*n = node{name: sign[:len(k.name)], sign: sign, length: uint8(len(k.name)), field: k.field, class: k.class}
	n.strangers, n.neverBehind = k.class.isStrangers(), k.isNeverBehind()
	n.isRead = k.field != None || k.class != own && k.class != anything && k.class != unknown
	if len(k.name) < 8 {
		n.shift = uint8(8 * (8 - len(k.name)))
	} else {
		n.head = binary.LittleEndian.Uint64([]byte(k.name))
	}
	padded := append(make([]byte, 8, 8+len(k.name)), k.name...)
	n.tail = binary.LittleEndian.Uint64(padded[len(padded)-8:]) >> n.shift
}

// begins says whether the key stands at the beginning of b, given that what ends ahead of the equals sign ends as it does.
func (n *node) begins(b []byte) bool {
	return len(b) > 8 && binary.LittleEndian.Uint64(b) == n.head && (n.length <= 16 || string(b[8:n.length-8]) == n.name[8:n.length-8])
}

// Value gives a field of the record last read, without the blanks around it; nothing where it is empty or missing. It is part of the record.
func (r *Reader) Value(f Field) []byte {
	s := &r.slots[f]
	if s.count == 0 {
		return nil
	}
	b := r.text[s.start:s.end]
	if len(b) > 0 && b[0] != ' ' && b[len(b)-1] != ' ' {
		return b
	}
	return trimmed(b)
}

// trimmed takes blanks off.
func trimmed(b []byte) []byte {
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	for len(b) > 0 && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// BehindMessage gives what stands behind the description of a SYSTEM record, from the key on that ends it.
func (r *Reader) BehindMessage() []byte { return r.text[r.slots[Message].end:] }

// Has says whether the record last read has a key of the field.
func (r *Reader) Has(f Field) bool { return r.slots[f].count > 0 }

// HasContents says whether the record last read has a key whose value anybody may choose who sends anything.
func (r *Reader) HasContents() bool { return r.contents }

// lastKey gives the last key of the record that is in a table, and where its equals sign stands; nil: there is none.
func (r *Reader) lastKey() (k *node, at int) {
	if r.lastKnown != nil {
		return r.lastKnown, r.lastSign
	}
	for at = bytes.LastIndexByte(r.text, '='); at >= 0; at = bytes.LastIndexByte(r.text[:at], '=') {
		if k, _ = r.keys.find(r.text, at, r.between); k != nil && k.class != unknown {
			r.lastKnown, r.lastSign = k, at
			return k, at
		}
	}
	return nil, 0
}

// IsOpen says whether the record last read ends within a value that anybody may choose who sends anything, or in one that is longer than what the firewall writes at the end.
func (r *Reader) IsOpen() bool {
	k, at := r.lastKey()
	return k != nil && k.class == content || len(r.text)-1-at > longestLast && len(r.text)-1-bytes.LastIndexByte(r.text, '=') > longestLast
}

// IsClosed says whether the record last read ends as a template of THREAT does: in a key of those that stand behind all contents, the only one of its name, with a value that is
// no longer than a name is. One that a relay cut off within a content ends so only where its writer knew to some bytes where that would be.
func (r *Reader) IsClosed() bool {
	k, at := r.lastKey()
	return k != nil && k.closes && len(trimmed(r.text[at+1:])) <= longestClosing && bytes.Count(r.text, []byte(k.name)) == 1
}

// Last says whether nothing stands behind the value of a field of the record last read, which the record may lack.
func (r *Reader) Last(f Field) bool {
	return r.slots[f].count == 0 || int(r.slots[f].end) == len(r.text)
}

// Certain says whether a field of the record last read is the firewall's: it alone stands ahead of all that a stranger may have chosen, or is
// the only one. A field that is missing is certain.
func (r *Reader) Certain(f Field) bool {
	s := &r.slots[f]
	return s.count < 2 || s.zone == ahead && !s.doubled
}

// First says whether a field of the record last read stands ahead of all that a stranger may have chosen, in whatever template, and only once there.
func (r *Reader) First(f Field) bool {
	s := &r.slots[f]
	return s.count > 0 && s.zone == ahead && !s.doubled
}

// Each calls do with all values of a field of the record last read any of which may be the firewall's, without the blanks around them: with one alone where it is certain.
func (r *Reader) Each(f Field, do func(value []byte)) {
	if r.Certain(f) {
		do(r.Value(f))
		return
	}
	for at, c := range r.text {
		if c != '=' {
			continue
		}
		if k, _ := r.keys.find(r.text, at, r.between); k == nil || k.field != f {
			continue
		}
		value, _, more := bytes.Cut(r.text[at+1:], []byte{'='})
		if end := bytes.LastIndexByte(value, r.between); more && end >= 0 {
			value = value[:end]
		}
		do(trimmed(value))
	}
}

// Ahead says whether a field of the record last read stands ahead of all keys that hold what strangers chose in the templates that are known.
func (r *Reader) Ahead(f Field) bool { return r.slots[f].count > 0 && r.slots[f].zone >= behindOther }

// AheadOfContents says whether a field of the record last read stands ahead of all that anybody who sends anything may choose.
func (r *Reader) AheadOfContents(f Field) bool { return r.slots[f].zone >= behindUser }

// AsTrusted says whether a field of the record last read is there, and as trustworthy as another one.
func (r *Reader) AsTrusted(f, as Field) bool {
	return r.slots[f].count > 0 && r.slots[f].zone >= min(r.slots[as].zone, behindOther)
}

// Either gives the value of one of two fields that mean the same: the one that is more trustworthy, of equals the first; or the other one, where
// that is empty.
func (r *Reader) Either(f, g Field) []byte {
	if r.slots[g].count > 0 && r.slots[g].zone > r.slots[f].zone {
		f, g = g, f
	}
	if b := r.Value(f); len(b) > 0 {
		return b
	}
	return r.Value(g)
}

// The formats of a record.
const (
	cef = iota
	leef
)

var templatesOf = [...][]string{cef: cefTemplates, leef: leefTemplates}

// scan reads the text, whose keys stand each behind a separator.
func (r *Reader) scan(format int, t table, separator byte) {
	m := &r.maps[format]
	if m.byName == nil {
		*m = newKeyMap(t, templatesOf[format])
	}
	r.keys, r.between = m, separator
	signs := bytes.Count(r.text, []byte{'='})
	if r.recall(m, signs, separator) {
		return
	}
	clear(r.slots[:])
	r.lastKnown = nil
	r.last, r.endAhead, r.at, r.sourceSeen, r.contents, r.twice = 0, false, ahead, false, false, false
	regular := r.walk(m, separator)
	r.endMessage()
	switch {
	case r.twice:
		r.settle(m, separator)
	case regular && r.slots[Message].count == 0: // whose end its text decides
		r.keep(m, signs, separator)
	}
}

// walk finds the keys one by one, and says whether the record may have a layout.
func (r *Reader) walk(m *keyMap, separator byte) (regular bool) {
	regular = true
	b, before, open := r.text, &m.first, None
	behind := before // the last key that is known
	for base := 0; base < len(b); base += 64 {
		var found uint64
		if base+64 <= len(b) {
			found = equals((*[64]byte)(b[base:]))
		} else {
			found = equalsFrom(b, base)
		}
		for ; found != 0; found &= found - 1 {
			at := base + bits.TrailingZeros64(found)
			n, start := before.next, 0
			if n != nil {
				start = at - int(n.length)
			}
			// Nearly always the key that followed last time does so again.
			if n == nil || start < 1 || at < 8 || binary.LittleEndian.Uint64(b[at-8:])>>(n.shift&63) != n.tail || b[start-1] != separator || n.length > 8 && !n.begins(b[start:]) {
				if n, start = m.find(b, at, separator); n == nil {
					regular = regular && r.at != ahead
					r.other()
					continue
				}
				regular = regular && start+int(n.length) == at
				if n != &m.other {
					before.next = n
				}
			}
			before = n
			was := behind
			if n.class != unknown {
				behind = n
			} else if open.isStrangers() {
				continue // which may be a part of it
			}
			if open != None {
				r.slots[open].end = int32(start - 1)
				open = None
			}
			switch {
			case was.strangers && n.neverBehind && !r.cloud: // it is a part of that value
			case n.isRead:
				open = r.take(n, start, at+1)
			case n.class != own:
				r.other()
			}
		}
	}
	if open != None {
		r.slots[open].end = int32(len(b))
	}
	return regular
}

// endMessage ends a description, which runs as far as it can: whoever chose a part of it may have put any key there.
func (r *Reader) endMessage() {
	s := &r.slots[Message]
	if s.count == 0 {
		return
	}
	s.end = int32(len(r.text))
	if r.last > int(s.start) && !r.endAhead {
		s.end = int32(r.last - 1)
	}
}

// take notes a key, and says of which field the value is that begins; None: it is not read, or another one counts.
func (r *Reader) take(k *node, start, value int) Field {
	if s := &r.slots[k.field]; k.class == own && s.count == 0 && k.field > SrcIPv6 {
		*s = slot{start: int32(value), zone: r.at, count: 1}
		return k.field
	}
	switch k.class {
	case anything:
		was := r.at
		r.other()
		return r.note(k.field, was, value)
	case user:
		if was := r.at; was >= behindOther {
			r.at = behindUser
			if !r.sourceSeen {
				r.at = behindStranger
			}
			return r.note(k.field, was, value)
		}
	case content:
		if r.isTraffic() {
			r.other()
			break // its records have no contents: a user has written it, or the site has it for something else
		}
		was := r.at
		r.contents = true
		if r.at = behindContent; !r.sourceSeen {
			r.at = behindStranger
		}
		return r.note(k.field, was, value)
	case end:
		r.last = start
		r.endAhead = r.endAhead || r.slots[Message].count == 0
	}
	if k.field == Src || k.field == SrcIPv6 {
		r.twice = r.twice || r.sourceSeen && r.at != ahead
		r.sourceSeen = true
		if r.at == behindStranger {
			r.at = behindUser
		}
	}
	return r.note(k.field, r.at, value)
}

// other says that a value begins whose writer is not known.
func (r *Reader) other() {
	if r.at == ahead {
		r.at = behindOther
	}
}

// isTraffic says whether the record is of the TRAFFIC log, once the keys ahead of all that strangers chose were read.
func (r *Reader) isTraffic() bool {
	log := r.log
	if log == nil && r.Ahead(Category) {
		log = r.Value(Category)
	}
	return len(log) == len("TRAFFIC") && bytes.EqualFold(log, []byte("TRAFFIC"))
}

// note sets a field's slot, unless it has a value that is more trustworthy.
func (r *Reader) note(f Field, at zone, value int) Field {
	if f == None {
		return None
	}
	s := &r.slots[f]
	switch {
	case s.count == 0:
		s.count = 1
	case at < s.zone || f == Message:
		s.count, r.twice = 2, true
		return None
	default:
		r.twice = true
		s.count, s.doubled = 2, at == ahead && s.zone == ahead
	}
	s.start, s.end, s.zone = int32(value), int32(value), at
	return f
}

// What is kept of keys that are not known: so many of so many bytes. Strangers may have written them.
const (
	longestUnknown = 64
	mostUnknown    = 500
)

// find gives the key whose equals sign stands at a place, and where it begins; nil if there is none. A word that might be a key that is not known is
// one, of the class unknown.
func (m *keyMap) find(b []byte, at int, separator byte) (n *node, start int) {
	start, stop := word(b, at, separator)
	if start == stop || start > 0 && b[start-1] != separator {
		return nil, 0
	}
	n, ok := m.byName[string(b[start:stop])]
	if ok {
		return n, start
	}
	if m.unknown == mostUnknown {
		return &m.other, start
	}
	m.unknown++
	n = newNode(key{name: string(b[start:stop]), class: unknown})
	m.byName[n.name] = n
	return n, start
}

// word gives what of the text ahead of an equals sign may be a key.
func word(b []byte, at int, separator byte) (start, stop int) {
	stop = at
	if separator != ' ' {
		for stop > 0 && b[stop-1] == ' ' { // some templates have a blank ahead of the equals sign
			stop--
		}
	}
	start = stop
	for start > 0 && stop-start < longestUnknown && isKeyByte(b[start-1]) {
		start--
	}
	return start, stop
}

func isKeyByte(c byte) bool {
	return (c|0x20)-'a' < 26 || c-'0' < 10 || c == '_' || c == '-' || c == '.'
}

// equalsFrom tells which of the up to 64 bytes from base on are equals signs: of the first one, the lowest bit.
func equalsFrom(b []byte, base int) (m uint64) {
	if len(b) >= 64 {
		return equals((*[64]byte)(b[len(b)-64:])) >> uint(base+64-len(b))
	}
	for i, c := range b[base:] {
		if c == '=' {
			m |= 1 << i
		}
	}
	return m
}

func equals(b *[64]byte) uint64 {
	return gather(b[0:8], '=') | gather(b[8:16], '=')<<8 | gather(b[16:24], '=')<<16 | gather(b[24:32], '=')<<24 |
		gather(b[32:40], '=')<<32 | gather(b[40:48], '=')<<40 | gather(b[48:56], '=')<<48 | gather(b[56:64], '=')<<56
}

// places32 tells which of 32 bytes are a character: of the first one, the lowest bit.
func places32(b []byte, c byte) uint64 {
	_ = b[31]
	return gather(b, c) | gather(b[8:], c)<<8 | gather(b[16:], c)<<16 | gather(b[24:], c)<<24
}

// gather does so for eight bytes: a multiplication brings their bits together.
func gather(b []byte, c byte) uint64 {
	const low = 0x7f7f7f7f7f7f7f7f
	x := binary.LittleEndian.Uint64(b) ^ 0x0101010101010101*uint64(c)
	x = ^((x&low + low) | x | low) // the top bit of each byte that is 0
	return x >> 7 * 0x0102040810204080 >> 56
}
