package memory

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"net/netip"

	"activedefense/detect/arena"
)

// The operations of a journal: what the memory was told.
const (
	opOpen = 1 + iota
	opLate
	opRefuse
	opAnswer
	opForget
	opConsume
	opSpend
	opCounter // gives a counter the next number, from 0 on, for what follows in this journal
	opSee
	opUseUp
	opFailed
	opForgetBefore
	opRefused // what opRefuse and opAnswer say, which earlier versions wrote, with the reference as its difference to the one before in this journal
	opAnswered
)

// Flags of an operation.
const (
	flagUntranslated = 1 << iota
	flagServed
	flagProven
	flagSystem
)

// ErrDamaged is what every error of [Memory.Apply] and [Memory.Load] is: what was written is not what is read.
var ErrDamaged = errors.New("the memory of the last day is damaged")

// journal is what the memory was told since it was taken last, as bytes: for each operation its kind, flags, times as the
// difference to the one before, and addresses behind their lengths.
type journal struct {
	kept     bool // somebody takes it
	bytes    []byte
	last     int64
	ref      uint64         // the one written last
	counters map[uint64]int // their numbers
}

// Keep has a journal written from now on, for a memory that is to outlive its process.
func (m *Memory) Keep() { m.journal.kept = true }

// Journal appends to buf what the memory was told since the last call, for Apply.
func (m *Memory) Journal(buf []byte) []byte {
	if len(m.journal.bytes) == 0 {
		return buf
	}
	buf = sealed(append(buf, m.journal.bytes...), len(buf))
	m.journal.bytes, m.journal.last, m.journal.ref = m.journal.bytes[:0], 0, 0
	clear(m.journal.counters)
	return buf
}

// JournalSize is how many bytes the next Journal gives.
func (m *Memory) JournalSize() int { return len(m.journal.bytes) }

func (j *journal) begin(op, flags byte, t int64) {
	j.bytes = append(j.bytes, op, flags)
	j.bytes = binary.AppendVarint(j.bytes, t-j.last)
	j.last = t
}

func (j *journal) session(op byte, s *Session) {
	if !j.kept {
		return
	}
	var flags byte
	if s.Untranslated {
		flags |= flagUntranslated
	}
	if s.Served {
		flags |= flagServed
	}
	j.begin(op, flags, s.Time)
	j.bytes = appendAddr(appendAddr(appendAddr(j.bytes, &s.Key), &s.Peer), &s.Ours)
	j.bytes = appendUint16s(j.bytes, s.PeerPort, s.OursPort, s.Device)
}

func (j *journal) open(s *Session) { j.session(opOpen, s) }
func (j *journal) late(s *Session) { j.session(opLate, s) }

func (j *journal) target(op byte, t *Target) {
	if !j.kept {
		return
	}
	var flags byte
	if t.Proven {
		flags |= flagProven
	}
	j.begin(op, flags, t.Time)
	j.bytes = appendAddr(appendAddr(j.bytes, &t.Key), &t.Dst)
	j.bytes = appendUint16s(j.bytes, t.Port, t.Device)
	j.bytes = binary.AppendVarint(j.bytes, int64(t.Ref-j.ref))
	j.ref = t.Ref
}

func (j *journal) consume(key *Key, keepProven bool) {
	if !j.kept {
		return
	}
	var flags byte
	if keepProven {
		flags = flagProven
	}
	j.begin(opConsume, flags, j.last)
	j.bytes = appendAddr(j.bytes, key)
}

func (j *journal) spend(key *Key, rule uint8, keepProven bool, at int64) {
	if !j.kept {
		return
	}
	j.begin(opSpend, flag(keepProven), at)
	j.bytes = append(appendAddr(j.bytes, key), rule)
}

func (j *journal) forget(p netip.Prefix) {
	if !j.kept {
		return
	}
	j.begin(opForget, 0, j.last)
	key := p.Addr().As16()
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	j.bytes = append(appendAddr(j.bytes, &key), byte(bits))
}

func (j *journal) forgetBefore(key *Key, at int64) {
	if !j.kept {
		return
	}
	j.begin(opForgetBefore, 0, at)
	j.bytes = appendAddr(j.bytes, key)
}

// counter gives the number of a counter.
func (j *journal) counter(id uint64) uint64 {
	n, ok := j.counters[id]
	if !ok {
		if j.counters == nil {
			j.counters = make(map[uint64]int)
		}
		n = len(j.counters)
		j.counters[id] = n
		j.begin(opCounter, 0, j.last)
		j.bytes = binary.BigEndian.AppendUint64(j.bytes, id)
	}
	return uint64(n)
}

func (j *journal) see(s *Seen, counters []Counter) {
	if !j.kept {
		return
	}
	number := j.counter(counters[s.Counter].ID)
	j.begin(opSee, flag(s.Proven), s.Time)
	j.bytes = appendUvarints(appendAddr(j.bytes, &s.Key), number, s.Per, s.Value, uint64(s.Weight))
	j.bytes = binary.BigEndian.AppendUint64(j.bytes, s.Ref)
}

func (j *journal) useUp(key *Key, of groupKey, counters []Counter, keepProven bool) {
	if !j.kept {
		return
	}
	number := j.counter(counters[of.counter].ID)
	j.begin(opUseUp, flag(keepProven), j.last)
	j.bytes = appendUvarints(appendAddr(j.bytes, key), number, of.per)
}

func (j *journal) failed(key *Key, l *Login) {
	if !j.kept {
		return
	}
	var flags byte
	if l.System {
		flags = flagSystem
	}
	j.begin(opFailed, flags, l.Time)
	j.bytes = appendUvarints(appendAddr(j.bytes, key), uint64(l.Who), uint64(l.Weight))
	j.bytes = binary.BigEndian.AppendUint64(j.bytes, l.Ref)
}

func appendUvarints(b []byte, list ...uint64) []byte {
	for _, n := range list {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func appendUint16s(b []byte, list ...uint16) []byte {
	for _, n := range list {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	return b
}

// appendAddr writes an address behind its length.
func appendAddr(b []byte, a *[16]byte) []byte {
	if isIPv4(a) {
		return append(append(b, 4), a[12:]...)
	}
	return append(append(b, 16), a[:]...)
}

// Apply tells the memory what a journal holds, as far as want says so of the part. What is told goes into no journal. The
// error wraps ErrDamaged; what came before the damage was told, and the counters are lost.
func (m *Memory) Apply(journal []byte, want func(part int) bool) error {
	if len(journal) == 0 {
		return nil
	}
	r := unsealed(journal)
	var last int64
	var ref uint64
	var counters []kept
	var reached targets
	for len(r.rest) > 0 && r.err == nil {
		op, flags := r.byte(), r.byte()
		last += r.varint()
		if ofProbes(op) || reached.n == len(reached.list) {
			reached.apply(m)
		}
		switch op {
		case opOpen, opLate:
			s := Session{Key: r.addr(), Peer: r.addr(), Ours: r.addr(), PeerPort: r.uint16(), OursPort: r.uint16(), Device: r.uint16(),
				Time: last, Untranslated: flags&flagUntranslated != 0, Served: flags&flagServed != 0}
			switch {
			case r.err != nil || !want(PartOf(&s.Key)):
			case op == opOpen:
				m.open(&s)
			default:
				m.late(&s)
			}
		case opRefuse, opAnswer, opRefused, opAnswered:
			ref = reached.read(&r, op, flags, last, ref, want)
		case opConsume:
			if key := r.addr(); r.err == nil && want(PartOf(&key)) {
				m.part(&key).probes.consume(&key, math.MaxInt64, flags&flagProven != 0)
			}
		case opSpend:
			if on := (spentOn{r.addr(), r.byte(), flags&flagProven != 0}); r.err == nil && want(PartOf(&on.key)) {
				m.part(&on.key).spent.add(on, last)
			}
		case opForget:
			p := r.prefix()
			if r.err == nil {
				m.forgetWanted(p, want)
			}
		case opCounter:
			counter, ok := known(m, r.uint64())
			counters = append(counters, kept{counter, ok})
		case opSee, opUseUp, opFailed, opForgetBefore:
			applyCount(m, &r, op, flags, last, counters, want)
		default:
			r.fail(fmt.Sprintf("operation %d", op))
		}
	}
	reached.apply(m)
	if r.err != nil {
		m.LoseCounters()
	}
	return r.err
}

// targets are what refused or answered a source, as a journal has them. Many are told together: the waits for memory then overlap.
type targets struct {
	list    [64]Target
	answers [64]bool
	n       int
	touched uint32 // takes something of all that is read, or the compiler would not read it
}

// ofProbes tells whether an operation, other than of a target, changes what is known of probes: the targets before it are to be told first.
func ofProbes(op byte) bool { return op == opConsume || op == opForget || op == opForgetBefore }

// read takes in one, for which there is room; ref is the reference that was read before.
func (l *targets) read(r *reader, op, flags byte, at int64, ref uint64, want func(part int) bool) uint64 {
	t := &l.list[l.n]
	*t = Target{Key: r.addr(), Dst: r.addr(), Port: r.uint16(), Device: r.uint16(), Time: at, Proven: flags&flagProven != 0}
	if op == opRefuse || op == opAnswer {
		t.Ref = r.uvarint()
	} else {
		t.Ref = ref + uint64(r.varint())
	}
	ref = t.Ref
	if r.err == nil && want(PartOf(&t.Key)) {
		t.Hash = arena.Hash(&t.Key)
		l.answers[l.n] = op == opAnswer || op == opAnswered
		l.n++
	}
	return ref
}

// apply tells the memory of them.
func (l *targets) apply(m *Memory) {
	var hints [len(l.list)]Hint
	for i := range l.n {
		hints[i] = Hint{Part: uint8(PartOf(&l.list[i].Key)), Hash: l.list[i].Hash}
	}
	l.touched += m.Prefetch(hints[:l.n])
	for i := range l.n {
		t, none := &l.list[i], uint32(0)
		if probes := &m.parts[hints[i].Part].probes; l.answers[i] {
			probes.answer(t)
		} else {
			probes.refuse(t, &none)
		}
	}
	l.n = 0
}

// applyCount is Apply for what counters count.
func applyCount(m *Memory, r *reader, op, flags byte, at int64, counters []kept, want func(part int) bool) {
	key := r.addr()
	hash, p, wanted := arena.Hash(&key), m.part(&key), want(PartOf(&key))
	if op == opForgetBefore {
		if wanted && r.err == nil {
			p.forgetBefore(&key, at)
		}
		return
	}
	if op == opFailed {
		l := Login{Time: at, Who: uint32(r.uvarint()), Weight: uint16(r.uvarint()), Ref: r.uint64(), System: flags&flagSystem != 0}
		if wanted && r.err == nil && loginsKnown(m) {
			p.failed(hash, &key, l)
		}
		return
	}
	number, per := r.uvarint(), r.uvarint()
	if r.err == nil && number >= uint64(len(counters)) {
		r.fail("a counter that is none")
	}
	if op == opSee {
		now := Point{Time: at, Value: r.uvarint(), Weight: uint16(r.uvarint()), Ref: r.uint64(), Proven: flags&flagProven != 0}
		if wanted && r.err == nil && counters[number].ok {
			p.groups.add(hash, &key, groupKey{uint16(counters[number].counter), per}, &now, false)
		}
		return
	}
	if !wanted || r.err != nil || !counters[number].ok {
		return
	}
	if g := p.groups.find(hash, &key, groupKey{uint16(counters[number].counter), per}); g != 0 {
		p.groups.consume(g, flags&flagProven != 0)
	}
}

func (m *Memory) forgetWanted(p netip.Prefix, want func(part int) bool) {
	for i := range m.parts {
		if !want(i) {
			continue
		}
		if key := Key(p.Addr().As16()); !p.IsSingleIP() {
			m.parts[i].forgetIn(p.Contains, func(netip.Prefix) {}) // of an earlier version: now each source is told
		} else if PartOf(&key) == i {
			m.parts[i].forget(&key)
		}
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealed appends the checksum of what was written from a place on.
func sealed(b []byte, from int) []byte {
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[from:], castagnoli))
}

// unsealed reads what is sealed, if it is what was written.
func unsealed(data []byte) reader {
	r := reader{rest: data}
	if end := len(data) - 4; end < 0 || binary.BigEndian.Uint32(data[end:]) != crc32.Checksum(data[:end], castagnoli) {
		r.fail("its checksum is another one")
	} else {
		r.rest = data[:end]
	}
	return r
}

// reader reads what was written. After the first fault everything is zero.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s, with %d bytes left", ErrDamaged, what, len(r.rest))
	}
	r.rest = nil
}

// take gives the next n bytes.
func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.fail("it ends early")
		return make([]byte, n)
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte     { return r.take(1)[0] }
func (r *reader) uint16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }

func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func (r *reader) varint() int64 {
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.fail("a number")
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.fail("a number")
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) key() (key [16]byte) {
	copy(key[:], r.take(16))
	return key
}

func (r *reader) addr() [16]byte {
	switch n := r.byte(); n {
	case 4:
		return netip.AddrFrom4([4]byte(r.take(4))).As16()
	case 16:
		return r.key()
	default:
		r.fail(fmt.Sprintf("an address of %d bytes", n))
		return [16]byte{}
	}
}

// prefix reads a network, IPv4 mapped.
func (r *reader) prefix() netip.Prefix {
	a, bits := netip.AddrFrom16(r.addr()), int(r.byte())
	if a.Is4In6() {
		a, bits = a.Unmap(), bits-96
	}
	p, err := a.Prefix(bits)
	if err != nil {
		r.fail("a network")
	}
	return p
}
