package panos

import (
	"encoding/binary"
	"math/bits"
)

// plain reads a record whose only semicolons are its separators. Nearly all are such,
// so this is where the time goes: semicolons and keys are looked at eight bytes at a
// time. It takes room for where the semicolons are.
func plain(b []byte, at []int32, v *values) (tail, bool) {
	n := semicolons(b, at)
	t, last := tail(nil), keyType
	// The last semicolon may be missing.
	switch n {
	case int(numKeys), int(numKeys) - 1:
	case int(numKeys) + len(trafficTail), int(numKeys) + len(trafficTail) - 1:
		t, last = trafficTail, trafficTail[len(trafficTail)-1]
	case int(numKeys) + len(threatTail), int(numKeys) + len(threatTail) - 1:
		t, last = threatTail, threatTail[len(threatTail)-1]
	default:
		return nil, false
	}
	if t != nil {
		clear(v[numKeys:])
	}
	start := 0
	for i := range int(numKeys) + len(t) {
		k := key(i)
		if k > keyType {
			k = t[i-int(numKeys)]
		}
		end := len(b)
		if i < n {
			end = int(at[i])
		}
		value := start + keyWords[k].in(b[start:])
		if value == start {
			return nil, false
		}
		v[k] = b[value:end]
		if k == last {
			break
		}
		if start = end + 1; start < len(b) && b[start] == ' ' {
			start++
		}
	}
	return t, true
}

// semicolons notes where the semicolons of b are, as far as at reaches, and counts
// them that far.
func semicolons(b []byte, at []int32) int {
	n, pos := 0, 0
	for ; len(b) >= 64; b, pos = b[64:], pos+64 {
		for m := places(b[:64], eachByte*';'); m != 0; m &= m - 1 {
			if n == len(at) {
				return n
			}
			at[n] = int32(pos + bits.TrailingZeros64(m))
			n++
		}
	}
	for i := 0; i < len(b) && n < len(at); i++ {
		if b[i] == ';' {
			at[n] = int32(pos + i)
			n++
		}
	}
	return n
}

// zeroBytes has the top bit of each byte of x that is 0.
func zeroBytes(x uint64) uint64 {
	const low = 0x7f7f7f7f7f7f7f7f
	return ^((x&low + low) | x | low)
}

// word is a key and its equals sign, at most sixteen bytes, as numbers: the first
// eight bytes, or as many as there are under mask, and the last eight.
type word struct {
	length           int
	head, mask, tail uint64
}

var keyWords = compileKeys()

func compileKeys() (words [endKeys]word) {
	for k := range words {
		text := keyTable[k].name + "="
		w := word{length: len(text), mask: ^uint64(0)}
		if len(text) < 8 {
			w.mask >>= 8 * (8 - len(text))
		} else {
			w.tail = binary.LittleEndian.Uint64([]byte(text[len(text)-8:]))
		}
		w.head = binary.LittleEndian.Uint64([]byte(text+"        ")) & w.mask
		words[k] = w
	}
	return words
}

// in gives the word's length if b begins with it, else 0. A b below eight bytes is
// taken not to.
func (w *word) in(b []byte) int {
	if len(b) < 8 || len(b) < w.length || binary.LittleEndian.Uint64(b)&w.mask != w.head {
		return 0
	}
	if w.length > 8 && binary.LittleEndian.Uint64(b[w.length-8:]) != w.tail {
		return 0
	}
	return w.length
}
