// Package detect finds the addresses that scan, guess passwords or attack. It is pure: events go in, verdicts come out, and the
// only time it knows is the time of the events.
//
// Who a record is held against says who.go; why it counts for a rule or does not, reasons.go and session.go; what the
// rules are, settings.go; when one fires and what becomes of that, observe.go and hold.go. What each source reached is kept by
// sightings (pairs of address and port, over the short windows), attempts (failed logins) and package memory (what a day needs).
// What fires does not depend on how the records of several firewalls interleave, nor on one of them having a wrong clock.
// Memory is bounded, see Settings. The Guard says what must never be blocked; the caller asks it before acting on a verdict.
//
// The files of testdata say in plain text what counts and what does not.
//
// The package reads no logs (see detect/panos), stores and blocks nothing, and
// starts no goroutine. An Engine belongs to one goroutine; a Guard and an Ours may be shared.
package detect

import (
	"activedefense/detect/arena"
	"activedefense/detect/memory"
	"math"
	"net/netip"
	"time"
)

// Engine holds the evidence against sources that are not blocked yet, and the
// addresses that are. It is not safe for concurrent use.
type Engine struct {
	known
	sightings                // for the rules that count pairs of address and port
	attempts  memory.Logins  // for the rule login
	custom    *customs       // nil: there are none
	memory    *memory.Memory // nil: no rule needs it
	seed      *memory.Seed   // the memory's, where there is one

	settings  Settings
	rules     [rulesInAll]rule
	refusing  bool // a rule counts refused records alone
	observing bool // a verdict may leave its source to be counted on
	recalling bool // records of before are told again, which the memory knows

	blocked  prefixSet
	served   map[[16]byte]int64                          // by source, until when its records do not count: see Served
	accepted map[[16]byte]int64                          // partners that are not held, until when
	surge    *Surge                                      // nil: nothing bounds forgeable verdicts
	over     func(*Verdict) (until time.Time, over bool) // see Expire; nil: none is

	devices devices

	stats Stats
	fired [rulesInAll]uint64
}

// Stats are the engine's counters. Those of events start at 0 with the engine.
type Stats struct {
	Sources   int               // that have evidence; where custom rules count, too, those of the kind of which there are more
	Sightings int               // held as evidence
	Blocked   int               // entries of the blacklist
	Evicted   uint64            // sources forgotten because memory was full
	Dropped   uint64            // sightings forgotten because their source had too many, or all of them
	Fired     map[string]uint64 // verdicts by rule
	Near      int               // sources with at least half of what fires a rule, once for the rules counted in pairs and once for probes
	// Refused are records of sessions in which nothing was served, of sources that are not ours: RefusedBlocked those of sources on
	// the blacklist, RefusedElsewhere those whose destination is not ours either, of all that have two addresses.
	Refused, RefusedBlocked, RefusedElsewhere uint64
	// Remembered is what the memory holds.
	Remembered memory.Sizes
}

// New makes an engine without evidence and with an empty blacklist, to which nothing is ours.
func New(s Settings) *Engine {
	e := &Engine{settings: s, rules: s.rules()}
	e.known = newKnown(&e.settings)
	e.sightings = newSightings([countingRules]rule(e.rules[:countingRules]), s.MaxSources)
	e.attempts = memory.NewLogins(e.maxSources, attemptsEach*e.rules[login].need, maxAttempts)
	e.custom = newCustoms(&e.settings)
	all := e.rules[:]
	if e.custom != nil {
		for i := range e.custom.rules {
			all = append(all, e.custom.rules[i].rule)
		}
	}
	for _, rule := range all {
		e.refusing = e.refusing || rule.window != 0 && rule.RefusedOnly
		e.observing = e.observing || rule.window != 0 && rule.Mode >= Observe || len(s.Proxies) > 0
	}
	seed := memory.NewSeed()
	e.seed = &seed
	if e.refusing || e.observing || e.rules[probe].window != 0 || e.custom != nil {
		limits := memory.Limits{Sessions: orDefault(s.MaxSessions, defaultMaxSessions), Partners: orDefault(s.MaxPartners, defaultMaxPartners),
			Probes: orDefault(s.MaxProbes, defaultMaxProbes)}
		e.memory = memory.New(limits, time.Duration(e.rules[probe].window), e.rules[probe].need)
		e.seed = &e.memory.Seed
	}
	if e.custom != nil {
		e.memory.Count(e.custom.counters(&e.settings, e.refusing), e.maxSources)
	}
	return e
}

func orDefault(n, otherwise int) int {
	if n <= 0 {
		return otherwise
	}
	return n
}

// Know tells the engine what is ours, and what is protected, from the next event on. Both may be nil.
func (e *Engine) Know(o *Ours, g *Guard) {
	e.ours = o
	e.crowded = g.crowded(e.settings.IPv6Prefix)
}

// Limit has forgeable verdicts held for which a surge has no room. Who blocks tells the surge (Admit).
func (e *Engine) Limit(s *Surge) { e.surge = s }

// Expire has the evidence stay that a source gave since a verdict on it that blocks would have ended, where over tells that it has: all of before that goes. Of any other verdict that
// blocks, all evidence against its source goes, that of other rules included.
func (e *Engine) Expire(over func(v *Verdict) (until time.Time, over bool)) { e.over = over }

// settle drops what a verdict that blocks makes void.
func settle(e *Engine, v *Verdict) {
	if e.over != nil {
		if until, over := e.over(v); over {
			forgetBefore(e, v.Source, until)
			return
		}
	}
	e.forget(v.Source)
}

// forgetBefore drops the evidence against a source, as verdicts name it, from before a time.
func forgetBefore(e *Engine, source netip.Prefix, until time.Time) {
	key, at := e.keyOf(source.Addr()), nanoseconds(until)
	hash := arena.Hash(&key)
	if id := e.sourceOf(hash, &key); id != 0 {
		e.dropBefore(id, at)
	}
	e.attempts.ForgetBefore(hash, &key, at)
	if e.memory != nil {
		memory.ForgetBefore(e.memory, &key, at)
	}
}

// Accept has a partner's verdicts not held until a time: a person said so.
func (e *Engine) Accept(p netip.Prefix, until time.Time) {
	if p = plainPrefix(p); p.IsValid() {
		if e.accepted == nil {
			e.accepted = make(map[[16]byte]int64)
		}
		e.accepted[e.keyOf(p.Addr())] = nanoseconds(until)
	}
}

// Block puts addresses and networks on the blacklist: their records no longer count,
// and the evidence against them is dropped. Invalid prefixes change nothing.
func (e *Engine) Block(list ...netip.Prefix) {
	list = plainPrefixes(list)
	for _, p := range list {
		e.blocked.add(p)
	}
	e.forget(list...)
}

// Release takes addresses and networks off the blacklist. Evidence up to now does not
// count, whether they were on it or not; another entry that covers one stays in force.
func (e *Engine) Release(list ...netip.Prefix) {
	list = plainPrefixes(list)
	for _, p := range list {
		e.blocked.remove(p)
	}
	e.forget(list...)
}

// Forget drops the evidence against addresses and networks up to now, blocked or not.
func (e *Engine) Forget(list ...netip.Prefix) { e.forget(plainPrefixes(list)...) }

// forget drops the evidence against all sources in these. Networks, however many, cost one walk over all sources.
func (e *Engine) forget(list ...netip.Prefix) {
	var networks prefixSet
	for _, p := range list {
		if !p.IsSingleIP() && p != e.networkOf(p.Addr()) {
			networks.add(p)
			continue
		}
		key := p.Addr().As16()
		hash := arena.Hash(&key)
		if id := e.sourceOf(hash, &key); id != 0 {
			e.drop(id)
		}
		e.attempts.Forget(hash, &key)
		if e.memory != nil {
			e.memory.Forget(single(netip.AddrFrom16(key).Unmap()))
		}
	}
	if networks.len() == 0 {
		return
	}
	in := func(addr netip.Addr) bool {
		_, ok := networks.network(addr, addr.BitLen())
		return ok
	}
	for id := e.queue.Oldest(); id != 0; {
		next := arena.Next(&e.sources, id)
		if in(netip.AddrFrom16(e.sources.At(id).key).Unmap()) {
			e.drop(id)
		}
		id = next
	}
	e.attempts.ForgetIn(in, func(netip.Prefix) {})
	if e.memory != nil {
		e.memory.ForgetIn(in)
	}
}

// keyOf is the address under which a source is counted.
func (e *Engine) keyOf(addr netip.Addr) [16]byte {
	if addr.Is4() {
		return addr.As16()
	}
	return e.networkOf(addr).Addr().As16()
}

// Stats gives the counters as they are now.
func (e *Engine) Stats() Stats {
	s := e.stats
	s.Evicted, s.Dropped = e.evicted+e.attempts.Evicted(), e.dropped
	s.Sources = e.sources.Used()
	s.Sightings = e.held
	s.Blocked = e.blocked.len()
	s.Near = e.near
	s.Fired = make(map[string]uint64, len(ruleNames))
	for r, name := range ruleNames {
		s.Fired[name] = e.fired[r]
	}
	if c := e.custom; c != nil {
		for i := range c.rules {
			s.Fired[c.rules[i].set.Name] = c.fired[i]
		}
	}
	if e.memory != nil {
		s.Remembered = e.memory.Sizes()
		s.Near += s.Remembered.Near
		s.Evicted, s.Dropped = s.Evicted+s.Remembered.Evicted, s.Dropped+s.Remembered.Dropped
		s.Sources, s.Sightings = max(s.Sources, s.Remembered.Counted), s.Sightings+s.Remembered.Points
	}
	return s
}

// nanoseconds since 1970. Times before 1970 or after 2262, which no firewall can
// mean, are taken for the nearest that fits.
func nanoseconds(t time.Time) int64 {
	switch seconds := t.Unix(); {
	case seconds < 0:
		return 0
	case seconds >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	}
	return t.UnixNano()
}

func clock(nanoseconds int64) time.Time {
	return time.Unix(0, nanoseconds).UTC()
}
