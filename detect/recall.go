package detect

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/netip"
	"slices"
	"time"

	"activedefense/detect/memory"
)

// What an engine knows of before a restart: for the rules of the table, whose windows are short, it is told the last records again (Recall);
// what the day needs and what custom rules count, the memory has. Of a custom rule that is new, or was changed, it has nothing: such a rule
// is behind, and is told its records again while others come (CatchUp). It fires as if it had been there before: when the last of what
// fires it is told, in whatever order.

// counters are what the custom rules count, for the memory.
func (c *customs) counters(s *Settings, refusing bool) []memory.Counter {
	list := make([]memory.Counter, len(c.rules))
	for i := range c.rules {
		r := &c.rules[i]
		list[i] = memory.Counter{ID: s.counterID(r.set, refusing), Need: r.need, Window: r.window, Distinct: len(r.set.Distinct) > 0, Logins: slices.Contains(r.set.Events, EventLogin)}
	}
	return list
}

// counterID makes a number of all that decides what a rule counts, and how. What it does when it fires is no part of that, nor is what is
// ours: what was counted when that was otherwise was rightly counted.
func (s *Settings) counterID(r *CustomRule, refusing bool) uint64 {
	text, err := json.Marshal([]any{r.Name, r.Events, r.Where, r.Not, r.Distinct, r.Per, clamped(r.MoreThan), r.Window, r.RefusedOnly, refusing, s.Ignore, s.Proxies, s.IPv6Prefix})
	if err != nil {
		panic(err) // no value of these types can be refused
	}
	sum := sha256.Sum256(text)
	return binary.BigEndian.Uint64(sum[:])
}

// Recall tells the engine once more of a record from before a restart: its evidence counts for the rules of the table, and what the memory
// holds of it, which is kept by itself, stays as it is.
func (e *Engine) Recall(ev *Event) Result {
	e.recalling = true
	defer func() { e.recalling = false }()
	var w watched
	r, ok := observed(e, ev, &w)
	if ok {
		watchTable(e, ev, &w, &r)
	}
	return r
}

// CatchUp tells the custom rules that are behind once more of a record from before a restart. Each of those is told once, those of
// the span that Behind gives, and then CaughtUp is called.
func (e *Engine) CatchUp(ev *Event) Result {
	e.recalling = true
	e.memory.Again(true)
	defer func() {
		e.recalling = false
		e.memory.Again(false)
	}()
	var w watched
	r, ok := observed(e, ev, &w)
	if !ok || !isLogin(ev) && ev.Type != TypeLog && e.elsewhere(w.dst) {
		return r
	}
	if r.Session = ev.Session; ev.Type != TypeLog {
		r.Session = e.became(ev)
	}
	e.watchCustom(ev, &w, &r)
	return r
}

// maxServed is how many sources are kept that Served told of. Of those that are forgotten, records of that time count.
const maxServed = 1 << 16

// Served tells that a source, as verdicts name it, would have been blocked until a time that is over: of its records, those from before do not count, whenever they come, and those
// since then do: what is known of it from before is dropped.
func (e *Engine) Served(source netip.Prefix, until time.Time) {
	source = plainPrefix(source)
	if !source.IsValid() {
		return
	}
	if len(e.served) >= maxServed {
		e.served = nil
	}
	if e.served == nil {
		e.served = make(map[[16]byte]int64)
	}
	key := e.keyOf(source.Addr())
	e.served[key] = max(e.served[key], nanoseconds(until))
	forgetBefore(e, source, until)
}

// Behind gives how far back from the latest event those custom rules count that are behind, as Horizon does for the rules of the table; 0:
// none is. Of records that are of none of the types, or for which counts says no, none need be told.
func (e *Engine) Behind() (horizon time.Duration, types []Type, counts func(*Event) bool) {
	events, long := make(map[string]bool), int64(0)
	if e.custom != nil {
		for i := range e.custom.rules {
			if r := &e.custom.rules[i]; e.memory.Behind(i) {
				long = max(long, r.window)
				for _, event := range r.set.Events {
					events[event] = true
				}
			}
		}
	}
	for event := range events {
		for _, t := range typesOf(event) {
			if !slices.Contains(types, t) {
				types = append(types, t)
			}
		}
	}
	return twice(long), types, func(ev *Event) bool { return events[eventOf(ev)] }
}

// typesOf gives the types of the records for which rules have a name; see eventOf.
func typesOf(event string) []Type {
	switch event {
	case EventTraffic:
		return []Type{TypeTraffic}
	case EventThreat:
		return []Type{TypeThreat}
	case EventLogin:
		return []Type{TypeGlobalProtect, TypeSystem}
	}
	return []Type{TypeLog}
}

// behind tells whether a rule that counts an event is behind.
func behind(e *Engine, event string) bool {
	for i := range e.custom.rules {
		if e.memory.Behind(i) && slices.Contains(e.custom.rules[i].set.Events, event) {
			return true
		}
	}
	return false
}

// Horizon is how far back from the latest event, by the time of events, evidence for the rules of the table can
// still matter as long as records arrive less than a window out of order: twice the
// longest window. 0 if none of them counts.
func (e *Engine) Horizon() time.Duration {
	return twice(max(e.rules[portScan].window, e.rules[hostSweep].window, e.rules[login].window))
}

// Recalled gives the types of the records that Recall may count: of others none need be told. What patterns took is never among them, for the
// rules of the table count none of it.
func (e *Engine) Recalled() []Type {
	types := []Type{TypeThreat} // those of vulnerability, too, which has no window
	if e.rules[portScan].window != 0 || e.rules[hostSweep].window != 0 {
		types = append(types, TypeTraffic)
	}
	if e.rules[login].window != 0 {
		types = append(types, TypeGlobalProtect, TypeSystem)
	}
	return types
}

func twice(window int64) time.Duration { return time.Duration(min(window, math.MaxInt64/2)) * 2 }
