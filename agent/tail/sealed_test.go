package tail

import (
	"os"
	"testing"
)

// Of a file that its writer seals by renaming it, it is known at once that it was read to its end, and the caller hears of it though no line comes any more. Then it may
// be deleted, and nothing is missed over a restart.
func TestASealedFileIsDoneWhenItWasRead(t *testing.T) {
	k := newKit(t, t.TempDir(), "*.log")
	k.o.Inputs[0].Sealed = true
	k.write("x.log", "one\n")
	k.open()
	t.Cleanup(func() { k.crash() })
	k.expect("one")
	k.commit()
	k.rename("x.log", "x.log.00000000000000000001")
	k.write("x.log", "")
	k.mustScan() // notices
	k.read()
	k.mustScan() // finishes
	var told []*Stream
	for _, st := range k.set.Ready() {
		if Concluded(st) {
			told = append(told, st)
		}
	}
	if len(told) != 1 {
		t.Fatalf("%d streams have something to say", len(told))
	}
	k.commit()
	if Concluded(told[0]) {
		t.Error("it was said")
	}
	done := 0
	for _, p := range k.stored {
		if p.Done && p.Offset == 4 {
			done++
		}
	}
	if done != 1 {
		t.Fatalf("%+v", k.stored)
	}
	k.must(os.Remove(k.path("x.log.00000000000000000001")))
	k.restart()
	k.write("x.log", "two\n")
	k.mustScan()
	k.expect("two")
	if _, lost := k.set.Crowds(); lost != 0 {
		t.Errorf("%d files are lost", lost)
	}
}

// What was sealed before it was first looked at is read ahead of what lies at its path, also where other positions are known: it was not deleted, so nobody
// has read it.
func TestWhatWasSealedBeforeAnybodyLookedIsRead(t *testing.T) {
	k := newKit(t, t.TempDir(), "*.log")
	k.o.Inputs[0].Sealed = true
	k.write("x.log", "one\n")
	k.open()
	t.Cleanup(func() { k.crash() })
	k.expect("one")
	k.commit()
	k.crash()
	k.write("y.log.00000000000000000001", "two\n")
	k.write("y.log.00000000000000000002", "three\n")
	k.write("y.log", "four\n")
	k.open()
	k.expect("two", "three", "four")
}
