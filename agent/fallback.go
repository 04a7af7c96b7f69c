package agent

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"activedefense/firewall"
)

// A fallback has a firewall fetch the list at once when it answers and yet cannot be brought level by its own mode, so
// that nobody waits for the firewall's next turn to fetch.
type fallback struct {
	list   *firewall.List
	served func() *snapshot // what the list serves
	log    zerolog.Logger
	active bool   // the list stands in for the mode
	kind   string // of the last error, so that it is logged once
}

// needed tells whether the list has to stand in: the firewall answers, and refuses; or it does not take everything.
func (f *fallback) needed(r firewall.Report, err error) bool {
	switch firewall.Kind(err) {
	case "":
		return len(r.Unsupported)+len(r.Refused) > 0
	case firewall.KindUnreachable, firewall.KindTimeout, firewall.KindTLS, firewall.KindAuth, firewall.KindCanceled:
		return false
	}
	return true
}

// refreshOnce has the list fetched if it has changed; again is when a change that is too early is due.
func (f *fallback) refreshOnce(ctx context.Context) (again time.Duration) {
	served := f.served()
	if served == nil {
		return 0
	}
	r, err := f.list.Reconcile(ctx, served.entries, false)
	kind := firewall.Kind(err)
	if kind != f.kind && kind != "" && kind != firewall.KindCanceled {
		f.log.Warn().Err(err).Str("kind", kind).Msg("the list cannot stand in")
	}
	if f.kind = kind; err == nil && len(r.Registered)+len(r.Unregistered) > 0 {
		f.log.Info().Int("entries", r.Standing).Msg("the firewall was told to fetch the list, and holds it")
	}
	return r.Waiting
}
