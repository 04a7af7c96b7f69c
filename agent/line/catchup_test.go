package line

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/detect"
	"activedefense/detect/memory"
	"activedefense/store"
)

// longRules are two rules of a day's window, that fire at so many records more of one port.
func longRules(more ...int) (list []detect.CustomRule) {
	for i, n := range more {
		list = append(list, detect.CustomRule{Name: fmt.Sprint("long ", i), Events: []string{detect.EventTraffic},
			Where: []detect.Condition{{Field: detect.FieldDstPort, Numbers: []detect.NumberRange{{First: uint32(100 + i), Last: uint32(100 + i)}}}}, MoreThan: n, Window: 24 * time.Hour})
	}
	return list
}

// longRun is one agent after another over one file, each with its own rules.
type longRun struct {
	t    *testing.T
	st   *store.Store
	path string
	log  lockedBuffer
	next time.Time
}

func newLongRun(t *testing.T, st *store.Store) *longRun {
	return &longRun{t: t, st: st, path: filepath.Join(t.TempDir(), "fw1.log"), next: noon}
}

// open begins an agent, as a reload does.
func (r *longRun) open(rules []detect.CustomRule) *running {
	r.t.Helper()
	o := testOptions(r.t, r.st, r.path)
	o.Settings = detect.Settings{Custom: rules}
	o.Attach, o.Logger = attach(r.t, r.st), zerolog.New(&r.log)
	return start(r.t, o)
}

// write has a source's records of a port come, an hour apart, and waits until they are stored.
func (r *longRun) write(src string, port, n int) {
	r.t.Helper()
	want := len(records(r.t, r.st)) + n
	for range n {
		r.next = r.next.Add(time.Hour)
		write(r.t, r.path, record{at: r.next, src: src, dst: "198.51.100.1", port: port}.String()+"\n")
	}
	until(r.t, "they are stored", func() bool { return len(records(r.t, r.st)) == want })
}

// whole is of how many rules it is kept that all that they count is.
func whole(t *testing.T, st *store.Store) int {
	t.Helper()
	parts, _, err := st.Memory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if p.Number == countersPart {
			return (len(p.Data) - len(memory.NoCounters())) / 8
		}
	}
	return 0
}

const toldAgain = "new or changed rules have counted the records of before"

// A rule of a long window goes on behind a restart from what is kept, without its records; one that was changed counts the records of before,
// while the others go on, and that is kept in its turn. What was taken out and comes back is new.
func TestALongRuleOverRestarts(t *testing.T) {
	onEachStore(t, func(t *testing.T, st *store.Store) {
		r := newLongRun(t, st)
		a := r.open(longRules(3, 3))
		r.write("203.0.113.7", 100, 3)
		r.write("203.0.113.8", 101, 2)
		a.end()
		again := r.open(longRules(3, 3))
		r.write("203.0.113.7", 100, 1)
		until(t, "it is blocked by what was kept", func() bool { return entries(t, st) == "203.0.113.7 long 0" })
		again.end()
		if strings.Contains(r.log.String(), toldAgain) {
			t.Fatalf("records are read again: %s", r.log.String())
		}

		changed := r.open(longRules(3, 2))
		until(t, "the changed rule has caught up", func() bool { return strings.Contains(r.log.String(), toldAgain) })
		r.write("203.0.113.8", 101, 1)
		until(t, "it is blocked by what was read again", func() bool { return strings.Contains(entries(t, st), "203.0.113.8 long 1") })
		if knows := whole(t, st); knows != 1 {
			t.Fatalf("%d rules are kept as whole before all parts are", knows)
		}
		for range memory.Parts {
			r.write("203.0.113.9", 99, 1)
		}
		if knows := whole(t, st); knows != 2 {
			t.Fatalf("%d rules are kept as whole, want 2", knows)
		}
		r.write("203.0.113.10", 101, 2)
		changed.end()

		r.log = lockedBuffer{}
		last := r.open(longRules(3, 2))
		r.write("203.0.113.10", 101, 1)
		until(t, "what it was told is kept", func() bool { return strings.Contains(entries(t, st), "203.0.113.10 long 1") })
		last.end()
		if strings.Contains(r.log.String(), toldAgain) {
			t.Fatalf("records are read again: %s", r.log.String())
		}

		without := r.open(longRules(3))
		r.write("203.0.113.11", 101, 2) // nobody counts them
		without.end()
		r.log = lockedBuffer{}
		back := r.open(longRules(3, 2))
		until(t, "the rule that is back has caught up", func() bool { return strings.Contains(r.log.String(), toldAgain) })
		r.write("203.0.113.11", 101, 1)
		until(t, "it counts what came while it was away", func() bool { return strings.Contains(entries(t, st), "203.0.113.11 long 1") })
		back.end()
	})
}

// What is damaged is told and costs one reading of the records; after an upgrade they are read without a word of damage.
func TestCountersThatCannotBeReadAreCountedAgain(t *testing.T) {
	for name, data := range map[string][]byte{"damaged": []byte("no counters"), "another version": {9, 0, 0, 0, 0}, "an earlier version wrote none": nil} {
		t.Run(name, func(t *testing.T) {
			r := newLongRun(t, newTestStore(t))
			a := r.open(longRules(3))
			r.write("203.0.113.7", 100, 3)
			a.end()
			r.spoil(data)
			b := r.open(longRules(3))
			until(t, "it has caught up", func() bool { return strings.Contains(r.log.String(), toldAgain) })
			r.write("203.0.113.7", 100, 1)
			until(t, "it is blocked", func() bool { return entries(t, r.st) == "203.0.113.7 long 0" })
			b.end()
			if told := strings.Contains(r.log.String(), "cannot be read"); told != (data != nil) {
				t.Errorf("told was %s", r.log.String())
			}
		})
	}
}

// spoil writes other bytes for what is kept of the counters; nil: parts as an earlier version wrote them, which had none.
func (r *longRun) spoil(data []byte) {
	r.t.Helper()
	seq, err := r.st.LastSeq(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	b := store.Batch{Seq: seq + 1, After: seq, MemoryParts: []store.MemoryPart{{Number: countersPart, Data: data}}}
	if data == nil {
		b.MemoryParts[0] = store.MemoryPart{Number: 3, Data: []byte{1, 0, 0, 0, 0}}
	}
	if _, err := r.st.Commit(r.t.Context(), &b); err != nil {
		r.t.Fatal(err)
	}
}

// Whoever is released while a rule catches up begins anew: what was recorded before counts no more, though it is only told now.
func TestWhoIsReleasedWhileARuleCatchesUpBeginsAnew(t *testing.T) {
	r := newLongRun(t, newTestStore(t))
	a := r.open(nil)
	r.write("203.0.113.7", 100, 3)
	r.write("203.0.113.8", 100, 3)
	r.write("203.0.113.9", 100, 3)
	a.end()
	o := testOptions(t, r.st, r.path)
	o.Settings = detect.Settings{Custom: longRules(2)}
	l := openTestLive(t, o)
	l.notice([]Change{{Address: prefix("203.0.113.7/32"), ByPerson: true}, {Address: prefix("203.0.113.8/32"), Forgotten: true}})
	l.apply()
	l.notice([]Change{{Address: prefix("203.0.113.9/32"), Blocked: true}})
	l.apply()
	behind := l.behind
	behind.read(t.Context(), &l.opts)
	l.tellBehind(t.Context())
	if l.behind != nil || behind.told != 3 || len(l.batch.Blocks) != 0 {
		t.Errorf("%d are told, and blocked are %+v", behind.told, l.batch.Blocks)
	}
	for _, src := range []string{"203.0.113.7", "203.0.113.9"} {
		ev := detect.Event{Type: detect.TypeTraffic, Time: noon, Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr("198.51.100.1"), DstPort: 100}
		want := map[string]detect.Outcome{"203.0.113.7": detect.Counted, "203.0.113.9": detect.Blocked}[src]
		if got := l.engine.Observe(&ev); got.Outcome != want {
			t.Errorf("the next record of %s is %+v", src, got)
		}
	}
}
