package tail

import (
	"fmt"
	"os"
	"testing"
)

// A file system soon gives the inode of a removed file to another one. So what was listed, was compressed and removed before
// it could be opened has its successor under its number, at its place if there was one more rotation.
func TestAnInodeThatServesAnotherFileSinceTheListingHidesNone(t *testing.T) {
	for _, at := range []string{"x.log", "x.log.1"} {
		for _, pattern := range []string{"x.log", "x.log*"} {
			t.Run(at+" of "+pattern, func(t *testing.T) {
				k := start(t, pattern)
				rotate := func(next string) {
					k.must((&rotator{k: k}).shift())
					k.rename("x.log", "x.log.1")
					if next != "" {
						k.write("x.log", next+"\n")
					}
				}
				k.write("x.log", "one\n")
				k.expect("one")
				rotate("two")
				if at != "x.log" {
					rotate("")
				}
				k.scanWhile(func() {
					k.tick()
					if at == "x.log" {
						rotate("last but one")
						k.gzip("x.log.1")
					} else {
						k.gzip("x.log.1")
						k.write("x.log", "last but one\n")
					}
					rotate("last")
				})
				k.expect("two", "last but one", "last")
				k.restart()
				k.expect()
			})
		}
	}
}

// Of two files that were empty in an earlier run nothing but the inodes is known, and these serve what came after a third one by now.
func TestWhatHasTheInodesOfEmptyFilesOfAnEarlierRunIsReadInItsOrder(t *testing.T) {
	k := start(t, "x.log*")
	for _, name := range []string{"first", "second"} {
		k.write("x.log", "")
		k.expect()
		k.rename("x.log", name)
	}
	k.write("x.log", "one\n")
	k.expect("one")
	k.crash()
	k.write("x.log", "two\n")
	k.rename("x.log", "x.log.2")
	k.gzip("x.log.2")
	k.write("second", "three\n")
	k.rename("second", "x.log.1")
	k.write("first", "four\n")
	k.rename("first", "x.log")
	k.open()
	k.expect("two", "three", "four")
	k.restart()
	k.expect()
}

func TestWhatMayHaveBeenDeletedBeforeItWasSeenIsCountedAsLost(t *testing.T) {
	for _, c := range []struct {
		name      string
		rotations int
		keep      int // generations
		packed    bool
		lost      uint64
	}{
		{"all are there", 3, 9, false, 0},
		{"all are there, compressed", 3, 9, true, 0},
		{"the one that was read was deleted after its successor was seen", 1, 0, false, 0},
		{"those between are deleted", 3, 1, false, 1},
		{"those between are deleted, and what is left is compressed", 3, 1, true, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := start(t, "x.log")
			k.write("x.log", text(numbered("a", 0, 20)))
			k.expect(numbered("a", 0, 20)...)
			k.scanWhile(func() {
				for i := range c.rotations {
					k.must((&rotator{k: k}).shift())
					k.rename("x.log", "x.log.1")
					if c.packed {
						k.gzip("x.log.1")
					}
					for _, suffix := range []string{"", ".gz"} {
						_ = os.Remove(k.path(fmt.Sprint("x.log.", c.keep+1, suffix)))
					}
					k.write("x.log", text(numbered(fmt.Sprint("b", i), 0, 20)))
				}
			})
			k.read()
			if _, lost := k.set.Crowds(); lost != c.lost || k.logged("what was written between may be lost") != int(lost) {
				t.Errorf("%d files lost, want %d\nlog: %s", lost, c.lost, k.log.String())
			}
		})
	}
}
