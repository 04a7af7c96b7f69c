package state

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/store"
)

// blockAs commits a block under the next batch number.
func blockAs(t *testing.T, st *store.Store, address string) {
	t.Helper()
	seq, err := st.LastSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Commit(t.Context(), &store.Batch{Seq: seq + 1, After: seq, Blocks: []store.Block{
		{Address: netip.MustParsePrefix(address), By: store.ByDetector, BlockedAt: time.Now()}}}); err != nil {
		t.Fatal(err)
	}
}

func TestADatabaseBehindWhatWasKnownIsRefusedUntilThatIsDeleted(t *testing.T) {
	dir, used := t.TempDir(), newTestStore(t)
	blockAs(t, used, "203.0.113.1/32")
	blockAs(t, used, "203.0.113.2/32")
	m := NewMarker(dir, "me", used, newTestClock().believed(), zerolog.Nop())
	if err := m.Check(t.Context()); err != nil {
		t.Fatal("the first start of a new state folder: ", err)
	}
	m.keep(m.last())

	foreign := newTestStore(t) // has more blocks, of which none is this agent's
	for range 5 {
		if _, _, err := foreign.Block(t.Context(), store.Block{Address: netip.MustParsePrefix("203.0.113.9/32"), Reason: "x", By: store.ByOperator}); err != nil {
			t.Fatal(err)
		}
	}
	older := newTestStore(t)
	blockAs(t, older, "203.0.113.1/32")
	for name, c := range map[string]struct {
		st    *store.Store
		agent string
		taken bool
	}{
		"the same": {used, "me", true}, "emptied": {newTestStore(t), "me", false}, "restored": {older, "me", false},
		"another one": {foreign, "me", false}, "another agent's name": {foreign, "renewed", true}, "another name and emptied": {newTestStore(t), "renewed", false},
	} {
		err := NewMarker(dir, c.agent, c.st, newTestClock().believed(), zerolog.Nop()).Check(t.Context())
		if (err == nil) != c.taken {
			t.Errorf("%s: taken %t: %v", name, c.taken, err)
		}
		if err != nil && !(errors.Is(err, ErrBehind) && strings.Contains(err.Error(), filepath.Join(dir, MarkFile))) {
			t.Errorf("%s: it is not said as what it is: %v", name, err)
		}
	}
	m = NewMarker(dir, "me", older, newTestClock().believed(), zerolog.Nop())
	if err := Accept(dir); err != nil {
		t.Fatal(err)
	}
	if err := m.Check(t.Context()); err != nil {
		t.Error("after it was accepted: ", err)
	}
	if err := NewMarker(dir, "me", newTestStore(t), newTestClock().believed(), zerolog.Nop()).Check(t.Context()); !errors.Is(err, ErrBehind) {
		t.Error("another one after that: ", err)
	}
}

// A power cut may cost a database its last commits: that must not stop the next start.
func TestTheMarkIsAMinuteOld(t *testing.T) {
	dir, st := t.TempDir(), newTestStore(t)
	m := NewMarker(dir, "me", st, newTestClock().believed(), zerolog.Nop())
	if err := m.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for look, want := range []int64{0, 1, 2} {
		blockAs(t, st, netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(look)}), 32).String())
		m.noteOnce(t.Context())
		if known, err := readMark(m.path); err != nil || known.Version != want || known.Batch != want {
			t.Errorf("look %d keeps %+v instead of %d: %v", look, known, want, err)
		}
	}
}

func TestAMarkIsNotMovedBackAndNotWrittenForNothing(t *testing.T) {
	dir, st := t.TempDir(), newTestStore(t)
	blockAs(t, st, "203.0.113.1/32")
	m := NewMarker(dir, "me", st, newTestClock().believed(), zerolog.Nop())
	writes := 0
	m.sync = func(*os.File) error { writes++; return nil }
	if err := m.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		m.noteOnce(t.Context())
	}
	if writes != 2 { // the file and its folder, once
		t.Errorf("synced %d times", writes)
	}
	m.store = newTestStore(t) // replaced while it runs
	m.noteOnce(t.Context())
	m.keep(m.last())
	if known, err := readMark(m.path); err != nil || known.Version != 1 || writes != 2 {
		t.Errorf("%+v after %d writes: %v", known, writes, err)
	}
	if err := os.Remove(m.path); err != nil { // the operator means the other one, and restarts
		t.Fatal(err)
	}
	m.noteOnce(t.Context())
	m.keep(m.last())
	if _, err := os.Stat(m.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the mark is back: %v", err)
	}
}

func TestADamagedMarkIsNotTakenForNone(t *testing.T) {
	m := NewMarker(t.TempDir(), "me", newTestStore(t), newTestClock().believed(), zerolog.Nop())
	for _, text := range []string{"", "{", "[1]", `{"version": "many"}`} {
		if err := os.WriteFile(m.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := m.Check(t.Context()); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), m.path) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What was seen by an earlier run is the beginning of what can be believed in the next: a host may begin with a wrong clock.
func TestARunGoesOnFromTheTimeOfTheOneBefore(t *testing.T) {
	dir, st, c := t.TempDir(), newTestStore(t), newTestClock()
	m := NewMarker(dir, "me", st, c.believed(), zerolog.Nop())
	if err := m.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.noteOnce(t.Context())
	seen := c.at
	c.at = c.at.Add(40 * 24 * time.Hour)
	next := c.believed()
	if err := NewMarker(dir, "me", st, next, zerolog.Nop()).Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if at := next.Time(); !at.Equal(seen) {
		t.Errorf("%s is believed, want %s", at, seen)
	}
	for range 11 {
		next.Heard(map[string]time.Time{"fw1": c.at})
		c.at = c.at.Add(time.Minute)
	}
	if at := next.Time(); !at.Equal(c.at) {
		t.Errorf("%s is believed when lines have been read for ten minutes, want %s", at, c.at)
	}
}

// A mark that is missing, or older, is no acceptance.
func TestAcceptingIsNoticed(t *testing.T) {
	dir := t.TempDir()
	m := NewMarker(dir, "me", newTestStore(t), newTestClock().believed(), zerolog.Nop())
	if err := m.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	lost := false
	m.Lost = func() bool { return lost }
	if m.accepted() {
		t.Error("accepted, though nothing is wrong")
	}
	lost = true
	for range 3 {
		if m.accepted() {
			t.Error("accepted by nobody")
		}
		_ = os.Remove(m.path)
		m.noteOnce(t.Context())
	}
	if err := Accept(dir); err != nil {
		t.Fatal(err)
	}
	if !m.accepted() {
		t.Error("that it was accepted is not noticed")
	}
	lost = false
	if m.accepted() {
		t.Error("accepted, though all is well again")
	}
}

// That a person accepts the database also makes what firewalls hold its own, once, and only while there is something to be taken.
func TestAcceptingAdoptsStrays(t *testing.T) {
	dir := t.TempDir()
	m := NewMarker(dir, "me", newTestStore(t), newTestClock().believed(), zerolog.Nop())
	if err := m.Check(t.Context()); err != nil || m.Accepted {
		t.Fatal(m.Accepted, err)
	}
	strays, adopted := true, 0
	m.Strays, m.Adopt = func() bool { return strays }, func() { adopted++ }
	expect := func(when string, want int) {
		t.Helper()
		if m.adopt(); adopted != want {
			t.Errorf("%s: adopted %d times, not %d", when, adopted, want)
		}
	}
	expect("nobody accepted anything", 0)
	if err := Accept(dir); err != nil {
		t.Fatal(err)
	}
	strays = false
	expect("there is nothing to adopt", 0)
	strays = true
	expect("accepted", 1)
	expect("and not again", 1)
	if known, err := readMark(m.path); err != nil || known.Accepted || known.Agent != "me" || known.Seen.IsZero() {
		t.Errorf("the mark is %+v: %v", known, err)
	}
	if err := Accept(dir); err != nil {
		t.Fatal(err)
	}
	next := NewMarker(dir, "me", m.store, newTestClock().believed(), zerolog.Nop())
	if err := next.Check(t.Context()); err != nil || !next.Accepted {
		t.Errorf("a start does not know that it was accepted: %v", err)
	}
}
