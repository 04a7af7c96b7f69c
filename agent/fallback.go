package agent

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"activedefense/firewall"
)

// A fallback has a firewall fetch the list at once when it answers and yet cannot be brought level by its own mode, so
// that nobody waits for the firewall's next turn to fetch. A fetch takes seconds, in which new blocks must go on to be
// put into force; so it has a goroutine and a device of its own.
type fallback struct {
	list   *firewall.List
	served func() *snapshot // what the list serves
	log    zerolog.Logger
	wakeup chan struct{}
	active atomic.Bool // the list stands in for the mode

	kind string // of the last error, so that it is logged once; used by run alone
}

func newFallback(list *firewall.List, served func() *snapshot, log zerolog.Logger) *fallback {
	return &fallback{list: list, served: served, log: log, wakeup: make(chan struct{}, 1)}
}

// wake asks for a look at what is served. It never blocks.
func (f *fallback) wake() {
	select {
	case f.wakeup <- struct{}{}:
	default:
	}
}

// judge decides by the outcome of a pass whether the list has to stand in. What was refused stays so until a full pass
// tries it anew, and the passes in between do not name it again.
func (f *fallback) judge(r firewall.Report, err error) {
	needed := f.needed(r, err)
	if err == nil && !r.Full && f.active.Load() {
		needed = true
	}
	f.active.Store(needed)
	if needed {
		f.wake()
	}
}

// needed tells whether the firewall answers, and refuses; or does not take everything.
func (f *fallback) needed(r firewall.Report, err error) bool {
	switch firewall.Kind(err) {
	case "":
		return len(r.Unsupported)+len(r.Refused) > 0
	case firewall.KindUnreachable, firewall.KindTimeout, firewall.KindTLS, firewall.KindAuth, firewall.KindCanceled:
		return false
	}
	return true
}

// run has the list fetched as often as it changes while it stands in, until ctx ends.
func (f *fallback) run(ctx context.Context) error {
	later := time.NewTimer(time.Hour)
	defer later.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.wakeup:
		case <-later.C:
		}
		if !f.active.Load() {
			continue
		}
		if again := f.refreshOnce(ctx); again > 0 {
			later.Reset(again)
		}
	}
}

// refreshOnce has the list fetched if it has changed; again is when a change that is too early is due, or another try.
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
	if f.kind = kind; err != nil {
		return max(r.Waiting, renewEvery)
	}
	if len(r.Registered)+len(r.Unregistered) > 0 {
		f.log.Info().Int("entries", r.Standing).Msg("the firewall was told to fetch the list, and holds it")
	}
	return r.Waiting
}
