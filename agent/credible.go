package agent

import (
	"time"

	"activedefense/config"
)

// believed is the time as far as it can be believed, by what was read until now.
func (a *Agent) believed() time.Time {
	a.clock.Heard(a.stats.LastEvents())
	return a.clock.Time()
}

// ahead is by how much this host's clock is ahead of that.
func (a *Agent) ahead() time.Duration {
	by, _ := a.clock.Ahead()
	return max(by, 0)
}

// defaultPercent is the largest share of the list that is released at once for being quiet, without firewalls.
const defaultPercent = 30

// releasePercent is that share: the largest that a firewall may lose at once, for it shows the same list.
func releasePercent(cfg *config.Config) (percent int) {
	for _, fw := range cfg.Firewalls {
		percent = max(percent, fw.MaxRemovalPercent)
	}
	if percent == 0 {
		return defaultPercent
	}
	return percent
}
