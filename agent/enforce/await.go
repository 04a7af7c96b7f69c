package enforce

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"activedefense/store"
)

// AwaitFirst waits as Await does for the firewalls that are not in asked, which holds when each last answered, and notes in the
// store which of them did not: they are not waited for again.
func (f *Fleet) AwaitFirst(ctx context.Context, st *store.Store, asked map[string]time.Time, limit time.Duration, log zerolog.Logger) {
	before := func(name string) bool { _, known := asked[name]; return known }
	if slices.ContainsFunc(f.Askers, func(a *Asker) bool { return !before(a.name) }) {
		log.Info().Stringer("at_most", limit).Msg("waiting for the firewalls to say which addresses are ours, before reading begins")
	}
	never := f.Await(ctx, limit, before)
	if len(never) == 0 {
		return
	}
	log.Warn().Strs("firewalls", never).
		Msg("reading begins, although these firewalls have never said which addresses are ours: name what is behind them in networks.own")
	if err := st.NoteAwaited(ctx, never); err != nil && ctx.Err() == nil {
		log.Warn().Err(err).Msg("cannot note which firewalls were waited for; they will be at the next start too")
	}
}

// Await waits until every firewall that is asked has answered, in this run or an earlier one, or was waited for before; for
// all of them together no longer than limit, and until ctx ends. It gives the names of those that have not.
func (f *Fleet) Await(ctx context.Context, limit time.Duration, before func(name string) bool) (never []string) {
	over := time.NewTimer(limit)
	defer over.Stop()
	for _, a := range f.Askers {
		if before(a.name) {
			continue
		}
		select {
		case <-a.answered:
			continue
		default:
		}
		select {
		case <-a.answered:
		case <-ctx.Done():
			return nil
		case <-over.C:
			over.Reset(0) // the others are not waited for
			never = append(never, a.name)
		}
	}
	return never
}
