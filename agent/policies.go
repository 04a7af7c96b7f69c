package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"activedefense/config"
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
)

// policies looks now and then whether a firewall's policies let the blacklist have effect.
type policies struct {
	name   string
	device *xmlapi.Device
	want   func(ctx context.Context) policy.Expectation
	log    zerolog.Logger
	now    func() time.Time
	timer  func(time.Duration) timer // newTimer
	wakeup                           // for a look: the firewall has been brought level for the first time, or again

	mu     sync.Mutex
	checks []policy.Check
	at     time.Time
}

// run looks at the start, when the firewall's first pass is over, lest what it is about to change be found missing; when the
// firewall is back after it was away; soon after either once more; and every hour, until ctx ends.
func (p *policies) run(ctx context.Context) error {
	timer := p.timer(verifyFirst)
	defer timer.Stop()
	var looked time.Time
	for {
		next := verifyEvery
		select {
		case <-ctx.Done():
			return nil
		case <-p.wakeup:
			next = verifyAgain
			if since := p.now().Sub(looked); since < verifyAgain {
				timer.Reset(verifyAgain - since) // it comes and goes
				continue
			}
		case <-timer.C:
		}
		looked = p.now()
		p.verifyOnce(ctx)
		timer.Reset(next)
	}
}

// verifyOnce looks, and logs what is different from the last time.
func (p *policies) verifyOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	want := p.want(ctx)
	checks := policy.Verify(policy.ReadFacts(ctx, p.device, want), want)
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	before := make(map[string]policy.Check, len(p.checks))
	for _, c := range p.checks {
		before[c.Check] = c
	}
	p.checks, p.at = checks, p.now()
	p.mu.Unlock()
	for _, c := range checks {
		p.report(before[c.Check], c)
	}
}

func (p *policies) report(before, now policy.Check) {
	if before.Result == now.Result && before.Detail == now.Detail {
		return
	}
	entry := p.log.Info()
	switch now.Result {
	case policy.ResultFail:
		entry = p.log.Error()
	case policy.ResultWarn:
		entry = p.log.Warn()
	default:
		if before.Result == "" || before.Result == policy.ResultPass {
			return // that all is well is not news
		}
	}
	entry.Str("check", now.Check).Str("result", now.Result).Str("remedy", now.Remedy).Msg("policy: " + now.Detail)
}

// status gives the results, and when they were found; nil before the first look.
func (p *policies) status() ([]policy.Check, *time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at.IsZero() {
		return nil, nil
	}
	at := p.at
	return p.checks, &at
}

// newPolicies makes one for each firewall, members of a pair for themselves. What they read takes seconds where the
// configuration is large, so they have devices of their own: no block waits for them.
func (a *Agent) newPolicies(fw config.Firewall, e *enforcer) ([]*policies, error) {
	var all []*policies
	for _, member := range e.devices {
		device, err := member.Clone()
		if err != nil {
			return nil, err
		}
		p := &policies{
			name: device.Name(), device: device, log: a.log.With().Str("firewall", device.Name()).Logger(), now: a.now, timer: newTimer, wakeup: newWakeup(),
			want: func(ctx context.Context) policy.Expectation {
				released, _ := releasedLately(ctx, a.store.Load(), a.now()) // without it, more is warned of
				return expectation(a.cfg, fw, notBefore(e.desired().entries, a.started), released, a.now())
			},
		}
		e.back = append(e.back, p.wake)
		all = append(all, p)
	}
	return all, nil
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
