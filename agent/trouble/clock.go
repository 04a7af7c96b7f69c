package trouble

import (
	"fmt"
	"time"

	"activedefense/agent/clock"
)

// Clock is what a person should see to about this host's clock: it is ahead of what can be believed, below 0 behind, since when; later is by how much most
// firewalls log later events, or the database's server has a later time. What may be a wrong time zone is told by file, with the one that fits.
func Clock(by time.Duration, since time.Time, later time.Duration) []Trouble {
	switch {
	case by > 0:
		return []Trouble{{Since: since, What: fmt.Sprintf("clock: this host's clock is %s ahead of the time that has passed since it was last seen right, and log lines have not said the same for ten minutes: nobody is found quiet, and no record too old, by it",
			by.Round(time.Second)), Remedy: "Look at the clock (timedatectl, chronyc tracking); if it is right, as after a stop of more than an hour, this ends by itself up to 20 minutes after all logs were read, while firewalls log (where one of several alone does, after up to two hours)"}}
	case by < 0:
		return []Trouble{{Since: since, What: fmt.Sprintf("clock: this host's clock is %s behind what it was when it was last seen right, or what the database's server has: releases come that much later", -by.Round(time.Second)),
			Remedy: "Look at the clock (timedatectl, chronyc tracking); if it is right, reload the configuration"}}
	case later > clock.Zones:
		return []Trouble{{What: fmt.Sprintf("clock: log lines, or the database's server, are %s later than this host's clock: one of them is wrong; until it is known which, no record is removed for being of the future, and nobody released by the clock that is set",
			later.Round(time.Second)), Remedy: "Look at this host's clock first (timedatectl, chronyc tracking), then at those of who logs, and of the database's server"}}
	}
	return nil
}
