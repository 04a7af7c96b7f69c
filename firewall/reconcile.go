package firewall

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"activedefense/firewall/xmlapi"
)

// overdue is how long after a registration's end the firewall is trusted to have let go of it.
const overdue = 5 * time.Second

// minBatch is the smallest message after timeouts: a slow firewall makes about 300 registrations a second.
const minBatch = 32

// TagOptions say what is kept on the firewall in dynamic-tag mode.
type TagOptions struct {
	Tag               string // owned by us alone: what bears it and is not wanted is removed
	MaxRemovalPercent int    // the brake: 1 to 100 (off); 0: 30
	BatchSize         int    // addresses in one message, at most 1000; 0: 500

	// PassTime, if not 0, is the time after which a pass begins no further message and leaves the rest to the next one
	// (Report.Backlog), so that what is new does not wait behind a long backlog. Two messages are always sent. 0: a pass
	// sends everything.
	PassTime time.Duration
}

// Tags keeps the registered addresses of a firewall level with a blacklist. Its methods may be called from any
// goroutine; passes wait for one another.
type Tags struct {
	device *xmlapi.Device
	opts   TagOptions

	mu       sync.Mutex // held during a pass; guards what follows
	seen     xmlapi.History
	held     map[netip.Prefix]Registration // what the firewall holds as far as we know
	saved    map[netip.Prefix]time.Time    // given to Restore, until the first read
	stale    bool                          // held is in doubt: the next pass reads first
	refused  map[netip.Prefix]string       // not sent again before the next full pass
	replaces bool                          // renewing takes removing: registering again did not help
	batch    int                           // addresses in a message now: less than BatchSize after a timeout
}

// NewTags checks the options. It makes no call.
func NewTags(d *xmlapi.Device, opts TagOptions) (*Tags, error) {
	if err := opts.complete(); err != nil {
		return nil, fmt.Errorf("firewall %q: %w", d.Name(), err)
	}
	return &Tags{
		device: d, opts: opts, stale: true, batch: opts.BatchSize,
		held: map[netip.Prefix]Registration{}, refused: map[netip.Prefix]string{},
	}, nil
}

func (o *TagOptions) complete() error {
	if err := checkTag(o.Tag); err != nil {
		return err
	}
	if err := checkRemoval(&o.MaxRemovalPercent); err != nil {
		return err
	}
	o.BatchSize = cmp.Or(o.BatchSize, defaultBatch)
	if o.BatchSize < 0 || o.BatchSize > maxBatch {
		return fmt.Errorf("batch size: 1 to %d is needed", maxBatch)
	}
	if o.PassTime < 0 {
		return errors.New("pass time: 0 or more is needed")
	}
	return nil
}

// Restore tells until when the firewall holds what, as reported by an earlier run. It spares renewing everything
// after a restart; what is not told is renewed.
func (f *Tags) Restore(until map[netip.Prefix]time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.saved == nil {
		f.saved = make(map[netip.Prefix]time.Time, len(until))
	}
	for p, t := range until {
		if p, ok := Normalize(p); ok {
			f.saved[p] = t
		}
	}
}

// identify asks the firewall who it is, and forgets what no longer holds.
func (f *Tags) identify(ctx context.Context) error {
	if err := f.device.Identify(ctx); err != nil {
		return err
	}
	now := f.device.History()
	if now.Replaced != f.seen.Replaced {
		f.held, f.saved = map[netip.Prefix]Registration{}, nil
	}
	if now.Updated != f.seen.Updated {
		f.replaces = false
	}
	if now.Rebooted != f.seen.Rebooted {
		// No source says what becomes of running timeouts when a firewall starts anew; they may even be forgotten.
		// So all of them are unknown now.
		for p, r := range f.held {
			f.held[p] = Registration{Persistent: r.Persistent}
		}
	}
	f.seen = now
	return nil
}

// Refused is an address that the firewall does not take, or does not let go of.
type Refused struct {
	Prefix  netip.Prefix
	Message string
}

// notHeld is the reason when the firewall said yes and did not do it: at the platform's limit some versions only
// write a system log.
const notHeld = "not held by the firewall (platform limit?)"

// Report is what one pass did. If the pass failed it tells what was done until then.
type Report struct {
	Full                bool           // what stands was read from the firewall
	Registered, Renewed []Entry        // with the Until that the firewall now holds
	Unregistered        []netip.Prefix // taken from the firewall by us
	Gone                []netip.Prefix // stood, and was not removed by us: run out, or lost. May be among Registered
	Unsupported         []Unsupported
	Refused             []Refused // not tried again before the next full pass
	Braked              *Brake
	Committed           bool          // a commit of ours was carried out
	Backlog             int           // changes for which TagOptions.PassTime was too short; the next pass should follow at once
	Waiting             time.Duration // not 0: changes wait for their time, which is then; the next pass should come no later
	Standing            int           // registrations known to stand; of a list, its valid entries
	Ignored, Invalid    int           // entries of a list that the firewall does not take
	Calls               int           // requests sent, repetitions included
	Took                time.Duration // of the pass
}

// Reconcile makes one pass: it brings what the firewall holds level with desired. A full pass first asks the
// firewall who it is and reads what it holds; any other one plans against what is known from before, so that
// nothing to do costs no call and one new block costs one. The first pass, and the one after any doubt, are full by
// themselves. A full pass also reads back what it registered.
//
// With TagOptions.PassTime a pass can leave a part to the next one; Report.Backlog tells how much.
//
// The error, if any, is an *Error; the Report holds what was done nevertheless.
func (f *Tags) Reconcile(ctx context.Context, desired []Entry, full bool) (Report, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &pass{f: f, ctx: ctx, began: time.Now()}
	before := f.device.Requests()
	err := p.run(desired, full || f.stale)
	if err != nil {
		f.stale = true
		if p.wrote && xmlapi.Kind(err) == xmlapi.KindTimeout {
			f.batch = min(max(f.batch/2, minBatch), f.opts.BatchSize)
		}
	} else if p.wrote {
		f.batch = min(f.batch*2, f.opts.BatchSize)
	}
	p.report.Standing = len(f.held)
	p.report.Calls = int(f.device.Requests() - before)
	p.report.Took = time.Since(p.began)
	return p.report, err
}

func (f *Tags) now() time.Time { return f.device.Now() }

// pass is the state of one Reconcile.
type pass struct {
	f      *Tags
	ctx    context.Context
	began  time.Time
	report Report
	sentAt time.Time // when the last message was sent
	wrote  bool      // a message was sent
	spent  int       // messages sent again because of an answer

	suspect  map[netip.Prefix]string // what the firewall did not take or keep before, and why
	probed   []netip.Prefix          // those of suspect that this pass tries
	deferred []Change                // those that wait for the outcome
}

func (p *pass) run(desired []Entry, full bool) error {
	f := p.f
	if !full {
		p.prune()
		plan := p.plan(desired)
		plan.without(f.refused)
		return p.apply(plan)
	}
	if !f.stale {
		// What is new must not wait until everything has been read.
		plan := p.plan(desired)
		plan.without(f.refused)
		if err := p.apply(Plan{Register: plan.Register}); err != nil {
			return err
		}
		p.report.Backlog = 0
	}
	if err := f.identify(p.ctx); err != nil {
		return err
	}
	found, err := f.readAll(p.ctx)
	if err != nil {
		return err
	}
	p.report.Full = true
	p.learn(found)
	f.stale = false
	plan := p.plan(desired)
	p.probe(&plan)
	if err := p.apply(plan); err != nil {
		return err
	}
	if err := p.verify(); err != nil {
		return err
	}
	return p.conclude()
}

// plan plans against memory.
func (p *pass) plan(desired []Entry) Plan {
	f := p.f
	plan := NewPlan(desired, f.held, Limits{
		MaxRemovalPercent: f.opts.MaxRemovalPercent, Now: f.now(), MaxTimeout: maxTagTimeout, Networks: TakesNetworks(f.device.Version()),
	})
	p.report.Unsupported, p.report.Braked = plan.Unsupported, plan.Braked
	return plan
}

// prune forgets what the firewall has let go of by itself.
func (p *pass) prune() {
	limit := p.f.now().Add(-overdue)
	for prefix, r := range p.f.held {
		if !r.Until.IsZero() && r.Until.Before(limit) {
			delete(p.f.held, prefix)
			p.report.Gone = append(p.report.Gone, prefix)
		}
	}
	slices.SortFunc(p.report.Gone, ComparePrefixes)
}

// learn takes over what was read. The firewall does not say when a registration ends; we know from having made it,
// or from an earlier run.
func (p *pass) learn(found map[netip.Prefix]Registration) {
	f := p.f
	now := f.now()
	for prefix, r := range found {
		until := f.held[prefix].Until
		if until.IsZero() {
			until = f.saved[prefix]
		}
		if until.After(now) && until.Before(now.Add(maxTagTimeout+time.Minute)) {
			r.Until, r.unrenewed = until, f.held[prefix].unrenewed
			found[prefix] = r
		}
	}
	p.suspect, f.refused = f.refused, map[netip.Prefix]string{}
	p.report.Registered = slices.DeleteFunc(p.report.Registered, func(e Entry) bool {
		_, stands := found[e.Prefix]
		if !stands {
			p.suspect[e.Prefix] = notHeld
			delete(f.held, e.Prefix)
		}
		return !stands
	})
	for prefix, r := range f.held {
		if _, stands := found[prefix]; !stands {
			p.report.Gone = append(p.report.Gone, prefix)
			if r.Until.After(now) {
				p.suspect[prefix] = notHeld
				// It ended as if it had never been renewed.
				f.replaces = f.replaces || !r.unrenewed.IsZero() && !now.Before(r.unrenewed)
			}
		}
	}
	for prefix := range f.saved {
		_, stands := found[prefix]
		if _, known := f.held[prefix]; !stands && !known {
			p.report.Gone = append(p.report.Gone, prefix)
		}
	}
	slices.SortFunc(p.report.Gone, ComparePrefixes)
	f.held, f.saved = found, nil
}

// without takes from the plan what the firewall has refused.
func (plan *Plan) without(refused map[netip.Prefix]string) {
	if len(refused) == 0 {
		return
	}
	change := func(c Change) bool { return refused[c.Prefix] != "" }
	plan.Register = slices.DeleteFunc(plan.Register, change)
	plan.Renew = slices.DeleteFunc(plan.Renew, change)
	plan.Unregister = slices.DeleteFunc(plan.Unregister, func(p netip.Prefix) bool { return refused[p] != "" })
}

// probe lets a full pass try one message of what the firewall refused or lost before; the rest waits for the
// outcome. A firewall at its limit is not sent everything each time, and one that was cleared is brought level all
// the same.
func (p *pass) probe(plan *Plan) {
	plan.Register = slices.DeleteFunc(plan.Register, func(c Change) bool {
		if p.suspect[c.Prefix] == "" {
			return false
		}
		if len(p.probed) < p.f.batch {
			p.probed = append(p.probed, c.Prefix)
			return false
		}
		p.deferred = append(p.deferred, c)
		return true
	})
}

// conclude decides about what waited for the probe: if all of it stands, the rest follows.
func (p *pass) conclude() error {
	if len(p.deferred) == 0 {
		return nil
	}
	if slices.ContainsFunc(p.probed, func(prefix netip.Prefix) bool { return p.f.refused[prefix] != "" }) {
		for _, c := range p.deferred {
			p.refuse(c.Prefix, p.suspect[c.Prefix])
		}
		return nil
	}
	if err := p.apply(Plan{Register: p.deferred}); err != nil {
		return err
	}
	return p.verify()
}

// refuse records what the firewall does not take.
func (p *pass) refuse(prefix netip.Prefix, message string) {
	if message == "" {
		message = "refused without a reason"
	}
	p.f.refused[prefix] = message
	p.report.Refused = append(p.report.Refused, Refused{prefix, message})
}

// verify reads back whether what this pass registered stands.
func (p *pass) verify() error {
	f := p.f
	missing := make(map[netip.Prefix]bool, len(p.report.Registered))
	for _, e := range p.report.Registered {
		missing[e.Prefix] = true
	}
	// Twice if need be: what expires while pages are read moves the rest, so that one reading can miss what stands.
	for range 2 {
		if len(missing) == 0 {
			return nil
		}
		found, err := f.readAll(p.ctx)
		if err != nil {
			return err
		}
		for prefix := range found {
			delete(missing, prefix)
		}
	}
	p.report.Registered = slices.DeleteFunc(p.report.Registered, func(e Entry) bool {
		if !missing[e.Prefix] {
			return false
		}
		delete(f.held, e.Prefix)
		p.refuse(e.Prefix, notHeld)
		return true
	})
	return nil
}
