package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model is a log that is written and rotated in every way at random, and what a reader must have got of it in the end:
// each complete line once, those of one path in the order in which they were written. Where files are also truncated
// while the reader is down, their order is not always to be known; then it is that within a file.
type model struct {
	*kit
	r       *rapid.T
	up      bool
	w       *os.File        // what the writer has open, which is not always what lies at the path
	partial string          // written without newline
	n       int             // lines begun
	written []string        // complete lines, in order
	steps   []string        // what may happen
	behind  time.Duration   // of the clock of those who write, which is seen in the times of files
	listed  bool            // the reader has listed the folders and not yet opened what it found
	gone    map[string]bool // lines that are in a compressed file that cannot be read: they may be missing, and it is told
	most    int             // files that are followed at once; 0: all
	ordered bool            // whether lines of different files must be in order, too
}

func (m *model) line() string {
	m.n++
	// Of all lengths from one that leaves a fingerprint short to one that fills it at once.
	return fmt.Sprintf("line %06d %s", m.n, strings.Repeat("x", rapid.SampledFrom([]int{0, 10, 100, 1500}).Draw(m.r, "length")))
}

func (m *model) put(text string) {
	_, err := m.w.WriteString(text)
	m.must(err)
	m.date()
}

// date gives what the writer has open the time of its clock.
func (m *model) date() {
	if m.behind > 0 {
		at := time.Now().Add(-m.behind)
		m.must(os.Chtimes(fmt.Sprint("/proc/self/fd/", m.w.Fd()), at, at))
	}
}

// clockBack sets the clock back, by more than was written since.
func (m *model) clockBack() { m.behind += time.Hour }

// rotateAway renames into a folder below, as olddir has it; the generations there are shifted like the others.
func (m *model) rotateAway() {
	if _, err := os.Stat(m.path("x.log")); err != nil {
		return
	}
	_ = os.Mkdir(m.path("old"), 0o755)
	m.shift("old/")
	m.rename("x.log", "old/x.log.1")
	m.reopen()
}

// unreadable compresses a generation that nobody writes to any more in a way that cannot be read.
func (m *model) unreadable() {
	open, err := m.w.Stat()
	m.must(err)
	for n := 31; n > 0; n-- {
		name := fmt.Sprintf("x.log.%d", n)
		fi, err := os.Stat(m.path(name))
		if err != nil || os.SameFile(fi, open) {
			continue
		}
		data, err := os.ReadFile(m.path(name))
		m.must(err)
		for line := range strings.Lines(string(data)) {
			m.gone[strings.TrimSuffix(line, "\n")] = true
		}
		packed := m.path(name + rapid.SampledFrom([]string{".xz", ".zst"}).Draw(m.r, "suffix"))
		m.must(os.WriteFile(packed, []byte("\xfd7zXZ\x00"), 0o644))
		m.must(os.Chtimes(packed, fi.ModTime(), fi.ModTime()))
		m.remove(name)
		return
	}
}

// copyOver copies what lies at the path over the copy of another time, in place. A copy is known as one by its first
// kilobyte, so it has that.
func (m *model) copyOver() {
	data, err := os.ReadFile(m.path("x.log"))
	if err != nil || len(data) < 4*fingerprintMax {
		return
	}
	if m.up {
		m.read()
		m.commit() // what the copy held of its own was read
	} else if _, err := os.Stat(m.path("copy.log")); err == nil {
		return
	}
	m.kit.put("copy.log", string(data))
	if m.up {
		m.read()
	}
}

// growCopy writes to the copy what the original has not.
func (m *model) growCopy() {
	data, err := os.ReadFile(m.path("copy.log"))
	if err != nil || len(data) == 0 || data[len(data)-1] != '\n' {
		return
	}
	line := m.line()
	m.write("copy.log", line+"\n")
	m.written = append(m.written, line)
	if m.up {
		m.mustScan() // what is written in place to a file that is passed over is seen within a poll
		m.read()
	}
}

// reopen is the HUP that a writer gets after a rotation. It finishes its line first.
func (m *model) reopen() {
	if m.partial != "" {
		m.appendPartial()
	}
	if m.w != nil {
		m.must(m.w.Close())
	}
	var err error
	m.w, err = os.OpenFile(m.path("x.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	m.must(err)
}

func (m *model) appendLines() {
	if m.partial != "" {
		m.appendPartial()
	}
	var b strings.Builder
	for range rapid.IntRange(1, 5).Draw(m.r, "lines") {
		line := m.line()
		b.WriteString(line + "\n")
		m.written = append(m.written, line)
	}
	m.put(b.String())
}

// appendPartial begins a line, or completes it.
func (m *model) appendPartial() {
	if m.partial != "" {
		rest := " and the rest"
		m.put(rest + "\n")
		m.written = append(m.written, m.partial+rest)
		m.partial = ""
		return
	}
	m.partial = m.line()
	m.put(m.partial)
}

// shift makes room for a new first generation in a folder.
func (m *model) shift(folder string) {
	for n := 30; n > 0; n-- {
		for _, suffix := range []string{"", ".gz", ".xz", ".zst"} {
			_ = os.Rename(m.path(fmt.Sprintf("%sx.log.%d%s", folder, n, suffix)), m.path(fmt.Sprintf("%sx.log.%d%s", folder, n+1, suffix)))
		}
	}
}

// rotate renames; the writer stays with the old file until it reopens. Without a file at the path the next line makes
// none: that is the writer's to do.
func (m *model) rotate() {
	if _, err := os.Stat(m.path("x.log")); err != nil {
		return
	}
	m.shift("")
	m.rename("x.log", "x.log.1")
	if rapid.Bool().Draw(m.r, "create") {
		m.write("x.log", "")
	}
	if rapid.IntRange(0, 3).Draw(m.r, "reopen") > 0 {
		m.reopen()
	}
}

// copyTruncate needs that nobody writes between copy and truncation. While the reader is up it follows what is
// written; what is written and truncated between two of its looks, a few milliseconds, is out of its reach. While it is
// down, what was not read is in the copies.
func (m *model) copyTruncate() {
	if m.partial != "" {
		m.appendPartial()
	}
	m.reopen()
	if m.up {
		m.read()
	}
	m.shift("")
	m.copytruncate("x.log", "x.log.1")
}

// replace deletes the file when all of it was read, and lets the writer make a new one.
func (m *model) replace() {
	if !m.up || m.partial != "" {
		return
	}
	m.read()
	m.commit()
	if m.most > 0 && len(m.kept) < len(m.written) {
		return // it waits for its turn
	}
	_ = os.Remove(m.path("x.log"))
	m.reopen()
}

// compress compresses a generation in a folder that nobody writes to any more.
func (m *model) compress(folder string) {
	open, err := m.w.Stat()
	m.must(err)
	for n := 31; n > 0; n-- {
		name := fmt.Sprintf("%sx.log.%d", folder, n)
		if fi, err := os.Stat(m.path(name)); err == nil && !os.SameFile(fi, open) {
			if m.listed {
				m.tick() // the next file may get the inode
			}
			m.gzip(name)
			return
		}
	}
}

func (m *model) step() {
	do := rapid.SampledFrom(m.steps).Draw(m.r, "step")
	if m.listed && (do != "append" && do != "partial" && do != "reopen" && !strings.HasPrefix(do, "rotate") && !strings.HasPrefix(do, "compress")) {
		return
	}
	if do == "scan while" && !m.up {
		return
	}
	if strings.HasPrefix(do, "read") || strings.HasPrefix(do, "commit") || do == "crash" || do == "time" {
		if !m.up {
			return
		}
	}
	fmt.Fprintf(&m.log, "%s (%d lines)\n", do, m.n)
	switch do {
	case "append":
		m.appendLines()
	case "partial":
		m.appendPartial()
	case "rotate":
		m.rotate()
	case "reopen":
		m.reopen()
	case "copytruncate":
		m.copyTruncate()
	case "replace":
		m.replace()
	case "compress":
		m.compress("")
	case "compress away":
		m.compress("old/")
	case "unreadable":
		m.unreadable()
	case "rotate away":
		m.rotateAway()
	case "clock back":
		m.clockBack()
	case "copy over":
		m.copyOver()
	case "grow copy":
		m.growCopy()
	case "scan while":
		m.scanWhile(func() {
			m.listed = true
			for range rapid.IntRange(1, 12).Draw(m.r, "steps meanwhile") {
				m.step()
			}
			m.listed = false
		})
	case "read":
		m.read()
	case "read some":
		m.refresh()
		for _, st := range m.set.Streams() {
			for range rapid.IntRange(1, 4).Draw(m.r, "some") {
				if line, ok := st.Next(); ok {
					m.taken = append(m.taken, got{st.Path(), string(line.Data), line})
				}
			}
		}
	case "commit":
		m.commit()
	case "commit some":
		m.commitFirst(rapid.IntRange(0, len(m.taken)).Draw(m.r, "used"))
	case "crash":
		m.crash()
		m.up = false
	case "open":
		if !m.up {
			m.open()
			m.up = true
		}
	case "time":
		m.ahead += 11 * time.Second
		m.mustScan()
	}
}

// finish reads all that is there, in turns where not all files are followed at once.
func (m *model) finish() {
	m.read()
	m.commit()
	if m.most > 0 {
		m.settle(m.most)
	}
}

// check compares what was committed in the end with what was written.
func (m *model) check() {
	var have []string
	for _, g := range m.kept {
		have = append(have, g.text)
	}
	if !m.ordered {
		end := map[int64]int64{}
		for _, g := range m.kept {
			if g.line.Offset < end[g.line.File] {
				m.t.Fatalf("file %d: %q at %d after one that ended at %d", g.line.File, g.text, g.line.Offset, end[g.line.File])
			}
			end[g.line.File] = g.line.Next
		}
		slices.SortFunc(have, compareLines)
		slices.SortFunc(m.written, compareLines)
	}
	if len(m.gone) > 0 {
		missing := 0
		m.written = slices.DeleteFunc(m.written, func(line string) bool {
			lost := m.gone[line] && !slices.Contains(have, line)
			if lost {
				missing++
			}
			return lost
		})
		if missing > 0 && m.logged("lines not read before are lost")+m.logged("lines written to it since may be lost")+m.logged("may hold lines that were never read") == 0 {
			m.t.Fatalf("%d lines are lost and nothing is said\n%s", missing, m.log.String())
		}
	}
	if diff := firstDifference(have, m.written); diff != "" {
		var order strings.Builder
		for _, g := range m.kept {
			fmt.Fprintf(&order, "%.11s of %d, ", g.text, g.line.File)
		}
		m.t.Fatalf("%s\n%s\n%s\nlog: %s", diff, m.listing(), order.String(), m.log.String())
	}
}

// listing shows where the lines are.
func (m *model) listing() string {
	var b strings.Builder
	names, err := os.ReadDir(m.dir)
	m.must(err)
	for _, item := range names {
		fi, err := item.Info()
		m.must(err)
		first, _, _ := strings.Cut(func() string { data, _ := os.ReadFile(m.path(item.Name())); return string(data) }(), "\n")
		fmt.Fprintf(&b, "%-12s %8d bytes, inode %d, %s, %.12q\n", item.Name(), fi.Size(), inodeOf(fi).ino, fi.ModTime().Format("05.000000"), first)
	}
	for id, p := range m.stored {
		fmt.Fprintf(&b, "stored %d: inode %d, offset %d, fingerprint %d, done %v, %s\n", id, p.Inode, p.Offset, p.FingerprintLen, p.Done, p.Updated.Format("05.000000"))
	}
	return b.String()
}

func firstDifference(have, want []string) string {
	count := map[string]int{}
	for _, l := range have {
		count[l]++
	}
	for _, l := range want {
		if count[l] != 1 {
			return fmt.Sprintf("%.20q came %d times", l, count[l])
		}
	}
	if len(have) != len(want) {
		return fmt.Sprintf("%d lines, want %d", len(have), len(want))
	}
	for i := range have {
		if have[i] != want[i] {
			return fmt.Sprintf("line %d is %.20q, want %.20q", i, have[i], want[i])
		}
	}
	return ""
}

// compareLines compares the numbers of lines, as far as they have any: what begins within a line has none.
func compareLines(a, b string) int { return strings.Compare(a[:min(11, len(a))], b[:min(11, len(b))]) }

func testModel(t *testing.T, pattern string, ordered bool, set ...func(*model)) {
	base := t.TempDir()
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		dir := filepath.Join(base, fmt.Sprint(round))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		m := &model{kit: newKit(r, dir, pattern), r: r, ordered: ordered, gone: map[string]bool{}}
		m.steps = []string{"append", "append", "append", "partial", "rotate", "rotate", "reopen", "replace", "compress",
			"scan while", "scan while", "read", "read some", "commit", "commit some", "crash", "open", "open", "time"}
		if !ordered {
			m.steps = append(m.steps, "copytruncate", "copytruncate")
		}
		for _, change := range set {
			change(m)
		}
		m.reopen()
		m.open()
		m.up = true
		m.commit() // before this, nobody knows that there was a first time
		defer func() {
			m.w.Close()
			m.set.Close()
		}()
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			m.step()
		}
		m.reopen()
		if !m.up {
			m.open()
		}
		m.finish()
		m.ahead += time.Minute
		m.mustScan()
		m.restart() // and nothing comes twice
		m.finish()
		m.check()
	})
}

func TestModelOfRotation(t *testing.T) { testModel(t, "x.log", true) }

func TestModelOfRotationWhereThePatternMatchesGenerations(t *testing.T) { testModel(t, "x.log*", true) }

func TestModelOfRotationAndTruncation(t *testing.T) { testModel(t, "x.log", false) }

func TestModelOfRotationAndTruncationWhereThePatternMatchesGenerations(t *testing.T) {
	testModel(t, "x.log*", false)
}

func TestModelOfRotationAndTruncationWhereOneFileIsFollowedAtOnce(t *testing.T) {
	testModel(t, "x.log*", false, func(m *model) { m.o.Inputs[0].MaxFiles, m.most = 1, 1 })
}

func TestModelOfRotationIntoAFolderBelow(t *testing.T) {
	testModel(t, "x.log", true, func(m *model) {
		m.steps = slices.DeleteFunc(m.steps, func(step string) bool { return step == "rotate" || step == "compress" })
		m.steps = append(m.steps, "rotate away", "rotate away", "compress away")
	})
}

// Nothing is lost when the clock is set back, but which of several files came first is not always to be known.
func TestModelOfRotationWithAClockThatIsSetBack(t *testing.T) {
	testModel(t, "x.log", false, func(m *model) {
		m.steps = slices.DeleteFunc(m.steps, func(step string) bool {
			return step == "compress" || step == "replace" || step == "copytruncate"
		})
		m.steps = append(m.steps, "clock back")
	})
}

// A copy can be told from its original as long as that is there and both are read in one run. (What was copied from one that
// was deleted since, and went on for itself when that was already longer, is not read. Of copies beside those of copytruncate,
// and of one that went on for itself and is overwritten after a restart, some lines may come twice.)
func TestModelOfRotationWithCopies(t *testing.T) {
	testModel(t, "*.log", false, func(m *model) {
		m.steps = slices.DeleteFunc(m.steps, func(step string) bool {
			return step == "copytruncate" || step == "compress" || step == "replace" || step == "crash"
		})
		m.steps = append(m.steps, "copy over", "copy over", "grow copy", "append", "append")
	})
}

func TestModelOfRotationAndWhatCannotBeRead(t *testing.T) {
	testModel(t, "x.log", false, func(m *model) { m.steps = append(m.steps, "unreadable") })
}
