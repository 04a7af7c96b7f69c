package detect

const (
	chunkBits = 12
	chunkSize = 1 << chunkBits
)

// slab hands out cells of one type by number and takes them back. Numbers begin at
// 1, so that 0 can mean none. Cells never move, growing copies nothing, and for a
// type without pointers the garbage collector has only the chunks to look at, not
// the cells.
type slab[T any] struct {
	chunks [][]T
	free   []uint32
	last   uint32 // highest number handed out so far
}

// at gives the cell of a number that is in use.
func (s *slab[T]) at(i uint32) *T {
	return &s.chunks[i>>chunkBits][i%chunkSize]
}

// take gives a free cell; what it holds is left from its last use.
func (s *slab[T]) take() uint32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i
	}
	s.last++
	if int(s.last>>chunkBits) == len(s.chunks) {
		s.chunks = append(s.chunks, make([]T, chunkSize))
	}
	return s.last
}

// used is how many cells are taken.
func (s *slab[T]) used() int { return int(s.last) - len(s.free) }

func (s *slab[T]) give(i uint32) {
	s.free = append(s.free, i)
}
