package arena

import "math/bits"

// Ring holds the latest of very many things, in the order in which they were put in. Hardly any is ever looked for, so to put
// one in costs no search and no look at any other: searches ask those put in lately one by one, until it is cheaper to have them found by
// their hash.
type Ring[T any, C Chained[T]] struct {
	cells []T // as many as there is room for
	first int // where the oldest is
	n     int
	apart int      // how many of them, the newest, no search finds by their hash yet
	spare int      // how many of those searches may yet ask about before they have them found by their hash
	heads []uint32 // by hash: the place behind that of the one put in last; 0: none. As many as a power of two
}

// Chained is a pointer to a type that knows what it is found by, and has room for a number.
type Chained[T any] interface {
	*T
	Hash() uint32
	Before() *uint32
}

// ringMin is for how many there is room to begin with.
const ringMin = 64

// Len is how many there are.
func (r *Ring[T, C]) Len() int { return r.n }

// At gives the i-th, counted from 0, the oldest.
func (r *Ring[T, C]) At(i int) *T { return &r.cells[r.place(r.first+i)] }

// place is where one is that would be at a place if the ring went on behind its end.
func (r *Ring[T, C]) place(at int) int {
	if at >= len(r.cells) {
		return at - len(r.cells)
	}
	return at
}

// Cell gives what is at a place that Put gave, which may be another thing by now, or nil.
func (r *Ring[T, C]) Cell(place int) *T {
	if place >= len(r.cells) {
		return nil
	}
	return &r.cells[place]
}

// Put puts in what x is, as the newest, and says at which place: that is its own until it is dropped or Put needs more room.
// limit, which is always the same, is how many there may be: there must be fewer.
func (r *Ring[T, C]) Put(x *T, limit int) (place int) {
	if r.n == len(r.cells) {
		r.grow(limit)
	}
	place = r.place(r.first + r.n)
	r.cells[place] = *x
	r.n++
	r.apart++
	r.spare += looksEach
	return place
}

// looksEach is how often one that was put in is asked about, on average, before it is to be found by its hash. Asked in their order, that
// many cost about as much as one place elsewhere in memory.
const looksEach = 4

// Drop takes out the oldest.
func (r *Ring[T, C]) Drop() {
	r.first = r.place(r.first + 1)
	r.n--
	r.apart = min(r.apart, r.n)
}

// Find gives the newest with the hash that is the right one, or nil; it asks about no more than so many.
func (r *Ring[T, C]) Find(hash uint32, most int, right func(*T) bool) *T {
	if r.n == 0 {
		return nil
	}
	if r.spare = min(r.spare, looksEach*r.n); r.apart <= r.spare {
		if r.spare -= r.apart; !r.isApart(right) && r.find(hash, most, right) == nil {
			return nil
		}
	}
	r.join()
	return r.find(hash, most, right)
}

// isApart tells whether the right one is among those that no search finds yet.
func (r *Ring[T, C]) isApart(right func(*T) bool) bool {
	from := r.place(r.first + r.n - r.apart)
	if to := from + r.apart; to > len(r.cells) {
		return isAny(r.cells[from:], right) || isAny(r.cells[:to-len(r.cells)], right)
	}
	return isAny(r.cells[from:from+r.apart], right)
}

func isAny[T any](cells []T, right func(*T) bool) bool {
	for i := range cells {
		if right(&cells[i]) {
			return true
		}
	}
	return false
}

// find is Find among those that were joined.
func (r *Ring[T, C]) find(hash uint32, most int, right func(*T) bool) *T {
	at, newer := r.heads[hash&uint32(len(r.heads)-1)], r.n-r.apart
	for ; at != 0 && most > 0; most-- {
		// From one to the next they are older; where they are not, the rest is gone, and its place taken by others.
		age := int(at) - 1 - r.first
		if age < 0 {
			age += len(r.cells)
		}
		if age >= newer {
			break
		}
		newer = age
		x := &r.cells[at-1]
		if right(x) {
			return x
		}
		at = *C(x).Before()
	}
	return nil
}

// Touch reads where a hash is looked for first.
func (r *Ring[T, C]) Touch(hash uint32) uint32 {
	if r.n == 0 {
		return 0
	}
	return r.heads[hash&uint32(len(r.heads)-1)]
}

// TouchNext reads the place of what is put in i things later, where it is that of another which goes for it.
func (r *Ring[T, C]) TouchNext(i int) uint32 {
	if r.n < len(r.cells) || i >= r.n {
		return 0
	}
	return *C(&r.cells[r.place(r.first+i)]).Before()
}

// join has searches find all.
func (r *Ring[T, C]) join() {
	for ; r.apart > 0; r.apart-- {
		at := r.place(r.first + r.n - r.apart)
		x := C(&r.cells[at])
		head := &r.heads[x.Hash()&uint32(len(r.heads)-1)]
		*x.Before(), *head = *head, uint32(at)+1
	}
	r.spare = 0
}

// grow makes four times the room: what nobody wrote to takes no memory yet.
func (r *Ring[T, C]) grow(limit int) {
	cells := make([]T, min(max(4*len(r.cells), ringMin), limit))
	n := copy(cells, r.cells[r.first:])
	copy(cells[n:], r.cells[:r.first])
	r.cells, r.first, r.apart = cells, 0, r.n
	r.heads = make([]uint32, 1<<bits.Len(uint(len(cells)-1)))
}
