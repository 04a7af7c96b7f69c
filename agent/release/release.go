// Package release takes off the blacklist what has been quiet for long enough, or was blocked for a time that is over: slowly where very much
// would go at once, and not while somebody has not read everything. What may not be blocked at all is not its business.
package release

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
	// every and least bound how often the blacklist is looked over for entries whose time has come.
	every = 10 * time.Second
	least = time.Second
	// Most is how many entries one transaction releases.
	Most = 1000
)

// A Releaser releases entries whose time has come: those that were blocked for a fixed time, and sources
// that stayed quiet.
type Releaser struct {
	Store        *store.Store
	ReleaseAfter time.Duration
	CaughtUp     func() bool                                   // everything that the files hold has been read and stored
	Others       func(context.Context) (why string, err error) // for which other agents nobody may be found quiet; empty: for none
	Standing     func() int                                    // how many are blocked
	MayBlock     func(netip.Prefix) bool                       // what may not, the feed lifts: it is nothing for the brake to judge
	Percent      int                                           // the largest share of them that is released at once for being quiet
	Wake         func()                                        // the blacklist changed
	Log          zerolog.Logger
	Now          func() time.Time // as far as it can be believed
	Brake        *Brake
}

// A Brake is why quiet sources are not released, beside what cannot be read. It is safe for concurrent use.
type Brake struct {
	mu    sync.Mutex
	on    *firewall.Brake
	since time.Time
}

// set puts the brake on, or with nil off, and tells whether that is news.
func (b *Brake) set(on *firewall.Brake, now time.Time) (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if news = (on == nil) != (b.on == nil); news {
		b.since = now
	}
	b.on = on
	return news
}

// Held is how many it does not release.
func (b *Brake) Held() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.on == nil {
		return 0
	}
	return b.on.Remove
}

// Trouble is what a person should see to.
func (b *Brake) Trouble() (t trouble.Trouble, is bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.on == nil {
		return t, false
	}
	return trouble.Trouble{Since: b.since, What: fmt.Sprintf("brake: %d of %d blocked sources (%d %%) have been quiet for blacklist.release_after at once, more than %d %%: none is released",
		b.on.Remove, b.on.Standing, b.on.Share, b.on.Percent),
		Remedy: "Look whether this host's clock is right and whether all logs arrive; if the releases are intended, raise firewalls[].max_removal_percent of one firewall to 100, reload, and set it back afterwards"}, true
}

// Run looks at the blacklist now and then until ctx ends.
func (r *Releaser) Run(ctx context.Context) error {
	tick := time.NewTicker(r.Interval())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		// The feed, which asks the same store every second, says that it is away.
		if err := r.Once(ctx); err != nil && ctx.Err() == nil {
			r.Log.Debug().Err(err).Msg("cannot release due entries; retrying")
		}
	}
}

// Interval is how often it looks: short enough that a short release_after is kept to.
func (r *Releaser) Interval() time.Duration {
	return max(min(every, r.ReleaseAfter/10), least)
}

// Due counts what would be released for being quiet, without what may not be blocked at all.
func (r *Releaser) Due(ctx context.Context, after time.Duration) (n int, err error) {
	err = r.Store.Quiet(ctx, r.Now(), after, func(p netip.Prefix) {
		if r.MayBlock(p) {
			n++
		}
	})
	return n, err
}

// Once releases every entry whose time has come. While lines are still to be read, here or by another agent, nobody is known
// to be quiet, and only what was blocked for a fixed time is released.
func (r *Releaser) Once(ctx context.Context) error {
	if n, err := r.Store.Redate(ctx, r.Now()); err != nil {
		return err
	} else if n > 0 {
		r.Log.Info().Int64("sources", n).Msg("this host's clock has come to the time at which log lines saw blocked sources: it was behind when they were read, or the firewall's was ahead; release counts from that time")
		r.Wake()
	}
	after := r.ReleaseAfter
	if !r.CaughtUp() {
		after = 0
	} else if why, err := r.Others(ctx); err != nil || why != "" {
		after = 0 // who cannot be asked may be behind; those at a fixed time go on
	}
	if after > 0 {
		due, err := r.Due(ctx, after)
		if err != nil {
			return err
		}
		brake := firewall.Braked(due, max(due, r.Standing()), r.Percent)
		switch news := r.Brake.set(brake, r.Now()); {
		case news && brake != nil:
			r.Log.Error().Int("quiet", due).Int("blocked", brake.Standing).Msg("BRAKE: too many blocked sources have been quiet for blacklist.release_after at once; none is released; see status")
		case news:
			r.Log.Info().Msg("brake off: releases resume")
		}
		if brake != nil {
			after = 0
		}
	}
	for {
		released, err := r.Store.ReleaseQuiet(ctx, r.Now(), after, Most)
		if len(released) > 0 {
			r.Wake()
		}
		if err != nil || len(released) < Most {
			return err
		}
	}
}
