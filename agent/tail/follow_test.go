package tail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLinesThatAreThereAndLinesThatCome(t *testing.T) {
	dir := t.TempDir()
	k := newKit(t, dir, "*.log")
	k.write("x.log", "one\ntwo\n")
	k.open()
	t.Cleanup(k.crash)
	k.expect("one", "two")
	k.expect()
	k.write("x.log", "three\n")
	k.expect("three")
}

func TestAnIncompleteLastLineIsGivenWhenItsNewlineComes(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\ntw")
	k.expect("one")
	k.write("x.log", "o")
	k.expect()
	k.write("x.log", "\nthr")
	k.expect("two")
	k.restart()
	k.write("x.log", "ee\n")
	k.expect("three")
}

func TestOffsetsLeadFromLineToLine(t *testing.T) {
	k := start(t, "*.log")
	content := "a\r\n\nccc\n"
	k.write("x.log", content)
	k.read()
	var next int64
	for _, g := range k.taken {
		if g.line.Offset != next {
			t.Fatalf("line %q at %d, want %d", g.text, g.line.Offset, next)
		}
		next = g.line.Next
	}
	if next != int64(len(content)) || len(k.taken) != 3 {
		t.Fatalf("%d lines up to %d, want 3 up to %d", len(k.taken), next, len(content))
	}
	k.commitFirst(2)
	if p := k.positions(k.stream("x.log")); len(p) != 1 || p[0].Offset != 4 {
		t.Fatalf("position before the line that is not used %+v", p)
	}
	k.commit()
	if p := k.positions(k.stream("x.log")); len(p) != 1 || p[0].Offset != next || p[0].ID != k.kept[0].line.File {
		t.Fatalf("position %+v", p)
	}
}

func TestOneCarriageReturnIsTakenOffAndNothingElse(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "a\r\nb\r\r\n\r\nc\rd\n \x00\xff\xfe\x00\n")
	k.expect("a", "b\r", "", "c\rd", " \x00\xff\xfe\x00")
}

func TestABlockOfNULsAtTheEndIsNoLine(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n"+strings.Repeat("\x00", 5000))
	k.expect("one")
	k.write("x.log", "two\n")
	k.expect("two")
}

func TestAFileThatAppearsLaterIsReadFromItsBeginning(t *testing.T) {
	k := newKit(t, t.TempDir(), "*.log")
	k.o.Inputs[0].FromEnd = true
	k.open()
	t.Cleanup(k.crash)
	k.expect()
	k.write("y.log", "one\n")
	k.write("other.txt", "not ours\n")
	k.expect("one")
	if n := len(k.set.Streams()); n != 1 {
		t.Fatalf("%d streams", n)
	}
}

func TestAFolderThatAppearsLater(t *testing.T) {
	k := start(t, "sub/*.log", "lit/x.log")
	k.expect()
	for _, st := range k.set.Streams() {
		if err := st.Status(Mark{}).Err; !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%s: error %v, want one that says it is not there", st.Path(), err)
		}
	}
	if n := len(k.set.Streams()); n != 2 {
		t.Fatalf("%d streams, want one for each input", n)
	}
	for range 5 {
		k.mustScan()
	}
	k.must(os.Mkdir(k.path("sub"), 0o755))
	k.must(os.Mkdir(k.path("lit"), 0o755))
	k.write("sub/x.log", "one\n")
	k.write("lit/x.log", "two\n")
	k.expectAny("one", "two")
	for _, st := range k.set.Streams() {
		if err := st.Status(Mark{}).Err; err != nil {
			t.Fatalf("%s: error %v after the folder appeared", st.Path(), err)
		}
	}
	if k.logged("cannot read the log file") != 2 || k.logged("log file is readable again") != 2 {
		t.Fatalf("trouble and its end are logged once each, got: %s", k.log.String())
	}
}

func TestWildcardsInTheFolder(t *testing.T) {
	k := start(t, "*/fw.log")
	k.must(os.Mkdir(k.path("a"), 0o755))
	k.write("a/fw.log", "one\n")
	k.expect("one")
	k.must(os.Mkdir(k.path("b"), 0o755))
	k.write("b/fw.log", "two\n")
	k.expect("two")
	k.must(os.RemoveAll(k.path("a")))
	k.write("b/fw.log", "three\n")
	k.expect("three")
}

func TestAFileThatGrowsInAnotherFolderAfterItsOwnWasRemoved(t *testing.T) {
	k := start(t, "*/fw.log")
	k.must(os.Mkdir(k.path("a"), 0o755))
	k.must(os.Mkdir(k.path("b"), 0o755))
	k.write("a/fw.log", "one\n")
	k.expect("one")
	k.rename("a/fw.log", "b/kept.log")
	k.must(os.Remove(k.path("a")))
	k.later(2 * time.Hour)
	for range 3 {
		k.commit()
	}
	k.later(2 * time.Hour)
	if n := len(k.set.Streams()); n != 0 {
		t.Fatalf("%d streams of a path that is gone", n)
	}
	k.write("b/kept.log", "two\n")
	k.expect("two")
	k.restart()
	k.expect()
}

func TestAnInvalidPatternIsRefused(t *testing.T) {
	for _, pattern := range []string{"/var/log/[", ""} {
		if _, err := Open(context.Background(), Options{Inputs: []Input{{Pattern: pattern}}}, nil); err == nil {
			t.Errorf("pattern %q was taken", pattern)
		}
	}
	_, err := Open(context.Background(), Options{Inputs: []Input{{Pattern: "/var/log/["}}}, nil)
	if !errors.Is(err, filepath.ErrBadPattern) || !strings.Contains(err.Error(), "/var/log/[") {
		t.Fatalf("error %v names neither kind nor pattern", err)
	}
}

func TestTheFirstInputThatMatchesAPathTagsIt(t *testing.T) {
	k := start(t, "x.log", "*.log")
	k.write("x.log", "one\n")
	k.write("y.log", "two\n")
	k.expectAny("one", "two")
	if x, y := k.stream("x.log").Tag(), k.stream("y.log").Tag(); x != 0 || y != 1 {
		t.Fatalf("tags %d and %d, want 0 and 1", x, y)
	}
}

func TestStreamsAreInTheOrderOfTheirPaths(t *testing.T) {
	k := start(t, "*.log")
	for _, name := range []string{"c", "a", "b"} {
		k.write(name+".log", name+"\n")
		k.read()
	}
	var order string
	for _, st := range k.set.Streams() {
		order += filepath.Base(st.Path()) + " "
	}
	if order != "a.log b.log c.log " {
		t.Fatalf("order %s", order)
	}
}

func TestStatusSaysHowFarItIs(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\ntwo\nthr")
	k.refresh()
	st := k.stream("x.log")
	line, _ := st.Next()
	info, err := os.Stat(k.path("x.log"))
	k.must(err)
	status := func(used Mark) Status { // but for when the files were written, which is what x.log says as it was read
		s := st.Status(used)
		if !s.Written.Equal(info.ModTime()) {
			t.Errorf("written at %s, want %s", s.Written, info.ModTime())
		}
		s.Written = time.Time{}
		return s
	}
	want := Status{Path: k.path("x.log"), Size: 11, Offset: 0, Behind: 11, Lines: 1}
	if have := status(Mark{}); have != want {
		t.Fatalf("status before the line is used %+v, want %+v", have, want)
	}
	want = Status{Path: k.path("x.log"), Size: 11, Offset: 4, Behind: 7, Lines: 1}
	if have := status(Mark{line.File, line.Next}); have != want {
		t.Fatalf("status %+v, want %+v", have, want)
	}
	k.rename("x.log", "x.log.1")
	k.write("x.log", "four\n")
	k.refresh()
	want = Status{Path: k.path("x.log"), Size: 5, Offset: 0, Behind: 12, Lines: 1}
	if have := status(Mark{}); have != want {
		t.Fatalf("status %+v, want %+v", have, want)
	}
}

func TestNothingIsGivenAfterClose(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\ntwo\n")
	k.refresh()
	st := k.stream("x.log")
	line, _ := st.Next()
	k.must(k.set.Close())
	if _, ok := st.Next(); ok {
		t.Fatal("a line after Close")
	}
	if n := st.Each(5, func(Line) { t.Error("a line after Close") }); n != 0 {
		t.Fatalf("%d lines after Close", n)
	}
	if err := k.set.Refresh(context.Background()); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("Refresh: %v", err)
	}
	if err := k.set.Wait(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("Wait: %v", err)
	}
	if p := st.Position(Mark{line.File, line.Next}); len(p) != 1 || p[0].Offset != 4 {
		t.Fatalf("positions after Close: %+v", p)
	}
}

func TestALineStaysValidWhileFilesAreLookedFor(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\ntwo\n")
	k.write("y.log", "other\n")
	k.refresh()
	line, ok := k.stream("x.log").Next()
	k.rename("x.log", "x.log.1")
	k.write("x.log", "three\n")
	k.refresh()
	k.readStream(k.stream("y.log"))
	if !ok || string(line.Data) != "one" {
		t.Fatalf("line is now %q", line.Data)
	}
	k.expect("other", "two", "three")
}

func TestAFileThatIsSilentForLongIsClosedAndGoesOnWhenItGrows(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\ntw")
	k.expect("one")
	k.later(23 * time.Hour)
	if n := len(k.set.known.open); n != 1 {
		t.Fatalf("%d files open after 23 hours", n)
	}
	k.later(2 * time.Hour)
	if n := len(k.set.known.open); n != 0 {
		t.Fatalf("%d files open after 25 hours", n)
	}
	for range 3 {
		k.commit()
	}
	k.later(2 * time.Minute)
	if n := len(k.set.Streams()); n != 0 {
		t.Fatalf("%d streams", n)
	}
	k.restart()
	if n := len(k.set.known.open); n != 1 {
		t.Fatalf("%d files open after a restart, want the one with an incomplete line", n)
	}
	k.write("x.log", "o\n")
	k.expect("two")
	k.write("x.log", "three\n")
	k.expect("three")
	k.later(25 * time.Hour)
	k.commit()
	k.restart()
	if n := len(k.set.known.open); n != 0 {
		t.Fatalf("%d files open after a restart", n)
	}
	k.put("x.log", "new\n")
	k.mustScan() // what is written in place shows in no folder
	k.expect("new")
}

func TestAPathThatIsGoneIsNoStreamAnyMoreOnceItsPositionsAreStored(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.remove("x.log")
	k.later(time.Minute)
	k.commit()
	k.commit()
	k.commit()
	k.later(2 * time.Minute)
	k.mustScan()
	if n := len(k.set.Streams()); n != 0 {
		t.Fatalf("%d streams left", n)
	}
	for _, p := range k.stored {
		if !p.Done {
			t.Fatalf("stored %+v, want it done", p)
		}
	}
	k.write("x.log", "two\n")
	k.expect("two")
}

func TestEachGivesWhatNextGives(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\ntwo\nthree\nfour, inco")
	k.refresh()
	st := k.stream("x.log")
	var have []string
	each := func(most int) int {
		return st.Each(most, func(line Line) { have = append(have, fmt.Sprintf("%d:%s", line.Offset, line.Data)) })
	}
	if n := each(2); n != 2 || fmt.Sprint(have) != "[0:one 4:two]" {
		t.Fatalf("%d lines of at most two: %q", n, have)
	}
	if n := each(2); n != 1 || fmt.Sprint(have) != "[0:one 4:two 8:three]" {
		t.Fatalf("%d lines of the last one: %q", n, have)
	}
	if n := each(2); n != 0 {
		t.Fatalf("%d lines behind it: %q", n, have)
	}
	k.write("x.log", "mplete\n")
	k.refresh()
	if n := each(2); n != 1 || have[3] != "14:four, incomplete" {
		t.Fatalf("%d lines when it is complete: %q", n, have)
	}
}
