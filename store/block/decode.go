package block

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Decoder reads blocks. It is for one goroutine.
type Decoder struct {
	plain    []byte
	records  int
	sections [numColumns][]byte // of plain, by column; empty for what a block does not have by itself: ids, agents, and IPv6, which is with IPv4
	offsets  map[int64]int64
	files    []int64 // room for those that offsets are told apart by
	zstd     *zstd.Decoder
}

// NewDecoder gives a decoder, which its caller closes.
func NewDecoder() (*Decoder, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPlain))
	if err != nil {
		return nil, fmt.Errorf("begin to decompress: %w", err)
	}
	return &Decoder{zstd: z, offsets: make(map[int64]int64)}, nil
}

// Close ends the decoder.
func (d *Decoder) Close() { d.zstd.Close() }

// ErrDamaged: what was read is not what was written.
var ErrDamaged = errors.New("not what was written")

// Decode sets c to the records of a block. The first of them has firstID, each further one the next; all are of agent's files. Where there is an
// error, which wraps ErrDamaged if the block is not as it was made, c is empty.
func (d *Decoder) Decode(data []byte, firstID, agent int64, c *Columns) error {
	c.Reset()
	if err := d.open(data); err != nil {
		return err
	}
	for column := range numColumns {
		if err := d.column(column, firstID, agent, c); err != nil {
			c.Reset()
			return err
		}
	}
	return nil
}

// open decompresses a block, and finds where its columns are.
func (d *Decoder) open(data []byte) (err error) {
	d.records = 0
	if len(data) < len(magic)+sumSize {
		return fmt.Errorf("a block of %d bytes: %w: it is cut short", len(data), ErrDamaged)
	}
	body, sum := data[:len(data)-sumSize], binary.LittleEndian.Uint32(data[len(data)-sumSize:])
	if crc32.Checksum(body, castagnoli()) != sum {
		return fmt.Errorf("a block of %d bytes: %w: its checksum is another", len(data), ErrDamaged)
	}
	texts := numTexts
	switch string(body[:len(magic)]) {
	case magic:
	case magicFirst:
		texts = numTextsFirst
	default:
		return fmt.Errorf("a block begins with %q where this version writes %q: a newer version of this program made it", body[:len(magic)], magic)
	}
	if d.plain, err = d.zstd.DecodeAll(body[len(magic):], d.plain[:0]); err != nil {
		return fmt.Errorf("a block of %d bytes: %w: %w", len(data), ErrDamaged, err)
	}
	n, err := d.split(texts)
	if err != nil {
		return fmt.Errorf("a block of %d bytes: %w: %w", len(data), ErrDamaged, err)
	}
	d.records = int(n)
	return nil
}

// inBlocks are the columns that a block has, in the order in which they stand there.
var inBlocks = [...]int{colTime, colFile, colOffset, colRepeat, colSrc, colDst, colSrcPort, colDstPort}

// split finds the columns that (*Encoder).all writes, with so many of texts; of the others no record has one.
func (d *Decoder) split(texts int) (n uint64, err error) {
	p := &plain{rest: d.plain}
	n = p.uvarint()
	if n == 0 || n > MaxRecords {
		return 0, fmt.Errorf("it says that it has %d records, where 1 to %d are possible", n, MaxRecords)
	}
	section := func(column int, skip func(n uint64)) {
		begin := p.rest
		skip(n)
		d.sections[column] = begin[:len(begin)-len(p.rest)]
	}
	for _, column := range inBlocks {
		switch column {
		case colSrc, colDst:
			section(column, p.skipAddresses)
		case colSrcPort, colDstPort:
			section(column, func(n uint64) { p.bytes(2 * n) })
		default:
			section(column, p.skipNumbers)
		}
	}
	for text := range texts {
		section(firstText+text, p.skipTexts)
	}
	for text := texts; text < numTexts; text++ {
		d.sections[firstText+text] = []byte{1, 0} // one text, which is empty
	}
	if p.err == nil && len(p.rest) > 0 {
		p.fail(fmt.Sprintf("%d bytes are left over", len(p.rest)))
	}
	return n, p.err
}

// column sets one column of c to that of the block that is open, addresses of IPv6 with those of IPv4. Of texts the different ones come with it.
func (d *Decoder) column(column int, firstID, agent int64, c *Columns) error {
	p := &plain{rest: d.sections[column]}
	n := uint64(d.records)
	switch column {
	case colID:
		c.id = slices.Grow(c.id[:0], d.records)
		for i := range int64(n) {
			c.id = append(c.id, firstID+i)
		}
	case colAgent:
		c.agent = filled(c.agent, d.records, agent)
	case colTime:
		c.time = p.deltas(n, c.time)
	case colFile:
		c.file = p.deltas(n, c.file)
	case colOffset:
		files := &plain{rest: d.sections[colFile]}
		d.files = files.deltas(n, d.files)
		if p.err = files.err; p.err == nil {
			c.offset = d.placed(p, c.offset)
		}
	case colRepeat:
		c.repeat = p.repeats(n, c.repeat)
	case colSrc:
		p.addresses(n, &c.src)
	case colDst:
		p.addresses(n, &c.dst)
	case colSrcPort, colDstPort:
		to := &c.ports[column-colSrcPort]
		low, high := p.bytes(n), p.bytes(n)
		*to = slices.Grow((*to)[:0], d.records)
		for k := range high {
			*to = append(*to, uint16(low[k])|uint16(high[k])<<8)
		}
	case colSrc6, colDst6: // with those of IPv4
	default:
		t := &c.texts[column-firstText]
		c.size += p.different(n, t)
		p.codes(n, t)
	}
	if p.err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, p.err)
	}
	return nil
}

// different sets the different texts of a column of c.
func (d *Decoder) different(text int, c *Columns) error {
	p := &plain{rest: d.sections[firstText+text]}
	if p.different(uint64(d.records), &c.texts[text]); p.err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, p.err)
	}
	return nil
}

// plain is what is left of a decompressed block. After what does not fit it is empty and says so once.
type plain struct {
	rest []byte
	err  error
}

func (p *plain) fail(what string) {
	if p.err == nil {
		p.err = errors.New(what)
	}
	p.rest = nil
}

func (p *plain) uvarint() uint64 {
	n, size := binary.Uvarint(p.rest)
	if size <= 0 {
		p.fail("a number is cut short or too large")
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

func (p *plain) varint() int64 {
	n, size := binary.Varint(p.rest)
	if size <= 0 {
		p.fail("a number is cut short or too large")
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

// bytes gives the next n; nil where there are fewer.
func (p *plain) bytes(n uint64) []byte {
	if n > uint64(len(p.rest)) {
		p.fail("it ends too early")
		return nil
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	return b
}

// skipNumbers passes over so many varints, eight bytes at a time: a byte below 0x80 ends one.
func (p *plain) skipNumbers(n uint64) {
	i := 0
	for ; n > 8 && i+8 <= len(p.rest); i += 8 {
		n -= uint64(bits.OnesCount64(^binary.LittleEndian.Uint64(p.rest[i:]) & 0x8080808080808080))
	}
	for ; n > 0 && i < len(p.rest); i++ {
		if p.rest[i] < 0x80 {
			n--
		}
	}
	if n > 0 {
		p.fail("a column of numbers ends too early")
		return
	}
	p.rest = p.rest[i:]
}

func (p *plain) skipAddresses(n uint64) {
	families := p.bytes(n)
	four, six := bytes.Count(families, []byte{4}), bytes.Count(families, []byte{6})
	p.bytes(uint64(4*four + 16*six))
}

func (p *plain) skipTexts(n uint64) {
	different := p.uvarint()
	if different == 0 || different > n {
		p.fail("a column has more texts than records, or none")
		return
	}
	for range different {
		p.bytes(p.uvarint())
	}
	p.bytes(n * uint64(codeBytes(int(different))))
}

func (p *plain) deltas(n uint64, to []int64) []int64 {
	to = slices.Grow(to[:0], int(n))
	last := int64(0)
	for range n {
		last += p.varint()
		to = append(to, last)
	}
	return to
}

func (p *plain) repeats(n uint64, to []uint32) []uint32 {
	to = slices.Grow(to[:0], int(n))
	for range n {
		repeat := p.uvarint()
		if repeat > 1<<32-1 {
			p.fail("a repeat count is too large")
		}
		to = append(to, uint32(repeat))
	}
	return to
}

// placed reads offsets, each by the one before it in the same of d.files.
func (d *Decoder) placed(p *plain, to []int64) []int64 {
	to = slices.Grow(to[:0], len(d.files))
	clear(d.offsets)
	file, last := d.files[0], int64(0)
	for _, f := range d.files {
		if f != file {
			d.offsets[file] = last
			file, last = f, d.offsets[f]
		}
		last += p.varint()
		to = append(to, last)
	}
	return to
}

func (p *plain) addresses(n uint64, a *addresses) {
	a.family = append(a.family[:0], p.bytes(n)...)
	four, six := uint64(0), uint64(0)
	for _, family := range a.family {
		switch family {
		case 0:
		case 4:
			four++
		case 6:
			six++
		default:
			p.fail("an address is neither of IPv4 nor of IPv6")
		}
	}
	planes := [4][]byte{p.bytes(four), p.bytes(four), p.bytes(four), p.bytes(four)}
	all6 := p.bytes(16 * six)
	if p.err != nil {
		return
	}
	a.v4, a.v6 = slices.Grow(a.v4[:0], len(a.family)), a.v6[:0]
	if six > 0 {
		a.v6 = slices.Grow(a.v6, len(a.family))[:len(a.family)]
		clear(a.v6)
	}
	four, six = 0, 0
	for i, family := range a.family {
		v4 := uint32(0)
		switch family {
		case 4:
			v4 = uint32(planes[0][four])<<24 | uint32(planes[1][four])<<16 | uint32(planes[2][four])<<8 | uint32(planes[3][four])
			four++
		case 6:
			a.v6[i] = [16]byte(all6[16*six:])
			six++
		}
		a.v4 = append(a.v4, v4)
	}
}

// different reads the different texts of a column of n records, and gives their size.
func (p *plain) different(n uint64, t *texts) (size int) {
	clear(t.different) // they may be parts of much longer ones
	t.different = t.different[:0]
	many := p.uvarint()
	codes := int(n) * codeBytes(int(many))
	if p.err != nil || codes > len(p.rest) {
		p.fail("it ends too early")
		return 0
	}
	all := string(p.rest[:len(p.rest)-codes]) // once for all of them
	t.different = slices.Grow(t.different, int(many))
	for range many {
		s := p.bytes(p.uvarint())
		end := len(all) - (len(p.rest) - codes)
		t.different = append(t.different, all[end-len(s):end])
		size += len(s) + 48
	}
	return size
}

// codes reads the number of each record's text, behind the different ones.
func (p *plain) codes(n uint64, t *texts) {
	t.codes = slices.Grow(t.codes[:0], int(n))[:n]
	clear(t.codes)
	for k := range codeBytes(len(t.different)) {
		for i, b := range p.bytes(n) {
			t.codes[i] |= uint32(b) << (8 * k)
		}
	}
	for _, code := range t.codes {
		if int(code) >= len(t.different) {
			p.fail("the number of a text is too high")
			return
		}
	}
}
