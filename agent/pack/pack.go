// Package pack compresses what detection remembers of a day, on its way to the store, and reads that again.
package pack

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"activedefense/detect/memory"
	"activedefense/store"
)

// frameMagic begins what is compressed (RFC 8878, 3.1.1). Neither a journal nor a part begins so: their first byte is an operation or a version.
var frameMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// mostUnpacked bounds what is decompressed, in bytes; all bounds of a part at once take less.
const mostUnpacked = 256 << 20

// A Packer compresses what a batch has to remember. The zero value is ready; it is for one goroutine.
type Packer struct {
	encoder *zstd.Encoder // nil before the first
	room    []byte
}

// Pack compresses the journal and the parts of a batch, in their place. What is kept beside the parts is short, and stays as it is.
func (p *Packer) Pack(b *store.Batch) error {
	if p.encoder == nil {
		var err error
		p.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<18),
			zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false)) // they have a checksum
		if err != nil {
			return fmt.Errorf("begin to compress what is remembered: %w", err)
		}
	}
	b.Journal = p.packed(b.Journal)
	for i := range b.MemoryParts {
		if part := &b.MemoryParts[i]; part.Number < memory.Parts {
			part.Data = p.packed(part.Data)
		}
	}
	return nil
}

// packed compresses data in its place, unless that makes it no shorter, or was done before.
func (p *Packer) packed(data []byte) []byte {
	if len(data) == 0 || bytes.HasPrefix(data, frameMagic) {
		return data
	}
	if p.room = p.encoder.EncodeAll(data, p.room[:0]); len(p.room) < len(data) {
		data = append(data[:0], p.room...)
	}
	return data
}

// An Unpacker reads what a Packer wrote, and what earlier versions wrote without one.
type Unpacker struct{ decoder *zstd.Decoder }

// NewUnpacker gives one, which its caller closes.
func NewUnpacker() (Unpacker, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(mostUnpacked))
	if err != nil {
		return Unpacker{}, fmt.Errorf("begin to decompress what is remembered: %w", err)
	}
	return Unpacker{d}, nil
}

// Close ends it.
func (u Unpacker) Close() { u.decoder.Close() }

// Unpack gives the data as it was before; the error wraps [memory.ErrDamaged].
func (u Unpacker) Unpack(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, frameMagic) {
		return data, nil
	}
	plain, err := u.decoder.DecodeAll(data, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", memory.ErrDamaged, err)
	}
	return plain, nil
}
