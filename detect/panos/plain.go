package panos

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// plain reads a record whose only semicolons are its separators. Nearly all are such, so this is where the time goes: keys and
// semicolons are looked at eight bytes at a time.
func plain(b []byte, v *values) (tail, bool) {
	at := 0
	for k := range numKeys {
		if at = plainValue(b, at, k, v); at < 0 {
			return nil, false
		}
	}
	if isLast(b, at) {
		return nil, true
	}
	clear(v[numKeys:])
	for _, t := range []tail{trafficTail, threatTail} {
		end := at
		for i := 0; i < len(t) && end >= 0; i++ {
			end = plainValue(b, end, t[i], v)
		}
		if end >= 0 && isLast(b, end) {
			return t, true
		}
	}
	return nil, false
}

// plainValue sets the value of a key that stands at a place, up to the next semicolon, and gives the place behind that: where
// the next key begins, or beyond the end of b where the semicolon is missing. It is negative if the key does not stand there.
func plainValue(b []byte, at int, k key, v *values) int {
	if at > len(b) {
		return -1
	}
	n := keyWords[k].in(b[at:])
	if n == 0 {
		return -1
	}
	at += n
	value := at
	for ; at+8 <= len(b); at += 8 {
		if m := zeroBytes(binary.LittleEndian.Uint64(b[at:]) ^ eachByte*';'); m != 0 {
			at += bits.TrailingZeros64(m) / 8
			v[k] = b[value:at]
			if at++; at < len(b) && b[at] == ' ' {
				at++
			}
			return at
		}
	}
	for ; at < len(b) && b[at] != ';'; at++ {
	}
	v[k] = b[value:at]
	if at++; at < len(b) && b[at] == ' ' {
		at++
	}
	return at
}

// isLast tells whether no value ends behind a place.
func isLast(b []byte, at int) bool { return at >= len(b) || bytes.IndexByte(b[at:], ';') < 0 }

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
