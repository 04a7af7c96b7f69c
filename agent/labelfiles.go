package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"activedefense/agent/labels"
	"activedefense/config"
	"activedefense/detect"
)

// Labels are the label files of the configuration, read now; of one that is gone, what a daemon kept of it. What is wrong
// with them are its troubles.
func Labels(cfg *config.Config) *labels.Set {
	set := labels.New(labels.Options{Files: labelFiles(cfg), Now: time.Now, Copies: labelCopies{dir: labelDir(cfg), readOnly: true}})
	set.Restore()
	set.Refresh()
	return set
}

func labelFiles(cfg *config.Config) []labels.File {
	files := make([]labels.File, len(cfg.Labels))
	for i, l := range cfg.Labels {
		mode, _ := labels.ParseMode(l.Mode) // the configuration was validated
		files[i] = labels.File{Path: l.File, Label: l.Label, Mode: mode}
	}
	return files
}

// labelDir is where the copies of label files are.
func labelDir(cfg *config.Config) string { return filepath.Join(cfg.StateDir, "labels") }

// labelCopies are the copies of label files in the state folder, which outlive a restart.
type labelCopies struct {
	dir      string
	readOnly bool // of a command beside a daemon
}

// path is that of the copy of a file.
func (c labelCopies) path(file string) string {
	sum := sha256.Sum256([]byte(file))
	return filepath.Join(c.dir, hex.EncodeToString(sum[:8])+".txt")
}

func (c labelCopies) Save(file string, entries []byte) error {
	if c.readOnly {
		return nil
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	return writeDurably(c.path(file), entries, (*os.File).Sync)
}

func (c labelCopies) Load(file string) ([]byte, error) { return os.ReadFile(c.path(file)) }

// neverListed is what files list as never to be blocked.
func neverListed(lists *labels.Lists) []detect.Own {
	entries := lists.Entries(labels.Never)
	own := make([]detect.Own, len(entries))
	what, last := "", labels.Entry{}
	for i, e := range entries {
		if e.File != last.File || i == 0 {
			what, last = fmt.Sprintf("listed as %q in %s", e.Label, e.File), e
		}
		own[i] = detect.Own{Prefix: e.Network, What: what}
	}
	return own
}

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

// lookAtLabels reads the label files that have changed, and says what is wrong with them, once. It tells whether their lists
// changed.
func (a *Agent) lookAtLabels(files *labels.Set) (changed bool) {
	before := files.Troubles()
	changed = files.Refresh()
	for _, t := range files.Troubles() {
		if !slices.ContainsFunc(before, func(b labels.Trouble) bool { return b.What == t.What }) {
			a.log.Warn().Str("file", t.File).Msg(t.What + "; " + t.Remedy)
		}
	}
	if changed {
		a.log.Info().Int("never", len(files.Lists().Entries(labels.Never))).Msg("label files were read")
	}
	return changed
}
