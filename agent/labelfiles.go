package agent

import (
	"time"

	"activedefense/agent/labels"
	"activedefense/config"
)

// Labels are the label files of the configuration, read now. What is wrong with them are its troubles.
func Labels(cfg *config.Config) *labels.Set {
	files := make([]labels.File, len(cfg.Labels))
	for i, l := range cfg.Labels {
		mode, _ := labels.ParseMode(l.Mode) // the configuration was validated
		files[i] = labels.File{Path: l.File, Label: l.Label, Mode: mode}
	}
	set := labels.New(files, time.Now, nil)
	set.Refresh()
	return set
}
