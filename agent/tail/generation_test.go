package tail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAFileThatWasRenamedBetweenListingAndOpeningIsNotTakenForAnother(t *testing.T) {
	k := start(t, "x.log")
	k.write("x.log", "one\n")
	k.write("x.log.1", "other\n")
	k.expect("one")
	st := k.stream("x.log")
	k.set.mu.Lock()
	defer k.set.mu.Unlock()
	wrong := entry{path: k.path("x.log.1"), stat: stat{key: inode{1, 1}}}
	if _, err := k.set.claim(st, wrong, true); !errors.Is(err, errMoved) {
		t.Errorf("claim: %v", err)
	}
	if _, err := k.set.known.restPlain(st.files.cur, wrong); !errors.Is(err, errMoved) {
		t.Errorf("a rest: %v", err)
	}
}

func TestAGenerationThatIsNewerThanTheOneJustOpenedIsLeftToTheNextLook(t *testing.T) {
	k := start(t, "x.log")
	k.write("x.log", "one\n")
	k.expect("one")
	st := k.stream("x.log")
	since := st.horizon.stamp
	k.rename("x.log", "x.log.2")
	k.write("x.log.1", "newer\n")
	k.set.mu.Lock()
	list := k.set.between(st, nil, since, st.files.cur)
	k.set.mu.Unlock()
	if len(list) != 0 {
		t.Fatalf("%d generations", len(list))
	}
	k.write("x.log", "newest\n")
	k.expect("newer", "newest")
}

// The names are shifted whenever one of the generations was opened, more often than they are looked at anew.
func TestMoreRotationsThanALookFollowsHideNoGeneration(t *testing.T) {
	k := start(t, "x.log")
	k.write("x.log", "first\n")
	k.age("x.log", 2*time.Hour)
	k.expect("first")
	k.commit()
	k.crash()
	k.remove("x.log")
	const generations = movedTries + 5
	var want []string
	for n := generations; n > 0; n-- {
		name := fmt.Sprintf("x.log.%d", n)
		want = append(want, fmt.Sprintf("generation %d", n))
		k.write(name, want[len(want)-1]+"\n")
		k.age(name, time.Duration(n)*time.Minute)
	}
	k.write("x.log", "last\n")
	busy, now := true, k.o.now
	k.o.now = func() time.Time {
		for n := 2 * generations; busy && n > 0; n-- {
			_ = os.Rename(k.path(fmt.Sprintf("x.log.%d", n)), k.path(fmt.Sprintf("x.log.%d", n+1)))
		}
		return now()
	}
	k.open()
	if n := k.logged("rotated while not watched"); n >= generations {
		t.Fatalf("all %d were found at once", n)
	}
	busy = false
	k.mustScan()
	k.expect(append(want, "last")...)
	k.restart()
	k.expect()
}

// All that was known of the path is finished, and its writer has not made the next file yet.
func TestAGenerationOfAPathThatIsKnownAndAbsentGoesToThePath(t *testing.T) {
	for name, between := range map[string]func(k *kit){"running": func(*kit) {}, "down": (*kit).restart} {
		t.Run(name, func(t *testing.T) {
			k := start(t, "x.log*")
			k.write("x.log", "one\n")
			k.age("x.log", time.Hour)
			k.expect("one")
			k.rename("x.log", "x.log.2")
			k.later(2 * goneGrace)
			k.commit()
			k.later(2 * goneGrace)
			if len(k.set.Streams()) != 0 {
				t.Fatal("the path is followed still")
			}
			k.write("x.log.1", "two\n")
			between(k)
			k.mustScan()
			k.write("x.log", "three\n")
			k.expect("two", "three")
			k.restart()
			k.expect()
		})
	}
}

func TestSeveralRotationsWhileDown(t *testing.T) {
	for name, to := range map[string]func(i, n int) string{
		"numbered":       func(i, n int) string { return fmt.Sprintf("x.log.%d", n-i) },
		"dated":          func(i, _ int) string { return fmt.Sprintf("x.log-202601%02d", i) },
		"dated, dotted":  func(i, _ int) string { return fmt.Sprintf("x.2026-01-%02d.log", i) },
		"dated, dashed":  func(i, _ int) string { return fmt.Sprintf("x-202601%02d-1200.log", i) },
		"number, ending": func(i, n int) string { return fmt.Sprintf("x.%d.log", n-i) },
	} {
		t.Run(name, func(t *testing.T) {
			k := start(t, "x.log")
			k.write("x.log", "zero\n")
			k.expect("zero")
			k.write("x.log", "line of 1\n")
			k.crash()
			const n = 12
			want := []string{"line of 1"}
			k.rename("x.log", to(1, n))
			for i := 2; i < n; i++ {
				k.write(to(i, n), fmt.Sprintf("line of %d\n", i))
				want = append(want, fmt.Sprintf("line of %d", i))
			}
			k.write("x.log", "last\n")
			k.open()
			k.expect(append(want, "last")...)
			k.restart()
			k.expect()
		})
	}
}

// Also where all that was known of the path had been read to its end before.
func TestSeveralRotationsWhileDownOfAPathAtWhichNothingLay(t *testing.T) {
	k := start(t, "x.log")
	k.write("x.log", "one\n")
	k.expect("one")
	k.rename("x.log", "x.log.1")
	k.later(time.Minute)
	k.later(2 * goneGrace)
	k.commit()
	k.crash()
	k.rename("x.log.1", "x.log.3")
	k.write("x.log.2", "two\n")
	k.write("x.log", "three\n")
	k.open()
	k.expect("two", "three")
}

func TestSeveralRotationsBetweenTwoLooks(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", "one\n")
	k.expect("one")
	for i, line := range []string{"two\n", "three\n", "four\n"} {
		k.rename("x.log", fmt.Sprintf("x.log.%d", 9-i))
		k.write("x.log", line)
	}
	k.expect("two", "three", "four")
}

func TestSeveralRotationsOfAFileThatWasNeverSeenUnderItsPath(t *testing.T) {
	k := start(t, "*.log")
	k.read()
	k.write("x.log", "one\n")
	k.rename("x.log", "x.log.1")
	k.write("x.log", "two\n")
	k.expect("one", "two")
}

func TestGenerationsFromBeforeOurTimeAreNotRead(t *testing.T) {
	k := newKit(t, t.TempDir(), "*.log")
	k.write("x.log.1", "old\n")
	k.age("x.log.1", time.Hour)
	k.write("x.log", "one\n")
	k.open()
	t.Cleanup(k.crash)
	k.expect("one")
	k.rename("x.log.1", "x.log.2")
	k.rename("x.log", "x.log.1")
	k.write("x.log", "two\n")
	k.expect("two")
	k.crash()
	k.rename("x.log.2", "x.log.3")
	k.rename("x.log.1", "x.log.2")
	k.rename("x.log", "x.log.1")
	k.write("x.log", "three\n")
	k.open()
	k.expect("three")
}

func TestOtherFilesWithSimilarNamesAreNotGenerations(t *testing.T) {
	for _, c := range []struct {
		base, name string
		want       bool
	}{
		{"x.log", "x.log.1", true}, {"x.log", "x.log-20260102", true}, {"x.log", "x.log.2.gz", true}, {"x.log", "x.log.old", true},
		{"x.log", "x-20260102.log", true}, {"x.log", "x.2026-01-02_15.log.gz", true}, {"x.log", "x-1767312000.log", true}, {"x.log", "x.3.log", true},
		{"x", "x.1", true}, {"x", "x-20260102", true},
		{"x.log", "x.log", false}, {"x.log", "x.log.", false}, {"x.log", "xx.log.1", false}, {"x.log", "x.logs", false},
		{"x.log", "x-1.log", false}, {"x.log", "x-north.log", false}, {"x.log", "x-.log", false}, {"x.log", "y-20260102.log", false}, {"x.log", "x.txt", false},
	} {
		if have := generation(c.base, c.name); have != c.want {
			t.Errorf("%s a generation of %s: %v, want %v", c.name, c.base, have, c.want)
		}
	}
}

func TestAPatternThatMatchesRotatedGenerationsReadsEachLineOnce(t *testing.T) {
	k := newKit(t, t.TempDir(), "x.log*")
	k.write("x.log.1", "before\n")
	k.age("x.log.1", time.Hour)
	k.write("x.log", "one\n")
	k.open()
	t.Cleanup(k.crash)
	k.expectAny("before", "one")
	for i := range 4 {
		k.write("x.log", fmt.Sprintf("end %d\n", i))
		for n := 5; n > 0; n-- {
			_ = os.Rename(k.path(fmt.Sprintf("x.log.%d", n)), k.path(fmt.Sprintf("x.log.%d", n+1)))
		}
		k.rename("x.log", "x.log.1")
		k.write("x.log", fmt.Sprintf("begin %d\n", i))
		if i == 2 {
			k.restart()
		}
		k.expect(fmt.Sprintf("end %d", i), fmt.Sprintf("begin %d", i))
		k.later(11 * time.Second)
		k.commit()
	}
	k.restart()
	k.later(11 * time.Second)
	k.expect()
	if n := len(k.set.known.open); n > 2 {
		t.Fatalf("%d files open", n)
	}
}

func TestAGenerationBetweenGoesToTheStreamItWasWrittenToEvenIfThePatternMatchesIt(t *testing.T) {
	k := start(t, "x.log*")
	k.write("x.log", "one\n")
	k.expect("one")
	k.rename("x.log", "x.log.2")
	k.write("x.log.1", "two\n")
	k.write("x.log", "three\n")
	k.read()
	for _, g := range k.taken {
		if filepath.Base(g.path) != "x.log" {
			t.Fatalf("%q came from %s", g.text, g.path)
		}
	}
	k.expect("two", "three")
}
