package memory

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
)

// Seed is what values are spread with of which the numbers are kept: nobody who chooses the values knows it.
type Seed [16]byte

// NewSeed draws one.
func NewSeed() (s Seed) {
	rand.Read(s[:])
	return s
}

// Sum spreads bytes: SipHash-2-4 (Aumasson and Bernstein, 2012), for package maphash draws another seed in each process.
func (s *Seed) Sum(b []byte) uint64 {
	k0, k1 := binary.LittleEndian.Uint64(s[:8]), binary.LittleEndian.Uint64(s[8:])
	h := sip{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573}
	length := uint64(len(b)) << 56
	for ; len(b) >= 8; b = b[8:] {
		h.take(binary.LittleEndian.Uint64(b))
	}
	for i, c := range b {
		length |= uint64(c) << (8 * i)
	}
	h.take(length)
	h[2] ^= 0xff
	for range 4 {
		h.round()
	}
	return h[0] ^ h[1] ^ h[2] ^ h[3]
}

// sip is the state of a sum.
type sip [4]uint64

func (h *sip) take(word uint64) {
	h[3] ^= word
	h.round()
	h.round()
	h[0] ^= word
}

func (h *sip) round() {
	h[0] += h[1]
	h[1] = bits.RotateLeft64(h[1], 13) ^ h[0]
	h[0] = bits.RotateLeft64(h[0], 32)
	h[2] += h[3]
	h[3] = bits.RotateLeft64(h[3], 16) ^ h[2]
	h[0] += h[3]
	h[3] = bits.RotateLeft64(h[3], 21) ^ h[0]
	h[2] += h[1]
	h[1] = bits.RotateLeft64(h[1], 17) ^ h[2]
	h[2] = bits.RotateLeft64(h[2], 32)
}
