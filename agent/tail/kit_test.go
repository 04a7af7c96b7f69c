package tail

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// fataler is what a test and a property check have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// kit is a folder with files, a Set that reads them, and a caller that stores lines and positions in one transaction.
type kit struct {
	t      fataler
	dir    string
	o      Options
	set    *Set
	ahead  time.Duration // of the clock
	log    bytes.Buffer
	kept   []got              // committed lines
	taken  []got              // not committed yet
	used   map[string]Mark    // by path: the last line committed of this Set
	stored map[int64]Position // committed positions
}

type got struct {
	path, text string
	line       Line
}

// newKit makes a kit that reads the patterns, which are relative to the folder. Nothing is opened yet.
func newKit(t fataler, dir string, patterns ...string) *kit {
	k := &kit{t: t, dir: dir, stored: map[int64]Position{}}
	for i, p := range patterns {
		k.o.Inputs = append(k.o.Inputs, Input{Pattern: filepath.Join(dir, p), Tag: i})
	}
	k.o.Logger = zerolog.New(&k.log)
	k.o.now = func() time.Time { return time.Now().Add(k.ahead) }
	return k
}

// start is newKit with a folder of its own, opened.
func start(t *testing.T, patterns ...string) *kit {
	t.Helper()
	k := newKit(t, t.TempDir(), patterns...)
	k.open()
	t.Cleanup(k.crash)
	return k
}

func (k *kit) open() {
	k.t.Helper()
	var positions []Position
	for _, p := range k.stored {
		positions = append(positions, p)
	}
	set, err := Open(context.Background(), k.o, positions)
	k.must(err)
	k.set, k.used = set, map[string]Mark{}
}

// crash ends the reading without a commit.
func (k *kit) crash() {
	k.t.Helper()
	k.must(k.set.Close())
	k.taken = nil
}

// restart ends the reading and begins again at what was committed.
func (k *kit) restart() {
	k.t.Helper()
	k.crash()
	k.open()
}

func (k *kit) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatalf("%v", err)
	}
}

func (k *kit) path(name string) string { return filepath.Join(k.dir, name) }

// refresh looks for files.
func (k *kit) refresh() {
	k.t.Helper()
	k.must(k.set.Refresh(context.Background()))
}

// later lets time pass, with the two looks that it takes to notice that nothing happened.
func (k *kit) later(d time.Duration) {
	k.t.Helper()
	k.read()
	k.ahead += d
	k.mustScan()
	k.read()
}

// mustScan looks at everything, as after a PollInterval.
func (k *kit) mustScan() {
	k.t.Helper()
	k.set.mu.Lock()
	defer k.set.mu.Unlock()
	k.must(k.set.scan(context.Background()))
}

// tick lets the clock of the file system go on, by which files with one inode are told apart.
func (k *kit) tick() {
	k.t.Helper()
	born := func() int64 {
		h, err := os.CreateTemp(filepath.Dir(k.dir), "tick")
		k.must(err)
		defer h.Close()
		k.must(os.Remove(h.Name()))
		now, err := statOpen(h)
		k.must(err)
		return now.born
	}
	for first := born(); born() == first; {
	}
}

// scanWhile looks at everything, while something happens between the listing of the folders and the opening of files.
func (k *kit) scanWhile(happens func()) {
	k.t.Helper()
	k.set.mu.Lock()
	k.set.watch.dirty.Store(false)
	before := k.set.list()
	k.set.mu.Unlock()
	happens()
	k.set.mu.Lock()
	defer k.set.mu.Unlock()
	k.must(scanListed(context.Background(), k.set, before))
}

// read takes all lines that are there now.
func (k *kit) read() {
	k.t.Helper()
	for more := true; more; {
		k.refresh()
		for _, st := range k.set.Streams() {
			k.readStream(st)
		}
		more = k.set.more.Swap(false)
		if slices.ContainsFunc(k.set.Streams(), func(st *Stream) bool { return st.held }) {
			k.mustScan() // of many files, this waits for the next listing
			more = true
		}
	}
}

func (k *kit) readStream(st *Stream) {
	k.t.Helper()
	for {
		line, ok := st.Next()
		if !ok {
			return
		}
		k.taken = append(k.taken, got{st.Path(), string(line.Data), line})
	}
}

// commit stores what was read, and how far that is.
func (k *kit) commit() { k.commitFirst(len(k.taken)) }

// commitFirst stores some of what was read, and how far that is: the others were looked at ahead.
func (k *kit) commitFirst(n int) {
	for _, g := range k.taken[:n] {
		k.used[g.path] = Mark{g.line.File, g.line.Next}
	}
	k.kept = append(k.kept, k.taken[:n]...)
	k.taken = slices.Clone(k.taken[n:])
	for _, st := range k.set.Streams() {
		for _, p := range k.positions(st) {
			// As a database does: microseconds, and no shared memory.
			p.Updated = p.Updated.Truncate(time.Microsecond)
			p.Fingerprint = slices.Clone(p.Fingerprint)
			k.stored[p.ID] = p
		}
	}
}

// positions are those of a stream as of the last line committed.
func (k *kit) positions(st *Stream) []Position { return st.Position(k.used[st.Path()]) }

// expect reads and commits, and compares the lines that this gave, in their order.
func (k *kit) expect(want ...string) {
	k.t.Helper()
	k.read()
	k.expectTaken(want)
}

// expectAny is expect without the order, for several paths.
func (k *kit) expectAny(want ...string) {
	k.t.Helper()
	k.read()
	slices.Sort(want)
	k.compare(slices.Sorted(k.texts()), want)
	k.commit()
}

// texts are the lines that were taken.
func (k *kit) texts() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, g := range k.taken {
			if !yield(g.text) {
				return
			}
		}
	}
}

// expectTaken commits what was taken, and compares it.
func (k *kit) expectTaken(want []string) {
	k.t.Helper()
	k.compare(slices.Collect(k.texts()), want)
	k.commit()
}

func (k *kit) compare(have, want []string) {
	k.t.Helper()
	if !slices.Equal(have, want) {
		k.t.Fatalf("read %q, want %q\nlog: %s", abridged(have), abridged(want), k.log.String())
	}
}

func abridged(lines []string) []string {
	var out []string
	for i, l := range lines {
		if i == 10 {
			return append(out, fmt.Sprintf("... %d in all", len(lines)))
		}
		if len(l) > 80 {
			l = fmt.Sprintf("%s...(%d)", l[:60], len(l))
		}
		out = append(out, l)
	}
	return out
}

// logged counts the log lines that hold a text.
func (k *kit) logged(text string) int { return strings.Count(k.log.String(), text) }

// stream gives the stream of a path.
func (k *kit) stream(name string) *Stream {
	k.t.Helper()
	for _, st := range k.set.Streams() {
		if st.Path() == k.path(name) {
			return st
		}
	}
	k.t.Fatalf("no stream %s", name)
	return nil
}

// write appends to a file, which is made if it is not there.
func (k *kit) write(name, text string) {
	k.t.Helper()
	f, err := os.OpenFile(k.path(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	k.must(err)
	_, err = f.WriteString(text)
	k.must(err)
	k.must(f.Close())
}

// put replaces the content of a file in place.
func (k *kit) put(name, text string) {
	k.t.Helper()
	k.must(os.WriteFile(k.path(name), []byte(text), 0o644))
}

func (k *kit) rename(from, to string) {
	k.t.Helper()
	k.must(os.Rename(k.path(from), k.path(to)))
}

func (k *kit) remove(name string) {
	k.t.Helper()
	k.must(os.Remove(k.path(name)))
}

// age sets the modification time of a file back.
func (k *kit) age(name string, by time.Duration) {
	k.t.Helper()
	at := time.Now().Add(-by)
	k.must(os.Chtimes(k.path(name), at, at))
}

// copy copies a file under another name, as copytruncate does.
func (k *kit) copy(from, to string) {
	k.t.Helper()
	data, err := os.ReadFile(k.path(from))
	k.must(err)
	k.put(to, string(data))
}

// copytruncate is logrotate's way with files that are never reopened.
func (k *kit) copytruncate(name, to string) {
	k.t.Helper()
	k.copy(name, to)
	k.must(os.Truncate(k.path(name), 0))
}

// gzip compresses a file as gzip(1) does: the modification time stays, the plain file goes.
func (k *kit) gzip(name string) {
	k.t.Helper()
	data, err := os.ReadFile(k.path(name))
	k.must(err)
	fi, err := os.Stat(k.path(name))
	k.must(err)
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err = z.Write(data)
	k.must(err)
	k.must(z.Close())
	k.put(name+".gz", out.String())
	k.must(os.Chtimes(k.path(name+".gz"), fi.ModTime(), fi.ModTime()))
	k.remove(name)
}

// numbered gives lines that are like real ones in that no two are alike; together they are longer than a fingerprint.
func numbered(what string, from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("%s %06d %s", what, i, strings.Repeat("x", 80)))
	}
	return out
}

func text(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}
