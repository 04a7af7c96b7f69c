package tail

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestLinesAroundTheLimit(t *testing.T) {
	for _, limit := range []int{1, 16, 2000, defaultMaxLine, 400_000} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			k := newKit(t, t.TempDir(), "*.log")
			k.o.MaxLine = limit
			k.open()
			t.Cleanup(k.crash)
			var want []string
			var cut []bool
			for _, n := range []int{0, limit - 1, limit, limit + 1, limit + 2, 3*limit + 7, 700_000, 1} {
				for _, end := range []string{"\n", "\r\n"} {
					line := strings.Repeat("z", n)
					k.write("x.log", line+end)
					want = append(want, line[:min(n, limit)])
					cut = append(cut, n > limit)
				}
			}
			k.read()
			var next int64
			for i, g := range k.taken {
				if i >= len(want) || g.text != want[i] || g.line.Cut != cut[i] || g.line.Offset != next {
					t.Fatalf("line %d: %d bytes, cut %v, at %d; want %d bytes, cut %v, at %d", i, len(g.text), g.line.Cut, g.line.Offset, len(want[i]), cut[i], next)
				}
				next = g.line.Next
			}
			k.expect(want...)
			k.restart()
			k.expect()
		})
	}
}

func TestALongLineWhoseEndHasNotComeIsNotKept(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	part := strings.Repeat("y", 1<<20)
	for range 40 {
		k.write("x.log", part)
		k.read()
	}
	k.expect("one")
	if n := cap(k.stream("x.log").reader.buf); n > bufferSize {
		t.Fatalf("buffer of %d bytes", n)
	}
	k.restart()
	k.write("x.log", "\ntwo\n")
	k.read()
	if len(k.taken) != 2 || !k.taken[0].line.Cut || len(k.taken[0].text) != defaultMaxLine || k.taken[0].line.Next != 4+40<<20+1 {
		t.Fatalf("%d lines", len(k.taken))
	}
	if k.taken[1].text != "two" {
		t.Fatalf("then %q", k.taken[1].text)
	}
	if n := k.stream("x.log").Status(Mark{}); n.Lines != 2 || n.Cut != 1 {
		t.Fatalf("status %+v", n)
	}
}

func TestAHugeSparseFileCostsNeitherMemoryNorTime(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	k.must(os.Truncate(k.path("x.log"), 1<<42))
	k.expect()
	k.write("x.log", "end\ntwo\n")
	k.expect("end", "two")
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
		t.Fatalf("%d bytes were allocated", n)
	}
}

func TestALongLineDoesNotHoldUpOtherStreams(t *testing.T) {
	k := start(t, "*.log")
	f, err := os.Create(k.path("a.log"))
	k.must(err)
	defer f.Close()
	part := []byte(strings.Repeat("y", 1<<20))
	for range 2*readBudget>>20 + 1 {
		_, err := f.Write(part)
		k.must(err)
	}
	k.write("b.log", "one\n")
	k.refresh()
	if _, ok := k.stream("a.log").Next(); ok {
		t.Fatal("a line")
	}
	if at := k.stream("a.log").files.cur.scan; at > readBudget+bufferSize {
		t.Fatalf("one call read %d bytes", at)
	}
	k.must(k.set.Wait(t.Context())) // does not wait for an event
	k.expect("one")
	fmt.Fprintln(f)
	k.read()
	if len(k.taken) != 1 || k.taken[0].line.Next != int64(2*readBudget+1<<20+1) {
		t.Fatalf("%d lines", len(k.taken))
	}
}

func TestALongLineInACompressedRest(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.crash()
	k.write("x.log", strings.Repeat("y", 3<<20)+"\ntwo\n")
	k.rename("x.log", "x.log.1")
	k.gzip("x.log.1")
	k.write("x.log", "three\n")
	k.open()
	k.expect(strings.Repeat("y", defaultMaxLine), "two", "three")
}

func TestAShortenedLongLineIsReadAnew(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n"+strings.Repeat("y", 300_000))
	k.expect("one")
	k.must(os.Truncate(k.path("x.log"), 10))
	k.expect()
	k.write("x.log", "z\n")
	k.expect("yyyyyyz")
}
