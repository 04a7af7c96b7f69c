package detect

const (
	chunkBits = 12
	chunkSize = 1 << chunkBits
)

// slab hands out cells of one type by number and takes them back. Numbers begin at
// 1, so that 0 can mean none. Cells never move, growing copies nothing, and for a
// type without pointers the garbage collector has only the chunks to look at, not
// the cells. Cells that were taken back form a list by themselves, so that giving back
// takes no memory.
type slab[T any, C cell[T]] struct {
	chunks [][]T
	free   uint32 // first cell of the list; 0: none
	last   uint32 // highest number handed out so far
	used   int    // cells handed out and not taken back
}

// cell is a pointer to a type that has room for the number of another cell.
type cell[T any] interface {
	*T
	link() *uint32
}

// at gives the cell of a number that is in use.
func (s *slab[T, C]) at(i uint32) *T {
	return &s.chunks[i>>chunkBits][i%chunkSize]
}

// take gives a free cell; what it holds is left from its last use.
func (s *slab[T, C]) take() uint32 {
	s.used++
	if i := s.free; i != 0 {
		s.free = *C(s.at(i)).link()
		return i
	}
	s.last++
	if int(s.last>>chunkBits) == len(s.chunks) {
		s.chunks = append(s.chunks, make([]T, chunkSize))
	}
	return s.last
}

// give takes a cell back.
func (s *slab[T, C]) give(i uint32) {
	s.used--
	*C(s.at(i)).link() = s.free
	s.free = i
}
