package block

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/klauspost/compress/zstd"
)

// A block is: the magic with the version of what follows, one zstd frame, and the CRC-32C of both in four bytes, lowest first. The frame
// holds the number of records and then column after column, as (*encoder).all writes them; numbers are varints of package
// encoding/binary. Ids and agents are not in it: they are given with the transaction that the block is a part of. A block of the first version has the
// first numTextsFirst texts.
const (
	magic      = "ADB\x02"
	magicFirst = "ADB\x01"
	sumSize    = 4

	// MaxRecords is the most that a block takes.
	MaxRecords = 1 << 17
	maxPlain   = 256 << 20 // bytes of a frame, decompressed
)

// Info is what there is to know of a block or a file without reading it.
type Info struct {
	Records        int64
	Oldest, Newest time.Time // of all records; zero without any
}

// Encoder makes blocks. It keeps its room, so that encoding costs no allocation for each record. It is for one goroutine.
type Encoder struct {
	columns Columns
	plain   []byte
	offsets map[int64]int64
	zstd    *zstd.Encoder
}

// NewEncoder gives an encoder.
func NewEncoder() (*Encoder, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("begin to compress: %w", err)
	}
	return &Encoder{zstd: z, offsets: make(map[int64]int64)}, nil
}

// Encode appends a block of 1 to MaxRecords records to to. Kept is what (*Columns).Append says, without ID and Agent.
func (e *Encoder) Encode(to []byte, records []Record) ([]byte, Info, error) {
	if len(records) == 0 || len(records) > MaxRecords {
		return nil, Info{}, fmt.Errorf("a block of %d records: it takes 1 to %d", len(records), MaxRecords)
	}
	e.columns.Reset()
	for i := range records {
		e.columns.Append(&records[i])
	}
	e.all()
	if len(e.plain) > maxPlain {
		return nil, Info{}, fmt.Errorf("a block of %d bytes: it takes %d, make it of fewer records", len(e.plain), maxPlain)
	}
	begin := len(to)
	to = append(to, magic...)
	to = e.zstd.EncodeAll(e.plain, to)
	return append(to[:begin], sealed(to[begin:])...), e.columns.Info(), nil
}

// sealed appends the checksum of what a block has before it.
func sealed(body []byte) []byte {
	return binary.LittleEndian.AppendUint32(body, crc32.Checksum(body, castagnoli()))
}

// castagnoli is the table of CRC-32C, which processors compute.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Info says what the columns hold.
func (c *Columns) Info() Info {
	if c.Len() == 0 {
		return Info{}
	}
	low, high := c.time[0], c.time[0]
	for _, t := range c.time {
		low, high = min(low, t), max(high, t)
	}
	return Info{int64(c.Len()), time.UnixMicro(low).UTC(), time.UnixMicro(high).UTC()}
}

// all writes the columns into plain.
func (e *Encoder) all() {
	c := &e.columns
	e.plain = binary.AppendUvarint(e.plain[:0], uint64(c.Len()))
	e.deltas(c.time)
	e.deltas(c.file)
	e.placed(c)
	e.repeats(c.repeat)
	e.addresses(&c.src)
	e.addresses(&c.dst)
	for _, ports := range c.ports {
		for shift := 0; shift < 16; shift += 8 {
			for _, p := range ports {
				e.plain = append(e.plain, byte(p>>shift))
			}
		}
	}
	for i := range c.texts {
		e.texts(&c.texts[i])
	}
}

// deltas writes the first number and the difference of each to the one before.
func (e *Encoder) deltas(numbers []int64) {
	last := int64(0)
	for _, n := range numbers {
		e.plain = binary.AppendVarint(e.plain, n-last)
		last = n
	}
}

// placed writes the offsets, each as its difference to the one before in the same file.
func (e *Encoder) placed(c *Columns) {
	clear(e.offsets)
	file, last := c.file[0], int64(0)
	for i, offset := range c.offset {
		if f := c.file[i]; f != file {
			e.offsets[file] = last
			file, last = f, e.offsets[f]
		}
		e.plain = binary.AppendVarint(e.plain, offset-last)
		last = offset
	}
}

func (e *Encoder) repeats(numbers []uint32) {
	for _, n := range numbers {
		e.plain = binary.AppendUvarint(e.plain, uint64(n))
	}
}

// addresses writes the families, then the IPv4 addresses byte by byte, so that what they have in common stands together, then those of IPv6.
func (e *Encoder) addresses(a *addresses) {
	e.plain = append(e.plain, a.family...)
	for shift := 24; shift >= 0; shift -= 8 {
		for i, v4 := range a.v4 {
			if a.family[i] == 4 {
				e.plain = append(e.plain, byte(v4>>shift))
			}
		}
	}
	for i := range a.v6 {
		if a.family[i] == 6 {
			e.plain = append(e.plain, a.v6[i][:]...)
		}
	}
}

// texts writes the different ones and, if there are several, the number of each record's in one, two or four bytes.
func (e *Encoder) texts(t *texts) {
	e.plain = binary.AppendUvarint(e.plain, uint64(len(t.different)))
	for _, s := range t.different {
		e.plain = binary.AppendUvarint(e.plain, uint64(len(s)))
		e.plain = append(e.plain, s...)
	}
	for shift := 0; shift < 8*codeBytes(len(t.different)); shift += 8 {
		for _, code := range t.codes {
			e.plain = append(e.plain, byte(code>>shift))
		}
	}
}

// codeBytes is how many bytes the number of one of so many texts takes.
func codeBytes(different int) int {
	switch {
	case different <= 1:
		return 0
	case different <= 1<<8:
		return 1
	case different <= 1<<16:
		return 2
	}
	return 4
}
