package line

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"time"

	"activedefense/agent/clock"
	"activedefense/detect"
	"activedefense/store"
)

// taken begins what is done with every line.
func (l *Live) taken(lane *lane, p *parsed, now time.Time) {
	if l.batch.lines == 0 {
		l.batch.begun = now
	}
	l.batch.lines++
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
	l.files.count(lane, now)
	l.warner.look(lane, p.event, now)
}

// activity is one more record of a blocked source.
func (l *Live) activity(source netip.Prefix, ev *detect.Event) {
	l.batch.touch(source, ev.Src, ev.Time, int64(max(ev.Repeat, 1)))
}

// current asks for the time anew: the store may have kept us waiting, and lines that waited with us are a backlog.
func (l *Live) current(by *lane) bool {
	if by == nil || l.remembering {
		return false
	}
	now := l.opts.Now()
	return by.current(now) && !l.opts.Stats.ends.missed(now)
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

// told is what one rule has told.
type told struct {
	From   int64                 // since when, in nanoseconds since 1970
	N      int                   // so many verdicts
	logged map[netip.Prefix]bool // at most mostLogged
}

// tellings is what each rule has told of late. It is kept beside the memory, so that a restart gives no rule another mostTold.
type tellings struct {
	rules   map[string]told
	changed bool // and to be saved
}

// toldPart is the number under which it is kept.
const toldPart = countersPart + 1

// note counts one more verdict of a rule, and gives what it has told with that.
func (t *tellings) note(rule string, now time.Time) told {
	if t.rules == nil {
		t.rules = make(map[string]told)
	}
	one := t.rules[rule]
	if one.over(now) {
		one = told{From: now.UnixNano(), logged: make(map[netip.Prefix]bool)}
	}
	if one.logged == nil { // of an earlier run
		one.logged = make(map[netip.Prefix]bool)
	}
	one.N++
	t.rules[rule] = one
	t.changed = t.changed || one.N <= mostTold+1 // after which nothing depends on it
	return one
}

// over tells whether the rule begins anew. A clock that was set back has it do so, too.
func (t told) over(now time.Time) bool {
	passed := now.UnixNano() - t.From
	return passed < 0 || passed >= int64(toldWithin)
}

func (t *tellings) load(data []byte) error { return json.Unmarshal(data, &t.rules) }

// save adds to a batch what changed, without what is over.
func (t *tellings) save(b *store.Batch, now time.Time) {
	if !t.changed {
		return
	}
	maps.DeleteFunc(t.rules, func(_ string, one told) bool { return one.over(now) })
	data, _ := json.Marshal(t.rules) // names and numbers
	b.MemoryParts = append(b.MemoryParts, store.MemoryPart{Number: toldPart, Data: data})
	t.changed = false
}

// tell notes what a rule found that blocks nobody.
func (l *Live) tell(v *detect.Verdict, by *lane, now time.Time) {
	t := l.keeper.told.note(v.Rule, now)
	block := blockOf(v, nil, now)
	if t.N <= mostTold {
		l.opts.Stats.verdict(v.Rule, "told")
		block.Evidence = l.evidence.lines(v, by, now)
		block.Members, block.Port = v.Addresses, v.Port
		l.batch.Notices = append(l.batch.Notices, block.Notice(store.EventNotice))
	} else if l.opts.Stats.verdict(v.Rule, "untold"); t.N == mostTold+1 {
		l.batch.Notices = append(l.batch.Notices, store.Notice{Event: store.EventNotice, Time: now, Rule: v.Rule,
			Subject: fmt.Sprintf("the rule %s has found %d sources within an hour; more are not told one by one before %s", v.Rule, mostTold, time.Unix(0, t.From).Add(toldWithin).UTC().Format(time.RFC3339)),
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
	l.note(v, by, now)
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

// escalation is by how much a block of a verdict is longer for each return.
func (l *Live) escalation(v *detect.Verdict) store.Escalation {
	x := l.opts.Escalation
	if v.Escalate != nil {
		x.Factor, x.Max, x.Key = v.Escalate.Factor, v.Escalate.Max, "escalate.max of the rule "+v.Rule
	}
	if x.Length = l.opts.ReleaseAfter; v.BlockFor > 0 {
		x.Length = v.BlockFor
	}
	return x
}

// note puts a verdict into the batch. A block for a time begins when it is found, where its lines come as they are written, and else when it would have been found in time.
// Where this host's clock is ahead of what can be believed, as also after a stop, the line says which of the two it is; and if it is this host's after all, that is kept.
func (l *Live) note(v *detect.Verdict, by *lane, now time.Time) *store.Block {
	begins, behind, or := earlier(completed(v), now), time.Duration(0), time.Time{}
	if l.current(by) {
		now := l.opts.Now()
		begins = later(now.Add(-l.ahead()), earlier(completed(v), now))
		if behind = max(begins.Sub(completed(v)), 0); now.Sub(begins) > clock.Tolerance {
			or = now
		}
	}
	block := l.batch.block(v, l.evidence.lines(v, by, now), l.escalation(v), begins, now)
	if block.Behind = behind; !block.ExpiresAt.IsZero() {
		block.OrBegun = or
	}
	return block
}

// mostPast is how many sources are known of which blocks have ended; of the others the store is asked anew.
const mostPast = 10_000

// A pastOf is what is known of the blocks of a source that ended by themselves: as the store had them, and those that were found since.
type pastOf struct {
	blocks []store.Interval
	noted  int64 // the batch that has the last of those; 0: none was found
}

// pastOf gives the blocks of a source that ended by themselves.
func (l *Live) pastOf(source netip.Prefix) pastOf {
	if known, ok := l.past[source]; ok {
		return known
	}
	ctx, cancel := context.WithTimeout(context.Background(), evidenceTimeout)
	defer cancel()
	list, err := l.opts.Store.Ended(ctx, source)
	if err != nil {
		l.opts.Logger.Warn().Err(err).Str("address", detect.AddressText(source)).Msg("cannot read earlier blocks of a source that was found too late: what it did right after is counted as if it had none")
	}
	l.past[source] = pastOf{blocks: list}
	return l.past[source]
}

// forgetPast makes room, when a batch is handed over: those before are stored.
func (l *Live) forgetPast() {
	if len(l.past) >= mostPast {
		maps.DeleteFunc(l.past, func(_ netip.Prefix, p pastOf) bool { return p.noted < l.batch.Seq })
	}
}

// ended goes by what the store will say: what falls into the time of another block was part of it, and each that ended within the year before makes the next longer.
func (l *Live) ended(v *detect.Verdict) (at time.Time, part bool) {
	returns := 0
	for _, b := range l.pastOf(v.Source).blocks {
		switch {
		case b.To.After(v.FirstSeen):
			if !b.From.After(v.LastSeen) && b.To.After(at) {
				at, part = b.To, true
			}
		case b.To.After(v.LastSeen.Add(-store.OffenceAge)):
			returns++
		}
	}
	if !part {
		at = completed(v).Add(l.escalation(v).After(returns))
	}
	return at, part
}

// late notes a verdict whose block is over by now: the store has it as one of before, unless it is longer than that.
func (l *Live) late(v *detect.Verdict, by *lane, now time.Time) {
	l.opts.Stats.verdict(v.Rule, "late")
	l.note(v, by, now).Late = now.Add(-l.ahead())
	ends, part := l.ended(v)
	if !part {
		l.past[v.Source] = pastOf{append(l.pastOf(v.Source).blocks, store.Interval{From: v.FirstSeen, To: ends}), l.next}
	}
	l.opts.Logger.Info().Str("address", detect.AddressText(v.Source)).Str("rule", v.Rule).Str("grade", v.Grade.String()).Str("device", v.Device).
		Time("seen", v.Time).Time("until", ends).Msg("found too late to be blocked, unless its returns call for longer: " + v.Reason)
}
