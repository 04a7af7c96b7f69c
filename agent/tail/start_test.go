package tail

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestFromEndStartsAfterTheLastCompleteLine(t *testing.T) {
	for name, c := range map[string]struct{ before, after, want string }{
		"complete":          {"one\ntwo\n", "three\n", "three"},
		"incomplete":        {"one\ntw", "o\n", "two"},
		"empty":             {"", "one\n", "one"},
		"no newline yet":    {"on", "e\n", "one"},
		"longer than block": {"one\n" + strings.Repeat("y", 200_000), "z\n", strings.Repeat("y", defaultMaxLine)},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, t.TempDir(), "*.log")
			k.o.Inputs[0].FromEnd = true
			k.put("x.log", c.before)
			k.open()
			t.Cleanup(k.crash)
			k.expect()
			k.write("x.log", c.after)
			k.expect(c.want)
		})
	}
}

func TestFromEndIsForTheFirstTimeOnly(t *testing.T) {
	k := newKit(t, t.TempDir(), "*.log")
	k.o.Inputs[0].FromEnd = true
	k.put("x.log", "old\n")
	k.open()
	t.Cleanup(k.crash)
	k.expect()
	k.crash()
	k.write("x.log", "one\n")
	k.write("y.log", "appeared while nobody looked\n")
	k.open()
	k.expectAny("one", "appeared while nobody looked")
	k.rename("x.log", "x.log.1")
	k.write("x.log", "two\n")
	k.expect("two")
}

func TestFromEndHoldsForAFileThatCouldNotBeOpenedAtFirst(t *testing.T) {
	k := newKit(t, t.TempDir(), "*.log")
	k.o.Inputs[0].FromEnd = true
	k.put("real", "old\n")
	k.must(os.Symlink("loop.log", k.path("loop.log")))
	k.open()
	t.Cleanup(k.crash)
	k.expect()
	k.remove("loop.log")
	k.rename("real", "loop.log")
	k.expect()
	k.write("loop.log", "new\n")
	k.expect("new")
}

func TestARestartGoesOnExactlyAfterTheLastCommittedLine(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", text(numbered("a", 0, 100)))
	k.refresh()
	st := k.stream("x.log")
	for range 30 {
		line, _ := st.Next()
		k.taken = append(k.taken, got{st.Path(), string(line.Data), line})
	}
	k.commit()
	for range 20 { // these are lost with the process
		st.Next()
	}
	k.restart()
	k.expect(numbered("a", 30, 100)...)
}

func TestIdentitiesGoOnAfterTheHighestKnown(t *testing.T) {
	k := newKit(t, t.TempDir(), "*.log")
	k.stored[41] = Position{ID: 41, Path: "/elsewhere/z.log", Offset: 7}
	k.write("x.log", "one\n")
	k.open()
	t.Cleanup(k.crash)
	k.expect("one")
	if p := k.positions(k.stream("x.log")); p[0].ID != 42 {
		t.Fatalf("identity %d, want 42", p[0].ID)
	}
	id := k.positions(k.stream("x.log"))[0].ID
	k.restart()
	if p := k.positions(k.stream("x.log")); p[0].ID != id {
		t.Fatalf("identity %d after a restart, was %d", p[0].ID, id)
	}
}

func TestPathsThatAreNotConfiguredAnyMoreAreLeftAlone(t *testing.T) {
	k := start(t, "*.log", "*.txt")
	k.write("x.log", "one\n")
	k.write("y.txt", "two\n")
	k.expectAny("one", "two")
	k.crash()
	k.o.Inputs = k.o.Inputs[:1]
	k.write("y.txt", "three\n")
	k.open()
	k.expect()
	if n := len(k.set.Streams()); n != 1 {
		t.Fatalf("%d streams, want x.log only", n)
	}
	k.crash()
	k.o.Inputs = append(k.o.Inputs, Input{Pattern: k.path("*.txt")})
	k.open()
	k.expect("three")
}

func TestAFileOfAPathThatIsNotConfiguredAnyMoreGoesOnUnderItsNewName(t *testing.T) {
	k := start(t, "*.txt")
	k.write("y.txt", "one\n")
	k.expect("one")
	k.crash()
	k.o.Inputs[0].Pattern = k.path("*.log")
	k.rename("y.txt", "y.log")
	k.write("y.log", "two\n")
	k.open()
	k.expect("two")
}

// Killed before a first position lasted, and rotated meanwhile: what lay there since the first start is read, in order,
// and what was rotated before that is not.
func TestRotatedBeforeAnyPositionWasKept(t *testing.T) {
	k := newKit(t, t.TempDir(), "*.log")
	k.put("x.log.9", "before there was an agent\n")
	k.age("x.log.9", time.Hour)
	k.o.Since = time.Now().Add(-time.Minute)
	k.put("x.log", "one\n")
	k.age("x.log", 40*time.Second)
	k.rename("x.log", "x.log.2")
	k.put("x.log", "two\n")
	k.age("x.log", 20*time.Second)
	k.rename("x.log", "x.log.1")
	k.open() // the writer has not made the next file yet
	t.Cleanup(k.crash)
	k.expect()
	k.put("x.log", "three\n")
	k.expect("one", "two", "three")
	k.crash()
	k.open()
	k.expect()
}
