package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/clock"
	"activedefense/agent/durable"
	"activedefense/agent/loop"
	"activedefense/store"
)

var (
	// ErrBehind: the database knows less than it did.
	ErrBehind = errors.New("the database was emptied, restored or replaced")
	// ErrUnknown: what was known of the database cannot be read.
	ErrUnknown = errors.New("it cannot be told whether the database is the one that it was")
	// ErrBack: the database that had fallen behind is again what it was; it is to be opened anew.
	ErrBack = errors.New("the database is again what it was")
	// ErrAccepted: a person wants to go on with the database that is there; it is to be opened anew.
	ErrAccepted = errors.New("the database that is there now was accepted")
)

// MarkFile, in the state folder, says how far the database was. Without it any database is taken.
const MarkFile = "database.json"

// LatestFile, beside it, says how far it was a second ago. It counts until this host starts again: a program that is killed costs a
// database nothing, a power cut may cost SQLite its last commits.
const LatestFile = "database.now"

// bootID names this run of the host; "" where it cannot be told.
var bootID = sync.OnceValue(func() string {
	data, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(data))
})

// Accept goes on with the database that is there, whatever was known of it: a start takes it, and a daemon that has stopped for it opens it
// anew within seconds. One that is put in its place later is not taken. A nil store: there is none, and one that is empty is. What it
// leaves belongs to whom the folder belongs, the daemon's user, also where root does it.
func Accept(ctx context.Context, dir string, st *store.Store) error {
	known, _ := readMark(filepath.Join(dir, MarkFile)) // a damaged one is no reason not to
	taken := mark{Seen: known.Seen, Accepted: true}
	if st != nil {
		now, _, err := st.Progress(ctx, store.Trail{})
		if err != nil {
			return err
		}
		taken.Version, taken.Changed, taken.Trail, taken.Identity = now.Version, now.Changed, now.Trail, st.Place().Identity
	}
	return taken.leave(dir)
}

// leave writes a mark for the daemon of this folder, which may be another user.
func (m mark) leave(dir string) error {
	path := filepath.Join(dir, MarkFile)
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := durable.Write(path, append(data, '\n'), 0o600, (*os.File).Sync); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		return os.Chown(path, int(owner.Uid), int(owner.Gid))
	}
	return nil
}

// Moved has what is known of a database that the daemon would take hold for an equal copy of it, which is st, where it is bound to the
// identity of the former one: a person accepted that one, or it is again what it was, after another one was refused.
func Moved(ctx context.Context, dir string, st *store.Store) error {
	known, err := readMark(filepath.Join(dir, MarkFile))
	switch {
	case err != nil || !known.Accepted && !known.Refused:
		return err
	case known.Accepted:
		return Accept(ctx, dir, st)
	}
	known.Identity = ""
	return known.leave(dir)
}

// Refused tells why the daemon that keeps its state in dir would not take this database, by what the last run of it left: an error that
// wraps ErrBehind; nil if it is not behind what was known, or if a person accepted it.
func Refused(ctx context.Context, dir string, st *store.Store) error {
	path := filepath.Join(dir, MarkFile)
	known, err := readMark(path)
	if err != nil || known == (mark{}) || known.Accepted {
		return nil // who may not read it cannot ask it
	}
	least, _, _ := known.least(filepath.Join(dir, LatestFile))
	p, holds, err := st.Progress(ctx, least.Trail)
	now := mark{Version: p.Version, Changed: p.Changed} // whose batches it has is the daemon's affair
	if err == nil && (now.behind(least) || !holds || known.elsewhere(st.Place().Identity)) {
		err = fmt.Errorf("%w: it is at blacklist version %d, and is not the one that was at version %d (%s)", ErrBehind, now.Version, least.Version, path)
	}
	return err
}

// least is how far, at least, the database has to be of which this is known, by the file that says what was so last: what that says, where it
// belongs to this and counts; again: that is of this run of the host.
func (known mark) least(latestPath string) (least, latest mark, again bool) {
	least = known
	latest, _ = readMark(latestPath) // a power cut may have left it damaged
	if latest.Boot == "" || !latest.Of.Equal(known.Seen) && (latest.Was.IsZero() || !latest.Was.Equal(known.Seen)) {
		latest = mark{}
	}
	again = latest.Boot == bootID()
	if again && known.Agent != "" && !known.Accepted && !known.Refused && known.behind(latest) {
		least = latest
	}
	return least, latest, again
}

// markEvery is how old, at least, the state is that is kept over a power cut: SQLite may lose
// the last commits in a power cut (synchronous=NORMAL), and a PostgreSQL standby that takes over what had not reached
// it. The kernel writes out what SQLite committed within about half a minute.
const markEvery = time.Minute

// lookEvery is how often the database is looked at, and how soon it is noticed that a person accepted it.
const lookEvery = time.Second

// lookTimeout bounds a look, and markTimeout the last one before a stop.
const lookTimeout, markTimeout = 5 * time.Second, time.Second

// A mark is how far a database was when it was last known.
type mark struct {
	Version int64  `json:"version"` // of the blacklist
	Changed int64  `json:"changed"` // see store.Progress; 0: an earlier version wrote it
	Agent   string `json:"agent"`   // the name of this agent in it, and
	Batch   int64  `json:"batch"`   // the number of its last commit: another database knows neither
	// Seen is when that was, as far as this host's clock could be believed.
	Seen time.Time `json:"seen,omitzero"`
	// Trail is the last entry of the audit trail: another database, or one that only has come as far, does not hold it.
	Trail store.Trail `json:"trail,omitzero"`
	// Refused: a database that is behind was found, and none is taken but the one that was, or one that a person accepts.
	Refused bool `json:"refused,omitempty"`
	// Accepted: a person takes the database that has come this far, and has this identity; empty: there was none.
	Accepted bool `json:"accepted,omitempty"`
	// Identity is that of the database. Of one that is not accepted it counts only where another one is Refused.
	Identity string `json:"identity,omitempty"`
	// Boot, of LatestFile, is the run of the host in which it was so, and Of the Seen of the mark beside it: with another, from a backup,
	// it does not count. Was is the Seen of the mark before, while that beside it is being written.
	Boot string    `json:"boot,omitempty"`
	Of   time.Time `json:"of,omitzero"`
	Was  time.Time `json:"was,omitzero"`
}

// beyondProof is an entry of the audit trail that no database holds.
var beyondProof = store.Trail{ID: -1}

// A Marker keeps the mark. A database that has fallen behind it was emptied, restored, or is another one: its blacklist
// is not what was served, and publishing it would empty or shrink the list.
type Marker struct {
	path  string
	agent string
	store *store.Store
	clock *clock.Clock
	log   zerolog.Logger
	sync  func(*os.File) error // (*os.File).Sync

	// Lost tells why the database is not what it was, as those found who use it; nil, or no error: nobody says so.
	Lost func() error
	// Served is the version of the blacklist that is in effect, which the database had; nil: nobody knows.
	Served func() int64

	// Accepted: a person accepted the database that Check found; firewalls hold what a former one had blocked.
	Accepted bool
	// Strays tells whether firewalls hold what this database never blocked, and Adopt has them taken for its own, when a person
	// accepts it; nil: none do.
	Strays func() bool
	Adopt  func()

	seen    mark // when last looked at
	minute  mark // about a minute ago
	kept    mark // what the file holds, as far as it was written by this run
	latest  mark // what LatestFile holds
	failed  bool // writing either
	sound   bool // the database was found not to be behind the mark, and is not to be opened anew
	refused bool // it has fallen behind since
	unsaid  bool // that, in the file: the disk may have been full
	looked  bool // the last look found all well
}

// NewMarker makes the marker of an agent with a state folder, which is called so in the database.
func NewMarker(dir, agent string, st *store.Store, c *clock.Clock, log zerolog.Logger) *Marker {
	return &Marker{path: filepath.Join(dir, MarkFile), agent: agent, store: st, clock: c, log: log, sync: (*os.File).Sync}
}

// Check refuses a database that is behind the mark, and goes on to refuse it, however far it comes, until it is the one that was or a
// person accepts it. It reads the file each time: an operator who means to go on with this database has it deleted (see [Accept]).
func (m *Marker) Check(ctx context.Context) error {
	known, err := readMark(m.path)
	if err != nil {
		return err
	}
	least, latest, again := known.least(m.latestPath())
	now, holds, err := m.look(ctx, least.Trail)
	if err != nil {
		return err
	}
	id := m.store.Place().Identity
	holds = holds && !known.elsewhere(id)
	switch {
	case known.Accepted && known.Identity != id && (known.Identity != "" || now.Version > 0):
		return fmt.Errorf("%w: it is not the one that was accepted (%s); the list stays as last saved, and the firewalls are not changed", ErrBehind, m.path)
	case now.behind(least) || !holds:
		if least.Refused = !known.Accepted; least.Refused {
			least.Boot, least.Of, least.Was = "", time.Time{}, time.Time{}
			m.kept = known
			m.keep(least)
		}
		return fmt.Errorf("%w; the list stays as last saved, and the firewalls are not changed", m.tooOld(now, least))
	}
	if !again && known.Agent != "" && latest.Boot != "" && now.behind(latest) {
		m.log.Warn().Int64("version", now.Version).Int64("was", latest.Version).Msg("this host was started again, and the database lacks what was committed last before that, as a power cut may cost it: " +
			"the log lines of that are read again; do again what was blocked, accepted or removed by hand in the last minute before")
	}
	m.clock.Resume(known.Seen)
	m.minute, m.kept, m.sound, m.refused = now, known, true, false
	m.saw(now)
	m.keepLatest(now)
	if m.Accepted = m.Accepted || known.Accepted; known.Accepted || known.Refused {
		m.keep(now) // accepted is this one, not the next
	} else if known == (mark{}) {
		m.keep(mark{Agent: m.agent, Seen: now.Seen}) // from now on the other file counts
	}
	return nil
}

// saw notes how far the database is: who uses it finds no other one in its place from now on.
func (m *Marker) saw(now mark) {
	m.seen = now
	m.store.Expect(store.Progress{Version: now.Version, Changed: now.Changed, Batch: now.Batch, Trail: now.Trail})
}

// tooOld says how a database is behind what is known of it.
func (m *Marker) tooOld(now, known mark) error {
	if !now.behind(known) {
		return fmt.Errorf("%w: it is at blacklist version %d, but is not the one that was at version %d (%s)", ErrBehind, now.Version, known.Version, m.path)
	}
	if now.Version >= known.Version && now.Changed < known.Changed {
		return fmt.Errorf("%w: its blacklist has lost entries: none changed after version %d, and one had at version %d (%s)", ErrBehind, now.Changed, known.Changed, m.path)
	}
	return fmt.Errorf("%w: it is at blacklist version %d and batch %d of this agent, but was at version %d and batch %d (%s)",
		ErrBehind, now.Version, now.Batch, known.Version, known.Batch, m.path)
}

// readMark gives the mark of an earlier run; the zero mark, behind which nothing can be, if there is none.
func readMark(path string) (known mark, err error) {
	data, err := durable.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return mark{}, nil
	case err != nil:
		return mark{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if err := json.Unmarshal(data, &known); err != nil {
		return mark{}, fmt.Errorf("%w: %s is damaged: %w", ErrUnknown, path, err)
	}
	if known.Agent == "" && !known.Accepted { // whoever writes it says one of them
		return mark{}, fmt.Errorf("%w: %s is damaged: it names no agent", ErrUnknown, path)
	}
	return known, nil
}

// look tells how far the database is, and whether it holds what is known of the audit trail.
func (m *Marker) look(ctx context.Context, known store.Trail) (now mark, holds bool, err error) {
	p, holds, err := m.store.Progress(ctx, known)
	return mark{Version: p.Version, Changed: p.Changed, Agent: m.agent, Batch: p.Batch, Trail: p.Trail, Identity: m.store.Place().Identity, Seen: m.clock.Time().UTC().Round(0)}, holds, err
}

// behind tells whether a database that is here can not have been there. The batches of an agent with another name say
// nothing: the state folder was renewed.
func (here mark) behind(there mark) bool {
	return here.Version < there.Version || here.Changed < there.Changed || here.Agent == there.Agent && here.Batch < there.Batch
}

// elsewhere tells whether a database with this identity is not the one that was when another was refused.
func (m mark) elsewhere(id string) bool {
	return m.Refused && !m.Accepted && m.Identity != "" && id != "" && m.Identity != id
}

// Run keeps the mark until ctx ends. It returns ErrAccepted when a person accepted a database that was lost, and ErrBack when it is again
// what it was.
func (m *Marker) Run(ctx context.Context) error {
	for n := 1; loop.Pause(ctx, lookEvery); n++ {
		if m.accepted() {
			return ErrAccepted
		}
		m.adopt()
		if m.lookOnce(ctx) {
			return ErrBack
		}
		if n%int(markEvery/lookEvery) == 0 {
			m.noteOnce()
		}
	}
	return nil
}

// lost is why the database is not what it was.
func (m *Marker) lost() error {
	if m.Lost == nil {
		return nil
	}
	return m.Lost()
}

// accepted tells whether a person accepted the database, while it is not what it was.
func (m *Marker) accepted() bool {
	if !m.refused && m.lost() == nil {
		return false
	}
	known, err := readMark(m.path)
	return err == nil && known.Accepted
}

// lookOnce looks how far the database is. One that has fallen behind is refused from then on, whatever is done with it, also by the next
// run. It tells whether one that was refused is again what it was. A store that is away is no news: the feed says so.
func (m *Marker) lookOnce(ctx context.Context) (back bool) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if done := m.store.Expected(); !m.refused {
		m.seen.Version, m.seen.Batch = max(m.seen.Version, done.Version), max(m.seen.Batch, done.Batch)
		if m.Served != nil {
			m.seen.Version = max(m.seen.Version, m.Served())
		}
	}
	now, holds, err := m.look(ctx, m.seen.Trail)
	lost := m.lost()
	if m.unsaid {
		m.keepRefused()
	}
	switch {
	case m.refused:
		if known, unreadable := readMark(m.path); err != nil || now.behind(m.seen) || !holds || unreadable != nil || !known.Refused && !m.unsaid {
			return false
		}
		m.refused, m.unsaid, m.sound = false, false, false // what used it goes on to say that it is lost, until it is opened anew
		m.keep(now)
		return true
	case err == nil && (now.behind(m.seen) || !holds):
		m.refuse(m.tooOld(now, m.seen))
	case errors.Is(lost, ErrBehind) || errors.Is(lost, store.ErrLost):
		if err == nil { // what is missing was never seen from here, so that it cannot be told when it is back
			m.seen.Trail = beyondProof
		}
		m.refuse(lost)
	case errors.Is(lost, store.ErrRefused) && err == nil: // another one was there for less than a second
		return true
	case err != nil:
		m.keepLatest(m.seen)
	case lost == nil:
		m.saw(now)
		m.looked = true
		m.keepLatest(now)
	}
	return false
}

// refuse keeps what is known of the database, and that it is behind that.
func (m *Marker) refuse(why error) {
	m.refused = true
	m.keepRefused()
	m.store.Refuse(why)
}

// keepRefused has the next run refuse the database, too, unless a person was faster and accepted it.
func (m *Marker) keepRefused() {
	m.unsaid = false
	if known, err := readMark(m.path); err != nil || !known.Accepted {
		refused := m.seen
		refused.Refused = true
		m.keep(refused)
		m.unsaid = m.kept != refused
	}
}

// adopt has what firewalls hold taken for this database's own, where a person accepted it. Once.
func (m *Marker) adopt() {
	if m.Strays == nil || !m.Strays() {
		return
	}
	known, err := readMark(m.path)
	if err != nil || !known.Accepted {
		return
	}
	// How far the database is now is noted in its time: what was seen just now may still be lost with a power cut.
	m.kept = known
	m.keep(mark{Agent: m.agent, Seen: m.clock.Time().UTC().Round(0)})
	m.Adopt()
}

// noteOnce keeps what was seen a minute ago.
func (m *Marker) noteOnce() {
	if m.refused || m.lost() != nil {
		return
	}
	m.keep(m.minute)
	m.minute = m.seen
}

// Close closes the store, when everything was stored, and keeps how far it was then: closing makes its content last. Of one that is not
// what it was, what is known stays.
func (m *Marker) Close() error {
	m.looked = false
	if m.sound && !m.refused {
		ctx, cancel := context.WithTimeout(context.Background(), markTimeout)
		defer cancel()
		m.lookOnce(ctx)
	}
	err := m.store.Close()
	if err == nil && m.looked {
		m.keep(m.seen)
	}
	return err
}

func (m *Marker) latestPath() string { return filepath.Join(filepath.Dir(m.path), LatestFile) }

// keepLatest writes how far the database is now, if that has changed. It need not outlive a power cut, after which it does not count.
func (m *Marker) keepLatest(now mark) {
	now.Of, now.Was = m.kept.Seen, time.Time{}
	m.writeLatest(now)
}

func (m *Marker) writeLatest(now mark) {
	now.Boot = bootID()
	if same := m.latest; now.Boot == "" || same.Version == now.Version && same.Batch == now.Batch && same.Trail == now.Trail && same.Of.Equal(now.Of) && same.Was.Equal(now.Was) {
		return
	}
	data, err := json.Marshal(now)
	if err == nil {
		err = durable.Write(m.latestPath(), append(data, '\n'), 0o600, func(*os.File) error { return nil })
	}
	if err == nil {
		m.latest = now
	}
	m.complain(err)
}

// keep writes the mark if it has changed. A failure costs only that a replaced database may go unnoticed.
func (m *Marker) keep(now mark) {
	if now == m.kept {
		return
	}
	if m.latest.Boot != "" { // first, so that it counts beside either
		both := m.latest
		both.Of, both.Was = now.Seen, m.kept.Seen
		m.writeLatest(both)
	}
	data, err := json.Marshal(now)
	if err == nil {
		err = durable.Write(m.path, append(data, '\n'), 0o600, m.sync)
	}
	m.complain(err)
	if err != nil {
		return
	}
	if m.kept = now; m.latest.Boot != "" {
		m.keepLatest(m.latest)
	}
}

// complain says the first of several failures to write.
func (m *Marker) complain(err error) {
	if err != nil && !m.failed {
		m.log.Warn().Err(err).Msg("cannot save the state of the database; retrying")
	}
	m.failed = err != nil
}
