package allow

import (
	"context"
	"strings"
	"time"

	"activedefense/store"
)

// A Pause says that nothing is enforced, because a person said so.
type Pause struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}

// NewPause renders that of the store; nil: there is none.
func NewPause(p *store.Pause) *Pause {
	if p == nil {
		return nil
	}
	return &Pause{p.Since, p.Until, p.By, p.Reason}
}

const (
	// DefaultPause is how long a pause lasts of which nobody says how long.
	DefaultPause = time.Hour
	// LongestPause is the longest: what is to be off for longer is switched off in the configuration.
	LongestPause = 7 * 24 * time.Hour
)

// Begin begins a pause of a length, or gives the one that there is a new end. A Refusal is for the person to mend.
func Begin(ctx context.Context, st *store.Store, length time.Duration, reason, by string, now time.Time) (*Pause, error) {
	if length <= 0 || length > LongestPause {
		return nil, refusef("a pause lasts from 1s to 7d, and not %s", length)
	}
	if reason = strings.TrimSpace(reason); reason == "" {
		reason = "paused by hand"
	}
	if err := st.Pause(ctx, store.Pause{Since: now, Until: now.Add(length), By: by, Reason: reason}, now); err != nil {
		return nil, err
	}
	p, err := st.Paused(ctx)
	return NewPause(p), err
}
