package tail

import (
	"fmt"
	"os"
	"testing"
	"time"
)

func TestARenamedFileIsReadToItsEndBeforeItsSuccessor(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.write("x.log", "two\n")
	k.rename("x.log", "x.log.1")
	k.write("x.log", "three\n")
	k.expect("two", "three")
	k.restart()
	k.expect()
}

func TestAWriterThatStaysWithTheRenamedFileIsFollowed(t *testing.T) {
	k := start(t, "*.log")
	w, err := os.Create(k.path("x.log"))
	k.must(err)
	defer w.Close()
	fmt.Fprintln(w, "one")
	k.expect("one")
	k.rename("x.log", "x.log.1")
	fmt.Fprintln(w, "two") // no successor yet
	k.expect("two")
	k.write("x.log", "three\n")
	k.expect("three")
	fmt.Fprintln(w, "four") // the successor is being read already
	k.write("x.log", "five\n")
	k.expectAny("five", "four")
	k.later(5 * time.Second)
	fmt.Fprintln(w, "six")
	k.expect("six")
	k.later(11 * time.Second)
	k.commit()
	fmt.Fprintln(w, "seven") // it was finished, and is written to all the same
	k.mustScan()
	k.expect("seven")
	k.restart()
	k.expect()
	fmt.Fprintln(w, "eight")
	k.restart()
	k.expect("eight")
}

func TestLateLinesAreReadWhileTheSuccessorHasMoreToGive(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.rename("x.log", "x.log.1")
	k.write("x.log", text(numbered("b", 0, 20_000)))
	k.refresh()
	st := k.stream("x.log")
	st.Next()
	k.write("x.log.1", "late\n")
	k.refresh()
	for i := 0; ; i++ {
		line, ok := st.Next()
		if !ok {
			t.Fatal("the late line never came")
		}
		if string(line.Data) == "late" {
			if i > 10_000 {
				t.Fatalf("the late line came after %d others", i)
			}
			return
		}
	}
}

func TestALateLineInAFileThatWasEmptyWhileDown(t *testing.T) {
	k := start(t, "x.log")
	k.write("x.log", "")
	k.expect()
	k.rename("x.log", "x.log.1")
	k.write("x.log", "one\n")
	k.expect("one")
	k.crash()
	k.write("x.log.1", "late\n") // nothing but the inode says that this is the file that was empty
	k.open()
	k.expect("late")
	k.write("x.log", "two\n")
	k.expect("two")
	k.restart()
	k.expect()
}

func TestALateLineThatWasBegunBeforeTheRotationIsCompleted(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\ntw")
	k.expect("one")
	k.rename("x.log", "x.log.1")
	k.write("x.log", "three\n")
	k.expect("three")
	k.write("x.log.1", "o\n")
	k.expect("two")
}

func TestAFinishedFileIsDone(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.rename("x.log", "x.log.1")
	k.write("x.log", "two\n")
	k.expect("two")
	if p := k.positions(k.stream("x.log")); len(p) != 2 || p[0].Done || p[1].Done {
		t.Fatalf("positions while late lines are possible: %+v", p)
	}
	k.later(11 * time.Second)
	p := k.positions(k.stream("x.log"))
	if len(p) != 2 || !p[0].Done || p[0].Offset != 4 || p[1].Done {
		t.Fatalf("positions afterwards: %+v", p)
	}
	if n := len(k.set.known.open); n != 1 {
		t.Fatalf("%d files open, want 1", n)
	}
}

func TestADoneFileIsGivenAgainInCaseACommitFails(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.rename("x.log", "x.log.1")
	k.write("x.log", "two\n")
	k.expect("two")
	k.later(11 * time.Second)
	k.later(2 * time.Minute)
	for i := range 3 {
		if p := k.positions(k.stream("x.log")); len(p) != 2 {
			t.Fatalf("call %d: %+v", i, p)
		}
	}
	k.later(time.Minute)
	if p := k.positions(k.stream("x.log")); len(p) != 1 {
		t.Fatalf("afterwards: %+v", p)
	}
}

func TestADoneFileIsGivenUntilItsLastLineIsUsed(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.write("x.log", "last\n")
	k.rename("x.log", "x.log.1")
	k.write("x.log", "two\n")
	k.refresh()
	st := k.stream("x.log")
	last, _ := st.Next() // looked at, not used
	k.set.mu.Lock()
	for st.fill() > 0 { // as if more had been read ahead
	}
	k.set.mu.Unlock()
	k.ahead += 11 * time.Second
	for range 5 {
		k.mustScan()
		k.ahead += time.Hour
		k.positions(st)
	}
	if p := k.positions(st); len(p) != 2 || p[0].Done || p[0].Offset != 4 {
		t.Fatalf("while the line is not used yet: %+v", p)
	}
	k.read()
	k.taken = append([]got{{st.Path(), "last", last}}, k.taken...)
	k.expectTaken([]string{"last", "two"})
	for range 3 {
		k.mustScan()
		if p := k.positions(st); len(p) != 2 || !p[0].Done || p[0].Offset != 9 {
			t.Fatalf("when it was used: %+v", p)
		}
	}
	k.later(5 * time.Minute)
	k.mustScan()
	if p := k.positions(k.stream("x.log")); len(p) != 1 {
		t.Fatalf("afterwards: %+v", p)
	}
}

func TestRotationWhileDown(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.write("x.log", "two\n")
	k.crash()
	k.rename("x.log", "x.log.1")
	k.write("x.log", "three\n")
	k.open()
	k.expect("two", "three")
}

func TestARenameWithoutSuccessorIsReadOn(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.rename("x.log", "moved")
	k.later(30 * time.Minute)
	k.write("moved", "two\n")
	k.expect("two")
	k.restart()
	k.write("moved", "three\n")
	k.expect("three")
}

func TestAFileThatIsRenamedBackGoesOn(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.rename("x.log", "aside")
	k.write("x.log", "two\n")
	k.expect("two")
	k.remove("x.log")
	k.rename("aside", "x.log")
	k.write("x.log", "three\n")
	k.expect("three")
	k.later(time.Minute)
	k.write("x.log", "four\n")
	k.expect("four")
}

func TestADeletedFileIsReadToItsEnd(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.write("x.log", "two\n")
	k.remove("x.log")
	k.expect("two")
	k.later(11 * time.Second)
	if p := k.positions(k.stream("x.log")); len(p) != 1 || !p[0].Done || p[0].Offset != 8 {
		t.Fatalf("positions %+v, want it done", p)
	}
	if n := len(k.set.known.open); n != 0 {
		t.Fatalf("%d files open", n)
	}
	k.commit()
	k.write("x.log", "new\n")
	k.expect("new")
}

func TestARecreatedFileIsANewFile(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	id := k.positions(k.stream("x.log"))[0].ID
	k.remove("x.log")
	k.write("x.log", "one\n")
	k.expect("one")
	for _, p := range k.positions(k.stream("x.log")) {
		if p.ID != id && p.Offset == 4 {
			return
		}
	}
	t.Fatal("no new identity")
}

func TestAReusedInodeIsANewFile(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\ntwo\n")
	k.expect("one", "two")
	k.crash()
	// The file system need not give the inode to the next file; rewriting the file in place has the same outcome.
	k.put("x.log", "three\nfour\nfive\n")
	k.open()
	k.expect("three", "four", "five")
}

func TestAnInodeOfAnEmptyFileThatServesAnotherPathNow(t *testing.T) {
	k := start(t, "*.log", "*.txt")
	k.write("x.log", "")
	k.expect()
	k.crash()
	k.rename("x.log", "y.txt")
	k.write("y.txt", "one\n")
	k.open()
	k.read()
	if len(k.taken) != 1 || k.taken[0].path != k.path("y.txt") {
		t.Fatalf("read %+v, want one line of y.txt", k.taken)
	}
}

func TestADeviceThatHasAnotherNumberAfterAReboot(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.crash()
	for id, p := range k.stored {
		p.Device += 7
		k.stored[id] = p
	}
	k.write("x.log", "two\n")
	k.open()
	k.expect("two")
}

func TestAFileThatIsReplacedByALongerCopyOfItself(t *testing.T) {
	k := start(t, "*.log")
	lines := numbered("a", 0, 60)
	sync := func(n int) { // as rsync does
		k.put("x.tmp", text(lines[:n]))
		k.rename("x.tmp", "x.log")
	}
	sync(20)
	k.expect(lines[:20]...)
	sync(30)
	k.expect(lines[20:30]...)
	sync(40)
	k.restart()
	k.expect(lines[30:40]...)
	k.restart()
	sync(60)
	k.expect(lines[40:60]...)
}

func TestALongConstantHeadDoesNotMakeASuccessorACopy(t *testing.T) {
	head := text(numbered("# head", 0, 20))
	k := start(t, "*.log")
	k.write("x.log", head+"one\n")
	k.write("y.log", head+"another\n")
	k.read()
	k.commit()
	k.rename("x.log", "x.log.1")
	k.write("x.log", head+"two\n")
	k.expect(append(numbered("# head", 0, 20), "two")...)
	if n := k.stream("y.log").Status(Mark{}).Lines; n != 21 {
		t.Fatalf("%d lines of y.log, want 21", n)
	}
}

func TestForgetNamesFinishedFilesThatAreGone(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	id := k.positions(k.stream("x.log"))[0].ID
	k.rename("x.log", "x.log.1")
	k.write("x.log", "two\n")
	k.expect("two")
	future := time.Now().Add(time.Hour)
	k.later(11 * time.Second)
	for range 3 {
		k.commit()
	}
	k.later(2 * time.Minute)
	if ids := k.set.Forget(future); len(ids) != 0 {
		t.Fatalf("forgot %v while the file is there", ids)
	}
	k.remove("x.log.1")
	k.mustScan()
	if ids := k.set.Forget(time.Now().Add(-time.Hour)); len(ids) != 0 {
		t.Fatalf("forgot %v too early", ids)
	}
	if ids := k.set.Forget(future); len(ids) != 1 || ids[0] != id {
		t.Fatalf("forgot %v, want %d", ids, id)
	}
	k.write("x.log", "three\n")
	k.expect("three")
}

func TestForgetDoesNotMindWhatIsNoFolder(t *testing.T) {
	k := start(t, "*/fw.log")
	k.write("matches the folder's pattern", "")
	for _, name := range []string{"a", "b"} {
		k.must(os.Mkdir(k.path(name), 0o755))
		k.write(name+"/fw.log", name+"\n")
		k.expect(name)
		k.rename(name+"/fw.log", name+"/fw.log.1")
		k.write(name+"/fw.log", "next of "+name+"\n")
		k.expect("next of " + name)
		k.remove(name + "/fw.log.1")
	}
	k.later(11 * time.Second)
	for range 3 {
		k.commit()
	}
	k.later(2 * time.Minute)
	k.rename("b", "not mounted")
	k.must(os.Symlink("b", k.path("b"))) // cannot be listed
	k.mustScan()
	ids := k.set.Forget(time.Now().Add(time.Hour))
	if len(ids) != 1 || k.stored[ids[0]].Path != k.path("a/fw.log") {
		t.Fatalf("forgot %v of %+v, want the first file of a", ids, k.stored)
	}
}
