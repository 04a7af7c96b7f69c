package block

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Columns are records as columns: one slice for each field, texts as numbers in a list of the different ones. They are made to be used
// again: Reset keeps their room. The zero value is empty and ready. They are for one goroutine.
type Columns struct {
	id, agent, time, file, offset []int64 // time in microseconds since 1970
	src, dst                      addresses
	ports                         [2][]uint16 // of src and dst
	repeat                        []uint32
	texts                         [numTexts]texts
	size                          int // of the different texts, in bytes
}

// The texts of a record, in the order of Record.Texts; from firstWord on its small numbers as words, and behind them the texts that the first version did not
// have: its columns are the first of these.
const (
	numTexts      = 22
	numTextsFirst = 20 // of the first version
	firstWord     = 17
	numWords      = 3
)

// columnOf is the column of a text, of its number in Record.Texts.
func columnOf(text int) int {
	if text >= firstWord {
		return text + numWords
	}
	return text
}

// addresses are a column of them.
type addresses struct {
	family []uint8 // 0: none, 4 or 6
	v4     []uint32
	v6     [][16]byte // empty as long as there is none
}

// texts are a column of them: each record has the number of one of the different ones.
type texts struct {
	different []string
	codes     []uint32          // none where appendFrom or gathered left them out: all are 0
	known     map[string]uint32 // as given, to its number
	last      string            // as given
	lastCode  uint32
}

// Len is the number of records.
func (c *Columns) Len() int { return len(c.time) }

// Size is about how many bytes of memory the records take.
func (c *Columns) Size() int { return c.Len()*(5*8+2*5+2*2+4+numTexts*4) + c.size }

// Reset removes all records and keeps the room for as many.
func (c *Columns) Reset() {
	for _, numbers := range [...]*[]int64{&c.id, &c.agent, &c.time, &c.file, &c.offset} {
		*numbers = (*numbers)[:0]
	}
	for _, a := range [...]*addresses{&c.src, &c.dst} {
		a.family, a.v4, a.v6 = a.family[:0], a.v4[:0], a.v6[:0]
	}
	c.ports[0], c.ports[1], c.repeat = c.ports[0][:0], c.ports[1][:0], c.repeat[:0]
	for i := range c.texts {
		c.texts[i].reset()
	}
	c.size = 0
}

func (t *texts) reset() {
	clear(t.different) // they may be parts of much longer ones
	t.different, t.codes, t.last, t.lastCode = t.different[:0], t.codes[:0], "", 0
	if len(t.known) > 1000 { // clearing takes as long as the most that there ever were
		t.known = nil
	}
	clear(t.known)
}

// Append adds a record, as it is stored: the time within the years 1 to 9999 and without what is below a microsecond, addresses in their one form, texts as
// Clean makes them. Path is not kept.
func (c *Columns) Append(r *Record) {
	c.id = append(c.id, r.ID)
	c.agent = append(c.agent, r.Agent)
	c.time = append(c.time, Clamp(r.Time).UnixMicro())
	c.file = append(c.file, r.File)
	c.offset = append(c.offset, r.Offset)
	c.src.add(r.Src)
	c.dst.add(r.Dst)
	c.ports[0] = append(c.ports[0], r.SrcPort)
	c.ports[1] = append(c.ports[1], r.DstPort)
	c.repeat = append(c.repeat, r.Repeat)
	for i, s := range r.Texts() {
		c.addText(columnOf(i), *s)
	}
	c.addText(firstWord, wordOf(r.Protocol, protocols[:]))
	c.addText(firstWord+1, wordOf(r.Outcome, outcomes[:]))
	c.addText(firstWord+2, wordOf(r.Grade, grades[:]))
}

func (c *Columns) addText(column int, s string) {
	t := &c.texts[column]
	if len(t.codes) == 0 || s != t.last {
		t.last, t.lastCode = s, c.code(t, s)
	}
	t.codes = append(t.codes, t.lastCode)
}

// code gives the number of a text, a new one if it has none.
func (c *Columns) code(t *texts, s string) uint32 {
	if code, is := t.known[s]; is {
		return code
	}
	if t.known == nil {
		t.known = make(map[string]uint32)
	}
	code, kept := uint32(len(t.different)), Clean(s)
	t.different = append(t.different, kept)
	t.known[s] = code
	c.size += len(s) + 48
	return code
}

func (a *addresses) add(addr netip.Addr) {
	addr = Address(addr)
	family, v4 := uint8(0), uint32(0)
	switch {
	case addr.Is4():
		four := addr.As4()
		family, v4 = 4, binary.BigEndian.Uint32(four[:])
	case addr.IsValid():
		family = 6
		a.room6()
	}
	a.family, a.v4 = append(a.family, family), append(a.v4, v4)
	if family == 6 {
		a.v6 = append(a.v6, addr.As16())
	} else if len(a.v6) > 0 {
		a.v6 = append(a.v6, [16]byte{})
	}
}

// room6 makes room for IPv6 addresses of the records before, which have none.
func (a *addresses) room6() {
	if len(a.v6) < len(a.family) {
		a.v6 = append(a.v6[:0], make([][16]byte, len(a.family))...)
	}
}

func (a *addresses) at(i int) netip.Addr {
	switch a.family[i] {
	case 4:
		var four [4]byte
		binary.BigEndian.PutUint32(four[:], a.v4[i])
		return netip.AddrFrom4(four)
	case 6:
		return netip.AddrFrom16(a.v6[i])
	}
	return netip.Addr{}
}

// Record sets r to the record of that number, from 0 on. Its texts are those of c and outlive it.
func (c *Columns) Record(i int, r *Record) {
	*r = Record{ID: c.id[i], Agent: c.agent[i], Time: time.UnixMicro(c.time[i]).UTC(), File: c.file[i], Offset: c.offset[i],
		Src: c.src.at(i), Dst: c.dst.at(i), SrcPort: c.ports[0][i], DstPort: c.ports[1][i], Repeat: c.repeat[i]}
	for k, s := range r.Texts() {
		*s = c.texts[columnOf(k)].at(i)
	}
	for k, n := range r.Smalls() {
		*n = numberOf(k, c.texts[firstWord+k].at(i))
	}
}

func (t *texts) at(i int) string { return t.different[t.code(i)] }

// appendFrom adds records of others, those of these numbers.
func (c *Columns) appendFrom(from *Columns, rows []int) {
	c.appendNumbers(from, rows)
	var room []uint32
	for k := range c.texts {
		room = c.appendTexts(k, &from.texts[k], rows, room)
	}
}

// appendTexts adds texts of others, of records that c has already. As long as all have one text, its numbers are left out: so it is in most columns.
func (c *Columns) appendTexts(column int, from *texts, rows []int, room []uint32) []uint32 {
	t, before := &c.texts[column], c.Len()-len(rows)
	if len(from.different) == 1 && len(t.codes) == 0 && c.code(t, from.different[0]) == 0 {
		return room
	}
	if len(t.codes) < before {
		t.codes = append(t.codes[:0], make([]uint32, before)...)
	}
	codes := append(room[:0], make([]uint32, len(from.different))...) // here, of theirs; one more, 0 for one that is not needed yet
	for _, i := range rows {
		code := from.code(i)
		if codes[code] == 0 {
			codes[code] = 1 + c.code(t, from.different[code])
		}
		t.codes = append(t.codes, codes[code]-1)
	}
	return codes
}

// code gives the number of a record's text.
func (t *texts) code(i int) uint32 {
	if len(t.codes) == 0 {
		return 0
	}
	return t.codes[i]
}

// appendNumbers is appendFrom but for texts; no rows: all.
func (c *Columns) appendNumbers(from *Columns, rows []int) {
	c.id = appendRows(c.id, from.id, rows)
	c.agent = appendRows(c.agent, from.agent, rows)
	c.time = appendRows(c.time, from.time, rows)
	c.file = appendRows(c.file, from.file, rows)
	c.offset = appendRows(c.offset, from.offset, rows)
	c.src.appendFrom(&from.src, rows)
	c.dst.appendFrom(&from.dst, rows)
	c.ports[0] = appendRows(c.ports[0], from.ports[0], rows)
	c.ports[1] = appendRows(c.ports[1], from.ports[1], rows)
	c.repeat = appendRows(c.repeat, from.repeat, rows)
}

// appendRows adds values of others, those of these numbers; nil: all.
func appendRows[T any](to, from []T, rows []int) []T {
	if rows == nil {
		return append(to, from...)
	}
	for _, i := range rows {
		to = append(to, from[i])
	}
	return to
}

// grow makes room for so many records, but for texts and addresses of IPv6.
func (c *Columns) grow(n int) {
	for _, numbers := range [...]*[]int64{&c.id, &c.agent, &c.time, &c.file, &c.offset} {
		*numbers = slices.Grow(*numbers, n)
	}
	for _, a := range [...]*addresses{&c.src, &c.dst} {
		a.family, a.v4 = slices.Grow(a.family, n), slices.Grow(a.v4, n)
	}
	c.ports[0], c.ports[1], c.repeat = slices.Grow(c.ports[0], n), slices.Grow(c.ports[1], n), slices.Grow(c.repeat, n)
}

func (a *addresses) appendFrom(from *addresses, rows []int) {
	if len(from.v6) > 0 {
		a.room6()
	}
	a.family, a.v4 = appendRows(a.family, from.family, rows), appendRows(a.v4, from.v4, rows)
	switch {
	case len(from.v6) > 0:
		a.v6 = appendRows(a.v6, from.v6, rows)
	case len(a.v6) > 0:
		a.v6 = append(a.v6, make([][16]byte, len(a.family)-len(a.v6))...)
	}
}

// order gives the numbers of the records in the order of their times, and of their ids where times are equal; nil if they stand so.
func (c *Columns) order() []int {
	sorted := true
	for i := 1; i < len(c.time) && sorted; i++ {
		sorted = c.time[i-1] < c.time[i] || c.time[i-1] == c.time[i] && c.id[i-1] <= c.id[i]
	}
	if sorted {
		return nil
	}
	rows := make([]int, len(c.time))
	for i := range rows {
		rows[i] = i
	}
	slices.SortFunc(rows, func(a, b int) int { return key{c.time[a], c.id[a]}.compare(key{c.time[b], c.id[b]}) })
	return rows
}

// wordOf gives the word of a small number; one that a later version may have written is kept as a number.
func wordOf[T ~uint8](n T, words []string) string {
	if int(n) < len(words) {
		return words[n]
	}
	return strconv.Itoa(int(n))
}

// numberOf is the reverse of wordOf; 0 for a word that this version does not know.
func numberOf(column int, word string) uint8 {
	if i := slices.Index([...][]string{protocols[:], outcomes[:], grades[:]}[column], word); i >= 0 {
		return uint8(i)
	}
	n, _ := strconv.ParseUint(word, 10, 8)
	return uint8(n)
}

// key is what records are ordered by: newest first is the highest first.
type key struct{ time, id int64 }

func (k key) compare(l key) int { return cmp.Or(cmp.Compare(k.time, l.time), cmp.Compare(k.id, l.id)) }
