package userid

// placed is something that remembers its place in a sequence.
type placed interface {
	comparable
	place(int)
}

// sequence keeps things in the order in which they were added, finds the nth and removes any without moving the
// rest: removed places stay empty until more are empty than taken. A half million addresses are paged through in
// a thousand calls, so finding the nth must not walk them all.
type sequence[T placed] struct {
	items []T   // zero: removed
	taken []int // by block of blockSize places
	live  int
}

const blockSize = 1024

// add puts an item at the end.
func (q *sequence[T]) add(item T) {
	at := len(q.items)
	q.items = append(q.items, item)
	if at/blockSize == len(q.taken) {
		q.taken = append(q.taken, 0)
	}
	q.taken[at/blockSize]++
	q.live++
	item.place(at)
}

// remove empties the place.
func (q *sequence[T]) remove(at int) {
	var none T
	q.items[at] = none
	q.taken[at/blockSize]--
	q.live--
	if len(q.items) > blockSize && q.live < len(q.items)/2 {
		q.compact()
	}
}

// compact closes the gaps; the order stays.
func (q *sequence[T]) compact() {
	old := q.items
	var none T
	*q = sequence[T]{items: make([]T, 0, q.live)}
	for _, item := range old {
		if item != none {
			q.add(item)
		}
	}
}

// from gives at most limit items, the first of them the nth (0 is the first of all).
func (q *sequence[T]) from(n, limit int) []T {
	if n < 0 || n >= q.live || limit <= 0 {
		return nil
	}
	block := 0
	for n >= q.taken[block] {
		n -= q.taken[block]
		block++
	}
	var none T
	var out []T
	for _, item := range q.items[block*blockSize:] {
		switch {
		case item == none:
		case n > 0:
			n--
		default:
			if out = append(out, item); len(out) == limit {
				return out
			}
		}
	}
	return out
}
