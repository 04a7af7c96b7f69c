package firewall

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// overdue is how long after a registration's end the firewall is trusted to have let go of it.
const overdue = 5 * time.Second

// notHeld is the reason when the firewall said yes and did not do it: at the platform's limit some versions only
// write a system log.
const notHeld = "accepted but not registered (platform limit?)"

const (
	// slack is how far the end that a firewall shows may be from ours: reading a hundred thousand addresses takes minutes.
	slack = 10 * time.Minute
	// mendAgain is how long what stood longer than we asked is left alone after it was replaced, should that be of no use.
	mendAgain = time.Hour
)

// pass is the state of one Reconcile.
type pass struct {
	f       *Tags
	ctx     context.Context
	began   time.Time
	report  Report
	sentAt  time.Time             // when the last message was sent
	wrote   bool                  // a message was sent
	missed  netip.Prefix          // what asking for it alone did not find
	planned bool                  // who is left out was decided before sending
	coming  map[netip.Prefix]bool // those that have room, and wait for the next pass
	spent   int                   // messages sent again because of an answer

	suspect  map[netip.Prefix]string // what the firewall did not take or keep before, and why
	probed   []netip.Prefix          // those of suspect that this pass tries
	deferred []change                // those that wait for the outcome

	unproven map[netip.Prefix]bool // what a full pass found that did not stand before, or was a stray
}

func (p *pass) run(desired []Entry, full bool) error {
	f := p.f
	if !full {
		p.prune()
		changes := p.compare(desired)
		p.await(&changes)
		changes.without(f.refused)
		if err := p.carryOut(changes); err != nil {
			return err
		}
		if err := p.makeRoom(desired); err != nil {
			return err
		}
		doubt, err := p.look()
		if err != nil || !doubt {
			return err
		}
	}
	if !f.stale && !f.full {
		// What is new must not wait until everything has been read.
		changes := p.compare(desired)
		p.await(&changes)
		changes.without(f.refused)
		if err := p.carryOut(changeset{Register: changes.Register}); err != nil {
			return err
		}
		p.report.Backlog = 0
	}
	if err := f.identify(p.ctx); err != nil {
		return err
	}
	p.report.ReadAt = f.now()
	found, err := f.readAll(p.ctx)
	if err != nil {
		return err
	}
	p.report.Full = true
	p.learn(found)
	if err := f.platform.ask(p.ctx, f.device, len(f.held)); err != nil {
		return err
	}
	f.stale, f.full, p.planned = false, false, false
	p.sortOutStrays(desired)
	changes := p.compare(desired)
	p.await(&changes)
	p.probe(&changes)
	if err := p.carryOut(changes); err != nil {
		return err
	}
	if err := p.confirm(); err != nil {
		return err
	}
	if err := p.conclude(); err != nil {
		return err
	}
	return p.makeRoom(desired)
}

// sortOutStrays has asked which of what is not desired was never ours.
func (p *pass) sortOutStrays(desired []Entry) {
	f := p.f
	var ask []netip.Prefix
	if len(p.unproven) > 0 {
		ask = compare(desired, f.held, limits{MaxRemovalPercent: 100, Now: f.now()}).Unregister
		ask = slices.DeleteFunc(ask, func(prefix netip.Prefix) bool { return !p.unproven[prefix] })
	}
	f.strays = p.report.sortOut(p.ctx, f.opts.Stray, ask)
}

// compare compares with what is remembered. What is desired is no stray from then on.
func (p *pass) compare(desired []Entry) changeset {
	f := p.f
	if len(f.strays) > 0 {
		for _, e := range desired {
			if prefix, ok := Normalize(e.Prefix); ok {
				delete(f.strays, prefix)
			}
		}
	}
	changes := compare(desired, f.held, limits{
		MaxRemovalPercent: f.opts.MaxRemovalPercent, Now: f.now(), MaxTimeout: maxTagTimeout, Networks: TakesNetworks(f.device.Version()), Strays: f.strays, MayBlock: f.opts.MayBlock,
	})
	p.report.Unsupported, p.report.Braked = changes.Unsupported, changes.Braked
	return changes
}

// prune forgets what the firewall has let go of by itself.
func (p *pass) prune() {
	limit := p.f.now().Add(-overdue)
	for prefix, r := range p.f.held {
		if !r.Until.IsZero() && r.Until.Before(limit) {
			p.f.forget(prefix)
			p.report.Gone = append(p.report.Gone, prefix)
		}
	}
	slices.SortFunc(p.report.Gone, ComparePrefixes)
}

// learn takes over what was read. Most firewalls do not say when a registration ends; we know from having made it, or from
// an earlier run. One that does is believed when it says less than we know; when it says more, the end is unknown: some
// versions lose it (PAN-315913), and what ends unknown is replaced.
func (p *pass) learn(found map[netip.Prefix]registration) {
	f := p.f
	now := f.now()
	p.see(found, p.report.ReadAt)
	for prefix, r := range found {
		until := f.held[prefix].Until
		if until.IsZero() {
			until = f.saved[prefix]
		}
		if until.After(now) && until.Before(now.Add(maxTagTimeout+time.Minute)) {
			r.Until, r.unrenewed = until, f.held[prefix].unrenewed
		}
		f.heed(prefix, &r, now)
		found[prefix] = r
	}
	maps.DeleteFunc(f.mended, func(_ netip.Prefix, at time.Time) bool { return now.Sub(at) >= mendAgain })
	p.suspect, f.refused = f.refused, map[netip.Prefix]string{}
	p.report.Registered = slices.DeleteFunc(p.report.Registered, func(e Entry) bool {
		_, stands := found[e.Prefix]
		if !stands {
			p.suspect[e.Prefix] = notHeld
			f.forget(e.Prefix)
		}
		return !stands
	})
	if _, stands := found[p.missed]; stands {
		f.unread.unfiltered = true
	}
	for prefix, r := range f.held {
		if _, stands := found[prefix]; !stands {
			f.platform.inVain = 0
			p.report.Gone = append(p.report.Gone, prefix)
			delete(f.unread.since, prefix)
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
	p.unproven = make(map[netip.Prefix]bool)
	for prefix := range found {
		if _, stood := f.held[prefix]; !stood || f.strays[prefix] {
			p.unproven[prefix] = true
		}
	}
	f.held, f.saved = found, nil
}

// heed compares the end that a firewall shows with ours.
func (f *Tags) heed(prefix netip.Prefix, r *registration, now time.Time) {
	left := r.left
	r.left = 0
	if left == 0 || r.Until.IsZero() {
		return
	}
	ours := r.Until.Sub(now)
	switch {
	case left == forEver && ours > slack, left-ours > slack:
		if at, known := f.mended[prefix]; !known || now.Sub(at) >= mendAgain {
			r.Until, f.mended[prefix] = time.Time{}, now
		}
	case left > 0 && ours-left > slack:
		r.Until = now.Add(left)
	}
}

// probe lets a full pass try one message of what the firewall refused or lost before; the rest waits for the
// outcome. A firewall at its limit is not sent everything each time, and one that was cleared is brought level all
// the same.
func (p *pass) probe(changes *changeset) {
	changes.Register = slices.DeleteFunc(changes.Register, func(c change) bool {
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
	if err := p.carryOut(changeset{Register: p.deferred}); err != nil {
		return err
	}
	return p.confirm()
}

// refuse records what the firewall does not take.
func (p *pass) refuse(prefix netip.Prefix, message string) {
	if message == "" {
		message = "refused without a message"
	}
	p.f.refused[prefix] = message
	p.report.Refused = append(p.report.Refused, Refused{prefix, message})
}

// confirm reads back whether what this pass registered stands.
func (p *pass) confirm() error {
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
		at := f.now()
		found, err := f.readAll(p.ctx)
		if err != nil {
			return err
		}
		p.see(found, at)
		for prefix := range found {
			delete(missing, prefix)
		}
	}
	p.report.Registered = slices.DeleteFunc(p.report.Registered, func(e Entry) bool {
		if !missing[e.Prefix] {
			return false
		}
		f.forget(e.Prefix)
		p.refuse(e.Prefix, notHeld)
		return true
	})
	return nil
}
