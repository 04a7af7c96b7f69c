package enforce

import (
	"context"
	"strings"
	"time"

	"activedefense/agent/loop"
	"activedefense/firewall/xmlapi"
)

const (
	// pulseEvery and pulseWithin are how often a firewall is asked whether it is there, and how long it may take to answer: one that
	// stops is known to be down within their sum. A busy management plane takes seconds.
	pulseEvery  = 5 * time.Second
	pulseWithin = 8 * time.Second
	// commitsEvery is every how many times it is also asked for its jobs: whether somebody's commit has ended.
	commitsEvery = 12
)

// States of a firewall.
const (
	StateUnknown = "unknown" // it has not answered yet
	StateUp      = "up"
	StateDown    = "down"    // it does not answer, or the last pass failed
	StateStandby = "standby" // the passive member of a pair, which takes no tags until it is active
	// StateMaintenance is of one that is left alone, as firewalls[].maintenance says.
	StateMaintenance = "maintenance"
)

// A pulse asks a firewall now and then whether it is there: a pass that has nothing to do makes no call for minutes. It has devices of
// its own, so that it does not wait behind a pass.
type pulse struct {
	members []*xmlapi.Device // it is there when one of them is
	calls   *Calls
	timer   func(time.Duration) loop.Timer
	look    func()                   // at the key files, before asking
	told    func(err error)          // what came of asking
	changed func()                   // a commit has ended since the jobs were last asked for
	commits map[string]map[uint]bool // by member, the numbers of the commits that have ended; none: not known
}

// newPulse makes one for an enforcer.
func (o *Options) newPulse(e *Enforcer) (*pulse, error) {
	p := &pulse{calls: o.Calls, timer: o.Timer, look: e.lookAtKeys, told: e.heard, changed: e.changed, commits: map[string]map[uint]bool{}}
	for _, m := range e.devices {
		aside, err := m.Clone()
		if err != nil {
			return nil, err
		}
		p.members = append(p.members, aside)
	}
	return p, nil
}

// run asks until ctx ends.
func (p *pulse) run(ctx context.Context) error {
	defer func() {
		for _, m := range p.members {
			m.Close()
		}
	}()
	timer := p.timer(pulseEvery)
	defer timer.Stop()
	for round := 0; ; round++ {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		p.look()
		err := p.askOnce(ctx)
		if ctx.Err() == nil {
			p.told(err)
		}
		if err == nil && round%commitsEvery == 0 {
			p.commitsOnce(ctx)
		}
		timer.Reset(pulseEvery)
	}
}

// askOnce gives why the firewall does not answer; nil: it does. That it refuses what is asked is an answer.
func (p *pulse) askOnce(ctx context.Context) (err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, pulseWithin)
	defer cancel()
	for _, m := range p.members {
		// Calls to one management address are few at once: this one may have waited behind others, which were answered.
		if _, err = xmlapi.Passive(ctx, m); !unanswered(err) || p.calls.answered(m.Name()).After(began) {
			return nil
		}
	}
	return err
}

// commitsOnce asks for the jobs, and tells of a commit or a push that has ended since they were last asked for. What a firewall does not
// tell, the looks that come anyway will find.
func (p *pulse) commitsOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, pulseWithin)
	defer cancel()
	for _, m := range p.members {
		jobs, err := m.Jobs(ctx)
		if err != nil {
			continue
		}
		before, known := p.commits[m.Name()]
		now, fresh := map[uint]bool{}, false
		for _, j := range jobs {
			if j.Done && j.OK && strings.HasPrefix(j.Kind, "Commit") { // "CommitAll": pushed by Panorama
				now[j.ID] = true
				fresh = fresh || !before[j.ID]
			}
		}
		if known && fresh {
			p.changed()
		}
		p.commits[m.Name()] = now
	}
}

// unanswered tells whether a call failed without a word from the firewall.
func unanswered(err error) bool {
	if err == nil {
		return false
	}
	switch xmlapi.Kind(err) {
	case xmlapi.KindUnreachable, xmlapi.KindTLS, xmlapi.KindTimeout, xmlapi.KindCanceled:
		return true
	}
	return false
}

// lookAtKeys takes over what the key files hold: with another key, one that could not be brought level is tried at once.
func (e *Enforcer) lookAtKeys() {
	for _, way := range e.ways {
		if way.look(e.log) {
			e.returned.Wake()
		}
	}
}

// changed has its policies looked at, for a commit has ended.
func (e *Enforcer) changed() {
	for _, tell := range e.watched {
		tell()
	}
}

// heard takes in what came of asking the firewall. One that answers again is brought level at once.
func (e *Enforcer) heard(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch s := &e.state; {
	case err == nil && e.silent:
		e.silent = false
		e.returned.Wake()
	case err != nil && !e.silent:
		e.silent = true
		if s.Up {
			e.log.Warn().Err(err).Msg("the firewall has stopped answering; it is asked again every few seconds")
			e.trouble(err)
		}
	}
}

// trouble notes why the firewall cannot be brought level. One that has not answered yet stays unknown.
func (e *Enforcer) trouble(err error) {
	s, now := &e.state, e.now()
	if s.ErrorSince == nil {
		s.ErrorSince = &now
		if e.before.State == StateDown && e.before.ErrorSince != nil {
			s.ErrorSince = e.before.ErrorSince
		}
	}
	s.Error, s.ErrorKind = err.Error(), xmlapi.Kind(err)
	if s.State != StateUnknown || !unanswered(err) || e.before.State == StateDown {
		e.enter(StateDown)
	}
}

// enter notes the state of the firewall.
func (e *Enforcer) enter(state string) {
	s := &e.state
	if s.State != state {
		s.State, s.Since = state, e.now()
		if e.before.State == state {
			s.Since = e.before.Since
		}
		e.before = Status{}
	}
	s.Up, s.Standby = state == StateUp || state == StateStandby, state == StateStandby
}

// well notes that the firewall has answered and is in that state.
func (e *Enforcer) well(state string) {
	s := &e.state
	s.Error, s.ErrorKind, s.ErrorSince, s.Failures = "", "", nil, 0
	e.silent = false
	e.enter(state)
}
