package agent

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"activedefense/agent/labels"
	"activedefense/agent/own"
	"activedefense/config"
)

// Labels are the label files of the configuration, read now; of one that is gone, what a daemon kept of it. What is wrong
// with them are its troubles.
func Labels(cfg *config.Config) *labels.Set {
	set := labels.New(labels.Options{Files: own.LabelFiles(cfg), Now: time.Now, Copies: labels.Folder{Dir: labelDir(cfg)}})
	set.Restore()
	set.Refresh()
	return set
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
