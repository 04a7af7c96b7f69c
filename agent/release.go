package agent

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/trouble"
	"activedefense/firewall"
	"activedefense/store"
)

const (
	// releaseEvery and releaseLeast bound how often the blacklist is looked over for entries whose time has come.
	releaseEvery = 10 * time.Second
	releaseLeast = time.Second
	// releaseMost is how many entries one transaction releases.
	releaseMost = 1000
)

// A releaser releases entries whose time has come: those that were blocked for a fixed time, and sources
// that stayed quiet.
type releaser struct {
	store        *store.Store
	releaseAfter time.Duration
	caughtUp     func() bool                                   // everything that the files hold has been read and stored
	others       func(context.Context) (why string, err error) // for which other agents nobody may be found quiet; empty: for none
	standing     func() int                                    // how many are blocked
	mayBlock     func(netip.Prefix) bool                       // what may not, the feed lifts: it is nothing for the brake to judge
	percent      int                                           // the largest share of them that is released at once for being quiet
	wake         func()                                        // the blacklist changed
	log          zerolog.Logger
	now          func() time.Time // as far as it can be believed
	brake        *releaseBrake
}

// A releaseBrake is why quiet sources are not released, beside what cannot be read. It is safe for concurrent use.
type releaseBrake struct {
	mu    sync.Mutex
	on    *firewall.Brake
	since time.Time
}

// set puts the brake on, or with nil off, and tells whether that is news.
func (b *releaseBrake) set(on *firewall.Brake, now time.Time) (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if news = (on == nil) != (b.on == nil); news {
		b.since = now
	}
	b.on = on
	return news
}

// held is how many it does not release.
func (b *releaseBrake) held() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.on == nil {
		return 0
	}
	return b.on.Remove
}

// trouble is what a person should see to.
func (b *releaseBrake) trouble() (t trouble.Trouble, is bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.on == nil {
		return t, false
	}
	return trouble.Trouble{Since: b.since, What: fmt.Sprintf("brake: %d of %d blocked sources (%d %%) have been quiet for blacklist.release_after at once, more than %d %%: none is released",
		b.on.Remove, b.on.Standing, b.on.Share, b.on.Percent),
		Remedy: "Look whether this host's clock is right and whether all logs arrive; if the releases are intended, raise firewalls[].max_removal_percent of one firewall to 100, reload, and set it back afterwards"}, true
}

// run looks at the blacklist now and then until ctx ends.
func (r *releaser) run(ctx context.Context) error {
	tick := time.NewTicker(r.interval())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		// The feed, which asks the same store every second, says that it is away.
		if err := r.releaseOnce(ctx); err != nil && ctx.Err() == nil {
			r.log.Debug().Err(err).Msg("cannot release due entries; retrying")
		}
	}
}

// interval is short enough that a short release_after is kept to.
func (r *releaser) interval() time.Duration {
	return max(min(releaseEvery, r.releaseAfter/10), releaseLeast)
}

// due counts what would be released for being quiet, without what may not be blocked at all.
func (r *releaser) due(ctx context.Context, after time.Duration) (n int, err error) {
	err = r.store.Quiet(ctx, r.now(), after, func(p netip.Prefix) {
		if r.mayBlock(p) {
			n++
		}
	})
	return n, err
}

// releaseOnce releases every entry whose time has come. While lines are still to be read, here or by another agent, nobody is known
// to be quiet, and only what was blocked for a fixed time is released.
func (r *releaser) releaseOnce(ctx context.Context) error {
	after := r.releaseAfter
	if !r.caughtUp() {
		after = 0
	} else if why, err := r.others(ctx); err != nil || why != "" {
		after = 0 // who cannot be asked may be behind; those at a fixed time go on
	}
	if after > 0 {
		due, err := r.due(ctx, after)
		if err != nil {
			return err
		}
		brake := firewall.Braked(due, max(due, r.standing()), r.percent)
		switch news := r.brake.set(brake, r.now()); {
		case news && brake != nil:
			r.log.Error().Int("quiet", due).Int("blocked", brake.Standing).Msg("BRAKE: too many blocked sources have been quiet for blacklist.release_after at once; none is released; see status")
		case news:
			r.log.Info().Msg("brake off: releases resume")
		}
		if brake != nil {
			after = 0
		}
	}
	for {
		released, err := r.store.ReleaseQuiet(ctx, r.now(), after, releaseMost)
		if len(released) > 0 {
			r.wake()
		}
		if err != nil || len(released) < releaseMost {
			return err
		}
	}
}
