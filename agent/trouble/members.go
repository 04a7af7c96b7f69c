package trouble

import (
	"fmt"
	"time"

	"activedefense/agent/members"
)

// Members is what a person should see to about the other agents on the database.
func Members(all []members.Status, now time.Time) (troubles []Trouble) {
	for i := range all {
		m := &all[i]
		switch {
		case m.Self || m.State != members.Silent && now.Sub(m.Since) < time.Minute: // as a restart takes
		case m.State == members.Silent:
			troubles = append(troubles, Trouble{Since: m.Since, Of: m.Name, What: fmt.Sprintf("members: agent %s on %s has given no sign of life: nobody is released for being quiet, because it may have logs to read", m.Name, m.Host),
				Remedy: "Start it; or, if it is gone for good, " + m.Forget() + ", which ends the wait, and no longer guards what it alone never blocked"})
		case m.State == members.Behind:
			troubles = append(troubles, Trouble{Since: m.Since, Of: m.Name, What: fmt.Sprintf("members: agent %s on %s is behind: nobody is released for being quiet until it has read its logs: %s", m.Name, m.Host, m.Behind),
				Remedy: "It goes on by itself; activedefense status on that host says what keeps it"})
		}
	}
	return troubles
}
