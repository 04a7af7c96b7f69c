package panos

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// splitter finds the columns of one comma-separated record. A value that holds a
// comma or a quote stands in quotes, an inner quote is doubled, and a backslash is
// nothing special (PAN-OS documentation, "Escape Sequences"). Quotes elsewhere, and
// one in a quoted value that is neither doubled nor the last, are plain characters,
// as for encoding/csv's LazyQuotes.
type splitter struct {
	line []byte
	n    int // columns found, at most maxColumns
	// loose is the first column, from freeText on, that holds a quote as PAN-OS writes none: outside quotes, or inside
	// and not doubled. maxColumns if there is none.
	loose int
	// odd is the first column of all that holds such a quote.
	odd int
	// starts holds where each column begins, at its quote if it has one, and in starts[n] what would be the next. There
	// is room for the commas of 64 bytes behind the last column, and for eight more numbers of no meaning.
	starts [maxColumns + 64 + 9]int32
}

// split finds the columns of a record. A quote that never closes is a record cut inside a
// value: that column and those behind it are missing. Reading on behind its commas
// would let the stranger who chose the value choose the columns that were cut off, too.
func (s *splitter) split(line []byte) {
	s.line, s.n, s.loose, s.odd, s.starts[0] = line, 0, maxColumns, maxColumns, 0
	for s.n < maxColumns {
		start := int(s.starts[s.n])
		if start < len(line) && line[start] == '"' {
			next, doubled := closing(line, start+1)
			if !doubled {
				s.misquoted()
			}
			if next < 0 || !s.add(next) {
				return
			}
			continue
		}
		quote := bytes.IndexByte(line[start:], '"')
		if quote < 0 {
			if s.commas(start, len(line)); s.n < maxColumns {
				s.add(len(line) + 1)
			}
			break
		}
		quote += start
		if s.commas(start, quote); s.n >= maxColumns || int(s.starts[s.n]) == quote {
			continue
		}
		s.misquoted()
		next := bytes.IndexByte(line[quote:], ',')
		if next < 0 {
			s.add(len(line) + 1)
			return
		}
		s.add(quote + next + 1)
	}
	s.n = min(s.n, maxColumns)
}

// misquoted notes that the quotes of the column that is being read are not the format's.
func (s *splitter) misquoted() {
	s.odd = min(s.odd, s.n)
	if s.n >= freeText {
		s.loose = min(s.loose, s.n)
	}
}

// add ends a column, and says whether another one follows.
func (s *splitter) add(next int) bool {
	s.n++
	s.starts[s.n] = int32(next)
	return next <= len(s.line)
}

// commas ends a column at each comma from start to end. Most columns are a few characters or none, so commas are
// looked for in 64 bytes at a time, and noted eight at a time: how many there are in 64 bytes, no processor foresees.
func (s *splitter) commas(start, end int) {
	line, n := s.line[:end], s.n
	for base := start; base < end && n < maxColumns; base += 64 {
		var m uint64
		switch {
		case base+64 <= end:
			m = places(line[base:base+64], eachByte*',')
		case end >= 64:
			m = places(line[end-64:], eachByte*',') >> uint(base+64-end)
		default:
			m = placesOf(line[base:], ',')
		}
		behind := n + bits.OnesCount64(m)
		for first := int32(base + 1); n < behind; n += 8 {
			// Behind the last comma this is nothing, and written over by what comes next.
			to := (*[8]int32)(s.starts[n+1:])
			to[0], m = first+int32(bits.TrailingZeros64(m)), m&(m-1)
			to[1], m = first+int32(bits.TrailingZeros64(m)), m&(m-1)
			to[2], m = first+int32(bits.TrailingZeros64(m)), m&(m-1)
			to[3], m = first+int32(bits.TrailingZeros64(m)), m&(m-1)
			to[4], m = first+int32(bits.TrailingZeros64(m)), m&(m-1)
			to[5], m = first+int32(bits.TrailingZeros64(m)), m&(m-1)
			to[6], m = first+int32(bits.TrailingZeros64(m)), m&(m-1)
			to[7], m = first+int32(bits.TrailingZeros64(m)), m&(m-1)
		}
		n = behind
	}
	s.n = n
}

// placesOf is as places, of no more than 64 bytes.
func placesOf(b []byte, wanted byte) (m uint64) {
	for i, c := range b {
		if c == wanted {
			m |= 1 << i
		}
	}
	return m
}

// eachByte times a character is that character in each byte of a word.
const eachByte = 0x0101010101010101

// places tells which of 64 bytes are the character that each byte of wanted is: of the first one, the lowest bit.
func places(b []byte, wanted uint64) uint64 {
	_ = b[63]
	return gather(b, wanted) | gather(b[8:], wanted)<<8 | gather(b[16:], wanted)<<16 | gather(b[24:], wanted)<<24 |
		gather(b[32:], wanted)<<32 | gather(b[40:], wanted)<<40 | gather(b[48:], wanted)<<48 | gather(b[56:], wanted)<<56
}

// gather does so for eight bytes: a multiplication brings their bits together.
func gather(b []byte, wanted uint64) uint64 {
	return zeroBytes(binary.LittleEndian.Uint64(b)^wanted) >> 7 * 0x0102040810204080 >> 56
}

// closing says where the column behind a quoted value begins, whose text begins at pos, and whether all quotes in the
// value are doubled; -1 if its quote never closes.
func closing(line []byte, pos int) (next int, doubled bool) {
	doubled = true
	for {
		i := bytes.IndexByte(line[pos:], '"')
		if i < 0 {
			return -1, doubled
		}
		pos += i + 1
		switch {
		case pos == len(line) || line[pos] == ',':
			return pos + 1, doubled
		case line[pos] == '"':
			pos++
		default:
			doubled = false
		}
	}
}

// raw gives a column as it stands in the line, with its quotes if it has some; nothing if there is none.
func (s *splitter) raw(i int) []byte {
	if uint(i) >= uint(s.n) {
		return nil
	}
	start, end := s.starts[i], s.starts[i+1]-1
	if start == end {
		return nil
	}
	return s.line[start:end]
}

// undouble appends b to out with each pair of quotes made one.
func undouble(out, b []byte) []byte {
	for {
		i := bytes.IndexByte(b, '"')
		if i < 0 {
			return append(out, b...)
		}
		out = append(out, b[:i+1]...)
		if b = b[i+1:]; len(b) > 0 && b[0] == '"' {
			b = b[1:]
		}
	}
}
