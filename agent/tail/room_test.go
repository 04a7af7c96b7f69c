package tail

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// crowd is a kit with more files than may be followed at once.
func crowd(t *testing.T, most, files int) *kit {
	k := newKit(t, t.TempDir(), "*.log")
	k.o.Inputs[0].MaxFiles = most
	for i := range files {
		k.write(fmt.Sprintf("%d.log", i), fmt.Sprintf("first of %d\n", i))
		k.age(fmt.Sprintf("%d.log", i), time.Duration(files-i)*time.Hour) // the last is the newest
	}
	k.open()
	t.Cleanup(k.crash)
	return k
}

// settle reads in turns until nothing waits for its turn any more, and holds the bound.
func (k *kit) settle(most int) {
	k.t.Helper()
	for range 100 {
		k.read()
		k.commit()
		open := 0
		for _, st := range k.set.Streams() {
			if st.files.holds() {
				open++
			}
		}
		if open > most {
			k.t.Fatalf("%d files are followed", open)
		}
		waiting := 0
		crowds, _ := k.set.Crowds()
		for _, c := range crowds {
			waiting += c.Waiting
		}
		if waiting == 0 {
			return
		}
		k.ahead += 2 * time.Second
		k.mustScan()
	}
	k.t.Fatalf("files wait for ever\n%s", k.log.String())
}

func TestMoreFilesThanAreFollowedAreReadInTurnTheNewestFirst(t *testing.T) {
	const most, files = 3, 10
	k := crowd(t, most, files)
	k.read()
	k.compareAny("first of 7", "first of 8", "first of 9")
	if c, _ := k.set.Crowds(); len(c) != 1 || c[0].Waiting != files-most || c[0].MaxFiles != most || c[0].Followed != most {
		t.Errorf("told is %+v", c)
	}
	if k.logged("more files match") != 1 {
		t.Errorf("the log has\n%s", k.log.String())
	}
	k.settle(most)
	if len(k.kept) != files {
		t.Fatalf("%d lines", len(k.kept))
	}
	// One that rests is read at once when it is written to, however little time has passed since the last listing.
	k.ahead += 2 * time.Second
	for _, name := range []string{"0.log", "9.log"} {
		k.write(name, "more\n")
	}
	k.event("0.log")
	k.event("9.log")
	got := 0
	for _, st := range k.set.Ready() {
		for _, ok := st.Next(); ok; _, ok = st.Next() {
			got++
		}
	}
	if got != 2 {
		t.Errorf("%d new lines were found by their events", got)
	}
	// A file alone is followed for good, and that it was crowded ends.
	for i := range files - 1 {
		k.remove(fmt.Sprintf("%d.log", i))
	}
	k.later(2 * goneGrace)
	if c, _ := k.set.Crowds(); len(c) != 0 || k.logged("all files that match are followed again") != 1 {
		t.Errorf("told is %+v", c)
	}
}

// event has it noticed that something was written, as the system says it.
func (k *kit) event(name string) {
	k.set.watch.mu.Lock()
	k.set.watch.written[k.path(name)] = struct{}{}
	k.set.watch.mu.Unlock()
}

// compareAny is compare without the order, of what was taken.
func (k *kit) compareAny(want ...string) {
	k.t.Helper()
	have := map[string]bool{}
	for text := range k.texts() {
		have[text] = true
	}
	for _, text := range want {
		if !have[text] || len(have) != len(want) {
			k.t.Fatalf("read are %v, want %v", have, want)
		}
	}
	k.commit()
}

func TestWhatHappensToAFileThatRestsIsNotMissed(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(k *kit, name string)
		want []string
	}{
		"it grows":        {func(k *kit, n string) { k.write(n, "second\n") }, []string{"second"}},
		"it is truncated": {func(k *kit, n string) { k.put(n, "new\n") }, []string{"new"}},
		"it is rotated":   {func(k *kit, n string) { k.rename(n, n+".1"); k.write(n, "second\n") }, []string{"second"}},
		"it grows and is rotated": {func(k *kit, n string) {
			k.write(n, "second\n")
			k.rename(n, n+".1")
			k.write(n, "third\n")
		}, []string{"second", "third"}},
		"it grows and is copied and truncated": {func(k *kit, n string) {
			k.write(n, "second\n")
			k.copytruncate(n, n+".1")
			k.write(n, "third\n")
		}, []string{"second", "third"}},
		"it grows and is rotated twice": {func(k *kit, n string) {
			k.write(n, "second\n")
			k.age(n, 2*time.Minute)
			k.rename(n, n+".2")
			k.write(n+".1", "third\n")
			k.age(n+".1", time.Minute)
			k.write(n, "fourth\n")
		}, []string{"second", "third", "fourth"}},
		"it is deleted and made anew": {func(k *kit, n string) { k.remove(n); k.write(n, "second\n") }, []string{"second"}},
	} {
		for _, down := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, down %v", name, down), func(t *testing.T) {
				k := crowd(t, 2, 6)
				k.settle(2)
				before := len(k.kept)
				if down {
					k.crash()
				}
				for i := range 6 {
					c.do(k, fmt.Sprintf("%d.log", i))
				}
				if down {
					k.open()
				}
				k.ahead += 2 * time.Second
				k.mustScan()
				k.settle(2)
				count := map[string]int{}
				for _, g := range k.kept[before:] {
					count[g.text]++
				}
				for _, text := range c.want {
					if count[text] != 6 {
						t.Errorf("%q came %d times", text, count[text])
					}
				}
				if len(k.kept)-before != 6*len(c.want) {
					t.Errorf("%d lines came: %v", len(k.kept)-before, count)
				}
			})
		}
	}
}

func TestARestartOpensNoneOfThoseThatRest(t *testing.T) {
	k := crowd(t, 2, 40)
	k.settle(2)
	k.restart()
	k.expect()
	k.write("0.log", "more\n")
	k.ahead += 2 * time.Second
	k.mustScan()
	k.expect("more")
}

// Empty files have nothing to read, and keep no other from being read.
func TestEmptyFilesGiveUpTheirRoom(t *testing.T) {
	for _, down := range []bool{false, true} {
		t.Run(fmt.Sprintf("down %v", down), func(t *testing.T) {
			k := crowd(t, 2, 4)
			for i := range 5 {
				k.write(fmt.Sprintf("empty-%d.log", i), "")
				k.age(fmt.Sprintf("empty-%d.log", i), time.Minute)
			}
			k.settle(2)
			if len(k.kept) != 4 {
				t.Fatalf("%d lines\n%s", len(k.kept), k.log.String())
			}
			if down {
				k.restart()
				k.settle(2)
				k.crash()
			}
			k.write("empty-0.log", "one\n")
			k.write("empty-1.log", "two\n")
			k.rename("empty-1.log", "empty-1.log.1")
			k.write("empty-1.log", "three\n")
			k.write("empty-2.log", "four\n")
			k.copytruncate("empty-2.log", "empty-2.log.1")
			if down {
				k.open()
			}
			k.ahead += 2 * time.Second
			k.mustScan()
			k.settle(2)
			k.compareKept(4, "four", "one", "three", "two")
		})
	}
}

// Where nothing is left of the file at the path, what was before it is looked for all the same.
func TestAnEmptyFileThatRestsDoesNotHideWhatIsLeftOfTheOneBefore(t *testing.T) {
	k := newKit(t, t.TempDir(), "*.log")
	k.o.Inputs[0].MaxFiles = 1
	k.write("x.log", "one\ntwo\n")
	k.open()
	t.Cleanup(k.crash)
	k.read()
	k.commitFirst(1)
	k.rename("x.log", "x.log.1")
	k.write("x.log", "")
	k.mustScan()
	k.commitFirst(0)
	k.crash()
	k.gzip("x.log.1")
	k.open()
	k.expect("two")
}

func TestAFileThatWasEmptyWhenItWasRenamedGivesUpItsRoomAndIsReadWhenItGrowsLate(t *testing.T) {
	k := crowd(t, 1, 3)
	k.write("empty.log", "")
	k.settle(1)
	k.rename("empty.log", "empty.log.1")
	k.write("empty.log", "new\n")
	k.ahead += 2 * time.Second
	k.mustScan()
	k.read()
	k.write("0.log", "more\n")
	k.ahead += 2 * time.Second
	k.mustScan()
	if len(k.stream("empty.log").files.late) == 0 {
		t.Fatal("the generation is not watched for late writers")
	}
	k.settle(1)
	k.compareKept(3, "more", "new")
	k.write("empty.log.1", "late\n")
	k.ahead += 2 * time.Second
	k.mustScan()
	k.settle(1)
	k.compareKept(5, "late")
}

// A file that was renamed, and whose writer makes no other one, is read on for an hour, but keeps no other from being read; when it grows
// after all, that is not missed.
func TestAFileThatWasRenamedGivesUpItsRoomThoughNothingTakesItsPlace(t *testing.T) {
	for _, was := range []string{"", "last\n"} {
		k := crowd(t, 1, 1)
		k.settle(1)
		k.write("x.log", was)
		k.ahead += 2 * time.Second
		k.mustScan()
		k.settle(1)
		if !k.stream("x.log").files.holds() {
			t.Fatal("it is not open")
		}
		k.rename("x.log", "x.log.1")
		k.mustScan()
		k.write("0.log", "more\n")
		k.ahead += 2 * time.Second
		k.mustScan()
		from := len(k.kept)
		k.settle(1)
		k.compareKept(from, "more")
		k.write("x.log.1", "late\n")
		k.ahead += 2 * time.Second
		k.mustScan()
		k.settle(1)
		k.compareKept(from, "late", "more")
	}
}

// Where it lies in a folder below, which nobody lists, its handle alone shows that it grows: it is read on.
func TestAFileThatWasRenamedIntoAFolderBelowKeepsItsRoom(t *testing.T) {
	k := crowd(t, 1, 1)
	k.settle(1)
	k.write("x.log", "last\n")
	k.ahead += 2 * time.Second
	k.mustScan()
	k.settle(1)
	k.must(os.Mkdir(k.path("old"), 0o700))
	k.rename("x.log", "old/x.log.1")
	k.write("0.log", "more\n")
	from := len(k.kept)
	for range 20 {
		k.ahead += 2 * time.Second
		k.mustScan()
		k.read()
	}
	k.write("old/x.log.1", "late\n")
	k.ahead += 2 * time.Second
	k.mustScan()
	k.read()
	k.commit()
	k.compareKept(from, "late")
	k.later(2 * goneGrace)
	k.settle(1)
	k.compareKept(from, "late", "more")
}

// One that rested before it was renamed there has no handle, and is looked for.
func TestAFileThatRestsAndIsRenamedIntoAFolderBelowIsReadWhenItGrowsLate(t *testing.T) {
	k := crowd(t, 1, 2)
	k.settle(1)
	name := "0.log"
	if k.stream(name).files.holds() {
		name = "1.log"
	}
	k.must(os.Mkdir(k.path("old"), 0o700))
	k.rename(name, "old/"+name+".1")
	from := len(k.kept)
	for _, text := range []string{"late", "later"} {
		k.ahead += time.Minute
		k.mustScan()
		k.write("old/"+name+".1", text+"\n")
		k.ahead += time.Minute
		k.mustScan()
		k.settle(1)
	}
	k.compareKept(from, "late", "later")
}

// So is one that an earlier run had let go, or that grew while it waited for room after that, and one that an earlier run had let go when it
// already lay there. Of a file that was silent, and is followed no more, the same holds where there is room.
func TestAFileThatRestsIsFoundInAFolderBelowAlsoAfterARestart(t *testing.T) {
	grow := func(k *kit, name string) { k.write(name, "second\n") }
	look := func(k *kit, _ string) { k.mustScan() }
	rotate := func(k *kit, name string) { k.rename(name, "old/"+name+".1"); k.write(name, "") }
	late := func(k *kit, name string) { k.write("old/"+name+".1", "second\n") }
	restart := func(k *kit, _ string) { k.restart() }
	commit := func(k *kit, _ string) { k.read(); k.commit() }
	for name, c := range map[string]struct {
		most  int
		steps []func(*kit, string)
	}{
		"it grows and is renamed at once":     {1, []func(*kit, string){restart, grow, rotate}},
		"it grows, waits and is renamed":      {1, []func(*kit, string){restart, grow, look, rotate}},
		"it grew while down":                  {1, []func(*kit, string){grow, restart, rotate}},
		"it grew and was renamed while down":  {1, []func(*kit, string){grow, rotate, restart}},
		"it grows after it was renamed":       {1, []func(*kit, string){restart, rotate, look, late}},
		"it was renamed before, and grows":    {1, []func(*kit, string){rotate, look, restart, late}},
		"it was silent, grows and is renamed": {9, []func(*kit, string){grow, rotate}},
		"the same after a restart":            {9, []func(*kit, string){commit, restart, grow, rotate}},
		"the same while down":                 {9, []func(*kit, string){commit, grow, rotate, restart}},
	} {
		t.Run(name, func(t *testing.T) {
			k := crowd(t, c.most, 3)
			k.must(os.Mkdir(k.path("old"), 0o700))
			k.settle(c.most)
			k.ahead += 2 * silentFor
			k.mustScan()
			for _, step := range c.steps {
				k.ahead += 2 * time.Second
				for i := range 3 {
					step(k, fmt.Sprintf("%d.log", i))
				}
			}
			from := 3
			for range 5 {
				k.ahead += 2 * time.Second
				k.mustScan()
				k.settle(c.most)
			}
			k.compareKept(from, "second", "second", "second")
		})
	}
}

// compareKept compares what was committed from the place given, in any order.
func (k *kit) compareKept(from int, want ...string) {
	k.t.Helper()
	var have []string
	for _, g := range k.kept[from:] {
		have = append(have, g.text)
	}
	slices.Sort(have)
	k.compare(have, want)
}

func TestOpenEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	k := newKit(t, dir, "*.log")
	for i := range 10 {
		k.write(fmt.Sprint(i, ".log"), "one\n")
	}
	ctx, cancel := context.WithCancel(t.Context())
	k.o.now = func() time.Time { cancel(); return time.Now() } // while the first files are opened
	if set, err := Open(ctx, k.o, nil); err == nil || set != nil || ctx.Err() == nil {
		t.Errorf("opened: %v", err)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && len(to) > len(dir) && to[:len(dir)] == dir {
			t.Errorf("%s is left open", to)
		}
	}
}
