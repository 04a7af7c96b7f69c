// Package memory is what detection remembers for longer than its rules look back in the evidence: for a day, to whom ours
// spoke (partners), and which targets refused or answered a source (probes); for ten minutes, which sessions ours opened
// (to tell late answers from an attack); and what the operator's own rules count, whose windows may be as long as a day.
//
// All of it lives in parts that have nothing to do with each other, by the address outside. What changes a part is written
// into a journal, and a part can be written whole: so a restart has all of it back from the parts as they were written one
// after the other, and the journal since. Every bound is a number of things; what had to be forgotten before its time is
// remembered as a time, until which its absence proves nothing.
//
// The package judges nobody, knows no rules, and reads no clock. It is not safe for concurrent use.
package memory

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"

	"activedefense/detect/arena"
)

// Parts is how many parts there are.
const Parts = 32

const (
	// SessionAge is for how long after a session its late answers come.
	SessionAge = 10 * time.Minute
	// Day is for how long partners are remembered.
	Day = 24 * time.Hour
)

// Limits are how many things are remembered, over all parts. Of each, a part has room for its share, and for at least 64.
type Limits struct {
	Sessions int // that ours opened, 32 bytes each, and 4 to 8 to find them; as many, 56 bytes each, of those whose translation is not told
	Partners int // addresses outside, 56 bytes each, and 8 to 16; as much again for those of many hours
	// Probes are sources, 96 bytes each with a target, and 10 to 20 to find them, with three more targets for each on average, 56
	// bytes each; and as many more that one target alone refused, 64 bytes each, and 4 to 8.
	Probes int
}

// Key is an address outside as it is counted: an IPv4 address mapped into IPv6, an IPv6 address, or the first of its network.
type Key = [16]byte

// Memory is all that is remembered. The zero value is none; see New.
type Memory struct {
	// Seed spreads what Seen.Per and Point.Value are of, and Login.Who; LoadCounters takes over that of an earlier run.
	Seed      Seed
	parts     [Parts]part
	served    visits
	journal   journal
	counters  []Counter
	whole     []bool         // by counter: it was told of all that there was
	counterOf map[uint64]int // by ID
	again     bool           // what is counted is told again
}

type part struct {
	sessions sessions
	partners partners
	probes   probes
	spent    spent
	groups   groups
	logins   Logins
}

// New makes an empty memory. window is how far back the targets of a source count, at most a day.
func New(l Limits, window time.Duration, targets int) *Memory {
	m := &Memory{Seed: NewSeed()}
	share := func(n int) int { return max(n/Parts, 64) }
	for i := range m.parts {
		p := &m.parts[i]
		p.sessions.max, p.sessions.untold.max = share(l.Sessions), share(l.Sessions)
		p.partners.max = share(l.Partners)
		p.probes.max, p.probes.window, p.probes.targets = share(l.Probes), int64(window), targets
		p.probes.singles.max, p.probes.singles.window = share(l.Probes), int64(window)
		p.spent.max = share(l.Probes)
	}
	return m
}

// PartOf is the part in which everything about an address outside is.
func PartOf(key *Key) int {
	h := binary.LittleEndian.Uint64(key[:8])*0x9e3779b97f4a7c15 ^ binary.LittleEndian.Uint64(key[8:])
	h *= 0xff51afd7ed558ccd
	return int(h >> 59)
}

func (m *Memory) part(key *Key) *part { return &m.parts[PartOf(key)] }

// A Session is one that ours opened to an address outside.
type Session struct {
	Key      Key      // of the address outside
	Peer     [16]byte // that address
	PeerPort uint16
	Ours     [16]byte // from where, as the address outside sees it where that is known
	OursPort uint16
	// Untranslated says that the address outside saw another address and port, which the log does not tell.
	Untranslated bool
	// Served says that the session was answered: it makes a partner.
	Served bool
	Device uint16 // whose clock the time is of
	Time   int64  // when it was open, in nanoseconds since 1970
}

// Open remembers a session that ours opened.
func (m *Memory) Open(s *Session) {
	m.journal.open(s)
	m.open(s)
}

func (m *Memory) open(s *Session) {
	p, h := m.part(&s.Key), arena.Hash(&s.Key)
	p.sessions.open(s, h)
	if s.Served {
		m.served.add(m, visit{key: s.Key, hash: h, time: s.Time})
	}
}

// Spoken says whether ours may have opened a session to an address outside lately, whose hash by arena.Hash is known: if not, no
// record from there is a late answer.
func (m *Memory) Spoken(key *Key, hash uint32) bool {
	s := &m.part(key).sessions
	return s.spoken(hash) || s.untold.table.Used() > 0
}

// Late says whether a record from an address outside is the late answer to one of its sessions: Peer, PeerPort, Ours and
// OursPort are those of the record, Time is its time.
func (m *Memory) Late(s *Session) bool {
	late, changed := m.late(s)
	if changed {
		m.journal.late(s)
	}
	return late
}

func (m *Memory) late(s *Session) (late, changed bool) {
	return m.part(&s.Key).sessions.late(s, arena.Hash(&s.Key))
}

// Partner says whether ours opened served sessions to an address in two different hours of the 24 before at, the first of
// them before the time before. Of an address that had to be forgotten this is not known.
func (m *Memory) Partner(key *Key, before, at int64) bool {
	m.served.settle(m)
	return m.part(key).partners.is(key, before, at)
}

// A Target is an address and a port of ours that a source reached.
type Target struct {
	Key    Key    // of the source
	Hash   uint32 // of the key, by arena.Hash; 0: whoever needs it finds it out
	Dst    [16]byte
	Port   uint16
	Device uint16
	Time   int64
	Ref    uint64
	Proven bool // of a refusal: the source was really there
}

func (t *Target) hashed() {
	if t.Hash == 0 {
		t.Hash = arena.Hash(&t.Key)
	}
}

// Refuse remembers that a target refused a source, and counts the source's targets as Probe does. hint, which begins as 0 and is
// kept for the source by the caller, spares the search for what is remembered of it.
func (m *Memory) Refuse(t *Target, hint *uint32) Probed {
	m.journal.target(opRefused, t)
	t.hashed()
	return m.part(&t.Key).probes.refuse(t, hint)
}

// Answer remembers that a target answered a source.
func (m *Memory) Answer(t *Target) {
	m.journal.target(opAnswered, t)
	t.hashed()
	m.part(&t.Key).probes.answer(t)
}

// Probe counts the targets of a source within the window before a time.
func (m *Memory) Probe(key *Key, at int64) Probed { return m.part(key).probes.count(key, at) }

// Refused gives the targets that refused a source within the window before a time, in no order.
func (m *Memory) Refused(key *Key, at int64) []Refusal { return m.part(key).probes.refused(key, at) }

// Begun is when the first refusal of a source was, of those that are remembered, or a time before that: to the second, and 0 where
// there is none.
func (m *Memory) Begun(key *Key) int64 { return m.part(key).probes.begun(key) }

// Consume forgets what refused a source, all of it or what may be forged, and keeps what answered it.
func (m *Memory) Consume(key *Key, keepProven bool) {
	m.journal.consume(key, keepProven)
	m.part(key).probes.consume(key, math.MaxInt64, keepProven)
}

// Spend remembers that a rule's verdict on a source used up its evidence up to a time: all of it, or what may be forged.
func (m *Memory) Spend(key *Key, rule uint8, keepProven bool, at int64) {
	m.journal.spend(key, rule, keepProven, at)
	m.part(key).spent.add(spentOn{*key, rule, keepProven}, at)
}

// Spent tells up to when a rule's verdicts used up the evidence against a source, and what may be forged of it; 0: they did not.
func (m *Memory) Spent(key *Key, rule uint8) (all, forgeable int64) {
	s := &m.part(key).spent
	return s.times[spentOn{*key, rule, false}], s.times[spentOn{*key, rule, true}]
}

// Forget forgets the targets of the sources in a network, and what counters have of them. A network costs a walk over all sources.
func (m *Memory) Forget(p netip.Prefix) {
	if !p.IsSingleIP() {
		m.ForgetIn(p.Contains)
		return
	}
	if key := Key(p.Addr().As16()); m.part(&key).forget(&key) {
		m.journal.forget(p)
	}
}

// ForgetBefore forgets the targets that refused a source before a time, in nanoseconds since 1970, and what counters have of it from before.
func ForgetBefore(m *Memory, key *Key, at int64) {
	m.journal.forgetBefore(key, at)
	m.part(key).forgetBefore(key, at)
}

func (p *part) forgetBefore(key *Key, at int64) {
	hash := arena.Hash(key)
	p.probes.consume(key, at, false)
	p.groups.forgetBefore(hash, key, at)
	p.logins.ForgetBefore(hash, key, at)
}

func (p *part) forget(key *Key) (known bool) {
	hash := arena.Hash(key)
	probes, groups, logins := p.probes.forget(key), p.groups.forget(hash, key), p.logins.Forget(hash, key)
	return probes || groups || logins
}

func (p *part) forgetIn(in func(netip.Addr) bool, forgot func(netip.Prefix)) {
	p.probes.forgetIn(in, forgot)
	p.groups.forgetIn(in, forgot)
	p.logins.ForgetIn(in, forgot)
}

// ForgetIn is Forget for all sources that are in some networks. It costs one walk over all sources.
func (m *Memory) ForgetIn(in func(netip.Addr) bool) {
	for i := range m.parts {
		m.parts[i].forgetIn(in, m.journal.forget)
	}
}

// PartnerIn says whether a partner, as Partner knows one, is in a network. known is false if none is found, and one may have been
// forgotten before its time. A network of up to 256 addresses is looked up, any other costs a walk over all that ours spoke to.
func (m *Memory) PartnerIn(network netip.Prefix, before, at int64) (found, known bool) {
	m.served.settle(m)
	known = true
	for i := range m.parts {
		known = known && at >= m.parts[i].partners.missing
	}
	if network.Addr().BitLen()-network.Bits() <= 8 {
		for addr := network.Masked().Addr(); network.Contains(addr); addr = addr.Next() {
			key := Key(addr.As16())
			if m.Partner(&key, before, at) {
				return true, true
			}
		}
		return false, known
	}
	for i := range m.parts {
		if m.parts[i].partners.in(network, before, at) {
			return true, true
		}
	}
	return false, known
}

// Missing says until when something that was not found may have been forgotten before its time, in nanoseconds since 1970; 0
// where nothing was. For sessions that is SessionAge after the latest that had to go, for partners a day, for probes the
// window after the latest answer.
func (m *Memory) Missing(key *Key) (sessions, partners, probes int64) {
	m.served.settle(m)
	p := m.part(key)
	return p.sessions.missingUntil(), p.partners.missing, p.probes.missing
}

// Sizes is how much is remembered.
type Sizes struct {
	Sessions, Partners, Probes int
	Near                       int    // sources that at least half as many targets refused as fire, however long ago
	Counted, Points            int    // sources that counters have, and their points
	Evicted, Dropped           uint64 // counted sources, and points, forgotten because memory was full
}

// Sizes counts over all parts.
func (m *Memory) Sizes() (s Sizes) {
	m.served.settle(m)
	for i := range m.parts {
		p := &m.parts[i]
		s.Sessions += p.sessions.ring.Len() + p.sessions.untold.table.Used()
		s.Partners += p.partners.table.Used()
		s.Probes += p.probes.table.Used() + p.probes.singles.len()
		s.Near += p.probes.near
		s.Counted, s.Points = s.Counted+p.groups.sources.Used(), s.Points+p.groups.points.Used()
		s.Evicted, s.Dropped = s.Evicted+p.groups.evicted+p.logins.evicted, s.Dropped+p.groups.dropped
	}
	return s
}

// Hint names a source by its part, the hash of its key, and the hint that Refuse set for it; without one, the hint is 0.
type Hint struct {
	Part uint8
	Hash uint32
	Hint uint32
}

// Touch brings into the processor's caches what tells that nothing is remembered of sources.
func (m *Memory) Touch(list []Hint) (touched uint32) {
	for i := range list {
		p := &m.parts[list[i].Part]
		touched += p.probes.known.touch(list[i].Hash)
	}
	var more [Parts]uint8
	for i := range list {
		part := list[i].Part % Parts
		touched += m.parts[part].probes.singles.ring.TouchNext(int(more[part]))
		more[part]++
	}
	for i := range list {
		p := &m.parts[list[i].Part]
		touched += p.sessions.peers.touch(list[i].Hash)
	}
	return touched
}

// Prefetch brings what will be needed for sources into the processor's caches, step by step for all of them: what one step
// reads says where the next one has to read. The result is of no meaning; it keeps the reading from being left out.
func (m *Memory) Prefetch(list []Hint) (touched uint32) {
	for i := range list {
		if h := &list[i]; h.Hint == 0 {
			p := &m.parts[h.Part].probes
			touched += p.table.Touch(h.Hash) + p.known.touch(h.Hash) + p.singles.ring.Touch(h.Hash)
		}
	}
	for i := range list {
		h := &list[i]
		p := &m.parts[h.Part].probes
		if h.Hint == 0 {
			h.Hint = p.table.First(h.Hash)
		}
		if c := p.singles.hinted(h.Hint); c != nil {
			touched += uint32(c.port) + p.table.Touch(h.Hash) // where it will be, if this is another target
		}
		if h.Hint >= singleHint {
			h.Hint = 0
		}
		if h.Hint != 0 {
			c := p.table.At(h.Hint)
			touched += uint32(c.key[0]) + c.own.next // may lie on two cache lines
		}
	}
	for i := range list {
		h := &list[i]
		p := &m.parts[h.Part].probes
		if h.Hint != 0 && p.others.Any() {
			t := p.others.At(p.table.At(h.Hint).own.next) // number 0 is no target, but has a cell
			touched += uint32(t.addr[0]) + t.next         // may lie on two cache lines
		}
	}
	return touched
}
