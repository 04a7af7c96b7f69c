package agent

import (
	"sync"
	"time"

	"github.com/rs/zerolog"

	"activedefense/store"
)

// health follows the store, which can be away: it says so once when the trouble begins, counts while it
// lasts, and says once when it is over. Several loops use the store; the trouble is over when all of those
// that failed have succeeded again.
type health struct {
	mu       sync.Mutex
	failing  map[string]bool // who failed last time
	err      error           // the latest of them
	full     bool            // a full disk was shouted about
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

// failed notes a failure. Only the first one is logged, and a full disk once as such.
func (h *health) failed(log zerolog.Logger, user string, err error, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := len(h.failing) == 0
	if first {
		h.failing, h.since, h.failures, h.full = make(map[string]bool), now, 0, false
	}
	h.failing[user] = true
	h.err = err
	h.failures++
	switch {
	case store.DiskFull(err) && !h.full:
		h.full = true
		log.Error().Err(err).Msg("THE DISK IS FULL: reading has stopped until there is space; lines in the log files are not lost, and the list is still served")
	case first:
		log.Error().Err(err).Msg("the store is unavailable: reading stops, the list is still served; retrying until it is available")
	}
}

// recovered notes a success of someone who may have failed before.
func (h *health) recovered(log zerolog.Logger, user string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.failing[user] {
		return
	}
	delete(h.failing, user)
	if len(h.failing) == 0 {
		log.Info().Uint64("failures", h.failures).Dur("away", now.Sub(h.since)).Msg("the store is available again")
	}
}

// HealthStatus is the state of the store.
type HealthStatus struct {
	OK       bool       `json:"ok"`
	Error    string     `json:"error,omitempty"`
	Since    *time.Time `json:"since,omitempty"`
	Failures uint64     `json:"failures"` // of the present trouble
}

func (h *health) status() HealthStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.failing) == 0 {
		return HealthStatus{OK: true}
	}
	since := h.since
	return HealthStatus{Error: h.err.Error(), Since: &since, Failures: h.failures}
}
