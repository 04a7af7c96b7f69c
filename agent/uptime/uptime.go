// Package uptime keeps when each firewall took blocks and when it did not, so that a report can say how much of the time that was. It
// looks at no firewall itself.
package uptime

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/enforce"
	"activedefense/firewall/policy"
	"activedefense/store"
)

// States of a firewall beside those of [enforce.Status].
const (
	Unenforced = "unenforced" // it is up, and no rule of it stops what it holds
	Paused     = "paused"     // it is up, and a person has everything taken off it
)

const (
	lookEvery  = time.Second
	noteEvery  = time.Minute
	unseenFrom = 90 * time.Second // between two notes: it is not known how it was
	patience   = 10 * time.Second
)

// StatesOf is how firewalls are; of one that has not answered yet nothing is known.
func StatesOf(firewalls []enforce.Status, policies []enforce.PolicyStatus, paused bool) (states []store.FirewallState) {
	for i := range firewalls {
		f := &firewalls[i]
		state := f.State
		if f.Up && !f.Standby {
			unstopped := slices.ContainsFunc(policies, func(p enforce.PolicyStatus) bool {
				fault, known := policy.Stops(p.Checks)
				return p.Firewall == f.Name && known && fault != ""
			})
			switch {
			case paused:
				state = Paused
			case unstopped:
				state = Unenforced
			}
		}
		if state != enforce.StateUnknown {
			states = append(states, store.FirewallState{Firewall: f.Name, State: state})
		}
	}
	return states
}

// A Recorder notes how firewalls are. Its fields are set before Run.
type Recorder struct {
	Store *store.Store
	Look  func() []store.FirewallState
	Now   func() time.Time
	Log   zerolog.Logger

	noted  []store.FirewallState
	at     time.Time // when that was
	failed bool
}

// Run notes it until ctx ends.
func (r *Recorder) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		r.once(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// once notes how they are if that has changed, or was noted a while ago. Of a store that is away its users tell.
func (r *Recorder) once(ctx context.Context) {
	states, now := r.Look(), r.Now()
	if slices.Equal(states, r.noted) && now.Sub(r.at).Abs() < noteEvery {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := r.Store.NoteStates(ctx, now, unseenFrom, states)
	if err == nil {
		r.noted, r.at = states, now
	} else if !r.failed && ctx.Err() == nil {
		r.Log.Debug().Err(err).Msg("cannot note how the firewalls are; a report will not know it")
	}
	r.failed = err != nil
}
