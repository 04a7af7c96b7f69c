package tail

import (
	"fmt"
	"os"
	"testing"
	"time"
)

func TestCompressedFilesThatMatchArePassedOver(t *testing.T) {
	k := newKit(t, t.TempDir(), "*")
	k.write("x.log", "one\n")
	for _, name := range []string{"a.log.gz", "b.log.xz", "c.log.bz2", "d.log.zst", "e.log.Z", "f.zip"} {
		k.write(name, "compressed\n")
	}
	k.write("disguised.log", "\x1f\x8b\x08\x00 by its first bytes\n")
	k.write("disguised2.log", "\x28\xb5\x2f\xfd by its first bytes\n")
	k.open()
	t.Cleanup(k.crash)
	k.expect("one")
	for range 5 {
		k.mustScan()
	}
	if n := k.logged("passed over: compressed"); n != 8 {
		t.Fatalf("named %d times, want 8: %s", n, k.log.String())
	}
	if n := len(k.set.Streams()); n != 1 {
		t.Fatalf("%d streams", n)
	}
}

func TestAFileThatWasEmptyAndTurnsOutCompressedIsPassedOver(t *testing.T) {
	k := start(t, "*.log")
	k.put("x.log", "")
	k.expect()
	k.put("x.log", "\x1f\x8b\x08\x00\n\n\n")
	k.expect()
	k.restart()
	k.expect()
	if n := k.logged("passed over: compressed"); n == 0 {
		t.Fatalf("log: %s", k.log.String())
	}
}

func TestWhatIsLeftOfACompressedFileIsRead(t *testing.T) {
	for _, n := range []int{3, 50, 20_000} {
		t.Run(fmt.Sprint(n, " lines"), func(t *testing.T) {
			k := start(t, "*.log")
			k.write("x.log", text(numbered("a", 0, n)))
			k.expect(numbered("a", 0, n)...)
			k.crash()
			k.write("x.log", text(numbered("a", n, n+n/2)))
			k.rename("x.log", "x.log.1")
			k.write("x.log", "new\n")
			k.gzip("x.log.1")
			k.open()
			behind := k.stream("x.log").Status(Mark{}).Behind
			if want := int64(len(text(numbered("a", n, n+n/2))) + 4); behind != want {
				t.Fatalf("behind by %d bytes, want %d", behind, want)
			}
			k.refresh()
			st := k.stream("x.log")
			line, _ := st.Next()
			k.taken = append(k.taken, got{st.Path(), string(line.Data), line})
			want := append(numbered("a", n, n+n/2), "new")
			k.taken[0].text = want[0]
			k.commit()
			k.restart() // in the midst of it
			k.expect(want[1:]...)
			k.restart()
			k.expect()
		})
	}
}

func TestTheRestIsReadBeforeTheSuccessorExists(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.crash()
	k.write("x.log", "two\n")
	k.rename("x.log", "x.log-20260102")
	k.gzip("x.log-20260102")
	k.open()
	k.expect("two")
	k.write("x.log", "three\n")
	k.expect("three")
}

func TestACompressedCopyOfAFinishedFileIsNotRead(t *testing.T) {
	k := start(t, "x.log*")
	k.write("x.log", text(numbered("a", 0, 50)))
	k.expect(numbered("a", 0, 50)...)
	k.rename("x.log", "x.log.1")
	k.write("x.log", "two\n")
	k.expect("two")
	k.gzip("x.log.1") // while late lines were possible
	k.expect()
	k.later(11 * time.Second)
	k.expect()
	k.crash()
	k.rename("x.log", "x.log.1")
	k.gzip("x.log.1")
	k.write("x.log", "three\n")
	k.open()
	k.expect("three")
	k.rename("x.log", "x.log.1")
	k.write("x.log", "four\n")
	k.gzip("x.log.1") // between two looks, and the handle is held
	k.expect("four")
}

func TestGenerationsThatWereRotatedAndCompressedWhileDown(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.crash()
	k.write("x.log", "two\n")
	k.rename("x.log", "x.log.4")
	k.write("x.log.3", "three\n")
	k.write("x.log.2", "four\n")
	k.write("x.log.1", "five\n")
	k.write("x.log", "six\n")
	for _, name := range []string{"x.log.4", "x.log.3", "x.log.2"} {
		k.gzip(name)
	}
	k.open()
	k.expect("two", "three", "four", "five", "six")
	k.restart()
	k.expect()
	k.crash()
	k.gzip("x.log.1")
	k.rename("x.log", "x.log.0")
	k.write("x.log", "seven\n")
	k.open()
	k.expect("seven")
}

// Where many files are looked for in many generations, opening each for each of them took so long that no stop was heard.
func TestACompressedFileIsOpenedOnceForAllThatAreNotInIt(t *testing.T) {
	k := start(t, "x.log")
	k.write("x.log", text(numbered("a", 0, 50)))
	k.expect(numbered("a", 0, 50)...)
	k.write("x.log.1", text(numbered("b", 0, 50)))
	k.gzip("x.log.1")
	e := listFolder(k.dir, nil, nil).entries["x.log.1.gz"]
	for range 2 {
		if left, err := restPacked(k.set, k.stream("x.log").files.cur, e); left != nil || err != nil {
			t.Fatalf("found %+v, %v", left, err)
		}
		_ = os.Remove(e.path) // the second time there is none to open
	}
}

func TestACompressedFileThatBreaksOffIsTriedAgain(t *testing.T) {
	k := start(t, "*.log")
	lines := numbered("a", 0, 40_000)
	k.write("x.log", text(lines[:20_000]))
	k.expect(lines[:20_000]...)
	k.crash()
	k.write("x.log", text(lines[20_000:]))
	k.rename("x.log", "x.log.1")
	k.gzip("x.log.1")
	whole, err := os.ReadFile(k.path("x.log.1.gz"))
	k.must(err)
	k.must(os.Truncate(k.path("x.log.1.gz"), int64(len(whole)*3/4)))
	k.write("x.log", "new\n")
	k.open()
	k.read()
	some := len(k.taken)
	if some < 1000 || k.stream("x.log").Status(Mark{}).Err == nil {
		t.Fatalf("%d lines, error %v", some, k.stream("x.log").Status(Mark{}).Err)
	}
	k.commit()
	k.put("x.log.1.gz", string(whole))
	k.ahead += zipRetry
	k.read()
	if n := some + len(k.taken); n != 20_001 {
		t.Fatalf("%d lines in all, want 20001", n)
	}
	k.commit()
	if err := k.stream("x.log").Status(Mark{}).Err; err != nil {
		t.Fatalf("still in trouble: %v", err)
	}
	seen := map[string]int{}
	for _, g := range k.kept {
		seen[g.text]++
	}
	for _, line := range lines {
		if seen[line] != 1 {
			t.Fatalf("%q came %d times", line, seen[line])
		}
	}
}

func TestACompressedFileThatStaysBrokenIsGivenUp(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", text(numbered("a", 0, 20_000)))
	k.expect(numbered("a", 0, 20_000)...)
	k.crash()
	k.write("x.log", text(numbered("a", 20_000, 40_000)))
	k.rename("x.log", "x.log.1")
	k.gzip("x.log.1")
	k.must(os.Truncate(k.path("x.log.1.gz"), 200_000))
	k.write("x.log", "new\n")
	k.open()
	for range zipTries + 1 {
		k.later(zipRetry)
	}
	if err := k.stream("x.log").Status(Mark{}).Err; err != nil {
		t.Fatalf("error %v", err)
	}
	if k.logged("no copy was found") != 1 {
		t.Fatalf("log: %s", k.log.String())
	}
}

func TestACompressionThatCannotBeReadIsSaid(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.crash()
	k.rename("x.log", "x.log.1")
	k.rename("x.log.1", "x.log.1.zst")
	k.put("x.log.1.zst", "\x28\xb5\x2f\xfd...")
	k.remove("x.log.1.zst")
	k.write("x.log.1.zst", "\x28\xb5\x2f\xfd...")
	k.write("x.log", "two\n")
	k.open()
	k.expect("two")
	if k.logged("compressed in a way that cannot be read") != 1 || k.logged("no copy was found") != 1 {
		t.Fatalf("log: %s", k.log.String())
	}
}

// Who still has a file open long after it was renamed may write to it until it is compressed. While nobody looks, the
// compressed copy is all that is left of these lines.
func TestLateLinesOfAFinishedFileAreReadFromItsCompressedCopy(t *testing.T) {
	k := start(t, "x.log")
	k.write("x.log", text(numbered("a", 0, 30)))
	k.expect(numbered("a", 0, 30)...)
	k.rename("x.log", "x.log.1")
	k.write("x.log", "")
	k.later(11 * time.Second)
	k.commit()
	if p := k.positions(k.stream("x.log")); !p[0].Done {
		t.Fatalf("positions %+v", p)
	}
	k.crash()
	k.write("x.log.1", text(numbered("a", 30, 40)))
	k.write("x.log", "new\n")
	k.rename("x.log.1", "x.log.2")
	k.gzip("x.log.2")
	k.rename("x.log", "x.log.1")
	k.write("x.log", "newest\n")
	k.open()
	k.expect(append(numbered("a", 30, 40), "new", "newest")...)
	k.restart()
	k.expect()
	k.later(2 * time.Minute)
	k.restart()
	k.expect()
}

func TestAFileThatWasFoundUnderTheNameOfAGenerationIsReadOnFromItsCompressedCopy(t *testing.T) {
	k := newKit(t, t.TempDir(), "x.log*")
	k.write("x.log.1", text(numbered("old", 0, 50)))
	k.write("x.log", text(numbered("new", 0, 5)))
	k.open()
	t.Cleanup(k.crash)
	k.readSome(10)
	k.commit()
	k.crash()
	k.rename("x.log.1", "x.log.2")
	k.gzip("x.log.2")
	k.rename("x.log", "x.log.1")
	k.write("x.log", "last\n")
	k.open()
	old := k.kept[len(k.kept)-1]
	if line, err := k.set.LineAt(old.line.File, old.line.Offset); err != nil || string(line) != old.text {
		t.Errorf("the line read last is %q now: %v", line, err)
	}
	k.expectAny(append(numbered("old", 10, 50), "last")...)
}
