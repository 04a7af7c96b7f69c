package jobs

import (
	"context"
	"slices"
	"sync"
	"time"

	"activedefense/firewall/panosim/dialect"
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
	finish func() Result
	takes  time.Duration
}

// Result is how a job ended.
type Result struct {
	OK       bool
	Details  []string
	Warnings []string
}

// Options says what a list of jobs needs of its firewall.
type Options struct {
	Now     func() time.Time
	Version dialect.Version
	Dialect *dialect.Dialect // guarded by Lock
	Lock    sync.Locker      // guards the list; jobs beside the queue run without it, and take it to end
	// Go runs a function in a goroutine of its own, with a context that ends when the firewall closes; false: it is
	// closed already, and nothing was run.
	Go   func(func(context.Context)) bool
	Last int // number of the last job before
}

// List is the list of jobs, oldest first. Those of the queue run one after the other, in its order, when somebody
// asks; the others run at once, beside all others. The caller of every method holds JobOptions.Lock.
type List struct {
	o    Options
	list []*job
	last int  // number of the newest
	busy bool // one is being carried out
}

// New makes an empty list.
func New(o Options) *List { return &List{o: o, last: o.Last} }

// maxJobs bounds the list; the oldest that have ended go first.
const maxJobs = 200

// Run puts a job into the list that runs at once, beside all others, in a goroutine of its own and without the lock, and
// gives its number. The job ends with what run returns, which must heed the context: it ends when the firewall closes.
func (l *List) Run(kind, user string, run func(context.Context) Result) int {
	j := l.add(kind, user)
	j.started = j.queued
	l.o.Go(func(ctx context.Context) {
		result := run(ctx)
		l.o.Lock.Lock()
		defer l.o.Lock.Unlock()
		j.end(result, l.o.Now())
	})
	return j.id
}

// Hold puts a job into the list that runs until the function that it gives is called, with the lock held.
func (l *List) Hold(kind, user string) (end func(Result)) {
	j := l.add(kind, user)
	j.started = j.queued
	return func(r Result) { j.end(r, l.o.Now()) }
}

// Enqueue puts a job at the end of the queue, and gives its number. finish is called when it has run for as long as it
// takes by the firewall's clock, at the next look at the list.
func (l *List) Enqueue(kind, user, description string, takes time.Duration, finish func() Result) int {
	j := l.add(kind, user)
	j.description, j.takes, j.finish = description, takes, finish
	l.start(j.queued)
	return j.id
}

// add makes a job with the next number.
func (l *List) add(kind, user string) *job {
	if len(l.list) >= maxJobs {
		if i := slices.IndexFunc(l.list, func(j *job) bool { return !j.ended.IsZero() }); i >= 0 {
			l.list = slices.Delete(l.list, i, i+1)
		}
	}
	l.last++
	j := &job{id: l.last, kind: kind, user: user, queued: l.o.Now()}
	l.list = append(l.list, j)
	return j
}

// end ends the job, unless it has: a restart may have been first.
func (j *job) end(r Result, now time.Time) {
	if j.ended.IsZero() {
		j.ended, j.ok, j.details, j.warnings = now, r.OK, r.Details, r.Warnings
	}
}

// Due carries out what is due of the queue. A job that has ended makes way for the next at the moment at which its time
// was over, so it does not matter how often anybody looks.
func (l *List) Due() {
	if l.busy {
		return // asked by what is called when a commit has ended
	}
	l.busy = true
	defer func() { l.busy = false }()
	now := l.o.Now()
	for _, j := range slices.Clone(l.list) {
		if j.finish == nil || !j.ended.IsZero() {
			continue
		}
		over := j.started.Add(j.takes)
		if over.After(now) {
			return
		}
		result := j.finish()
		j.end(result, over)
		l.start(over)
	}
}

// start starts the first job of the queue, unless one runs.
func (l *List) start(now time.Time) {
	if j := l.first(); j != nil && j.started.IsZero() {
		j.started = now
	}
}

// first gives the job of the queue that runs, or is to run next.
func (l *List) first() *job {
	for _, j := range l.list {
		if j.finish != nil && j.ended.IsZero() {
			return j
		}
	}
	return nil
}

// Queuing says whether a job of the queue runs or waits.
func (l *List) Queuing() bool { return l.first() != nil }

// GoingOn says whether a job of one of these kinds has not ended.
func (l *List) GoingOn(kinds ...string) bool {
	return slices.ContainsFunc(l.list, func(j *job) bool { return j.ended.IsZero() && slices.Contains(kinds, j.kind) })
}

// All gives the list, oldest first; at most the last two hundred.
func (l *List) All() []Job {
	l.Due()
	out := make([]Job, len(l.list))
	for i, j := range l.list {
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

// Restart is what a restart of the daemon that runs jobs does: every job that has not ended has failed, and what the
// dialect forgets is gone.
func (l *List) Restart() {
	now := l.o.Now()
	for _, j := range l.list {
		if !j.ended.IsZero() {
			continue
		}
		j.lost = true
		j.end(Result{Details: []string{"job failed because of configd restart"}}, now)
	}
	if l.o.Dialect.JobsOverReboot == dialect.JobsForgotten {
		l.list, l.last = nil, 0
	}
}
