package tail

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func TestCopytruncateStartsAgainWithANewIdentity(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\ntwo\n")
	k.expect("one", "two")
	id := k.positions(k.stream("x.log"))[0].ID
	k.copytruncate("x.log", "x.log.1")
	k.write("x.log", "three\n")
	k.expect("three")
	p := k.positions(k.stream("x.log"))
	if len(p) != 2 || p[0].ID != id || !p[0].Done || p[1].ID == id || p[1].Offset != 6 || p[0].Inode != p[1].Inode {
		t.Fatalf("positions %+v", p)
	}
	k.restart()
	k.expect()
}

func TestATruncatedFileThatGrewBeyondTheOldSizeBeforeWeLooked(t *testing.T) {
	for name, between := range map[string]func(k *kit){"running": (*kit).read, "down": (*kit).restart} {
		t.Run(name, func(t *testing.T) {
			k := start(t, "*.log")
			k.write("x.log", text(numbered("a", 0, 5)))
			k.expect(numbered("a", 0, 5)...)
			between(k)
			k.put("x.log", text(numbered("b", 0, 50)))
			k.expect(numbered("b", 0, 50)...)
		})
	}
}

func TestATruncatedFileOfTheSameSize(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.put("x.log", "two\n")
	k.must(os.Chtimes(k.path("x.log"), time.Time{}, time.Now().Add(time.Second))) // in the same tick it would not show
	k.expect("two")
}

func TestTruncationWhileLinesWereWaitingInTheBuffer(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", text(numbered("a", 0, 10)))
	k.refresh()
	st := k.stream("x.log")
	line, _ := st.Next()
	k.taken = append(k.taken, got{st.Path(), string(line.Data), line})
	k.copytruncate("x.log", "x.log.1")
	k.write("x.log", text(numbered("b", 0, 30)))
	k.expect(append(numbered("a", 0, 10), numbered("b", 0, 30)...)...)
}

func TestOffsetBeyondTheEndIsATruncation(t *testing.T) {
	for name, down := range map[string]bool{"running": false, "down": true} {
		t.Run(name, func(t *testing.T) {
			k := start(t, "*.log")
			lines := numbered("a", 0, 50)
			k.write("x.log", text(lines))
			k.expect(lines...)
			if down {
				k.crash()
			}
			k.must(os.Truncate(k.path("x.log"), int64(len(text(lines[:20]))))) // with the same fingerprint
			if down {
				k.open()
			}
			k.expect(lines[:20]...)
			if k.logged("truncated") != 1 {
				t.Fatalf("log: %s", k.log.String())
			}
			if n := len(k.stored); n != 2 {
				t.Fatalf("%d identities, want 2", n)
			}
		})
	}
}

func TestAFileThatLostItsEndWhileDownAndGrewPastItLosesNoLine(t *testing.T) {
	k := start(t, "*.log")
	lines := numbered("a", 0, 50)
	k.write("x.log", text(lines))
	k.expect(lines...)
	k.crash()
	k.must(os.Truncate(k.path("x.log"), int64(len(text(lines[:45]))))) // what a power cut leaves
	more := numbered("the next start", 0, 20)
	k.write("x.log", text(more))
	k.open()
	k.expect(append(lines[:45:45], more...)...)
}

// All content of the file begins alike, and what was read of the one before the last ends where a line begins.
func TestAFileWithAConstantHeadThatIsTruncatedAgainIsNotTakenForWhatItHeldBefore(t *testing.T) {
	head := numbered("# head", 0, 20)
	k := start(t, "*.log")
	for _, lines := range [][]string{numbered("a", 0, 20), numbered("b", 0, 40)} {
		k.put("x.log", "")
		k.read()
		k.write("x.log", text(append(head, lines...)))
		k.expect(append(head, lines...)...)
	}
	k.crash()
	k.put("x.log", text(append(head, numbered("c", 0, 30)...)))
	k.open()
	k.expect(append(head, numbered("c", 0, 30)...)...)
	k.restart()
	k.expect()
}

// The same where it was empty when it was let go, so that nothing of it is known but its inode and when it was made.
func TestAFileWithAConstantHeadThatWasTruncatedAndRestsIsNotTakenForWhatItHeldBefore(t *testing.T) {
	head := numbered("# head", 0, 20)
	k := newKit(t, t.TempDir(), "*.log")
	k.o.Inputs[0].MaxFiles = 1
	k.open()
	t.Cleanup(k.crash)
	k.write("x.log", text(append(head, numbered("a", 0, 20)...)))
	k.expect(append(head, numbered("a", 0, 20)...)...)
	k.put("x.log", "")
	k.read()
	k.write("y.log", "other\n")
	k.settle(1)
	k.write("x.log", text(append(head, numbered("b", 0, 40)...)))
	k.mustScan()
	k.settle(1)
	k.compareKept(41, append(head, numbered("b", 0, 40)...)...)
}

// It begins as before, and where it was read to no line begins any more.
func TestAFileThatWasRewrittenWhileItWasClosedIsReadAnew(t *testing.T) {
	head := numbered("# head", 0, 20)
	k := start(t, "*.log")
	k.write("x.log", text(append(head, "one", "two")))
	k.expect(append(head, "one", "two")...)
	k.later(silentFor)
	k.later(silentFor)
	if n := len(k.set.known.open); n != 0 {
		t.Fatalf("%d files open", n)
	}
	k.put("x.log", text(append(head, "it was rewritten", "three")))
	k.mustScan()
	k.expect(append(head, "it was rewritten", "three")...)
	k.restart()
	k.expect()
}

func TestATruncationThatWasNotReadYetWhenTheFileWasRenamedIsNotForgotten(t *testing.T) {
	for _, pattern := range []string{"x.log", "x.log*"} {
		t.Run(pattern, func(t *testing.T) {
			k := start(t, pattern)
			k.write("x.log", text(numbered("a", 0, 3)))
			k.expect(numbered("a", 0, 3)...)
			k.copytruncate("x.log", "x.log.2")
			k.gzip("x.log.2")
			k.write("x.log", text(numbered("b", 0, 30)))
			k.rename("x.log", "x.log.1")
			k.write("x.log", "next\n")
			k.age("x.log", -time.Second) // later than the rest, by more than file systems round
			k.mustScan()                 // the successor is seen, and nothing read
			k.commit()
			k.gzip("x.log.1")
			k.restart()
			k.expect(append(numbered("b", 0, 30), "next")...)
			k.restart()
			k.expect()
		})
	}
}

// A file was rewritten in place and renamed, and the one after it was found, before anything more was read: a restart finds the inode
// with another content, which came before what is known.
func TestWhatReplacedTheContentOfAFileBeforeItWasNoticedIsReadAfterARestart(t *testing.T) {
	for copied, copying := range map[string]func(k *kit){
		"the copy is compressed": func(k *kit) { k.gzip("x.log.3") },
		"the copy is plain":      func(*kit) {},
		"the copy is deleted":    func(k *kit) { k.remove("x.log.3") },
	} {
		for _, next := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, successor %v", copied, next), func(t *testing.T) {
				k := start(t, "x.log")
				first, second := numbered("a", 0, 20), numbered("b", 0, 30)
				k.write("x.log", text(first))
				k.age("x.log", 3*time.Hour)
				k.expect(first...)
				k.copy("x.log", "x.log.3")
				k.put("x.log", text(second))
				k.age("x.log", 2*time.Hour)
				k.age("x.log.3", 3*time.Hour)
				k.rename("x.log", "x.log.2")
				copying(k)
				k.write("x.log.1", "third\n")
				k.age("x.log.1", time.Hour)
				k.mustScan()
				k.commit()
				k.crash()
				want := append(second, "third")
				if next {
					k.write("x.log", "fourth\n")
					want = append(want, "fourth")
				}
				k.open()
				k.expect(want...)
				k.restart()
				k.expect()
			})
		}
	}
}

// What is to be looked for when the folders are listed again is looked for by a restart before that, too.
func TestSeveralCopytruncatesThatWereNoticedJustBeforeARestart(t *testing.T) {
	k := start(t, "x.log")
	k.write("x.log", text(numbered("a", 0, 20)))
	k.age("x.log", 4*time.Hour)
	k.expect(numbered("a", 0, 20)...)
	k.write("x.log", "two\n")
	k.copytruncate("x.log", "x.log.3")
	k.write("x.log", "three\n")
	k.copytruncate("x.log", "x.log.2")
	k.write("x.log", "four\n")
	for n, name := range []string{"x.log", "x.log.2", "x.log.3"} {
		k.age(name, time.Duration(n+1)*time.Hour)
	}
	k.rename("x.log", "x.log.1")
	k.write("x.log", "five\n")
	k.mustScan() // the truncation and the successor are seen, and nothing read
	k.commit()
	k.restart()
	k.expectAny("two", "three", "four", "five")
	k.restart()
	k.expect()
}

func TestSeveralCopytruncatesBetweenTwoLooks(t *testing.T) {
	k := start(t, "x.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.write("x.log", "two\n")
	k.copytruncate("x.log", "x.log.2")
	k.write("x.log", "three\n")
	k.copytruncate("x.log", "x.log.1")
	k.write("x.log", "four\n")
	k.expect("two", "three", "four")
	k.restart()
	k.expect()
}

func TestAnIncompleteLineThatIsTakenBackIsNoTruncation(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\ntwo, inco")
	k.expect("one")
	k.put("x.log", "one\n2\n")
	k.expect("2")
	if n := len(k.positions(k.stream("x.log"))); n != 1 {
		t.Fatalf("%d identities, want 1", n)
	}
}

func TestWhatWasNotReadBeforeACopytruncateIsReadFromTheCopy(t *testing.T) {
	for _, lines := range []int{3, 50} { // with a fingerprint that is not full, and with one that is
		for name, down := range map[string]bool{"running": false, "down": true} {
			t.Run(fmt.Sprintf("%d lines, %s", lines, name), func(t *testing.T) {
				k := start(t, "*.log")
				k.write("x.log", text(numbered("a", 0, lines)))
				k.expect(numbered("a", 0, lines)...)
				if down {
					k.crash()
				}
				k.write("x.log", text(numbered("a", lines, 2*lines)))
				k.copytruncate("x.log", "x.log.1")
				k.write("x.log", "new\n")
				if down {
					k.open()
				}
				k.expect(append(numbered("a", lines, 2*lines), "new")...)
				k.restart()
				k.expect()
				k.later(11 * time.Second)
				k.expect()
			})
		}
	}
}

func TestTheCopyOfCopytruncateIsNotReadAgain(t *testing.T) {
	for name, c := range map[string]struct {
		pattern, to string
		lines       int
	}{
		"generation":        {"x.log*", "x.log.1", 50},
		"short generation":  {"x.log*", "x.log.1", 3},
		"dated":             {"x*.log", "x-20260102.log", 50},
		"some other name":   {"*.log", "backup of x.log", 50},
		"of a former start": {"x.log*", "x.log.1", 50},
	} {
		t.Run(name, func(t *testing.T) {
			k := start(t, c.pattern)
			k.write("x.log", text(numbered("a", 0, c.lines)))
			k.expect(numbered("a", 0, c.lines)...)
			k.copy("x.log", c.to)
			k.expect() // the copy is there, the file not truncated yet
			if name == "of a former start" {
				k.restart()
			}
			if c.lines > 10 { // a copy shorter than the fingerprint has nothing to be known by
				k.write("x.log", "last\n") // written after the copy
				k.expect("last")
			}
			k.must(os.Truncate(k.path("x.log"), 0))
			k.expect()
			k.write("x.log", "new\n")
			k.expect("new")
			k.restart()
			k.expect()
			if k.logged("copy of a file that is being read") > 2 {
				t.Fatalf("log: %s", k.log.String())
			}
		})
	}
}

func TestACopyThatIsSeenWhileItIsStillEmpty(t *testing.T) {
	k := start(t, "x.log*")
	k.write("x.log", text(numbered("a", 0, 50)))
	k.expect(numbered("a", 0, 50)...)
	k.put("x.log.1", "")
	k.expect()
	k.restart()
	k.copytruncate("x.log", "x.log.1")
	k.write("x.log", "new\n")
	k.expect("new")
	k.put("x.log.2", "")
	k.expect()
	k.put("x.log.2", text(numbered("a", 0, 50)))
	k.expect()
	k.write("x.log.2", "more\n")
	k.expect("more")
	k.restart()
	k.expect()
}

func TestAFileThatGoesOnBehindWhatAnotherHasIsReadFromThere(t *testing.T) {
	k := start(t, "*.log")
	lines := numbered("a", 0, 50)
	k.write("one firewall.log", text(lines))
	k.expect(lines...)
	// A second file of the writer, for all firewalls, of which the first one has been the only one so far.
	k.write("all.log", text(lines))
	k.expect()
	k.write("all.log", "another firewall\n")
	k.expect("another firewall")
	k.write("all.log", "more\n")
	k.restart()
	k.expect("more")
}

func TestACopyUnderAnotherNameHoldsWhatWasNotRead(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", text(numbered("a", 0, 50)))
	k.expect(numbered("a", 0, 50)...)
	k.write("x.log", "unread\n")
	k.copytruncate("x.log", "saved.log")
	k.expect("unread")
}

func TestACopyUnderAnotherNameOfAFileThatWasDeletedWhileDown(t *testing.T) {
	for name, successor := range map[string]bool{"with a successor": true, "without one": false} {
		t.Run(name, func(t *testing.T) {
			k := start(t, "*.log")
			k.write("x.log", text(numbered("a", 0, 50)))
			k.expect(numbered("a", 0, 50)...)
			k.write("x.log", "unread\n")
			k.crash()
			k.copy("x.log", "a.log")
			k.remove("x.log")
			want := []string{"unread"}
			if successor {
				k.write("x.log", "next\n")
				want = append(want, "next")
			}
			k.open()
			k.later(goneGrace)
			k.expectAny(want...)
			k.restart()
			k.expect()
		})
	}
}

// Of an empty generation nothing but the inode is known, which a file system soon gives to the copy of another one.
func TestACopyWithTheInodeOfAnEmptyGenerationHoldsWhatWasNotRead(t *testing.T) {
	for _, lines := range []int{3, 50} { // with a fingerprint that is not full, and with one that is
		for _, unread := range []int{0, 5} {
			for _, most := range []int{0, 1} {
				t.Run(fmt.Sprintf("%d lines, %d unread, %d files at once", lines, unread, most), func(t *testing.T) {
					k := newKit(t, t.TempDir(), "x.log*")
					k.write("x.log.1", "")
					k.write("x.log", text(numbered("a", 0, lines)))
					k.open()
					t.Cleanup(k.crash)
					k.expect(numbered("a", 0, lines)...)
					k.crash()
					k.o.Inputs[0].MaxFiles = most
					k.write("x.log", text(numbered("a", lines, lines+unread)))
					k.copytruncate("x.log", "x.log.1")
					k.write("x.log", "new\n")
					k.open()
					k.expect(append(numbered("a", lines, lines+unread), "new")...)
					k.restart()
					k.later(goneGrace)
					k.expect()
					if k.logged("lost") != 0 {
						t.Fatalf("log: %s", k.log.String())
					}
				})
			}
		}
	}
}

func TestAWriterThatDidNotNoticeTheTruncationLeavesAHole(t *testing.T) {
	k := start(t, "*.log")
	w, err := os.Create(k.path("x.log")) // without O_APPEND
	k.must(err)
	defer w.Close()
	fmt.Fprintln(w, "one")
	k.expect("one")
	k.must(os.Truncate(k.path("x.log"), 0))
	fmt.Fprintln(w, "two")
	k.expect("two")
	_, err = w.Seek(1<<40, 0)
	k.must(err)
	fmt.Fprint(w, "three\nfour\n")
	k.read()
	if len(k.taken) != 2 || k.taken[0].text != "three" || k.taken[0].line.Offset != 1<<40 || k.taken[1].text != "four" {
		t.Fatalf("%+v", k.taken)
	}
	if again, err := k.set.LineAt(k.taken[0].line.File, 1<<40); err != nil || string(again) != "three" {
		t.Errorf("again: %q, %v", again, err)
	}
}

// What stands behind a hole is read whatever its length and that of the hole, also where the hole is written out, and a line that
// is too long behind it is cut as any other.
func TestLinesBehindHoles(t *testing.T) {
	const most = defaultMaxLine
	for _, zeros := range []int{1, most - 1, most + 1, bufferSize + 7, 3 * bufferSize} {
		for _, size := range []int{0, 100, most, most + 1, 5 * most} {
			for _, end := range []string{"\n", "\r\n"} {
				k := start(t, "*.log")
				long := strings.Repeat("x", size)
				k.write("x.log", "one\n"+strings.Repeat("\x00", zeros))
				k.expect("one")
				k.write("x.log", long[:size/2])
				k.expect()
				k.write("x.log", long[size/2:]+end+"two\n")
				k.read()
				if len(k.taken) != 2 {
					t.Fatalf("%d NULs, %d bytes: %d lines", zeros, size, len(k.taken))
				}
				l := k.taken[0]
				if l.text != long[:min(size, most)] || l.line.Cut != (size > most) || l.line.Offset != int64(4+zeros) || l.line.Next != int64(4+zeros+size+len(end)) || k.taken[1].text != "two" {
					t.Fatalf("%d NULs, %d bytes: %d bytes, %+v", zeros, size, len(l.text), l.line)
				}
				if again, err := k.set.LineAt(l.line.File, l.line.Offset); err != nil || string(again) != l.text {
					t.Fatalf("%d NULs, %d bytes: again %d bytes, %v", zeros, size, len(again), err)
				}
				k.crash()
			}
		}
	}
}
