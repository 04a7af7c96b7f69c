package own

import (
	"fmt"

	"activedefense/agent/labels"
	"activedefense/config"
	"activedefense/detect"
)

// LabelFiles are those of a configuration.
func LabelFiles(cfg *config.Config) []labels.File {
	files := make([]labels.File, len(cfg.Labels))
	for i, l := range cfg.Labels {
		mode, _ := labels.ParseMode(l.Mode) // the configuration was validated
		files[i] = labels.File{Path: l.File, Label: l.Label, Mode: mode}
	}
	return files
}

// Listed is what label files list as never to be blocked, for Spare.
func Listed(lists *labels.Lists) []detect.Own {
	entries := lists.Entries(labels.Never)
	own := make([]detect.Own, len(entries))
	what := "" // one text for all entries of a file
	for i, e := range entries {
		if i == 0 || e.File != entries[i-1].File {
			what = fmt.Sprintf("listed as %q in %s", e.Label, e.File)
		}
		own[i] = detect.Own{Prefix: e.Network, What: what}
	}
	return own
}
