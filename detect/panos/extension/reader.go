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
	ahead
)

// slot is where a field's value stands.
type slot struct {
	start, end int32
	zone       zone
	count      uint8 // of the keys of the field in the whole record, at most 2; 0: there is none
}

// Reader takes records apart, one at a time. It keeps the last one, and which key followed which, to find the next record's keys
// faster; what it finds does not depend on that. The zero value is ready.
type Reader struct {
	header
	text       []byte // the keys and values
	slots      [numFields]slot
	last       int  // where the last key of class end stands; 0: none behind a description
	at         zone // of the keys that are being read
	sourceSeen bool
	next       [2][]*key // by format: the key that followed a key last time, by its id
	joined     []byte
}

// Value gives a field of the record last read, without the blanks around it; nothing where it is empty or missing. It is part of the record.
func (r *Reader) Value(f Field) []byte {
	s := &r.slots[f]
	if s.count == 0 {
		return nil
	}
	b := r.text[s.start:s.end]
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	for len(b) > 0 && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// Has says whether the record last read has a key of the field.
func (r *Reader) Has(f Field) bool { return r.slots[f].count > 0 }

// Certain says whether a field of the record last read is the firewall's: it stands ahead of all that a stranger chose, or is the
// only one. A field that is missing is certain.
func (r *Reader) Certain(f Field) bool {
	s := &r.slots[f]
	return s.count < 2 || s.zone == ahead
}

// Ahead says whether a field of the record last read stands ahead of all that a stranger chose.
func (r *Reader) Ahead(f Field) bool { return r.slots[f].count > 0 && r.slots[f].zone == ahead }

// AheadOfContents says whether a field of the record last read stands ahead of all that anybody who sends anything may choose.
func (r *Reader) AheadOfContents(f Field) bool { return r.slots[f].zone >= behindUser }

// AsTrusted says whether a field of the record last read is there, and as trustworthy as another one.
func (r *Reader) AsTrusted(f, as Field) bool {
	return r.slots[f].count > 0 && r.slots[f].zone >= r.slots[as].zone
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

// scan finds the keys of the text, each behind a separator.
func (r *Reader) scan(format int, t *table, separator byte) {
	clear(r.slots[:])
	r.last, r.at, r.sourceSeen = 0, ahead, false
	if r.next[format] == nil {
		r.next[format] = make([]*key, t.size+1)
	}
	next, b := r.next[format], r.text
	var before *key // the key ahead
	id, open := uint16(0), None
	for base := 0; base < len(b); base += 64 {
		var m uint64
		if base+64 <= len(b) {
			m = equals(b[base : base+64])
		} else {
			m = equalsIn(b[base:])
		}
		for ; m != 0; m &= m - 1 {
			at := base + bits.TrailingZeros64(m)
			k := next[id]
			start := 0
			if k != nil {
				start = at - len(k.name)
			}
			if k == nil || start < 0 || start > 0 && b[start-1] != separator || string(b[start:at]) != k.name {
				var isKey bool
				if k, start, isKey = t.find(b, at, separator); k == nil {
					// A key that is not known ends what holds no equals sign.
					if isKey && before != nil && before.class == own && open != None {
						r.slots[open].end = int32(start - 1)
						open = None
					}
					continue
				}
				next[id] = k
			}
			if open != None {
				r.slots[open].end = int32(start - 1)
			}
			open = r.take(k, start, at+1)
			before, id = k, k.id
		}
	}
	if open != None {
		r.slots[open].end = int32(len(b))
	}
	// A description runs as far as it can: whoever chose a part of it may have put any key there.
	if s := &r.slots[Message]; s.count > 0 {
		s.end = int32(len(b))
		if r.last > int(s.start) {
			s.end = int32(r.last - 1)
		}
	}
}

// take notes a key, and says of which field the value is that begins; None: it is not read, or another one counts.
func (r *Reader) take(k *key, start, value int) Field {
	switch k.class {
	case user:
		if r.at == ahead {
			r.at = behindUser
			if !r.sourceSeen {
				r.at = behindStranger
			}
			return r.note(k.field, ahead, value)
		}
	case content:
		if r.isTraffic() {
			break // its records have no contents: a user has written it
		}
		was := r.at
		if r.at = behindContent; !r.sourceSeen {
			r.at = behindStranger
		}
		return r.note(k.field, was, value)
	case end:
		r.last = start
	}
	if k.field == Src || k.field == SrcIPv6 {
		r.sourceSeen = true
		if r.at == behindStranger {
			r.at = behindUser
		}
	}
	return r.note(k.field, r.at, value)
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
	case at < s.zone || s.zone == ahead || f == Message:
		s.count = 2
		return None
	default:
		s.count = 2
	}
	s.start, s.end, s.zone = int32(value), int32(value), at
	return f
}

// longest is the length of the longest word that is looked up.
const longest = 64

// find gives the key whose equals sign stands at a place, and where it begins; nil if there is none that is known. A word that might
// be a key that is not known is one, too.
func (t *table) find(b []byte, at int, separator byte) (k *key, start int, isKey bool) {
	stop := at
	if separator != ' ' {
		for stop > 0 && b[stop-1] == ' ' { // some templates have a blank ahead of the equals sign
			stop--
		}
	}
	start = stop
	for start > 0 && stop-start < longest && isKeyByte(b[start-1]) {
		start--
	}
	if start == stop || start > 0 && b[start-1] != separator {
		return nil, 0, false
	}
	return t.byName[string(b[start:stop])], start, true
}

func isKeyByte(c byte) bool {
	return (c|0x20)-'a' < 26 || c-'0' < 10 || c == '_' || c == '-' || c == '.'
}

// equals tells which of 64 bytes are equals signs: of the first one, the lowest bit.
func equals(b []byte) uint64 {
	_ = b[63]
	return gather(b) | gather(b[8:])<<8 | gather(b[16:])<<16 | gather(b[24:])<<24 |
		gather(b[32:])<<32 | gather(b[40:])<<40 | gather(b[48:])<<48 | gather(b[56:])<<56
}

// gather does so for eight bytes: a multiplication brings their bits together.
func gather(b []byte) uint64 {
	const low = 0x7f7f7f7f7f7f7f7f
	x := binary.LittleEndian.Uint64(b) ^ '='*0x0101010101010101
	return ^((x&low + low) | x | low) >> 7 * 0x0102040810204080 >> 56
}

// equalsIn is as equals, of fewer bytes.
func equalsIn(b []byte) (m uint64) {
	for i := bytes.IndexByte(b, '='); i >= 0; {
		m |= 1 << i
		n := bytes.IndexByte(b[i+1:], '=')
		if n < 0 {
			break
		}
		i += 1 + n
	}
	return m
}
