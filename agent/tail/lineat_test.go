package tail

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"
)

// again reads a line again and compares it.
func (k *kit) again(g got) {
	k.t.Helper()
	line, err := k.set.LineAt(g.line.File, g.line.Offset)
	k.must(err)
	if string(line) != g.text {
		k.t.Fatalf("read %q again, was %q", line, g.text)
	}
}

func TestALineIsReadAgainWhereverItsFileIs(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", text(numbered("a", 0, 30))+strings.Repeat("L", 70_000)+"\r\nshort\r\n"+strings.Repeat("M", 5000)+"\r\n"+strings.Repeat("e", usualLine-1)+"\r\n")
	k.read()
	lines := k.taken
	k.commit()
	all := func(where string) {
		t.Helper()
		for _, g := range lines {
			k.again(g)
		}
		if _, err := k.set.LineAt(lines[0].line.File, 3); err == nil {
			t.Fatalf("%s: the middle of a line was taken for one", where)
		}
	}
	all("open")
	k.rename("x.log", "x.log.1")
	k.write("x.log", "new\n")
	k.expect("new")
	all("renamed, open")
	k.later(11 * time.Second)
	k.commit()
	all("renamed, closed")
	k.restart()
	all("after a restart")
	k.gzip("x.log.1")
	all("compressed")
	k.remove("x.log.1.gz")
	if _, err := k.set.LineAt(lines[0].line.File, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("error %v of a file that is gone", err)
	}
}

func TestALineIsReadAgainFromTheCopyOfCopytruncate(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", text(numbered("a", 0, 30)))
	k.read()
	lines := k.taken
	k.commit()
	k.copytruncate("x.log", "x.log.1")
	k.write("x.log", text(numbered("b", 0, 50))) // not noticed yet
	k.again(lines[7])
	k.expect(numbered("b", 0, 50)...)
	k.again(lines[7])
	k.remove("x.log.1")
	if line, err := k.set.LineAt(lines[7].line.File, lines[7].line.Offset); err == nil {
		t.Fatalf("%q of content that is gone", line)
	}
}

func TestALineThatWasNeverGivenIsRefused(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.write("x.log", "two\n")
	id := k.positions(k.stream("x.log"))[0].ID
	for _, at := range []int64{-1, 4, 1 << 40} {
		if line, err := k.set.LineAt(id, at); err == nil {
			t.Errorf("offset %d: %q", at, line)
		}
	}
	if _, err := k.set.LineAt(id+1, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unknown file: %v", err)
	}
	k.must(os.Remove(k.path("x.log")))
	if line, err := k.set.LineAt(id, 0); err != nil || string(line) != "one" {
		t.Errorf("a deleted file that is open: %q, %v", line, err)
	}
}
