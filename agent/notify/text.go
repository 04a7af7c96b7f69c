package notify

import (
	"crypto/rand"
	"strings"
	"time"

	"activedefense/agent/display"
	"activedefense/store"
)

// subject tells of a notice in one line.
func subject(n *store.Notice) string {
	text := n.Subject
	if text == "" {
		text = n.Address
		switch n.Event {
		case store.EventBlock:
			text += " is blocked"
		case store.EventHeld:
			text += " is held until somebody accepts it"
		case store.EventReleased:
			text += " was released"
		}
		if n.By != "" && n.By != store.ByDetector {
			text += " by " + n.By
		} else if n.Rule != "" {
			text += ": " + n.Rule
		}
	}
	return clip(display.Harmless(text), 300)
}

// undo are the commands by which a person takes it back, or decides.
func undo(n *store.Notice) []string {
	if n.Address == "" {
		return nil
	}
	switch n.Event {
	case store.EventBlock:
		return []string{`activedefense blacklist remove ` + n.Address + ` --reason "..."`}
	case store.EventHeld:
		return []string{"activedefense blacklist accept " + n.Address, `activedefense blacklist remove ` + n.Address + ` --reason "..."`}
	case store.EventReleased:
		again := `activedefense blacklist add ` + n.Address + ` --reason "..."`
		if n.Allowed != "" { // as long as it is on the allow-list it cannot be blocked
			again = "activedefense allow remove " + n.Allowed + " && " + again
		}
		return []string{again}
	}
	return nil
}

// why is the reason of a notice in words.
func why(n *store.Notice) string {
	var parts []string
	for _, part := range []string{n.Reason, n.Hold, n.Remedy} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return clip(display.Harmless(strings.Join(parts, "; ")), 1000)
}

// testNotice says that it is a test.
func testNotice(agent string, now time.Time) store.Notice {
	return store.Notice{ID: rand.Text(), Event: "notice", Time: now, Stands: 1, Subject: "this is a test from Active Defense on " + agent, Remedy: "nothing is to be done"}
}
