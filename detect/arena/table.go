package arena

// Table finds cells by what they stand for.
type Table[T any, C Cell[T]] struct {
	Slab[T, C]
	places Directory
}

// Find gives the number of the cell with the hash that is the right one; 0 if none is.
func (t *Table[T, C]) Find(hash uint32, right func(*T) bool) uint32 {
	return t.places.Find(hash, func(number uint32) bool { return right(t.At(number)) })
}

// Touch reads where a hash is looked for first.
func (t *Table[T, C]) Touch(hash uint32) uint32 {
	if t.places.Used() == 0 {
		return 0
	}
	return t.places.Home(hash)
}

// First gives the number of the first cell with the hash, whether it is the right one or not; 0 if there is none.
func (t *Table[T, C]) First(hash uint32) uint32 {
	return t.places.Find(hash, func(uint32) bool { return true })
}

// Add takes a cell for what is not there yet; what it holds is left from its last use.
func (t *Table[T, C]) Add(hash uint32) uint32 {
	number := t.Take()
	t.places.Add(hash, number)
	return number
}

// Remove gives back the cell of a number that was added with that hash.
func (t *Table[T, C]) Remove(hash, number uint32) {
	t.places.Remove(hash, number)
	t.Give(number)
}

// Order is a cell's place in a queue, and the room for a number that a slab needs.
type Order struct{ newer, older uint32 }

// Link makes a type that embeds Order a cell.
func (o *Order) Link() *uint32 { return &o.newer }

// order gives the place itself, whatever it is embedded in.
func (o *Order) order() *Order { return o }

// Ordered is a cell that embeds Order.
type Ordered[T any] interface {
	Cell[T]
	order() *Order
}

// Queue is an order of cells of one table, from the oldest to the newest. The zero value is empty.
type Queue struct {
	newest, oldest uint32
	n              int
}

// Len is how many cells it has.
func (q *Queue) Len() int { return q.n }

// Oldest is the number of the cell that was put in before all others; 0 if there is none.
func (q *Queue) Oldest() uint32 { return q.oldest }

// Newest is the number of the cell that was put in after all others; 0 if there is none.
func (q *Queue) Newest() uint32 { return q.newest }

// Put puts in a cell that is in no queue, as the newest.
func Put[T any, C Ordered[T]](q *Queue, t *Table[T, C], number uint32) {
	*C(t.At(number)).order() = Order{older: q.newest}
	if q.newest != 0 {
		C(t.At(q.newest)).order().newer = number
	} else {
		q.oldest = number
	}
	q.newest = number
	q.n++
}

// Drop takes a cell of the queue out of it.
func Drop[T any, C Ordered[T]](q *Queue, t *Table[T, C], number uint32) {
	o := *C(t.At(number)).order()
	if o.newer != 0 {
		C(t.At(o.newer)).order().older = o.older
	} else {
		q.newest = o.older
	}
	if o.older != 0 {
		C(t.At(o.older)).order().newer = o.newer
	} else {
		q.oldest = o.newer
	}
	q.n--
}

// Renew makes a cell of the queue the newest.
func Renew[T any, C Ordered[T]](q *Queue, t *Table[T, C], number uint32) {
	if q.newest == number {
		return
	}
	Drop(q, t, number)
	Put(q, t, number)
}

// chances is how many cells are passed over because they were there again; after that the next one goes all the same.
const chances = 16

// SecondChance gives the number of the cell to be forgotten first: the oldest one that was not there again since it was put where
// it is; those that were become the newest. 0: the queue is empty. again says whether a cell was, and is then to forget it. (To
// move a cell whenever it is there again would mean to wait for its neighbours, which are in no cache.)
func SecondChance[T any, C Ordered[T]](q *Queue, t *Table[T, C], again func(*T) bool) uint32 {
	for range chances {
		n := q.oldest
		if n == 0 || !again(t.At(n)) {
			break
		}
		Renew(q, t, n)
	}
	return q.oldest
}

// Next is the number of the next newer cell; 0 if there is none. Dropping a cell loses it.
func Next[T any, C Ordered[T]](t *Table[T, C], number uint32) uint32 {
	return C(t.At(number)).order().newer
}
