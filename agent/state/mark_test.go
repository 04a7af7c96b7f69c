package state

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
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
	m.keep(m.seen)

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
		"another one": {foreign, "me", false}, "another agent's name": {used, "renewed", true}, "another one and another name": {foreign, "renewed", false}, "another name and emptied": {newTestStore(t), "renewed", false},
	} {
		dir := copyOf(t, dir) // what is refused stays refused
		err := NewMarker(dir, c.agent, c.st, newTestClock().believed(), zerolog.Nop()).Check(t.Context())
		if (err == nil) != c.taken {
			t.Errorf("%s: taken %t: %v", name, c.taken, err)
		}
		if err != nil && !(errors.Is(err, ErrBehind) && strings.Contains(err.Error(), filepath.Join(dir, MarkFile))) {
			t.Errorf("%s: it is not said as what it is: %v", name, err)
		}
	}
	m = NewMarker(dir, "me", older, newTestClock().believed(), zerolog.Nop())
	for _, before := range []bool{false, true} { // the second time there is nothing left to accept
		if already, err := Accept(t.Context(), dir, older); err != nil || already != before {
			t.Fatal(already, err)
		}
	}
	for name, other := range map[string]*store.Store{"another one than was accepted": foreign, "an empty one": newTestStore(t)} {
		if err := NewMarker(copyOf(t, dir), "me", other, newTestClock().believed(), zerolog.Nop()).Check(t.Context()); !errors.Is(err, ErrBehind) {
			t.Errorf("%s: %v", name, err)
		}
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
		m.lookOnce(t.Context())
		m.noteOnce()
		if known, err := readMark(m.path); err != nil || known.Version != want || known.Batch != want {
			t.Errorf("look %d keeps %+v instead of %d: %v", look, known, want, err)
		}
	}
}

// What could not be written is written at the next look, and not over what a person has accepted since.
func TestAMarkThatCouldNotBeKeptIsKeptSoon(t *testing.T) {
	for _, accepted := range []bool{false, true} {
		dir, st := t.TempDir(), newTestStore(t)
		m := NewMarker(dir, "me", st, newTestClock().believed(), zerolog.Nop())
		m.sync = func(*os.File) error { return syscall.EIO }
		if err := m.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.sync = (*os.File).Sync
		if accepted {
			if _, err := Accept(t.Context(), dir, st); err != nil {
				t.Fatal(err)
			}
		}
		m.lookOnce(t.Context())
		if known, err := readMark(m.path); err != nil || known.Accepted != accepted || !accepted && known != m.kept || known == (mark{}) {
			t.Errorf("accepted %t: it holds %+v: %v", accepted, known, err)
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
		m.lookOnce(t.Context())
		m.noteOnce()
	}
	if writes != 4 { // the file and its folder, at the first start and when a minute is over
		t.Errorf("synced %d times", writes)
	}
	if err := os.Remove(m.path); err != nil { // the operator means another one, and restarts
		t.Fatal(err)
	}
	m.lookOnce(t.Context())
	m.noteOnce()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(m.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the mark is back: %v", err)
	}
}

// copyOf copies a state folder.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	other := filepath.Join(t.TempDir(), "state")
	if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return other
}

// start makes a marker over a database that is to be taken.
func start(t *testing.T, dir string, st *store.Store) *Marker {
	t.Helper()
	m := NewMarker(dir, "me", st, newTestClock().believed(), zerolog.Nop())
	if err := m.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m
}

// copyOfStore opens a copy of a database as it is now.
func copyOfStore(t *testing.T, st *store.Store) *store.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy.db")
	db, err := sql.Open("sqlite", st.Place().Database)
	if err == nil {
		_, err = db.Exec("VACUUM INTO '" + path + "'")
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	other, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	return other
}

// What lost its last commits under the daemon is refused by the next runs, too, and however far it comes, until it is what it was.
func TestWhatIsLostStaysRefused(t *testing.T) {
	for how, notice := range map[string]func(*Marker){
		"it was looked at":          func(m *Marker) { m.lookOnce(t.Context()) },
		"the stop is the next look": func(*Marker) {},
		"who uses it found it": func(m *Marker) {
			m.Lost = func() error { return fmt.Errorf("follow: %w", ErrBehind) }
			m.lookOnce(t.Context())
		},
		"its file was replaced": func(m *Marker) {
			m.Served = func() int64 { return 3 } // what was committed since it was looked at
			m.Lost = func() error { return store.ErrReplaced }
			m.store.Close()
			m.lookOnce(t.Context())
			m.store.Refuse(nil) // no matter of it: the next start has to tell
		},
		"it is killed": nil,
	} {
		t.Run(how, func(t *testing.T) {
			dir, used := t.TempDir(), newTestStore(t)
			blockAs(t, used, "203.0.113.1/32")
			older := copyOfStore(t, used)
			m := start(t, dir, used)
			blockAs(t, used, "203.0.113.2/32")
			if m.lookOnce(t.Context()) {
				t.Fatal("it is not back, for it was never away")
			}
			blockAs(t, used, "203.0.113.3/32") // is not seen before it is lost
			if notice != nil {
				m.store = copyOfStore(t, older)
				notice(m)
				if err := m.Close(); err != nil {
					t.Fatal(err)
				}
				if _, err := m.store.Version(t.Context()); !errors.Is(err, store.ErrRefused) {
					t.Fatalf("it is used all the same: %v", err)
				}
			}
			for n := range 4 {
				if err := NewMarker(dir, "me", older, newTestClock().believed(), zerolog.Nop()).Check(t.Context()); !errors.Is(err, ErrBehind) {
					t.Fatalf("start %d: %v", n, err)
				}
				blockAs(t, older, netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(91 + n)}), 32).String())
			}
			start(t, copyOf(t, dir), used)
			if _, err := Accept(t.Context(), dir, older); err != nil {
				t.Fatal(err)
			}
			start(t, dir, older)
		})
	}
}

// A blacklist that lost its entries is no empty one, though all else in the database goes on, and the next block is no sign that it is whole.
func TestABlacklistThatLostItsEntriesIsRefused(t *testing.T) {
	for _, down := range []bool{false, true} {
		dir, st := t.TempDir(), newTestStore(t)
		blockAs(t, st, "203.0.113.1/32")
		m := start(t, dir, st)
		blockAs(t, st, "203.0.113.2/32")
		if m.lookOnce(t.Context()); m.refused {
			t.Fatal("it is refused whole")
		}
		db, err := sql.Open("sqlite", st.Place().Database)
		if err == nil {
			_, err = db.Exec("DELETE FROM blacklist WHERE version > 1")
		}
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		if !down {
			if m.lookOnce(t.Context()); !m.refused {
				t.Fatal("it is not refused under the daemon")
			}
		}
		other, err := store.Open(t.Context(), store.Options{Path: st.Place().Database})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		for range 2 {
			if err := NewMarker(dir, "me", other, newTestClock().believed(), zerolog.Nop()).Check(t.Context()); !errors.Is(err, ErrBehind) || !strings.Contains(err.Error(), "has lost entries") {
				t.Errorf("down %v: at the next start: %v", down, err)
			}
		}
		if _, err := Accept(t.Context(), dir, other); err != nil {
			t.Fatal(err)
		}
		start(t, dir, other)
	}
}

// What was put in place of the database while no daemon ran is told before one has looked, also where it was killed; what is the right one is not.
func TestAnOlderDatabaseIsToldBeforeADaemonHasLooked(t *testing.T) {
	for _, killed := range []bool{false, true} {
		dir, used := t.TempDir(), newTestStore(t)
		if err := Refused(t.Context(), dir, used); err != nil {
			t.Errorf("of a new one: %v", err)
		}
		blockAs(t, used, "203.0.113.1/32")
		older := copyOfStore(t, used)
		m := start(t, dir, used)
		blockAs(t, used, "203.0.113.2/32")
		m.lookOnce(t.Context())
		right := copyOfStore(t, used)
		if !killed {
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := Refused(t.Context(), dir, right); err != nil {
			t.Errorf("killed %v: the right one: %v", killed, err)
		}
		blockAs(t, right, "203.0.113.3/32")
		if err := Refused(t.Context(), dir, right); err != nil {
			t.Errorf("killed %v: one that was changed: %v", killed, err)
		}
		if err := Refused(t.Context(), dir, older); !errors.Is(err, ErrBehind) {
			t.Errorf("killed %v: the older one: %v", killed, err)
		}
		if _, err := Accept(t.Context(), dir, older); err != nil {
			t.Fatal(err)
		}
		if err := Refused(t.Context(), dir, older); err != nil {
			t.Errorf("killed %v: accepted: %v", killed, err)
		}
	}
}

// A backup is put back with the mark that was made with it: that is what is known then.
func TestAMarkOfABackupCounts(t *testing.T) {
	dir, used, c := t.TempDir(), newTestStore(t), newTestClock()
	blockAs(t, used, "203.0.113.1/32")
	m := NewMarker(dir, "me", used, c.believed(), zerolog.Nop())
	if err := m.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	older, begun := copyOfStore(t, used), m.path+".copy"
	if err := os.Link(m.path, begun); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c.at = c.at.Add(time.Minute)
		blockAs(t, used, netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(c.at.Minute())}), 32).String())
		m.lookOnce(t.Context())
		m.noteOnce()
	}
	if err := NewMarker(copyOf(t, dir), "me", older, c.believed(), zerolog.Nop()).Check(t.Context()); !errors.Is(err, ErrBehind) {
		t.Error("the database alone: ", err)
	}
	if err := os.Rename(begun, m.path); err != nil {
		t.Fatal(err)
	}
	if err := NewMarker(dir, "me", older, c.believed(), zerolog.Nop()).Check(t.Context()); err != nil {
		t.Error("with its mark: ", err)
	}
}

// A person may be faster than the next look, and the stop before the database is opened anew is one, too.
func TestAcceptingOutlivesTheNoticeOfWhatIsAccepted(t *testing.T) {
	dir, used := t.TempDir(), newTestStore(t)
	older := copyOfStore(t, used)
	blockAs(t, used, "203.0.113.1/32")
	m := start(t, dir, used)
	m.store = copyOfStore(t, older)
	_, err := Accept(t.Context(), dir, older)
	if err := errors.Join(err, m.Close()); err != nil {
		t.Fatal(err)
	}
	start(t, dir, older)
}

func TestWhatIsBackIsTaken(t *testing.T) {
	dir, used := t.TempDir(), newTestStore(t)
	blockAs(t, used, "203.0.113.1/32")
	older := copyOfStore(t, used)
	blockAs(t, used, "203.0.113.2/32")
	m := start(t, dir, used)
	here, err := store.Open(t.Context(), store.Options{Path: older.Place().Database})
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	m.store = here
	for n := range 3 {
		if m.lookOnce(t.Context()) || !m.refused {
			t.Fatalf("%d blocks later it is taken", n)
		}
		blockAs(t, older, netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(91 + n)}), 32).String())
	}
	m.store = used
	m.Lost = func() error { return fmt.Errorf("follow: %w", ErrBehind) } // as those say who still use the other one
	if !m.lookOnce(t.Context()) {
		t.Error("it is back, and not taken")
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if used, err = store.Open(t.Context(), store.Options{Path: used.Place().Database}); err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	start(t, dir, used)
}

// A standby that takes over may lack the last commits alone, of lines of which nobody was blocked, which no look has seen: that is known by who made
// them, and so the right database is told when it is back.
func TestWhatLacksTheLastCommitIsToldFromWhatHasIt(t *testing.T) {
	dir, used := t.TempDir(), newTestStore(t)
	blockAs(t, used, "203.0.113.1/32")
	m := start(t, dir, used)
	commit := func(seq int64) {
		t.Helper()
		if _, err := used.Commit(t.Context(), &store.Batch{Seq: seq, After: seq - 1, Records: []store.Record{{Time: m.clock.Time()}}}); err != nil {
			t.Fatal(err)
		}
	}
	commit(m.seen.Batch + 1)
	standby := copyOfStore(t, used)
	commit(m.seen.Batch + 2)
	m.store = standby
	standby.Expect(used.Expected())
	m.Lost = func() error { return store.ErrLost }
	if m.lookOnce(t.Context()) || !m.refused {
		t.Fatal("it is not refused")
	}
	for range 2 {
		if err := NewMarker(copyOf(t, dir), "me", standby, newTestClock().believed(), zerolog.Nop()).Check(t.Context()); !errors.Is(err, ErrBehind) {
			t.Errorf("it is taken at a start: %v", err)
		}
		start(t, copyOf(t, dir), used)
	}
	m.store = used
	if !m.lookOnce(t.Context()) {
		t.Error("it is back, and not taken")
	}
}

// That a database is refused is kept as soon as the disk has room again, and the right one is taken though it has none.
func TestWhatIsRefusedWhileTheDiskIsFullIsKeptLater(t *testing.T) {
	for _, room := range []bool{false, true} {
		dir, used := t.TempDir(), newTestStore(t)
		blockAs(t, used, "203.0.113.1/32")
		older := copyOfStore(t, used)
		blockAs(t, used, "203.0.113.2/32")
		m := start(t, dir, used)
		m.store = older
		full := m.sync
		m.sync = func(*os.File) error { return syscall.ENOSPC }
		if m.lookOnce(t.Context()); !m.refused {
			t.Fatal("it is not refused")
		}
		if known, err := readMark(m.path); err != nil || known.Refused {
			t.Fatalf("the file says %+v, %v", known, err)
		}
		if room {
			m.sync = full
			if m.lookOnce(t.Context()) {
				t.Fatal("it is taken")
			}
			if known, err := readMark(m.path); err != nil || !known.Refused {
				t.Errorf("the file says %+v, %v", known, err)
			}
		}
		if m.store = used; !m.lookOnce(t.Context()) {
			t.Errorf("with room %v: it is back, and not taken", room)
		}
	}
}

// A power cut may cost the last commits, of which the lines are read again: no person is needed, but it is said. One that was before the
// minute, or a program that was killed, is no such excuse.
func TestAPowerCutNeedsNoPerson(t *testing.T) {
	dir, used := t.TempDir(), newTestStore(t)
	older := copyOfStore(t, used)
	m := start(t, dir, used)
	blockAs(t, used, "203.0.113.1/32")
	m.lookOnce(t.Context())
	latest, err := os.ReadFile(m.latestPath())
	if err != nil {
		t.Fatal(err)
	}
	for boot, taken := range map[string]bool{bootID(): false, "another": true} {
		dir := copyOf(t, dir)
		if err := os.WriteFile(filepath.Join(dir, LatestFile), bytes.ReplaceAll(latest, []byte(bootID()), []byte(boot)), 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		err := NewMarker(dir, "me", older, newTestClock().believed(), zerolog.New(&log)).Check(t.Context())
		if (err == nil) != taken || strings.Contains(log.String(), "lacks what was committed last") != taken {
			t.Errorf("taken %t: %v, %s", taken, err, log.String())
		}
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
	m.lookOnce(t.Context())
	m.noteOnce()
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
		next.Heard(map[string]time.Time{"fw1": c.at}, nil)
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
	var lost error
	m.Lost = func() error { return lost }
	if m.accepted() {
		t.Error("accepted, though nothing is wrong")
	}
	lost = store.ErrReplaced
	for range 3 {
		if m.accepted() {
			t.Error("accepted by nobody")
		}
		_ = os.Remove(m.path)
		m.lookOnce(t.Context())
		m.noteOnce()
	}
	if _, err := Accept(t.Context(), dir, m.store); err != nil {
		t.Fatal(err)
	}
	if !m.accepted() {
		t.Error("that it was accepted is not noticed")
	}
	lost = nil
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
	if _, err := Accept(t.Context(), dir, m.store); err != nil {
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
	if _, err := Accept(t.Context(), dir, m.store); err != nil {
		t.Fatal(err)
	}
	next := NewMarker(dir, "me", m.store, newTestClock().believed(), zerolog.Nop())
	if err := next.Check(t.Context()); err != nil || !next.Accepted {
		t.Errorf("a start does not know that it was accepted: %v", err)
	}
}

// Another database that was there between two looks was found by whoever used it, and is gone: all is as it was.
func TestAnotherDatabaseForAMomentIsNoReasonToRefuseTheRightOne(t *testing.T) {
	dir, used := t.TempDir(), newTestStore(t)
	blockAs(t, used, "203.0.113.1/32")
	m := start(t, dir, used)
	m.store.Refuse(errors.New("it is another one"))
	m.Lost = func() error { _, err := m.store.Version(t.Context()); return err }
	if !m.lookOnce(t.Context()) || m.refused {
		t.Error("it is not opened anew")
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if known, err := readMark(m.path); err != nil || known.Refused {
		t.Errorf("what is known: %+v, %v", known, err)
	}
}

// A kill between the writes of the two files leaves what was known last: an older copy is refused at whatever write it came.
func TestAKillBetweenTheTwoFilesForgetsNothing(t *testing.T) {
	dir, used, c := t.TempDir(), newTestStore(t), newTestClock()
	blockAs(t, used, "203.0.113.1/32")
	m := NewMarker(dir, "me", used, c.believed(), zerolog.Nop())
	if err := m.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	older := copyOfStore(t, used)
	blockAs(t, used, "203.0.113.2/32")
	c.at = c.at.Add(time.Minute)
	m.lookOnce(t.Context())
	var killed []string
	m.sync = func(*os.File) error { killed = append(killed, copyOf(t, dir)); return nil } // before the mark is in place, and after
	c.at = c.at.Add(time.Second)
	m.keep(mark{Agent: "me", Version: 1, Batch: 1, Seen: c.at}) // what was so a minute ago
	if len(killed) != 2 {
		t.Fatalf("killed %d times", len(killed))
	}
	for n, dir := range append(killed, dir) {
		if err := NewMarker(dir, "me", older, newTestClock().believed(), zerolog.Nop()).Check(t.Context()); !errors.Is(err, ErrBehind) {
			t.Errorf("kill %d: %v", n, err)
		}
	}
}

// What stands in place of the mark and is none is said, at once, and no other database is taken for it.
func TestWhatIsNoMarkIsSaid(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"null":   func(path string) error { return os.WriteFile(path, []byte("null\n"), 0o600) },
		"{}":     func(path string) error { return os.WriteFile(path, []byte("{}"), 0o600) },
		"a pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		dir := t.TempDir()
		m := NewMarker(dir, "me", newTestStore(t), newTestClock().believed(), zerolog.Nop())
		if err := put(m.path); err != nil {
			t.Fatal(err)
		}
		for who, err := range map[string]error{"the daemon": m.Check(t.Context()), "a command": Refused(t.Context(), dir, m.store)} {
			if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), m.path) {
				t.Errorf("%s, to %s: %v", name, who, err)
			}
		}
	}
}

// A copy has an identity of its own, and is taken where the one was that it was made of, whatever was said of that; no other one is.
func TestWhatIsKnownOfADatabaseHoldsForItsCopy(t *testing.T) {
	for said, say := range map[string]func(t *testing.T, dir string, used, older *store.Store){
		"nothing": func(*testing.T, string, *store.Store, *store.Store) {},
		"that it is accepted": func(t *testing.T, dir string, used, _ *store.Store) {
			if _, err := Accept(t.Context(), dir, used); err != nil {
				t.Fatal(err)
			}
		},
		"that another one was refused": func(t *testing.T, dir string, _, older *store.Store) {
			if err := NewMarker(dir, "me", older, newTestClock().believed(), zerolog.Nop()).Check(t.Context()); !errors.Is(err, ErrBehind) {
				t.Fatal(err)
			}
		},
	} {
		t.Run(said, func(t *testing.T) {
			dir, used := t.TempDir(), newTestStore(t)
			blockAs(t, used, "203.0.113.1/32")
			older := copyOfStore(t, used)
			blockAs(t, used, "203.0.113.2/32")
			if err := start(t, dir, used).Close(); err != nil {
				t.Fatal(err)
			}
			used, err := store.Open(t.Context(), store.Options{Path: used.Place().Database})
			if err != nil {
				t.Fatal(err)
			}
			defer used.Close()
			say(t, dir, used, older)
			if err := Refused(t.Context(), dir, used); err != nil {
				t.Fatal(err)
			}
			copied := withIdentity(t, copyOfStore(t, used), "00112233445566778899aabbccddeeff")
			refused := NewMarker(copyOf(t, dir), "me", copied, newTestClock().believed(), zerolog.Nop()).Check(t.Context())
			if (refused != nil) != (said != "nothing") {
				t.Errorf("before: %v", refused)
			}
			if err := Moved(t.Context(), dir, copied); err != nil {
				t.Fatal(err)
			}
			if err := NewMarker(copyOf(t, dir), "me", older, newTestClock().believed(), zerolog.Nop()).Check(t.Context()); !errors.Is(err, ErrBehind) {
				t.Errorf("the older one: %v", err)
			}
			start(t, dir, copied)
		})
	}
}

// withIdentity gives a database another identity.
func withIdentity(t *testing.T, st *store.Store, id string) *store.Store {
	t.Helper()
	path := st.Place().Database
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.Exec("UPDATE identity SET id = $1", id)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	other, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	return other
}
