package panosim

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Job is a job of the firewall, as an operator sees it.
type Job struct {
	ID      int
	Type    string // Commit, Validate, EDLRefresh, ...
	User    string
	Status  string // PEND, ACT, FIN
	Result  string // PEND, OK, FAIL
	Details []string
	Queued  time.Time
	Ended   time.Time // zero: it has not
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

	takes  time.Duration    // by the firewall's clock, of a job whose time the list keeps
	finish func() jobResult // carries such a job out when its time is over, with the lock held; nil: see addJobLocked
}

// jobResult is how a job ended.
type jobResult struct {
	ok       bool
	details  []string
	warnings []string
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
		if j.ended.IsZero() {
			j.endLocked(result, s.opts.Now())
		}
	})
	return j
}

// listJobLocked makes a job with the next number.
func (s *Sim) listJobLocked(kind, user string) *job {
	s.jobs.last++
	j := &job{id: s.jobs.last, kind: kind, user: user, queued: s.opts.Now()}
	s.jobs.list = append(s.jobs.list, j)
	return j
}

func (j *job) endLocked(r jobResult, now time.Time) {
	j.ended, j.ok, j.details, j.warnings = now, r.ok, r.details, r.warnings
}

// jobList is the list of jobs, oldest first.
type jobList struct {
	list []*job
	last int // number of the newest
}

// Jobs gives the list of jobs, oldest first.
func (s *Sim) Jobs() []Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	out := make([]Job, len(s.jobs.list))
	for i, j := range s.jobs.list {
		status, result := j.state()
		out[i] = Job{
			ID: j.id, Type: j.kind, User: j.user, Status: status, Result: result,
			Details: append([]string(nil), j.details...), Queued: j.queued, Ended: j.ended,
		}
	}
	return out
}

// runJobsLocked carries out what is due.
func (s *Sim) runJobsLocked() {}

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

// failJobsLocked ends every job that has not ended, as a restart of the daemon that runs them does.
func (s *Sim) failJobsLocked(reason string) {
	for _, j := range s.jobs.list {
		if j.ended.IsZero() {
			j.lost = true
			j.started = j.queued
			j.endLocked(jobResult{details: []string{reason}}, s.opts.Now())
		}
	}
}

// showJobs answers "show jobs all" and "show jobs id".
func (s *Sim) showJobs(_ *call, what *element) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runJobsLocked()
	var b strings.Builder
	b.WriteString("<result>")
	id := what.value("id")
	for _, j := range s.jobs.list {
		if id == "" || id == strconv.Itoa(j.id) {
			j.write(&b)
		}
	}
	b.WriteString("</result>")
	return success(b.String())
}

// write appends the job as a firewall shows it.
func (j *job) write(b *strings.Builder) {
	status, result := j.state()
	fmt.Fprintf(b, `<job><tenq>%s</tenq><id>%d</id><user>%s</user><type>%s</type><status>%s</status><result>%s</result>`,
		j.queued.Format(configTime), j.id, escape(j.user), j.kind, status, result)
	progress := 0
	if status == "FIN" {
		progress = 100
	}
	fmt.Fprintf(b, "<progress>%d</progress><details>", progress)
	for _, line := range j.details {
		fmt.Fprintf(b, "<line>%s</line>", escape(line))
	}
	b.WriteString("</details></job>")
}
