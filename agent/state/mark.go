package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"activedefense/agent/durable"
	"activedefense/store"
)

// MarkFile, in the state folder, says how far the database was. Without it any database is taken.
const MarkFile = "database.json"

// LatestFile, beside it, says how far it was a second ago. It counts until this host starts again: a program that is killed costs a
// database nothing, a power cut may cost SQLite its last commits.
const LatestFile = "database.now"

// bootID names this run of the host; "" where it cannot be told.
var bootID = sync.OnceValue(func() string {
	data, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(data))
})

// A mark is how far a database was when it was last known.
type mark struct {
	Version int64  `json:"version"` // of the blacklist
	Changed int64  `json:"changed"` // see store.Progress; 0: an earlier version wrote it
	Agent   string `json:"agent"`   // the name of this agent in it, and
	Batch   int64  `json:"batch"`   // the number of its last commit: another database knows neither
	// Seen is when that was, as far as this host's clock could be believed.
	Seen time.Time `json:"seen,omitzero"`
	// Trail is the last entry of the audit trail: another database, or one that only has come as far, does not hold it.
	Trail store.Trail `json:"trail,omitzero"`
	// Refused: a database that is behind was found, and none is taken but the one that was, or one that a person accepts.
	Refused bool `json:"refused,omitempty"`
	// Accepted: a person takes the database that has come this far, and has this identity; empty: there was none.
	Accepted bool `json:"accepted,omitempty"`
	// Identity is that of the database. Of one that is not accepted it counts only where another one is Refused.
	Identity string `json:"identity,omitempty"`
	// Boot, of LatestFile, is the run of the host in which it was so, and Of the Seen of the mark beside it: with another, from a backup,
	// it does not count. Was is the Seen of the mark before, while that beside it is being written.
	Boot string    `json:"boot,omitempty"`
	Of   time.Time `json:"of,omitzero"`
	Was  time.Time `json:"was,omitzero"`
}

// beyondProof is an entry of the audit trail that no database holds.
var beyondProof = store.Trail{ID: -1}

// least is how far, at least, the database has to be of which this is known, by the file that says what was so last: what that says, where it
// belongs to this and counts; again: that is of this run of the host.
func (known mark) least(latestPath string) (least, latest mark, again bool) {
	least = known
	latest, _ = readMark(latestPath) // a power cut may have left it damaged
	if latest.Boot == "" || !latest.Of.Equal(known.Seen) && (latest.Was.IsZero() || !latest.Was.Equal(known.Seen)) {
		latest = mark{}
	}
	again = latest.Boot == bootID()
	if again && known.Agent != "" && !known.Accepted && !known.Refused && known.behind(latest) {
		least = latest
	}
	return least, latest, again
}

// behind tells whether a database that is here can not have been there. The batches of an agent with another name say
// nothing: the state folder was renewed.
func (here mark) behind(there mark) bool {
	return here.Version < there.Version || here.Changed < there.Changed || here.Agent == there.Agent && here.Batch < there.Batch
}

// elsewhere tells whether a database with this identity is not the one that was when another was refused.
func (m mark) elsewhere(id string) bool {
	return m.Refused && !m.Accepted && m.Identity != "" && id != "" && m.Identity != id
}

// readMark gives the mark of an earlier run; the zero mark, behind which nothing can be, if there is none.
func readMark(path string) (known mark, err error) {
	data, err := durable.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return mark{}, nil
	case err != nil:
		return mark{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if err := json.Unmarshal(data, &known); err != nil {
		return mark{}, fmt.Errorf("%w: %s is damaged: %w", ErrUnknown, path, err)
	}
	if known.Agent == "" && !known.Accepted { // whoever writes it says one of them
		return mark{}, fmt.Errorf("%w: %s is damaged: it names no agent", ErrUnknown, path)
	}
	return known, nil
}
