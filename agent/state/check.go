package state

import (
	"context"
	"errors"
	"fmt"
	"time"

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

// Check refuses a database that is behind the mark, and goes on to refuse it, however far it comes, until it is the one that was or a
// person accepts it. It reads the file each time: an operator who means to go on with this database has it deleted (see [Accept]).
func (m *Marker) Check(ctx context.Context) error {
	known, now, err := m.judge(ctx)
	if err != nil {
		return err
	}
	_, latest, again := known.least(m.latestPath())
	if !again && known.Agent != "" && latest.Boot != "" && now.behind(latest) {
		m.log.Warn().Int64("version", now.Version).Int64("was", latest.Version).Msg("this host was started again, and the database lacks what was committed last before that, as a power cut may cost it: " +
			"the log lines of that are read again; do again what was blocked, accepted or removed by hand in the last minute before")
	}
	server, err := m.store.ServerTime(ctx)
	if err != nil {
		return err
	}
	if known.Seen.IsZero() {
		known.Seen = server // it is another host's clock, as a rule
	}
	m.clock.Resume(known.Seen)
	m.clock.Asked(server)
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

// Before is the refusing half of Check, for a database that is not to be written to before it is taken (see store.Options.Before).
func (m *Marker) Before(ctx context.Context) error {
	_, _, err := m.judge(ctx)
	return err
}

// judge gives what is known of the database and how far it is, or why it is refused, and notes that.
func (m *Marker) judge(ctx context.Context) (known, now mark, err error) {
	known, err = readMark(m.path)
	if err != nil {
		return known, now, err
	}
	least, _, _ := known.least(m.latestPath())
	now, holds, err := m.look(ctx, least.Trail)
	if err != nil {
		return known, now, err
	}
	id := m.store.Place().Identity
	holds = holds && !known.elsewhere(id)
	switch {
	case known.Accepted && known.Identity != id && (known.Identity != "" || now.Version > 0):
		return known, now, fmt.Errorf("%w: it is not the one that was accepted (%s); the list stays as last saved, and the firewalls are not changed", ErrBehind, m.path)
	case now.behind(least) || !holds:
		if least.Refused = !known.Accepted; least.Refused {
			least.Boot, least.Of, least.Was = "", time.Time{}, time.Time{}
			m.kept = known
			m.keep(least)
		}
		return known, now, fmt.Errorf("%w; the list stays as last saved, and the firewalls are not changed", m.tooOld(now, least))
	}
	return known, now, nil
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

// look tells how far the database is, and whether it holds what is known of the audit trail.
func (m *Marker) look(ctx context.Context, known store.Trail) (now mark, holds bool, err error) {
	p, holds, err := m.store.Progress(ctx, known)
	return mark{Version: p.Version, Changed: p.Changed, Agent: m.agent, Batch: p.Batch, Trail: p.Trail, Identity: m.store.Place().Identity, Seen: m.clock.Time().UTC().Round(0)}, holds, err
}
