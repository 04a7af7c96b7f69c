package panos

import (
	"bytes"
	"slices"
)

// values holds what stands behind each key's equals sign, untrimmed; nil where the
// line has no such key. What it holds from numKeys on means nothing of a line without a tail.
type values [endKeys][]byte

// candidate is a place where a key stands at the beginning of the record or behind
// a semicolon, be it the firewall's or part of a value.
type candidate struct {
	key   key
	order int // how many semicolons precede it
	sep   int // where the semicolon stands; 0 for the beginning of the record
	value int // where its value begins
}

// layout finds the keys of a record and sets v, or says why there is no reading.
//
// Nearly every line has one semicolon behind each value and no other: then there
// is nothing to decide, and it is read in one pass.
//
// Otherwise some value holds semicolons. Only five can: the regions, the user,
// threat name and threat id (see keyTable); call them free. So the record is
//
//	SrcLocation=~ | SrcIP SrcPort SrcUser=~ | DstLocation=~ |
//	DstIP DstPort Action RuleName RuleID TimeReceived ThreatName=~ |
//	ThreatID=~ | Severity Subtype Type, and a tail
//
// where ~ runs over anything and the keys between two bars follow one another with
// no semicolon but their separators: a block. A reading is a choice of one place
// for each block, in order. The firewall's own is always among them, so if there
// is one only, nothing was forged. If there are several:
//
//   - The last block is where the record ends; there is no choice. Nothing a stranger chooses stands behind it, so its
//     last key is the firewall's and says which tail there is, if any.
//   - The source block begins at the first SrcIP (of several SrcIP with no other key
//     between, at the last). Were it a later one, the user could bring a source with
//     it, and have any address blocked. What precedes it is a region's name, which
//     strangers do not choose; so a line in which one of their keys stands before it
//     is none of this format.
//   - DstLocation is the last that still has a destination block and a ThreatID
//     behind it: the user runs as far as it can, so nothing in it counts. A threat
//     name can only reach back to the user by holding all those keys itself.
//   - The destination block is the first behind DstLocation: again, a region is no
//     stranger's, so a second block is the threat name's.
//   - ThreatID is the last: the threat name runs as far as it can.
//
// Values are not looked at to prefer one reading over another: a stranger can make
// his look right, while the firewall's may be odd and must not lose for it.
//
// The tail that v has values of is the first result.
func (p *Parser) layout(b []byte, v *values) (tail, error) {
	if t, ok := plain(b, v); ok {
		return t, nil
	}
	p.cands = candidates(p.cands[:0], b)
	if t, ok := complete(b, p.cands, v); ok {
		return t, nil
	}
	return nil, partial(b, p.cands, v)
}

// candidates finds every place that could be a key. Their number is bounded by the
// length of the line, so no stranger can make the firewall's own go unseen.
func candidates(c []candidate, b []byte) []candidate {
	sep, order := 0, 0
	for start := 0; ; {
		start += separatorSpace(b[start:])
		if k, n := matchKey(b[start:]); n > 0 {
			c = append(c, candidate{key: k, order: order, sep: sep, value: start + n})
		}
		i := bytes.IndexByte(b[start:], ';')
		if i < 0 {
			return c
		}
		sep = start + i
		start = sep + 1
		order++
	}
}

// run says whether the candidates from i on are the keys first to last, each
// directly behind the other.
func run(c []candidate, i int, first, last key) bool {
	if i < 0 || i+int(last-first) >= len(c) {
		return false
	}
	for n := 0; n <= int(last-first); n++ {
		if x := c[i+n]; x.key != first+key(n) || x.order != c[i].order+n {
			return false
		}
	}
	return true
}

// ending says whether the candidates end with the last block, with which tail, and where it begins.
func ending(b []byte, c []candidate) (begin int, t tail, ok bool) {
	last := len(c) - 1
	t = tailEnding(c[last].key)
	begin = last - len(t) - int(keyType-keySeverity)
	if !run(c, begin, keySeverity, keyType) || bytes.Count(b[c[last].value:], []byte{';'}) > 1 {
		return 0, nil, false
	}
	for i, k := range t {
		if x := c[begin+3+i]; x.key != k || x.order != c[begin+2].order+1+i {
			return 0, nil, false
		}
	}
	return begin, t, true
}

// complete reads a record that has all keys in their order, by the rules given at
// layout. It says false if there is no such reading.
func complete(b []byte, c []candidate, v *values) (tail, bool) {
	if len(c) < int(numKeys) || c[0].key != keySrcLocation || c[0].order != 0 {
		return nil, false
	}
	end, t, ok := ending(b, c)
	if !ok {
		return nil, false
	}
	blocks, ok := blocksBefore(c, end)
	if !ok {
		return nil, false
	}
	k, last := keySrcLocation, 0
	for _, block := range blocks {
		for i := block[0]; i <= block[1]; i++ {
			v[k] = b[c[last].value:c[i].sep]
			last = i
			k++
		}
	}
	clear(v[numKeys:])
	for _, next := range t {
		last++
		v[k] = b[c[last-1].value:c[last].sep]
		k = next
	}
	v[k] = untilSemicolon(b[c[last].value:])
	return t, true
}

// blocksBefore finds the blocks of a record, each by its first and last candidate, the last of which begins at end.
func blocksBefore(c []candidate, end int) (blocks [5][2]int, ok bool) {
	source := 1
	for c[source].key != keySrcIP || c[source+1].key == keySrcIP {
		if c[source].key.strangers() {
			return blocks, false // what follows may be theirs, the source included: a site orders its keys in this way
		}
		if source++; source >= end {
			return blocks, false
		}
	}
	if !run(c, source, keySrcIP, keySrcUser) {
		return blocks, false
	}
	id := end - 1
	for id > source && c[id].key != keyThreatID {
		id--
	}
	const length = int(keyThreatName - keyDstIP)
	target := id - 1 - length
	for target > source+2 && !run(c, target, keyDstIP, keyThreatName) {
		target--
	}
	region := target - 1
	for region > source+2 && c[region].key != keyDstLocation {
		region--
	}
	if region <= source+2 {
		return blocks, false
	}
	for target = region + 1; !run(c, target, keyDstIP, keyThreatName); {
		target++
	}
	return [...][2]int{{source, source + 2}, {region, region}, {target, target + length}, {id, id}, {end, end + 2}}, true
}

// partial reads a record of a site that leaves keys out, adds its own or orders
// them differently. There is no telling which of two equal keys is the firewall's,
// so there must be none. And SrcIP must stand before all that strangers choose: if it
// did not, the user could hold what makes the line a complete one, with another
// source. Such a format is refused for every line, so the site will notice. What the longer
// formats add is read of complete lines alone: a site that has some of it gives nothing to tell it from a user's text.
func partial(b []byte, c []candidate, v *values) error {
	*v = values{}
	c = slices.DeleteFunc(c, func(x candidate) bool { return x.key >= numKeys })
	var seen [numKeys]bool
	twice, disordered := false, false
	for i, x := range c {
		end := len(b)
		if i+1 < len(c) {
			end = c[i+1].sep
		}
		value := b[x.value:end]
		if !keyTable[x.key].free {
			value = untilSemicolon(value)
		} else if end == len(b) && len(value) > 0 && value[len(value)-1] == ';' {
			value = value[:len(value)-1]
		}
		twice = twice || seen[x.key]
		seen[x.key] = true
		disordered = disordered || x.key.strangers() && !seen[keySrcIP]
		v[x.key] = value
	}
	switch {
	case !seen[keyType]:
		return ErrTruncated
	case !seen[keySrcIP]:
		return ErrNoSource
	case disordered:
		return ErrKeyOrder
	case twice:
		return ErrAmbiguous
	}
	return nil
}

// matchKey says which key b begins with, and where its value begins; 0 if none.
func matchKey(b []byte) (key, int) {
	for k := range keyWords {
		if n := keyWords[k].in(b); n > 0 {
			return key(k), n
		}
	}
	// Spaces before the equals sign, or less than eight bytes left.
	n := 0
	for n < len(b) && isLetter(b[n]) {
		n++
	}
	name := b[:n]
	for n < len(b) && b[n] == ' ' {
		n++
	}
	if len(name) == 0 || n == len(b) || b[n] != '=' {
		return 0, 0
	}
	for k := range keyTable {
		if string(name) == keyTable[k].name {
			return key(k), n + 1
		}
	}
	return 0, 0
}

// separatorSpace counts the blank characters between a separator and the next key,
// among them those that rsyslog wrote out as #011 and the like: formats pasted with
// line breaks have them.
func separatorSpace(b []byte) int {
	n := 0
	for n < len(b) {
		switch {
		case b[n] == ' ' || b[n] == '\t' || b[n] == '\r':
			n++
		case isBlankEscape(b[n:]):
			n += 4
		default:
			return n
		}
	}
	return n
}

func untilSemicolon(b []byte) []byte {
	if i := bytes.IndexByte(b, ';'); i >= 0 {
		return b[:i]
	}
	return b
}
