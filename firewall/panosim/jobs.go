package panosim

import (
	"context"
	"slices"
	"time"
)

// Job is a job of the firewall, as an operator sees it.
type Job struct {
	ID       int
	Type     string // Commit, Validate, EDLRefresh, ...
	User     string
	Status   string // PEND, ACT, FIN
	Result   string // PEND, OK, FAIL
	Details  []string
	Warnings []string
	Queued   time.Time
	Ended    time.Time // zero: it has not
}

// job is one entry of the list of jobs.
type job struct {
	id          int
	kind        string // as it is shown: Commit, EDLRefresh
	user        string
	description string
	queued      time.Time
	started     time.Time // zero: it waits
	ended       time.Time // zero: it has not
	ok          bool
	lost        bool // ended by a restart of the daemon that runs jobs: shown as Failed-Job
	details     []string
	warnings    []string

	// finish carries a job of the queue out when takes, by the firewall's clock, is over since it was started, with
	// the lock held. Nil: the job runs beside the queue.
	finish func() jobResult
	takes  time.Duration
}

// jobResult is how a job ended.
type jobResult struct {
	ok       bool
	details  []string
	warnings []string
}

// jobList is the list of jobs, oldest first. Those that have finish run one after the other, in its order.
type jobList struct {
	list []*job
	last int  // number of the newest
	busy bool // one is being carried out
}

// maxJobs bounds the list; the oldest that have ended go first.
const maxJobs = 200

// addJobLocked puts a job into the list that runs at once, beside all others, in a goroutine of its own and without
// the lock. The job ends with what run returns, which must heed the context: it ends when the firewall closes.
func (s *Sim) addJobLocked(kind, user string, run func(context.Context) jobResult) *job {
	j := s.listJobLocked(kind, user)
	j.started = j.queued
	if s.closed {
		return j
	}
	s.running.Go(func() {
		result := run(s.life)
		s.mu.Lock()
		defer s.mu.Unlock()
		j.endLocked(result, s.opts.Now())
	})
	return j
}

// AddJob puts a job into the list that has nothing to do with the client (an Install keeps commits out), and gives
// the function that ends it, with the lines of its details.
func (s *Sim) AddJob(kind, user string) (end func(ok bool, details ...string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.listJobLocked(kind, user)
	j.started = j.queued
	return func(ok bool, details ...string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		j.endLocked(jobResult{ok: ok, details: details}, s.opts.Now())
	}
}

// listJobLocked makes a job with the next number.
func (s *Sim) listJobLocked(kind, user string) *job {
	if len(s.jobs.list) >= maxJobs {
		if i := slices.IndexFunc(s.jobs.list, func(j *job) bool { return !j.ended.IsZero() }); i >= 0 {
			s.jobs.list = slices.Delete(s.jobs.list, i, i+1)
		}
	}
	s.jobs.last++
	j := &job{id: s.jobs.last, kind: kind, user: user, queued: s.opts.Now()}
	s.jobs.list = append(s.jobs.list, j)
	return j
}

// endLocked ends the job, unless it has: a restart may have been first.
func (j *job) endLocked(r jobResult, now time.Time) {
	if j.ended.IsZero() {
		j.ended, j.ok, j.details, j.warnings = now, r.ok, r.details, r.warnings
	}
}

// runJobsLocked carries out what is due of the queue. A job that has ended makes way for the next at the moment at
// which its time was over, so it does not matter how often anybody looks.
func (s *Sim) runJobsLocked() {
	if s.jobs.busy {
		return // asked by what is called when a commit has ended
	}
	s.jobs.busy = true
	defer func() { s.jobs.busy = false }()
	now := s.opts.Now()
	for _, j := range slices.Clone(s.jobs.list) {
		if j.finish == nil || !j.ended.IsZero() {
			continue
		}
		over := j.started.Add(j.takes)
		if over.After(now) {
			return
		}
		result := j.finish()
		j.endLocked(result, over)
		s.startJobsLocked(over)
	}
}

// startJobsLocked starts the first job of the queue, unless one runs.
func (s *Sim) startJobsLocked(now time.Time) {
	if j := s.commitBusyLocked(); j != nil && j.started.IsZero() {
		j.started = now
	}
}

// Jobs gives the list of jobs, oldest first; at most the last two hundred.
func (s *Sim) Jobs() []Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	out := make([]Job, len(s.jobs.list))
	for i, j := range s.jobs.list {
		status, result := j.state()
		out[i] = Job{
			ID: j.id, Type: j.kind, User: j.user, Status: status, Result: result, Queued: j.queued, Ended: j.ended,
			Details: slices.Clone(j.details), Warnings: slices.Clone(j.warnings),
		}
	}
	return out
}

// state gives status and result as the firewall writes them.
func (j *job) state() (status, result string) {
	switch {
	case j.started.IsZero():
		return "PEND", "PEND"
	case j.ended.IsZero():
		return "ACT", "PEND"
	case j.ok:
		return "FIN", "OK"
	}
	return "FIN", "FAIL"
}

// failJobsLocked ends every job that has not ended, as a restart of the daemon that runs them does. What a commit
// was to publish stays pending.
func (s *Sim) failJobsLocked(reason string) {
	now := s.opts.Now()
	for _, j := range s.jobs.list {
		if !j.ended.IsZero() {
			continue
		}
		j.lost = true
		j.endLocked(jobResult{details: []string{reason}}, now)
	}
	for _, e := range s.config.journal {
		e.queued = false
	}
}
