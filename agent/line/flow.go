package line

import (
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
	oldest time.Duration // verdicts that are older block nobody; 0: all may
	end    end
}

// An end is where lines go. Lanes and lines are valid during the call only.
type end interface {
	unread(l *lane, p *parsed, now time.Time)         // the line gave no event
	record(l *lane, p *parsed, now time.Time)         // the line gave an event
	activity(source netip.Prefix, ev *detect.Event)   // which is one more of a blocked source
	block(v *detect.Verdict, l *lane, now time.Time)  // the source is to be blocked, held or observed; l: whose line completed the verdict, or nil
	spare(v *detect.Verdict, why error, at time.Time) // it may never be blocked
	stale(v *detect.Verdict)                          // it would be released at once
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
		// An event is recorded whatever detection says of it,
		l.last = p.event.Time
		f.end.record(l, p, now)
		// and counted; what it completes is judged.
		switch result := f.engine.Observe(p.event); result.Outcome {
		case detect.Blocked:
			f.end.activity(result.Entry, p.event)
		case detect.Fired:
			result.Verdict.Country = countryOf(result.Verdict.Source, p.event)
			f.judge(result.Verdict, l, now)
		}
	}
	// The line is used: its record, its verdict and how far its source was read go into one transaction.
	return true, f.merge.advance(ctx)
}

// countryOf is the country of the end of a record that is the source of a verdict: the receiver, where our server's refusal
// tells of a client.
func countryOf(source netip.Prefix, ev *detect.Event) string {
	if !source.Contains(ev.Src) && source.Contains(ev.Dst) {
		return ev.DstCountry
	}
	return ev.SrcCountry
}

// judge decides whether a verdict has consequences. A source that is held or observed goes on being counted: better evidence
// may block it.
func (f *flow) judge(v *detect.Verdict, by *lane, now time.Time) {
	if f.oldest > 0 && v.Time.Before(now.Add(-f.oldest)) {
		f.end.stale(v)
		return
	}
	if why := f.guard().Check(v.Source); why != nil {
		f.end.spare(v, why, now)
		return
	}
	if StateOf(v) == store.Blocked {
		f.engine.Block(v.Source)
	}
	f.end.block(v, by, now)
}
