package enforce

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/loop"
	"activedefense/firewall"
	"activedefense/firewall/xmlapi"
)

// A fallback has a firewall fetch the list at once when it answers and yet cannot be brought level by its own mode, so
// that nobody waits for the firewall's next turn to fetch; and after a release: where rules name the list beside what the
// mode writes, a source is let in when neither holds it any more. A fetch takes seconds, in which new blocks must go on to
// be put into force; so it has a goroutine and a device of its own.
type fallback struct {
	list   *firewall.List
	served func() *Snapshot // what the list serves
	log    zerolog.Logger
	timer  func(time.Duration) loop.Timer // loop.NewTimer
	wakeup loop.Wakeup
	active atomic.Bool // the list stands in for the mode

	// without is the version of the blacklist after the last release that the firewall has not been told to fetch; 0: none.
	without atomic.Int64

	kind string // of the last error, so that it is logged once; used by run alone
}

func newFallback(list *firewall.List, served func() *Snapshot, log zerolog.Logger) *fallback {
	return &fallback{list: list, served: served, log: log, timer: loop.NewTimer, wakeup: loop.NewWakeup()}
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
		f.wakeup.Wake()
	}
}

// needed tells whether the firewall answers, and refuses; or does not take everything. A passive member decides about no
// traffic.
func (f *fallback) needed(r firewall.Report, err error) bool {
	switch xmlapi.Kind(err) {
	case "":
		return len(r.Unsupported)+len(r.Refused)+len(r.LeftOut) > 0
	case xmlapi.KindUnreachable, xmlapi.KindTimeout, xmlapi.KindTLS, xmlapi.KindAuth, xmlapi.KindPassive, xmlapi.KindCanceled:
		return false
	}
	return true
}

// released has the list fetched as soon as it serves that version of the blacklist, or a later one.
func (f *fallback) released(version int64) {
	f.without.Store(version)
	f.wakeup.Wake()
}

// due is the version after a release that can be fetched now; 0: none.
func (f *fallback) due() int64 {
	version, served := f.without.Load(), f.served()
	if served == nil || served.Version < version {
		return 0 // publishing it wakes us
	}
	return version
}

// run has the list fetched as often as it changes while it stands in, and after releases, until ctx ends.
func (f *fallback) run(ctx context.Context) error {
	later := f.timer(time.Hour)
	defer later.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.wakeup:
		case <-later.C:
		}
		active, released := f.active.Load(), f.due()
		if !active && released == 0 {
			continue
		}
		again, err := f.refreshOnce(ctx, released != 0)
		if err != nil || again == 0 {
			f.without.CompareAndSwap(released, 0) // what failed is left to the firewall's own next turn
		}
		if again > 0 && (active || err == nil) {
			later.Reset(again)
		}
	}
}

// refreshOnce has the list fetched if it has changed, or full is set; again is when a change that is too early is due, or
// another try.
func (f *fallback) refreshOnce(ctx context.Context, full bool) (again time.Duration, err error) {
	served := f.served()
	if served == nil {
		return 0, nil
	}
	r, err := f.list.Reconcile(ctx, served.Entries, full)
	kind := xmlapi.Kind(err)
	if kind != f.kind && kind != "" && kind != xmlapi.KindCanceled && f.active.Load() {
		f.log.Warn().Err(err).Str("kind", kind).Msg("the list is no fallback now")
	}
	if f.kind = kind; err != nil {
		return max(r.Waiting, renewEvery), err
	}
	if len(r.Registered)+len(r.Unregistered) > 0 {
		f.log.Info().Int("entries", r.Standing).Msg("the firewall has fetched the list")
	}
	return r.Waiting, nil
}
