package block

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Decoder reads blocks. It is for one goroutine.
type Decoder struct {
	plain   []byte
	offsets map[int64]int64
	zstd    *zstd.Decoder
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
	var err error
	if d.plain, err = d.zstd.DecodeAll(body[len(magic):], d.plain[:0]); err != nil {
		return fmt.Errorf("a block of %d bytes: %w: %w", len(data), ErrDamaged, err)
	}
	if err = d.all(texts, firstID, agent, c); err != nil {
		c.Reset()
		return fmt.Errorf("a block of %d bytes: %w: %w", len(data), ErrDamaged, err)
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

// all reads what (*Encoder).all writes, with so many columns of texts; in the others no record has one.
func (d *Decoder) all(texts int, firstID, agent int64, c *Columns) error {
	p := &plain{rest: d.plain}
	n := p.uvarint()
	if n == 0 || n > MaxRecords {
		return fmt.Errorf("it says that it has %d records, where 1 to %d are possible", n, MaxRecords)
	}
	for i := range int64(n) {
		c.id, c.agent = append(c.id, firstID+i), append(c.agent, agent)
	}
	c.time = p.deltas(n, c.time)
	c.file = p.deltas(n, c.file)
	d.placed(p, c)
	for range n {
		repeat := p.uvarint()
		if repeat > 1<<32-1 {
			p.fail("a repeat count is too large")
		}
		c.repeat = append(c.repeat, uint32(repeat))
	}
	p.addresses(n, &c.src)
	p.addresses(n, &c.dst)
	for i := range c.ports {
		low, high := p.bytes(n), p.bytes(n)
		for k := range high {
			c.ports[i] = append(c.ports[i], uint16(low[k])|uint16(high[k])<<8)
		}
	}
	for i := range texts {
		c.size += p.texts(n, &c.texts[i])
	}
	for i := texts; i < numTexts; i++ {
		t := &c.texts[i]
		t.different, t.codes = append(t.different, ""), filled(t.codes, int(n), 0)
	}
	if p.err == nil && len(p.rest) > 0 {
		p.fail(fmt.Sprintf("%d bytes are left over", len(p.rest)))
	}
	return p.err
}

func (p *plain) deltas(n uint64, to []int64) []int64 {
	last := int64(0)
	for range n {
		last += p.varint()
		to = append(to, last)
	}
	return to
}

func (d *Decoder) placed(p *plain, c *Columns) {
	clear(d.offsets)
	file, last := c.file[0], int64(0)
	for _, f := range c.file {
		if f != file {
			d.offsets[file] = last
			file, last = f, d.offsets[f]
		}
		last += p.varint()
		c.offset = append(c.offset, last)
	}
}

func (p *plain) addresses(n uint64, a *addresses) {
	a.family = append(a.family, p.bytes(n)...)
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
	if six > 0 {
		a.v6 = slices.Grow(a.v6[:0], len(a.family))[:len(a.family)]
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

// texts reads a column of texts and gives the size of the different ones.
func (p *plain) texts(n uint64, t *texts) (size int) {
	different := p.uvarint()
	if different == 0 || different > n {
		p.fail("a column has more texts than records, or none")
		return 0
	}
	for range different {
		s := p.bytes(p.uvarint())
		t.different = append(t.different, string(s))
		size += len(s) + 48
	}
	t.codes = slices.Grow(t.codes[:0], int(n))[:n]
	clear(t.codes)
	for k := range codeBytes(int(different)) {
		for i, b := range p.bytes(n) {
			t.codes[i] |= uint32(b) << (8 * k)
		}
	}
	for _, code := range t.codes {
		if uint64(code) >= different {
			p.fail("the number of a text is too high")
			return size
		}
	}
	return size
}
