package tail

import (
	"fmt"
	"os"
	"testing"
	"time"
)

func TestACopyThatGrowsGoesOnWhereItPartsFromItsOriginal(t *testing.T) {
	for name, before := range map[string]func(k *kit){
		"when all was read":            func(*kit) {},
		"when the original went on":    func(k *kit) { k.write("x.log", text(numbered("more", 0, 40))) },
		"when the copy was cut short":  func(k *kit) { k.must(os.Truncate(k.path("copy.log"), 6666)) },
		"when the reader was down":     func(k *kit) { k.commit(); k.restart() },
		"when it was seen as a copy":   func(k *kit) { k.read() },
		"when the original has unread": func(k *kit) { k.crash(); k.write("x.log", "unread\n"); k.copy("x.log", "copy.log"); k.open() },
	} {
		t.Run(name, func(t *testing.T) {
			k := start(t, "*.log")
			k.write("x.log", text(numbered("a", 0, 100)))
			k.expect(numbered("a", 0, 100)...)
			k.copy("x.log", "copy.log")
			before(k)
			k.write("copy.log", "\nits own\n") // behind a line that was cut short this ends that
			k.read()
			k.commit()
			k.restart()
			k.read()
			k.commit()
			k.once(t, "its own")
		})
	}
}

// What an editor, rsync --backup or perl -i.bak leaves: the file has another name, and a copy of it with more is in its place.
func TestAFileThatWasRenamedAndCopiedBackIsNotReadTwice(t *testing.T) {
	lines := numbered("a", 0, 150)
	for name, way := range map[string]struct {
		to   string
		then func(*kit)
	}{
		"beside":                 {"x.log~", func(*kit) {}},
		"as a generation":        {"x.log.1", func(*kit) {}},
		"among what is followed": {"x-old.log", func(*kit) {}},
		"into a folder below":    {"old/x.log", func(*kit) {}},
		"and it went on":         {"x.log.1", func(k *kit) { k.write("x.log.1", "late\n") }},
		"before all was read":    {"x.log.bak", func(k *kit) { k.write("x.log", "") }},
	} {
		for _, down := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, down %v", name, down), func(t *testing.T) {
				k := start(t, "*.log")
				k.must(os.MkdirAll(k.path("old"), 0o700))
				k.write("x.log", text(lines[:100]))
				k.expect(lines[:100]...)
				k.commit()
				if down {
					k.crash()
				}
				if name == "before all was read" {
					k.write("x.log", text(lines[100:120]))
				}
				k.rename("x.log", way.to)
				k.copy(way.to, "x.log")
				if !down {
					k.read() // when there is nothing but the copy
				}
				way.then(k)
				k.write("x.log", text(lines[120:]))
				if down {
					k.open()
				}
				k.read()
				k.later(time.Minute)
				k.read()
				k.commit()
				k.restart()
				k.read()
				k.once(t, lines[120:]...)
			})
		}
	}
}

// However little it holds: a copy of all of it has begun anew with nothing.
func TestALittleFileThatWasRenamedAndCopiedBackIsNotReadTwice(t *testing.T) {
	for _, to := range []string{"x.log~", "x.log.1", "x-old.log"} {
		for _, down := range []bool{false, true} {
			k := start(t, "*.log")
			k.write("x.log", "one\ntwo\n")
			k.expect("one", "two")
			if down {
				k.crash()
			}
			k.rename("x.log", to)
			k.copy(to, "x.log")
			k.write("x.log", "three\n")
			if down {
				k.open()
			}
			k.read()
			k.later(time.Minute)
			k.commit()
			k.write("x.log", "four\n")
			k.restart()
			k.read()
			k.commit()
			k.once(t, "three", "four")
		}
	}
}

func TestACopyThatWentOnForItselfHasItsOriginalNotReadAgain(t *testing.T) {
	k := start(t, "*.log")
	k.write("x.log", text(numbered("older", 0, 10)))
	k.expect(numbered("older", 0, 10)...)
	k.rename("x.log", "x.log.2") // known, and older than what follows
	k.write("x.log", text(numbered("a", 0, 100)))
	k.expect(numbered("a", 0, 100)...)
	k.copy("x.log", "copy.log")
	k.write("x.log", "after the copy\n")
	k.write("copy.log", "its own, and longer\n")
	k.mustScan()
	k.expectAny("its own, and longer", "after the copy")
	k.rename("x.log", "x.log.1")
	k.write("x.log", "")
	k.later(time.Minute) // what was renamed is finished
	k.commit()
	k.restart()
	k.expect()
	k.write("x.log", "new\n")
	k.expect("new")
}

// once holds that no line was given twice, but empty ones and the one that was cut short, and that some were given.
func (k *kit) once(t *testing.T, must ...string) {
	t.Helper()
	count := map[string]int{}
	for _, g := range k.kept {
		count[g.text]++
	}
	for text, n := range count {
		if n > 1 && text != "" {
			t.Errorf("%.40q came %d times", text, n)
		}
	}
	for _, text := range must {
		if count[text] == 0 {
			t.Errorf("%.40q did not come", text)
		}
	}
}

func TestACopyThatIsOverwrittenAgainAndAgainGivesNothingTwice(t *testing.T) {
	k := start(t, "*.log")
	n := 0
	for round := range 12 {
		lines := numbered("a", n, n+30)
		n += 30
		k.write("x.log", text(lines))
		switch round % 4 {
		case 0:
			k.read()
			k.copy("x.log", "copy.log") // truncated and written in place
		case 1:
			k.copy("x.log", "copy.log")
			k.read()
			k.put("copy.log", "")
			k.read()
			k.copy("x.log", "copy.log")
		case 2:
			k.read()
			k.commit()
			k.rename("x.log", "x.log.1")
			k.write("x.log", "")
			k.read()
		case 3:
			k.copy("x.log", "copy.log")
			k.commit()
			k.restart()
		}
		k.read()
		k.commit()
		k.once(t, numbered("a", 0, n)...)
		if t.Failed() {
			t.Fatalf("round %d\n%s", round, k.log.String())
		}
	}
}

// It had lines of its own, was overwritten with less, which the original has, and has others now.
func TestACopyThatIsOverwrittenWithLessAndGrowsAgainLosesNoLine(t *testing.T) {
	for name, then := range map[string][]string{
		"beyond where it had been read, within a line": {"its own again, and longer"},
		"up to there":                     {"again own"},
		"beyond there, from line to line": {"again own", "third own"},
	} {
		for _, down := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, down %v", name, down), func(t *testing.T) {
				k := start(t, "*.log")
				k.write("x.log", text(numbered("a", 0, 50)))
				k.expect(numbered("a", 0, 50)...)
				k.copy("x.log", "copy.log")
				k.expect()
				k.write("copy.log", "first own\n")
				k.mustScan()
				k.expect("first own")
				k.copy("x.log", "copy.log")
				k.expect()
				if down {
					k.restart()
				}
				k.write("copy.log", text(then))
				k.mustScan()
				k.expect(then...)
				k.restart()
				k.expect()
			})
		}
	}
}

func TestRotationIntoAFolderBelowWhileDown(t *testing.T) {
	k := start(t, "x.log")
	k.write("x.log", text(numbered("a", 0, 50)))
	k.expect(numbered("a", 0, 50)...)
	k.crash()
	k.must(os.Mkdir(k.path("old"), 0o755))
	k.write("x.log", "unread\n")
	k.rename("x.log", "old/x.log.2")
	k.write("x.log", "between\n")
	k.rename("x.log", "old/x.log.1")
	k.write("x.log", "last\n")
	k.open()
	k.expect("unread", "between", "last")
	k.restart()
	k.expect()
}

func TestAClockSetBackBetweenRotationsWhileDown(t *testing.T) {
	k := start(t, "x.log")
	k.write("x.log.2", "before our time\n")
	k.age("x.log.2", 48*time.Hour)
	k.write("x.log", text(numbered("a", 0, 50)))
	k.expect(numbered("a", 0, 50)...)
	k.crash()
	k.rename("x.log.2", "x.log.5")
	k.write("x.log", "unread\n")
	k.age("x.log", time.Hour) // all of this was written by a clock that is behind
	k.rename("x.log", "x.log.3")
	for i := 2; i > 0; i-- {
		k.write(fmt.Sprint("x.log.", i), fmt.Sprint("rotated as ", i, "\n"))
		k.age(fmt.Sprint("x.log.", i), time.Duration(i)*time.Minute+2*time.Hour-time.Duration(2*i)*time.Minute)
	}
	k.write("x.log", "last\n")
	k.age("x.log", 3*time.Hour)
	k.open()
	k.expect("unread", "rotated as 2", "rotated as 1", "last")
	k.restart()
	k.expect()
}

func TestWhatIsCompressedSoThatItCannotBeReadIsCountedAsLost(t *testing.T) {
	for _, suffix := range []string{".xz", ".zst"} {
		k := start(t, "x.log")
		k.write("x.log", text(numbered("a", 0, 50)))
		k.expect(numbered("a", 0, 50)...)
		k.crash()
		k.write("x.log", "unread\n")
		k.remove("x.log")
		k.write("x.log.2"+suffix, "\xfd7zXZ\x00 what was x.log")
		k.write("x.log.1"+suffix, "\xfd7zXZ\x00 what came then")
		k.write("x.log", "last\n")
		k.open()
		k.expect("last")
		if _, lost := k.set.Crowds(); lost != 3 || k.logged(`"level":"warn"`) != 4 { // and that there was no file at first
			t.Errorf("%s: %d files are lost\n%s", suffix, lost, k.log.String())
		}
	}
}
