package detect

import (
	"slices"
	"time"

	"activedefense/detect/memory"
)

// stands tells whether a verdict blocks its source, as far as the engine knows.
func (v *Verdict) stands() bool { return v.Mode == Block && v.Hold == "" }

// before tells whether a verdict goes before one of an earlier rule that the same record fired, which may be nil: what blocks
// goes before what a person has to decide, that before what only observes, and that before what only tells.
func (v *Verdict) before(other *Verdict) bool {
	return other == nil || v.stands() && !other.stands() || v.Mode < other.Mode
}

// judged completes a verdict with what its rule does, and with why it has to be held. What is proven is never held.
func (e *Engine) judged(v *Verdict, r int) *Verdict {
	e.fired[r]++
	return e.decided(v, &e.rules[r], r == probe)
}

// decided completes a verdict by its rule.
func (e *Engine) decided(v *Verdict, rule *rule, probes bool) *Verdict {
	v.Mode, v.BlockFor, v.Tag = max(v.Mode, rule.Mode), rule.BlockFor, rule.Tag
	if v.Mode == Block && v.Grade != Proven && rule.RefusedOnly {
		v.Hold = e.hold(v, probes)
	}
	if e.surge != nil && v.stands() {
		v.Hold = e.surge.full(v) // and its proven evidence stays
	}
	return v
}

// hold says why a forgeable verdict is for a person to decide; "" if it is not.
func (e *Engine) hold(v *Verdict, ofProbes bool) string {
	key := peerKey(v.Source.Addr())
	at, first := nanoseconds(v.Time), nanoseconds(v.FirstSeen)
	partner := e.memory.Partner(&key, first, at)
	inside, missing := carried(v.Source.Addr()), int64(0)
	if inside.IsValid() {
		key := memory.Key(inside.As16())
		partner = partner || e.memory.Partner(&key, first, at)
		_, missing, _ = e.memory.Missing(&key)
	}
	if v.Source.Addr().Is6() && v.Source.Bits() < peerBits {
		found, known := e.memory.PartnerIn(v.Source, first, at)
		partner = partner || found || !known
	}
	if partner {
		if until, ok := e.accepted[v.Source.Addr().As16()]; !ok || at >= until {
			return "the source is a partner, to which ours opened served sessions in several hours before, and the evidence may be forged"
		}
	}
	sessions, partners, _ := e.memory.Missing(&key)
	source := v.Source.Addr().As16() // as which its targets are remembered
	_, _, probes := e.memory.Missing(&source)
	switch {
	case at < max(partners, missing):
		return "the evidence may be forged, and whether the source is a partner is not known: too many addresses were spoken to (detect.max_partners)"
	case first < sessions:
		return "the evidence may be late answers: more sessions were opened than are remembered (detect.max_sessions)"
	case ofProbes && at < probes:
		return "the evidence may be forged, and what answered the source is not known: too many sources were served (detect.max_probes)"
	}
	return ""
}

// A Surge bounds how many forgeable verdicts block within a window of event time, whatever the clocks of the firewalls: what
// comes beyond is held. What a firewall with a clock that is ahead has admitted takes no room in the windows of another. The zero value
// bounds nothing.
type Surge struct {
	Additions int // 0: off
	Window    time.Duration
	times     []int64 // of what was admitted, in order
	forgotten int64   // the latest time that had to be forgotten; 0: none
}

// Remembered is how many admitted verdicts are remembered: those of 16 full windows, by which clocks may differ, up to 65,536 of them.
func (s *Surge) Remembered() int { return max(s.Additions, min(16*s.Additions, 1<<16)) }

// Admit takes room for a verdict that blocks, or says why there is none. Proven ones take none. What an engine with that limit
// has judged finds room.
func (s *Surge) Admit(v *Verdict) (why string) {
	if s.Additions <= 0 || v.Grade == Proven || !v.stands() {
		return ""
	}
	if why = s.full(v); why == "" {
		s.Note(v.Time)
	}
	return why
}

// full says why there is no room for a verdict that would block; "" if there is, or it needs none.
func (s *Surge) full(v *Verdict) string {
	if s.Additions <= 0 || v.Grade == Proven || s.room(nanoseconds(v.Time)) {
		return ""
	}
	return "more than " + several(s.Additions, "source", "sources") + " whose evidence may be forged came within " + short(s.Window) + " (blacklist.surge)"
}

// room tells whether no window holds more than Additions with one more at a time. Before what was forgotten there is none.
func (s *Surge) room(at int64) bool {
	if s.forgotten != 0 && at-s.forgotten < int64(s.Window) {
		return false
	}
	here, _ := slices.BinarySearch(s.times, at)
	for before := max(0, here+s.Additions-len(s.times)); before <= min(s.Additions, here); before++ {
		first, last := at, at
		if before > 0 {
			first = s.times[here-before]
		}
		if before < s.Additions {
			last = s.times[here+s.Additions-before-1]
		}
		if last-first < int64(s.Window) {
			return false
		}
	}
	return true
}

// Note counts a block, if there is room: one of before, so that a restart does not begin anew.
func (s *Surge) Note(block time.Time) {
	at := nanoseconds(block)
	if s.Additions <= 0 || !s.room(at) {
		return
	}
	here, _ := slices.BinarySearch(s.times, at)
	s.times = slices.Insert(s.times, here, at)
	if len(s.times) > s.Remembered() {
		s.forgotten = max(s.forgotten, s.times[0])
		s.times = slices.Delete(s.times, 0, 1)
	}
}
