package tail

import "testing"

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
