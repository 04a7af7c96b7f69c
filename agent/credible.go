package agent

import (
	"fmt"
	"time"

	"activedefense/agent/clock"
	"activedefense/agent/trouble"
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

// clockTrouble is what a person should see to about this host's clock.
func clockTrouble(c *clock.Clock) (t trouble.Trouble, is bool) {
	switch by, since := c.Ahead(); {
	case by > 0:
		return trouble.Trouble{Since: since, What: fmt.Sprintf("clock: this host's clock is %s ahead of the time that has passed since it was last seen right, and log lines have not said the same for ten minutes: nobody is found quiet, and no record too old, by it",
			by.Round(time.Second)), Remedy: "Look at the clock (timedatectl, chronyc tracking); if it is right, as after a stop of more than an hour, this ends by itself up to 20 minutes after all logs were read, while firewalls log (where one of several alone does, after up to two hours)"}, true
	case by < 0:
		return trouble.Trouble{Since: since, What: fmt.Sprintf("clock: this host's clock was set back by %s: releases come that much later", -by.Round(time.Second)),
			Remedy: "Look at the clock (timedatectl, chronyc tracking); if it is right, reload the configuration"}, true
	}
	return t, false
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
