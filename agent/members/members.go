// Package members has the agents on one database know of each other. Each says in the database who it is, that it lives, what it has not
// read yet, and what it never blocks; and each reads what the others say.
//
// The words: a member is an agent that has said so and was not forgotten. It is silent when it has given no sign of life for
// SilentAfter, and behind when it has not read everything. All ages are by the database's clock, so that hosts whose clocks differ do
// not take each other for silent.
//
// The package blocks and releases nobody: what others never block, and that releases wait, its callers see to.
package members

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/loop"
	"activedefense/agent/own"
	"activedefense/store"
)

const (
	// Every is how often a member gives a sign of life.
	Every = 10 * time.Second
	// SilentAfter is how long there must have been none for a member to be silent: a restart takes less.
	SilentAfter = time.Minute
	// patience bounds one look at the database.
	patience = 10 * time.Second
)

// States of a member. Unknown: the database was not read for so long that it may be silent or not.
const (
	OK      = "ok"
	Behind  = "behind"
	Silent  = "silent"
	Unknown = "unknown"
)

// Status is what status says of one member.
type Status struct {
	Name      string    `json:"name"`
	Host      string    `json:"host"`
	Version   string    `json:"version"`
	State     string    `json:"state"`            // OK, Behind, Silent or Unknown
	Since     time.Time `json:"since"`            // when that began, or was first seen; of a silent one, its last sign of life
	Behind    string    `json:"behind,omitempty"` // what it had not read when it last said so
	Started   time.Time `json:"started"`          // this and the next by the database's clock
	Seen      time.Time `json:"seen_at"`          // its last sign of life
	Silence   float64   `json:"silence_seconds"`  // how long ago that was
	Guarded   int       `json:"guarded"`          // addresses and networks that it never blocks, nor does any other
	Firewalls []string  `json:"firewalls"`
	Self      bool      `json:"self"`
}

// Of says how a member does that was read so long ago.
func Of(m *store.Member, ago time.Duration) Status {
	s := Status{Name: m.Name, Host: m.Host, Version: m.Version, State: OK, Behind: m.Behind, Started: m.Started, Seen: m.Seen,
		Silence: (m.Silence + ago).Seconds(), Guarded: m.Guarded, Firewalls: append([]string{}, m.Firewalls...), Self: m.Self}
	switch {
	case m.Silence > SilentAfter:
		s.State, s.Since = Silent, m.Seen
	case ago > SilentAfter:
		s.State = Unknown
	case m.Behind != "":
		s.State = Behind
	}
	return s
}

// Options are what a member needs. All of them must be set.
type Options struct {
	Store   *store.Store
	Sign    store.Sign        // Uptime and Behind are filled in
	Started time.Time         // of this agent, by this host's monotonic clock
	Behind  func() string     // what it has not read yet
	Known   func() *own.Known // what it never blocks
	Back    func()            // it was forgotten, and with it what its firewalls named: they are to be asked again
	Now     func() time.Time
	Asked   func(server time.Time) // is told what the clock of the database's server says
	Log     zerolog.Logger
}

// Members are the agents on one database, seen from one of them. Status may be called from any goroutine.
type Members struct {
	opts Options
	wake loop.Wakeup

	said   *own.Known // announced, and not forgotten since; nil: nothing
	failed bool

	mu    sync.Mutex
	list  []store.Member
	read  time.Time // when list was; zero: never
	since map[int64]begun
	self  begun // of this agent, by itself
}

// begun is since when a member is seen in a state.
type begun struct {
	state string
	at    time.Time
}

// New makes the view of one agent. A wake-up has what it never blocks announced at once.
func New(o Options, wake loop.Wakeup) *Members {
	return &Members{opts: o, wake: wake, since: make(map[int64]begun)}
}

// Run gives signs of life, and looks at the others, until ctx ends.
func (m *Members) Run(ctx context.Context) error {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		switch err := m.once(ctx); {
		case err != nil && ctx.Err() == nil && !m.failed && m.opts.Store.Kind() == "postgresql": // else there is nobody to be told
			m.failed = true
			m.opts.Log.Warn().Err(err).Msg("this agent cannot tell the others on its database that it lives; nobody is released there for being quiet meanwhile")
		case err == nil && m.failed:
			m.failed = false
			m.opts.Log.Info().Msg("this agent can tell the others again that it lives")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-m.wake:
		case <-tick.C:
		}
	}
}

// once gives a sign of life, with all that this agent is where the others do not know that, and looks at the others.
func (m *Members) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	known, back := m.opts.Known(), false
	if known == m.said {
		there, err := m.opts.Store.SignOfLife(ctx, m.opts.Behind())
		if err != nil {
			return err
		}
		if back = !there; back { // forgotten: the others know nothing of it
			m.said = nil
		}
	}
	if known != m.said {
		sign := m.opts.Sign
		sign.Uptime, sign.Behind = m.opts.Now().Sub(m.opts.Started), m.opts.Behind()
		if err := m.opts.Store.Announce(ctx, sign, known.Published); err != nil {
			return err
		}
		m.said = known
	}
	if back {
		m.opts.Back()
	}
	now, err := m.opts.Store.ServerTime(ctx)
	if err != nil {
		return err
	}
	m.opts.Asked(now)
	return m.look(ctx)
}

// look reads how the members do.
func (m *Members) look(ctx context.Context) error {
	list, err := m.opts.Store.Members(ctx)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list, m.read = list, m.opts.Now()
	since := make(map[int64]begun, len(list))
	for i := range list {
		now := begun{Of(&list[i], 0).State, m.read}
		if before, known := m.since[list[i].ID]; known && before.state == now.state {
			now = before
		}
		since[list[i].ID] = now
	}
	m.since = since
	return nil
}

// Status says how the members do, by name; empty until they were read.
func (m *Members) Status() []Status {
	all := []Status{}
	if m == nil {
		return all
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.list {
		s := Of(&m.list[i], m.opts.Now().Sub(m.read))
		if s.Self {
			m.own(&s)
		}
		switch {
		case s.State == Unknown:
			s.Since = m.read
		case s.Since.IsZero():
			s.Since = m.since[m.list[i].ID].at
		}
		all = append(all, s)
	}
	return all
}

// own has an agent say of itself what it knows: its last sign of life may be old, while the database is away.
func (m *Members) own(s *Status) {
	s.State, s.Behind = OK, m.opts.Behind()
	if s.Behind != "" {
		s.State = Behind
	}
	if m.self.state != s.State {
		m.self = begun{s.State, m.opts.Now()}
	}
	s.Since = m.self.at
}

// Waits says, from the database, for which others nobody may be found quiet: what they have not read may be activity. Empty: for none.
func (m *Members) Waits(ctx context.Context) (why string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := m.look(ctx); err != nil {
		return "", err
	}
	return Waiting(m.Status()), nil
}

// Waiting says for which others nobody may be found quiet; empty: for none.
func Waiting(all []Status) string {
	var texts []string
	for i := range all {
		switch s := &all[i]; {
		case s.Self:
		case s.State == Silent:
			texts = append(texts, fmt.Sprintf("agent %s on %s is silent (if it is gone for good: %s)", s.Name, s.Host, s.Forget()))
		case s.State == Behind:
			texts = append(texts, fmt.Sprintf("agent %s on %s is behind: %s", s.Name, s.Host, s.Behind))
		}
	}
	return strings.Join(texts, "; ")
}

// StateText is the state for a table.
func (s *Status) StateText() string {
	switch s.State {
	case Silent, Unknown:
		return strings.ToUpper(s.State)
	case Behind:
		return s.State + ": " + s.Behind
	}
	return s.State
}

// Forget is the command that ends the wait for a member that is gone.
func (s *Status) Forget() string { return "activedefense members forget " + quoted(s.Name) }

// quoted is a name as a shell takes it.
func quoted(name string) string {
	if strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_") == "" && name != "" {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}
