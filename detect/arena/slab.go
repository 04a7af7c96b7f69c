// Package arena holds very many small things of one kind: cells that never move and know each other by number, and a
// directory that finds the number by what a cell stands for. Neither holds pointers, so that the garbage collector has
// nothing to look at, and both take back what was given without leaving garbage.
//
// It knows nothing of what it holds, and nothing here is safe for concurrent use.
package arena

const (
	chunkBits = 10
	chunkSize = 1 << chunkBits
)

// Slab hands out cells of one type by number and takes them back. Numbers begin at
// 1, so that 0 can mean none. Cells never move, growing copies nothing, and for a
// type without pointers the garbage collector has only the chunks to look at, not
// the cells. Cells that were taken back form a list by themselves, so that giving back
// takes no memory.
type Slab[T any, C Cell[T]] struct {
	chunks [][]T
	free   uint32 // first cell of the list; 0: none
	last   uint32 // highest number handed out so far
	used   int    // cells handed out and not taken back
}

// Cell is a pointer to a type that has room for the number of another cell.
type Cell[T any] interface {
	*T
	Link() *uint32
}

// At gives the cell of a number that is in use.
func (s *Slab[T, C]) At(i uint32) *T {
	return &s.chunks[i>>chunkBits][i%chunkSize]
}

// Take gives a free cell; what it holds is left from its last use.
func (s *Slab[T, C]) Take() uint32 {
	s.used++
	if i := s.free; i != 0 {
		s.free = *C(s.At(i)).Link()
		return i
	}
	s.last++
	if int(s.last>>chunkBits) == len(s.chunks) {
		s.chunks = append(s.chunks, make([]T, chunkSize))
	}
	return s.last
}

// Give takes a cell back.
func (s *Slab[T, C]) Give(i uint32) {
	s.used--
	*C(s.At(i)).Link() = s.free
	s.free = i
}

// Used is how many cells are handed out.
func (s *Slab[T, C]) Used() int { return s.used }

// Any tells whether a cell was ever handed out: only then is there a cell of number 0, which is nobody's and may be read.
func (s *Slab[T, C]) Any() bool { return s.last != 0 }
