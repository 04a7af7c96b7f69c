// Package health tells whether the store and the disk of state_dir answer.
package health

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/durable"
	"activedefense/agent/state"
	"activedefense/agent/trouble"
	"activedefense/store"
)

// Health follows the store, which can be away: it says so once when the trouble begins, counts while it
// lasts, and says once when it is over. Several loops use the store; the trouble is over when all of those
// that failed have succeeded again.
type Health struct {
	mu       sync.Mutex
	failing  map[string]error // who failed last time, and why
	err      error            // the latest of them
	full     bool             // a full disk was shouted about
	lost     bool             // a database that is not what it was, too
	since    time.Time
	failures uint64               // since the trouble began
	calls    map[string]time.Time // who waits for an answer, and since when
}

const (
	// Slow is how long a call may take before that it has not ended is told: a commit of the largest batch takes a fraction of it.
	Slow = 5 * time.Second
	// hung is how long until the store counts as away, whatever a call's own limit is.
	hung = 10 * time.Second
)

// waits says what each of those waits for whose calls are watched. Others may rightly take long: migrations, searches, pruning.
var waits = map[string]string{Writer: "the commit of what was read", Feed: "the question what is blocked", Start: "the question how far the database is"}

// Began notes that a call begins that is to be short; failed and recovered end it.
func (h *Health) Began(user string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.calls == nil {
		h.calls = make(map[string]time.Time)
	}
	h.calls[user] = now
}

// Ended notes that a call has ended, whatever came of it.
func (h *Health) Ended(user string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.calls, user)
}

// unanswered is the call that has waited for an answer for longest, if that is long.
func (h *Health) unanswered(now time.Time) (user string, since time.Time, is bool) {
	for _, who := range []string{Feed, Writer, Start} {
		if at, waiting := h.calls[who]; waiting && now.Sub(at) >= Slow && (!is || at.Before(since)) {
			user, since, is = who, at, true
		}
	}
	return user, since, is
}

// The users of the store, as health tells them apart.
const (
	Writer    = "writer"    // commits what was read
	Feed      = "feed"      // reads the blacklist
	Start     = "start"     // opens the store, restores what an earlier run knew
	Enforcers = "enforcers" // read what the firewalls held
)

// lostRemedy is what a person can do about a database that is not what it was.
const lostRemedy = "put the database back as it was, or go on with the one that is there: activedefense store accept " +
	"(the log files are read again from where that one was; what it does not know is no longer blocked, unless lines that are still there say so)"

// IsLost tells whether an error says that the database is not what it was, which a person has to decide about.
func IsLost(err error) bool {
	for _, known := range []error{store.ErrLost, store.ErrRefused, store.ErrReplaced, state.ErrBehind, state.ErrUnknown} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// Failed notes a failure. Only the first one is logged, and once each what a person has to see to: a full disk, and a database that is not
// what it was, which often begins as one that is away.
func (h *Health) Failed(log zerolog.Logger, user string, err error, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	begun, waited := h.calls[user]
	delete(h.calls, user)
	first := len(h.failing) == 0
	if first {
		h.failing, h.since, h.failures, h.full, h.lost = make(map[string]error), now, 0, false, false
		if waited {
			h.since = begun // a call that ends by its limit was in vain from its beginning
		}
	}
	h.failing[user] = err
	h.err = err
	h.failures++
	switch {
	case store.DiskFull(err) && !h.full:
		h.full = true
		log.Error().Err(err).Msg("THE DISK IS FULL: reading has stopped until there is space; lines in the log files are not lost, and the list is still served")
	case IsLost(err) && !h.lost:
		h.lost = true
		log.Error().Err(err).Msg("the database is not what it was: reading has stopped, the list is still served; " + lostRemedy)
	case first:
		log.Error().Err(err).Msg("the store is unavailable: reading stops, the list is still served; retrying until it is available")
	}
}

// Recovered notes a success of someone who may have failed before.
func (h *Health) Recovered(log zerolog.Logger, user string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.calls, user)
	if h.failing[user] == nil {
		return
	}
	delete(h.failing, user)
	if len(h.failing) == 0 {
		log.Info().Uint64("failures", h.failures).Dur("away", now.Sub(h.since)).Msg("the store is available again")
	}
}

// LostError is why the database is not what it was; nil: nobody says so.
func (h *Health) LostError() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, err := range h.failing {
		if IsLost(err) {
			return err
		}
	}
	return nil
}

// Trouble is a database that is not what it was.
func (h *Health) Trouble() (t trouble.Trouble, is bool) {
	err := h.LostError()
	if err == nil {
		return t, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return trouble.Trouble{Since: h.since, What: "store: reading has stopped: " + err.Error(), Remedy: lostRemedy}, true
}

// Unanswered gives the file in a folder whose writing has not ended for long, since when, and for how many seconds; "" and 0: there is none.
func Unanswered(dir string, now time.Time) (path string, since time.Time, waited float64) {
	if path, since = durable.Unanswered(dir); path == "" || now.Sub(since) < Slow {
		return "", time.Time{}, 0
	}
	return path, since, now.Sub(since).Seconds()
}

// Status is the state of the store.
type Status struct {
	OK       bool       `json:"ok"`
	Error    string     `json:"error,omitempty"`
	Since    *time.Time `json:"since,omitempty"`
	Failures uint64     `json:"failures"` // of the present trouble
	// NoAnswer is how long a call has waited in vain that is to be short, from 5 s on, while none has failed; Since and Error are of it. From
	// 10 s on the store is not OK.
	NoAnswer float64 `json:"no_answer_seconds,omitempty"`
}

// Status is the state of the store.
func (h *Health) Status(now time.Time) Status {
	lost := h.LostError()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.failing) == 0 {
		user, since, is := h.unanswered(now)
		if !is {
			return Status{OK: true}
		}
		waited := now.Sub(since)
		return Status{OK: waited < hung, Error: fmt.Sprintf("no answer for %s to %s", waited.Round(time.Second), waits[user]), Since: &since, NoAnswer: waited.Seconds()}
	}
	since, text := h.since, h.err.Error()
	if lost != nil {
		text = lost.Error() + "; " + lostRemedy
	}
	return Status{Error: text, Since: &since, Failures: h.failures}
}
