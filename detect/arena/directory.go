package arena

import "hash/maphash"

// Directory finds numbers by a hash of what they stand for; whether a candidate is the
// right one, the caller knows, who has the keys. Compared with a map from address to
// number it takes a third of the memory, and it has no pointers. Number 0 is no number.
type Directory struct {
	slots []place // a power of two, at most three quarters of them in use
	used  int
}

// place is a slot; number 0: it is free.
type place struct{ hash, number uint32 }

// directoryMin is the number of slots to begin with.
const directoryMin = 1 << 8

var seed = maphash.MakeSeed()

// Hash spreads an address over all bits, in each process in another way: sources choose their addresses.
func Hash(key *[16]byte) uint32 {
	return uint32(maphash.Bytes(seed, key[:]))
}

// Home touches the slot from which on a hash is looked for, and gives the number there, whosever it is. There must be numbers.
func (d *Directory) Home(hash uint32) uint32 {
	return d.slots[hash&uint32(len(d.slots)-1)].number
}

// Used is how many numbers there are.
func (d *Directory) Used() int { return d.used }

// Find gives the first number with the hash that is the right one; 0 if none is.
func (d *Directory) Find(hash uint32, right func(number uint32) bool) uint32 {
	if len(d.slots) == 0 {
		return 0
	}
	mask := uint32(len(d.slots) - 1)
	for i := hash & mask; d.slots[i].number != 0; i = (i + 1) & mask {
		if d.slots[i].hash == hash && right(d.slots[i].number) {
			return d.slots[i].number
		}
	}
	return 0
}

// Add puts in a number that is not there yet.
func (d *Directory) Add(hash, number uint32) {
	if d.used >= len(d.slots)/4*3 {
		old := d.slots
		d.slots = make([]place, max(2*len(old), directoryMin))
		for _, p := range old {
			if p.number != 0 {
				d.put(p)
			}
		}
	}
	d.put(place{hash, number})
	d.used++
}

func (d *Directory) put(p place) {
	mask := uint32(len(d.slots) - 1)
	i := p.hash & mask
	for d.slots[i].number != 0 {
		i = (i + 1) & mask
	}
	d.slots[i] = p
}

// Remove takes out a number that is there.
func (d *Directory) Remove(hash, number uint32) {
	mask := uint32(len(d.slots) - 1)
	i := hash & mask
	for d.slots[i].number != number {
		i = (i + 1) & mask
	}
	d.used--
	// What was pushed on by a neighbour moves back, so that no search ends early.
	for j := i; ; {
		j = (j + 1) & mask
		if d.slots[j].number == 0 {
			break
		}
		if home := d.slots[j].hash & mask; (j-home)&mask >= (j-i)&mask {
			d.slots[i] = d.slots[j]
			i = j
		}
	}
	d.slots[i] = place{}
}
