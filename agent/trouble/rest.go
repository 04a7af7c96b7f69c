package trouble

import (
	"fmt"
	"time"

	"activedefense/agent/display"
	"activedefense/agent/enforce"
	"activedefense/agent/line"
	"activedefense/agent/notify"
)

// noAnswer tells a store that does not answer, of which the calls themselves have not said so yet.
const noAnswer = "no answer"

// Store is what a person should see to about a store that is away, or unanswered: a call has not ended for long; a nil since: neither.
func Store(since *time.Time, text string, unanswered bool) []Trouble {
	if since == nil {
		return nil
	}
	if unanswered {
		return []Trouble{{Since: *since, Of: noAnswer, What: "store: it gives " + text + ", and nobody is newly blocked meanwhile",
			Remedy: "Look whether the database hangs, is overloaded, or is locked by another program, and at its disk; no line is lost"}}
	}
	return []Trouble{{Since: *since, What: "store: it is away, and nothing is read and nobody newly blocked until it is back: " + text,
		Remedy: "Look at the database or the disk; it is tried again by itself, and no line is lost"}}
}

// StateDir is what a person should see to about a disk that has not answered a write below state_dir, named by its path, since then; "": it has
// answered all.
func StateDir(path string, since, now time.Time) []Trouble {
	if path == "" {
		return nil
	}
	return []Trouble{{Since: since, What: fmt.Sprintf("state_dir: the disk has not answered a write of %s for %s, and what is kept for the next start grows old", path, now.Sub(since).Round(time.Second)),
		Remedy: "Look whether that disk hangs or is frozen (journalctl -k; fsfreeze --unfreeze), and end that; what waits is written by itself then. A restart before would wait for it, or serve the list as it was last saved"}}
}

// Releases is what a person should see to about releases that wait; an empty why: they do not.
func Releases(why string, since, now time.Time) []Trouble {
	if why == "" || now.Sub(since) < time.Minute { // as a rotation takes
		return nil
	}
	return []Trouble{{Since: since, What: "releases: nobody is found quiet while activity may go unseen: " + why, Remedy: "Bring the log files back, or see that they can be read; without them it ends after a day"}}
}

// mostElsewhere is the share of refused records to addresses that are not ours from which on one of our networks is missing.
const mostElsewhere = 0.1

// leastElsewhere is how many refused records there must be for it to be a trouble that none is to one of ours: as many as a scan has.
const leastElsewhere = 10

// neverSaid is when it is a trouble that a firewall has never said what is ours: so long detection waits for it.
const neverSaid = time.Minute

// Networks is what a person should see to about what is known to be ours.
func Networks(d *line.DetectStatus, known bool, asked []enforce.AskStatus, started, now time.Time) (troubles []Trouble) {
	const remedy = "Name the missing network in networks.own: of the network of an interface that faces the internet the own address alone is taken as ours without it; activedefense status --all lists what is"
	_, elsewhere, ok := d.Shares()
	switch {
	case !known:
	case d.Refused >= leastElsewhere && d.Elsewhere == d.Refused:
		troubles = append(troubles, Trouble{Since: started, What: fmt.Sprintf("networks: not one of the %d refused records has an end that is ours, and none of them counts: nothing is detected", d.Refused), Remedy: remedy})
	case ok && elsewhere > mostElsewhere:
		troubles = append(troubles, Trouble{Since: started, What: fmt.Sprintf("networks: in %.0f %% of the refused records neither end is ours, and they count for nothing", 100*elsewhere),
			Remedy: remedy})
	}
	for _, a := range asked {
		if a.AskedAt == nil && a.Error != "" && now.Sub(started) >= neverSaid {
			troubles = append(troubles, Trouble{Since: started, Of: a.Firewall, What: fmt.Sprintf("networks: %s has never said which addresses are ours: %s", a.Firewall, a.Error),
				Remedy: "See that it can be reached and the key may read its configuration, or name what is yours in networks.own"})
		}
		for _, t := range a.Troubles {
			troubles = append(troubles, Trouble{Of: a.Firewall + "\x00" + t.What, What: "networks: " + a.Firewall + ": " + t.What, Remedy: t.Remedy})
		}
	}
	return troubles
}

// Paused is that enforcement is paused by a person.
func Paused(since, until time.Time, by, reason string) Trouble {
	return Trouble{Since: since, What: "paused: nothing is enforced, on firewalls and list, until " + display.LocalTime(until) + " (" + by + ": " + reason + ")",
		Remedy: "It comes back by itself; activedefense blacklist resume ends it now"}
}

const (
	untakenAfter = 10 * time.Minute // when it is a trouble that a receiver takes no notices
	givenUpFor   = 24 * time.Hour   // how long it is one that a notice was given up
)

func wereGiven(n uint64) string {
	if n == 1 {
		return "one was"
	}
	return fmt.Sprint(n, " were")
}

// Notices is what a person should see to about those who are told.
func Notices(receivers []notify.Status, now time.Time) (troubles []Trouble) {
	for _, r := range receivers {
		if r.Since != nil && now.Sub(*r.Since) >= untakenAfter {
			troubles = append(troubles, Trouble{Since: *r.Since, Of: r.Receiver, What: fmt.Sprintf("notices: %s does not take them, and %d wait: %s", r.Receiver, r.Waiting, r.Error),
				Remedy: "Nothing is lost, and it is tried again by itself; activedefense notify test " + r.Receiver + " tries it now, from the configuration as it is"})
		}
		if r.GivenUpAt != nil && now.Sub(*r.GivenUpAt) < givenUpFor {
			troubles = append(troubles, Trouble{Since: *r.GivenUpAt, Of: r.Receiver + " given up", What: fmt.Sprintf("notices: %s refuses what some of them say, in any form, and %s given up", r.Receiver, wereGiven(r.GivenUp)),
				Remedy: "The log names each, and why; activedefense blacklist history has who was blocked. See what filter lies before the receiver"})
		}
	}
	return troubles
}
