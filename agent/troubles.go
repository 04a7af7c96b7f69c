package agent

import (
	"fmt"
	"slices"
	"time"

	"github.com/dustin/go-humanize/english"

	"activedefense/agent/edl"
	"activedefense/agent/enforce"
	"activedefense/agent/state"
	"activedefense/config"
	"activedefense/firewall"
)

// unfetchedAfter is when a list that nobody has fetched since the start is a trouble: three turns of the shortest interval that
// PAN-OS has.
const unfetchedAfter = 15 * time.Minute

// A refusal is a reload that was refused.
type refusal struct {
	at     time.Time
	faults []string
}

// Refused notes that a new configuration was refused, and why; this one stays in use.
func (a *Agent) Refused(faults []string) { a.refused.Store(&refusal{a.now(), faults}) }

func (a *Agent) configuration() ConfigurationStatus {
	c := a.loaded
	if r := a.refused.Load(); r != nil {
		c.RefusedAt, c.Faults = &r.at, r.faults
	}
	return c
}

// refusedTrouble is what a person should see to about a reload that was refused.
func refusedTrouble(c *ConfigurationStatus) (t Trouble, is bool) {
	if c.RefusedAt == nil {
		return t, false
	}
	what := fmt.Sprintf("reload-refused: the configuration as it is now was refused, and the one loaded %s stays in use", c.LoadedAt.Format(time.RFC3339))
	if len(c.Faults) > 0 {
		what += ": " + c.Faults[0]
	}
	if n := len(c.Faults) - 1; n > 0 {
		what += fmt.Sprintf(" (and %d more)", n)
	}
	return Trouble{*c.RefusedAt, what, "activedefense check names every fault; then reload again"}, true
}

// boundTrouble is what a person should see to about the size of the database, and the disk; nil: nobody looks at them yet.
func boundTrouble(b *state.Bounder) (t Trouble, is bool) {
	if b == nil {
		return t, false
	}
	t.Since, t.What, t.Remedy = b.Trouble()
	return t, t.What != ""
}

// listTroubles are what a person should see to about those who fetch the list: a client that stopped, and, where a firewall blocks
// by the list alone, that nobody ever came.
func listTroubles(list *edl.Status, cfg *config.Config, up time.Duration, started time.Time) (troubles []Trouble) {
	const remedy = "Look on the firewall whether it reaches edl.url and trusts its certificate: request system external-list refresh type ip name NAME, then show jobs all; what has been switched off is forgotten after a week"
	for _, c := range list.Clients {
		if c.Stopped {
			troubles = append(troubles, Trouble{c.LastFetch,
				fmt.Sprintf("list-unfetched: %s fetched the list regularly and has stopped; if it is a firewall, it goes on with its last copy", c.Addr), remedy})
		}
	}
	byList := slices.ContainsFunc(cfg.Firewalls, func(fw config.Firewall) bool { return fw.Mode == firewall.ModeList })
	if byList && list.Loaded && list.Fetches == 0 && up >= unfetchedAfter {
		troubles = append(troubles, Trouble{started, "list-unfetched: nobody has fetched the list since the start, and a firewall of mode edl blocks by nothing else", remedy})
	}
	return troubles
}

// roomTroubles are what a person should see to about the room on the firewalls.
func roomTroubles(firewalls []enforce.Status) (troubles []Trouble) {
	for _, s := range firewalls {
		if s.FullSince == nil {
			continue
		}
		what := fmt.Sprintf("firewall %s is running out of room", s.Name)
		if s.Capacity > 0 {
			what += fmt.Sprintf(": %d of %d used (as %s says)", s.CapacityUsed, s.Capacity, s.CapacityFrom)
		}
		if s.LeftOut > 0 {
			what += ": " + english.Plural(s.LeftOut, "blocked source is", "blocked sources are") + " left out there, forgeable before proven, longest quiet first"
		}
		troubles = append(troubles, Trouble{*s.FullSince, what,
			"Shorten blacklist.release_after, have others release what they registered, name the list in the block rules too, or use a larger model"})
	}
	return troubles
}
