package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	// ErrAccepted: a person wants to go on with the database that is there; it is to be opened anew.
	ErrAccepted = errors.New("the database that is there now was accepted")
)

// MarkFile, in the state folder, says how far the database was. Without it any database is taken.
const MarkFile = "database.json"

// Accept goes on with the database that is there, whatever was known of it: a start takes it, and a daemon that has stopped for it opens it
// anew within seconds. What it leaves belongs to whom the folder belongs, the daemon's user, also where root does it.
func Accept(dir string) error {
	path := filepath.Join(dir, MarkFile)
	known, _ := readMark(path) // a damaged one is no reason not to
	data, err := json.Marshal(mark{Seen: known.Seen, Accepted: true})
	if err != nil {
		return err
	}
	if err := durable.Write(path, append(data, '\n'), (*os.File).Sync); err != nil {
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

// markEvery is how often the database is looked at, and how old, at least, the state is that is kept: SQLite may lose
// the last commits in a power cut (synchronous=NORMAL), and a PostgreSQL standby that takes over what had not reached
// it. The kernel writes out what SQLite committed within about half a minute.
const markEvery = time.Minute

// acceptEvery is how soon it is noticed that a person accepted the database.
const acceptEvery = time.Second

// markTimeout bounds the last look before a stop.
const markTimeout = time.Second

// A mark is how far a database was when it was last known.
type mark struct {
	Version int64  `json:"version"` // of the blacklist
	Agent   string `json:"agent"`   // the name of this agent in it, and
	Batch   int64  `json:"batch"`   // the number of its last commit: another database knows neither
	// Seen is when that was, as far as this host's clock could be believed.
	Seen time.Time `json:"seen,omitzero"`
	// Accepted: a person takes whichever database is there.
	Accepted bool `json:"accepted,omitempty"`
}

// A Marker keeps the mark. A database that has fallen behind it was emptied, restored, or is another one: its blacklist
// is not what was served, and publishing it would empty or shrink the list.
type Marker struct {
	path  string
	agent string
	store *store.Store
	clock *clock.Clock
	log   zerolog.Logger
	sync  func(*os.File) error // (*os.File).Sync

	// Lost tells whether the database is not what it was, as those found who use it; nil: nobody can tell.
	Lost   func() bool
	asking bool // it was the last time

	// Accepted: a person accepted the database that Check found; firewalls hold what a former one had blocked.
	Accepted bool
	// Strays tells whether firewalls hold what this database never blocked, and Adopt has them taken for its own, when a person
	// accepts it; nil: none do.
	Strays func() bool
	Adopt  func()

	seen   mark // when last looked at
	kept   mark // what the file holds, as far as it was written by this run
	failed bool // writing it
	sound  bool // the database was found not to be behind the mark
}

// NewMarker makes the marker of an agent with a state folder, which is called so in the database.
func NewMarker(dir, agent string, st *store.Store, c *clock.Clock, log zerolog.Logger) *Marker {
	return &Marker{path: filepath.Join(dir, MarkFile), agent: agent, store: st, clock: c, log: log, sync: (*os.File).Sync}
}

// Check refuses a database that is behind the mark. It reads the file each time: an operator who means to go on with
// this database has it deleted (see [Accept]).
func (m *Marker) Check(ctx context.Context) error {
	known, err := readMark(m.path)
	if err != nil {
		return err
	}
	now, err := m.look(ctx)
	if err != nil {
		return err
	}
	if now.behind(known) {
		return fmt.Errorf("%w: it is at blacklist version %d and batch %d of this agent, "+
			"but was at version %d and batch %d (%s); the list stays as last saved, and the firewalls are not changed",
			ErrBehind, now.Version, now.Batch, known.Version, known.Batch, m.path)
	}
	m.clock.Resume(known.Seen)
	m.seen, m.kept, m.sound = now, known, true
	if m.Accepted = m.Accepted || known.Accepted; known.Accepted {
		m.keep(now) // accepted is this one, not the next
	}
	return nil
}

// readMark gives the mark of an earlier run; the zero mark, behind which nothing can be, if there is none.
func readMark(path string) (known mark, err error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return mark{}, nil
	case err != nil:
		return mark{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if err := json.Unmarshal(data, &known); err != nil {
		return mark{}, fmt.Errorf("%w: %s is damaged: %w", ErrUnknown, path, err)
	}
	return known, nil
}

// look tells how far the database is.
func (m *Marker) look(ctx context.Context) (mark, error) {
	version, err := m.store.Version(ctx)
	if err != nil {
		return mark{}, err
	}
	batch, err := m.store.LastSeq(ctx)
	return mark{Version: version, Agent: m.agent, Batch: batch, Seen: m.clock.Time().UTC().Round(0)}, err
}

// behind tells whether a database that is here can not have been there. The batches of an agent with another name say
// nothing: the state folder was renewed.
func (here mark) behind(there mark) bool {
	return here.Version < there.Version || here.Agent == there.Agent && here.Batch < there.Batch
}

// Run keeps the mark until ctx ends. It returns ErrAccepted when a person accepted a database that was lost.
func (m *Marker) Run(ctx context.Context) error {
	for n := 1; loop.Pause(ctx, acceptEvery); n++ {
		if m.accepted() {
			return ErrAccepted
		}
		m.adopt()
		if n%int(markEvery/acceptEvery) == 0 {
			m.noteOnce(ctx)
		}
	}
	return nil
}

// accepted tells whether a person accepted the database, while it is not what it was.
func (m *Marker) accepted() bool {
	if m.asking = m.Lost != nil && m.Lost(); !m.asking {
		return false
	}
	known, err := readMark(m.path)
	return err == nil && known.Accepted
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

// noteOnce keeps what was seen the last time, and looks again. A store that is away, or has gone back, is no news: the
// feed says so.
func (m *Marker) noteOnce(ctx context.Context) {
	now, err := m.look(ctx)
	if err != nil || m.asking || now.behind(m.seen) {
		return
	}
	m.keep(m.seen)
	m.seen = now
}

// Close closes the store, when everything was stored, and keeps how far it was then: closing makes its content last.
func (m *Marker) Close() error {
	last := m.kept
	if m.sound {
		last = m.last()
	}
	err := m.store.Close()
	if err == nil && m.sound {
		m.keep(last)
	}
	return err
}

// last looks once more. Without a good answer it is what was kept.
func (m *Marker) last() mark {
	ctx, cancel := context.WithTimeout(context.Background(), markTimeout)
	defer cancel()
	now, err := m.look(ctx)
	if err != nil || now.behind(m.seen) {
		return m.kept
	}
	return now
}

// keep writes the mark if it has changed. A failure costs only that a replaced database may go unnoticed.
func (m *Marker) keep(now mark) {
	if now == m.kept {
		return
	}
	data, err := json.Marshal(now)
	if err == nil {
		err = durable.Write(m.path, append(data, '\n'), m.sync)
	}
	if err == nil {
		m.kept = now
	} else if !m.failed {
		m.log.Warn().Err(err).Msg("cannot save the state of the database; retrying every minute")
	}
	m.failed = err != nil
}
