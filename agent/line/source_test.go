package line

import "testing"

func TestRefsKeepFileAndOffset(t *testing.T) {
	for _, c := range [][2]int64{{0, 0}, {1, 0}, {1, 1}, {16_777_215, 1<<40 - 1}, {42, 123_456_789_012}} {
		if at := (Place{c[0], c[1]}); placeOf(at.ref()) != at {
			t.Errorf("file %d offset %d came back as %d, %d", c[0], c[1], placeOf(at.ref()).Origin, placeOf(at.ref()).Offset)
		}
	}
}
