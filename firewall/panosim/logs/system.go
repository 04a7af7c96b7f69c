package logs

import (
	"slices"
	"sync"
	"time"
)

// SystemLine is a line of the firewall's system log.
type SystemLine struct {
	Time     time.Time
	Severity string
	Subtype  string
	Text     string
}

// maxLog bounds the system log; the oldest lines go first.
const maxLog = 1000

// System is the firewall's system log. Its methods may be called from any goroutine.
type System struct {
	now func() time.Time

	mu    sync.Mutex
	lines []SystemLine
}

// NewSystem makes an empty one, with the firewall's clock.
func NewSystem(now func() time.Time) *System { return &System{now: now} }

// Write adds a line.
func (l *System) Write(severity, subtype, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == maxLog {
		l.lines = slices.Delete(l.lines, 0, 1)
	}
	l.lines = append(l.lines, SystemLine{Time: l.now(), Severity: severity, Subtype: subtype, Text: text})
}

// Lines gives the lines, oldest first; at most the last thousand.
func (l *System) Lines() []SystemLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}
