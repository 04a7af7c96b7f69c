package detect

import (
	"math"

	"activedefense/detect/arena"
	"activedefense/detect/memory"
)

// A watched record is one that is held against a source: what the engine works with.
type watched struct {
	party
	key    [16]byte
	hash   uint32 // of the key
	time   int64
	clock  uint16 // the device's number in the memory
	weight uint16
	grade  Grade
	id     uint32 // of the source in the engine, once it was counted; 0 before
}

// Observe counts one event and says what became of it. On Fired the evidence that the verdict rests on is gone, see Expire: the caller
// calls Block, or does not if the Guard refuses.
func (e *Engine) Observe(ev *Event) Result {
	var w watched
	r, ok := observed(e, ev, &w)
	if ok && watchTable(e, ev, &w, &r) && e.custom != nil && (r.Verdict == nil || !r.Verdict.stands()) {
		e.watchCustom(ev, &w, &r)
	}
	return r
}

// observed begins what is done with an event; ok: it is held against a source that may be blocked, and is not yet.
func observed(e *Engine, ev *Event, w *watched) (r Result, ok bool) {
	e.who(ev, &w.party)
	if !w.addr.IsValid() || w.proxied && e.isProxy(w.addr) {
		r.Session = e.became(ev)
		return r, false
	}
	w.key = w.addr.As16()
	if entry, ok := e.blocked.covering(w.addr, w.key); ok {
		r.Session = e.became(ev)
		r.Outcome, r.Entry = Blocked, entry
		e.tally(ev, r.Session, true, r.Session == SessionRefused && e.elsewhere(w.dst))
		return r, false
	}
	// Before the look into the directory, which for a private source would only be a walk
	// to memory that is in no cache.
	if !isPublic(w.addr) || e.ours.Contains(w.addr) {
		r.Session = e.became(ev)
		if e.memory != nil && !e.recalling && ev.Type == TypeTraffic && !w.proxied {
			e.opened(ev, &w.party, r.Session)
		}
		return r, false
	}
	w.time, w.weight = nanoseconds(ev.Time), weightOf(ev)
	if !w.addr.Is4() {
		w.key = e.keyOf(w.addr)
	}
	if w.proxied {
		w.key[0] |= byProxy
	}
	if len(e.served) > 0 && w.time < e.served[w.key] {
		r.Session = e.became(ev)
		r.Outcome, r.Entry = Blocked, e.networkOf(w.addr)
		e.tally(ev, r.Session, true, r.Session == SessionRefused && e.elsewhere(w.dst))
		return r, false
	}
	w.hash = arena.Hash(&w.key)
	return r, true
}

// watchTable counts a record for the rules of the table; false: it is held against nobody.
func watchTable(e *Engine, ev *Event, w *watched, r *Result) bool {
	if !isLogin(ev) {
		return e.watch(ev, w, r)
	}
	r.Session = e.became(ev)
	e.watchLogin(ev, w, r)
	return true
}

// byProxy marks the key of a client that a proxy named: what only a proxy says of an address is no evidence beside what is known
// of it. No public address begins with this bit.
const byProxy = 0x80

// became is what became of a session, where a rule asks for it or somebody found it out before.
func (e *Engine) became(ev *Event) Session {
	if e.refusing {
		return sessionOf(ev)
	}
	return ev.Session
}

// weightOf is how many records one stands for. A scan that the firewall found is one, however often it says so.
func weightOf(ev *Event) uint16 {
	if tellsOfScan(ev) {
		return 1
	}
	return uint16(min(max(ev.Repeat, 1), math.MaxUint16))
}

// tally counts what the shares in Stats are of. Logins are to the firewall itself, and have no part in them.
func (e *Engine) tally(ev *Event, became Session, blocked, elsewhere bool) {
	if e.recalling || became != SessionRefused || isLogin(ev) {
		return
	}
	e.stats.Refused++
	if blocked {
		e.stats.RefusedBlocked++
	}
	if elsewhere {
		e.stats.RefusedElsewhere++
	}
}

// opened remembers a session that ours opened to the internet, if a record is of one.
func (e *Engine) opened(ev *Event, p *party, became Session) {
	dst := plain(ev.Dst)
	if !e.refusing || !dst.IsValid() || !isPublic(dst) || e.ours.Contains(dst) || !allowed(ev.Action) {
		return
	}
	_, number := e.devices.of(ev.Device)
	s := memory.Session{Peer: dst.As16(), PeerPort: ev.DstPort, OursPort: ev.SrcPort, Served: became == SessionAnswered, Device: number, Time: nanoseconds(ev.Time)}
	if s.Key = s.Peer; !dst.Is4() {
		s.Key = peerKey(dst)
	}
	switch nat := plain(ev.NATSrc); {
	case nat.IsValid():
		s.Ours = nat.As16()
		if ev.NATSrcPort != 0 {
			s.OursPort = ev.NATSrcPort
		} else {
			s.Untranslated = nat != p.addr // to which port, the format does not say
		}
	case ev.NATSrcPort != 0:
		s.Ours, s.OursPort = p.addr.As16(), ev.NATSrcPort
	default:
		s.Ours, s.Untranslated = p.addr.As16(), !isPublic(p.addr)
	}
	e.memory.Open(&s)
}

// watch counts a record that is held against a source which may be blocked, for the rules of the table; false: it is held against nobody.
func (e *Engine) watch(ev *Event, w *watched, r *Result) bool {
	if ev.Type == TypeLog {
		r.Session = ev.Session
		return true
	}
	elsewhere := e.elsewhere(w.dst)
	r.Session = e.became(ev)
	e.tally(ev, r.Session, false, elsewhere)
	if elsewhere {
		return false
	}
	w.grade = grade(ev)
	ignored := ruleSet(0)
	if len(e.settings.Ignore) > 0 {
		ignored, _ = e.ignoring(ev, &w.party)
	}
	if ev.Type == TypeThreat && !ignored.has(vulnerability) && e.notVulnerability(ev, &w.party) == "" && e.unspent(w, 1<<vulnerability) != 0 {
		v := e.judged(vulnerabilityVerdict(e, ev, w), vulnerability)
		r.fired(v)
		if v.stands() {
			settle(e, v)
			return true
		}
		e.spend(w, vulnerability, v)
	}
	counting := e.counting(ev, w, &r.Session) &^ ignored
	if e.recalling {
		counting = e.unspent(w, counting)
	}
	if counting != 0 {
		r.Outcome, r.Grade = max(r.Outcome, Counted), max(r.Grade, w.grade)
		r.fired(e.countPairs(ev, w, counting))
		if counting.has(probe) && (r.Verdict == nil || !r.Verdict.stands()) {
			r.fired(e.countProbe(ev, w))
		}
	}
	if r.Session == SessionAnswered && (r.Verdict == nil || !r.Verdict.stands()) {
		e.answered(ev, w)
	}
	return true
}

// fired takes over a verdict, if there is one, unless there is one that goes before it.
func (r *Result) fired(v *Verdict) {
	if v != nil && v.before(r.Verdict) {
		r.Outcome, r.Verdict, r.Grade = Fired, v, max(r.Grade, v.Grade)
	}
}

// counting gives the rules that count a record, late answers and vulnerability aside, and notes when it is a late answer.
func (e *Engine) counting(ev *Event, w *watched, became *Session) (set ruleSet) {
	if notReaching(ev, &w.party) != "" {
		return 0
	}
	refused := e.refusing && notRefused(ev, *became) == ""
	if refused && *became == SessionRefused && isLate(e, ev, w) {
		*became, refused = SessionLate, false
	}
	for r := range login {
		if rule := &e.rules[r]; rule.window != 0 && (refused || !rule.RefusedOnly) && (r != portScan || w.dstPort != 0) {
			set |= 1 << r
		}
	}
	return set
}

// isLate tells whether a record is the late answer to a session that ours opened. Of a record that is told again this is known.
func isLate(e *Engine, ev *Event, w *watched) bool {
	if e.memory == nil || e.recalling {
		return false
	}
	key, hash := w.key, w.hash
	if w.proxied || !w.addr.Is4() {
		key = peerKey(w.addr)
		hash = arena.Hash(&key)
	}
	if !e.memory.Spoken(&key, hash) {
		return false
	}
	_, w.clock = e.devices.of(ev.Device)
	return e.memory.Late(&memory.Session{Key: key, Peer: w.addr.As16(), PeerPort: w.port, Ours: plain(w.dst).As16(), OursPort: w.dstPort,
		Device: w.clock, Time: w.time})
}

// countPairs counts a record for the rules that count pairs of address and port.
func (e *Engine) countPairs(ev *Event, w *watched, counting ruleSet) (first *Verdict) {
	s := sighting{dst: w.dst.As16(), time: w.time, ref: ev.Ref, port: w.dstPort, weight: w.weight, class: class(counting) & classRules}
	if s.class == 0 {
		return nil
	}
	s.device, w.clock = e.devices.of(ev.Device)
	if w.grade == Proven {
		s.class |= classProven
	}
	id := e.see(e.sourceOf(w.hash, &w.key), w.hash, &w.key)
	w.id = id
	for s.class&classRules != 0 {
		found, fired := e.count(e.sources.At(id), &s)
		if !fired {
			break
		}
		v := e.judged(e.scanVerdict(ev, w, s.ref, found), found.rule)
		if v.stands() {
			settle(e, v)
			return v
		}
		// It goes on being counted: for the other rule, and for this one with what comes from now on, or is better evidence.
		if v.before(first) {
			first = v
		}
		e.consume(id, found.rule, v.Mode != Observe)
		e.spend(w, found.rule, v)
		s.class &^= 1 << found.rule
	}
	return first
}

// countProbe counts a record for the rule probe.
func (e *Engine) countProbe(ev *Event, w *watched) *Verdict {
	if e.recalling {
		return nil
	}
	_, w.clock = e.devices.of(ev.Device)
	var hint uint32
	if w.id != 0 {
		hint = e.sources.At(w.id).packed.probe()
	}
	n := e.memory.Refuse(&memory.Target{Key: w.key, Hash: w.hash, Dst: plain(w.dst).As16(), Port: w.dstPort, Device: w.clock, Time: w.time, Ref: ev.Ref, Proven: w.grade == Proven}, &hint)
	if w.id != 0 {
		e.sources.At(w.id).packed.setProbe(hint)
	}
	need, all := e.rules[probe].need, !e.rules[probe].RefusedOnly
	if all {
		n.Answered, n.Spared = 0, false
	}
	if n.Spared || n.Refused-n.Answered < need {
		return nil
	}
	g := Forgeable
	if n.Proven-n.Answered >= need {
		g = Proven
	}
	v := e.judged(e.probeVerdict(ev, w, n, g), probe)
	if v.stands() {
		settle(e, v)
	} else {
		e.memory.Consume(&w.key, v.Mode != Observe)
	}
	return v
}

// answered remembers that a target of ours answered a source.
func (e *Engine) answered(ev *Event, w *watched) {
	if e.recalling || ev.Type != TypeTraffic || e.rules[probe].window == 0 || !e.rules[probe].RefusedOnly || !w.dst.IsValid() {
		return
	}
	_, w.clock = e.devices.of(ev.Device)
	e.memory.Answer(&memory.Target{Key: w.key, Hash: w.hash, Dst: plain(w.dst).As16(), Port: w.dstPort, Device: w.clock, Time: w.time})
}

// spend notes that a verdict used up evidence of a source that goes on being counted, so that it is not counted again when a
// restart recalls it. Of probes the memory itself knows it.
func (e *Engine) spend(w *watched, r int, v *Verdict) {
	if e.memory != nil && !e.recalling {
		e.memory.Spend(&w.key, uint8(r), v.Mode != Observe, w.time)
	}
}

// unspent leaves, of the rules that count a record which is recalled, those that it is still evidence for.
func (e *Engine) unspent(w *watched, set ruleSet) ruleSet {
	if !e.recalling || e.memory == nil {
		return set
	}
	for r := range rulesInAll {
		if !set.has(r) {
			continue
		}
		if all, forgeable := e.memory.Spent(&w.key, uint8(r)); w.time <= all || w.time <= forgeable && w.grade != Proven {
			set &^= 1 << r
		}
	}
	return set
}

// Memory is what is remembered for a day, to be kept over a restart; nil where no rule needs it.
func (e *Engine) Memory() *memory.Memory { return e.memory }
