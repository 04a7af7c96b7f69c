package agent

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
	failures uint64               // since the trouble began
	calls    map[string]time.Time // who waits for an answer, and since when
}

const (
	// slow is how long a call may take before that it has not ended is told: a commit of the largest batch takes a fraction of it.
	slow = 5 * time.Second
	// hung is how long until the store counts as away, whatever a call's own limit is.
	hung = 10 * time.Second
)

// waits says what each of those waits for whose calls are watched. Others may rightly take long: migrations, searches, pruning.
var waits = map[string]string{userWriter: "the commit of what was read", userFeed: "the question what is blocked", userStart: "the question how far the database is"}

// began notes that a call begins that is to be short; failed and recovered end it.
func (h *health) began(user string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.calls == nil {
		h.calls = make(map[string]time.Time)
	}
	h.calls[user] = now
}

// ended notes that a call has ended, whatever came of it.
func (h *health) ended(user string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.calls, user)
}

// unanswered is the call that has waited for an answer for longest, if that is long.
func (h *health) unanswered(now time.Time) (user string, since time.Time, is bool) {
	for _, who := range []string{userFeed, userWriter, userStart} {
		if at, waiting := h.calls[who]; waiting && now.Sub(at) >= slow && (!is || at.Before(since)) {
			user, since, is = who, at, true
		}
	}
	return user, since, is
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
	for _, known := range []error{store.ErrLost, store.ErrRefused, store.ErrReplaced, state.ErrBehind, state.ErrUnknown} {
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
	delete(h.calls, user)
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

// unanswered gives the file in a folder whose writing has not ended for long, since when, and for how many seconds; "" and 0: there is none.
func unanswered(dir string, now time.Time) (path string, since time.Time, waited float64) {
	if path, since = durable.Unanswered(dir); path == "" || now.Sub(since) < slow {
		return "", time.Time{}, 0
	}
	return path, since, now.Sub(since).Seconds()
}

// HealthStatus is the state of the store.
type HealthStatus struct {
	OK       bool       `json:"ok"`
	Error    string     `json:"error,omitempty"`
	Since    *time.Time `json:"since,omitempty"`
	Failures uint64     `json:"failures"` // of the present trouble
	// NoAnswer is how long a call has waited in vain that is to be short, from 5 s on, while none has failed; Since and Error are of it. From
	// 10 s on the store is not OK.
	NoAnswer float64 `json:"no_answer_seconds,omitempty"`
}

func (h *health) status(now time.Time) HealthStatus {
	lost := h.lostError()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.failing) == 0 {
		user, since, is := h.unanswered(now)
		if !is {
			return HealthStatus{OK: true}
		}
		waited := now.Sub(since)
		return HealthStatus{OK: waited < hung, Error: fmt.Sprintf("no answer for %s to %s", waited.Round(time.Second), waits[user]), Since: &since, NoAnswer: waited.Seconds()}
	}
	since, text := h.since, h.err.Error()
	if lost != nil {
		text = lost.Error() + "; " + lostRemedy
	}
	return HealthStatus{Error: text, Since: &since, Failures: h.failures}
}
