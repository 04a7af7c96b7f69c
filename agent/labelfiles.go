package agent

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"activedefense/agent/durable"
	"activedefense/agent/labels"
	"activedefense/agent/listing"
	"activedefense/agent/own"
	"activedefense/config"
	"activedefense/store"
)

// Labels are the label files of the configuration, read now as a daemon reads them: of one that it refuses, for what it lost or
// what is blocked now, what the daemon kept. What is wrong with them are its troubles. With a nil store nothing is known to be
// blocked; an error is the store's, and the set is good without it.
func Labels(ctx context.Context, cfg *config.Config, st *store.Store) (*labels.Set, error) {
	var blocked []netip.Prefix
	var err error
	if st != nil && slices.ContainsFunc(cfg.Labels, func(l config.Label) bool { return l.Mode == "never" }) {
		err = st.Entries(ctx, store.EntryFilter{States: []store.State{store.Blocked}}, func(e *store.Entry) error {
			blocked = append(blocked, e.Address)
			return nil
		})
	}
	set := labels.New(labels.Options{Files: own.LabelFiles(cfg), Now: time.Now, Copies: labels.Folder{Dir: labelDir(cfg)}, Blocked: slices.Values(blocked)})
	set.Restore()
	set.Refresh()
	return set, err
}

// followLabels is what a daemon has: it keeps copies. The files themselves are looked at when it is known which blocks they
// would lift.
func (a *Agent) followLabels() *labels.Set {
	write := func(path string, data []byte) error { return durable.Write(path, data, 0o600, (*os.File).Sync) }
	set := labels.New(labels.Options{Files: own.LabelFiles(a.cfg), Now: a.now, Copies: labels.Folder{Dir: labelDir(a.cfg), Write: write}, Blocked: a.blocked})
	set.Restore()
	return set
}

// forgetLabels deletes the copies of label files that the configuration does not name any more.
func (a *Agent) forgetLabels() {
	if err := (labels.Folder{Dir: labelDir(a.cfg)}).Keep(own.LabelFiles(a.cfg)); err != nil {
		a.log.Warn().Err(err).Msg("cannot delete what was kept of label files that are not in the configuration any more")
	}
}

// labelDir, in the state folder, is where the copies of label files outlive a restart.
func labelDir(cfg *config.Config) string { return filepath.Join(cfg.StateDir, "labels") }

// blocked gives what is blocked now; nothing before the blacklist was loaded.
func (a *Agent) blocked(yield func(netip.Prefix) bool) {
	f := a.feed.Load()
	if f == nil {
		return
	}
	for _, e := range f.current.Load().Entries {
		if !yield(e.Prefix) {
			return
		}
	}
}

// lookAtLabels reads the label files that have changed, has what they list spared, and says what is wrong with them, once. It
// tells whether their lists changed.
func (a *Agent) lookAtLabels() (changed bool) {
	before := a.labels.Troubles()
	changed = a.labels.Refresh()
	a.tellOfLabels(before, a.labels.Troubles())
	if changed {
		a.own.Spare(own.Listed(a.labels.Lists()))
		a.renew()
		a.log.Info().Msg("label files were read")
	}
	return changed
}

// tellOfLabels says what is wrong with label files that was not before.
func (a *Agent) tellOfLabels(before, now []labels.Trouble) {
	for _, t := range now {
		if !slices.ContainsFunc(before, func(b labels.Trouble) bool { return b.What == t.What }) {
			a.log.Warn().Str("file", t.File).Msg(t.What + ". " + t.Remedy)
		}
	}
}

// labelTroubles is what is wrong with the label files, and what of those of mode block is left out.
func (a *Agent) labelTroubles() []labels.Trouble {
	if left := a.leftOut.Load(); left != nil {
		return slices.Concat(a.labels.Troubles(), *left)
	}
	return a.labels.Troubles()
}

// LeftOut says what the label files of mode block list that may never be blocked.
func LeftOut(lists *labels.Lists, guard listing.Guard) (troubles []labels.Trouble) {
	for _, f := range listing.Wanted(lists, guard) {
		if t, is := f.Trouble(); is {
			troubles = append(troubles, t)
		}
	}
	return troubles
}

// Listed gives what label files of mode block list and may be blocked.
func Listed(ctx context.Context, cfg *config.Config, guard listing.Guard) (all []netip.Prefix) {
	set, _ := Labels(ctx, cfg, nil) // without a store nothing can fail
	for _, f := range listing.Wanted(set.Lists(), guard) {
		all = append(all, f.Allowed...)
	}
	return all
}

// listedRetry is how soon what label files list is tried again that the store did not take.
const listedRetry = 10 * time.Second

// blockListed has blocked what label files of mode block list, whenever they or the guard changed, until ctx ends.
func (a *Agent) blockListed(ctx context.Context, st *store.Store, f *feed) error {
	keeper, wait := listing.New(st, a.now), time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.relist:
		case <-wait.C:
		}
		next := labels.Every
		if err := a.blockListedOnce(ctx, keeper, f); err != nil {
			// The feed, which asks the same store every second, says that it is away.
			a.log.Debug().Err(err).Msg("cannot store what label files list; retrying")
			next = listedRetry
		}
		wait.Reset(next)
	}
}

func (a *Agent) blockListedOnce(ctx context.Context, keeper *listing.Keeper, f *feed) error {
	before := keeper.Troubles()
	changes, err := keeper.Sync(ctx, a.labels.Lists(), a.guard.Load())
	for _, c := range changes {
		a.log.Info().Str("file", c.File.Path).Str("label", c.File.Label).Int("blocked", c.Blocked).Int("released", c.Released).Msg("the blacklist follows a label file")
		f.wakeup.Wake()
	}
	left := keeper.Troubles()
	a.leftOut.Store(&left)
	a.tellOfLabels(before, left)
	return err
}
