// Package trouble says what a person should see to, from what the parts of the program say of themselves: since when, in one sentence,
// and what to do. It looks at nothing itself, and has no clock.
package trouble

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Trouble is something that a person should see to.
type Trouble struct {
	Since  time.Time `json:"since"` // when it began, or was first noticed
	What   string    `json:"what"`  // one plain sentence without a full stop; most begin with a kind and a colon
	Remedy string    `json:"remedy"`
	// Of tells it from others of its kind, however What changes: a firewall, a file. It is not told.
	Of string `json:"-"`
}

// kinds are what What may begin with, the worst first: what stops detection, what stops blocking, what makes either worse, what only may.
var kinds = []string{"store", "state_dir", "input", "paused", "list", "certificate", "key-expiry", "firewall-down", "input-silent", "lag", "logins", "clock", "releases", "members", "capacity", "refused", "strays", "brake",
	"verify-failed", "tokens", "notices", "networks", "list-unfetched", "times", "reload-refused"}

// Kind is what the sentence begins with; "" where it has none.
func (t *Trouble) Kind() string {
	if kind, _, found := strings.Cut(t.What, ": "); found && slices.Contains(kinds, kind) {
		return kind
	}
	return ""
}

func (t *Trouble) key() string { return t.Kind() + "\x00" + t.Of }

// Key tells a trouble from others for as long as it lasts, over restarts too.
func (t *Trouble) Key() string {
	of := t.Of
	switch {
	case t.Kind() == "store": // one that gives no answer becomes one that is away
		of = ""
	case t.Kind() == "" && of == "":
		of = t.What
	}
	return t.Kind() + "|" + of
}

// Sort puts the worst first, and of those that are alike the one that has lasted longest.
func Sort(all []Trouble) {
	rank := func(t *Trouble) int {
		if i := slices.Index(kinds, t.Kind()); i >= 0 {
			return i
		}
		return len(kinds)
	}
	slices.SortStableFunc(all, func(a, b Trouble) int { return cmp.Or(cmp.Compare(rank(&a), rank(&b)), a.Since.Compare(b.Since)) })
}

// A Memory knows when a trouble was first noticed of which nothing else says since when it lasts. The zero value knows of none.
type Memory struct {
	mu    sync.Mutex
	since map[string]time.Time
}

// Date gives those without a time the one at which they were first noticed, and forgets those that are no more.
func (m *Memory) Date(all []Trouble, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	since := make(map[string]time.Time)
	for i := range all {
		t := &all[i]
		if !t.Since.IsZero() {
			continue
		}
		t.Since = now
		if first, known := m.since[t.key()]; known {
			t.Since = first
		}
		since[t.key()] = t.Since
	}
	m.since = since
}

// Continue goes on with what another one knows.
func (m *Memory) Continue(former *Memory) {
	former.mu.Lock()
	defer former.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.since = former.since
}

// News tells what to log of troubles that nothing else logs: those that have begun, and those that are over. The zero value has told
// of none. It is for one goroutine.
type News struct {
	told map[string]Trouble
}

// Of gives what has begun since it was last asked, and what is over since.
func (n *News) Of(all []Trouble) (begun, over []Trouble) {
	now := make(map[string]Trouble)
	for _, t := range all {
		if k := t.Kind(); k != "input-silent" && k != "firewall-down" && k != "state_dir" && t.Of != noAnswer {
			continue
		}
		now[t.key()] = t
		if _, told := n.told[t.key()]; !told {
			begun = append(begun, t)
		}
	}
	for key, t := range n.told {
		failed := t.Of == noAnswer && slices.ContainsFunc(all, func(t Trouble) bool { return t.Kind() == "store" }) // which is no end of it, and logged
		if _, still := now[key]; !still && !failed {
			over = append(over, t)
		}
	}
	Sort(over)
	n.told = now
	return begun, over
}
