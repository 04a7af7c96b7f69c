package pattern

// A filter finds in one pass over a line which patterns may take it: those one of whose fixed texts is in it, and those without any
// (Aho and Corasick, "Efficient string matching", 1975, as a table of all transitions). ASCII letters are found in either case.
type filter struct {
	class   [256]uint8 // of a byte; 0: it is in no text
	classes int
	next    []uint32 // state*classes + class: the state that follows, times classes, with found where a text ends in it
	ends    [][]int  // by state: the patterns of which a text ends there
	always  []uint64 // patterns that are always tried, a bit each
}

// found marks a transition to a state in which a text ends.
const found = 1 << 31

// newFilter takes the texts of each pattern. Their states are at most maxText times maxTexts a pattern, and bounded by the bounds on its size.
func newFilter(needs [][]string) *filter {
	f := &filter{classes: 1, always: make([]uint64, (len(needs)+63)/64)}
	for i, texts := range needs {
		if len(texts) == 0 {
			f.always[i/64] |= 1 << (i % 64)
		}
		for _, text := range texts {
			for _, c := range []byte(text) {
				if f.class[c] == 0 && f.classes < 255 {
					f.class[c] = uint8(f.classes)
					f.classes++
				}
			}
		}
	}
	for c := byte('a'); c <= 'z'; c++ {
		f.class[c-0x20] = f.class[c]
	}
	f.grow(needs)
	f.link()
	return f
}

// grow makes the tree of the texts; 0 is no transition yet.
func (f *filter) grow(needs [][]string) {
	state := func() int {
		f.next = append(f.next, make([]uint32, f.classes)...)
		f.ends = append(f.ends, nil)
		return len(f.ends) - 1
	}
	state()
	for i, texts := range needs {
		for _, text := range texts {
			at := 0
			for _, c := range []byte(text) {
				place := at*f.classes + int(f.class[c])
				if f.next[place] == 0 {
					n := state() // may move f.next
					f.next[place] = uint32(n)
				}
				at = int(f.next[place])
			}
			f.ends[at] = append(f.ends[at], i)
		}
	}
}

// link makes a table of all transitions of the tree, level by level.
func (f *filter) link() {
	fallback, queue := make([]int, len(f.ends)), []int{0}
	for n := 0; n < len(queue); n++ {
		at := queue[n]
		f.ends[at] = append(f.ends[at][:len(f.ends[at]):len(f.ends[at])], f.ends[fallback[at]]...)
		if at == 0 {
			f.ends[0] = nil
		}
		for c := range f.classes {
			place := at*f.classes + c
			other := 0
			if at != 0 {
				other = int(f.next[fallback[at]*f.classes+c])
			}
			if child := int(f.next[place]); child != 0 && c != 0 {
				fallback[child] = other
				queue = append(queue, child)
			} else {
				f.next[place] = uint32(other)
			}
		}
	}
	for place, to := range f.next {
		mark := uint32(0)
		if len(f.ends[to]) > 0 {
			mark = found
		}
		f.next[place] = to*uint32(f.classes) | mark
	}
}

// candidates sets the bits of the patterns that may take a line.
func (f *filter) candidates(line []byte, set []uint64) (any bool) {
	copy(set, f.always)
	at := uint32(0)
	for _, c := range line {
		at = f.next[at+uint32(f.class[c])]
		if at&found != 0 {
			at &^= found
			for _, i := range f.ends[int(at)/f.classes] {
				set[i/64] |= 1 << (i % 64)
			}
		}
	}
	for _, word := range set {
		any = any || word != 0
	}
	return any
}
