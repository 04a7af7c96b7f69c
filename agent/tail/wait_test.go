package tail

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// waitKit has a poll interval so long that only events can have woken.
func waitKit(t *testing.T, patterns ...string) *kit {
	t.Helper()
	k := newKit(t, t.TempDir(), patterns...)
	k.o.PollInterval = time.Hour
	return k
}

// wakes waits for an event and takes what it brought, until a line has come.
func (k *kit) wakes(t *testing.T, want ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for len(k.taken) < len(want) {
		if err := k.set.Wait(ctx); err != nil {
			t.Fatalf("no wake: %v", err)
		}
		k.read()
	}
	k.expect(want...)
}

func TestAnAppendWakes(t *testing.T) {
	k := waitKit(t, "*.log")
	k.write("x.log", "one\n")
	k.open()
	t.Cleanup(k.crash)
	k.expect("one")
	k.write("x.log", "two\n")
	k.wakes(t, "two")
}

func TestANewFileWakes(t *testing.T) {
	k := waitKit(t, "*.log")
	k.open()
	t.Cleanup(k.crash)
	k.write("x.log", "one\n")
	k.wakes(t, "one")
}

func TestALateLineWakes(t *testing.T) {
	k := waitKit(t, "*.log")
	k.write("x.log", "one\n")
	k.open()
	t.Cleanup(k.crash)
	k.expect("one")
	k.rename("x.log", "x.log.1")
	k.write("x.log", "two\n")
	k.wakes(t, "two")
	k.mustScan()
	k.write("x.log.1", "late\n")
	k.wakes(t, "late")
}

func TestAnAppendBehindASymbolicLinkWakes(t *testing.T) {
	k := waitKit(t, "sub/*.log")
	k.must(os.Mkdir(k.path("sub"), 0o755))
	k.write("target", "one\n")
	k.must(os.Symlink("../target", k.path("sub/x.log")))
	k.open()
	t.Cleanup(k.crash)
	k.expect("one")
	k.write("target", "two\n")
	k.wakes(t, "two")
}

func TestAFolderThatWasReplacedIsWatchedAnew(t *testing.T) {
	k := waitKit(t, "sub/*.log")
	k.must(os.Mkdir(k.path("sub"), 0o755))
	k.open()
	t.Cleanup(k.crash)
	k.rename("sub", "old")
	k.must(os.Mkdir(k.path("sub"), 0o755))
	k.mustScan()
	k.write("sub/x.log", "one\n")
	k.wakes(t, "one")
}

func TestAFolderThatWasMovedAndCameBackIsWatchedAgain(t *testing.T) {
	k := waitKit(t, "sub/*.log")
	k.must(os.Mkdir(k.path("sub"), 0o755))
	k.open()
	t.Cleanup(k.crash)
	k.rename("sub", "elsewhere")
	k.rename("elsewhere", "sub")
	tick, deadline := time.NewTicker(time.Millisecond), time.After(10*time.Second)
	defer tick.Stop()
	for len(k.set.watch.w.WatchList()) > 0 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the move was never noticed")
		}
	}
	k.mustScan()
	k.write("sub/x.log", "one\n")
	k.wakes(t, "one")
}

func TestLostEventsMakeItLookAtEverything(t *testing.T) {
	k := waitKit(t, "*.log")
	k.write("x.log", "one\n")
	k.open()
	t.Cleanup(k.crash)
	k.expect("one")
	k.must(k.set.watch.w.Remove(k.dir)) // now events are lost
	k.write("x.log", "two\n")
	k.write("y.log", "three\n")
	k.drainWakes()
	k.set.watch.w.Errors <- fsnotify.ErrEventOverflow
	k.must(k.set.Wait(t.Context()))
	if !k.set.watch.dirty.Load() {
		t.Fatal("the folder is not looked at")
	}
	k.expectAny("two", "three")
}

func TestBusyFilesThatAreNotOursDoNotWake(t *testing.T) {
	k := waitKit(t, "*.log")
	k.open()
	t.Cleanup(k.crash)
	k.write("other.txt", "noise\n")
	k.write("x.log", "one\n")
	k.wakes(t, "one")
	for range 100 {
		k.write("other.txt", "noise\n")
	}
	k.drainWakes()
	k.write("other.txt", "noise\n")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := k.set.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Wait: %v", err)
	}
}

// drainWakes takes the wakes that events on the way still bring.
func (k *kit) drainWakes() {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		err := k.set.Wait(ctx)
		cancel()
		if err != nil {
			return
		}
		k.read()
	}
}

func TestWaitEndsWithTheContextAndWithThePollInterval(t *testing.T) {
	k := newKit(t, t.TempDir(), "*.log")
	k.o.PollInterval = time.Millisecond
	k.open()
	t.Cleanup(k.crash)
	k.must(k.set.Wait(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.set.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Wait: %v", err)
	}
}

func TestManyAppendsWakeOnceInAWhile(t *testing.T) {
	k := waitKit(t, "*.log")
	k.write("x.log", "")
	k.open()
	t.Cleanup(k.crash)
	f, err := os.OpenFile(k.path("x.log"), os.O_WRONLY|os.O_APPEND, 0)
	k.must(err)
	defer f.Close()
	const lines = 1000
	written := make(chan error, 1)
	go func() {
		tick := time.NewTicker(500 * time.Microsecond) // 2,000 lines a second
		defer tick.Stop()
		for range lines {
			if _, err := f.WriteString("a line\n"); err != nil {
				written <- err
				return
			}
			<-tick.C
		}
		written <- nil
	}()
	began, wakes := time.Now(), 0
	for len(k.taken) < lines {
		k.must(k.set.Wait(t.Context()))
		wakes++
		k.read()
	}
	k.must(<-written)
	if most := int(time.Since(began)/(4*time.Millisecond)) + 2; wakes > most {
		t.Fatalf("%d wakes in %v, want at most %d", wakes, time.Since(began), most)
	}
}

func TestALineIsThereWithinItsLatencyBudget(t *testing.T) {
	k := waitKit(t, "*.log")
	k.write("x.log", "")
	k.open()
	t.Cleanup(k.crash)
	f, err := os.OpenFile(k.path("x.log"), os.O_WRONLY|os.O_APPEND, 0)
	k.must(err)
	defer f.Close()
	var took []time.Duration
	for range 50 {
		began := time.Now()
		_, err := f.WriteString("a line\n")
		k.must(err)
		k.wakes(t, "a line")
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	if median := took[len(took)/2]; median > 50*time.Millisecond {
		t.Fatalf("half of the lines took more than %v", median)
	}
}
