package panosim

import (
	"slices"
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

func (s *Sim) logLocked(severity, subtype, text string) {
	if len(s.syslog) == maxLog {
		s.syslog = slices.Delete(s.syslog, 0, 1)
	}
	s.syslog = append(s.syslog, LogLine{Time: s.opts.Now(), Severity: severity, Subtype: subtype, Text: text})
}

// SystemLog gives the lines of the system log, oldest first; at most the last thousand.
func (s *Sim) SystemLog() []LogLine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.syslog)
}
