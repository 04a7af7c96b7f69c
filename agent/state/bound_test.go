package state

import (
	"bytes"
	"crypto/rand"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/store"
)

// A boundTest is a database with 20,000 records of 20 hours, a block in it, and a disk on which there is room.
type boundTest struct {
	*Bounder
	t     *testing.T
	clock *testClock
	log   bytes.Buffer
	free  int64
}

func newBoundTest(t *testing.T) *boundTest {
	b := &boundTest{t: t, clock: newTestClock(), free: math.MaxInt64}
	st := newTestStore(t)
	for hour := 20; hour > 0; hour-- {
		var batch store.Batch
		for i := range 1000 {
			batch.Records = append(batch.Records, store.Record{Time: b.clock.at.Add(-time.Duration(hour)*time.Hour + time.Duration(i)*time.Second), Type: "TRAFFIC", Rule: rand.Text() + rand.Text()}) // which takes room, however it is kept
		}
		if _, err := st.Commit(t.Context(), &batch); err != nil {
			t.Fatal(err)
		}
	}
	blockAs(t, st, "203.0.113.1/32")
	b.Bounder = &Bounder{Store: st, Least: 150 * time.Minute, Log: zerolog.New(&b.log), Now: func() time.Time { return b.clock.at },
		Disk: func(string) (int64, int64, error) { return b.free, 100 << 30, nil }}
	return b
}

// look looks once, and gives how many records are left.
func (b *boundTest) look() (left int) {
	b.t.Helper()
	if err := b.boundOnce(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	if err := b.Store.Records(b.t.Context(), store.RecordFilter{}, func(*store.Record) error { left++; return nil }); err != nil {
		b.t.Fatal(err)
	}
	if list, err := b.Store.Covering(b.t.Context(), netip.MustParseAddr("203.0.113.1")); err != nil || len(list) != 1 {
		b.t.Errorf("the block is gone: %v, %v", list, err)
	}
	return left
}

func (b *boundTest) size() store.Size {
	b.t.Helper()
	size, err := b.Store.Size(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return size
}

func TestTheDatabaseIsKeptBelowItsSize(t *testing.T) {
	b := newBoundTest(t)
	b.MaxSize = b.size().Used
	if left := b.look(); left != 20_000 {
		t.Errorf("%d records are left though there is room", left)
	}
	if _, what, _ := b.Trouble(); what != "" || b.log.Len() > 0 {
		t.Errorf("said: %s, %s", what, b.log.String())
	}
	b.MaxSize /= 2
	left := b.look()
	since, what, remedy := b.Trouble()
	if left < 2000 || left > 12_000 || b.size().Used > b.MaxSize || !strings.Contains(what, "store.max_size") || !strings.Contains(what, "oldest go") ||
		!strings.Contains(remedy, "raise store.max_size") || !since.Equal(b.clock.at) {
		t.Errorf("%d records are left in %+v, said: %s; %s", left, b.size(), what, remedy)
	}
	b.clock.at = b.clock.at.Add(59 * time.Minute)
	b.look()
	if _, what, _ := b.Trouble(); what == "" || strings.Count(b.log.String(), "\n") != 1 {
		t.Errorf("an hour later %q, and logged %s", what, b.log.String())
	}
	b.clock.at = b.clock.at.Add(time.Minute)
	if b.look(); b.what != "" {
		t.Errorf("it is over and still a trouble: %s", b.what)
	}
	b.MaxSize = 1
	if left = b.look(); left != 1000 {
		t.Errorf("%d records are left: the youngest 1000 stay", left)
	}
	if _, what, _ := b.Trouble(); !strings.Contains(what, "too young to go") {
		t.Errorf("said: %s", what)
	}
}

// Below the reserve of the disk records go, but no more than give the reserve back: what is free within the file is room for blocks.
func TestTheDiskHasAReserve(t *testing.T) {
	b := newBoundTest(t)
	whole := b.size().Used
	b.free = 2<<30 - whole/4 // the reserve is 2 % of 100 GiB
	left := b.look()
	if size := b.size(); left < 5000 || left > 18_000 || size.Spare < whole/4 || !strings.Contains(b.what, "less than its reserve") || !strings.Contains(b.log.String(), "reserve") {
		t.Errorf("%d records are left in %+v, said: %s, %s", left, size, b.what, b.log.String())
	}
	if again := b.look(); again != left {
		t.Errorf("%d more records went for nothing", left-again)
	}
	b.free = 3 << 30
	b.clock.at = b.clock.at.Add(time.Hour)
	if b.look(); b.what != "" {
		t.Errorf("there is room and still a trouble: %s", b.what)
	}
	for whole, want := range map[int64]int64{3 << 20: 3 << 20 / 10, 5 << 30: 1 << 29, 20 << 30: 1 << 30, 1 << 40: 1 << 40 / 50} {
		if got := Reserve(whole); got != want {
			t.Errorf("of %d bytes %d are reserved, want %d", whole, got, want)
		}
	}
	if free, whole, err := DiskRoom(t.TempDir()); err != nil || whole <= 0 || free < 0 || free > whole {
		t.Errorf("%d of %d bytes: %v", free, whole, err)
	}
}
