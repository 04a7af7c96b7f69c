package memory

import "testing"

// The vectors of the algorithm's authors: the key 00 to 0f, and of the bytes 00, 01 and so on the first so many.
func TestSumIsSipHash(t *testing.T) {
	var s Seed
	var b []byte
	for i := range s {
		s[i] = byte(i)
	}
	want := map[int]uint64{0: 0x726fdb47dd0e0e31, 1: 0x74f839c593dc67fd, 8: 0x93f5f5799a932462, 15: 0xa129ca6149be45e5}
	for n := range 16 {
		if w, known := want[n]; known && s.Sum(b) != w {
			t.Errorf("of %d bytes %x, want %x", n, s.Sum(b), w)
		}
		b = append(b, byte(n))
	}
	if first, second := NewSeed(), NewSeed(); first == second {
		t.Error("two seeds are one")
	}
}
