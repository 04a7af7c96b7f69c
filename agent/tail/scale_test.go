package tail

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestWhatManyFilesCostGrowsWithTheirNumberAlone compares processor time: six times the files may cost little more than six
// times as much, where work that grows with the square would cost 36 times.
func TestWhatManyFilesCostGrowsWithTheirNumberAlone(t *testing.T) {
	few, many := manyFiles(t, 250), manyFiles(t, 1500)
	for phase, cost := range many {
		least := max(few[phase], 2*time.Millisecond) // below it measures noise
		if ratio := float64(cost) / float64(least); ratio > 18 {
			t.Errorf("%s: six times the files cost %.0f times as much: %v, then %v", phase, ratio, few[phase], cost)
		}
	}
}

// A verdict has the lines read again that it rests on, and there may be a thousand in a moment: where a file is gone, or was compressed, what
// that costs may not grow with what else is in the folder.
func TestWhatALineReadAgainCostsDoesNotGrowWithTheFiles(t *testing.T) {
	cost := func(files int) time.Duration {
		k := newKit(t, t.TempDir(), "*.log")
		for i := range files {
			k.write(fmt.Sprintf("other.%d", i), "not followed\n")
		}
		k.write("gone.log", "one\n")
		k.write("kept.log", "two\n")
		k.open()
		defer k.crash()
		k.read()
		lines := k.taken
		k.commit()
		k.remove("gone.log")
		k.rename("kept.log", "kept.log.1")
		k.gzip("kept.log.1")
		k.restart()
		began := processorTime()
		for range 300 {
			for _, g := range lines {
				if line, err := k.set.LineAt(g.line.File, g.line.Offset); (g.path == k.path("gone.log")) != (err != nil) || err == nil && string(line) != g.text {
					t.Fatalf("%s: %q, %v", g.path, line, err)
				}
			}
		}
		return processorTime() - began
	}
	if few, many := cost(100), cost(4000); many > 4*few {
		t.Errorf("with 40 times the files it cost %.0f times as much: %v, then %v", float64(many)/float64(few), few, many)
	}
}

// manyFiles has many files appear, be read, known again after a restart, rotated by name, then by copying and truncating, and
// gives what each took.
func manyFiles(t *testing.T, n int) map[string]time.Duration {
	k := newKit(t, t.TempDir(), "*.log")
	k.write("first.log", "")
	k.open()
	defer k.crash()
	k.commit()
	took := map[string]time.Duration{}
	step := func(phase string, lines int, do func()) {
		began := processorTime()
		do()
		k.read()
		took[phase] += processorTime() - began
		if len(k.taken) != lines {
			t.Fatalf("%s: %d lines of %d", phase, len(k.taken), lines)
		}
		k.commit()
	}
	each := func(do func(name string)) {
		for i := range n {
			do(fmt.Sprintf("10.1.%d.%d", i/250, i%250))
		}
	}
	each(func(name string) { k.write(name+".log", name+" first\n"+name+" second\n") })
	step("appear", 2*n, k.mustScan)
	step("restart", 0, k.restart)
	each(func(name string) {
		k.rename(name+".log", name+".log.1")
		k.write(name+".log", name+" third\n")
	})
	step("rotate", n, k.mustScan)
	k.crash()
	each(func(name string) {
		k.rename(name+".log.1", name+".log.2")
		k.rename(name+".log", name+".log.1")
		k.write(name+".log", name+" fourth\n")
	})
	step("rotated while down", n, k.open)
	each(func(name string) {
		k.copy(name+".log", name+".log.copy")
		k.put(name+".log", name[:1]+"\n")
	})
	step("truncate", n, k.mustScan)
	each(func(name string) { k.remove(name + ".log") })
	step("vanish", 0, func() { k.later(2 * goneGrace) })
	return took
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // of oneself it is always known
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestBasesAreTheNamesWhoseGenerationANameIs holds the two directions of one fact together.
func TestBasesAreTheNamesWhoseGenerationANameIs(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		part := rapid.SampledFrom([]string{"x", "fw", ".", "-", "1", "20260102", "log", ".log", ".1", "-2026-01-02", ".gz", ".xz", ".old"})
		text := func(label string) (s string) {
			for _, p := range rapid.SliceOfN(part, 1, 5).Draw(r, label) {
				s += p
			}
			return s
		}
		name := text("name")
		found := bases(name)
		for _, base := range found {
			if !generation(base, name) {
				t.Fatalf("%q is no generation of %q", name, base)
			}
		}
		base := text("base")
		if rapid.Bool().Draw(r, "related") {
			base, name = name, name+text("more")
			found = bases(name)
		}
		if generation(base, name) && !slices.Contains(found, base) {
			t.Fatalf("%q is a generation of %q, and not found: %q", name, base, found)
		}
	})
}
