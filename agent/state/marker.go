package state

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/clock"
	"activedefense/agent/loop"
	"activedefense/store"
)

// lookEvery is how often the database is looked at, and how soon it is noticed that a person accepted it.
const lookEvery = time.Second

// lookTimeout bounds a look, and markTimeout the last one before a stop.
const lookTimeout, markTimeout = 5 * time.Second, time.Second

// markEvery is how old, at least, the state is that is kept over a power cut: SQLite may lose
// the last commits in a power cut (synchronous=NORMAL), and a PostgreSQL standby that takes over what had not reached
// it. The kernel writes out what SQLite committed within about half a minute.
const markEvery = time.Minute

// A Marker keeps the mark. A database that has fallen behind it was emptied, restored, or is another one: its blacklist
// is not what was served, and publishing it would empty or shrink the list.
type Marker struct {
	markFiles
	agent string
	store *store.Store
	clock *clock.Clock

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
	sound   bool // the database was found not to be behind the mark, and is not to be opened anew
	refused bool // it has fallen behind since
	unsaid  bool // that, in the file: the disk may have been full
	looked  bool // the last look found all well
}

// NewMarker makes the marker of an agent with a state folder, which is called so in the database.
func NewMarker(dir, agent string, st *store.Store, c *clock.Clock, log zerolog.Logger) *Marker {
	return &Marker{markFiles: newMarkFiles(dir, log), agent: agent, store: st, clock: c}
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
	} else if !m.refused {
		m.keepOwed()
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
