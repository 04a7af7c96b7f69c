package line

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"activedefense/detect"
)

func TestBackoffGrowsToItsBound(t *testing.T) {
	last := time.Duration(0)
	for try := range 100 {
		d := Backoff(try)
		if d < last || d < minBackoff || d > maxBackoff {
			t.Fatalf("try %d waits %s after %s", try, d, last)
		}
		last = d
	}
	if last != maxBackoff {
		t.Errorf("it ends at %s", last)
	}
}

// A verdict goes to the writer before another line is taken, if the writer is idle. While it is busy verdicts share the next
// transaction, as many as may wait for one another.
func TestVerdictsShareATransactionWhileTheWriterIsBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fw1.log")
	text := ""
	for k := range 11 {
		for i := range 60 {
			text += record{at: noon.Add(time.Duration(k) * time.Second), src: fmt.Sprintf("203.0.113.%d", 1+i), dst: "198.51.100.1", port: 100 + k}.String() + "\n"
		}
	}
	write(t, path, text)
	o := testOptions(t, newTestStore(t), path)
	o.Now = newTestClock().now // nothing is committed for having waited
	l := openTestLive(t, o)
	ctx, stop := context.WithCancel(t.Context())
	l.flow.end = &recorder{l.flow.end, func(*detect.Verdict) {
		if len(l.out) > 0 {
			stop() // it goes on until it has to wait for the writer
		}
	}}
	l.refresh(context.Background())
	if err := l.drain(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	first := <-l.out
	if last := first.Records[len(first.Records)-1]; len(first.Blocks) != 1 || last.Src != first.Blocks[0].Address.Addr() {
		t.Errorf("to an idle writer go %d verdicts, and a last record of %s", len(first.Blocks), last.Src)
	}
	if n := len(l.batch.Blocks); n != maxUrgent/(verdictCost+1)+1 || n != len(l.batch.Records) {
		t.Errorf("while the writer is busy, %d verdicts and %d records wait for the next transaction", n, len(l.batch.Records))
	}
}

// Whoever watches the store knows of a commit while it lasts.
func TestACommitIsWatched(t *testing.T) {
	st := newTestStore(t)
	var said []string
	w := &writer{store: st, stats: NewStats(), wake: func() {}, now: time.Now, health: Health{
		Begun: func() { said = append(said, "begun") }, Failed: func(err error) { said = append(said, err.Error()) }, Back: func() { said = append(said, "back") }}}
	if !w.commit(t.Context(), t.Context(), newBatch()) || len(said) != 2 || said[0] != "begun" || said[1] != "back" {
		t.Errorf("it is told %q", said)
	}
}

// Lines that were read and are not stored are counted until they are.
func TestLinesAreCountedUntilTheyAreStored(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fw1.log")
	text := "no record\n"
	for i := range 11 {
		text += record{at: noon, src: fmt.Sprintf("203.0.113.%d", 1+i), dst: "198.51.100.1", port: 22}.String() + "\n"
	}
	write(t, path, text)
	o := testOptions(t, newTestStore(t), path)
	l := openTestLive(t, o)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	l.refresh(ctx)
	if err := l.drain(ctx); err != nil {
		t.Fatal(err)
	}
	if n := o.Stats.Status(noon).Unstored; n != 12 {
		t.Errorf("%d lines are not stored, of 12 that were read", n)
	}
	l.seal()
	w := &writer{store: o.Store, stats: o.Stats, wake: o.Wake, health: o.Health, log: o.Logger, now: o.Now}
	if !w.commit(ctx, ctx, l.batch) || o.Stats.Status(noon).Unstored != 0 {
		t.Errorf("%d lines are not stored, of none", o.Stats.Status(noon).Unstored)
	}
}
