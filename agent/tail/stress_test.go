package tail

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// rotator writes numbered lines and rotates while they are read: renames, compression of what is two rotations old, and
// a writer that stays with the renamed file for a while.
type rotator struct {
	k    *kit
	rnd  *rand.Rand
	w    *os.File
	late int // lines that are still written into the renamed file
}

func (r *rotator) run(lines int) error {
	if err := r.reopen(); err != nil {
		return err
	}
	defer func() { r.w.Close() }()
	for i := range lines {
		if _, err := fmt.Fprintf(r.w, "line %06d %s\n", i, strings.Repeat("x", r.rnd.IntN(300))); err != nil {
			return err
		}
		if r.late > 0 {
			if r.late--; r.late == 0 {
				if err := r.reopen(); err != nil {
					return err
				}
			}
		}
		if r.late == 0 && r.rnd.IntN(300) == 0 {
			if err := r.rotate(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rotator) reopen() error {
	if r.w != nil {
		r.w.Close()
	}
	var err error
	r.w, err = os.OpenFile(r.k.path("x.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	return err
}

// shift makes room for a new first generation.
func (r *rotator) shift() error {
	for n := 400; n > 0; n-- {
		for _, suffix := range []string{"", ".gz"} {
			err := os.Rename(r.k.path(fmt.Sprintf("x.log.%d%s", n, suffix)), r.k.path(fmt.Sprintf("x.log.%d%s", n+1, suffix)))
			if err != nil && !os.IsNotExist(err) {
				return err
			}
		}
	}
	return nil
}

func (r *rotator) rotate() error {
	if err := r.shift(); err != nil {
		return err
	}
	if err := os.Rename(r.k.path("x.log"), r.k.path("x.log.1")); err != nil {
		return err
	}
	r.late = r.rnd.IntN(20)
	if r.late == 0 {
		if err := r.reopen(); err != nil {
			return err
		}
	}
	return r.compress("x.log.2")
}

// compress does as gzip does: writes beside the plain file, sets the time, removes the plain file.
func (r *rotator) compress(name string) error {
	in, err := os.Open(r.k.path(name))
	if os.IsNotExist(err) {
		return nil
	} else if err != nil {
		return err
	}
	defer in.Close()
	fi, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.Create(r.k.path(name + ".gz"))
	if err != nil {
		return err
	}
	defer out.Close()
	z := gzip.NewWriter(out)
	if _, err := io.Copy(z, in); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := os.Chtimes(r.k.path(name+".gz"), fi.ModTime(), fi.ModTime()); err != nil {
		return err
	}
	return os.Remove(r.k.path(name))
}

func TestReadingWhileFilesAreWrittenRotatedAndCompressed(t *testing.T) {
	for _, pattern := range []string{"x.log", "x.log*"} {
		t.Run(pattern, func(t *testing.T) {
			k := newKit(t, t.TempDir(), pattern)
			k.o.PollInterval = 20 * time.Millisecond
			k.write("x.log", "")
			k.open()
			t.Cleanup(k.crash)
			k.commit()
			const lines = 30_000
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			written := make(chan error, 1)
			w := &rotator{k: k, rnd: rand.New(rand.NewPCG(seed, 1))}
			go func() { written <- w.run(lines) }()
			rnd := rand.New(rand.NewPCG(seed, 2))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			done := false
			for quiet := 0; quiet < 5; {
				if err := k.set.Wait(ctx); err != nil {
					t.Fatalf("%v; %d of %d lines", err, len(k.kept), lines)
				}
				before := len(k.taken)
				k.readSome(rnd.IntN(2000))
				select {
				case err := <-written:
					k.must(err)
					done = true
				default:
				}
				if done && len(k.taken) == before {
					quiet++
				} else {
					quiet = 0
				}
				switch rnd.IntN(12) {
				case 0:
					k.restart()
				case 1, 2, 3:
					k.commit()
				}
			}
			k.read()
			k.commit()
			count := map[string]int{}
			for _, g := range k.kept {
				count[g.text[:11]]++
			}
			if len(k.kept) != lines || len(count) != lines {
				t.Errorf("%d lines, %d different ones, want %d", len(k.kept), len(count), lines)
			}
			for i, g := range k.kept {
				if want := fmt.Sprintf("line %06d ", i); !strings.HasPrefix(g.text, want) {
					t.Fatalf("line %d is %.12q\n%s\nlog: %s", i, g.text, runs(k.kept[max(0, i-1000):]), k.log.String())
				}
			}
		})
	}
}

// descriptors counts what this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestHundredsOfFilesThroughRotationsLeaveNoDescriptorOpen(t *testing.T) {
	const files = 150
	before := descriptors(t)
	k := newKit(t, t.TempDir(), "*.log")
	var want []string
	add := func(format string, args ...any) string {
		want = append(want, fmt.Sprintf(format, args...))
		return want[len(want)-1] + "\n"
	}
	for i := range files {
		k.write(fmt.Sprintf("%03d.log", i), add("first of %d", i))
	}
	k.open()
	k.expectAny(want...)
	for round := range 3 {
		want = nil
		for i := range files {
			name := fmt.Sprintf("%03d.log", i)
			k.write(name, add("end %d of %d", round, i))
			switch i % 3 {
			case 0:
				k.rename(name, fmt.Sprintf("%s.%d", name, 9-round))
			case 1:
				k.rename(name, fmt.Sprintf("%s.%d", name, 9-round))
				k.gzip(fmt.Sprintf("%s.%d", name, 9-round))
			case 2:
				k.copytruncate(name, fmt.Sprintf("%s.%d", name, 9-round))
			}
			k.write(name, add("begin %d of %d", round, i))
		}
		if round == 1 {
			k.restart()
		}
		k.expectAny(want...)
		k.later(11 * time.Second)
		k.commit()
		if n := descriptors(t) - before; n > files+10 {
			t.Fatalf("%d descriptors for %d files in round %d", n, files, round)
		}
	}
	k.crash()
	if n := descriptors(t) - before; n > 0 {
		t.Fatalf("%d descriptors are left", n)
	}
}

func TestManyFilesReadSideBySideShareABudgetOfMemory(t *testing.T) {
	const files = 1200
	k := newKit(t, t.TempDir(), "*.log")
	long := strings.Repeat("x", 60_000)
	for i := range files {
		k.write(fmt.Sprintf("%04d.log", i), fmt.Sprint("one of ", i, "\n", long, "\nthree\n"))
	}
	k.open()
	t.Cleanup(k.crash)
	sum := func() (buffers int) {
		for _, st := range k.set.Streams() {
			buffers += cap(st.reader.buf)
		}
		return buffers + k.set.buffers.kept
	}
	for _, st := range k.set.Streams() {
		if _, ok := st.Next(); !ok {
			t.Fatal("no line")
		}
	}
	buffers := sum()
	for i, st := range k.set.Streams() {
		if n := st.Each(1, func(l Line) {
			if string(l.Data) != long {
				t.Errorf("the long line of %d has %d bytes", i, len(l.Data))
			}
		}); n != 1 {
			t.Fatal("no long line")
		}
	}
	buffers = max(buffers, sum()-bufferSize) // the last one is let go when there is another
	for _, st := range k.set.Streams() {
		if line, ok := st.Next(); !ok || string(line.Data) != "three" {
			t.Fatalf("the line behind the long one is %q", line.Data)
		}
	}
	if buffers == 0 {
		t.Fatal("nothing is being read")
	}
	if buffers > bufferBudget+bufferSpare {
		t.Fatalf("%d bytes of buffers", buffers)
	}
}

// runs shows which files lines came from.
func runs(list []got) string {
	var b strings.Builder
	for i, g := range list {
		if i == 0 || i == len(list)-1 || list[i-1].line.File != g.line.File {
			fmt.Fprintf(&b, "%.11s of file %d at %d (%v)\n", g.text, g.line.File, g.line.Offset, g.path)
		}
		if b.Len() > 2000 {
			break
		}
	}
	return b.String()
}

// readSome takes at most so many lines of each stream.
func (k *kit) readSome(most int) {
	k.t.Helper()
	k.refresh()
	for _, st := range k.set.Streams() {
		for range most {
			line, ok := st.Next()
			if !ok {
				break
			}
			k.taken = append(k.taken, got{st.Path(), string(line.Data), line})
		}
	}
}

func TestStatusPositionsAndLinesAreThereForOtherGoroutines(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", text(numbered("a", 0, 5000)))
	k.refresh()
	st := k.stream("x.log")
	first, _ := st.Next()
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if _, err := k.set.LineAt(first.File, 0); err != nil {
				stopped <- err
				return
			}
			for _, st := range k.set.Streams() {
				k.positions(st)
				st.Status(Mark{})
			}
		}
	}()
	k.read()
	k.rename("x.log", "x.log.1")
	k.write("x.log", "more\n")
	k.read()
	close(stop)
	k.must(<-stopped)
	if n := len(k.taken); n != 5000 {
		t.Fatalf("%d lines", n)
	}
}
