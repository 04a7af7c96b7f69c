package panosim

import "fmt"

// Commit has an administrator commit everything that is pending, at once. The error has the lines of the job that
// failed.
func (s *Sim) Commit(admin string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.listJobLocked("Commit", admin)
	j.started = j.queued
	for _, e := range s.config.journal {
		e.mark.gone = true
	}
	s.config.journal = nil
	s.setRunningLocked(s.candidateLocked())
	j.endLocked(jobResult{ok: true, details: []string{"Configuration committed successfully"}}, j.queued)
	if !j.ok {
		return fmt.Errorf("commit by %s failed: %v", admin, j.details)
	}
	return nil
}
