package line

import (
	"cmp"
	"context"
	"net/netip"
	"time"

	"activedefense/detect"
	"activedefense/store"
)

// A flow is what the daemon and a replay have in common: lines of many sources, in the order of event time, to one
// engine and its guard. They differ in where the lines come from and in where records and verdicts go.
type flow struct {
	merge  merge
	engine *detect.Engine
	guard  func() *detect.Guard
	ours   func() *detect.Ours
	known  struct {
		guard *detect.Guard
		ours  *detect.Ours
	} // what the engine was told of
	surge      *detect.Surge // the engine's
	neighbours neighbours
	country    func(netip.Addr) string // of an address, where the log does not say; nil: nobody knows
	oldest     time.Duration           // verdicts that are older block nobody; 0: all may
	factor     int                     // by which each return of a source multiplies the time of its block; below 2: none does
	ahead      func() time.Duration    // by how much now is ahead of what can be believed; nil where all may
	end        end
	at         struct {
		lane *lane
		now  time.Time
	} // whose line is told the engine, and when
}

// An end is where lines go. Lanes and lines are valid during the call only.
type end interface {
	unread(l *lane, p *parsed, now time.Time)                  // the line gave no event
	record(l *lane, p *parsed, r detect.Result, now time.Time) // the line gave an event, of which detection said r
	activity(source netip.Prefix, ev *detect.Event)            // which is one more of a blocked source
	block(v *detect.Verdict, l *lane, now time.Time)           // the source is to be blocked, held or observed; l: whose line completed the verdict, or nil
	late(v *detect.Verdict, l *lane, now time.Time)            // it would have been blocked for a time that is over: it is not, unless it returned so often that it lasts longer
	ended(v *detect.Verdict) (at time.Time, part bool)         // when such a block would have ended, as long as its returns make it, or the other one that it is part of
	tell(v *detect.Verdict, l *lane, now time.Time)            // it is to be told
	spare(v *detect.Verdict, why error, at time.Time)          // it may never be blocked
	stale(v *detect.Verdict)                                   // it would be released at once
	current(l *lane) bool                                      // what is read of the lane comes as it is written: it is no backlog, and not told again
}

// step is the life of a line. False means that no source has another one now.
func (f *flow) step(ctx context.Context, now time.Time) (bool, error) {
	// Sources were read and their lines parsed ahead, on all cores. The next line is the earliest of all sources.
	l := f.merge.next()
	if l == nil {
		return false, nil
	}
	p := &l.chunk.lines[l.at]
	if p.err != nil {
		// One that cannot be parsed costs nothing but itself.
		f.end.unread(l, p, now)
	} else {
		// An event is counted, and recorded whatever detection says of it;
		l.took(p.event.Time, now)
		f.know()
		Locate(p.event, f.country)
		f.at.lane, f.at.now = l, now
		result := f.engine.Observe(p.event)
		f.end.record(l, p, result, now)
		// what it completes is judged.
		switch result.Outcome {
		case detect.Blocked:
			f.end.activity(result.Entry, p.event)
		case detect.Fired:
			f.judge(result.Verdict, l, now)
		}
	}
	// The line is used: its record, its verdict and how far its source was read go into one transaction.
	return true, f.merge.advance(ctx)
}

// Locate fills in the countries of an event's addresses that the log does not give; country may be nil. For private addresses a firewall
// gives their range in its place, which stays.
func Locate(ev *detect.Event, country func(netip.Addr) string) {
	if country == nil {
		return
	}
	for _, end := range []struct {
		address netip.Addr
		country *string
	}{{ev.Src, &ev.SrcCountry}, {ev.Dst, &ev.DstCountry}} {
		if *end.country == "" || *end.country == unknownCountry {
			*end.country = cmp.Or(country(end.address), *end.country)
		}
	}
}

// unknownCountry is how a firewall calls one that it does not know.
const unknownCountry = "Unknown"

// know tells the engine what is ours and what is protected, when that has changed.
func (f *flow) know() {
	if g, o := f.guard(), f.ours(); g != f.known.guard || o != f.known.ours {
		f.known.guard, f.known.ours = g, o
		f.engine.Know(o, g)
	}
}

// judge decides whether a verdict has consequences. A source that is held or observed goes on being counted: better evidence
// may block it.
func (f *flow) judge(v *detect.Verdict, by *lane, now time.Time) {
	old, over := f.old(v, now), f.over(v, by, now)
	if old || over && !f.counts(v) {
		f.end.stale(v)
		return
	}
	if v.Mode == detect.Notice { // whoever it is: nobody is blocked
		f.end.tell(v, by, now)
		return
	}
	if why := f.guard().Check(v.Source); why != nil {
		f.end.spare(v, why, now)
		return
	}
	if why := f.surge.Admit(v); why != "" {
		v.Hold = why
	}
	if over {
		if v.Hold != "" { // there is nothing left to decide
			f.end.stale(v)
			return
		}
		f.engine.Served(v.Source, f.ended(v, now))
		f.end.late(v, by, now)
		return
	}
	blocks := StateOf(v) == store.Blocked
	if blocks {
		f.engine.Block(v.Source)
	}
	f.end.block(v, by, now)
	if blocks && v.Grade == detect.Proven {
		f.crowd(v, by, now)
	}
}

// over tells whether the time of a block is over, as long as it is not for longer because its source returned. What comes as it is written is never over: it goes on, whatever its
// firewall's clock says.
func (f *flow) over(v *detect.Verdict, by *lane, now time.Time) bool {
	return f.oldest > 0 && v.BlockFor > 0 && v.Mode != detect.Notice && !completed(v).Add(v.BlockFor).After(now.Add(-f.ahead())) && !f.end.current(by)
}

// old tells whether a verdict would be released at once.
func (f *flow) old(v *detect.Verdict, now time.Time) bool {
	return f.oldest > 0 && v.Time.Before(now.Add(-f.ahead()-f.oldest))
}

// expired tells the engine of a verdict that blocks nobody, for it is too late, up to when the evidence against its source is void: what the source did since it would have been released
// counts, for all rules.
func (f *flow) expired(v *detect.Verdict) (until time.Time, is bool) {
	switch {
	case f.over(v, f.at.lane, f.at.now) && f.counts(v):
		return f.ended(v, f.at.now), true
	case f.over(v, f.at.lane, f.at.now):
		return completed(v).Add(v.BlockFor), true
	case f.old(v, f.at.now):
		return completed(v).Add(1), true
	}
	return until, false
}

// ended is up to when records of a source do not count whose block is over, or would be but for its returns: of one that goes on, what is to come is told by the blacklist.
func (f *flow) ended(v *detect.Verdict, now time.Time) time.Time {
	at, _ := f.end.ended(v)
	return earlier(at, now.Add(-f.ahead()))
}

// completed is when a verdict would have come, had its evidence come in order: a block for a time begins then.
func completed(v *detect.Verdict) time.Time {
	if v.LastSeen.After(v.Time) {
		return v.LastSeen
	}
	return v.Time
}

// counts tells whether a block of which the time is over counts when its source returns, and may itself last longer.
func (f *flow) counts(v *detect.Verdict) bool {
	factor := f.factor
	if v.Escalate != nil {
		factor = v.Escalate.Factor
	}
	return factor > 1 && StateOf(v) == store.Blocked
}
