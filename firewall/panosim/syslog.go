package panosim

import (
	"slices"
	"sync"
	"time"
)

// LogLine is a line of the firewall's system log.
type LogLine struct {
	Time     time.Time
	Severity string
	Subtype  string
	Text     string
}

// maxLog bounds the system log; the oldest lines go first.
const maxLog = 1000

// systemLog is the firewall's system log. Its methods may be called from any goroutine.
type systemLog struct {
	now func() time.Time

	mu    sync.Mutex
	lines []LogLine
}

// newSystemLog makes an empty one, with the firewall's clock.
func newSystemLog(now func() time.Time) *systemLog { return &systemLog{now: now} }

// Write adds a line.
func (l *systemLog) Write(severity, subtype, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == maxLog {
		l.lines = slices.Delete(l.lines, 0, 1)
	}
	l.lines = append(l.lines, LogLine{Time: l.now(), Severity: severity, Subtype: subtype, Text: text})
}

// Lines gives the lines, oldest first; at most the last thousand.
func (l *systemLog) Lines() []LogLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}
