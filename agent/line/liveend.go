package line

import (
	"fmt"
	"net/netip"
	"time"

	"activedefense/detect"
	"activedefense/store"
)

// taken begins what is done with every line.
func (l *Live) taken(lane *lane, p *parsed, now time.Time) {
	if l.batch.lines == 0 {
		l.batch.begun = now
	}
	l.batch.lines++
	l.opts.Stats.unstored.Add(1)
	l.files.take(lane, p)
	if p.cut {
		lane.live.stats.cut.Add(1)
	}
}

func (l *Live) unread(lane *lane, p *parsed, now time.Time) {
	l.taken(lane, p, now)
	lane.live.stats.failed(p.err, lane.chunk.text[p.from:p.to], now, l.opts.Stats)
}

func (l *Live) record(lane *lane, p *parsed, r detect.Result, now time.Time) {
	l.taken(lane, p, now)
	l.batch.record(p.event, r, p.place)
	if l.keeper.memory != nil {
		l.keeper.since.saw(p.event.Time, now)
	}
	lane.live.stats.recorded(p.event, now)
	l.warner.look(lane, p.event, now)
}

// activity is one more record of a blocked source.
func (l *Live) activity(source netip.Prefix, ev *detect.Event) {
	l.batch.touch(source, ev.Src, ev.Time, int64(max(ev.Repeat, 1)))
}

// stale counts a verdict that would be released at once: a backlog from last year blocks nobody today.
func (l *Live) stale(v *detect.Verdict) { l.opts.Stats.verdict(v.Rule, "too-old") }

// spare says of a source that may never be blocked that it would have been, once an hour.
func (l *Live) spare(v *detect.Verdict, why error, now time.Time) {
	l.opts.Stats.verdict(v.Rule, "refused")
	if last, ok := l.refused[v.Source]; ok && now.Sub(last) <= time.Hour {
		return
	}
	if len(l.refused) > 10_000 {
		clear(l.refused)
	}
	l.refused[v.Source] = now
	l.opts.Logger.Warn().Str("address", detect.AddressText(v.Source)).Str("rule", v.Rule).Str("reason", v.Reason).
		Err(why).Msg("not blocked: the address is protected")
}

// mostTold is how many sources of one rule are told one by one within toldWithin: a flood of forged ones, or a rule that counts too
// much, must not bury what else is told.
const (
	mostTold   = 100
	toldWithin = time.Hour
	// mostLogged is how many sources of one rule are logged within toldWithin, each once; the counter of verdicts has all.
	mostLogged = 1000
)

// told is how many were, and since when.
type told struct {
	from   time.Time
	n      int
	logged map[netip.Prefix]bool // at most mostLogged
}

// tell notes what a rule found that blocks nobody.
func (l *Live) tell(v *detect.Verdict, by *lane, now time.Time) {
	t := l.told[v.Rule]
	if passed := now.Sub(t.from); passed < 0 || passed >= toldWithin {
		t = told{from: now, logged: make(map[netip.Prefix]bool)}
	}
	t.n++
	l.told[v.Rule] = t
	block := blockOf(v, nil, now)
	if t.n <= mostTold {
		l.opts.Stats.verdict(v.Rule, "told")
		block.Evidence = l.evidence.lines(v, by, now)
		block.Members, block.Port = v.Addresses, v.Port
		l.batch.Notices = append(l.batch.Notices, block.Notice(store.EventNotice))
	} else if l.opts.Stats.verdict(v.Rule, "untold"); t.n == mostTold+1 {
		l.batch.Notices = append(l.batch.Notices, store.Notice{Event: store.EventNotice, Time: now, Rule: v.Rule,
			Subject: fmt.Sprintf("the rule %s has found %d sources within an hour; more are not told one by one before %s", v.Rule, mostTold, t.from.Add(toldWithin).UTC().Format(time.RFC3339)),
			Remedy:  fmt.Sprintf("the log names the first %d of an hour; if so many are usual, have the rule count more before it tells", mostLogged)})
	}
	if t.logged[v.Source] || len(t.logged) >= mostLogged {
		return
	}
	t.logged[v.Source] = true
	l.opts.Logger.Info().Str("address", detect.AddressText(v.Source)).Str("rule", v.Rule).Str("grade", v.Grade.String()).Str("device", v.Device).
		Time("seen", v.Time).Msg("found: " + v.Reason)
}

func (l *Live) block(v *detect.Verdict, by *lane, now time.Time) {
	state := StateOf(v)
	if known, ok := l.waiting[v.Source]; ok && state >= known {
		// Held or observed already: that it goes on is activity, and the evidence of the first verdict stays. What is remembered was
		// counted when it was read.
		if !l.remembering {
			l.batch.touch(v.Source, netip.Addr{}, v.LastSeen, int64(v.Hits))
		}
		return
	}
	l.opts.Stats.verdict(v.Rule, state.String())
	escalation := l.opts.Escalation
	escalation.Length = l.opts.ReleaseAfter
	l.batch.block(v, l.evidence.lines(v, by, now), escalation, now)
	doing, why := "blocking: ", v.Reason
	switch state {
	case store.Held:
		doing, why = "holding: ", why+"; "+v.Hold
	case store.Observed:
		doing = "observing: "
	}
	if state == store.Blocked {
		delete(l.waiting, v.Source)
	} else {
		l.waiting[v.Source] = state
	}
	l.opts.Logger.Info().Str("address", detect.AddressText(v.Source)).Str("rule", v.Rule).Str("grade", v.Grade.String()).Str("device", v.Device).
		Time("seen", v.Time).Msg(doing + why)
}
