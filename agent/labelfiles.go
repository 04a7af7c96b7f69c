package agent

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"activedefense/agent/labels"
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
	write := func(path string, data []byte) error { return writeDurably(path, data, (*os.File).Sync) }
	set := labels.New(labels.Options{Files: own.LabelFiles(a.cfg), Now: a.now, Copies: labels.Folder{Dir: labelDir(a.cfg), Write: write}, Blocked: a.blocked})
	set.Restore()
	return set
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
	for _, t := range a.labels.Troubles() {
		if !slices.ContainsFunc(before, func(b labels.Trouble) bool { return b.What == t.What }) {
			a.log.Warn().Str("file", t.File).Msg(t.What + "; " + t.Remedy)
		}
	}
	if changed {
		a.own.Spare(own.Listed(a.labels.Lists()))
		a.renew()
		a.log.Info().Msg("label files were read: their lists have changed")
	}
	return changed
}
