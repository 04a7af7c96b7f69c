package agent

import (
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/state"
	"activedefense/agent/trouble"
	"activedefense/store"
)

// health follows the store, which can be away: it says so once when the trouble begins, counts while it
// lasts, and says once when it is over. Several loops use the store; the trouble is over when all of those
// that failed have succeeded again.
type health struct {
	mu       sync.Mutex
	failing  map[string]error // who failed last time, and why
	err      error            // the latest of them
	full     bool             // a full disk was shouted about
	lost     bool             // a database that is not what it was, too
	since    time.Time
	failures uint64 // since the trouble began
}

// The users of the store, as health tells them apart.
const (
	userWriter    = "writer"    // commits what was read
	userFeed      = "feed"      // reads the blacklist
	userStart     = "start"     // opens the store, restores what an earlier run knew
	userEnforcers = "enforcers" // read what the firewalls held
)

// lostRemedy is what a person can do about a database that is not what it was.
const lostRemedy = "put the database back as it was, or go on with the one that is there: activedefense store accept " +
	"(the log files are read again from where that one was; what it does not know is no longer blocked, unless lines that are still there say so)"

// isLost tells whether an error says that the database is not what it was, which a person has to decide about.
func isLost(err error) bool {
	for _, known := range []error{store.ErrLost, store.ErrReplaced, state.ErrBehind, state.ErrUnknown} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// failed notes a failure. Only the first one is logged, and once each what a person has to see to: a full disk, and a database that is not
// what it was, which often begins as one that is away.
func (h *health) failed(log zerolog.Logger, user string, err error, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := len(h.failing) == 0
	if first {
		h.failing, h.since, h.failures, h.full, h.lost = make(map[string]error), now, 0, false, false
	}
	h.failing[user] = err
	h.err = err
	h.failures++
	switch {
	case store.DiskFull(err) && !h.full:
		h.full = true
		log.Error().Err(err).Msg("THE DISK IS FULL: reading has stopped until there is space; lines in the log files are not lost, and the list is still served")
	case isLost(err) && !h.lost:
		h.lost = true
		log.Error().Err(err).Msg("the database is not what it was: reading has stopped, the list is still served; " + lostRemedy)
	case first:
		log.Error().Err(err).Msg("the store is unavailable: reading stops, the list is still served; retrying until it is available")
	}
}

// recovered notes a success of someone who may have failed before.
func (h *health) recovered(log zerolog.Logger, user string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failing[user] == nil {
		return
	}
	delete(h.failing, user)
	if len(h.failing) == 0 {
		log.Info().Uint64("failures", h.failures).Dur("away", now.Sub(h.since)).Msg("the store is available again")
	}
}

// lostError is why the database is not what it was; nil: nobody says so.
func (h *health) lostError() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, err := range h.failing {
		if isLost(err) {
			return err
		}
	}
	return nil
}

// trouble is a database that is not what it was.
func (h *health) trouble() (t trouble.Trouble, is bool) {
	err := h.lostError()
	if err == nil {
		return t, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return trouble.Trouble{Since: h.since, What: "store: reading has stopped: " + err.Error(), Remedy: lostRemedy}, true
}

// HealthStatus is the state of the store.
type HealthStatus struct {
	OK       bool       `json:"ok"`
	Error    string     `json:"error,omitempty"`
	Since    *time.Time `json:"since,omitempty"`
	Failures uint64     `json:"failures"` // of the present trouble
}

func (h *health) status() HealthStatus {
	lost := h.lostError()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.failing) == 0 {
		return HealthStatus{OK: true}
	}
	since, text := h.since, h.err.Error()
	if lost != nil {
		text = lost.Error() + "; " + lostRemedy
	}
	return HealthStatus{Error: text, Since: &since, Failures: h.failures}
}
