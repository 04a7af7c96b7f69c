package arena

import (
	"testing"

	"pgregory.net/rapid"
)

func TestDirectoryIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d Directory
		// Few hashes, so that slots are fought for, also around the end of the table.
		hash := rapid.SampledFrom([]uint32{0, 1, 2, 254, 255, 256, 511, 1<<32 - 1})
		held := map[uint32]uint32{} // number to hash
		for next := range uint32(rapid.IntRange(1, 400).Draw(t, "steps")) {
			h := hash.Draw(t, "hash")
			if rapid.IntRange(0, 2).Draw(t, "remove") > 0 {
				d.Add(h, next+1)
				held[next+1] = h
			} else {
				for number := uint32(1); number <= next; number++ {
					if held[number] == h && h != 0 {
						d.Remove(h, number)
						delete(held, number)
						break
					}
				}
			}
		}
		if d.used != len(held) {
			t.Fatalf("%d in use, want %d", d.used, len(held))
		}
		for number, h := range held {
			if got := d.Find(h, func(n uint32) bool { return n == number }); got != number {
				t.Fatalf("number %d with hash %d: found %d", number, h, got)
			}
		}
		seen := 0
		for _, p := range d.slots {
			if p.number != 0 {
				seen++
			}
		}
		if seen != len(held) {
			t.Fatalf("%d slots taken, want %d", seen, len(held))
		}
		if got := d.Find(7, func(uint32) bool { return true }); got != 0 {
			t.Fatalf("found %d by a hash that nobody has", got)
		}
	})
}
