package enforce

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/loop"
	"activedefense/firewall"
	"activedefense/firewall/policy"
	"activedefense/firewall/xmlapi"
)

const (
	// verifyFirst is when policies are looked at after the start, at the latest.
	verifyFirst = time.Minute
	// verifyAgain is when they are looked at once more after the firewall was brought level: by then what was put into
	// force must have taken effect. It is also the least time between two looks for that reason.
	verifyAgain = 2 * time.Minute
	verifyEvery = time.Hour
	// verifySoon is when they are looked at again while something fails, and the least time between two looks because of commits.
	verifySoon = 5 * time.Minute
)

// A Watcher looks now and then whether a firewall's policies let the blacklist have effect.
type Watcher struct {
	name   string
	state  func() Status // of the firewall
	device *xmlapi.Device
	way    *access
	want   func(ctx context.Context) policy.Expectation
	note   func(ctx context.Context, at time.Time, fault string) error // keeps whether a rule stops what the firewall holds, see policy.Stops
	log    zerolog.Logger
	now    func() time.Time
	timer  func(time.Duration) loop.Timer // loop.NewTimer
	wakeup loop.Wakeup                    // for a look: the firewall has been brought level for the first time, or again
	commit loop.Wakeup                    // for a look: somebody's commit has ended on it

	mu     sync.Mutex
	checks []policy.Check
	at     time.Time
	worst  string       // result among them
	since  time.Time    // since when it is
	before PolicyStatus // what an earlier one found, until this one has looked
}

// PolicyStatus is what the last look at a firewall's policies found.
type PolicyStatus struct {
	Firewall string `json:"firewall"`
	// State is the worst result, or StateUnknown: not looked at yet, or it could not be asked at the last look, or cannot since. What
	// Checks say is what was found At in any case.
	State  string         `json:"state"`
	Since  time.Time      `json:"since"`        // when that began
	At     *time.Time     `json:"at,omitempty"` // of the last look; nil: not looked at yet
	Checks []policy.Check `json:"checks,omitempty"`
}

// Run looks at the start, when the firewall's first pass is over, lest what it is about to change be found missing; when the
// firewall is back after it was away; soon after either once more; when a commit has ended; every five minutes while something fails; and
// every hour, until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	timer := w.timer(verifyFirst)
	defer timer.Stop()
	var looked time.Time
	due := w.now().Add(verifyFirst)
	wait := func(d time.Duration) {
		due = w.now().Add(d)
		timer.Reset(d)
	}
	for {
		again := false
		select {
		case <-ctx.Done():
			return nil
		case <-w.wakeup:
			again = true
			if since := w.now().Sub(looked); since < verifyAgain {
				wait(verifyAgain - since) // it comes and goes
				continue
			}
		case <-w.commit:
			if since := w.now().Sub(looked); since < verifySoon {
				wait(min(verifySoon-since, max(0, due.Sub(w.now()))))
				continue
			}
		case <-timer.C:
		}
		looked = w.now()
		w.verifyOnce(ctx)
		switch {
		case again:
			wait(verifyAgain)
		case w.fails():
			wait(verifySoon)
		default:
			wait(verifyEvery)
		}
	}
}

// fails tells whether a check failed at the last look.
func (w *Watcher) fails() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.checks, func(c policy.Check) bool { return c.Result == policy.ResultFail })
}

// verifyOnce looks, and logs what is different from the last time.
func (w *Watcher) verifyOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	want := w.want(ctx)
	xmlapi.Reconnect(w.device) // to see its certificate
	facts := policy.ReadFacts(ctx, w.device, want)
	checks := policy.Verify(facts, want)
	if ctx.Err() != nil {
		return
	}
	w.way.learn(policy.KeyLife(facts))
	w.mu.Lock()
	before := make(map[string]policy.Check, len(w.checks))
	for _, c := range w.checks {
		before[c.Check] = c
	}
	w.checks, w.at = checks, w.now()
	if worst := worstOf(checks); worst != w.worst {
		w.worst, w.since = worst, w.at
		if w.before.State == worst {
			w.since = w.before.Since
		}
		w.before = PolicyStatus{}
	}
	w.mu.Unlock()
	if fault, known := policy.Stops(checks); known {
		if err := w.note(ctx, w.now(), fault); err != nil && ctx.Err() == nil {
			w.log.Warn().Err(err).Msg("cannot note what the policy is like; blacklist show has the state of before")
		}
	}
	for _, c := range checks {
		w.report(before[c.Check], c)
	}
}

func (w *Watcher) report(before, now policy.Check) {
	if before.Result == now.Result && before.Detail == now.Detail {
		return
	}
	entry := w.log.Info()
	switch now.Result {
	case policy.ResultFail:
		entry = w.log.Error()
	case policy.ResultWarn:
		entry = w.log.Warn()
	default:
		if before.Result == "" || before.Result == policy.ResultPass {
			return // that all is well is not news
		}
	}
	entry.Str("check", now.Check).Str("result", now.Result).Str("remedy", now.Remedy).Msg("policy: " + now.Detail)
}

// worstOf gives the worst result; StateUnknown where the firewall could not be asked.
func worstOf(checks []policy.Check) string {
	worst := policy.ResultPass
	for _, c := range checks {
		switch {
		case c.Check == policy.CheckAPI && c.Result == policy.ResultFail:
			return StateUnknown
		case c.Result == policy.ResultFail || worst == policy.ResultPass:
			worst = c.Result
		}
	}
	return worst
}

// Status gives what was found, and since when that is so.
func (w *Watcher) Status() PolicyStatus {
	of := w.state()
	w.mu.Lock()
	defer w.mu.Unlock()
	s := PolicyStatus{Firewall: w.name, State: StateUnknown, Since: of.Since}
	if w.at.IsZero() {
		return s
	}
	at := w.at
	s.At, s.Checks = &at, w.checks
	if of.Up || of.Since.Before(at) {
		s.State, s.Since = w.worst, w.since
	}
	return s
}

// notBefore gives the entries as if none had been blocked before the start: a firewall is given the time to take in what it
// is told then that it is given after a block.
func notBefore(entries []firewall.Entry, start time.Time) []firewall.Entry {
	entries = slices.Clone(entries)
	for i := range entries {
		if e := &entries[i]; e.Since.Before(start) {
			e.Since = start
		}
	}
	return entries
}
