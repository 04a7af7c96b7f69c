package memory

import "math/bits"

// marks tell of addresses that nothing is remembered of them, or that something may be. A mark lasts until as many more things
// were made as there is room for.
type marks struct {
	words [][2]uint64 // the newer and the older half
	newer int         // 0 or 1
	room  int
	left  int // how many more are made before the older half is emptied, and is the newer one
}

// need has marks for so many things as there is room for, with so many bits for each.
func (m *marks) need(room, each int) {
	if m.words == nil {
		m.words, m.room, m.left = make([][2]uint64, 1<<bits.Len(uint(each*room/64))), room, room
	}
}

// made tells that one more thing is made. True: of those made before, only as many as there is room for are still marked.
func (m *marks) made() bool {
	if m.left > 0 {
		m.left--
		return false
	}
	m.turn()
	return true
}

// turn empties the older half, which is the newer one from then on.
func (m *marks) turn() {
	m.newer, m.left = 1-m.newer, m.room
	for i := range m.words {
		m.words[i][m.newer] = 0
	}
}

// of gives the word of an address, by its hash, and its four bits there: with two, two and a half times as many
// strangers bore marks that others had made (200,000 addresses outside, of which few are spoken to often).
func (m *marks) of(hash uint32) (word *[2]uint64, bits uint64) {
	return &m.words[hash>>12&uint32(len(m.words)-1)], 1<<(hash&63) | 1<<(hash>>6&63) | 1<<(hash>>20&63) | 1<<(hash>>26)
}

// set marks an address of which something was made.
func (m *marks) set(hash uint32) {
	if w, bits := m.of(hash); w[m.newer]&bits != bits {
		w[m.newer] |= bits
	}
}

// may says whether something may be remembered of an address.
func (m *marks) may(hash uint32) bool {
	if m.words == nil {
		return false
	}
	w, bits := m.of(hash)
	return w[0]&bits == bits || w[1]&bits == bits
}

// touch reads what may and set read.
func (m *marks) touch(hash uint32) uint32 {
	if m.words == nil {
		return 0
	}
	w, _ := m.of(hash)
	return uint32(w[0])
}

// setAll marks every address: of what was made before, it is not known to whom it belongs.
func (m *marks) setAll() {
	for i := range m.words {
		m.words[i][m.newer] = 1<<64 - 1
	}
}
