package panos

import "bytes"

// splitter finds the columns of one comma-separated record, from the left and only
// as far as asked. A value that holds a comma or a quote stands in quotes, an inner
// quote is doubled, and a backslash is nothing special (PAN-OS documentation,
// "Escape Sequences"). Quotes elsewhere, and one in a quoted value that is neither
// doubled nor the last, are plain characters, as for encoding/csv's LazyQuotes.
type splitter struct {
	line []byte
	pos  int // where the next column begins; beyond the line: there is none
	n    int // columns found
	at   [maxColumns]column
}

// column is where a value stands in the line, without its quotes.
type column struct {
	start, end int32
	doubled    bool // it holds doubled quotes
}

func (s *splitter) reset(line []byte) { s.line, s.pos, s.n = line, 0, 0 }

// upTo finds columns until there are n, or as many as the record has. A quote that
// never closes is a record cut inside a value: that column and those behind it are
// missing. Reading on behind its commas would let the stranger who chose the value
// choose the columns that were cut off, too.
func (s *splitter) upTo(n int) {
	line, pos, found := s.line, s.pos, s.n
	for n = min(n, maxColumns); found < n && pos <= len(line); found++ {
		c := &s.at[found]
		if pos < len(line) && line[pos] == '"' {
			if pos = c.quoted(line, pos+1); pos < 0 {
				pos = len(line) + 1
				break
			}
			continue
		}
		end := pos
		for end < len(line) && line[end] != ',' {
			end++
		}
		*c = column{start: int32(pos), end: int32(end)}
		pos = end + 1
	}
	s.pos, s.n = pos, found
}

// quoted sets c to the value that begins at pos, behind its quote, and says where
// the next begins; -1 if the quote never closes.
func (c *column) quoted(line []byte, pos int) int {
	*c = column{start: int32(pos)}
	for {
		i := bytes.IndexByte(line[pos:], '"')
		if i < 0 {
			return -1
		}
		pos += i + 1
		switch {
		case pos == len(line) || line[pos] == ',':
			c.end = int32(pos - 1)
			return pos + 1
		case line[pos] == '"':
			c.doubled = true
			pos++
		}
	}
}

// raw gives a column as it stands between its quotes; nothing if there is none.
func (s *splitter) raw(i int) []byte {
	if i < 0 || i >= s.n {
		return nil
	}
	return s.line[s.at[i].start:s.at[i].end]
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
